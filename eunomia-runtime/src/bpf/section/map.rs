//! The maps that hold the variables of sections.

use std::{
    ffi::CString,
    ptr::{self, NonNull},
};

use libbpf_rs::{AsRawLibbpf as _, MapType, OpenMap, libbpf_sys};

use super::Storage;

/// The section with the variables of an arena, as named in `libbpf.c`.
const ARENA: &str = ".addr_space.1";

/// The map that holds the variables of a section of a live object.
#[derive(Debug, Clone, Copy)]
pub(in crate::bpf) enum SectionMap {
    /// The map that libbpf creates for the section.
    Own(NonNull<libbpf_sys::bpf_map>),
    /// The object's only arena.
    Arena(NonNull<libbpf_sys::bpf_map>),
}

impl SectionMap {
    /// Returns the map of an ELF section.
    pub(in crate::bpf) fn find(
        object: NonNull<libbpf_sys::bpf_object>,
        section: &str,
    ) -> Option<Self> {
        if section == ARENA {
            return arena(object).map(Self::Arena);
        }
        // Names that start with a dot are names of sections. Others are names of maps.
        let name = CString::new(section).ok().filter(|_| section.starts_with('.'))?;
        // SAFETY: the object is live, as its owner's borrow shows, and the name ends with a NUL.
        let map =
            unsafe { libbpf_sys::bpf_object__find_map_by_name(object.as_ptr(), name.as_ptr()) };
        NonNull::new(map).map(Self::Own)
    }

    /// Returns the map if it is a table of functions (struct_ops).
    pub(in crate::bpf) fn table(map: &OpenMap<'_>) -> Option<Self> {
        (map.map_type() == MapType::StructOps).then(|| Self::Own(map.as_libbpf_object()))
    }

    /// Reports whether this is the given map of the object.
    pub(in crate::bpf) fn is(self, map: NonNull<libbpf_sys::bpf_map>) -> bool {
        self.as_ptr() == map.as_ptr()
    }

    /// Reports whether loading the object creates the map.
    pub(in crate::bpf) fn is_made(self) -> bool {
        // SAFETY: the map belongs to a live object, and the call only reads a flag.
        unsafe { libbpf_sys::bpf_map__autocreate(self.as_ptr()) }
    }

    fn as_ptr(self) -> *mut libbpf_sys::bpf_map {
        let (Self::Own(map) | Self::Arena(map)) = self;
        map.as_ptr()
    }

    /// Reports whether libbpf makes the map read-only for user space when the object is loaded:
    /// that of `.rodata` and similar sections, and of `.kconfig`.
    pub(in crate::bpf) fn freezes(self) -> bool {
        // SAFETY: the map belongs to a live object.
        let flags = unsafe { libbpf_sys::bpf_map__map_flags(self.as_ptr()) };
        flags & libbpf_sys::BPF_F_RDONLY_PROG != 0
    }

    /// Returns the values that will be loaded with the object.
    pub(in crate::bpf) fn open(self) -> Option<Storage> {
        self.memory(0)
    }

    /// Returns the values that the programs use. Those of an arena start at `in_arena` bytes.
    /// `None` if the map is not in the kernel, which has no global variables before 5.2.
    pub(in crate::bpf) fn loaded(self, in_arena: usize) -> Option<Storage> {
        match self {
            // libbpf unmaps a section that the kernel cannot map
            // (`bpf_object__populate_internal_map`).
            Self::Own(map) => entry(map).map(|entry| self.memory(0).unwrap_or(entry)),
            Self::Arena(_) => self.memory(in_arena),
        }
    }

    /// Returns libbpf's memory for the section, from `offset` bytes after the start of its mapping.
    fn memory(self, offset: usize) -> Option<Storage> {
        let mut len: libbpf_sys::size_t = 0;
        // SAFETY: the map belongs to a live object; libbpf writes the size and nothing else.
        let start = unsafe { libbpf_sys::bpf_map__initial_value(self.as_ptr(), &raw mut len) };
        // SAFETY: the offset comes from libbpf, and there are `len` bytes at it.
        let start = unsafe { NonNull::new(start.cast::<u8>())?.add(offset) };
        // SAFETY: libbpf keeps the memory until the object is loaded or closed, and the borrows of
        // the memory end before that. `freezes` reports memory that is read-only. The object is not
        // shared with other threads. The pages of an arena stay mapped unless its programs free the
        // pages of their own variables.
        unsafe { Storage::memory(start, usize::try_from(len).ok()?) }
    }
}

fn entry(map: NonNull<libbpf_sys::bpf_map>) -> Option<Storage> {
    // SAFETY: the map belongs to a live object.
    let fd = unsafe { libbpf_sys::bpf_map__fd(map.as_ptr()) };
    // SAFETY: as above.
    let len = unsafe { libbpf_sys::bpf_map__value_size(map.as_ptr()) };
    // SAFETY: a map with a descriptor is in the kernel until the object is closed.
    (fd >= 0).then(|| unsafe { Storage::entry(map, len as usize) })
}

fn arena(object: NonNull<libbpf_sys::bpf_object>) -> Option<NonNull<libbpf_sys::bpf_map>> {
    let mut map = ptr::null_mut();
    loop {
        // SAFETY: the object is live, and the map is null or one of its own.
        map = unsafe { libbpf_sys::bpf_object__next_map(object.as_ptr(), map) };
        let found = NonNull::new(map)?;
        // SAFETY: the map belongs to a live object.
        if unsafe { libbpf_sys::bpf_map__type(map) } == libbpf_sys::BPF_MAP_TYPE_ARENA {
            return Some(found);
        }
    }
}
