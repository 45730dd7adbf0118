//! [`Delivered`]: the form in which a callback gets a record.

use super::{Flexible, Plain, Short, Tailed, with_event};

/// A type that a map's handle delivers: a plain type, passed by reference, or [`Tailed`], passed
/// with the bytes after the struct.
pub trait Delivered {
    /// The type of the struct.
    type Event: Plain;
    /// The argument of the callback.
    type Borrowed<'a>;

    /// Makes the callback's argument from the struct at the start of `record`.
    fn borrowed<'a>(event: &'a Self::Event, record: &'a [u8]) -> Self::Borrowed<'a>;
}

impl<E: Plain> Delivered for E {
    type Event = E;
    type Borrowed<'a> = &'a E;

    #[inline]
    fn borrowed<'a>(event: &'a E, _: &'a [u8]) -> &'a E {
        event
    }
}

impl<E: Flexible> Delivered for Tailed<'static, E> {
    type Event = E;
    type Borrowed<'a> = Tailed<'a, E>;

    #[inline]
    fn borrowed<'a>(event: &'a E, record: &'a [u8]) -> Tailed<'a, E> {
        Tailed::of(event, record)
    }
}

/// Passes a record to `f` as a `D`; see [`with_event`].
///
/// A [`Tailed`] gets the bytes after the struct, too.
///
/// # Errors
/// [`Short`] if the record has fewer than [`Plain::LEAST`] bytes; `f` is not called.
#[inline]
#[doc(hidden)]
pub fn with_delivered<D: Delivered, R>(
    record: &[u8],
    f: impl FnOnce(D::Borrowed<'_>) -> R,
) -> Result<R, Short> {
    with_event(record, |event| f(D::borrowed(event, record)))
}
