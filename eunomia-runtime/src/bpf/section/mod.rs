//! Global variables, by ELF section: in memory that is shared with the BPF side, or in a map if the
//! kernel cannot map them.

mod map;
mod storage;
mod variable;

use std::marker::PhantomData;

use crate::{Error, Result};

pub(super) use map::SectionMap;
pub(super) use storage::Storage;
pub use variable::{ON_STACK, Variable};

/// A kind of access to a section.
pub trait Access: private::Sealed {
    /// True if variables can be set.
    #[doc(hidden)]
    const WRITES: bool;
}

/// Access that gets and sets variables.
#[derive(Debug, Clone, Copy)]
pub enum ReadWrite {}

/// Access that only gets variables: that of `.rodata` after the object is loaded, when the kernel
/// has frozen it.
#[derive(Debug, Clone, Copy)]
pub enum ReadOnly {}

impl Access for ReadWrite {
    #[doc(hidden)]
    const WRITES: bool = true;
}
impl Access for ReadOnly {
    #[doc(hidden)]
    const WRITES: bool = false;
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::ReadWrite {}
    impl Sealed for super::ReadOnly {}
}

/// The variables of one ELF section, borrowed from the object.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a, A> {
    storage: Storage,
    borrow: PhantomData<(&'a (), A)>,
}

/// A section of at least `SIZE` bytes, which checks offsets of variables at compile time.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct SizedSection<'a, A, const SIZE: usize>(Section<'a, A>);

impl<'a, A: Access> Section<'a, A> {
    pub(super) fn new(storage: Storage) -> Self {
        Self { storage, borrow: PhantomData }
    }

    /// Returns the number of bytes of the section.
    pub fn size(&self) -> usize {
        self.storage.len()
    }

    /// Returns the variable of type `T` at `offset`, or `None` if it does not fit into the section
    /// or is misaligned.
    pub fn variable<T>(&self, offset: usize) -> Option<Variable<'a, T, A>> {
        fits::<T>(offset, self.size()).then(|| Variable::new(self.storage, offset))
    }

    /// Returns the variable `name` of type `T` at `offset`.
    ///
    /// # Errors
    /// [`Error::Value`] if it does not fit into the section or is misaligned.
    pub fn named<T>(&self, name: &str, offset: usize) -> Result<Variable<'a, T, A>> {
        self.variable(offset).ok_or_else(|| self.outside(name, offset, size_of::<T>()))
    }

    /// Turns the section `name` into one of `SIZE` bytes, which checks offsets at compile time.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the section has fewer bytes.
    #[doc(hidden)]
    pub fn sized<const SIZE: usize>(self, name: &str) -> Result<SizedSection<'a, A, SIZE>> {
        if self.size() < SIZE {
            let why = format!("the section has {} bytes, expected {SIZE}", self.size());
            return Err(Error::Mismatch { name: name.to_owned(), why });
        }
        Ok(SizedSection(self))
    }

    /// Returns the current bytes of the variable `name`.
    pub(crate) fn read(&self, name: &str, offset: usize, len: usize) -> Result<Vec<u8>> {
        self.check_range(name, offset, len)?;
        let mut bytes = vec![0; len];
        self.storage.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    fn check_range(&self, name: &str, offset: usize, len: usize) -> Result<()> {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.size());
        if inside { Ok(()) } else { Err(self.outside(name, offset, len)) }
    }

    fn outside(&self, name: &str, offset: usize, len: usize) -> Error {
        let why =
            format!("{len} bytes at {offset} do not fit into the section of {} bytes", self.size());
        Error::Value { name: name.to_owned(), why }
    }
}

impl Section<'_, ReadWrite> {
    /// Writes the bytes of the variable `name` at `offset`.
    ///
    /// # Errors
    /// [`Error::Value`] if the bytes do not fit into the section; nothing is written then.
    /// [`Error::Kernel`] under the conditions of [`Variable::set`].
    pub fn write(&self, name: &str, offset: usize, bytes: &[u8]) -> Result<()> {
        self.check_range(name, offset, bytes.len())?;
        self.storage.write(offset, bytes)
    }
}

