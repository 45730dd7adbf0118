//! How the maps of an object are made when it is loaded, or that they are others' maps.

use std::{
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
};

use libbpf_rs::{AsRawLibbpf as _, MapType, OpenMap, OpenMapMut, libbpf_sys};

use crate::{
    Error, Result,
    bpf::{
        Open,
        map::map_type,
        sys::{
            fdinfo,
            messages::{listen, refused},
        },
    },
    refusal::refusal,
};

impl Open {
    /// Sets the number of entries of a map, for a ring buffer its bytes, for an arena its pages.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map, [`Error::Value`] where it is a section of the object, which has one, or an
    /// arena that would be too small for its variables.
    pub fn set_max_entries(&mut self, map: &str, entries: u32) -> Result<()> {
        let found = self.open_map(map)?;
        if is_section(&found) {
            // libbpf takes the size of its mapping from the number when it unmaps it.
            return Err(refuse(map, "it is a section of the object and has one entry"));
        }
        // libbpf looks at the size when it opens the object, and copies the variables when it loads it.
        let variables = found.initial_value().map_or(0, <[u8]>::len).div_ceil(rustix::param::page_size());
        if found.map_type() == MapType::Arena && (entries as usize) < variables {
            return Err(refuse(map, &format!("its variables need {variables} pages, {entries} were asked for")));
        }
        self.set_up(map, &format!("set its entries to {entries}"), |map| map.set_max_entries(entries))
    }

    /// Sets the type of a map, for one that programs use in the same way: `LruHash` in place of `Hash`, or one that an older kernel has.
    /// Typed handles are those of the declared type and may refuse each call then; [`crate::bpf::Loaded::typed_map`] makes others.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map. [`Error::Value`] for sections, arenas, tables of functions (struct_ops) and
    /// maps of maps, and for their types: libbpf makes them together with what it reads from the object. [`Error::Kernel`], EBUSY after
    /// [`Self::reuse_map`].
    pub fn set_type(&mut self, map: &str, kind: MapType) -> Result<()> {
        const OF_OBJECT: [MapType; 4] = [MapType::Arena, MapType::StructOps, MapType::ArrayOfMaps, MapType::HashOfMaps];
        let found = self.open_map(map)?;
        if is_section(&found) || OF_OBJECT.iter().any(|fixed| *fixed == kind || *fixed == found.map_type()) {
            return Err(refuse(map, &format!("a map of type {:?} cannot be made one of type {kind:?}", found.map_type())));
        }
        self.set_up(map, &format!("set its type to {kind:?}"), |map| map.set_type(kind))
    }

    /// Sets the bytes of a map's keys. Typed handles whose keys have another size refuse each call, see [`Self::set_type`].
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map, [`Error::Value`] for sections, arenas and tables of functions (struct_ops).
    /// [`Error::Kernel`], EBUSY after [`Self::reuse_map`].
    pub fn set_key_size(&mut self, map: &str, size: u32) -> Result<()> {
        let found = self.open_map(map)?;
        if is_section(&found) || matches!(found.map_type(), MapType::Arena | MapType::StructOps) {
            return Err(refuse(map, &format!("a map of type {:?} has keys of its own", found.map_type())));
        }
        self.set_up(map, &format!("set the size of its keys to {size}"), |map| map.set_key_size(size))
    }

    /// Sets the bytes of a map's values, or of a section (by its name, `.data.table` for example). Typed handles whose values have another
    /// size refuse each call, see [`Self::set_type`].
    ///
    /// A section can only grow. What is behind its last variable is for an array: one that ends the section has more elements then, for the
    /// verifier too. [`crate::bpf::Section::variable`] reads and writes them.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map, [`Error::Value`] for arenas and tables of functions (struct_ops), and for
    /// fewer bytes than a section has. [`Error::Kernel`], EBUSY after [`Self::reuse_map`], ENOMEM if there is no memory for the section.
    pub fn set_value_size(&mut self, map: &str, size: u32) -> Result<()> {
        let found = self.open_map(map)?;
        if matches!(found.map_type(), MapType::Arena | MapType::StructOps) {
            return Err(refuse(map, &format!("the values of a map of type {:?} are of one size", found.map_type())));
        }
        if is_section(&found) {
            let has = found.initial_value().map_or(0, <[u8]>::len);
            // libbpf rounds up in 32 bits.
            if (size as usize) < has || size > i32::MAX.cast_unsigned() {
                return Err(refuse(map, &format!("a section of {has} bytes cannot have {size}: it can grow, to 2147483647 bytes at most")));
            }
        }
        self.set_up(map, &format!("set the size of its values to {size}"), |map| map.set_value_size(size))
    }

