//! The setup of maps before the object is loaded: their definition, and their replacement by
//! existing maps.

use std::{
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
};

use libbpf_rs::{AsRawLibbpf as _, MapType, OpenMap, OpenMapMut, libbpf_sys};

use crate::{
    Error, Result,
    bpf::{Open, sys::fdinfo},
    host::{
        kernel_error,
        messages::{listen, refused},
    },
    map_spec::map_type,
};

impl Open {
    /// Sets the maximum number of entries of a map; for a ring buffer its size in bytes, for an
    /// arena its number of pages.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map. [`Error::Misuse`] if the map is a section
    /// of the object, which has one entry, or an arena that would be too small for its variables.
    pub fn set_max_entries(&mut self, map: &str, entries: u32) -> Result<()> {
        let found = self.open_map(map)?;
        if is_section(&found) {
            // libbpf computes the size of the mapping from this number when it unmaps it.
            return Err(refuse(map, "it is a section of the object, which has one entry"));
        }
        // libbpf checks the size when it opens the object, and copies the variables when it loads
        // it.
        let variables =
            found.initial_value().map_or(0, <[u8]>::len).div_ceil(rustix::param::page_size());
        if found.map_type() == MapType::Arena && (entries as usize) < variables {
            return Err(refuse(
                map,
                &format!(
                    "the number of its pages is {entries}, but its variables need {variables}"
                ),
            ));
        }
        self.set_up(map, &format!("set its number of entries to {entries}"), |map| {
            map.set_max_entries(entries)
        })
    }

    /// Sets the type of a map, to one that programs use in the same way: for example `LruHash` in
    /// place of `Hash`, or a type that an older kernel supports.
    ///
    /// The generated handles are those of the declared type, and may then refuse each call;
    /// [`crate::bpf::Loaded::typed_map`] makes others.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map. [`Error::Misuse`] if the old or the new
    /// type is that of an arena, a table of functions (struct_ops), a map of maps or an array of
    /// programs, or if the map is a section: libbpf sets these up from what it reads in the object.
    /// [`Error::Kernel`] with EBUSY after [`Self::reuse_map`].
    pub fn set_type(&mut self, map: &str, kind: MapType) -> Result<()> {
        const FIXED: [MapType; 5] = [
            MapType::Arena,
            MapType::StructOps,
            MapType::ArrayOfMaps,
            MapType::HashOfMaps,
            MapType::ProgArray,
        ];
        let found = self.open_map(map)?;
        if is_section(&found)
            || FIXED.iter().any(|fixed| *fixed == kind || *fixed == found.map_type())
        {
            return Err(refuse(
                map,
                &format!("its type cannot be changed from {:?} to {kind:?}", found.map_type()),
            ));
        }
        self.set_up(map, &format!("set its type to {kind:?}"), |map| map.set_type(kind))
    }

    /// Sets the number of bytes of a map's keys. Typed handles with keys of another size then
    /// refuse each call, see [`Self::set_type`].
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map. [`Error::Misuse`] if the map is a
    /// section, an arena, a table of functions (struct_ops), a map of maps or an array of programs.
    /// [`Error::Kernel`] with EBUSY after [`Self::reuse_map`].
    pub fn set_key_size(&mut self, map: &str, size: u32) -> Result<()> {
        let found = self.open_map(map)?;
        if is_section(&found)
            || has_slots(found.map_type())
            || matches!(found.map_type(), MapType::Arena | MapType::StructOps)
        {
            return Err(fixed_size("key", map, &found));
        }
        self.set_up(map, &format!("set its key size to {size}"), |map| map.set_key_size(size))
    }

