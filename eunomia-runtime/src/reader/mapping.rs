use std::{
    ffi::c_void,
    marker::PhantomData,
    os::fd::BorrowedFd,
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicU32, AtomicU64},
};

use rustix::{
    io,
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap},
    param::page_size,
};

/// Memory that is shared with the kernel, unmapped on drop.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    /// Bytes to unmap: a guard stands after those of `len`.
    whole: usize,
}

// SAFETY: the mapping is not tied to the thread that made it, and only its owner can reach it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `fd` from `offset` on.
    ///
    /// With the feature `fuzz` a page that nobody can access stands after them: a read past the end faults there, which AddressSanitizer
    /// does not see, since it knows the memory of allocations and not what is mapped.
    pub(crate) fn new(fd: BorrowedFd<'_>, offset: u64, len: usize, writable: bool) -> io::Result<Self> {
        let prot = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        let whole = if cfg!(feature = "fuzz") { len.next_multiple_of(page_size()) + page_size() } else { len };
        // If the kernel refuses, it may have removed the reservation, and another thread may have memory there: nobody unmaps it then.
        let (wanted, fixed) =
            if whole > len { (Reserved::anywhere(whole)?.give_away(), MapFlags::FIXED) } else { (ptr::null_mut(), MapFlags::empty()) };
        // SAFETY: the kernel chooses the address of a new mapping, or it is one that is reserved for it, which nobody can access: no
        // memory that Rust knows of changes.
        let start = unsafe { mmap(wanted.cast(), len, prot, MapFlags::SHARED | fixed, fd, offset) }?;
        match NonNull::new(start.cast()) {
            Some(start) => Ok(Self { start, len, whole }),
            None => Err(io::Errno::FAULT),
        }
    }

    /// A page of zeros, which a child of this process has anew (`MADV_WIPEONFORK`, kernel 4.14).
    pub(super) fn wiped_in_children() -> io::Result<Self> {
        let (len, prot) = (page_size(), ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: the kernel chooses the address of a new mapping, so no memory that Rust knows of changes.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), len, prot, MapFlags::PRIVATE) }?;
        let page = Self { start: NonNull::new(start.cast()).ok_or(io::Errno::FAULT)?, len, whole: len };
        // SAFETY: the page is ours; what it holds changes in other processes alone.
        unsafe { madvise(start, len, Advice::LinuxWipeOnFork) }?;
        Ok(page)
    }

    /// Where it starts, for those who check by themselves what they access.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The word at `offset`, which must be a multiple of 4 inside the mapping.
    #[inline]
    pub(super) fn u32(&self, offset: usize) -> &AtomicU32 {
        let at = self.at(offset, 4, 4).cast().as_ptr();
        // SAFETY: `at` is inside the mapping and aligned to 4 (checked by `at`), lives as long as `self`, and the kernel and this
        // process access the word atomically.
        unsafe { AtomicU32::from_ptr(at) }
    }

    /// The double word at `offset`, which must be a multiple of 8 inside the mapping.
    #[inline]
    pub(super) fn u64(&self, offset: usize) -> &AtomicU64 {
        let at = self.at(offset, 8, 8).cast().as_ptr();
        // SAFETY: as in `u32`, with 8 bytes.
        unsafe { AtomicU64::from_ptr(at) }
    }

    /// The bytes from `offset` on.
    ///
    /// # Safety
    /// Nobody may write to them while the reference lives.
    #[inline]
    pub(super) unsafe fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        let at = self.at(offset, len, 1).as_ptr();
        // SAFETY: the range is inside the mapping (checked by `at`), mapped memory is initialised, and the caller excludes writers.
        unsafe { slice::from_raw_parts(at, len) }
    }

    /// The `len` bytes from `offset` on, to be walked through: checked here once.
    ///
    /// # Panics
    /// Where they leave the mapping or are misaligned to 8, as `at`.
    #[inline]
    pub(super) fn walk(&self, offset: usize, len: usize) -> Walk<'_> {
        Walk { at: self.at(offset, len, 8), left: len, mapping: PhantomData }
    }

    /// The address of `len` bytes at `offset`.
    ///
    /// # Panics
    /// Where they leave the mapping or are misaligned. Callers compute both from sizes that they have checked; this is the net below
    /// every access that the `unsafe` blocks of this file rely on.
    #[inline]
    fn at(&self, offset: usize, len: usize, align: usize) -> NonNull<u8> {
        assert!(offset.is_multiple_of(align) && offset <= self.len && len <= self.len - offset);
        // SAFETY: `offset` is at most the length of the mapping.
        unsafe { self.start.add(offset) }
    }
}

/// A range of addresses at which there is nothing, kept free of other memory until it is dropped.
#[derive(Debug)]
pub(crate) struct Reserved(Mapping);

