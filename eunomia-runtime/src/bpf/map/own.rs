//! Maps without an object: opened by their path, or created.

use std::{
    ffi::CStr,
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
    ptr::NonNull,
};

use libbpf_rs::{MapHandle, MapInfo, libbpf_sys};

use super::Map;
use crate::{
    Error, Result,
    bpf::sys::{fdinfo, pin::pinned},
    host::{kernel_error, messages::refused},
    map_spec::MapSpec,
};

impl Map<'static> {
    /// Opens the map that is pinned to `path`, without an object:
    /// `Map::open(path)?.into_typed::<HashMap<u32, u64>>()?`.
    ///
    /// A typed handle checks the sizes of its types against the map. [`Self::check_types`] checks
    /// the names of the types too.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the path cannot be opened: ENOENT if it does not exist, EACCES if it is
    /// not in a BPF file system or may not be read and written. [`Error::Mismatch`] if it is not a
    /// map. [`Error::Misuse`] if another user than root made the pin.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let tried = || format!("open the map pinned to {}", path.display());
        let is_map = |fd: BorrowedFd<'_>| {
            let text = fdinfo(fd).map_err(|error| kernel_error(tried(), error))?;
            let not_map = || Error::Mismatch { name: tried(), why: "it is not a map".to_owned() };
            if text.lines().any(|line| line.starts_with("map_type:")) {
                Ok(())
            } else {
                Err(not_map())
            }
        };
        // The kernel answers a query about an object of any kind as if it were a map.
        is_map(pinned(path, "a map")?.as_fd())?;
        let map =
            MapHandle::from_pinned_path(path).map_err(|error| refused(tried(), &error, ""))?;
        // Another object may have been pinned there after the first check.
        is_map(map.as_fd())?;
        Ok(Self::own(map))
    }

    /// Creates a map, for example for [`Open::reuse_map`](crate::bpf::Open::reuse_map),
    /// [`Open::set_inner_map`](crate::bpf::Open::set_inner_map) or a map of maps. It lives as long
    /// as this handle or anything else that uses it.
    ///
    /// The kernel keeps the first 15 bytes of the name, and accepts letters, digits, `_` and `.`.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the kernel refuses: EINVAL if it does not support the definition.
    pub fn create(name: &str, spec: &MapSpec) -> Result<Self> {
        let created = MapHandle::create(
            spec.kind,
            Some(name),
            spec.key_size,
            spec.value_size,
            spec.max_entries,
            &spec.options(),
        );
        created
            .map(Self::own)
            .map_err(|error| refused(format!("create the map `{name}`"), &error, ""))
    }
}

impl<'a> Map<'a> {
    /// Checks the C names of the key and value types against the BTF of the map in the kernel.
    ///
    /// A name is, for example, that of [`Event::C_NAME`](crate::sample::Event::C_NAME). A typedef
    /// matches by its own name and by that of its target; `None` matches any type. The check passes
    /// if the map was created without BTF, or if this process may not read the BTF (CAP_SYS_ADMIN).
    ///
    /// # Errors
    /// [`Error::Mismatch`] if a type has another name; [`Error::Kernel`] if the kernel cannot be
    /// asked about the map.
    pub fn check_types(self, key: Option<&str>, value: Option<&str>) -> Result<Self> {
        let info = MapInfo::new(self.fd())
            .map_err(|error| {
                refused(format!("ask the kernel about the {}", self.describe()), &error, "")
            })?
            .info;
        let Some(btf) = KernelBtf::load(info.btf_id) else { return Ok(self) };
        let checks =
            [("keys", key, info.btf_key_type_id), ("values", value, info.btf_value_type_id)];
        for (which, expected, id) in checks {
            let names = btf.names(id);
            if let Some(expected) = expected
                .filter(|expected| !names.is_empty() && !names.iter().any(|name| name == expected))
            {
                let why = format!(
                    "its {which} are of type `{}`, expected `{expected}`",
                    names.join("` or `")
                );
                return Err(Error::Mismatch { name: self.describe(), why });
            }
        }
        Ok(self)
    }
}

/// The BTF of an object in the kernel.
struct KernelBtf(NonNull<libbpf_sys::btf>);

impl KernelBtf {
    fn load(id: u32) -> Option<Self> {
        if id == 0 {
            return None;
        }
        // SAFETY: the call takes a number, fails if no BTF has this id, and returns null or BTF
        // that the caller owns.
        let btf = unsafe { libbpf_sys::btf__load_from_kernel_by_id(id) };
        NonNull::new(btf).map(Self)
    }

    /// Returns the names of a type: those of each typedef on the way and that of its target. Empty
    /// if none has a name.
    fn names(&self, mut id: u32) -> Vec<String> {
        /// The number of steps that the kernel follows.
        const DEPTH: usize = 32;
        const NAMING: [u32; 5] = [
            libbpf_sys::BTF_KIND_TYPEDEF,
            libbpf_sys::BTF_KIND_CONST,
            libbpf_sys::BTF_KIND_VOLATILE,
            libbpf_sys::BTF_KIND_RESTRICT,
            libbpf_sys::BTF_KIND_TYPE_TAG,
        ];

        let mut names = Vec::new();
        for _ in 0..DEPTH {
            // SAFETY: the BTF is live; the call returns null if there is no such type.
            let ty = unsafe { libbpf_sys::btf__type_by_id(self.0.as_ptr(), id) };
            // SAFETY: the pointer is null or that of a type in the BTF, which is live and not
            // changed.
            let Some(ty) = (unsafe { ty.as_ref() }) else { break };
            // SAFETY: the BTF is live; the call returns null or a string of the BTF.
            let name = unsafe { libbpf_sys::btf__name_by_offset(self.0.as_ptr(), ty.name_off) };
            let name = if name.is_null() {
                String::new()
            } else {
                // SAFETY: the string ends with a NUL and lives as long as the BTF.
                unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
            };
            let kind = ty.info >> 24 & 0x1f;
            let prefix = match kind {
                libbpf_sys::BTF_KIND_STRUCT => "struct ",
                libbpf_sys::BTF_KIND_UNION => "union ",
                libbpf_sys::BTF_KIND_ENUM | libbpf_sys::BTF_KIND_ENUM64 => "enum ",
                _ => "",
            };
            if !name.is_empty() {
                names.push(format!("{prefix}{name}"));
            }
            if !NAMING.contains(&kind) {
                break;
            }
            // SAFETY: types of these kinds keep a type id in the union, and any bytes are a valid
            // number.
            id = unsafe { ty.__bindgen_anon_1.type_ };
        }
        names
    }
}

impl Drop for KernelBtf {
    fn drop(&mut self) {
        // SAFETY: this is the only owner of the BTF, and nothing borrows from it.
        unsafe { libbpf_sys::btf__free(self.0.as_ptr()) };
    }
}
