//! [`Tailed`]: a record that goes on after its struct.

use std::{fmt, marker::PhantomData, ops::Deref};

use super::{
    Event, Line, Plain, Short,
    line::{Fielded, line_with, write_items, write_text},
    until_nul, with_event,
};

/// A generated type whose last member is an array without a length.
///
/// A record continues after the struct.
pub trait Flexible: Event {
    /// The type of the array's items.
    type Item: Plain + Line;
    /// The member's name in C.
    #[doc(hidden)]
    const NAME: &'static str;
    /// True if the array is text: its items are C `char`s.
    #[doc(hidden)]
    const TEXT: bool;
    /// Number of bytes from the start of the struct to the array.
    #[doc(hidden)]
    const TAIL: usize;
}

/// A record of a [`Flexible`] type: the struct, and the bytes from its last member on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tailed<'a, E> {
    event: &'a E,
    tail: &'a [u8],
}

impl<'a, E: Flexible> Tailed<'a, E> {
    /// Joins a record and the struct at its start.
    pub(super) fn of(event: &'a E, record: &'a [u8]) -> Self {
        Self { event, tail: record.get(E::TAIL..).unwrap_or_default() }
    }

    /// Returns the bytes of the last member.
    ///
    /// A perf event array pads records, so they may end with up to 7 bytes that the program did not
    /// send; rely on a length in the struct instead.
    pub fn tail_bytes(&self) -> &'a [u8] {
        self.tail
    }

    /// Returns the items of the last member, as many whole ones as the record holds.
    pub fn tail(&self) -> impl ExactSizeIterator<Item = E::Item> + 'a {
        self.items().iter()
    }
}

/// Converts a bare struct: its last member is empty.
impl<'a, E: Flexible> From<&'a E> for Tailed<'a, E> {
    fn from(event: &'a E) -> Self {
        Self { event, tail: &[] }
    }
}

/// The items of a record's flexible last member.
#[derive(Clone, Copy)]
pub struct Items<'a, E>(&'a [u8], PhantomData<fn() -> E>);

impl<'a, E: Flexible> Items<'a, E> {
    /// No items.
    pub const NONE: Self = Self(&[], PhantomData);

    /// Returns the items, as many whole ones as the record holds.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = E::Item> + use<'a, E> {
        let size = size_of::<E::Item>();
        // Items without a size would never end.
        let items = if size == 0 { &[] } else { self.0 };
        items
            .chunks_exact(size.max(1))
            .map(|item| E::Item::read(item).unwrap_or_else(E::Item::zeroed))
    }

    /// Returns the text up to its NUL if the array is text.
    pub(crate) fn text(&self) -> Option<&'a [u8]> {
        E::TEXT.then(|| until_nul(self.0))
    }
}

impl<E> fmt::Debug for Items<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Items").field(&self.0).finish()
    }
}

impl<E: Flexible> Line for Items<'_, E> {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => write_text(f, text),
            None => write_items::<E::Item>(f, self.iter()),
        }
    }
}

#[cfg(feature = "serde")]
mod serial {
    use serde_core::{Serialize, Serializer, ser::SerializeSeq as _};

    use super::{Flexible, Items, Tailed};
    use crate::sample::serial::{Serial, Serialized};

    /// A type that is serialized together with the items of its last member.
    pub trait SerialTail: Flexible {
        /// Writes the struct.
        ///
        /// # Errors
        /// Only the serializer's.
        fn serial_tail<S: Serializer>(
            &self,
            serializer: S,
            tail: &Items<'_, Self>,
        ) -> Result<S::Ok, S::Error>;
    }

    impl<E: Flexible<Item: Serial>> Serial for Items<'_, E> {
        fn serial<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if let Some(text) = self.text() {
                return serializer.serialize_str(&String::from_utf8_lossy(text));
            }
            let items = self.iter();
            let mut list = serializer.serialize_seq(Some(items.len()))?;
            items.into_iter().try_for_each(|item| list.serialize_element(&Serialized(&item)))?;
            list.end()
        }
    }

    impl<E: SerialTail> Serialize for Tailed<'_, E> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.event.serial_tail(serializer, &self.items())
        }
    }
}
#[cfg(feature = "serde")]
pub use serial::SerialTail;

impl<'a, E> Tailed<'a, E> {
    fn items(&self) -> Items<'a, E> {
        Items(self.tail, PhantomData)
    }
}

impl<E> Deref for Tailed<'_, E> {
    type Target = E;

    fn deref(&self) -> &E {
        self.event
    }
}

/// Writes the struct with the items of its last member.
impl<E: Flexible + Fielded> fmt::Display for Tailed<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line_with(self.event, (E::NAME, &self.items()), f)
    }
}

impl<E: Flexible + Fielded> Line for Tailed<'_, E> {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

/// Passes the record to `f` with the bytes of its flexible last member; see [`with_event`].
///
/// # Errors
/// [`Short`] if the record has fewer than [`Plain::LEAST`] bytes; `f` is not called.
pub fn with_tail<E: Flexible, R>(
    record: &[u8],
    f: impl FnOnce(Tailed<'_, E>) -> R,
) -> Result<R, Short> {
    with_event(record, |event| f(Tailed::of(event, record)))
}

/// Returns the struct and the items of its last member.
pub fn parts<'a, E: Flexible>(record: Tailed<'a, E>) -> (&'a E, Items<'a, E>) {
    (record.event, record.items())
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
        const NAME: &'static str = "items";
        const TEXT: bool = false;
        const TAIL: usize = 4;
    }

    #[test]
    fn tail_returns_whole_items_only() {
        #[repr(align(4))]
        struct Record([u8; 9]);
        let record = Record([2, 0, 0, 0, 5, 0, 6, 0, 7]);
        let read = with_tail(&record.0, |counted: Tailed<'_, Counted>| {
            (counted.len, counted.tail().collect::<Vec<_>>(), counted.tail_bytes().len())
        });
        assert_eq!(read, Ok((2, vec![5, 6], 5)));
        assert_eq!(
            with_tail(&record.0[..4], |counted: Tailed<'_, Counted>| counted.tail().len()),
            Ok(0)
        );
    }
}