impl<'a, A, const SIZE: usize> SizedSection<'a, A, SIZE> {
    /// Returns the variable of type `T` at `OFFSET`.
    ///
    /// ```
    /// # use eunomia_runtime::bpf::{ReadOnly, SizedSection, Variable};
    /// # type Found<'a> = Variable<'a, u64, ReadOnly>;
    /// fn second(section: SizedSection<'_, ReadOnly, 16>) -> Found<'_> {
    ///     section.at::<u64, 8>()
    /// }
    /// # let _: fn(SizedSection<'static, ReadOnly, 16>) -> Found<'static> = second;
    /// ```
    ///
    /// Does not compile if the variable does not fit into the section or is misaligned:
    ///
    /// ```compile_fail,E0080
    /// # use eunomia_runtime::bpf::{ReadOnly, SizedSection, Variable};
    /// # type Found<'a> = Variable<'a, u64, ReadOnly>;
    /// fn second(section: SizedSection<'_, ReadOnly, 15>) -> Found<'_> {
    ///     section.at::<u64, 8>()
    /// }
    /// # let _: fn(SizedSection<'static, ReadOnly, 15>) -> Found<'static> = second;
    /// ```
    pub fn at<T, const OFFSET: usize>(&self) -> Variable<'a, T, A> {
        const { assert!(fits::<T>(OFFSET, SIZE), "the variable does not fit into the section") };
        Variable::new(self.0.storage, OFFSET)
    }
}

/// Reports whether a `T` at `offset` is inside a section of `size` bytes and aligned for its widest
/// access.
const fn fits<T>(offset: usize, size: usize) -> bool {
    let inside = match offset.checked_add(size_of::<T>()) {
        Some(end) => end <= size,
        None => false,
    };
    inside && offset.is_multiple_of(variable::unit::<T>())
}

#[cfg(test)]
mod tests {
    use std::ptr::NonNull;

    use super::*;

    fn section(memory: &mut [u64]) -> Section<'_, ReadWrite> {
        let (start, len) = (NonNull::from(&mut *memory).cast(), size_of_val(memory));
        // SAFETY: the section borrows the memory.
        Section::new(unsafe { Storage::memory(start, len) }.unwrap())
    }

    #[test]
    fn variables_keep_values_of_every_width() {
        let mut memory = [0u64; 4];
        let section = section(&mut memory);
        section.variable::<u64>(8).unwrap().set(0x0123_4567_89ab_cdef).unwrap();
        section.variable::<u32>(16).unwrap().set(7).unwrap();
        section.variable::<[u16; 3]>(20).unwrap().set([1, 2, 3]).unwrap();
        section.variable::<u8>(26).unwrap().set(9).unwrap();
        assert_eq!(section.variable::<u64>(8).unwrap().get().unwrap(), 0x0123_4567_89ab_cdef);
        assert_eq!(
            section.variable::<[u8; 11]>(16).unwrap().get().unwrap(),
            [7, 0, 0, 0, 1, 0, 2, 0, 3, 0, 9]
        );
        section.write("bytes", 1, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        assert_eq!(
            section.variable::<[u8; 10]>(0).unwrap().get().unwrap(),
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 0xcd]
        );
    }

    #[test]
    fn update_is_atomic() {
        let mut memory = [u64::MAX; 2];
        let section = section(&mut memory);
        let counter = section.variable::<u32>(4).unwrap();
        assert_eq!(counter.update(|value| value.wrapping_add(2)).unwrap(), u32::MAX);
        // A change between read and write is not lost.
        let mut calls = 0;
        let before = counter.update(|value| {
            calls += 1;
            if calls == 1 {
                counter.set(10).unwrap();
            }
            value + 1
        });
        assert_eq!((calls, before.unwrap(), counter.get().unwrap()), (2, 10, 11));
        assert_eq!(section.variable::<u32>(0).unwrap().get().unwrap(), u32::MAX);
        assert_eq!(section.variable::<i8>(8).unwrap().update(|value| value + 2).unwrap(), -1);
    }

    #[test]
    fn variables_outside_or_misaligned_are_refused() {
        let mut memory = [0u64; 2];
        let section = section(&mut memory);
        assert!(section.variable::<u64>(8).is_some());
        assert!(section.variable::<u64>(4).is_none(), "misaligned");
        assert!(section.variable::<u64>(16).is_none(), "past the end");
        assert!(section.variable::<u8>(usize::MAX).is_none(), "overflow");
        let outside = section.write("x", 9, &[0; 8]).unwrap_err();
        assert_eq!(outside.to_string(), "x: 8 bytes at 9 do not fit into the section of 16 bytes");
        let short = section.sized::<17>(".bss").unwrap_err();
        assert_eq!(short.to_string(), ".bss: the section has 16 bytes, expected 17");
        section.sized::<16>(".bss").unwrap().at::<u64, 8>().set(1).unwrap();
        assert_eq!(memory, [0, 1]);
    }
}