    /// Sets the number of bytes of a map's values, or of a section (by its name, for example
    /// `.data.table`). Typed handles with values of another size then refuse each call, see
    /// [`Self::set_type`].
    ///
    /// A section can only grow. An array at the end of the section then has more elements, for the
    /// verifier too. [`crate::bpf::Section::variable`] reads and writes the elements after its
    /// declared end.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map. [`Error::Misuse`] if the map is an arena
    /// or a table of functions (struct_ops), or if a section would shrink. [`Error::Kernel`] with
    /// EBUSY after [`Self::reuse_map`], or with ENOMEM if there is no memory for the section.
    pub fn set_value_size(&mut self, map: &str, size: u32) -> Result<()> {
        let found = self.open_map(map)?;
        if matches!(found.map_type(), MapType::Arena | MapType::StructOps) {
            return Err(fixed_size("value", map, &found));
        }
        if is_section(&found) {
            let has = found.initial_value().map_or(0, <[u8]>::len);
            // libbpf rounds the size up in 32 bits.
            if (size as usize) < has || size > i32::MAX.cast_unsigned() {
                return Err(refuse(
                    map,
                    &format!(
                        "a section of {has} bytes cannot be resized to {size} bytes: it can only grow, to 2147483647 bytes at most"
                    ),
                ));
            }
        }
        self.set_up(map, &format!("set its value size to {size}"), |map| map.set_value_size(size))
    }

    /// Turns a ring buffer into a perf event array, for kernels before 5.8, which have no ring
    /// buffers. Its records are delivered in the same way.
    ///
    /// The programs must then not call ring buffer helpers. They can test a constant that is set
    /// together with the map's type: the verifier removes the branch that the constant excludes.
    ///
    /// ```c
    /// const volatile bool by_perf = false;
    /// struct {
    ///     __uint(type, BPF_MAP_TYPE_RINGBUF);
    ///     __uint(max_entries, 1 << 16);
    /// } events SEC(".maps");
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
    /// [`Error::NotFound`] if the object has no such map. [`Error::Misuse`] if the map is not a
    /// ring buffer. [`Error::Kernel`] under the conditions of [`Self::set_type`].
    pub fn set_perf_for_ring(&mut self, map: &str) -> Result<()> {
        let found = self.open_map(map)?;
        if found.map_type() != MapType::RingBuf {
            return Err(refuse(
                map,
                &format!("it is of type {:?}, not a ring buffer", found.map_type()),
            ));
        }
        self.set_up(map, "turn it into a perf event array", |map| {
            map.set_type(MapType::PerfEventArray)?;
            map.set_key_size(size_of::<u32>() as u32)?;
            map.set_value_size(size_of::<u32>() as u32)?;
            map.set_map_flags(0)?;
            // libbpf sets the number of entries to that of CPUs.
            map.set_max_entries(0)
        })
    }

    /// Sets the definition of the inner maps of a map of maps to that of `inner`, which is a map of
    /// any object, or one that [`crate::bpf::Map::create`] made.
    ///
    /// `inner` may be closed afterwards. [`crate::bpf::MapOfMaps::create_inner`] creates more maps
    /// with this definition.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map. [`Error::Misuse`] if the map is not a map
    /// of maps, or `inner` is not a map. [`Error::Kernel`] if the kernel cannot be asked about
    /// `inner`.
    pub fn set_inner_map(&mut self, map: &str, inner: BorrowedFd<'_>) -> Result<()> {
        let index = self.find_map(map)?;
        let found = self.open_map(map)?;
        if !matches!(found.map_type(), MapType::ArrayOfMaps | MapType::HashOfMaps) {
            return Err(refuse(
                map,
                &format!("it is of type {:?}, not a map of maps", found.map_type()),
            ));
        }
        map_type_of(map, inner)?;
        let tried = || format!("set up the map `{map}`: set its inner map");
        if let Some(held) = self.settings.inner.get_mut(&index) {
            // libbpf keeps the number of the first descriptor and accepts no other.
            return rustix::io::dup3(inner, held, rustix::io::DupFlags::CLOEXEC)
                .map_err(|errno| kernel_error(tried(), errno.into()));
        }
        let held = inner.try_clone_to_owned().map_err(|error| kernel_error(tried(), error))?;
        self.set_up(map, "set its inner map", |map| map.set_inner_map_fd(held.as_fd()))?;
        self.settings.inner.insert(index, held);
        Ok(())
    }

