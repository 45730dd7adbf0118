//! Global variables in memory that is shared with the BPF side.

use std::{
    ffi::CString,
    fmt,
    marker::PhantomData,
    ptr::NonNull,
    slice,
    sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering},
};

use libbpf_rs::libbpf_sys;

use crate::{Error, Result, sample::Plain};

/// How a section may be accessed.
pub trait Access: private::Sealed {
    /// Whether variables can be set.
    const WRITES: bool;
}

/// Get and set.
#[derive(Debug, Clone, Copy)]
pub enum ReadWrite {}

/// Get only: `.rodata` once the object is loaded, when the kernel has frozen it.
#[derive(Debug, Clone, Copy)]
pub enum ReadOnly {}

impl Access for ReadWrite {
    const WRITES: bool = true;
}
impl Access for ReadOnly {
    const WRITES: bool = false;
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::ReadWrite {}
    impl Sealed for super::ReadOnly {}
}

/// The memory of one section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    start: NonNull<u8>,
    len: usize,
    /// Whether libbpf maps it for reading only once the object is loaded: `.rodata` and its kin, and `.kconfig`.
    pub(super) freezes: bool,
}

impl Memory {
    /// libbpf's mapping of an ELF section, or `None` where it has none.
    pub(super) fn of_section(object: NonNull<libbpf_sys::bpf_object>, section: &str) -> Option<Self> {
        // Names with a dot before them are those of sections; others name maps.
        let name = CString::new(section).ok().filter(|_| section.starts_with('.'))?;
        // SAFETY: the object is alive, as its owner's borrow shows, and the name ends with a NUL.
        let map = unsafe { libbpf_sys::bpf_object__find_map_by_name(object.as_ptr(), name.as_ptr()) };
        let map = NonNull::new(map)?;
        let mut len: libbpf_sys::size_t = 0;
        // SAFETY: the map belongs to the live object; libbpf writes the size and nothing else.
        let start = unsafe { libbpf_sys::bpf_map__initial_value(map.as_ptr(), &raw mut len) };
        // SAFETY: as above.
        let flags = unsafe { libbpf_sys::bpf_map__map_flags(map.as_ptr()) };
        let freezes = flags & libbpf_sys::BPF_F_RDONLY_PROG != 0;
        Some(Self { start: NonNull::new(start.cast())?, len: usize::try_from(len).ok()?, freezes })
    }
}

/// The variables of one section, borrowed from the object.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a, A> {
    memory: Memory,
    borrow: PhantomData<(&'a (), A)>,
}

impl<'a, A: Access> Section<'a, A> {
    pub(super) fn new(memory: Memory) -> Self {
        Self { memory, borrow: PhantomData }
    }

    /// Bytes of the section.
    pub fn size(&self) -> usize {
        self.memory.len
    }

    /// The variable of type `T` at `offset`, or `None` where it would leave the section or be misaligned.
    pub fn variable<T>(&self, offset: usize) -> Option<Variable<'a, T, A>> {
        let inside = offset.checked_add(size_of::<T>()).is_some_and(|end| end <= self.memory.len);
        if !inside {
            return None;
        }
        // SAFETY: `offset` is inside the section.
        let at = unsafe { self.memory.start.add(offset) }.cast::<T>();
        at.is_aligned().then_some(Variable { at, borrow: PhantomData })
    }

    /// The variable `name` of type `T` at `offset`.
    ///
    /// # Errors
    /// [`Error::Value`] where it would leave the section or be misaligned.
    pub fn named<T>(&self, name: &str, offset: usize) -> Result<Variable<'a, T, A>> {
        self.variable(offset).ok_or_else(|| Error::Value {
            name: name.to_owned(),
            why: format!("{} bytes at {offset} do not fit into the section of {} bytes", size_of::<T>(), self.memory.len),
        })
    }

    /// Bytes of the section as they are now, in the widest words that they are aligned for; `None` where they would leave it.
    #[cfg(feature = "dynamic")]
    pub(crate) fn read(&self, mut offset: usize, mut len: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        while len > 0 {
            let width = [8, 4, 2].into_iter().find(|width| len >= *width && offset.is_multiple_of(*width)).unwrap_or(1);
            match width {
                8 => bytes.extend(self.variable::<u64>(offset)?.get().to_ne_bytes()),
                4 => bytes.extend(self.variable::<u32>(offset)?.get().to_ne_bytes()),
                2 => bytes.extend(self.variable::<u16>(offset)?.get().to_ne_bytes()),
                _ => bytes.push(self.variable::<u8>(offset)?.get()),
            }
            (offset, len) = (offset + width, len - width);
        }
        Some(bytes)
    }
}

