//! Maps from keys to values.

use std::marker::PhantomData;

use libbpf_rs::{MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{Error, Result, bpf::ON_STACK, sample::Plain};

/// A map from keys to values in the kernel.
///
/// It is the handle of these map types:
///
/// - `BPF_MAP_TYPE_HASH` (since kernel 3.19): a hash table.
/// - `BPF_MAP_TYPE_LRU_HASH` (4.10): a hash table that evicts its least recently used entries when
///   it is full.
/// - `BPF_MAP_TYPE_LPM_TRIE` (4.11): a trie for longest-prefix matches, see [`LpmTrie`].
/// - `BPF_MAP_TYPE_DEVMAP` (4.14) and `BPF_MAP_TYPE_DEVMAP_HASH` (5.4): network devices for XDP
///   redirects.
/// - `BPF_MAP_TYPE_CPUMAP` (4.15): CPUs for XDP redirects.
///
/// ```
/// use eunomia_runtime::bpf::HashMap;
///
/// fn print(calls: &HashMap<'_, u32, u64>) -> eunomia_runtime::Result<()> {
///     calls.insert(&1, &0)?;
///     for entry in calls {
///         let (pid, count) = entry?;
///         println!("{pid}: {count}");
///     }
///     Ok(())
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_HASH")]
#[doc(alias = "BPF_MAP_TYPE_LRU_HASH")]
#[doc(alias = "BPF_MAP_TYPE_DEVMAP")]
#[doc(alias = "BPF_MAP_TYPE_DEVMAP_HASH")]
#[doc(alias = "BPF_MAP_TYPE_CPUMAP")]
#[derive(Debug)]
pub struct HashMap<'a, K, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> (K, V)>,
}

/// A trie from prefixes to values in the kernel: `BPF_MAP_TYPE_LPM_TRIE`, since kernel 4.11.
///
/// A key starts with the length of its prefix in bits; [`Prefix`](crate::sample::Prefix) makes one
/// of an address. [`HashMap::get`] returns the value of the longest prefix that matches the key.
///
/// ```
/// use std::net::Ipv4Addr;
///
/// use eunomia_runtime::bpf::LpmTrie;
///
/// // The key as the C source declares it: the length in bits, and the address.
/// fn block(routes: &LpmTrie<'_, [u32; 2], u32>) -> eunomia_runtime::Result<()> {
///     let network = u32::from_ne_bytes(Ipv4Addr::new(10, 0, 0, 0).octets());
///     routes.insert(&[8, network], &1)
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_LPM_TRIE")]
pub type LpmTrie<'a, K, V> = HashMap<'a, K, V>;

impl<'a, K, V> FromMap<'a> for HashMap<'a, K, V> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        const KINDS: [MapType; 6] = [
            MapType::Hash,
            MapType::LruHash,
            MapType::LpmTrie,
            MapType::Devmap,
            MapType::DevmapHash,
            MapType::Cpumap,
        ];
        let map = map.expect(&KINDS, Some(size_of::<K>()), Some(size_of::<V>()))?;
        Ok(Self { map, types: PhantomData })
    }
}

impl<'a, K, V> HashMap<'a, K, V>
where
    K: Plain,
    V: Plain,
{
    /// Returns the value of a key. Like [`Self::iter`] and [`Self::entries`], it compiles for
    /// values of up to [`ON_STACK`] bytes.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the system call fails.
    pub fn get(&self, key: &K) -> Result<Option<V>> {
        self.map.lookup(key)
    }

    /// Returns the value of a key on the heap, for values of any size.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the system call fails.
    pub fn get_boxed(&self, key: &K) -> Result<Option<Box<V>>> {
        self.map.lookup_boxed(key)
    }

    /// Reads the value of a key into `value`. Returns false and leaves `value` as it was if the key
    /// is missing.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the system call fails.
    pub fn read_into(&self, key: &K, value: &mut V) -> Result<bool> {
        self.map.lookup_into(key, value)
    }

    /// Sets the value of a key, whether or not the key exists.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the system call fails: E2BIG if the map is full.
    pub fn insert(&self, key: &K, value: &V) -> Result<()> {
        self.map.update(key, value, libbpf_sys::BPF_ANY)
    }

    /// Sets the value of a key if the key is missing; returns false if it exists.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the system call fails: E2BIG if the map is full.
    pub fn insert_new(&self, key: &K, value: &V) -> Result<bool> {
        match self.map.update(key, value, libbpf_sys::BPF_NOEXIST) {
            Err(Error::Kernel(kernel_error))
                if kernel_error.source.raw_os_error() == Some(libc::EEXIST) =>
            {
                Ok(false)
            }
            result => result.map(|()| true),
        }
    }

    /// Removes a key; returns false if it is missing.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the system call fails.
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(key)
    }

    /// Iterates over the keys.
    ///
    /// Keys that are removed during the walk may be left out. If a program removes the key at which
    /// the walk is, the kernel starts over and keys can come twice (`htab_map_get_next_key`). The
    /// walk ends with [`Error::Incomplete`] after twice as many steps as the map can have entries,
    /// because the map then changes faster than it is walked.
    pub fn keys(&self) -> impl Iterator<Item = Result<K>> {
        self.map.walk()
    }

    /// Iterates over the entries, with one lookup each. It walks the map as [`Self::keys`] does.
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, V)>> {
        self.keys().filter_map(|key| match key {
            Ok(key) => Some(self.get(&key).transpose()?.map(|value| (key, value))),
            Err(error) => Some(Err(error)),
        })
    }

    /// Returns the entries, each key once: a copy of one sample of [`Self::sampler`].
    ///
    /// # Errors
    /// Those of [`super::Sampler::sample`].
    pub fn entries(&self) -> Result<Vec<(K, V)>> {
        const {
            assert!(
                size_of::<V>() <= ON_STACK,
                "the values are too large for a stack: use `sampler`, or `keys` and `get_boxed`"
            )
        };
        let mut sampler = self.map.sampler()?;
        let entries = sampler.sample()?;
        Ok(entries.iter().filter_map(|(key, value)| K::read(key).zip(V::read(value))).collect())
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

/// Iterates like [`HashMap::iter`].
impl<'m, K: Plain, V: Plain> IntoIterator for &'m HashMap<'_, K, V> {
    type IntoIter = Box<dyn Iterator<Item = Result<(K, V)>> + 'm>;
    type Item = Result<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}
