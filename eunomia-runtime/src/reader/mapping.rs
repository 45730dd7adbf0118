//! Memory that is mapped and shared with the kernel, and reserved address ranges.

use std::{
    ffi::c_void,
    marker::PhantomData,
    os::fd::BorrowedFd,
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicU32, AtomicU64, Ordering, fence},
};

use rustix::{
    io,
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap},
    param::page_size,
};

/// A memory mapping that is shared with the kernel, unmapped on drop.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    /// Number of bytes to unmap: `len`, and the guard page after them if there is one.
    whole: usize,
}

// SAFETY: the mapping is not tied to the thread that made it, and only its owner can reach it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `fd` from `offset` on.
    ///
    /// With the feature `fuzz`, an inaccessible guard page follows them, so that a read past the
    /// end faults. AddressSanitizer does not see such a read: it knows allocations, not mappings.
    pub(crate) fn new(
        fd: BorrowedFd<'_>,
        offset: u64,
        len: usize,
        writable: bool,
    ) -> io::Result<Self> {
        let prot = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        let whole = if cfg!(feature = "fuzz") {
            len.next_multiple_of(page_size()) + page_size()
        } else {
            len
        };
        // If the kernel refuses, it may already have removed the reservation, and another thread
        // may have mapped memory there. The reservation is therefore given away first, so that
        // nobody unmaps the range.
        let (address, fixed) = if whole > len {
            (Reserved::anywhere(whole)?.give_away(), MapFlags::FIXED)
        } else {
            (ptr::null_mut(), MapFlags::empty())
        };
        // SAFETY: the kernel chooses the address of the new mapping, or the mapping replaces a
        // reservation, which nobody can access. In both cases no memory that Rust knows of changes.
        let start =
            unsafe { mmap(address.cast(), len, prot, MapFlags::SHARED | fixed, fd, offset) }?;
        match NonNull::new(start.cast()) {
            Some(start) => Ok(Self { start, len, whole }),
            None => Err(io::Errno::FAULT),
        }
    }

    /// Maps a page of zeros that the kernel wipes in a child of this process (`MADV_WIPEONFORK`,
    /// kernel 4.14).
    pub(super) fn wiped_in_children() -> io::Result<Self> {
        let (len, prot) = (page_size(), ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: the kernel chooses the address of a new mapping, so no memory that Rust knows of
        // changes.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), len, prot, MapFlags::PRIVATE) }?;
        let page =
            Self { start: NonNull::new(start.cast()).ok_or(io::Errno::FAULT)?, len, whole: len };
        // SAFETY: the page belongs to this mapping, and its content changes only in other
        // processes.
        unsafe { madvise(start, len, Advice::LinuxWipeOnFork) }?;
        Ok(page)
    }

    /// Returns the start address, for callers that check their accesses themselves.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Returns the 32-bit word at `offset`, which must be a multiple of 4 inside the mapping.
    ///
    /// # Panics
    /// If it is not, as `at`.
    #[inline]
    pub(super) fn u32(&self, offset: usize) -> &AtomicU32 {
        let at = self.at(offset, 4, 4).cast().as_ptr();
        // SAFETY: the word is inside the mapping and aligned to 4 (checked by `at`). The mapping
        // lives as long as `self`, which the reference borrows. The kernel and this process access
        // the word atomically.
        unsafe { AtomicU32::from_ptr(at) }
    }

    /// Returns the 64-bit word at `offset`, which must be a multiple of 8 inside the mapping.
    ///
    /// # Panics
    /// If it is not, as `at`.
    #[inline]
    pub(super) fn u64(&self, offset: usize) -> &AtomicU64 {
        let at = self.at(offset, 8, 8).cast().as_ptr();
        // SAFETY: as in `u32`, with 8 bytes.
        unsafe { AtomicU64::from_ptr(at) }
    }

    /// Returns the `len` bytes from `offset` on.
    ///
    /// # Panics
    /// If they are not inside the mapping, as `at`.
    ///
    /// # Safety
    /// Nobody may write to the bytes while the reference lives.
    #[inline]
    pub(super) unsafe fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        let at = self.at(offset, len, 1).as_ptr();
        // SAFETY: the range is inside the mapping (checked by `at`), mapped memory is initialised,
        // and the caller excludes writers.
        unsafe { slice::from_raw_parts(at, len) }
    }

    /// Returns the `len` bytes from `offset` on, to be taken piece by piece. The range is checked
    /// once, here.
    ///
    /// # Panics
    /// If it is not inside the mapping or not aligned to 8, as `at`.
    #[inline]
    pub(super) fn walk(&self, offset: usize, len: usize) -> Walk<'_> {
        Walk { at: self.at(offset, len, 8), left: len, mapping: PhantomData }
    }

    /// Returns the address of `len` bytes at `offset`.
    ///
    /// # Panics
    /// If the range is not inside the mapping, or not aligned. Callers compute both from sizes that
    /// they have checked. This assertion is the last check before every access, and the `unsafe`
    /// blocks of this file rely on it.
    #[inline]
    fn at(&self, offset: usize, len: usize, align: usize) -> NonNull<u8> {
        assert!(offset.is_multiple_of(align) && offset <= self.len && len <= self.len - offset);
        // SAFETY: `offset` is at most the length of the mapping (asserted above).
        unsafe { self.start.add(offset) }
    }
}

/// Loads a word with acquire ordering from a page that may be mapped read-only. Only relaxed loads
/// are guaranteed not to write, so the ordering is that of a fence.
#[inline]
pub(super) fn acquire_u64(word: &AtomicU64) -> u64 {
    let value = word.load(Ordering::Relaxed);
    fence(Ordering::Acquire);
    value
}

