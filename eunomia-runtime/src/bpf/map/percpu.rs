//! Maps with a value for each CPU.
//!
//! The kernel copies the values of a key all at once: one for each possible CPU (not only for those
//! that are online), each padded to 8 bytes.

use std::{ffi::c_void, marker::PhantomData, ptr};

use libbpf_rs::{MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{Error, Result, host::cpus, sample::Plain};

/// A hash table with a value for each CPU.
///
/// It is the handle of `BPF_MAP_TYPE_PERCPU_HASH` (since kernel 4.6) and of
/// `BPF_MAP_TYPE_LRU_PERCPU_HASH` (4.10), which evicts its least recently used entries when it is
/// full.
#[doc(alias = "BPF_MAP_TYPE_PERCPU_HASH")]
#[doc(alias = "BPF_MAP_TYPE_LRU_PERCPU_HASH")]
#[derive(Debug)]
pub struct PerCpuHashMap<'a, K, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> (K, V)>,
}

/// An array with a value for each CPU: `BPF_MAP_TYPE_PERCPU_ARRAY`, since kernel 4.6.
#[doc(alias = "BPF_MAP_TYPE_PERCPU_ARRAY")]
#[derive(Debug)]
pub struct PerCpuArray<'a, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> V>,
}

impl<'a, K, V> FromMap<'a> for PerCpuHashMap<'a, K, V> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        let map = map.expect(
            &[MapType::PercpuHash, MapType::LruPercpuHash],
            Some(size_of::<K>()),
            Some(size_of::<V>()),
        )?;
        Ok(Self { map, types: PhantomData })
    }
}

impl<'a, V> FromMap<'a> for PerCpuArray<'a, V> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        let map =
            map.expect(&[MapType::PercpuArray], Some(size_of::<u32>()), Some(size_of::<V>()))?;
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
            let why =
                format!("expected {cpus} values, one for each possible CPU, not {}", values.len());
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
    /// Returns the values of a key, one for each possible CPU.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the system call fails.
    pub fn get(&self, key: &K) -> Result<Option<Vec<V>>> {
        self.map.lookup_per_cpu(ptr::from_ref(key).cast())
    }

    /// Sets the values of a key, one for each possible CPU.
    ///
    /// # Errors
    /// [`Error::Value`] if the number of values differs from that of CPUs; [`Error::Kernel`] if the
    /// system call fails: E2BIG if the map is full.
    pub fn insert(&self, key: &K, values: &[V]) -> Result<()> {
        self.map.update_per_cpu(ptr::from_ref(key).cast(), values)
    }

    /// Removes a key; returns false if it is missing.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the system call fails.
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(key)
    }

    /// Iterates over the entries, with one lookup each. It walks the map as
    /// [`super::HashMap::keys`] does.
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, Vec<V>)>> {
        self.map.walk().filter_map(|key: Result<K>| match key {
            Ok(key) => Some(self.get(&key).transpose()?.map(|values| (key, values))),
            Err(error) => Some(Err(error)),
        })
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

impl<'a, V: Plain> PerCpuArray<'a, V> {
    /// Returns the values of an entry, one for each possible CPU, or `None` if `index` is past the
    /// end.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the system call fails.
    pub fn get(&self, index: u32) -> Result<Option<Vec<V>>> {
        self.map.lookup_per_cpu((&raw const index).cast())
    }

    /// Sets the values of an entry, one for each possible CPU.
    ///
    /// # Errors
    /// [`Error::Value`] if the number of values differs from that of CPUs; [`Error::Kernel`] if the
    /// system call fails: E2BIG if `index` is past the end.
    pub fn set(&self, index: u32, values: &[V]) -> Result<()> {
        self.map.update_per_cpu((&raw const index).cast(), values)
    }

    /// Returns the number of entries.
    #[allow(clippy::len_without_is_empty, reason = "the kernel refuses empty arrays")]
    pub fn len(&self) -> u32 {
        self.map.max_entries()
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}
