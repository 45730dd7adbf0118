use std::marker::PhantomData;

use libbpf_rs::{MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{Error, Result, bpf::ON_STACK, sample::Plain};

/// A table from keys to values in the kernel: a hash table, also one that forgets its least recently used entries, or a trie of
/// prefixes (`BPF_MAP_TYPE_LPM_TRIE`, whose keys start with the length of their prefix in bits).
#[derive(Debug)]
pub struct HashMap<'a, K, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<'a, K, V> FromMap<'a> for HashMap<'a, K, V> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        const KINDS: [MapType; 6] =
            [MapType::Hash, MapType::LruHash, MapType::LpmTrie, MapType::Devmap, MapType::DevmapHash, MapType::Cpumap];
        let map = map.expect(&KINDS, Some(size_of::<K>()), Some(size_of::<V>()))?;
        Ok(Self { map, types: PhantomData })
    }
}

impl<'a, K, V> HashMap<'a, K, V>
where
    K: Plain,
    V: Plain,
{
    /// The value of a key. As [`Self::iter`] and [`Self::entries`] it compiles for values of up to [`ON_STACK`] bytes.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn get(&self, key: &K) -> Result<Option<V>> {
        self.map.lookup(key)
    }

    /// The value of a key on the heap, of any size.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn get_boxed(&self, key: &K) -> Result<Option<Box<V>>> {
        self.map.lookup_boxed(key)
    }

    /// Reads the value of a key into a place of the caller's, which is left as it was if there is none; whether there is one.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn read_into(&self, key: &K, value: &mut V) -> Result<bool> {
        self.map.lookup_into(key, value)
    }

    /// Sets the value of a key, new or not.
    ///
    /// # Errors
    /// [`Error::Kernel`]; E2BIG where the map is full.
    pub fn insert(&self, key: &K, value: &V) -> Result<()> {
        self.map.update(key, value, libbpf_sys::BPF_ANY)
    }

    /// Sets the value of a key that is not there yet; whether it was new.
    ///
    /// # Errors
    /// [`Error::Kernel`]; E2BIG where the map is full.
    pub fn insert_new(&self, key: &K, value: &V) -> Result<bool> {
        match self.map.update(key, value, libbpf_sys::BPF_NOEXIST) {
            Err(Error::Kernel(refusal)) if refusal.source.raw_os_error() == Some(libc::EEXIST) => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Removes a key; whether it was there.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(key)
    }

    /// Every key. Those that go while we read are left out; where the BPF side removes the very key that the walk stands on, the kernel
    /// starts over and keys can come twice (`htab_map_get_next_key`). A map that changes faster than it is walked ends the walk with an
    /// error, after twice as many steps as it has room for.
    pub fn keys(&self) -> impl Iterator<Item = Result<K>> {
        self.map.walk()
    }

    /// Every entry, one lookup for each, by a walk as in [`Self::keys`].
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, V)>> {
        self.keys().filter_map(|key| match key {
            Ok(key) => Some(self.get(&key).transpose()?.map(|value| (key, value))),
            Err(error) => Some(Err(error)),
        })
    }

    /// Every entry, once: one sample of [`Self::sampler`], copied.
    ///
    /// # Errors
    /// As [`super::Sampler::sample`].
    pub fn entries(&self) -> Result<Vec<(K, V)>> {
        const { assert!(size_of::<V>() <= ON_STACK, "the values are too large for a stack: use `sampler`, or `keys` and `get_boxed`") };
        let mut sampler = self.map.sampler()?;
        let entries = sampler.sample()?;
        Ok(entries.iter().filter_map(|(key, value)| K::read(key).zip(V::read(value))).collect())
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}
