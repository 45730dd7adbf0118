//! [`Bool`]: a C `bool`.

use std::fmt;

/// A C `bool` as the kernel wrote it: one byte, false if it is zero, else true.
///
/// Only two bytes are valid values of Rust's own `bool`, so a reference to one must not be made
/// from memory that the kernel wrote.
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
        assert_eq!(bools[3], true);
        assert_eq!(format!("{} {:?}", bools[0], bools[3]), "false true");
    }
}
