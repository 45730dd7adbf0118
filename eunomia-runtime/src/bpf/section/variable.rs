//! Handles of single variables.

use std::{fmt, marker::PhantomData};

use super::{Access, ReadWrite, Storage};
use crate::{Result, sample::Plain};

pub use crate::sample::plain::ON_STACK;

/// A handle of one global variable, or of a value of a mapped map.
///
/// The BPF side and other threads may access the value at any time, so no references to it are
/// handed out. Values are copied in and out with relaxed atomic operations: integers of up to 8
/// bytes as a whole, other values in words of up to 8 bytes. A struct that the BPF side changes
/// during a read can be half old, half new. No system call is made. The handle stays on the thread
/// that holds the object.
///
/// If the object is loaded on a kernel that cannot map the section (before 5.5), system calls read
/// and write the section's map: [`Self::get`] copies the whole section; [`Self::set`] and
/// [`Self::update`] read it, change it and write it back. That is not atomic, and overwrites what
/// the BPF side writes to any variable of the section in between. Only these system calls can fail.
///
/// [`Self::set`] writes the whole value. It overwrites what the BPF side has written to parts of
/// the value since the `get` that it is based on. So an array whose elements programs count in can
/// be read, but should not be set, while they run. [`Self::update`] loses no change.
///
/// Values of more than [`ON_STACK`] bytes are not passed by value, because they may not fit on the
/// stack: `get` and `set` do not compile for them. [`Self::get_boxed`], [`Self::read_into`] and
/// [`Self::set_from`] accept values of any size.
pub struct Variable<'a, T, A> {
    storage: Storage,
    offset: usize,
    borrow: PhantomData<&'a (T, A)>,
}

impl<T, A> Variable<'_, T, A> {
    /// Returns the variable at `offset`. The caller has checked that it is inside the storage and
    /// that the offset is a multiple of the type's unit.
    pub(in crate::bpf) fn new(storage: Storage, offset: usize) -> Self {
        Self { storage, offset, borrow: PhantomData }
    }
}

impl<T: Plain, A: Access> Variable<'_, T, A> {
    /// Returns the value. Compiles for values of up to [`ON_STACK`] bytes; see [`Self::get_boxed`]
    /// for larger ones.
    ///
    /// ```compile_fail,E0080
    /// # use eunomia_runtime::bpf::{ReadOnly, SizedSection};
    /// fn table(section: SizedSection<'_, ReadOnly, 0x80_0000>) -> u64 {
    ///     section.at::<[u64; 0x10_0000], 0>().get().map_or(0, |all| all[0])
    /// }
    /// # let _: fn(SizedSection<'static, ReadOnly, 0x80_0000>) -> u64 = table;
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the kernel cannot map the section and the system call fails, for
    /// example with EPERM; none otherwise.
    pub fn get(&self) -> Result<T> {
        const {
            assert!(
                size_of::<T>() <= ON_STACK,
                "the value is too large for a stack: use `get_boxed` or `read_into`"
            )
        };
        let mut value = T::zeroed();
        self.read_into(&mut value)?;
        Ok(value)
    }

    /// Returns the value on the heap, for values of any size.
    ///
    /// # Errors
    /// Those of [`Self::get`].
    pub fn get_boxed(&self) -> Result<Box<T>> {
        let mut value = T::zeroed_box();
        self.read_into(&mut value)?;
        Ok(value)
    }

    /// Reads the value into `value`, for values of any size. After an error `value` is unchanged.
    ///
    /// # Errors
    /// Those of [`Self::get`].
    pub fn read_into(&self, value: &mut T) -> Result<()> {
        self.storage.read(self.offset, value.bytes_mut())
    }
}

impl<T: Plain> Variable<'_, T, ReadWrite> {
    /// Sets the whole value, see [`Variable`] for changes that this overwrites. Compiles for values
    /// of up to [`ON_STACK`] bytes.
    ///
    /// # Errors
    /// Those of [`Self::get`].
    pub fn set(&self, value: T) -> Result<()> {
        const {
            assert!(
                size_of::<T>() <= ON_STACK,
                "the value is too large for a stack: use `set_from`"
            )
        };
        self.set_from(&value)
    }

    /// Sets the whole value from a reference, for values of any size.
    ///
    /// # Errors
    /// Those of [`Self::get`].
    pub fn set_from(&self, value: &T) -> Result<()> {
        self.storage.write(self.offset, value.bytes())
    }

    /// Replaces the value by the result of `f` in one atomic step, and returns the value before.
    /// `f` is called again if the BPF side or another thread has changed the value since it was
    /// read. It is not atomic if the kernel cannot map the section, see [`Variable`].
    ///
    /// Compiles only for types that are accessed as a whole: integers, enums, pointers and similar
    /// types of up to 8 bytes.
    ///
    /// # Errors
    /// Those of [`Self::get`].
    pub fn update(&self, mut f: impl FnMut(T) -> T) -> Result<T>
    where
        T: Copy,
    {
        const {
            assert!(
                size_of::<T>() == unit::<T>(),
                "only values that are accessed whole can be updated in one step"
            )
        };
        loop {
            // The value has at most 8 bytes.
            let old = self.get()?;
            if self.storage.exchange(self.offset, old.bytes(), f(old).bytes())? {
                return Ok(old);
            }
        }
    }
}

/// Returns the number that the offset of a `T` must be a multiple of: its alignment, which divides
/// its size, but at most that of the widest word.
pub(super) const fn unit<T>() -> usize {
    if align_of::<T>() < 8 { align_of::<T>() } else { 8 }
}

impl<T: Plain + fmt::Debug, A: Access> fmt::Debug for Variable<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get_boxed() {
            Ok(value) => value.fmt(f),
            Err(error) => write!(f, "<{error}>"),
        }
    }
}
