//! A record of a ring buffer as a type.

use std::{borrow::Borrow, ops::Deref};

/// A record as it lies in a ring buffer: its header, then the event. Dereferences to the event.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
pub struct Record<E> {
    pub(super) header: [u32; 2],
    pub(super) event: E,
}

impl<E> Deref for Record<E> {
    type Target = E;

    #[inline]
    fn deref(&self) -> &E {
        &self.event
    }
}

/// Lets a slice of records be used as a slice of events.
impl<E> Borrow<E> for Record<E> {
    #[inline]
    fn borrow(&self) -> &E {
        &self.event
    }
}
