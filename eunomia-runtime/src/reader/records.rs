use std::{os::fd::BorrowedFd, time::Duration};

use super::{Control, Outcome};
use crate::Result;

/// What delivers events: loaded and attached skeletons, typed ones and those that are known only at run time.
///
/// For code that works with any of them; the methods stand on the types themselves, too.
pub trait Records {
    /// A record, borrowed.
    type Event<'a>;

    /// Delivers the events that are there, or waits for the first ones until `timeout` has passed; returns how many came.
    ///
    /// # Errors
    /// As [`super::Reader::poll`].
    fn poll<R: Outcome>(&self, timeout: Duration, f: impl FnMut(Self::Event<'_>) -> R) -> Result<u64>;

    /// Delivers the events that are there, also after polling has ended.
    ///
    /// # Errors
    /// As [`super::Reader::drain`].
    fn drain<R: Outcome>(&self, f: impl FnMut(Self::Event<'_>) -> R) -> Result<u64>;

    /// A handle that pauses, resumes and ends polling from any thread.
    fn control(&self) -> Control;

    /// Readable when an event may be there.
    fn descriptor(&self) -> BorrowedFd<'_>;
}

impl<T: Records> Records for &T {
    type Event<'a> = T::Event<'a>;

    fn poll<R: Outcome>(&self, timeout: Duration, f: impl FnMut(Self::Event<'_>) -> R) -> Result<u64> {
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
