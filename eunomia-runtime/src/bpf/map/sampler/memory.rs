//! The memory of samplers.

use crate::sample::Plain;

/// Bytes at an address that is aligned for types of C, including those aligned to a cache line.
#[derive(Debug, Default)]
pub(super) struct Memory(Vec<Block>);

/// The largest alignment that types of keys and values can have.
pub(super) const ALIGN: usize = align_of::<Block>();

crate::plain! {
    #[derive(Debug, Clone, Copy)]
    #[repr(C, align(64))]
    struct Block([u8; 64]);
}

impl Memory {
    pub(super) fn grow(&mut self, len: usize) {
        self.0.resize(len.div_ceil(size_of::<Block>()).max(self.0.len()), Block::zeroed());
    }

    pub(super) fn bytes(&self) -> &[u8] {
        Block::slice_bytes(&self.0)
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        Block::slice_bytes_mut(&mut self.0)
    }

    /// Returns the item with this index, of `size` bytes each.
    pub(super) fn at_mut(&mut self, index: usize, size: usize) -> Option<&mut [u8]> {
        self.bytes_mut().get_mut(index * size..(index + 1) * size)
    }

    /// Copies an item of `size` bytes to an earlier index or to its own.
    pub(super) fn copy(&mut self, from: usize, to: usize, size: usize) {
        self.bytes_mut().copy_within(from * size..(from + 1) * size, to * size);
    }
}