    /// Makes a ring buffer a perf event array, for kernels before 5.8, which have no ring buffers. Its records are delivered all the same.
    ///
    /// The programs must not call helpers of ring buffers then. They read a constant that is set together with the map's type, and the
    /// verifier leaves out what the constant rules out:
    ///
    /// ```c
    /// const volatile bool by_perf = false;
    /// struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 16); } events SEC(".maps");
    ///
    /// static void send(void *ctx, struct event *event)
    /// {
    ///     if (by_perf)
    ///         bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, event, sizeof(*event));
    ///     else
    ///         bpf_ringbuf_output(&events, event, sizeof(*event), 0);
    /// }
    /// ```
    ///
    /// ```ignore
    /// let mut open = example::open()?;
    /// if !eunomia_runtime::bpf::MapType::RingBuf.is_supported()? {
    ///     open.rodata()?.by_perf.set(true.into())?;
    ///     open.object().set_perf_for_ring("events")?;
    /// }
    /// let skel = open.load()?.attach()?;
    /// skel.poll(timeout, |example::Export::Events(event)| println!("{event}"))?;
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map, [`Error::Value`] if it is no ring buffer. [`Error::Kernel`] as
    /// [`Self::set_type`].
    pub fn set_perf_for_ring(&mut self, map: &str) -> Result<()> {
        let found = self.open_map(map)?;
        if found.map_type() != MapType::RingBuf {
            return Err(refuse(map, &format!("it is no ring buffer but of type {:?}", found.map_type())));
        }
        self.set_up(map, "make it a perf event array", |map| {
            map.set_type(MapType::PerfEventArray)?;
            map.set_key_size(size_of::<u32>() as u32)?;
            map.set_value_size(size_of::<u32>() as u32)?;
            map.set_map_flags(0)?;
            // libbpf makes it as many as there are CPUs.
            map.set_max_entries(0)
        })
    }

    /// Says what the maps in a map of maps are like: like `inner`, which is a map of any object, or one that [`crate::bpf::Map::create`] made.
    /// It need not live on. [`crate::bpf::MapOfMaps::create_inner`] makes more of them.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map, [`Error::Value`] if it is no map of maps, or `inner` no map. [`Error::Kernel`]
    /// if the kernel does not tell what `inner` is.
    pub fn set_inner_map(&mut self, map: &str, inner: BorrowedFd<'_>) -> Result<()> {
        let index = self.find_map(map)?;
        let found = self.open_map(map)?;
        if !matches!(found.map_type(), MapType::ArrayOfMaps | MapType::HashOfMaps) {
            return Err(refuse(map, &format!("it is no map of maps but of type {:?}", found.map_type())));
        }
        map_type_of(map, inner)?;
        let tried = || format!("set up the map `{map}`: say what maps are in it");
        if let Some(held) = self.settings.inner.get_mut(&index) {
            // libbpf has the number of the descriptor, and takes no other.
            return rustix::io::dup3(inner, held, rustix::io::DupFlags::CLOEXEC).map_err(|errno| refusal(tried(), errno.into()));
        }
        let held = inner.try_clone_to_owned().map_err(|error| refusal(tried(), error))?;
        self.set_up(map, "say what maps are in it", |map| map.set_inner_map_fd(held.as_fd()))?;
        self.settings.inner.insert(index, held);
        Ok(())
    }

    /// The flags that a map will be made with (`BPF_F_*` of `uapi/linux/bpf.h`); those of a section are libbpf's choice.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map.
    pub fn map_flags(&self, map: &str) -> Result<u32> {
        Ok(self.open_map(map)?.map_flags())
    }

    /// Sets all flags of a map, for example to [`Self::map_flags`] with `BPF_F_NO_PREALLOC`, which makes entries of a hash table only when
    /// they are needed. A section's map goes by libbpf's name for it, `<object>.bss` for example; without `BPF_F_MMAPABLE` its variables
    /// are read and written by system calls, see [`crate::bpf::Variable`].
    ///
    /// The kernel decides when the object is loaded whether the flags fit the map.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map.
    pub fn set_map_flags(&mut self, map: &str, flags: u32) -> Result<()> {
        self.set_up(map, &format!("set its flags to {flags:#x}"), |map| map.set_map_flags(flags))
    }

    /// Uses the map that is pinned to `path`, in a BPF file system, in place of one of this object's own; where there is none, the object's
    /// own is pinned there when it is loaded, and lives on behind it.
    ///
    /// Where the map there is of another kind or size, loading fails with EINVAL and says what differs; with EINVAL also where the path is in
    /// no BPF file system ([`crate::diagnosis::mount::bpffs`]).
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map. [`Error::Value`] for sections, arenas with variables, and tables of functions
    /// (struct_ops): libbpf would go on using memory of its own for what they hold, which is not that of the map at the path.
    pub fn set_pin_path(&mut self, map: &str, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        replaceable(map, &self.open_map(map)?)?;
        self.set_up(map, &format!("pin it to {}", path.display()), |map| map.set_pin_path(path))
    }

