//! Maps of maps.

use std::{
    marker::PhantomData,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
    ptr::NonNull,
};

use libbpf_rs::{ErrorKind, MapHandle, MapInfo, MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{
    Error, Result,
    host::{
        messages::refused,
        privilege::{Need, lacking},
    },
    map_spec::MapSpec,
    sample::Plain,
};

/// A map from keys to inner maps, with the handle `I`.
///
/// It is the handle of `BPF_MAP_TYPE_ARRAY_OF_MAPS` and `BPF_MAP_TYPE_HASH_OF_MAPS`, both since
/// kernel 4.12.
///
/// ```
/// use eunomia_runtime::bpf::{HashMap, MapOfMaps};
///
/// type Counts = HashMap<'static, u32, u64>;
///
/// fn add(tables: &MapOfMaps<'_, u32, Counts>, key: u32) -> eunomia_runtime::Result<()> {
///     let counts = tables.create_inner()?;
///     counts.insert(&0, &1)?;
///     tables.insert(&key, counts.as_map().fd())
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_ARRAY_OF_MAPS")]
#[doc(alias = "BPF_MAP_TYPE_HASH_OF_MAPS")]
#[derive(Debug)]
pub struct MapOfMaps<'a, K, I = Map<'static>> {
    map: Map<'a>,
    types: PhantomData<fn() -> (K, I)>,
}

impl<'a, K, I> FromMap<'a> for MapOfMaps<'a, K, I> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        let map = map.expect(
            &[MapType::HashOfMaps, MapType::ArrayOfMaps],
            Some(size_of::<K>()),
            Some(size_of::<u32>()),
        )?;
        Ok(Self { map, types: PhantomData })
    }
}

