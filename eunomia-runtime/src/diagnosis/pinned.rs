//! Pinned maps: maps that libbpf looks up at a path before it creates them.

use std::{
    ffi::{CStr, OsStr},
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use libbpf_rs::{AsRawLibbpf as _, MapCore as _, MapHandle, OpenMap, OpenObject, libbpf_sys};

use crate::{
    Error, Result,
    file::is_own,
    host::{mount::OF_PINS, privilege::map_type_name},
    map_spec::MapSpec,
};

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
        // A link that leads nowhere is something: it keeps libbpf from pinning the map.
        if path.is_some_and(|path| fs::symlink_metadata(path).is_err()) {
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

/// The pins of the maps that an object creates.
pub(crate) struct Pins(Vec<(String, PathBuf)>);

impl Pins {
    pub(crate) fn of(object: &OpenObject) -> Self {
        let maps = object.maps().filter(OpenMap::autocreate);
        let pins = maps.filter_map(|map| Pinned::of(&map));
        Self(pins.map(|pinned| (pinned.name, pinned.path)).collect())
    }

    /// Refuses pins that another user made. In a BPF file system that is mounted without options
    /// everyone can make files, and one that leads to another map would make this process read
    /// records that are not its own, beside their reader.
    ///
    /// # Errors
    /// [`Error::Misuse`] for the first of them.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.iter().try_for_each(|(name, path)| refuse_foreign(path, || format!("map `{name}`")))
    }

    /// As [`Self::check`], after libbpf has used the pins. One that somebody has removed by then is
    /// refused too, since nobody can say whose it was.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn check_used(&self) -> Result<()> {
        self.check()?;
        let gone = self.0.iter().find(|(_, path)| {
            fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        });
        gone.map_or(Ok(()), |(name, path)| {
            let why = format!("{} was removed while it was used; load it again", path.display());
            Err(Error::Misuse { name: format!("map `{name}`"), why })
        })
    }
}

/// Refuses a pin that another user made, see [`Pins::check`]. The error is about `name`.
///
/// # Errors
/// [`Error::Misuse`] if another user than root made it.
pub(crate) fn refuse_foreign(path: &Path, name: impl FnOnce() -> String) -> Result<()> {
    foreign(path).map_or(Ok(()), |(place, user)| {
        let why = format!(
            "the user {user} made {}, and could choose what is used; remove it, or make it your own with chown",
            place.display()
        );
        Err(Error::Misuse { name: name(), why })
    })
}

/// Returns the file or folder on the way to a pin that another user made, and the user. The root
/// of the file system belongs to whoever mounted it.
fn foreign(path: &Path) -> Option<(&Path, u32)> {
    path.ancestors()
        .take_while(|step| {
            let folder = step.parent().filter(|folder| !folder.as_os_str().is_empty());
            // Unknown if the folder is a link of another user: with `fs.protected_symlinks` the
            // kernel follows such a link on the way to a file, but not at the end of a path.
            OF_PINS.holds(folder.unwrap_or(Path::new("."))) != Some(false)
        })
        .filter_map(|step| Some((step, fs::symlink_metadata(step).ok()?.uid())))
        .find(|(_, user)| !is_own(*user))
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
