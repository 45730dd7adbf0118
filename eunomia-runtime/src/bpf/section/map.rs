use std::{ffi::CString, ptr::NonNull};

use libbpf_rs::libbpf_sys;

use super::Storage;

/// The map that libbpf makes of a section of a live object.
#[derive(Debug, Clone, Copy)]
pub(in crate::bpf) struct SectionMap(NonNull<libbpf_sys::bpf_map>);

impl SectionMap {
    /// The map of an ELF section.
    pub(in crate::bpf) fn find(object: NonNull<libbpf_sys::bpf_object>, section: &str) -> Option<Self> {
        // Names with a dot before them are those of sections; others name maps.
        let name = CString::new(section).ok().filter(|_| section.starts_with('.'))?;
        // SAFETY: the object is alive, as its owner's borrow shows, and the name ends with a NUL.
        let map = unsafe { libbpf_sys::bpf_object__find_map_by_name(object.as_ptr(), name.as_ptr()) };
        NonNull::new(map).map(Self)
    }

    /// Whether libbpf lets user space only read it once the object is loaded: `.rodata` and its kin, and `.kconfig`.
    pub(in crate::bpf) fn freezes(self) -> bool {
        // SAFETY: the map is that of a live object.
        let flags = unsafe { libbpf_sys::bpf_map__map_flags(self.0.as_ptr()) };
        flags & libbpf_sys::BPF_F_RDONLY_PROG != 0
    }

    /// What is loaded with the object.
    pub(in crate::bpf) fn open(self) -> Option<Storage> {
        self.memory()
    }

    /// What the programs have; `None` where the map is not in the kernel, which (before 5.2) has no global variables.
    pub(in crate::bpf) fn loaded(self) -> Option<Storage> {
        let entry = self.entry()?;
        // libbpf unmaps what the kernel cannot map (`bpf_object__populate_internal_map`).
        Some(self.memory().unwrap_or(entry))
    }

    /// The memory that libbpf has for the section.
    fn memory(self) -> Option<Storage> {
        let mut len: libbpf_sys::size_t = 0;
        // SAFETY: as above; libbpf writes the size and nothing else.
        let start = unsafe { libbpf_sys::bpf_map__initial_value(self.0.as_ptr(), &raw mut len) };
        // SAFETY: libbpf keeps the memory until the object is loaded or closed, before which the borrows of it end. Where it can only be
        // read, `freezes` says so. Nobody shares the object with other threads.
        unsafe { Storage::memory(NonNull::new(start.cast())?, usize::try_from(len).ok()?) }
    }

    fn entry(self) -> Option<Storage> {
        // SAFETY: as above.
        let fd = unsafe { libbpf_sys::bpf_map__fd(self.0.as_ptr()) };
        // SAFETY: as above.
        let len = unsafe { libbpf_sys::bpf_map__value_size(self.0.as_ptr()) };
        // SAFETY: a map with a descriptor is in the kernel until the object is closed.
        (fd >= 0).then(|| unsafe { Storage::entry(self.0, len as usize) })
    }
}