    /// Uses a map that is in the kernel already in place of one of this object's own, for example one of another object.
    ///
    /// The kernel decides when the object is loaded whether the programs can use it.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map, [`Error::Value`] where `fd` is no map, or the map is a section, an arena with
    /// variables or, one of both, a table of functions (struct_ops): libbpf has what belongs to them apart from what it takes over, see
    /// [`Self::set_pin_path`]. [`Error::Kernel`] where the kernel does not tell what `fd` is, for want of descriptors for example.
    pub fn reuse_map(&mut self, map: &str, fd: BorrowedFd<'_>) -> Result<()> {
        let own = self.open_map(map)?;
        if map_type_of(map, fd)? == MapType::StructOps || own.map_type() == MapType::StructOps {
            return Err(refuse(map, "tables of functions (struct_ops) cannot be used in the place of others, nor others in theirs"));
        }
        replaceable(map, &own)?;
        self.set_up(map, "use another one in its place", |map| map.reuse_fd(fd))
    }

    /// Whether a map is made when the object is loaded; on by default. Programs that use one that is not made cannot be loaded, see
    /// [`crate::bpf::OpenProgram::set_autoload`]. Handles of it refuse each call, its records are absent ([`crate::reader::Stats::absent`]), and
    /// variables of a section that is not made are refused; all else of the object can be used.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map.
    pub fn set_autocreate(&mut self, map: &str, on: bool) -> Result<()> {
        self.set_up(map, "switch its creation", |map| map.set_autocreate(on))
    }

    fn set_up(&mut self, name: &str, what: &str, set: impl Fn(&mut OpenMapMut<'_>) -> libbpf_rs::Result<()>) -> Result<()> {
        let index = self.find_map(name)?;
        let Some(mut map) = self.object.maps_mut().nth(index) else { return Ok(()) };
        let (done, said) = listen(|| set(&mut map));
        done.map_err(|error| refused(format!("set up the map `{name}`: {what}"), &error, &said))
    }

    fn open_map(&self, name: &str) -> Result<OpenMap<'_>> {
        let index = self.find_map(name)?;
        let missing = || Error::NotFound { what: "map", name: name.to_owned(), known: self.settings.maps.clone() };
        self.object.maps().nth(index).ok_or_else(missing)
    }

    /// Refuses an object whose own declaration pins what another map cannot take the place of.
    pub(crate) fn refuse_pinned_values(&self) -> Result<()> {
        let pinned = self.settings.maps.iter().zip(self.object.maps()).filter(|(_, map)| {
            // SAFETY: the pointer is that of a map of a live object; the call returns null or a text of the map's own.
            !unsafe { libbpf_sys::bpf_map__pin_path(map.as_libbpf_object().as_ptr()) }.is_null()
        });
        pinned.into_iter().try_for_each(|(name, map)| replaceable(name, &map))
    }
}

/// Whether a map has the variables of a section.
fn is_section(map: &OpenMap<'_>) -> bool {
    // SAFETY: the pointer is that of a map of a live object, and the call only reads a flag.
    unsafe { libbpf_sys::bpf_map__is_internal(map.as_libbpf_object().as_ptr()) }
}

/// Refuses maps for which libbpf has memory, which another map would not have a part in (`bpf_object__create_maps`), and the size of which
/// it would take from the other map (`bpf_map__reuse_fd`).
fn replaceable(name: &str, map: &OpenMap<'_>) -> Result<()> {
    let what = match map.map_type() {
        MapType::StructOps => "it is a table of functions (struct_ops)",
        _ if is_section(map) => "it holds the variables of a section",
        _ if map.initial_value().is_some() => "it holds the variables of the arena",
        _ => return Ok(()),
    };
    let todo = "no map that is pinned or another object's can take its place: share a map that the programs look up";
    Err(refuse(name, &format!("{what}, and {todo}")))
}

/// The type of a map that is to be used for `map`. libbpf asks the kernel, and takes the answer about anything else for one about a map.
fn map_type_of(map: &str, fd: BorrowedFd<'_>) -> Result<MapType> {
    let about = fdinfo(fd).map_err(|error| refusal(format!("set up the map `{map}`: ask what is to be used in its place"), error))?;
    let ty = about.lines().find_map(|line| line.strip_prefix("map_type:")?.trim().parse::<u32>().ok());
    ty.map(map_type).ok_or_else(|| refuse(map, "what is to be used in its place is no map"))
}

fn refuse(map: &str, why: &str) -> Error {
    Error::Value { name: format!("map `{map}`"), why: why.to_owned() }
}
