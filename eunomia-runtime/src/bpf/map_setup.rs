//! How the maps of an object are made when it is loaded, or that they are others' maps.

use std::{os::fd::BorrowedFd, path::Path};

use libbpf_rs::{AsRawLibbpf as _, MapType, OpenMapMut, libbpf_sys};

use super::{
    Open, fdinfo,
    messages::{listen, refused},
};
use crate::{Error, Result, refusal::refusal};

impl Open {
    /// Sets the number of entries of a map, for a ring buffer its bytes, for an arena its pages.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map, [`Error::Value`] where it is a section of the object, which has one, or an
    /// arena that would be too small for its variables.
    pub fn set_max_entries(&mut self, map: &str, entries: u32) -> Result<()> {
        self.find_map(map)?;
        let refuse = |why| Error::Value { name: format!("map `{map}`"), why };
        for mut found in self.object.maps_mut().filter(|found| found.name() == map) {
            // SAFETY: the pointer is that of a map of a live object, and the call only reads a flag.
            if unsafe { libbpf_sys::bpf_map__is_internal(found.as_libbpf_object().as_ptr()) } {
                // libbpf takes the size of its mapping from the number when it unmaps it.
                return Err(refuse("it is a section of the object and has one entry".to_owned()));
            }
            // libbpf looks at the size when it opens the object, and copies the variables when it loads it.
            let variables = found.initial_value().map_or(0, <[u8]>::len).div_ceil(rustix::param::page_size());
            if found.map_type() == MapType::Arena && (entries as usize) < variables {
                return Err(refuse(format!("its variables need {variables} pages, {entries} were asked for")));
            }
            found.set_max_entries(entries).map_err(|error| refused(format!("set the entries of map `{map}` to {entries}"), &error, ""))?;
        }
        Ok(())
    }

    /// The flags that a map will be made with (`BPF_F_*` of `uapi/linux/bpf.h`); those of a section are libbpf's choice.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map.
    pub fn map_flags(&self, map: &str) -> Result<u32> {
        self.find_map(map)?;
        Ok(self.object.maps().find(|found| found.name() == map).map_or(0, |found| found.map_flags()))
    }

    /// Sets all flags of a map, for example to [`Self::map_flags`] with `BPF_F_NO_PREALLOC`, which makes entries of a hash table only when
    /// they are needed. A section's map goes by libbpf's name for it, `<object>.bss` for example; without `BPF_F_MMAPABLE` its variables
    /// are read and written by system calls, see [`super::Variable`].
    ///
    /// The kernel decides when the object is loaded whether the flags fit the map.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map.
    pub fn set_map_flags(&mut self, map: &str, flags: u32) -> Result<()> {
        self.find_map(map)?;
        for mut found in self.object.maps_mut().filter(|found| found.name() == map) {
            found.set_map_flags(flags).map_err(|error| refused(format!("set the flags of map `{map}` to {flags:#x}"), &error, ""))?;
        }
        Ok(())
    }

    /// Uses the map that is pinned to `path`, in a BPF file system, in place of one of this object's own; where there is none, the object's
    /// own is pinned there when it is loaded, and lives on behind it.
    ///
    /// Where the map there is of another kind or size, loading fails with EINVAL and says what differs; with EINVAL also where the path is in
    /// no BPF file system ([`super::mount::bpffs`]).
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map.
    pub fn set_pin_path(&mut self, map: &str, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.set_up(map, &format!("pin it to {}", path.display()), |map| map.set_pin_path(path))
    }

    /// Uses a map that is in the kernel already in place of one of this object's own, for example one of another object.
    ///
    /// The kernel decides when the object is loaded whether the programs can use it.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map, [`Error::Value`] where `fd` is no map, or one of both is a table of functions
    /// (struct_ops): libbpf has what belongs to such a table apart from what it takes over. [`Error::Kernel`] where the kernel does not
    /// tell what `fd` is, for want of descriptors for example.
    pub fn reuse_map(&mut self, map: &str, fd: BorrowedFd<'_>) -> Result<()> {
        let refuse = |why: &str| Err(Error::Value { name: format!("map `{map}`"), why: why.to_owned() });
        // libbpf asks the kernel, and takes the answer about anything else for one about a map.
        let about = fdinfo(fd).map_err(|error| refusal(format!("set up the map `{map}`: ask what is to be used in its place"), error))?;
        let Some(ty) = about.lines().find_map(|line| line.strip_prefix("map_type:")) else {
            return refuse("what is to be used in its place is no map");
        };
        if ty.trim() == (MapType::StructOps as u32).to_string()
            || self.object.maps().any(|own| own.name() == map && own.map_type() == MapType::StructOps)
        {
            return refuse("tables of functions (struct_ops) cannot be used in the place of others, nor others in theirs");
        }
        self.set_up(map, "use another one in its place", |map| map.reuse_fd(fd))
    }

    /// Whether a map is made when the object is loaded; on by default. Programs that use one that is not made cannot be loaded, see
    /// [`super::OpenProgram::set_autoload`], and handles of it are refused.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map.
    pub fn set_autocreate(&mut self, map: &str, on: bool) -> Result<()> {
        self.set_up(map, "switch its creation", |map| map.set_autocreate(on))
    }

    fn set_up(&mut self, name: &str, what: &str, set: impl Fn(&mut OpenMapMut<'_>) -> libbpf_rs::Result<()>) -> Result<()> {
        self.find_map(name)?;
        for mut map in self.object.maps_mut().filter(|map| map.name() == name) {
            let (done, said) = listen(|| set(&mut map));
            done.map_err(|error| refused(format!("set up the map `{name}`: {what}"), &error, &said))?;
        }
        Ok(())
    }
}
