use std::{iter::Sum, marker::PhantomData};

use super::{ByteEntries, ByteSampler, Map, typed::aligned};
use crate::{
    Result,
    bpf::{PerCpuArray, PerCpuHashMap},
    sample::Plain,
};

/// Reads a whole map that has a value for each CPU. What [`super::Sampler`] says of samples holds for these, too; the values of one key
/// are read one after the other.
#[derive(Debug)]
pub struct PerCpuSampler<K, V> {
    bytes: ByteSampler,
    types: PhantomData<fn() -> (K, V)>,
}

/// What a sample of a per-CPU map has read, in the sampler's memory.
#[derive(Debug, Clone, Copy)]
pub struct PerCpuEntries<'s, K, V> {
    bytes: ByteEntries<'s>,
    types: PhantomData<fn() -> (K, V)>,
}

/// The values of one key, one for each possible CPU.
#[derive(Debug, Clone, Copy)]
pub struct PerCpu<'s, V> {
    bytes: &'s [u8],
    types: PhantomData<fn() -> V>,
}

impl<K: Plain, V: Plain> PerCpuHashMap<'_, K, V> {
    /// What reads the whole table at once.
    ///
    /// # Errors
    /// As [`crate::bpf::HashMap::sampler`].
    pub fn sampler(&self) -> Result<PerCpuSampler<K, V>> {
        PerCpuSampler::new(self.as_map())
    }
}

impl<V: Plain> PerCpuArray<'_, V> {
    /// What reads the whole array at once.
    ///
    /// # Errors
    /// As [`crate::bpf::HashMap::sampler`].
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

    /// Reads every entry; see [`super::Sampler::sample`].
    ///
    /// # Errors
    /// Those of [`super::Sampler::sample`].
    pub fn sample(&mut self) -> Result<PerCpuEntries<'_, K, V>> {
        self.bytes.sample()?;
        Ok(self.entries())
    }

    /// Takes every entry out of the map, or sets those of arrays to zero; see [`super::Sampler::take`] for what can be lost.
    ///
    /// # Errors
    /// Those of [`super::Sampler::take`].
    pub fn take(&mut self) -> Result<PerCpuEntries<'_, K, V>> {
        self.bytes.take()?;
        Ok(self.entries())
    }

    /// What was read last; after an error, what was read until then.
    pub fn entries(&self) -> PerCpuEntries<'_, K, V> {
        PerCpuEntries { bytes: self.bytes.entries(), types: PhantomData }
    }
}

impl<'s, K: Plain, V: Plain> PerCpuEntries<'s, K, V> {
    /// The keys; those of arrays are the indexes in order.
    pub fn keys(&self) -> &'s [K] {
        K::slice_of_bytes(self.bytes.key_bytes())
    }

    /// Each key with its values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'s K, PerCpu<'s, V>)> + use<'s, K, V> {
        self.keys().iter().zip(self.bytes.values()).map(|(key, bytes)| (key, PerCpu { bytes, types: PhantomData }))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'s, V: Plain> PerCpu<'s, V> {
    /// The values, by the number of the CPU.
    pub fn iter(&self) -> impl Iterator<Item = &'s V> + use<'s, V> {
        // In place: the memory is aligned, and the stride is a multiple of any alignment that a type of this size can have.
        self.bytes.chunks_exact(size_of::<V>().next_multiple_of(8).max(1)).filter_map(V::of_bytes)
    }

    /// A number in the values, over all CPUs. It is added up in its own type: make it wider where it may overflow.
    pub fn sum<N: Sum>(&self, number: impl FnMut(&V) -> N) -> N {
        self.iter().map(number).sum()
    }

    /// The largest of a number in the values.
    pub fn max<N: Ord>(&self, number: impl FnMut(&V) -> N) -> Option<N> {
        self.iter().map(number).max()
    }

    /// All values in one, each added to the first by `add`.
    pub fn merge(&self, mut add: impl FnMut(&mut V, &V)) -> V {
        let mut values = self.iter();
        let mut merged = values.next().copied().unwrap_or_else(V::zeroed);
        values.for_each(|value| add(&mut merged, value));
        merged
    }
}
