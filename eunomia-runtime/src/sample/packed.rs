//! [`Packed`]: a member of a packed struct.

use std::fmt;

use super::{Line, Plain, plain::ON_STACK};

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

impl<T: Plain> Packed<T> {
    /// Passes the value to `f`, in place if it happens to be aligned. Copies of values that may be
    /// too large for the stack are on the heap.
    pub(super) fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        match T::ref_from_prefix(self.bytes()) {
            Some(value) => f(value),
            None if size_of::<T>() > ON_STACK => {
                f(&T::read_begun_box(self.bytes()).unwrap_or_else(T::zeroed_box))
            }
            None => self.with_copy(f),
        }
    }

    /// A function of its own: a copy that is not made takes no place on the stack.
    fn with_copy<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.get())
    }
}

impl<T: Copy> From<T> for Packed<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Plain + PartialEq> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.with(|value| other.with(|other| value == other))
    }
}

impl<T: Plain + Eq> Eq for Packed<T> {}

impl<T: Plain + fmt::Debug> fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|value| value.fmt(f))
    }
}

impl<T: Plain + fmt::Display> fmt::Display for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|value| value.fmt(f))
    }
}

impl<T: Plain + Line> Line for Packed<T> {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|value| value.line(f))
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

    /// The stack of a thread has 2 MiB.
    #[test]
    fn large_values_do_not_overflow_stack() {
        type Large = Packed<[u64; 1 << 20]>;
        let bytes = vec![1u8; 2 + size_of::<Large>()];
        let [even, odd] = [0, 1].map(|at| Large::ref_from_prefix(&bytes[at..]).unwrap());
        assert!(even == odd, "one of them is misaligned");
        struct Shown<'a>(&'a Large);
        impl fmt::Display for Shown<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.line(f)
            }
        }
        let texts = [even, odd].map(|large| (Shown(large).to_string(), format!("{large:?}")));
        assert!(texts[0] == texts[1] && texts[0].0 == texts[0].1);
        assert!(texts[0].0.starts_with("[72340172838076673, 72340172838076673, "));
    }
}