impl Reserved {
    /// Reserves `len` bytes at the address `start`.
    ///
    /// # Errors
    /// EEXIST if there is memory, EINVAL if no page begins there.
    pub(crate) fn new(start: usize, len: usize) -> io::Result<Self> {
        let wanted = ptr::without_provenance_mut(start);
        let reserved = Self::at(wanted, len, MapFlags::FIXED_NOREPLACE)?;
        // Kernels before 4.17 do not know the flag, and take the address for a wish.
        if reserved.start() == wanted.cast() { Ok(reserved) } else { Err(io::Errno::EXIST) }
    }

    /// Reserves `len` bytes where the kernel has room.
    fn anywhere(len: usize) -> io::Result<Self> {
        Self::at(ptr::null_mut(), len, MapFlags::empty())
    }

    fn at(wanted: *mut c_void, len: usize, placed: MapFlags) -> io::Result<Self> {
        debug_assert!(!placed.contains(MapFlags::FIXED));
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | placed;
        // SAFETY: the kernel replaces no mapping without `FIXED`, and nobody can access the new one.
        let mapped = unsafe { mmap_anonymous(wanted, len, ProtFlags::empty(), flags) }?;
        Ok(Self(Mapping { start: NonNull::new(mapped.cast()).ok_or(io::Errno::FAULT)?, len, whole: len }))
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.0.start.as_ptr()
    }

    /// Leaves it to who has put a mapping of their own there.
    pub(crate) fn give_away(self) -> *mut u8 {
        let start = self.start();
        std::mem::forget(self);
        start
    }
}

/// A part of a mapping, taken piece by piece. It starts at a multiple of 8, and so do the pieces.
#[derive(Debug, Clone)]
pub(super) struct Walk<'a> {
    at: NonNull<u8>,
    left: usize,
    mapping: PhantomData<&'a Mapping>,
}

/// 8 or more bytes of a mapping, aligned to 8.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a> {
    at: NonNull<u8>,
    len: usize,
    mapping: PhantomData<&'a Mapping>,
}

impl<'a> Walk<'a> {
    /// The first word, if there is one.
    #[inline]
    pub(super) fn word(&self) -> Option<&'a AtomicU32> {
        (self.left >= 8).then(|| Spot { at: self.at, len: 8, mapping: PhantomData }.word())
    }

    /// The next `len` bytes, a multiple of 8 and not 0, if there are as many.
    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Option<Spot<'a>> {
        debug_assert!(len.is_multiple_of(8) && len > 0);
        self.left = self.left.checked_sub(len)?;
        let at = self.at;
        // SAFETY: there were as many bytes left from `at` on, so this is inside the mapping or its end.
        self.at = unsafe { at.add(len) };
        Some(Spot { at, len, mapping: PhantomData })
    }

    /// What is left, in pieces of `len` bytes (as in `take`).
    #[inline]
    pub(super) fn pieces(mut self, len: usize) -> impl Iterator<Item = Spot<'a>> + Clone {
        std::iter::from_fn(move || self.take(len))
    }
}

impl<'a> Spot<'a> {
    /// The first word.
    #[inline]
    pub(super) fn word(self) -> &'a AtomicU32 {
        // SAFETY: the spot has 8 bytes, is aligned to 8, and is inside the mapping, which lives as long; the kernel and this process
        // access the word atomically.
        unsafe { AtomicU32::from_ptr(self.at.cast().as_ptr()) }
    }

    /// All of it as values of `T`, as many whole ones as it holds.
    ///
    /// # Safety
    /// Any bytes are a `T`, its alignment is 8 at most, and nobody may write to them while the reference lives.
    #[inline]
    pub(super) unsafe fn slice<T>(self) -> &'a [T] {
        let count = self.len / size_of::<T>().max(1);
        // SAFETY: as many values fit into the spot, which is aligned to 8; the rest is the caller's.
        unsafe { slice::from_raw_parts(self.at.cast().as_ptr(), count) }
    }

    /// The bytes behind the first 8, `len` at most.
    ///
    /// # Safety
    /// Nobody may write to them while the reference lives.
    #[inline]
    pub(super) unsafe fn behind(self, len: usize) -> &'a [u8] {
        let len = len.min(self.len - 8);
        // SAFETY: a spot has at least 8 bytes.
        let start = unsafe { self.at.add(8) };
        // SAFETY: the range is inside the spot, mapped memory is initialised, and the caller excludes writers.
        unsafe { slice::from_raw_parts(start.as_ptr(), len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let start: *mut c_void = self.start.as_ptr().cast();
        // SAFETY: the mapping is ours, and references to it borrow `self`.
        let _ = unsafe { munmap(start, self.whole) };
    }
}
