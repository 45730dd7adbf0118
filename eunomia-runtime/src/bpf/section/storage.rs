//! The bytes of variables, in shared memory or in the entry of a map.

use std::{
    iter,
    ops::Range,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering},
};

use libbpf_rs::libbpf_sys;

use crate::{Error, Result, bpf::Map};

/// The place of the variables of a section. A holder of it borrows the object or the mapping that
/// it is a part of.
#[derive(Debug, Clone, Copy)]
pub(in crate::bpf) struct Storage {
    place: Place,
    len: usize,
}

/// What holds the bytes.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Memory that is shared with the BPF side, aligned to 8 bytes.
    Memory(NonNull<u8>),
    /// The only entry of an array that is not mapped.
    Entry(NonNull<libbpf_sys::bpf_map>),
}

/// The key of the only entry.
const ENTRY: u32 = 0;

impl Storage {
    /// Returns a storage in memory that is shared with the BPF side, or `None` if words in it would
    /// be misaligned.
    ///
    /// # Safety
    /// While the storage is used, `len` bytes are mapped, and are writable if the storage is
    /// written. Only one thread accesses them at these addresses, and only through storages.
    pub(in crate::bpf) unsafe fn memory(start: NonNull<u8>, len: usize) -> Option<Self> {
        start.cast::<u64>().is_aligned().then_some(Self { place: Place::Memory(start), len })
    }

    /// Returns a storage in the only entry of an array.
    ///
    /// # Safety
    /// While the storage is used, the map is live and in the kernel, with values of `len` bytes.
    pub(super) unsafe fn entry(map: NonNull<libbpf_sys::bpf_map>, len: usize) -> Self {
        Self { place: Place::Entry(map), len }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Copies bytes out, from memory in the widest words that fit.
    pub(super) fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<()> {
        match self.place {
            Place::Memory(start) => {
                for word in words(offset, bytes.len()) {
                    self.word(start, offset + word.start, word.len())?.load(&mut bytes[word]);
                }
            }
            Place::Entry(map) => {
                let section = self.section(map)?;
                bytes.copy_from_slice(
                    section
                        .get(offset..)
                        .and_then(|rest| rest.get(..bytes.len()))
                        .ok_or_else(outside)?,
                );
            }
        }
        Ok(())
    }

    /// Copies bytes in, to memory in the widest words that fit.
    pub(super) fn write(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        match self.place {
            Place::Memory(start) => {
                for word in words(offset, bytes.len()) {
                    self.word(start, offset + word.start, word.len())?.store(&bytes[word]);
                }
                Ok(())
            }
            Place::Entry(map) => {
                let mut section = self.section(map)?;
                section
                    .get_mut(offset..)
                    .and_then(|rest| rest.get_mut(..bytes.len()))
                    .ok_or_else(outside)?
                    .copy_from_slice(bytes);
                handle(map).update_bytes(
                    ptr::from_ref(&ENTRY).cast(),
                    &section,
                    libbpf_sys::BPF_ANY,
                )
            }
        }
    }

    /// Replaces the word `old` by `new`; returns false if the word was not `old`. In memory this is
    /// one atomic step. An entry is written in any case.
    pub(super) fn exchange(&self, offset: usize, old: &[u8], new: &[u8]) -> Result<bool> {
        match self.place {
            Place::Memory(start) => Ok(self.word(start, offset, new.len())?.exchange(old, new)),
            Place::Entry(_) => self.write(offset, new).map(|()| true),
        }
    }

    /// Returns the bytes of the entry.
    fn section(&self, map: NonNull<libbpf_sys::bpf_map>) -> Result<Vec<u8>> {
        let mut section = vec![0; self.len];
        // All entries of an array exist.
        handle(map).lookup_bytes(ptr::from_ref(&ENTRY).cast(), &mut section)?;
        Ok(section)
    }

    /// Returns the word of `width` bytes at `offset`.
    fn word(&self, start: NonNull<u8>, offset: usize, width: usize) -> Result<&dyn Word> {
        let inside = offset.is_multiple_of(width)
            && offset.checked_add(width).is_some_and(|end| end <= self.len);
        if !inside {
            return Err(outside());
        }
        // SAFETY: `offset` is inside the memory.
        let at = unsafe { start.add(offset) }.as_ptr();
        // The memory outlives `self`, which borrows it. A storage stays on one thread (it is not
        // `Send`), so words of different widths never race in this process. The BPF side is outside
        // of Rust's memory model and is accessed atomically.
        Ok(match width {
            // SAFETY: the word is inside the memory and aligned, as checked above.
            8 => unsafe { AtomicU64::from_ptr(at.cast()) },
            // SAFETY: as above.
            4 => unsafe { AtomicU32::from_ptr(at.cast()) },
            // SAFETY: as above.
            2 => unsafe { AtomicU16::from_ptr(at.cast()) },
            // SAFETY: as above; no width is smaller.
            _ => unsafe { AtomicU8::from_ptr(at) },
        })
    }
}

/// Returns the map of an entry.
fn handle<'a>(map: NonNull<libbpf_sys::bpf_map>) -> Map<'a> {
    // SAFETY: the map is live while storages of it are used.
    Map::new(libbpf_rs::Map::new(unsafe { map.as_ref() }), None)
}

/// Returns the error of an access outside the storage. Offsets are checked when a handle is made,
/// so callers never get it.
fn outside() -> Error {
    Error::Mismatch {
        name: "section".to_owned(),
        why: "a variable does not fit into it".to_owned(),
    }
}

/// Splits `len` bytes at `offset` into the widest words, of up to 8 bytes, that they are aligned
/// for.
fn words(offset: usize, len: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    iter::from_fn(move || {
        let fits = |width: &usize| start + width <= len && (offset + start).is_multiple_of(*width);
        let width = [8, 4, 2, 1].into_iter().find(fits)?;
        start += width;
        Some(start - width..start)
    })
}

/// An atomic integer that is accessed as bytes.
trait Word {
    fn load(&self, bytes: &mut [u8]);
    fn store(&self, bytes: &[u8]);
    /// Stores `new` if the value is `old`; returns false if it is not.
    fn exchange(&self, old: &[u8], new: &[u8]) -> bool;
}

macro_rules! words {
    ($($atomic:ty: $int:ty),*) => {$(
        impl Word for $atomic {
            fn load(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&Self::load(self, Ordering::Relaxed).to_ne_bytes());
            }

            fn store(&self, bytes: &[u8]) {
                if let Ok(bytes) = bytes.try_into() {
                    Self::store(self, <$int>::from_ne_bytes(bytes), Ordering::Relaxed);
                }
            }

            fn exchange(&self, old: &[u8], new: &[u8]) -> bool {
                let (Ok(old), Ok(new)) = (old.try_into().map(<$int>::from_ne_bytes), new.try_into().map(<$int>::from_ne_bytes)) else {
                    return false;
                };
                self.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            }
        }
    )*};
}

words!(AtomicU8: u8, AtomicU16: u16, AtomicU32: u32, AtomicU64: u64);

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_as_wide_as_they_are_aligned() {
        let widths = |offset, len| words(offset, len).map(|word| word.len()).collect::<Vec<_>>();
        assert_eq!(widths(0, 16), [8, 8]);
        assert_eq!(widths(3, 14), [1, 4, 8, 1]);
        assert_eq!(widths(12, 8), [4, 4]);
        assert!(widths(5, 0).is_empty());
    }
}
