//! Maps with a value for each CPU.
//!
//! The kernel copies the values of a key all at once: one for each possible CPU (not only for those
//! that are online), each padded to 8 bytes.

use std::{ffi::c_void, iter::Sum, marker::PhantomData, ops::Deref, ptr, slice, vec};

use libbpf_rs::{MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{Error, Result, host::cpus, sample::Plain};

/// A hash table with a value for each CPU.
///
/// It is the handle of `BPF_MAP_TYPE_PERCPU_HASH` (since kernel 4.6) and of
/// `BPF_MAP_TYPE_LRU_PERCPU_HASH` (4.10), which evicts its least recently used entries when it is
/// full.
///
/// ```
/// use eunomia_runtime::bpf::PerCpuHashMap;
///
/// fn total(calls: &PerCpuHashMap<'_, u32, u64>, pid: u32) -> eunomia_runtime::Result<u64> {
///     Ok(calls.get(&pid)?.map_or(0, |counts| counts.sum(|count| *count)))
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_PERCPU_HASH")]
#[doc(alias = "BPF_MAP_TYPE_LRU_PERCPU_HASH")]
#[derive(Debug)]
pub struct PerCpuHashMap<'a, K, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> (K, V)>,
}

/// An array with a value for each CPU: `BPF_MAP_TYPE_PERCPU_ARRAY`, since kernel 4.6.
///
/// ```
/// use eunomia_runtime::bpf::PerCpuArray;
///
/// fn total(packets: &PerCpuArray<'_, u64>) -> eunomia_runtime::Result<u64> {
///     Ok(packets.get(0)?.map_or(0, |counts| counts.sum(|count| *count)))
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_PERCPU_ARRAY")]
#[derive(Debug)]
pub struct PerCpuArray<'a, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> V>,
}

/// The values of one entry, one for each possible CPU in the order of the CPU numbers.
///
/// They are a slice, which `insert` and `set` take.
///
/// ```
/// use eunomia_runtime::bpf::PerCpuValues;
///
/// let counts = PerCpuValues::from(vec![3_u64, 0, 4]);
/// assert_eq!(counts.sum(|count| *count), 7);
/// assert_eq!(counts.max(|count| *count), Some(4));
/// for count in &counts {
///     println!("{count}");
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerCpuValues<V>(Vec<V>);

impl<V> PerCpuValues<V> {
    /// Returns the sum of a number over all CPUs. It is summed in its own type: convert it to a
    /// wider one if it may overflow.
    pub fn sum<N: Sum>(&self, number: impl FnMut(&V) -> N) -> N {
        self.0.iter().map(number).sum()
    }

    /// Returns the maximum of a number over all CPUs.
    pub fn max<N: Ord>(&self, number: impl FnMut(&V) -> N) -> Option<N> {
        self.0.iter().map(number).max()
    }
}

impl<V: Plain> PerCpuValues<V> {
    /// Merges the values of all CPUs: `add` adds each to the first.
    pub fn merge(&self, mut add: impl FnMut(&mut V, &V)) -> V {
        let mut values = self.0.iter();
        let mut merged = values.next().copied().unwrap_or_else(V::zeroed);
        values.for_each(|value| add(&mut merged, value));
        merged
    }
}

impl<V> From<Vec<V>> for PerCpuValues<V> {
    fn from(values: Vec<V>) -> Self {
        Self(values)
    }
}

impl<V> Deref for PerCpuValues<V> {
    type Target = [V];

    fn deref(&self) -> &[V] {
        &self.0
    }
}

impl<V> IntoIterator for PerCpuValues<V> {
    type IntoIter = vec::IntoIter<V>;
    type Item = V;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'s, V> IntoIterator for &'s PerCpuValues<V> {
    type IntoIter = slice::Iter<'s, V>;
    type Item = &'s V;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
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
    fn lookup_per_cpu<V: Plain>(&self, key: *const c_void) -> Result<Option<PerCpuValues<V>>> {
        let stride = size_of::<V>().next_multiple_of(8);
        let mut bytes = vec![0; stride * cpus::possible()? as usize];
        if !self.lookup_bytes(key, &mut bytes)? {
            return Ok(None);
        }
        let values = bytes.chunks_exact(stride.max(1)).filter_map(V::read);
        Ok(Some(PerCpuValues(values.collect())))
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
    pub fn get(&self, key: &K) -> Result<Option<PerCpuValues<V>>> {
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
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, PerCpuValues<V>)>> {
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

/// Iterates like [`PerCpuHashMap::iter`].
impl<'m, K: Plain, V: Plain> IntoIterator for &'m PerCpuHashMap<'_, K, V> {
    type IntoIter = Box<dyn Iterator<Item = Result<(K, PerCpuValues<V>)>> + 'm>;
    type Item = Result<(K, PerCpuValues<V>)>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

impl<'a, V: Plain> PerCpuArray<'a, V> {
    /// Returns the values of an entry, one for each possible CPU, or `None` if `index` is past the
    /// end.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the system call fails.
    pub fn get(&self, index: u32) -> Result<Option<PerCpuValues<V>>> {
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
