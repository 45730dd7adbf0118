use super::{Flexible, Plain, Short, Tailed, with_event};

/// What the handle of a map delivers: a plain type, given as a reference, or [`Tailed`], given with what the record holds after the struct.
pub trait Delivered {
    /// The type of the struct.
    type Event: Plain;
    /// What a callback gets.
    type Borrowed<'a>;

    /// The record with the struct at its start.
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

/// As [`with_event`], with what the record holds after the struct where it is [`Tailed`].
///
/// # Errors
/// [`Short`] where the record has fewer bytes than the struct; `f` was not called.
#[inline]
pub fn with_delivered<D: Delivered, R>(record: &[u8], f: impl FnOnce(D::Borrowed<'_>) -> R) -> Result<R, Short> {
    with_event(record, |event| f(D::borrowed(event, record)))
}
