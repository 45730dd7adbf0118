use std::{marker::PhantomData, os::fd::AsRawFd as _, ptr};

use libbpf_rs::{MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{Error, Result, sample::Plain};

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
    /// The value of a key.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn get(&self, key: &K) -> Result<Option<V>> {
        self.map.lookup(key)
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

    /// Every entry, many with one system call (`BPF_MAP_LOOKUP_BATCH`); by [`Self::iter`] where the kernel (before 5.6, tries before
    /// 5.16) has no such call for this map.
    ///
    /// # Errors
    /// [`Error::Kernel`], or those of [`Self::iter`].
    pub fn entries(&self) -> Result<Vec<(K, V)>> {
        let mut entries = Vec::new();
        let mut room = (self.map.max_entries() as usize).clamp(1, 4096);
        // The kernel's mark of where to go on: of the size of a key, and at least a word.
        let mut mark = vec![0u64; size_of::<K>().div_ceil(8).max(1)];
        let mut started = false;
        loop {
            let (mut keys, mut values) = (new_vec::<K>(room), new_vec::<V>(room));
            let mut count = room as u32;
            let from = if started { mark.as_ptr().cast_mut().cast() } else { ptr::null_mut() };
            let mut next = mark.clone();
            let (fd, to, keys_at, values_at) =
                (self.map.fd().as_raw_fd(), next.as_mut_ptr().cast(), keys.as_mut_ptr().cast(), values.as_mut_ptr().cast());
            // SAFETY: `keys` and `values` have room for `count` of the map's sizes, the marks for a key, and all live through the call.
            let error = unsafe { libbpf_sys::bpf_map_lookup_batch(fd, from, to, keys_at, values_at, &raw mut count, ptr::null()) };
            match -error {
                // A bucket has more entries than there is room for.
                libc::ENOSPC if room < 1 << 24 => {
                    room *= 2;
                    continue;
                }
                0 | libc::ENOENT => {
                    entries.extend(keys.into_iter().zip(values).take(count as usize));
                    if error != 0 {
                        return Ok(entries);
                    }
                    (mark, started) = (next, true);
                }
                libc::EINVAL | libc::EOPNOTSUPP | 524 if !started => return self.iter().collect(),
                _ => return Err(self.map.refused(error, "look up many keys in")),
            }
        }
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

fn new_vec<T: Plain>(len: usize) -> Vec<T> {
    std::iter::repeat_with(T::zeroed).take(len).collect()
}