impl Section<'_, ReadWrite> {
    /// Writes the bytes of the variable `name` at `offset`.
    ///
    /// # Errors
    /// [`Error::Value`] where they would leave the section; nothing is written then.
    pub fn write(&self, name: &str, offset: usize, bytes: &[u8]) -> Result<()> {
        let targets = (offset..).zip(bytes).map(|(at, &byte)| Ok((self.named::<u8>(name, at)?, byte))).collect::<Result<Vec<_>>>()?;
        targets.into_iter().for_each(|(target, byte)| target.set(byte));
        Ok(())
    }
}

/// One global variable.
///
/// The BPF side and other threads may access it at any time, so there are no references to it: values are copied in and out with
/// relaxed atomic operations, whole for integers of up to 8 bytes, else piece by piece in units of the alignment (a struct that the
/// BPF side changes meanwhile can be half old, half new). Stays on the thread that holds the object.
pub struct Variable<'a, T, A> {
    at: NonNull<T>,
    borrow: PhantomData<(&'a (), A)>,
}

impl<T: Plain, A: Access> Variable<'_, T, A> {
    /// The value now.
    pub fn get(&self) -> T {
        match unit::<T>() {
            8 => self.copy_out::<AtomicU64>(),
            4 => self.copy_out::<AtomicU32>(),
            2 => self.copy_out::<AtomicU16>(),
            _ => self.copy_out::<AtomicU8>(),
        }
    }

    fn copy_out<W: Word>(&self) -> T {
        let mut value = T::zeroed();
        for (bytes, word) in value.bytes_mut().chunks_exact_mut(size_of::<W>()).zip(self.words::<W>()) {
            word.load_into(bytes);
        }
        value
    }

    /// The variable as words, `W` being the unit of `T` or narrower.
    fn words<W: Word>(&self) -> &[W] {
        let len = size_of::<T>() / size_of::<W>();
        // SAFETY: the words are inside the variable, which is inside the section, and `T` is aligned for `W`. The memory outlives
        // `self`, which borrows the object. Handles stay on one thread (they are not `Send`, nor is a shared object), so that words of
        // different widths never race in this process; the BPF side is outside of Rust's memory and is met with atomics.
        unsafe { slice::from_raw_parts(self.at.as_ptr().cast(), len) }
    }
}

impl<T: Plain> Variable<'_, T, ReadWrite> {
    /// Sets the value.
    pub fn set(&self, value: T) {
        match unit::<T>() {
            8 => self.copy_in::<AtomicU64>(&value),
            4 => self.copy_in::<AtomicU32>(&value),
            2 => self.copy_in::<AtomicU16>(&value),
            _ => self.copy_in::<AtomicU8>(&value),
        }
    }

    /// Replaces the value by what `f` makes of it, in one atomic step, also against the BPF side: `f` is called again where another
    /// change came between. Returns the value before.
    ///
    /// Compiles for types that are accessed whole only: integers, enums, pointers and the like of up to 8 bytes.
    pub fn update(&self, mut f: impl FnMut(T) -> T) -> T
    where
        T: Copy,
    {
        const { assert!(size_of::<T>() == unit::<T>(), "only values that are accessed whole can be updated in one step") };
        loop {
            let old = self.get();
            let new = f(old);
            let done = match unit::<T>() {
                8 => self.exchange::<AtomicU64>(&old, &new),
                4 => self.exchange::<AtomicU32>(&old, &new),
                2 => self.exchange::<AtomicU16>(&old, &new),
                _ => self.exchange::<AtomicU8>(&old, &new),
            };
            if done {
                return old;
            }
        }
    }

    fn exchange<W: Word>(&self, old: &T, new: &T) -> bool {
        self.words::<W>().first().is_some_and(|word| word.exchange(old.bytes(), new.bytes()))
    }

    fn copy_in<W: Word>(&self, value: &T) {
        for (bytes, word) in value.bytes().chunks_exact(size_of::<W>()).zip(self.words::<W>()) {
            word.store_from(bytes);
        }
    }
}

