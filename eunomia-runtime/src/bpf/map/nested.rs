use std::{
    marker::PhantomData,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
    ptr::NonNull,
};

use libbpf_rs::{ErrorKind, MapHandle, MapInfo, MapType, libbpf_sys};

use super::{FromMap, Map, MapSpec};
use crate::{
    Error, Result,
    bpf::sys::messages::refused,
    diagnosis::privilege::{Need, lacking},
    sample::Plain,
};

/// A map from keys to maps (`BPF_MAP_TYPE_HASH_OF_MAPS`, `BPF_MAP_TYPE_ARRAY_OF_MAPS`), which are `I`.
#[derive(Debug)]
pub struct MapOfMaps<'a, K, I = Map<'static>> {
    map: Map<'a>,
    types: PhantomData<fn() -> (K, I)>,
}

impl<'a, K, I> FromMap<'a> for MapOfMaps<'a, K, I> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        let map = map.expect(&[MapType::HashOfMaps, MapType::ArrayOfMaps], Some(size_of::<K>()), Some(size_of::<u32>()))?;
        Ok(Self { map, types: PhantomData })
    }
}

impl<'a, K: Plain, I: FromMap<'static>> MapOfMaps<'a, K, I> {
    /// The map of a key. It lives as long as the handle, also when it is taken out.
    ///
    /// # Errors
    /// [`Error::Kernel`], EPERM without CAP_SYS_ADMIN, which the way from a map's number to its descriptor needs; [`Error::Value`] where
    /// it is no `I`.
    pub fn get(&self, key: &K) -> Result<Option<I>> {
        let mut gone = None;
        while let Some(id) = self.map.lookup::<K, u32>(key)? {
            match MapHandle::from_map_id(id) {
                Ok(map) => return I::from_map(Map::own(map)).map(Some),
                // Meanwhile it was taken out, or another one took its place.
                Err(error) if error.kind() == ErrorKind::NotFound && gone != Some(id) => gone = Some(id),
                Err(error) => {
                    let error = refused(format!("open map {id}, which is in the {}", self.map.describe()), &error, "");
                    return Err(error.without(|| lacking(&[Need::by_number("opening maps by their numbers")])));
                }
            }
        }
        Ok(None)
    }

    /// Puts a map under a key, new or not. The map of maps holds it from then on, the handle may go.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EINVAL where the object declares the maps in it otherwise, E2BIG where it is full.
    pub fn insert(&self, key: &K, inner: impl AsFd) -> Result<()> {
        self.map.update(key, &inner.as_fd().as_raw_fd(), libbpf_sys::BPF_ANY)
    }

    /// Takes the map of a key out; whether there was one.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(key)
    }

    /// Every key, by a walk as in [`super::HashMap::keys`]; of an array also those without a map.
    pub fn keys(&self) -> impl Iterator<Item = Result<K>> {
        self.map.walk()
    }

    /// Makes a map as the object declares those in this one, to be filled and inserted.
    ///
    /// # Errors
    /// [`Error::Kernel`]; [`Error::Value`] where the object does not declare them.
    pub fn create_inner(&self) -> Result<I> {
        self.map.usable()?;
        let Some(inner) = &self.map.inner else {
            let why = "the object does not declare what maps are in it".to_owned();
            return Err(Error::Value { name: self.map.describe(), why });
        };
        I::from_map(Map::own(inner.create(&self.map)?))
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

/// How the maps in a map of maps are made.
#[derive(Debug)]
pub(crate) struct InnerDef {
    spec: MapSpec,
    /// The types of key and value in the object's BTF, 0 where it does not say.
    btf_key: u32,
    btf_value: u32,
    /// The BTF that has the types, where it is not the object's.
    btf: Option<OwnedFd>,
}

impl InnerDef {
    /// What the object declares of the maps in `map`, before it is loaded: then libbpf forgets it.
    pub(crate) fn of(map: NonNull<libbpf_sys::bpf_map>) -> Option<Self> {
        // SAFETY: the map is that of a live object.
        let inner = NonNull::new(unsafe { libbpf_sys::bpf_map__inner_map(map.as_ptr()) })?;
        // SAFETY: libbpf keeps the declaration with the map.
        let spec = unsafe { MapSpec::declared(inner) };
        // SAFETY: as above.
        let btf_key = unsafe { libbpf_sys::bpf_map__btf_key_type_id(inner.as_ptr()) };
        // SAFETY: as above.
        let btf_value = unsafe { libbpf_sys::bpf_map__btf_value_type_id(inner.as_ptr()) };
        Some(Self { spec, btf_key, btf_value, btf: None })
    }

    /// As a map is that the user gave.
    pub(crate) fn like(map: BorrowedFd<'_>) -> Result<Self> {
        let tried = || "ask the kernel about the map that others are made like".to_owned();
        let info = MapInfo::new(map).map_err(|error| refused(tried(), &error, ""))?.info;
        // SAFETY: the call takes a number, which may be that of no BTF.
        let btf = (info.btf_id != 0).then(|| unsafe { libbpf_sys::bpf_btf_get_fd_by_id(info.btf_id) });
        // SAFETY: the descriptor is new and nobody else's.
        let btf = btf.filter(|fd| *fd >= 0).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        let has_types = btf.is_some();
        let types = |id| if has_types { id } else { 0 };
        Ok(Self { spec: MapSpec::of(&info), btf_key: types(info.btf_key_type_id), btf_value: types(info.btf_value_type_id), btf })
    }

    /// With the BTF of the object.
    pub(crate) fn with<'a>(&'a self, object: Option<BorrowedFd<'a>>) -> Inner<'a> {
        Inner { def: self, btf: self.btf.as_ref().map(AsFd::as_fd).or(object) }
    }
}

/// How the maps in a map of maps are made, once the object is loaded.
#[derive(Debug)]
pub(crate) struct Inner<'a> {
    def: &'a InnerDef,
    /// The BTF of its types in the kernel.
    btf: Option<BorrowedFd<'a>>,
}

impl Inner<'_> {
    /// Makes one with BTF, as libbpf made the one that the kernel compares it with: kernels before 6.2 tell maps with and without apart. As
    /// for that one, without BTF where the kernel does not take it.
    fn create(&self, outer: &Map<'_>) -> Result<MapHandle> {
        let &InnerDef { spec, btf_key, btf_value, .. } = self.def;
        let without = spec.options();
        // As libbpf names them; the kernel keeps the first 15 bytes.
        let mut name = outer.name().to_owned();
        name.push(".inner");
        let create = |options: &_| MapHandle::create(spec.kind, Some(&name), spec.key_size, spec.value_size, spec.max_entries, options);
        let created = self.btf.and_then(|btf| {
            let with = libbpf_sys::bpf_map_create_opts {
                btf_fd: btf.as_raw_fd().cast_unsigned(),
                btf_key_type_id: btf_key,
                btf_value_type_id: btf_value,
                ..without
            };
            create(&with).ok()
        });
        created
            .map_or_else(|| create(&without), Ok)
            .map_err(|error| refused(format!("make a map for the {}", outer.describe()), &error, ""))
    }
}