    /// Returns the flags with which a map will be created (`BPF_F_*` of `uapi/linux/bpf.h`). libbpf
    /// chooses those of a section.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map.
    pub fn map_flags(&self, map: &str) -> Result<u32> {
        Ok(self.open_map(map)?.map_flags())
    }

    /// Sets all flags of a map, for example to [`Self::map_flags`] with `BPF_F_NO_PREALLOC`, which
    /// allocates entries of a hash table only when they are needed.
    ///
    /// The map of a section has the name that libbpf gives it, for example `<object>.bss`. Without
    /// `BPF_F_MMAPABLE` its variables are read and written by system calls, see
    /// [`crate::bpf::Variable`].
    ///
    /// The kernel checks the flags when the object is loaded.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map.
    pub fn set_map_flags(&mut self, map: &str, flags: u32) -> Result<()> {
        self.set_up(map, &format!("set its flags to {flags:#x}"), |map| map.set_map_flags(flags))
    }

    /// Uses the map that is pinned to `path`, in a BPF file system, in place of the object's own.
    /// If the path does not exist, loading creates the object's map and pins it there; it then
    /// outlives the object.
    ///
    /// Loading fails if another user than root made the pin, or a folder above it in that file
    /// system: the user could choose the map, and read or change what is in it. It fails with EINVAL
    /// if the pinned map has another type or size, and the error names the difference. It also fails
    /// with EINVAL if the path is not in a BPF file system ([`crate::host::mount::bpffs`]).
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map. [`Error::Misuse`] for sections, arenas
    /// with variables, and tables of functions (struct_ops): libbpf would keep their contents in
    /// memory of its own, which is not that of the pinned map.
    pub fn set_pin_path(&mut self, map: &str, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        replaceable(map, &self.open_map(map)?)?;
        self.set_up(map, &format!("pin it to {}", path.display()), |map| map.set_pin_path(path))
    }

    /// Uses an existing map, for example of another object, in place of the object's own.
    ///
    /// The kernel decides when the object is loaded whether the programs can use it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map. [`Error::Misuse`] if `fd` is not a map;
    /// if the object's map is a section or an arena with variables, whose contents libbpf keeps
    /// apart from the map, see [`Self::set_pin_path`]; if either map is a table of functions
    /// (struct_ops); or if the types of the two maps differ and one of them is that of an arena, a
    /// map of maps or an array of programs. [`Error::Kernel`] if the kernel cannot be asked about
    /// `fd`, for example because descriptors ran out.
    pub fn reuse_map(&mut self, map: &str, fd: BorrowedFd<'_>) -> Result<()> {
        let own = self.open_map(map)?;
        let (kind, own_kind) = (map_type_of(map, fd)?, own.map_type());
        // libbpf and `loaded::load` tell the arena of the object by its type.
        let is_fixed = |kind| kind == MapType::Arena || has_slots(kind);
        if kind != own_kind && (is_fixed(kind) || is_fixed(own_kind)) {
            return Err(refuse(
                map,
                &format!("a map of type {kind:?} cannot replace one of type {own_kind:?}"),
            ));
        }
        if kind == MapType::StructOps || own_kind == MapType::StructOps {
            return Err(refuse(
                map,
                "a table of functions (struct_ops) cannot replace another map or be replaced by one",
            ));
        }
        replaceable(map, &own)?;
        self.set_up(map, "replace it with another map", |map| map.reuse_fd(fd))
    }

    /// Sets whether loading the object creates the map. It does by default.
    ///
    /// Programs that use a map that is not created cannot be loaded, see
    /// [`crate::bpf::OpenProgram::set_autoload`]. Handles of the map refuse each call, its records
    /// are absent ([`crate::reader::Stats::absent`]), and the variables of its section are refused.
    /// Everything else of the object can be used.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map.
    pub fn set_autocreate(&mut self, map: &str, on: bool) -> Result<()> {
        self.set_up(map, "switch its creation on or off", |map| map.set_autocreate(on))
    }

