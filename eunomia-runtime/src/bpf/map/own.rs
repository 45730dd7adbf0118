//! Maps without an object: opened by their path or made.

use std::{
    ffi::CStr,
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
    ptr::NonNull,
};

use libbpf_rs::{MapHandle, MapInfo, MapType, libbpf_sys};

use super::Map;
use crate::{
    Error, Result,
    bpf::sys::{fdinfo, messages::refused, pin::pinned},
    refusal::refusal,
};

/// Returns the type of a map by its number. libbpf-rs has a name for storage of cgroups, and does not find it by its number.
pub(in crate::bpf) fn map_type(number: u32) -> MapType {
    match number {
        libbpf_sys::BPF_MAP_TYPE_CGRP_STORAGE => MapType::CGrpStorage,
        known => known.into(),
    }
}

/// What a map is made like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapSpec {
    /// Its type.
    pub kind: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Entries, or bytes of a ring buffer.
    pub max_entries: u32,
    /// `BPF_F_*` of `uapi/linux/bpf.h`.
    pub flags: u32,
}

impl MapSpec {
    /// What the kernel says of a map.
    pub(crate) fn of(info: &libbpf_sys::bpf_map_info) -> Self {
        Self {
            kind: map_type(info.type_),
            key_size: info.key_size,
            value_size: info.value_size,
            max_entries: info.max_entries,
            flags: info.map_flags,
        }
    }

    /// What libbpf says of a map.
    ///
    /// # Safety
    /// The map is that of a live object.
    pub(crate) unsafe fn declared(map: NonNull<libbpf_sys::bpf_map>) -> Self {
        let map = map.as_ptr();
        Self {
            // SAFETY: the map lives, as the caller says, and the call only reads a number.
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

impl Map<'static> {
    /// Opens the map that is pinned to `path`, without an object: `Map::open(path)?.into_typed::<HashMap<u32, u64>>()?`. Its sizes are
    /// those that the kernel says, and typed handles are held against them; [`Self::of_types`] compares the names of the types, too.
    ///
    /// # Errors
    /// [`Error::Kernel`]; ENOENT if there is no such file, EACCES if it is in no BPF file system or may not be read and written.
    /// [`Error::Value`] if something else is pinned there.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let tried = || format!("open the map that is pinned to {}", path.display());
        let is_map = |fd: BorrowedFd<'_>| {
            let about = fdinfo(fd).map_err(|error| refusal(tried(), error))?;
            let other = || Error::Value { name: tried(), why: "it is no map".to_owned() };
            if about.lines().any(|line| line.starts_with("map_type:")) { Ok(()) } else { Err(other()) }
        };
        // The kernel answers about anything as if it were a map.
        is_map(pinned(path, "a map")?.as_fd())?;
        let map = MapHandle::from_pinned_path(path).map_err(|error| refused(tried(), &error, ""))?;
        // Another file may have come there meanwhile.
        is_map(map.as_fd())?;
        Ok(Self::own(map))
    }

    /// Makes a map, for [`Open::reuse_map`](crate::bpf::Open::reuse_map), [`Open::set_inner_map`](crate::bpf::Open::set_inner_map) or a map
    /// of maps, for example. It lives as long as the handle, and as others use it.
    ///
    /// The kernel keeps the first 15 bytes of the name, and takes letters, digits, `_` and `.`.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EINVAL if the kernel makes no such maps.
    pub fn create(name: &str, spec: &MapSpec) -> Result<Self> {
        let made = MapHandle::create(spec.kind, Some(name), spec.key_size, spec.value_size, spec.max_entries, &spec.options());
        made.map(Self::own).map_err(|error| refused(format!("make the map `{name}`"), &error, ""))
    }
}

impl<'a> Map<'a> {
    /// Compares the types of keys and values with what the kernel has of them: their names in C, for example that of
    /// [`Event::C_NAME`](crate::sample::Event::C_NAME), a typedef or what it stands for. `None` is any type. Nothing is refused if the map
    /// was made without BTF, or this process may not read it (CAP_SYS_ADMIN).
    ///
    /// # Errors
    /// [`Error::Value`] if a type has another name.
    pub fn of_types(self, key: Option<&str>, value: Option<&str>) -> Result<Self> {
        let info =
            MapInfo::new(self.fd()).map_err(|error| refused(format!("ask the kernel about the {}", self.describe()), &error, ""))?.info;
        let Some(btf) = KernelBtf::load(info.btf_id) else { return Ok(self) };
        let asked = [("keys", key, info.btf_key_type_id), ("values", value, info.btf_value_type_id)];
        for (what, wanted, id) in asked {
            let names = btf.names(id);
            if let Some(wanted) = wanted.filter(|wanted| !names.is_empty() && !names.iter().any(|name| name == wanted)) {
                let why = format!("its {what} are of the type `{}`, not `{wanted}`", names.join("` or `"));
                return Err(Error::Value { name: self.describe(), why });
            }
        }
        Ok(self)
    }
}

/// BTF of an object in the kernel.
struct KernelBtf(NonNull<libbpf_sys::btf>);

impl KernelBtf {
    fn load(id: u32) -> Option<Self> {
        // SAFETY: the call takes a number, which may be that of no BTF, and returns null or what is ours.
        (id != 0).then(|| NonNull::new(unsafe { libbpf_sys::btf__load_from_kernel_by_id(id) }).map(Self))?
    }

    /// What a type is called: each typedef on the way, and what it stands for. None where it has no name.
    fn names(&self, mut id: u32) -> Vec<String> {
        /// As far as the kernel follows them.
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
            // SAFETY: the BTF is live; the call returns null where there is no such type.
            let ty = unsafe { libbpf_sys::btf__type_by_id(self.0.as_ptr(), id) };
            // SAFETY: it is a type of the BTF, which lives and is not changed.
            let Some(ty) = (unsafe { ty.as_ref() }) else { break };
            // SAFETY: the BTF is live; the call returns null or a text of its own.
            let name = unsafe { libbpf_sys::btf__name_by_offset(self.0.as_ptr(), ty.name_off) };
            // SAFETY: the text ends with a NUL and lives as the BTF does.
            let name = if name.is_null() { String::new() } else { unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned() };
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
            // SAFETY: types of these kinds have a type in the union, and any bytes are one of its numbers.
            id = unsafe { ty.__bindgen_anon_1.type_ };
        }
        names
    }
}

impl Drop for KernelBtf {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nobody has anything of it.
        unsafe { libbpf_sys::btf__free(self.0.as_ptr()) };
    }
}
