//! [`MapSpec`]: the definition of a map, as libbpf or the kernel has it.

use std::ptr::NonNull;

use libbpf_rs::{MapType, libbpf_sys};

/// Returns the type of a map by its number. libbpf-rs names the storage of cgroups, but does not
/// convert its number.
pub(crate) fn map_type(number: u32) -> MapType {
    match number {
        libbpf_sys::BPF_MAP_TYPE_CGRP_STORAGE => MapType::CGrpStorage,
        known => known.into(),
    }
}

/// The definition of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapSpec {
    /// The map type.
    pub kind: MapType,
    /// The number of bytes of a key.
    pub key_size: u32,
    /// The number of bytes of a value.
    pub value_size: u32,
    /// The maximum number of entries; for a ring buffer, its size in bytes.
    pub max_entries: u32,
    /// The flags, `BPF_F_*` of `uapi/linux/bpf.h`.
    pub flags: u32,
}

impl MapSpec {
    /// Returns the definition in the kernel's information about a map.
    pub(crate) fn of(info: &libbpf_sys::bpf_map_info) -> Self {
        Self {
            kind: map_type(info.type_),
            key_size: info.key_size,
            value_size: info.value_size,
            max_entries: info.max_entries,
            flags: info.map_flags,
        }
    }

    /// Returns the definition that libbpf has of a map.
    ///
    /// # Safety
    /// The map belongs to a live object.
    pub(crate) unsafe fn declared(map: NonNull<libbpf_sys::bpf_map>) -> Self {
        let map = map.as_ptr();
        Self {
            // SAFETY: the caller guarantees that the map is live, and the call only reads a number.
            kind: map_type(unsafe { libbpf_sys::bpf_map__type(map) }),
            // SAFETY: as above.
            key_size: unsafe { libbpf_sys::bpf_map__key_size(map) },
            // SAFETY: as above.
            value_size: unsafe { libbpf_sys::bpf_map__value_size(map) },
            // SAFETY: as above.
            max_entries: unsafe { libbpf_sys::bpf_map__max_entries(map) },
            // SAFETY: as above.
            flags: unsafe { libbpf_sys::bpf_map__map_flags(map) },
        }
    }

    pub(crate) fn options(&self) -> libbpf_sys::bpf_map_create_opts {
        libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
            map_flags: self.flags,
            ..Default::default()
        }
    }
}
