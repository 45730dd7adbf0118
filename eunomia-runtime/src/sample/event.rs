//! [`Event`]: a record's type, and how a record is read as one.

use std::fmt;

use super::{Plain, plain::ON_STACK};

/// A generated type that can be read from the bytes of a record.
///
/// Only generated code implements it. Since an event is [`Plain`], its length is all that is
/// checked.
pub trait Event: Plain {
    /// The type's name in C, for example `struct event`.
    const C_NAME: &'static str;
}

/// The error for a record that ends before the last member of its type; it is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// Number of bytes in the record.
    pub len: usize,
    /// Least number of bytes that the type needs.
    pub size: usize,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the record has {} bytes, its type needs {}", self.len, self.size)
    }
}

impl std::error::Error for Short {}

/// Passes the record to `f` as an `E`: in place if its address is aligned for `E`, else as a copy,
/// which is on the stack if the type has at most 64 KiB.
///
/// Records in ring buffers are 8-aligned, so only types with 16-byte alignment are ever copied.
/// Records in perf buffers lie at 4 mod 8, so every type with an 8-byte field is copied. Bytes
/// after `E` are ignored: a newer object may append fields, and perf pads records.
///
/// If the last member of `E` is an array and the program sent only the part that it had filled, the
/// record is copied, too, and the rest of the array is zero. (In a perf event array up to 7 bytes
/// of the rest may not be zero: the kernel pads records with whatever was there before.)
///
/// # Errors
/// [`Short`] if the record has fewer than [`Plain::LEAST`] bytes; `f` is not called.
#[inline]
pub fn with_event<E: Plain, R>(record: &[u8], f: impl FnOnce(&E) -> R) -> Result<R, Short> {
    // Functions of their own: a copy that is not made takes no place on the stack.
    if size_of::<E>() > ON_FRAME { with_large(record, f) } else { with_small(record, f) }
}

/// The size up to which a type has a place on the stack even if no record is copied.
const ON_FRAME: usize = 1 << 10;

/// Calls `f` at one place, so that the compiler inlines it: what a callback adds up then stays in
/// registers from record to record.
#[inline]
fn with_small<E: Plain, R>(record: &[u8], f: impl FnOnce(&E) -> R) -> Result<R, Short> {
    let copy;
    let event = match E::ref_from_prefix(record) {
        Some(event) => event,
        None => {
            copy = copied(record)?;
            &copy
        }
    };
    Ok(f(event))
}

/// Copies a record, which may end inside the last array of the type.
fn copied<E: Plain>(record: &[u8]) -> Result<E, Short> {
    let copy = E::read(record).or_else(|| E::read_begun(record));
    copy.ok_or(Short { len: record.len(), size: E::LEAST })
}

fn with_large<E: Plain, R>(record: &[u8], f: impl FnOnce(&E) -> R) -> Result<R, Short> {
    match E::ref_from_prefix(record) {
        Some(event) => Ok(f(event)),
        None if size_of::<E>() > ON_STACK => with_boxed(record, f),
        None => with_copy(record, f),
    }
}

#[inline(never)]
fn with_copy<E: Plain, R>(record: &[u8], f: impl FnOnce(&E) -> R) -> Result<R, Short> {
    copied(record).map(|copy| f(&copy))
}

fn with_boxed<E: Plain, R>(record: &[u8], f: impl FnOnce(&E) -> R) -> Result<R, Short> {
    match E::read_begun_box(record) {
        Some(copy) => Ok(f(&copy)),
        None => Err(Short { len: record.len(), size: E::LEAST }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::plain! {
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[repr(C)]
        struct Pair {
            a: u64,
            b: u64,
        }
    }

    impl Event for Pair {
        const C_NAME: &'static str = "struct pair";
    }

    #[repr(C, align(8))]
    struct Ring([u8; 32]);

    fn ring() -> Ring {
        let mut ring = Ring([0; 32]);
        ring.0[8] = 1;
        ring.0[16] = 2;
        ring
    }

    #[test]
    fn aligned_record_is_not_copied() {
        let ring = ring();
        let record = &ring.0[8..];
        with_event(record, |pair: &Pair| {
            assert_eq!(pair, &Pair { a: 1, b: 2 });
            assert_eq!(std::ptr::from_ref(pair).addr(), record.as_ptr().addr());
        })
        .unwrap();
    }

    #[test]
    fn misaligned_record_is_copied_once() {
        let ring = ring();
        let record = &ring.0[4..];
        with_event(record, |pair: &Pair| {
            assert_eq!(pair, &Pair { a: 1 << 32, b: 2 << 32 });
            assert_ne!(std::ptr::from_ref(pair).addr(), record.as_ptr().addr());
        })
        .unwrap();
    }

    #[test]
    fn last_array_may_be_cut_off() {
        crate::plain! {
            #[derive(Debug, Clone, Copy, PartialEq)]
            #[repr(C)]
            struct Args { pid: u32, text: [u8; 12] }
            const LAYOUT: Layout = Layout { size: 16, align: 4, offsets: [0, 4], least: 4 };
        }
        let record = [1, 0, 0, 0, b'a', b'b', 9];
        for len in 0..=7 {
            let read = with_event(&record[..len], |args: &Args| *args);
            let mut text = [0; 12];
            text[..len.saturating_sub(4)].copy_from_slice(&record[4.min(len)..len]);
            assert_eq!(
                read,
                if len < 4 { Err(Short { len, size: 4 }) } else { Ok(Args { pid: 1, text }) }
            );
        }
    }

    #[test]
    fn short_record_is_refused_at_any_alignment() {
        let ring = ring();
        for start in [8, 12] {
            let result = with_event(&ring.0[start..start + 15], |_: &Pair| panic!("called"));
            assert_eq!(result, Err(Short { len: 15, size: 16 }));
        }
    }

    /// The stack of a thread has 2 MiB.
    #[test]
    fn large_records_do_not_overflow_stack() {
        crate::plain! {
            #[derive(Clone, Copy)]
            #[repr(C)]
            struct File { len: u64, content: [u8; 8 << 20] }
            const LAYOUT: Layout = Layout { size: 0x80_0008, align: 8, offsets: [0, 8], least: 8 };
        }
        let mut words = vec![0u64; size_of::<File>() / 8 + 1];
        words[0] = 7;
        words[1] = 9;
        let bytes = u64::slice_bytes(&words);
        let read = |record| with_event(record, |file: &File| (file.len, file.content[0]));
        assert_eq!(read(&bytes[..size_of::<File>()]), Ok((7, 9)), "in place");
        assert_eq!(read(&bytes[..9]), Ok((7, 9)), "begun");
        assert_eq!(read(&bytes[8..]), Ok((9, 0)), "in place");
        assert_eq!(read(&bytes[1..]).map(|(_, first)| first), Ok(0), "misaligned");
        assert_eq!(read(&bytes[..7]), Err(Short { len: 7, size: 8 }));
    }
}
