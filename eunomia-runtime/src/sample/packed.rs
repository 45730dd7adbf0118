//! [`Packed`]: a member of a packed struct.

use std::fmt;

use super::Line;

/// A value at an address that may not be aligned for its type, such as a member of a packed struct,
/// which cannot be borrowed.
#[derive(Clone, Copy, Default)]
#[repr(C, packed)]
pub struct Packed<T>(T);

impl<T: Copy> Packed<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value.
    pub const fn get(self) -> T {
        self.0
    }

    /// Replaces the value.
    pub const fn set(&mut self, value: T) {
        self.0 = value;
    }
}

impl<T: Copy> From<T> for Packed<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Copy + PartialEq> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Copy + Eq> Eq for Packed<T> {}

impl<T: Copy + fmt::Debug> fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<T: Copy + fmt::Display> fmt::Display for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<T: Copy + Line> Line for Packed<T> {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().line(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Plain;

    #[test]
    fn values_are_read_at_odd_addresses() {
        crate::plain! {
            #[derive(Clone, Copy)]
            #[repr(C)]
            struct Record {
                tag: u8,
                number: Packed<u64>,
            }
        }
        assert_eq!((size_of::<Record>(), align_of::<Record>()), (9, 1));
        let bytes = [7, 1, 0, 0, 0, 0, 0, 0, 128];
        let record = Record::ref_from_prefix(&bytes).unwrap();
        assert_eq!(
            (record.tag, record.number.get(), record.number),
            (7, 1 << 63 | 1, Packed::new(1 << 63 | 1))
        );
        assert_eq!(record.number.to_string(), "9223372036854775809");
    }
}