    fn set_up(
        &mut self,
        name: &str,
        action: &str,
        set: impl Fn(&mut OpenMapMut<'_>) -> libbpf_rs::Result<()>,
    ) -> Result<()> {
        let index = self.find_map(name)?;
        let Some(mut map) = self.object.maps_mut().nth(index) else { return Ok(()) };
        let (done, log) = listen(|| set(&mut map));
        done.map_err(|error| refused(format!("set up the map `{name}`: {action}"), &error, &log))
    }

    fn open_map(&self, name: &str) -> Result<OpenMap<'_>> {
        let index = self.find_map(name)?;
        let missing = || Error::NotFound {
            what: "map",
            name: name.to_owned(),
            known: self.settings.maps.clone(),
        };
        self.object.maps().nth(index).ok_or_else(missing)
    }

    /// Refuses an object that declares a map as pinned that no other map can replace.
    pub(crate) fn refuse_pinned_values(&self) -> Result<()> {
        let pinned = self.settings.maps.iter().zip(self.object.maps()).filter(|(_, map)| {
            // SAFETY: the pointer is that of a map of a live object; the call returns null or a
            // string that the map owns.
            !unsafe { libbpf_sys::bpf_map__pin_path(map.as_libbpf_object().as_ptr()) }.is_null()
        });
        pinned.into_iter().try_for_each(|(name, map)| replaceable(name, &map))
    }
}

/// Reports whether a map holds the variables of a section.
fn is_section(map: &OpenMap<'_>) -> bool {
    // SAFETY: the pointer is that of a map of a live object, and the call only reads a flag.
    unsafe { libbpf_sys::bpf_map__is_internal(map.as_libbpf_object().as_ptr()) }
}

/// Reports whether the object can declare what is in a map of this type. libbpf puts it in with
/// keys and values of 4 bytes, and takes it for maps or for programs by the type that the map has
/// then (`init_map_in_map_slots`, `init_prog_array_slots`).
fn has_slots(kind: MapType) -> bool {
    matches!(kind, MapType::ArrayOfMaps | MapType::HashOfMaps | MapType::ProgArray)
}

/// Refuses a map that no other map can replace: libbpf keeps memory for it, which the other map
/// would not share (`bpf_object__create_maps`), and would take the size of that memory from the
/// other map (`bpf_map__reuse_fd`).
fn replaceable(name: &str, map: &OpenMap<'_>) -> Result<()> {
    let reason = match map.map_type() {
        MapType::StructOps => "it is a table of functions (struct_ops)",
        _ if is_section(map) => "it holds the variables of a section",
        _ if map.initial_value().is_some() => "it holds the variables of the arena",
        _ => return Ok(()),
    };
    let todo = "a pinned map or another object's map cannot replace it; share a map that the programs look up";
    Err(refuse(name, &format!("{reason}, so {todo}")))
}

/// Returns the type of the map `fd`, which is to replace `map` or to define its inner maps. libbpf
/// asks the kernel too, but takes the answer for any other object as that for a map.
fn map_type_of(map: &str, fd: BorrowedFd<'_>) -> Result<MapType> {
    let text = fdinfo(fd).map_err(|error| {
        kernel_error(
            format!("set up the map `{map}`: ask the kernel about the file descriptor"),
            error,
        )
    })?;
    let ty =
        text.lines().find_map(|line| line.strip_prefix("map_type:")?.trim().parse::<u32>().ok());
    ty.map(map_type).ok_or_else(|| refuse(map, "the file descriptor does not refer to a map"))
}

fn fixed_size(of: &str, name: &str, map: &OpenMap<'_>) -> Error {
    refuse(name, &format!("the {of} size of a map of type {:?} is fixed", map.map_type()))
}

fn refuse(map: &str, why: &str) -> Error {
    Error::Misuse { name: format!("map `{map}`"), why: why.to_owned() }
}
