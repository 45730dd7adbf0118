use std::{
    os::fd::BorrowedFd,
    ptr::{self, NonNull},
    slice,
    sync::atomic::AtomicU64,
};

use rustix::{
    io,
    mm::{MapFlags, ProtFlags, mmap, munmap},
};

/// A part of the ring, mapped; unmapped on drop.
#[derive(Debug)]
pub(super) struct Pages {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is not tied to the thread that made it, and only its owner can reach it.
unsafe impl Send for Pages {}

impl Pages {
    pub(super) fn new(fd: BorrowedFd<'_>, offset: usize, len: usize, writable: bool) -> io::Result<Self> {
        let prot = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        // SAFETY: the kernel chooses the address of a new mapping, so no memory that Rust knows of changes.
        let start = unsafe { mmap(ptr::null_mut(), len, prot, MapFlags::SHARED, fd, offset as u64) }?;
        NonNull::new(start.cast()).map(|start| Self { start, len }).ok_or(io::Errno::FAULT)
    }

    /// The double word that the mapping starts with.
    pub(super) fn position(&self) -> &AtomicU64 {
        // SAFETY: a mapping is a page at least, aligned as one, and lives as long as `self`; the kernel and this process access the word
        // atomically.
        unsafe { AtomicU64::from_ptr(self.start.cast().as_ptr()) }
    }

    /// Some of the bytes; no more than the ring has, since in the whole mapping each of them stands twice.
    ///
    /// # Panics
    /// Where they leave the mapping. The caller computes both from sizes that it has checked.
    pub(super) fn bytes_mut(&mut self, offset: usize, len: usize) -> &mut [u8] {
        assert!(offset <= self.len && len <= (self.len - offset).min(self.len / 2));
        // SAFETY: `offset` is inside the mapping.
        let start = unsafe { self.start.add(offset) };
        // SAFETY: the bytes are inside the mapping and none is there twice, mapped memory is initialised, and it is borrowed alone: the
        // kernel only reads, and no record that is not submitted.
        unsafe { slice::from_raw_parts_mut(start.as_ptr(), len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and references to it borrow `self`.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}
