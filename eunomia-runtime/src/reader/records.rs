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
    /// their number: 0 if none came in time or polling has ended. A signal does not end the wait.
    ///
    /// # Errors
    /// - [`Error::Kernel`] if epoll fails, if the perf ring of a CPU that came online cannot be
    ///   opened, or if the kernel refuses to read a sampled map.
    /// - [`Error::Reentered`] if a callback polls the object that called it.
    /// - [`Error::Damaged`] if a ring's memory is inconsistent, after the other rings were read; a
    ///   damaged ring buffer is not read again.
    /// - [`Error::Misuse`] if this process was forked from the one that opened the perf rings.
    /// - [`Error::Callback`] if a callback failed, after all records were delivered.
    ///
    /// [`Error::Kernel`]: crate::Error::Kernel
    /// [`Error::Reentered`]: crate::Error::Reentered
    /// [`Error::Damaged`]: crate::Error::Damaged
    /// [`Error::Misuse`]: crate::Error::Misuse
    /// [`Error::Callback`]: crate::Error::Callback
    fn poll<R: Outcome>(
        &self,
        timeout: Duration,
        f: impl FnMut(Self::Event<'_>) -> R,
    ) -> Result<u64>;

    /// Delivers the events that are there, also after polling has ended; returns their number. It
    /// waits only for records that a program is still writing, for a few milliseconds at most.
    ///
    /// Sampled maps are read once more, even if their interval has not passed. Maps that keep their
    /// entries deliver them again with each call.
    ///
    /// # Errors
    /// Those of [`Self::poll`].
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