impl<'a, K: Plain, I: FromMap<'static>> MapOfMaps<'a, K, I> {
    /// Returns the inner map of a key. It lives as long as the returned handle, even after it is
    /// removed.
    ///
    /// # Errors
    /// [`Error::Kernel`] if a system call fails: EPERM without CAP_SYS_ADMIN, which opening a map
    /// by its id needs. [`Error::Mismatch`] if the inner map does not match `I`.
    pub fn get(&self, key: &K) -> Result<Option<I>> {
        let mut gone = None;
        while let Some(id) = self.map.lookup::<K, u32>(key)? {
            match MapHandle::from_map_id(id) {
                Ok(map) => return I::from_map(Map::own(map)).map(Some),
                // The map was removed or replaced after the lookup.
                Err(error) if error.kind() == ErrorKind::NotFound && gone != Some(id) => {
                    gone = Some(id)
                }
                Err(error) => {
                    let error = refused(
                        format!("open map {id} of the {}", self.map.describe()),
                        &error,
                        "",
                    );
                    return Err(error.without(|| lacking(&[Need::by_number("opening maps by id")])));
                }
            }
        }
        Ok(None)
    }

    /// Puts a map under a key, whether or not the key exists. The outer map then keeps it alive, so
    /// its handle may be dropped.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the system call fails: EINVAL if the map differs from the inner maps
    /// that the object declares, E2BIG if the outer map is full.
    pub fn insert(&self, key: &K, inner: impl AsFd) -> Result<()> {
        self.map.update(key, &inner.as_fd().as_raw_fd(), libbpf_sys::BPF_ANY)
    }

    /// Removes the map of a key; returns false if the key has none.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the system call fails.
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(key)
    }

    /// Iterates over the keys, walking the map as [`super::HashMap::keys`] does. The keys of an
    /// array include those without a map.
    pub fn keys(&self) -> impl Iterator<Item = Result<K>> {
        self.map.walk()
    }

    /// Creates a map as the object declares the inner maps, to be filled and inserted.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the map cannot be created; [`Error::Misuse`] if the object does not
    /// declare its inner map.
    pub fn create_inner(&self) -> Result<I> {
        self.map.usable()?;
        let Some(inner) = &self.map.inner else {
            let why = "the object does not declare its inner map".to_owned();
            return Err(Error::Misuse { name: self.map.describe(), why });
        };
        I::from_map(Map::own(inner.create(&self.map)?))
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

/// The definition of the inner maps of a map of maps.
#[derive(Debug)]
pub(crate) struct InnerDef {
    spec: MapSpec,
    /// The type of keys in the object's BTF, 0 if it is not declared.
    btf_key: u32,
    btf_value: u32,
    /// The BTF that holds the types, if it is not the object's.
    btf: Option<OwnedFd>,
}

impl InnerDef {
    /// Returns the object's declaration of the inner maps of `map`. libbpf forgets it when it loads
    /// the object.
    pub(crate) fn of(map: NonNull<libbpf_sys::bpf_map>) -> Option<Self> {
        // SAFETY: the map belongs to a live object.
        let inner = NonNull::new(unsafe { libbpf_sys::bpf_map__inner_map(map.as_ptr()) })?;
        // SAFETY: libbpf keeps the declaration with the map.
        let spec = unsafe { MapSpec::declared(inner) };
        // SAFETY: as above.
        let btf_key = unsafe { libbpf_sys::bpf_map__btf_key_type_id(inner.as_ptr()) };
        // SAFETY: as above.
        let btf_value = unsafe { libbpf_sys::bpf_map__btf_value_type_id(inner.as_ptr()) };
        Some(Self { spec, btf_key, btf_value, btf: None })
    }

    /// Returns the definition of an existing map.
    pub(crate) fn like(map: BorrowedFd<'_>) -> Result<Self> {
        let tried = || "ask the kernel about the inner map".to_owned();
        let info = MapInfo::new(map).map_err(|error| refused(tried(), &error, ""))?.info;
        // SAFETY: the call takes a number and fails if no BTF has this id.
        let btf =
            (info.btf_id != 0).then(|| unsafe { libbpf_sys::bpf_btf_get_fd_by_id(info.btf_id) });
        // SAFETY: the descriptor is new and nothing else owns it.
        let btf = btf.filter(|fd| *fd >= 0).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        let has_types = btf.is_some();
        let types = |id| if has_types { id } else { 0 };
        Ok(Self {
            spec: MapSpec::of(&info),
            btf_key: types(info.btf_key_type_id),
            btf_value: types(info.btf_value_type_id),
            btf,
        })
    }

    /// Adds the object's BTF, for definitions without BTF of their own.
    pub(crate) fn with<'a>(&'a self, object: Option<BorrowedFd<'a>>) -> Inner<'a> {
        Inner { def: self, btf: self.btf.as_ref().map(AsFd::as_fd).or(object) }
    }
}

/// How to create the inner maps of a map of maps after the object is loaded.
#[derive(Debug)]
pub(crate) struct Inner<'a> {
    def: &'a InnerDef,
    /// The BTF of its types in the kernel.
    btf: Option<BorrowedFd<'a>>,
}

impl Inner<'_> {
    /// Creates an inner map with BTF, as libbpf created the one that the kernel compares it with:
    /// kernels before 6.2 tell a map with BTF from one without. Like libbpf, it creates the map
    /// without BTF if the kernel refuses the BTF.
    fn create(&self, outer: &Map<'_>) -> Result<MapHandle> {
        let &InnerDef { spec, btf_key, btf_value, .. } = self.def;
        let without = spec.options();
        // Named as libbpf names inner maps. The kernel keeps the first 15 bytes.
        let mut name = outer.name().to_owned();
        name.push(".inner");
        let create = |options: &_| {
            MapHandle::create(
                spec.kind,
                Some(&name),
                spec.key_size,
                spec.value_size,
                spec.max_entries,
                options,
            )
        };
        let created = self.btf.and_then(|btf| {
            let with = libbpf_sys::bpf_map_create_opts {
                btf_fd: btf.as_raw_fd().cast_unsigned(),
                btf_key_type_id: btf_key,
                btf_value_type_id: btf_value,
                ..without
            };
            create(&with).ok()
        });
        created.map_or_else(|| create(&without), Ok).map_err(|error| {
            refused(format!("create an inner map for the {}", outer.describe()), &error, "")
        })
    }
}
