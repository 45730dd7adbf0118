//! Typed samplers.

use std::{iter::Zip, marker::PhantomData, slice};

use super::{ByteSampler, Map, memory::ALIGN};
use crate::{
    Error, Result,
    bpf::{Array, HashMap},
    sample::Plain,
};

/// A reader of a whole map.
///
/// It reads into memory that it keeps: nothing is allocated after that has grown to the size of the
/// map's entries. It reads many entries with one system call if the kernel supports that (hash
/// tables and arrays since 5.6, per-CPU arrays since 5.13, tries since 5.16), and otherwise one.
///
/// It has a descriptor of its own, so it may outlive the handle and the object that it was made
/// from.
///
/// # What a sample holds
/// A sample holds every key at most once, and every key that was in the map during the whole read.
/// It may or may not hold keys that are added or removed during the read. It is not a snapshot:
/// entries are read one after the other, and a value that programs change in place may be read half
/// changed.
///
/// - Hash tables of all kinds are read bucket by bucket, each under its lock
///   (`__htab_map_lookup_and_delete_batch`). A key stays in its bucket, so changes to other keys
///   cannot hide or repeat it.
/// - Arrays are read in order. All their keys always exist.
/// - All other maps, and hash tables before 5.6, are walked from key to key
///   (`generic_map_lookup_batch`, or `BPF_MAP_GET_NEXT_KEY`). The walk starts over if the key at
///   which it is gets removed; keys that come again are left out. A walk of a hash table may miss a
///   key whose value is replaced during the read, because the key moves to the front of its bucket.
#[derive(Debug)]
pub struct Sampler<K, V> {
    bytes: ByteSampler,
    types: PhantomData<fn() -> (K, V)>,
}

/// The entries of a sample, in the sampler's memory.
#[derive(Debug, Clone, Copy)]
pub struct Entries<'s, K, V> {
    keys: &'s [K],
    values: &'s [V],
}

impl<K: Plain, V: Plain> HashMap<'_, K, V> {
    /// Returns a sampler that reads the whole table at once.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the map's descriptor cannot be duplicated; [`Error::Misuse`] if a type
    /// has an alignment of more than 64 bytes; [`Error::Mismatch`] or [`Error::NotLoaded`] if the
    /// handle refuses calls.
    pub fn sampler(&self) -> Result<Sampler<K, V>> {
        Sampler::new(self.as_map())
    }
}

impl<V: Plain> Array<'_, V> {
    /// Returns a sampler that reads the whole array at once.
    ///
    /// # Errors
    /// Those of [`HashMap::sampler`].
    pub fn sampler(&self) -> Result<Sampler<u32, V>> {
        Sampler::new(self.as_map())
    }
}

impl<K: Plain, V: Plain> Sampler<K, V> {
    /// The sizes of the types were checked against the map when its handle was made.
    fn new(map: &Map<'_>) -> Result<Self> {
        aligned::<K>(map)?;
        aligned::<V>(map)?;
        Ok(Self { bytes: map.sampler()?, types: PhantomData })
    }

    /// Reads every entry.
    ///
    /// # Errors
    /// [`Error::Kernel`] if a system call fails. [`Error::Incomplete`] if the map changes faster
    /// than it can be walked: the read gives up after twice as many entries as the map can have.
    /// [`Self::entries`] then returns the entries that were read before the error.
    pub fn sample(&mut self) -> Result<Entries<'_, K, V>> {
        self.bytes.sample()?;
        Ok(self.entries())
    }

    /// Takes every entry out of the map; entries of arrays are set to zero.
    ///
    /// Entries of hash tables are read and removed at once, bucket by bucket: a value that is
    /// written as a whole (`bpf_map_update_elem`, or [`HashMap::insert`]) is in this sample or
    /// stays for the next one. A program may add in place (`__sync_fetch_and_add`) to a value that
    /// it looked up before the removal. That addition can be lost, because the program then changes
    /// an entry that is gone.
    ///
    /// Entries of other maps, and of hash tables before 5.6, are read by one call and removed or
    /// set to zero by a second: everything that is written between the two is lost. If every count
    /// matters, leave the entries in the map and compare samples ([`crate::bpf::Deltas`]).
    ///
    /// # Errors
    /// Those of [`Self::sample`]. [`Self::entries`] then returns the entries that were taken before
    /// the error, which are no longer in the map.
    pub fn take(&mut self) -> Result<Entries<'_, K, V>> {
        self.bytes.take()?;
        Ok(self.entries())
    }

    /// Returns the entries that were read last; after an error, those that were read before it.
    pub fn entries(&self) -> Entries<'_, K, V> {
        let entries = self.bytes.entries();
        Entries {
            keys: K::slice_from_bytes(entries.key_bytes()),
            values: V::slice_from_bytes(entries.value_bytes()),
        }
    }
}

pub(super) fn aligned<T>(map: &Map<'_>) -> Result<()> {
    if align_of::<T>() <= ALIGN {
        return Ok(());
    }
    let why = format!(
        "the alignment of a type is {} bytes, expected {ALIGN} at most; sample the map as bytes",
        align_of::<T>()
    );
    Err(Error::Misuse { name: map.describe(), why })
}

impl<'s, K, V> Entries<'s, K, V> {
    /// Returns the keys. Those of arrays are the indexes in order.
    pub fn keys(&self) -> &'s [K] {
        self.keys
    }

    /// Returns the values, in the order of the keys.
    pub fn values(&self) -> &'s [V] {
        self.values
    }

    /// Iterates over the keys with their values.
    pub fn iter(&self) -> Zip<slice::Iter<'s, K>, slice::Iter<'s, V>> {
        self.keys.iter().zip(self.values)
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Reports whether there are no entries.
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

impl<'s, K, V> IntoIterator for &Entries<'s, K, V> {
    type IntoIter = Zip<slice::Iter<'s, K>, slice::Iter<'s, V>>;
    type Item = (&'s K, &'s V);

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
