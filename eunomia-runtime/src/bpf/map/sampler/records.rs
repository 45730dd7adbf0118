//! Samplers whose entries are delivered as records.

use super::ByteSampler;
use crate::{
    Result,
    reader::Entries,
    sample::{Plain, value_offset},
};

/// A sampler that delivers its entries as records: the key, then the value, each at a multiple of
/// 8.
#[derive(Debug)]
pub(in crate::bpf) struct Records {
    sampler: ByteSampler,
    /// True if entries are taken out of the map.
    clear: bool,
    record: Vec<u64>,
    stride: usize,
}

impl Records {
    pub(in crate::bpf) fn new(sampler: ByteSampler, clear: bool) -> Self {
        let stride = value_offset(sampler.key_size) + sampler.value_size.next_multiple_of(8);
        Self { sampler, clear, record: Vec::new(), stride }
    }
}

impl Entries for Records {
    fn sample(&mut self) -> Result<()> {
        let read = if self.clear {
            self.sampler.take().map(drop)
        } else {
            self.sampler.sample().map(drop)
        };
        let (entries, value_at) = (self.sampler.entries(), value_offset(self.sampler.key_size));
        self.record.clear();
        self.record.resize(entries.len() * self.stride / 8, 0);
        let records = u64::slice_bytes_mut(&mut self.record).chunks_exact_mut(self.stride);
        for (record, (key, value)) in records.zip(entries.iter()) {
            if let Some(to) = record.get_mut(..key.len()) {
                to.copy_from_slice(key);
            }
            if let Some(to) = record.get_mut(value_at..value_at + value.len()) {
                to.copy_from_slice(value);
            }
        }
        read
    }

    fn len(&self) -> usize {
        self.sampler.entries().len()
    }

    fn entry(&self, index: usize) -> Option<&[u8]> {
        let start = index * self.stride;
        let end = start + value_offset(self.sampler.key_size) + self.sampler.value_size;
        u64::slice_bytes(&self.record).get(start..end)
    }
}
