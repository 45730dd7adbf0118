//! Loaded objects with the types of a skeleton.

use std::{
    fmt,
    ops::Deref,
    os::fd::{AsFd as _, BorrowedFd},
    time::Duration,
};

use crate::{
    Result,
    bpf::{Attached, Loaded},
    reader::{Control, Outcome, Records, Verdict, Waiting},
};

/// A loaded object with the types of its records and handles: those of a generated module, or of a
/// skeleton that was read at run time.
///
/// Polling, attaching and control are the same for both and are here. `Deref` gives access to the
/// rest.
pub struct LoadedSkeleton<H>(H);

/// The types and handles of a loaded object.
#[doc(hidden)]
pub trait Handles: 'static {
    /// The type of a record of any of its maps.
    type Export<'a>;

    /// Returns the object.
    fn object(&self) -> &Loaded;

    /// Passes a record of the map number `map` to `f` as its type.
    fn deliver<R: Outcome>(
        &self,
        map: usize,
        record: &[u8],
        f: impl FnOnce(Self::Export<'_>) -> R,
    ) -> Verdict;
}

impl<H: Handles> LoadedSkeleton<H> {
    #[doc(hidden)]
    pub fn new(handles: H) -> Self {
        Self(handles)
    }

    /// Returns the untyped object, whose maps and programs are found by name.
    pub fn object(&self) -> &Loaded {
        self.0.object()
    }

    /// Attaches every program that is not switched off, to the target that its section names or
    /// that was set.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] for the first program that cannot be attached,
    /// [`crate::Error::NoTarget`] if it has no target; nothing stays attached. See
    /// [`Loaded::links`].
    pub fn attach(self) -> Result<Attached<Self>> {
        let links = self.object().links()?;
        Ok(Attached::new(self, links))
    }

    /// Delivers the available records, or waits for the first ones until `timeout` has passed.
    /// Returns the number of records.
    ///
    /// After [`Control::stop`] it delivers the records that were available at the stop, and then
    /// polling has ended.
    ///
    /// The callback of a generated module gets each record in the buffer, or a copy if the record
    /// is not aligned for its type there. The callback may return [`std::ops::ControlFlow::Break`]
    /// to end this poll, or an error, see [`Outcome`].
    ///
    /// # Errors
    /// Those of [`Records::poll`]: if the memory of a ring contradicts
    /// itself, if waiting fails, or [`crate::Error::Callback`] if callbacks returned errors. A
    /// signal is not an error, and a short record is counted.
    pub fn poll<R: Outcome>(
        &self,
        timeout: Duration,
        mut f: impl FnMut(H::Export<'_>) -> R,
    ) -> Result<u64> {
        self.object().poll(timeout, |map, record| self.0.deliver(map, record, &mut f))
    }

    /// Delivers the available records, even after a stop: those that the programs sent before they
    /// were detached. See [`Records::drain`].
    ///
    /// # Errors
    /// Those of [`Self::poll`].
    pub fn drain<R: Outcome>(&self, mut f: impl FnMut(H::Export<'_>) -> R) -> Result<u64> {
        self.object().drain(|map, record| self.0.deliver(map, record, &mut f))
    }

    /// Returns the number of records in the buffers that were not delivered, including those that a
    /// program is still writing. It is 0 after a `finish` that no callback ended; an application
    /// can report the records that it left unread.
    ///
    /// # Errors
    /// Those of [`Self::poll`].
    pub fn unread(&self) -> Result<u64> {
        self.object().unread()
    }

    /// Waits until there are records to read or `timeout` has passed; returns false if there are
    /// none. It is for callers that read maps one by one, by their handles. For the end of such a
    /// loop see [`Control::stop`].
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if waiting fails.
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        self.object().wait(timeout)
    }

    /// Returns a handle that pauses, resumes and ends polling from any thread.
    pub fn control(&self) -> Control {
        self.object().control()
    }

    /// Sets how polls wait for records from now on.
    pub fn set_waiting(&self, waiting: Waiting) {
        self.object().set_waiting(waiting);
    }
}

impl<H: Handles> Deref for LoadedSkeleton<H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.0
    }
}

impl<H: Handles> Records for LoadedSkeleton<H> {
    type Event<'a> = H::Export<'a>;

    fn poll<R: Outcome>(
        &self,
        timeout: Duration,
        f: impl FnMut(H::Export<'_>) -> R,
    ) -> Result<u64> {
        Self::poll(self, timeout, f)
    }

    fn drain<R: Outcome>(&self, f: impl FnMut(H::Export<'_>) -> R) -> Result<u64> {
        Self::drain(self, f)
    }

    fn control(&self) -> Control {
        Self::control(self)
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.object().as_fd()
    }
}

impl<H: Handles> fmt::Debug for LoadedSkeleton<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoadedSkeleton").field(self.object()).finish()
    }
}