/// Loads a word as [`acquire_u64`] does.
#[inline]
pub(super) fn acquire_u32(word: &AtomicU32) -> u32 {
    let value = word.load(Ordering::Relaxed);
    fence(Ordering::Acquire);
    value
}

/// A range of inaccessible addresses, kept free of other memory until it is dropped.
#[derive(Debug)]
pub(crate) struct Reserved(Mapping);

impl Reserved {
    /// Reserves `len` bytes at the address `start`.
    ///
    /// # Errors
    /// EEXIST if the range is in use, EINVAL if `start` is not the address of a page.
    pub(crate) fn new(start: usize, len: usize) -> io::Result<Self> {
        let address = ptr::without_provenance_mut(start);
        let reserved = Self::at(address, len, MapFlags::FIXED_NOREPLACE)?;
        // Kernels before 4.17 do not know the flag, and take the address as a hint.
        if reserved.start() == address.cast() { Ok(reserved) } else { Err(io::Errno::EXIST) }
    }

    /// Reserves `len` bytes at an address that the kernel chooses.
    fn anywhere(len: usize) -> io::Result<Self> {
        Self::at(ptr::null_mut(), len, MapFlags::empty())
    }

    fn at(address: *mut c_void, len: usize, placement: MapFlags) -> io::Result<Self> {
        debug_assert!(!placement.contains(MapFlags::FIXED));
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | placement;
        // SAFETY: the kernel replaces no mapping without `FIXED`, and nobody can access the new
        // one.
        let mapped = unsafe { mmap_anonymous(address, len, ProtFlags::empty(), flags) }?;
        Ok(Self(Mapping {
            start: NonNull::new(mapped.cast()).ok_or(io::Errno::FAULT)?,
            len,
            whole: len,
        }))
    }

    /// Returns the start address.
    pub(crate) fn start(&self) -> *mut u8 {
        self.0.start.as_ptr()
    }

    /// Gives the range to a caller that puts a mapping of its own there, and returns its start. It
    /// is not unmapped.
    pub(crate) fn give_away(self) -> *mut u8 {
        let start = self.start();
        std::mem::forget(self);
        start
    }
}

/// A part of a mapping, to be taken piece by piece. It starts at a multiple of 8, and so does each
/// piece.
#[derive(Debug, Clone)]
pub(super) struct Walk<'a> {
    at: NonNull<u8>,
    left: usize,
    mapping: PhantomData<&'a Mapping>,
}

/// A piece of a mapping: at least 8 bytes, aligned to 8.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a> {
    at: NonNull<u8>,
    len: usize,
    mapping: PhantomData<&'a Mapping>,
}

impl<'a> Walk<'a> {
    /// Returns the first word, or `None` at the end.
    #[inline]
    pub(super) fn word(&self) -> Option<&'a AtomicU32> {
        (self.left >= 8).then(|| Spot { at: self.at, len: 8, mapping: PhantomData }.word())
    }

    /// Takes the next `len` bytes, or returns `None` if fewer are left. `len` must be a multiple of
    /// 8 and not 0.
    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Option<Spot<'a>> {
        debug_assert!(len.is_multiple_of(8) && len > 0);
        self.left = self.left.checked_sub(len)?;
        let at = self.at;
        // SAFETY: at least `len` bytes were left from `at` on, so this address is inside the
        // mapping or its end.
        self.at = unsafe { at.add(len) };
        Some(Spot { at, len, mapping: PhantomData })
    }

    /// Returns an iterator over what is left, in pieces of `len` bytes (as in `take`).
    #[inline]
    pub(super) fn pieces(mut self, len: usize) -> impl Iterator<Item = Spot<'a>> + Clone {
        std::iter::from_fn(move || self.take(len))
    }
}

impl<'a> Spot<'a> {
    /// Returns the first word.
    #[inline]
    pub(super) fn word(self) -> &'a AtomicU32 {
        // SAFETY: the spot has at least 8 bytes, is aligned to 8, and is inside the mapping, which
        // lives as long as the reference. The kernel and this process access the word atomically.
        unsafe { AtomicU32::from_ptr(self.at.cast().as_ptr()) }
    }

    /// Returns the spot as values of `T`, as many whole ones as it holds.
    ///
    /// # Safety
    /// Any bytes must be a valid `T`, the alignment of `T` must be at most 8, and nobody may write
    /// to the bytes while the reference lives.
    #[inline]
    pub(super) unsafe fn slice<T>(self) -> &'a [T] {
        let count = self.len / size_of::<T>().max(1);
        // SAFETY: `count` values fit into the spot, which is aligned to 8. The caller guarantees
        // the rest.
        unsafe { slice::from_raw_parts(self.at.cast().as_ptr(), count) }
    }

    /// Returns the bytes after the first 8, but at most `len`.
    ///
    /// # Safety
    /// Nobody may write to the bytes while the reference lives.
    #[inline]
    pub(super) unsafe fn payload(self, len: usize) -> &'a [u8] {
        let len = len.min(self.len - 8);
        // SAFETY: a spot has at least 8 bytes.
        let start = unsafe { self.at.add(8) };
        // SAFETY: the range is inside the spot, mapped memory is initialised, and the caller
        // excludes writers.
        unsafe { slice::from_raw_parts(start.as_ptr(), len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let start: *mut c_void = self.start.as_ptr().cast();
        // SAFETY: this value owns the mapping, and every reference into it borrows this value.
        let _ = unsafe { munmap(start, self.whole) };
    }
}
