use std::{
    ffi::CString,
    ptr::{self, NonNull},
};

use libbpf_rs::{AsRawLibbpf as _, MapType, OpenMap, libbpf_sys};

use super::Storage;

/// The variables of an arena, `libbpf.c`.
const ARENA: &str = ".addr_space.1";

/// The map that has the variables of a section of a live object.
#[derive(Debug, Clone, Copy)]
pub(in crate::bpf) enum SectionMap {
    /// That libbpf makes of the section.
    Own(NonNull<libbpf_sys::bpf_map>),
    /// The object's only arena.
    Arena(NonNull<libbpf_sys::bpf_map>),
}

impl SectionMap {
    /// The map of an ELF section.
    pub(in crate::bpf) fn find(object: NonNull<libbpf_sys::bpf_object>, section: &str) -> Option<Self> {
        if section == ARENA {
            return arena(object).map(Self::Arena);
        }
        // Names with a dot before them are those of sections; others name maps.
        let name = CString::new(section).ok().filter(|_| section.starts_with('.'))?;
        // SAFETY: the object is alive, as its owner's borrow shows, and the name ends with a NUL.
        let map = unsafe { libbpf_sys::bpf_object__find_map_by_name(object.as_ptr(), name.as_ptr()) };
        NonNull::new(map).map(Self::Own)
    }

    /// A map of a live object, where it is a table of functions (struct_ops).
    pub(in crate::bpf) fn table(map: &OpenMap<'_>) -> Option<Self> {
        (map.map_type() == MapType::StructOps).then(|| Self::Own(map.as_libbpf_object()))
    }

    /// Whether it is this map of the object.
    pub(in crate::bpf) fn is(self, map: NonNull<libbpf_sys::bpf_map>) -> bool {
        self.as_ptr() == map.as_ptr()
    }

    /// Whether the map is made when the object is loaded.
    pub(in crate::bpf) fn is_made(self) -> bool {
        // SAFETY: the map is that of a live object, and the call only reads a flag.
        unsafe { libbpf_sys::bpf_map__autocreate(self.as_ptr()) }
    }

    fn as_ptr(self) -> *mut libbpf_sys::bpf_map {
        let (Self::Own(map) | Self::Arena(map)) = self;
        map.as_ptr()
    }

    /// Whether libbpf lets user space only read it once the object is loaded: `.rodata` and its kin, and `.kconfig`.
    pub(in crate::bpf) fn freezes(self) -> bool {
        // SAFETY: the map is that of a live object.
        let flags = unsafe { libbpf_sys::bpf_map__map_flags(self.as_ptr()) };
        flags & libbpf_sys::BPF_F_RDONLY_PROG != 0
    }

    /// What is loaded with the object.
    pub(in crate::bpf) fn open(self) -> Option<Storage> {
        self.memory(0)
    }

    /// What the programs have, of an arena so many bytes from its start; `None` where the map is not in the kernel, which (before 5.2) has
    /// no global variables.
    pub(in crate::bpf) fn loaded(self, in_arena: usize) -> Option<Storage> {
        match self {
            // libbpf unmaps what the kernel cannot map (`bpf_object__populate_internal_map`).
            Self::Own(map) => entry(map).map(|entry| self.memory(0).unwrap_or(entry)),
            Self::Arena(_) => self.memory(in_arena),
        }
    }

    /// The memory that libbpf has for the section, so many bytes from the start of its mapping.
    fn memory(self, offset: usize) -> Option<Storage> {
        let mut len: libbpf_sys::size_t = 0;
        // SAFETY: as above; libbpf writes the size and nothing else.
        let start = unsafe { libbpf_sys::bpf_map__initial_value(self.as_ptr(), &raw mut len) };
        // SAFETY: libbpf gave the offset, at which there are `len` bytes.
        let start = unsafe { NonNull::new(start.cast::<u8>())?.add(offset) };
        // SAFETY: libbpf keeps the memory until the object is loaded or closed, before which the borrows of it end. Where it can only be
        // read, `freezes` says so. Nobody shares the object with other threads. Pages of an arena stay as long as its programs do not free
        // those of their own variables.
        unsafe { Storage::memory(start, usize::try_from(len).ok()?) }
    }
}

fn entry(map: NonNull<libbpf_sys::bpf_map>) -> Option<Storage> {
    // SAFETY: the map is that of a live object.
    let fd = unsafe { libbpf_sys::bpf_map__fd(map.as_ptr()) };
    // SAFETY: as above.
    let len = unsafe { libbpf_sys::bpf_map__value_size(map.as_ptr()) };
    // SAFETY: a map with a descriptor is in the kernel until the object is closed.
    (fd >= 0).then(|| unsafe { Storage::entry(map, len as usize) })
}

fn arena(object: NonNull<libbpf_sys::bpf_object>) -> Option<NonNull<libbpf_sys::bpf_map>> {
    let mut map = ptr::null_mut();
    loop {
        // SAFETY: the object is alive, and the map is null or one of its own.
        map = unsafe { libbpf_sys::bpf_object__next_map(object.as_ptr(), map) };
        let found = NonNull::new(map)?;
        // SAFETY: the map is that of a live object.
        if unsafe { libbpf_sys::bpf_map__type(map) } == libbpf_sys::BPF_MAP_TYPE_ARENA {
            return Some(found);
        }
    }
}
