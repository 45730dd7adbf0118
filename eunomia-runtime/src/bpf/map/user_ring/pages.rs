use std::{os::fd::BorrowedFd, slice, sync::atomic::AtomicU64};

use rustix::io;

use crate::reader::Mapping;

/// A part of the ring, mapped.
#[derive(Debug)]
pub(super) struct Pages {
    mapping: Mapping,
    len: usize,
}

impl Pages {
    /// Maps `len` bytes from `offset` on, whole pages and not none.
    pub(super) fn new(fd: BorrowedFd<'_>, offset: usize, len: usize, writable: bool) -> io::Result<Self> {
        Ok(Self { mapping: Mapping::new(fd, offset as u64, len, writable)?, len })
    }

    /// The double word that the mapping starts with.
    pub(super) fn position(&self) -> &AtomicU64 {
        // SAFETY: a mapping is a page at least, aligned as one, and lives as long as `self`; the kernel and this process access the word
        // atomically.
        unsafe { AtomicU64::from_ptr(self.mapping.start().cast().as_ptr()) }
    }

    /// Some of the bytes; no more than the ring has, since in the whole mapping each of them stands twice.
    ///
    /// # Panics
    /// Where they leave the mapping. The caller computes both from sizes that it has checked.
    pub(super) fn bytes_mut(&mut self, offset: usize, len: usize) -> &mut [u8] {
        assert!(offset <= self.len && len <= (self.len - offset).min(self.len / 2));
        // SAFETY: `offset` is inside the mapping.
        let start = unsafe { self.mapping.start().add(offset) };
        // SAFETY: the bytes are inside the mapping and none is there twice, mapped memory is initialised, and it is borrowed alone: the
        // kernel only reads, and no record that is not submitted, and the producer's claim keeps others of this process away. That no
        // other process and no other library writes to the ring is an assumption, as it is in the kernel's protocol.
        unsafe { slice::from_raw_parts_mut(start.as_ptr(), len) }
    }
}
