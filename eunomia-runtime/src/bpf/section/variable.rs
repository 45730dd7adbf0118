use std::{fmt, marker::PhantomData};

use super::{Access, ReadWrite, Storage};
use crate::{Result, sample::Plain};

/// The most bytes that values have which handles of variables and maps pass by value, 64 KiB. Unoptimised code has a handful of copies of
/// such a value on the stack at once, and a thread's stack has 2 MiB.
pub const ON_STACK: usize = 64 << 10;

/// One global variable, or a value of a map that is mapped.
///
/// The BPF side and other threads may access it at any time, so there are no references to it: values are copied in and out with
/// relaxed atomic operations, whole for integers of up to 8 bytes, else piece by piece in words of up to 8 bytes (a struct that the
/// BPF side changes meanwhile can be half old, half new). No system call is made. Stays on the thread that holds the object.
///
/// Once the object is loaded on a kernel that cannot map the section (before 5.5), system calls read and write the map that the section
/// is: [`Self::get`] copies the whole section, [`Self::set`] and [`Self::update`] read it, change it and write it back. That is not one
/// step, and what the BPF side writes to any variable of the section meanwhile is overwritten. Only these system calls can fail.
///
/// [`Self::set`] writes the whole value. What the BPF side writes to parts of it between a `get` and the `set` of what became of it is
/// lost: an array whose elements programs count in is read, and not set, while they run. [`Self::update`] loses nothing.
///
/// Values of more than [`ON_STACK`] bytes are not passed by value, since they may not fit on the stack: for them `get` and `set` do not
/// compile. [`Self::get_boxed`], [`Self::read_into`] and [`Self::set_from`] take values of any size.
pub struct Variable<'a, T, A> {
    storage: Storage,
    offset: usize,
    borrow: PhantomData<&'a (T, A)>,
}

impl<T, A> Variable<'_, T, A> {
    /// The variable at `offset`, which the caller has checked to be inside and a multiple of the type's unit.
    pub(in crate::bpf) fn new(storage: Storage, offset: usize) -> Self {
        Self { storage, offset, borrow: PhantomData }
    }
}

impl<T: Plain, A: Access> Variable<'_, T, A> {
    /// The value now. Compiles for values of up to [`ON_STACK`] bytes; [`Self::get_boxed`] is for those of any size.
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
    /// [`crate::Error::Kernel`] of the system call where the kernel cannot map the section, for example EPERM; else none.
    pub fn get(&self) -> Result<T> {
        const { assert!(size_of::<T>() <= ON_STACK, "the value is too large for a stack: use `get_boxed` or `read_into`") };
        let mut value = T::zeroed();
        self.read_into(&mut value)?;
        Ok(value)
    }

    /// The value now, on the heap.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_boxed(&self) -> Result<Box<T>> {
        let mut value = T::zeroed_box();
        self.read_into(&mut value)?;
        Ok(value)
    }

    /// Reads the value into a place of the caller's, which need not be made anew for each read. After an error it is as it was before.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn read_into(&self, value: &mut T) -> Result<()> {
        self.storage.read(self.offset, value.bytes_mut())
    }
}

impl<T: Plain> Variable<'_, T, ReadWrite> {
    /// Sets the value, all of it: what the BPF side wrote to parts of it since it was read is lost, see [`Variable`]. Compiles for values
    /// of up to [`ON_STACK`] bytes.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn set(&self, value: T) -> Result<()> {
        const { assert!(size_of::<T>() <= ON_STACK, "the value is too large for a stack: use `set_from`") };
        self.set_from(&value)
    }

    /// As [`Self::set`], from where the value is, of any size.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn set_from(&self, value: &T) -> Result<()> {
        self.storage.write(self.offset, value.bytes())
    }

    /// Replaces the value by what `f` makes of it, in one atomic step, also against the BPF side: `f` is called again where another
    /// change came between. Returns the value before. Not one step where the kernel cannot map the section, see [`Variable`].
    ///
    /// Compiles for types that are accessed whole only: integers, enums, pointers and the like of up to 8 bytes.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn update(&self, mut f: impl FnMut(T) -> T) -> Result<T>
    where
        T: Copy,
    {
        const { assert!(size_of::<T>() == unit::<T>(), "only values that are accessed whole can be updated in one step") };
        loop {
            // Up to 8 bytes.
            let old = self.get()?;
            if self.storage.exchange(self.offset, old.bytes(), f(old).bytes())? {
                return Ok(old);
            }
        }
    }
}

/// What the place of a `T` must be a multiple of: its alignment, which divides its size, up to the widest word.
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
