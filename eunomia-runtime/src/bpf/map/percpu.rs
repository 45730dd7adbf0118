//! Maps with a value for each CPU. The kernel hands over all of a key at once, each rounded up to 8 bytes, for every CPU that is possible
//! (not only those that are online).

use std::{ffi::c_void, marker::PhantomData, ptr};

use libbpf_rs::{MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{Error, Result, cpus, sample::Plain};

/// A hash table with a value for each CPU.
#[derive(Debug)]
pub struct PerCpuHashMap<'a, K, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> (K, V)>,
}

/// An array with a value for each CPU.
#[derive(Debug)]
pub struct PerCpuArray<'a, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> V>,
}

impl<'a, K, V> FromMap<'a> for PerCpuHashMap<'a, K, V> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        let map = map.expect(&[MapType::PercpuHash, MapType::LruPercpuHash], Some(size_of::<K>()), Some(size_of::<V>()))?;
        Ok(Self { map, types: PhantomData })
    }
}

impl<'a, V> FromMap<'a> for PerCpuArray<'a, V> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        let map = map.expect(&[MapType::PercpuArray], Some(size_of::<u32>()), Some(size_of::<V>()))?;
        Ok(Self { map, types: PhantomData })
    }
}

impl<'a> Map<'a> {
    fn lookup_per_cpu<V: Plain>(&self, key: *const c_void) -> Result<Option<Vec<V>>> {
        let stride = size_of::<V>().next_multiple_of(8);
        let mut bytes = vec![0; stride * cpus::possible()? as usize];
        if !self.lookup_bytes(key, &mut bytes)? {
            return Ok(None);
        }
        let values = bytes.chunks_exact(stride.max(1)).filter_map(V::read);
        Ok(Some(values.collect()))
    }

    fn update_per_cpu<V: Plain>(&self, key: *const c_void, values: &[V]) -> Result<()> {
        let cpus = cpus::possible()? as usize;
        if values.len() != cpus {
            let why = format!("there are {} values for {cpus} CPUs", values.len());
            return Err(Error::Value { name: self.describe(), why });
        }
        let mut bytes = Vec::new();
        for value in values {
            bytes.extend(value.bytes());
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        self.update_bytes(key, &bytes, libbpf_sys::BPF_ANY)
    }
}

impl<'a, K, V> PerCpuHashMap<'a, K, V>
where
    K: Plain,
    V: Plain,
{
    /// The values of a key, one for each possible CPU.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn get(&self, key: &K) -> Result<Option<Vec<V>>> {
        self.map.lookup_per_cpu(ptr::from_ref(key).cast())
    }

    /// Sets the values of a key, one for each possible CPU.
    ///
    /// # Errors
    /// [`Error::Value`] where there are more or fewer; [`Error::Kernel`]; E2BIG where the map is full.
    pub fn insert(&self, key: &K, values: &[V]) -> Result<()> {
        self.map.update_per_cpu(ptr::from_ref(key).cast(), values)
    }

    /// Removes a key; whether it was there.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(key)
    }

    /// Every entry, one lookup for each, by a walk as in [`super::HashMap::keys`].
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, Vec<V>)>> {
        self.map.walk().filter_map(|key: Result<K>| match key {
            Ok(key) => Some(self.get(&key).transpose()?.map(|values| (key, values))),
            Err(error) => Some(Err(error)),
        })
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

impl<'a, V: Plain> PerCpuArray<'a, V> {
    /// The values of an entry, one for each possible CPU; `None` behind the end.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn get(&self, index: u32) -> Result<Option<Vec<V>>> {
        self.map.lookup_per_cpu((&raw const index).cast())
    }

    /// Sets the values of an entry, one for each possible CPU.
    ///
    /// # Errors
    /// [`Error::Value`] where there are more or fewer; [`Error::Kernel`]; E2BIG behind the end.
    pub fn set(&self, index: u32, values: &[V]) -> Result<()> {
        self.map.update_per_cpu((&raw const index).cast(), values)
    }

    /// The number of entries.
    #[allow(clippy::len_without_is_empty, reason = "the kernel makes no empty arrays")]
    pub fn len(&self) -> u32 {
        self.map.max_entries()
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}
