//! [`Bool`]: a C `bool`.

use std::{
    fmt,
    ops::{Deref, Not},
};

/// A C `bool` as the kernel wrote it: one byte, false if it is zero, else true.
///
/// Only two bytes are valid values of Rust's own `bool`, so a reference to one must not be made
/// from memory that the kernel wrote. `*` and `!` turn the byte into one:
///
/// ```
/// use eunomia_runtime::sample::Bool;
///
/// # struct Event { is_exit: Bool }
/// fn describe(event: &Event) -> &str {
///     if *event.is_exit { "exit" } else { "start" }
/// }
/// # let event = Event { is_exit: Bool::TRUE };
/// assert_eq!(describe(&event), "exit");
/// assert!(event.is_exit);
/// let is_start = !event.is_exit;
/// # assert!(!is_start);
/// assert_eq!(event.is_exit.then_some(1), Some(1));
/// ```
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub struct Bool(u8);

impl Bool {
    /// C `true`, written as 1.
    pub const TRUE: Self = Self(1);
    /// C `false`, written as 0.
    pub const FALSE: Self = Self(0);

    /// Returns true if the byte is not zero.
    pub const fn get(self) -> bool {
        self.0 != 0
    }
}

/// Dereferences to true if the byte is not zero. The reference is to a constant, not to the byte.
impl Deref for Bool {
    type Target = bool;

    fn deref(&self) -> &bool {
        if self.get() { &true } else { &false }
    }
}

impl Not for Bool {
    type Output = bool;

    fn not(self) -> bool {
        !self.get()
    }
}

impl Not for &Bool {
    type Output = bool;

    fn not(self) -> bool {
        !self.get()
    }
}

impl PartialEq for Bool {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Bool {}

impl PartialEq<bool> for Bool {
    fn eq(&self, other: &bool) -> bool {
        self.get() == *other
    }
}

impl From<bool> for Bool {
    fn from(value: bool) -> Self {
        Self(u8::from(value))
    }
}

impl From<Bool> for bool {
    fn from(value: Bool) -> Self {
        value.get()
    }
}

impl fmt::Debug for Bool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.get(), f)
    }
}

impl fmt::Display for Bool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Plain;

    #[test]
    fn every_byte_is_a_value() {
        let bytes = [0u8, 1, 2, 255];
        let bools = <[Bool; 4]>::ref_from_prefix(&bytes).unwrap();
        assert_eq!(bools.map(Bool::get), [false, true, true, true]);
        assert_eq!(bools[2], Bool::TRUE, "2 and 1 are both true");
        assert!(bools[3]);
        assert!([true, false].map(|truth| bools[3] == truth) == [true, false]);
        assert_eq!(format!("{:<6}{:?}", bools[0], bools[3]), "false true");
        assert_eq!(bools.map(|truth| u8::from(*truth)), [0, 1, 1, 1]);
        assert_eq!(bools.map(|truth| !truth), [true, false, false, false]);
        let [first, .., last] = bools;
        assert_eq!((!first, **last), (true, true), "matched by reference");
    }
}
