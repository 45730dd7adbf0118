//! Typed samplers of maps with a value for each CPU.

use std::{
    iter::{FilterMap, Map as Mapped, Sum, Zip},
    marker::PhantomData,
    slice::{self, ChunksExact},
};

use super::{ByteEntries, ByteSampler, Map, typed::aligned};
use crate::{
    Result,
    bpf::{PerCpuArray, PerCpuHashMap},
    sample::Plain,
};

/// A reader of a whole map that has a value for each CPU.
///
/// See [`super::Sampler`] for what a sample holds. The values of one key are read one after the
/// other.
#[derive(Debug)]
pub struct PerCpuSampler<K, V> {
    bytes: ByteSampler,
    types: PhantomData<fn() -> (K, V)>,
}

/// The entries of a sample of a per-CPU map, in the sampler's memory.
#[derive(Debug, Clone, Copy)]
pub struct PerCpuEntries<'s, K, V> {
    bytes: ByteEntries<'s>,
    types: PhantomData<fn() -> (K, V)>,
}

/// The values of one key in a sample, one for each possible CPU.
///
/// [`PerCpuValues`](crate::bpf::PerCpuValues) are those of a single lookup.
#[derive(Debug, Clone, Copy)]
pub struct PerCpu<'s, V> {
    bytes: &'s [u8],
    types: PhantomData<fn() -> V>,
}

/// An iterator over the entries of a sample of a per-CPU map.
pub type PerCpuEntriesIter<'s, K, V> = Mapped<
    Zip<slice::Iter<'s, K>, ChunksExact<'s, u8>>,
    fn((&'s K, &'s [u8])) -> (&'s K, PerCpu<'s, V>),
>;

/// An iterator over the values of one key, in the order of the CPU numbers.
pub type PerCpuIter<'s, V> = FilterMap<ChunksExact<'s, u8>, fn(&'s [u8]) -> Option<&'s V>>;

impl<K: Plain, V: Plain> PerCpuHashMap<'_, K, V> {
    /// Returns a sampler that reads the whole table at once.
    ///
    /// # Errors
    /// Those of [`crate::bpf::HashMap::sampler`].
    pub fn sampler(&self) -> Result<PerCpuSampler<K, V>> {
        PerCpuSampler::new(self.as_map())
    }
}

impl<V: Plain> PerCpuArray<'_, V> {
    /// Returns a sampler that reads the whole array at once.
    ///
    /// # Errors
    /// Those of [`crate::bpf::HashMap::sampler`].
    pub fn sampler(&self) -> Result<PerCpuSampler<u32, V>> {
        PerCpuSampler::new(self.as_map())
    }
}

impl<K: Plain, V: Plain> PerCpuSampler<K, V> {
    fn new(map: &Map<'_>) -> Result<Self> {
        aligned::<K>(map)?;
        aligned::<V>(map)?;
        Ok(Self { bytes: map.sampler()?, types: PhantomData })
    }

    /// Reads every entry, as [`super::Sampler::sample`] does.
    ///
    /// # Errors
    /// Those of [`super::Sampler::sample`].
    pub fn sample(&mut self) -> Result<PerCpuEntries<'_, K, V>> {
        self.bytes.sample()?;
        Ok(self.entries())
    }

    /// Takes every entry out of the map; entries of arrays are set to zero. See
    /// [`super::Sampler::take`] for what can be lost.
    ///
    /// # Errors
    /// Those of [`super::Sampler::take`].
    pub fn take(&mut self) -> Result<PerCpuEntries<'_, K, V>> {
        self.bytes.take()?;
        Ok(self.entries())
    }

    /// Returns the entries that were read last; after an error, those that were read before it.
    pub fn entries(&self) -> PerCpuEntries<'_, K, V> {
        PerCpuEntries { bytes: self.bytes.entries(), types: PhantomData }
    }
}

impl<'s, K: Plain, V: Plain> PerCpuEntries<'s, K, V> {
    /// Returns the keys. Those of arrays are the indexes in order.
    pub fn keys(&self) -> &'s [K] {
        K::slice_from_bytes(self.bytes.key_bytes())
    }

    /// Iterates over the keys with their values.
    pub fn iter(&self) -> PerCpuEntriesIter<'s, K, V> {
        self.keys()
            .iter()
            .zip(self.bytes.values())
            .map(|(key, bytes)| (key, PerCpu { bytes, types: PhantomData }))
    }

    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Reports whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'s, V: Plain> PerCpu<'s, V> {
    /// Iterates over the values, in the order of the CPU numbers.
    pub fn iter(&self) -> PerCpuIter<'s, V> {
        // Read in place: the memory is aligned, and the stride is a multiple of any alignment that
        // a type of this size can have.
        self.bytes
            .chunks_exact(size_of::<V>().next_multiple_of(8).max(1))
            .filter_map(V::ref_from_prefix)
    }

    /// Returns the sum of a number over all CPUs. It is summed in its own type: convert it to a
    /// wider one if it may overflow.
    pub fn sum<N: Sum>(&self, number: impl FnMut(&V) -> N) -> N {
        self.iter().map(number).sum()
    }

    /// Returns the maximum of a number over all CPUs.
    pub fn max<N: Ord>(&self, number: impl FnMut(&V) -> N) -> Option<N> {
        self.iter().map(number).max()
    }

    /// Merges the values of all CPUs: `add` adds each to the first.
    pub fn merge(&self, mut add: impl FnMut(&mut V, &V)) -> V {
        let mut values = self.iter();
        let mut merged = values.next().copied().unwrap_or_else(V::zeroed);
        values.for_each(|value| add(&mut merged, value));
        merged
    }
}

impl<'s, K: Plain, V: Plain> IntoIterator for PerCpuEntries<'s, K, V> {
    type IntoIter = PerCpuEntriesIter<'s, K, V>;
    type Item = (&'s K, PerCpu<'s, V>);

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'s, K: Plain, V: Plain> IntoIterator for &PerCpuEntries<'s, K, V> {
    type IntoIter = PerCpuEntriesIter<'s, K, V>;
    type Item = (&'s K, PerCpu<'s, V>);

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'s, V: Plain> IntoIterator for PerCpu<'s, V> {
    type IntoIter = PerCpuIter<'s, V>;
    type Item = &'s V;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'s, V: Plain> IntoIterator for &PerCpu<'s, V> {
    type IntoIter = PerCpuIter<'s, V>;
    type Item = &'s V;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
