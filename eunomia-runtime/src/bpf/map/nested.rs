use std::{
    marker::PhantomData,
    os::fd::{AsFd, AsRawFd as _},
    ptr::NonNull,
};

use libbpf_rs::{ErrorKind, MapHandle, MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{Error, Result, bpf::messages::refused, sample::Plain};

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
                Err(error) => return Err(refused(format!("open map {id}, which is in the {}", self.map.describe()), &error, "")),
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

    /// Makes a map as the object declares those in this one, to be filled and inserted. It has no BTF, so that [`Self::insert`] refuses it
    /// where its values have fields that the kernel manages (`struct bpf_spin_lock` and its kin).
    ///
    /// # Errors
    /// [`Error::Kernel`]; [`Error::Value`] where the object does not declare them.
    pub fn create_inner(&self) -> Result<I> {
        let Some(def) = self.map.inner else {
            let why = "the object does not declare what maps are in it".to_owned();
            return Err(Error::Value { name: self.map.describe(), why });
        };
        I::from_map(Map::own(def.create(&self.map)?))
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

/// How the maps in a map of maps are made.
#[derive(Debug, Clone, Copy)]
pub(in crate::bpf) struct InnerDef {
    kind: MapType,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

impl InnerDef {
    /// What the object declares of the maps in `map`, before it is loaded: then libbpf forgets it.
    pub(in crate::bpf) fn of(map: NonNull<libbpf_sys::bpf_map>) -> Option<Self> {
        // SAFETY: the map is that of a live object.
        let inner = NonNull::new(unsafe { libbpf_sys::bpf_map__inner_map(map.as_ptr()) })?.as_ptr();
        Some(Self {
            // SAFETY: libbpf keeps the declaration with the map.
            kind: unsafe { libbpf_sys::bpf_map__type(inner) }.into(),
            // SAFETY: as above.
            key_size: unsafe { libbpf_sys::bpf_map__key_size(inner) },
            // SAFETY: as above.
            value_size: unsafe { libbpf_sys::bpf_map__value_size(inner) },
            // SAFETY: as above.
            max_entries: unsafe { libbpf_sys::bpf_map__max_entries(inner) },
            // SAFETY: as above.
            flags: unsafe { libbpf_sys::bpf_map__map_flags(inner) },
        })
    }

    fn create(&self, outer: &Map<'_>) -> Result<MapHandle> {
        let options = libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
            map_flags: self.flags,
            ..Default::default()
        };
        // As libbpf names them; the kernel keeps the first 15 bytes.
        let mut name = outer.name().to_owned();
        name.push(".inner");
        let Self { kind, key_size, value_size, max_entries, .. } = *self;
        MapHandle::create(kind, Some(name), key_size, value_size, max_entries, &options)
            .map_err(|error| refused(format!("make a map for the {}", outer.describe()), &error, ""))
    }
}
