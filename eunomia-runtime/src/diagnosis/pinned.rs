//! Maps that are looked for at a path before they are made.

use std::{
    ffi::{CStr, OsStr},
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
};

#[cfg(feature = "dynamic")]
use libbpf_rs::OpenObject;
use libbpf_rs::{AsRawLibbpf as _, MapCore as _, MapHandle, OpenMap, libbpf_sys};

use super::privilege::map_type_name;
use crate::bpf::MapSpec;

/// A map of an object that is pinned, or is to be.
pub(crate) struct Pinned {
    name: String,
    path: PathBuf,
    definition: MapSpec,
}

/// Keeps maps from being pinned that are not yet.
#[cfg(feature = "dynamic")]
pub(crate) fn pin_none(object: &mut OpenObject) {
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
    pub(crate) fn of(map: &OpenMap<'_>) -> Option<Self> {
        let raw = map.as_libbpf_object().as_ptr();
        // SAFETY: the pointer is that of a map of a live object; the call returns null or a text of the map's own.
        let path = unsafe { libbpf_sys::bpf_map__pin_path(raw) };
        if path.is_null() {
            return None;
        }
        // SAFETY: the text ends with a NUL, and the map lives and keeps it through this function.
        let path = unsafe { CStr::from_ptr(path) };
        // SAFETY: the map is that of a live object.
        let definition = unsafe { MapSpec::declared(map.as_libbpf_object()) };
        let path = PathBuf::from(OsStr::from_bytes(path.to_bytes()));
        Some(Self { name: map.name().to_string_lossy().into_owned(), path, definition })
    }

    /// What to say where libbpf says that the map at the path is another one.
    pub(crate) fn unlike(&self, said: &str) -> Option<String> {
        let path = self.path.display();
        if !said.contains(&format!("couldn't reuse pinned map at '{path}'")) {
            return None;
        }
        let there = MapHandle::from_pinned_path(&self.path).ok()?.info().ok()?.info;
        // What libbpf compares.
        let what = differences(&self.definition, &MapSpec::of(&there));
        Some(format!(
            "the map that is pinned to {path} is not like `{}` of this object: {what}. Remove the file, where nobody needs that map any more, or \
             name another path",
            self.name
        ))
    }
}

fn differences(here: &MapSpec, there: &MapSpec) -> String {
    let text = |unlike: bool, what: &str, there: String, here: String| unlike.then(|| format!("{what} {there} there and {here} here"));
    let number = |what, there: u32, here: u32| text(there != here, what, there.to_string(), here.to_string());
    let all = [
        text(here.kind != there.kind, "its type is", map_type_name(there.kind as u32), map_type_name(here.kind as u32)),
        number("bytes of a key are", there.key_size, here.key_size),
        number("bytes of a value are", there.value_size, here.value_size),
        number("its entries are", there.max_entries, here.max_entries),
        text(here.flags != there.flags, "its flags are", format!("{:#x}", there.flags), format!("{:#x}", here.flags)),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use libbpf_rs::MapType;

    use super::*;

    #[test]
    fn each_difference_is_named() {
        let here = MapSpec { kind: MapType::Hash, key_size: 4, value_size: 8, max_entries: 16, flags: 0 };
        assert_eq!(differences(&here, &here), "");
        let there = MapSpec { kind: MapType::Array, max_entries: 1, flags: 1024, ..here };
        let expected = "its type is array there and hash here, its entries are 1 there and 16 here, its flags are 0x400 there and 0x0 here";
        assert_eq!(differences(&here, &there), expected);
    }
}
