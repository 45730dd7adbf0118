use std::{iter::Zip, marker::PhantomData, slice};

use super::{ByteSampler, Map, memory::ALIGN};
use crate::{
    Error, Result,
    bpf::{Array, HashMap},
    sample::Plain,
};

/// Reads a whole map, again and again, into memory that it keeps: nothing is allocated once that has grown to the map's entries. Many
/// entries come with one system call where the kernel can do that (hash tables and arrays since 5.6, per-CPU arrays since 5.13, tries
/// since 5.16), else one.
///
/// It has a descriptor of its own, so it may outlive the handle and the object that it was made from.
///
/// # What a sample holds
/// Every key at most once, and every key that was there all the while. Of keys that come or go meanwhile it may hold any. It is no
/// snapshot: entries are read one after the other, and a value that programs change in place may be read half changed.
///
/// - Hash tables of all kinds are read bucket by bucket, each under its lock (`__htab_map_lookup_and_delete_batch`). A key stays in its
///   bucket, so nothing that happens to other keys can hide it or make it come twice.
/// - Arrays are read in order, and have all their keys at any time.
/// - All else is walked from key to key (`generic_map_lookup_batch`, or `BPF_MAP_GET_NEXT_KEY`), as are hash tables before 5.6. Where
///   the key that the walk stands on is removed, it starts over; keys that come again are left out. In a hash table that is walked,
///   a key whose value is replaced meanwhile may be missed, since it moves to the front of its bucket.
#[derive(Debug)]
pub struct Sampler<K, V> {
    bytes: ByteSampler,
    types: PhantomData<fn() -> (K, V)>,
}

/// What a sample has read, in the sampler's memory.
#[derive(Debug, Clone, Copy)]
pub struct Entries<'s, K, V> {
    keys: &'s [K],
    values: &'s [V],
}

impl<K: Plain, V: Plain> HashMap<'_, K, V> {
    /// What reads the whole table at once.
    ///
    /// # Errors
    /// [`Error::Kernel`] where the map's descriptor cannot be duplicated; [`Error::Value`] where a type has an alignment of more than
    /// 64 bytes.
    pub fn sampler(&self) -> Result<Sampler<K, V>> {
        Sampler::new(self.as_map())
    }
}

impl<V: Plain> Array<'_, V> {
    /// What reads the whole array at once.
    ///
    /// # Errors
    /// As [`HashMap::sampler`].
    pub fn sampler(&self) -> Result<Sampler<u32, V>> {
        Sampler::new(self.as_map())
    }
}

impl<K: Plain, V: Plain> Sampler<K, V> {
    /// The sizes of the types were held against those of the map when its handle was made.
    fn new(map: &Map<'_>) -> Result<Self> {
        aligned::<K>(map)?;
        aligned::<V>(map)?;
        Ok(Self { bytes: map.sampler()?, types: PhantomData })
    }

    /// Reads every entry.
    ///
    /// # Errors
    /// [`Error::Kernel`]; [`Error::Value`] for a map that changes faster than it can be walked, after twice as many entries as it has
    /// room for. [`Self::entries`] has what was read until then.
    pub fn sample(&mut self) -> Result<Entries<'_, K, V>> {
        self.bytes.sample()?;
        Ok(self.entries())
    }

    /// Takes every entry out of the map; those of arrays are set to zero.
    ///
    /// Entries of hash tables are read and removed at once, bucket by bucket: what is written as a whole (`bpf_map_update_elem`, or
    /// [`HashMap::insert`]) is in this sample or stays for the next one. What a program adds in place to a value that it has looked up
    /// before (`__sync_fetch_and_add`) can be lost in the moment of removal, since the program then adds to an entry that is gone.
    /// Other maps, and hash tables before 5.6, have each entry read, then removed or set to zero by a second call: all that is written
    /// between the two is lost. Where every count matters, leave the entries there and compare samples ([`crate::bpf::Deltas`]).
    ///
    /// # Errors
    /// As [`Self::sample`]; [`Self::entries`] then has what was taken until then, which is in the map no more.
    pub fn take(&mut self) -> Result<Entries<'_, K, V>> {
        self.bytes.take()?;
        Ok(self.entries())
    }

    /// What was read last; after an error, what was read until then.
    pub fn entries(&self) -> Entries<'_, K, V> {
        let entries = self.bytes.entries();
        Entries { keys: K::slice_of_bytes(entries.key_bytes()), values: V::slice_of_bytes(entries.value_bytes()) }
    }
}

pub(super) fn aligned<T>(map: &Map<'_>) -> Result<()> {
    if align_of::<T>() <= ALIGN {
        return Ok(());
    }
    let why = format!("a type with an alignment of {} bytes cannot be sampled, only {ALIGN}; sample it as bytes", align_of::<T>());
    Err(Error::Value { name: map.describe(), why })
}

impl<'s, K, V> Entries<'s, K, V> {
    /// The keys; those of arrays are the indexes in order.
    pub fn keys(&self) -> &'s [K] {
        self.keys
    }

    /// The values, in the order of the keys.
    pub fn values(&self) -> &'s [V] {
        self.values
    }

    /// Each key with its value.
    pub fn iter(&self) -> Zip<slice::Iter<'s, K>, slice::Iter<'s, V>> {
        self.keys.iter().zip(self.values)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl<'s, K, V> IntoIterator for Entries<'s, K, V> {
    type IntoIter = Zip<slice::Iter<'s, K>, slice::Iter<'s, V>>;
    type Item = (&'s K, &'s V);

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