/// The widest unit, up to 8 bytes, in which a `T` can be copied: its alignment, which divides its size.
const fn unit<T>() -> usize {
    if align_of::<T>() < 8 { align_of::<T>() } else { 8 }
}

/// An atomic integer seen as bytes.
trait Word {
    fn load_into(&self, bytes: &mut [u8]);
    fn store_from(&self, bytes: &[u8]);
    /// Stores `new` where it finds `old`; whether it did.
    fn exchange(&self, old: &[u8], new: &[u8]) -> bool;
}

macro_rules! words {
    ($($atomic:ty: $int:ty),*) => {$(
        impl Word for $atomic {
            fn load_into(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.load(Ordering::Relaxed).to_ne_bytes());
            }

            fn store_from(&self, bytes: &[u8]) {
                if let Ok(bytes) = bytes.try_into() {
                    self.store(<$int>::from_ne_bytes(bytes), Ordering::Relaxed);
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

impl<T: Plain + fmt::Debug, A: Access> fmt::Debug for Variable<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(memory: &mut [u64]) -> Section<'_, ReadWrite> {
        let len = size_of_val(memory);
        Section::new(Memory { start: NonNull::from(memory).cast(), len, freezes: false })
    }

    #[test]
    fn values_of_every_width_come_back() {
        let mut memory = [0u64; 4];
        let section = section(&mut memory);
        section.variable::<u64>(8).unwrap().set(0x0123_4567_89ab_cdef);
        section.variable::<u32>(16).unwrap().set(7);
        section.variable::<[u16; 3]>(20).unwrap().set([1, 2, 3]);
        section.variable::<u8>(26).unwrap().set(9);
        assert_eq!(section.variable::<u64>(8).unwrap().get(), 0x0123_4567_89ab_cdef);
        assert_eq!(section.variable::<[u8; 11]>(16).unwrap().get(), [7, 0, 0, 0, 1, 0, 2, 0, 3, 0, 9]);
    }

    #[test]
    fn updates_are_one_step() {
        let mut memory = [u64::MAX; 2];
        let section = section(&mut memory);
        let counter = section.variable::<u32>(4).unwrap();
        assert_eq!(counter.update(|value| value.wrapping_add(2)), u32::MAX);
        // A change that comes between is not lost.
        let mut calls = 0;
        let before = counter.update(|value| {
            calls += 1;
            if calls == 1 {
                counter.set(10);
            }
            value + 1
        });
        assert_eq!((calls, before, counter.get()), (2, 10, 11));
        assert_eq!(
            (section.variable::<u32>(0).unwrap().get(), section.variable::<i8>(8).unwrap().update(|value| value + 2)),
            (u32::MAX, -1)
        );
    }

    #[test]
    fn nothing_outside_or_misaligned() {
        let mut memory = [0u64; 2];
        let section = section(&mut memory);
        assert!(section.variable::<u64>(8).is_some());
        assert!(section.variable::<u64>(4).is_none(), "misaligned");
        assert!(section.variable::<u64>(16).is_none(), "behind the end");
        assert!(section.variable::<u8>(usize::MAX).is_none(), "overflow");
    }
}
