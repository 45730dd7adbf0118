//! The trait of objects that deliver events.

use std::{os::fd::BorrowedFd, time::Duration};

use super::{Control, Outcome};
use crate::Result;

/// An object that delivers events: a loaded or attached skeleton, typed or known only at run time.
///
/// For code that works with any of them. The types themselves have these methods too.
pub trait Records {
    /// A borrowed event.
    type Event<'a>;

    /// Delivers the events that are there, or waits up to `timeout` for the first ones; returns
    /// their number.
    ///
    /// # Errors
    /// As [`super::Reader::poll`].
    fn poll<R: Outcome>(
        &self,
        timeout: Duration,
        f: impl FnMut(Self::Event<'_>) -> R,
    ) -> Result<u64>;

    /// Delivers the events that are there, also after polling has ended; returns their number.
    ///
    /// # Errors
    /// As [`super::Reader::drain`].
    fn drain<R: Outcome>(&self, f: impl FnMut(Self::Event<'_>) -> R) -> Result<u64>;

    /// Returns a handle that pauses, resumes and ends polling from any thread.
    fn control(&self) -> Control;

    /// Returns a descriptor that is readable when an event may be there.
    fn descriptor(&self) -> BorrowedFd<'_>;
}

impl<T: Records> Records for &T {
    type Event<'a> = T::Event<'a>;

    fn poll<R: Outcome>(
        &self,
        timeout: Duration,
        f: impl FnMut(Self::Event<'_>) -> R,
    ) -> Result<u64> {
        T::poll(self, timeout, f)
    }

    fn drain<R: Outcome>(&self, f: impl FnMut(Self::Event<'_>) -> R) -> Result<u64> {
        T::drain(self, f)
    }

    fn control(&self) -> Control {
        T::control(self)
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        T::descriptor(self)
    }
}
