//! The mappings of a user ring buffer.

use std::{os::fd::BorrowedFd, slice, sync::atomic::AtomicU64};

use rustix::io;

use crate::reader::Mapping;

/// A mapped part of the ring.
#[derive(Debug)]
pub(super) struct Pages {
    mapping: Mapping,
    len: usize,
}

impl Pages {
    /// Maps `len` bytes from `offset`. `len` is at least one page, and a multiple of pages.
    pub(super) fn new(
        fd: BorrowedFd<'_>,
        offset: usize,
        len: usize,
        writable: bool,
    ) -> io::Result<Self> {
        Ok(Self { mapping: Mapping::new(fd, offset as u64, len, writable)?, len })
    }

    /// Returns the 64-bit word at the start of the mapping.
    pub(super) fn position(&self) -> &AtomicU64 {
        // SAFETY: a mapping is at least one page, is aligned to a page, and lives as long as
        // `self`. The kernel and this process access the word atomically.
        unsafe { AtomicU64::from_ptr(self.mapping.start().cast().as_ptr()) }
    }

    /// Returns `len` bytes at `offset`. `len` is at most the size of the ring, because the mapping
    /// holds each byte twice.
    ///
    /// # Panics
    /// If the bytes are not inside the mapping. The caller computes both numbers from sizes that it
    /// has checked.
    pub(super) fn bytes_mut(&mut self, offset: usize, len: usize) -> &mut [u8] {
        assert!(offset <= self.len && len <= (self.len - offset).min(self.len / 2));
        // SAFETY: `offset` is inside the mapping.
        let start = unsafe { self.mapping.start().add(offset) };
        // SAFETY: the bytes are inside the mapping, none of them is there twice, and mapped memory
        // is initialised. They are borrowed exclusively: the kernel only reads, and reads no record
        // that is not submitted; the producer's claim keeps other producers in this process away.
        // That no other process and no other library writes to the ring is an assumption, as it is
        // in the kernel's protocol.
        unsafe { slice::from_raw_parts_mut(start.as_ptr(), len) }
    }
}
