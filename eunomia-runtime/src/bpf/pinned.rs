//! Maps that are looked for at a path before they are made.

use std::{
    ffi::{CStr, OsStr},
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
};

#[cfg(feature = "dynamic")]
use libbpf_rs::OpenObject;
use libbpf_rs::{AsRawLibbpf as _, MapCore as _, MapHandle, MapType, OpenMap, libbpf_sys};

use super::privilege::map_type_name;

/// A map of an object that is pinned, or is to be.
pub(super) struct Pinned {
    name: String,
    path: PathBuf,
    definition: Definition,
}

/// What libbpf compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Definition {
    kind: MapType,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

/// Keeps maps from being pinned that are not yet.
#[cfg(feature = "dynamic")]
pub(super) fn pin_none(object: &mut OpenObject) {
    for map in object.maps_mut() {
        let raw = map.as_libbpf_object().as_ptr();
        // SAFETY: the pointer is that of a map of a live object; the call returns null or a text of the map's own.
        let path = unsafe { libbpf_sys::bpf_map__pin_path(raw) };
        // SAFETY: the text ends with a NUL, and the map keeps it until it is given another one below.
        let path = (!path.is_null()).then(|| PathBuf::from(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes())));
        if path.is_some_and(|path| !path.exists()) {
            // SAFETY: the map is that of a live object that nobody else has, and null is no path.
            unsafe { libbpf_sys::bpf_map__set_pin_path(raw, std::ptr::null()) };
        }
    }
}

impl Pinned {
    /// None where the map has no path.
    pub(super) fn of(map: &OpenMap<'_>) -> Option<Self> {
        let raw = map.as_libbpf_object().as_ptr();
        // SAFETY: the pointer is that of a map of a live object; the call returns null or a text of the map's own.
        let path = unsafe { libbpf_sys::bpf_map__pin_path(raw) };
        if path.is_null() {
            return None;
        }
        // SAFETY: the text ends with a NUL, and the map lives and keeps it through this function.
        let path = unsafe { CStr::from_ptr(path) };
        let definition = Definition {
            kind: map.map_type(),
            // SAFETY: the pointer is that of a map of a live object, and the call only reads a number.
            key_size: unsafe { libbpf_sys::bpf_map__key_size(raw) },
            // SAFETY: as above.
            value_size: unsafe { libbpf_sys::bpf_map__value_size(raw) },
            // SAFETY: as above.
            max_entries: unsafe { libbpf_sys::bpf_map__max_entries(raw) },
            // SAFETY: as above.
            flags: unsafe { libbpf_sys::bpf_map__map_flags(raw) },
        };
        let path = PathBuf::from(OsStr::from_bytes(path.to_bytes()));
        Some(Self { name: map.name().to_string_lossy().into_owned(), path, definition })
    }

    /// What to say where libbpf says that the map at the path is another one.
    pub(super) fn unlike(&self, said: &str) -> Option<String> {
        let path = self.path.display();
        if !said.contains(&format!("couldn't reuse pinned map at '{path}'")) {
            return None;
        }
        let there = MapHandle::from_pinned_path(&self.path).ok()?.info().ok()?.info;
        let there = Definition {
            kind: MapType::from(there.type_),
            key_size: there.key_size,
            value_size: there.value_size,
            max_entries: there.max_entries,
            flags: there.map_flags,
        };
        let what = self.definition.differences(&there);
        Some(format!(
            "the map that is pinned to {path} is not like `{}` of this object: {what}. Remove the file, where nobody needs that map any more, or \
             name another path",
            self.name
        ))
    }
}

impl Definition {
    fn differences(&self, there: &Self) -> String {
        let text = |unlike: bool, what: &str, there: String, here: String| unlike.then(|| format!("{what} {there} there and {here} here"));
        let number = |what, there: u32, here: u32| text(there != here, what, there.to_string(), here.to_string());
        let all = [
            text(self.kind != there.kind, "its type is", map_type_name(there.kind as u32), map_type_name(self.kind as u32)),
            number("bytes of a key are", there.key_size, self.key_size),
            number("bytes of a value are", there.value_size, self.value_size),
            number("its entries are", there.max_entries, self.max_entries),
            text(self.flags != there.flags, "its flags are", format!("{:#x}", there.flags), format!("{:#x}", self.flags)),
        ];
        all.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_named() {
        let here = Definition { kind: MapType::Hash, key_size: 4, value_size: 8, max_entries: 16, flags: 0 };
        assert_eq!(here.differences(&here), "");
        let there = Definition { kind: MapType::Array, max_entries: 1, flags: 1024, ..here };
        let expected = "its type is array there and hash here, its entries are 1 there and 16 here, its flags are 0x400 there and 0x0 here";
        assert_eq!(here.differences(&there), expected);
    }
}
