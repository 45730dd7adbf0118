use std::{
    ffi::c_void,
    os::fd::BorrowedFd,
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicU32, AtomicU64},
};

use rustix::{
    io,
    mm::{MapFlags, ProtFlags, mmap, munmap},
};

/// Memory that is shared with the kernel, unmapped on drop.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is not tied to the thread that made it, and only its owner can reach it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `fd` from `offset` on.
    pub(super) fn new(fd: BorrowedFd<'_>, offset: u64, len: usize, writable: bool) -> io::Result<Self> {
        let prot = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        // SAFETY: the kernel chooses the address of a new mapping, so no memory that Rust knows of changes.
        let start = unsafe { mmap(ptr::null_mut(), len, prot, MapFlags::SHARED, fd, offset) }?;
        match NonNull::new(start.cast()) {
            Some(start) => Ok(Self { start, len }),
            None => Err(io::Errno::FAULT),
        }
    }

    /// The word at `offset`, which must be a multiple of 4 inside the mapping.
    pub(super) fn u32(&self, offset: usize) -> &AtomicU32 {
        let at = self.at(offset, 4, 4).cast().as_ptr();
        // SAFETY: `at` is inside the mapping and aligned to 4 (checked by `at`), lives as long as `self`, and the kernel and this
        // process access the word atomically.
        unsafe { AtomicU32::from_ptr(at) }
    }

    /// The double word at `offset`, which must be a multiple of 8 inside the mapping.
    pub(super) fn u64(&self, offset: usize) -> &AtomicU64 {
        let at = self.at(offset, 8, 8).cast().as_ptr();
        // SAFETY: as in `u32`, with 8 bytes.
        unsafe { AtomicU64::from_ptr(at) }
    }

    /// The bytes from `offset` on.
    ///
    /// # Safety
    /// Nobody may write to them while the reference lives.
    pub(super) unsafe fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        let at = self.at(offset, len, 1).as_ptr();
        // SAFETY: the range is inside the mapping (checked by `at`), mapped memory is initialised, and the caller excludes writers.
        unsafe { slice::from_raw_parts(at, len) }
    }

    /// The address of `len` bytes at `offset`.
    ///
    /// # Panics
    /// Where they leave the mapping or are misaligned. Callers compute both from sizes that they have checked; this is the net below
    /// every access that the `unsafe` blocks of this file rely on.
    fn at(&self, offset: usize, len: usize, align: usize) -> NonNull<u8> {
        assert!(offset.is_multiple_of(align) && offset <= self.len && len <= self.len - offset);
        // SAFETY: `offset` is at most the length of the mapping.
        unsafe { self.start.add(offset) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let start: *mut c_void = self.start.as_ptr().cast();
        // SAFETY: the mapping is ours, and references to it borrow `self`.
        let _ = unsafe { munmap(start, self.len) };
    }
}
