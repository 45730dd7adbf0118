//! The entries of a sample, as bytes.

use std::slice::ChunksExact;

/// The entries of a sample, as bytes: keys with their values.
///
/// A value of a per-CPU map is one value for each possible CPU, each padded to 8 bytes.
#[derive(Debug, Clone, Copy)]
pub struct ByteEntries<'s> {
    pub(super) keys: &'s [u8],
    pub(super) values: &'s [u8],
    pub(super) key_size: usize,
    pub(super) value_size: usize,
}

impl<'s> ByteEntries<'s> {
    /// Iterates over the keys.
    pub fn keys(&self) -> ChunksExact<'s, u8> {
        self.keys.chunks_exact(self.key_size)
    }

    /// Iterates over the values, in the order of the keys.
    pub fn values(&self) -> ChunksExact<'s, u8> {
        self.values.chunks_exact(self.value_size)
    }

    /// Iterates over the keys with their values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'s [u8], &'s [u8])> + use<'s> {
        self.keys().zip(self.values())
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.keys().len()
    }

    /// Reports whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns all keys, one after the other.
    pub(super) fn key_bytes(&self) -> &'s [u8] {
        self.keys
    }

    /// Returns all values, one after the other.
    pub(super) fn value_bytes(&self) -> &'s [u8] {
        self.values
    }
}
