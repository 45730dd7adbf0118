//! Pinned maps: maps that libbpf looks up at a path before it creates them.

use std::{
    ffi::{CStr, OsStr},
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
};

#[cfg(feature = "dynamic")]
use libbpf_rs::OpenObject;
use libbpf_rs::{AsRawLibbpf as _, MapCore as _, MapHandle, OpenMap, libbpf_sys};

use crate::{host::privilege::map_type_name, map_spec::MapSpec};

/// A map of an object with a pin path.
pub(crate) struct Pinned {
    name: String,
    path: PathBuf,
    definition: MapSpec,
}

/// Removes the pin path of every map that is not pinned yet, so that loading does not pin it.
#[cfg(feature = "dynamic")]
pub(crate) fn pin_none(object: &mut OpenObject) {
    for map in object.maps_mut() {
        let raw = map.as_libbpf_object().as_ptr();
        // SAFETY: the pointer is that of a map of a live object; the call returns null or a string
        // that the map owns.
        let path = unsafe { libbpf_sys::bpf_map__pin_path(raw) };
        // SAFETY: the string ends with a NUL, and the map keeps it until its path is changed below.
        let path = (!path.is_null())
            .then(|| PathBuf::from(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes())));
        if path.is_some_and(|path| !path.exists()) {
            // SAFETY: the map belongs to a live object that is borrowed exclusively, and null
            // stands for no path.
            unsafe { libbpf_sys::bpf_map__set_pin_path(raw, std::ptr::null()) };
        }
    }
}

impl Pinned {
    /// Returns `None` if the map has no path.
    pub(crate) fn of(map: &OpenMap<'_>) -> Option<Self> {
        let raw = map.as_libbpf_object().as_ptr();
        // SAFETY: the pointer is that of a map of a live object; the call returns null or a string
        // that the map owns.
        let path = unsafe { libbpf_sys::bpf_map__pin_path(raw) };
        if path.is_null() {
            return None;
        }
        // SAFETY: the string ends with a NUL, and the map lives and keeps it through this function.
        let path = unsafe { CStr::from_ptr(path) };
        // SAFETY: the map belongs to a live object.
        let definition = unsafe { MapSpec::declared(map.as_libbpf_object()) };
        let path = PathBuf::from(OsStr::from_bytes(path.to_bytes()));
        Some(Self { name: map.name().to_string_lossy().into_owned(), path, definition })
    }

    /// Returns the hint for a failed reuse, if libbpf's messages say that the map at the path
    /// differs.
    pub(crate) fn unlike(&self, messages: &str) -> Option<String> {
        let path = self.path.display();
        if !messages.contains(&format!("couldn't reuse pinned map at '{path}'")) {
            return None;
        }
        let pinned = MapHandle::from_pinned_path(&self.path).ok()?.info().ok()?.info;
        // The properties that libbpf compares.
        let what = differences(&self.definition, &MapSpec::of(&pinned));
        Some(format!(
            "the map pinned at {path} does not match `{}` of this object: {what}; remove the file if that map is no longer needed, or \
             choose another path",
            self.name
        ))
    }
}

fn differences(expected: &MapSpec, pinned: &MapSpec) -> String {
    let text = |differs: bool, property: &str, pinned: String, expected: String| {
        differs.then(|| format!("{property}: pinned {pinned}, expected {expected}"))
    };
    let number = |property, pinned: u32, expected: u32| {
        text(pinned != expected, property, pinned.to_string(), expected.to_string())
    };
    let all = [
        text(
            expected.kind != pinned.kind,
            "type",
            map_type_name(pinned.kind as u32),
            map_type_name(expected.kind as u32),
        ),
        number("key size", pinned.key_size, expected.key_size),
        number("value size", pinned.value_size, expected.value_size),
        number("max_entries", pinned.max_entries, expected.max_entries),
        text(
            expected.flags != pinned.flags,
            "flags",
            format!("{:#x}", pinned.flags),
            format!("{:#x}", expected.flags),
        ),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use libbpf_rs::MapType;

    use super::*;

    #[test]
    fn each_difference_is_named() {
        let expected =
            MapSpec { kind: MapType::Hash, key_size: 4, value_size: 8, max_entries: 16, flags: 0 };
        assert_eq!(differences(&expected, &expected), "");
        let pinned = MapSpec { kind: MapType::Array, max_entries: 1, flags: 1024, ..expected };
        let text = "type: pinned array, expected hash; max_entries: pinned 1, expected 16; flags: pinned 0x400, expected 0x0";
        assert_eq!(differences(&expected, &pinned), text);
    }
}
