use std::{fmt, ops::Deref};

use super::{Event, Line, Plain, Short, with_event};

/// A generated type whose last member is an array without a length: a record goes on behind the struct.
pub trait Flexible: Event {
    /// What the array holds.
    type Item: Plain;
    /// Bytes from the start of the struct to the array.
    const TAIL: usize;
}

/// A record of a [`Flexible`] type: the struct, and the bytes from its last member on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tailed<'a, E> {
    event: &'a E,
    tail: &'a [u8],
}

impl<'a, E: Flexible> Tailed<'a, E> {
    /// The bytes of the last member. A perf event array pads records, so up to 7 bytes more than were sent can stand at their end: a
    /// length in the struct is the one to go by.
    pub fn tail_bytes(&self) -> &'a [u8] {
        self.tail
    }

    /// The items of the last member, as many whole ones as the record holds.
    pub fn tail(&self) -> impl ExactSizeIterator<Item = E::Item> + 'a {
        let size = size_of::<E::Item>();
        // Items without a size would be endless.
        let items = if size == 0 { &[] } else { self.tail };
        items.chunks_exact(size.max(1)).map(|item| E::Item::read(item).unwrap_or_else(E::Item::zeroed))
    }
}

impl<E> Deref for Tailed<'_, E> {
    type Target = E;

    fn deref(&self) -> &E {
        self.event
    }
}

impl<E: fmt::Display> fmt::Display for Tailed<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.event.fmt(f)
    }
}

impl<E: Line> Line for Tailed<'_, E> {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.event.line(f)
    }
}

/// As [`with_event`], with the bytes that a flexible last member has in the record.
///
/// # Errors
/// [`Short`] where the record has fewer bytes than `E`; `f` was not called.
pub fn with_tail<E: Flexible, R>(record: &[u8], f: impl FnOnce(Tailed<'_, E>) -> R) -> Result<R, Short> {
    with_event(record, |event| f(Tailed { event, tail: record.get(E::TAIL..).unwrap_or_default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::plain! {
        #[derive(Debug, Clone, Copy)]
        #[repr(C)]
        struct Counted {
            len: u32,
            items: [u16; 0],
        }
    }

    impl Event for Counted {
        const C_NAME: &'static str = "struct counted";
    }

    impl Flexible for Counted {
        type Item = u16;
        const TAIL: usize = 4;
    }

    #[test]
    fn whole_items_are_given() {
        #[repr(align(4))]
        struct Record([u8; 9]);
        let record = Record([2, 0, 0, 0, 5, 0, 6, 0, 7]);
        let read = with_tail(&record.0, |counted: Tailed<'_, Counted>| {
            (counted.len, counted.tail().collect::<Vec<_>>(), counted.tail_bytes().len())
        });
        assert_eq!(read, Ok((2, vec![5, 6], 5)));
        assert_eq!(with_tail(&record.0[..4], |counted: Tailed<'_, Counted>| counted.tail().len()), Ok(0));
    }
}
