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

/// An object in the kernel and what is known of it: the types of a generated module, or a skeleton that was read at run time. Both are
/// polled, attached and controlled alike, here; what each has beside is behind `Deref`.
pub struct Typed<H>(H);

/// What is known of an object.
pub trait Handles: 'static {
    /// A record of its maps.
    type Export<'a>;

    /// The object.
    fn object(&self) -> &Loaded;

    /// Hands a record to `f` as what it is, `map` being the number of its map.
    fn deliver<R: Outcome>(&self, map: usize, record: &[u8], f: impl FnOnce(Self::Export<'_>) -> R) -> Verdict;
}

impl<H: Handles> Typed<H> {
    #[doc(hidden)]
    pub fn new(handles: H) -> Self {
        Self(handles)
    }

    /// The object below, by names.
    pub fn object(&self) -> &Loaded {
        self.0.object()
    }

    /// Attaches every program that is not switched off, as its section says.
    ///
    /// # Errors
    /// The kernel's refusal for the first program that cannot be attached; nothing stays attached. See [`Loaded::links`].
    pub fn attach(self) -> Result<Attached<Self>> {
        let links = self.object().links()?;
        Ok(Attached::new(self, links))
    }

    /// Delivers the records that are there, or waits for the first ones until `timeout` has passed; returns how many came. After
    /// [`Control::stop`] it delivers what was there, then polling has ended.
    ///
    /// The callback of a generated module gets each record where the kernel wrote it (one copy where a record there is not aligned for its
    /// type). It may return [`std::ops::ControlFlow::Break`] to end this poll, or an error, see [`Outcome`].
    ///
    /// # Errors
    /// Where the memory of a ring contradicts itself, or waiting fails; [`crate::Error::Callback`]. A signal is no error, a short record is
    /// counted.
    pub fn poll<R: Outcome>(&self, timeout: Duration, mut f: impl FnMut(H::Export<'_>) -> R) -> Result<u64> {
        self.object().poll(timeout, |map, record| self.0.deliver(map, record, &mut f))
    }

    /// Delivers the records that are there, also after a stop: what the programs sent before they were detached; see [`Reader::drain`](crate::reader::Reader::drain).
    ///
    /// # Errors
    /// Those of [`Self::poll`].
    pub fn drain<R: Outcome>(&self, mut f: impl FnMut(H::Export<'_>) -> R) -> Result<u64> {
        self.object().drain(|map, record| self.0.deliver(map, record, &mut f))
    }

    /// How many records are in the buffers that were not delivered, see [`Reader::unread`](crate::reader::Reader::unread).
    ///
    /// # Errors
    /// Those of [`Self::poll`].
    pub fn unread(&self) -> Result<u64> {
        self.object().unread()
    }

    /// Waits until there are records to read, or `timeout` has passed; whether there are. For those who read maps one by one, by their
    /// handles. For the end of such a loop see [`Control::stop`].
    ///
    /// # Errors
    /// Where waiting fails.
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        self.object().wait(timeout)
    }

    /// A handle that pauses, resumes and ends polling from any thread.
    pub fn control(&self) -> Control {
        self.object().control()
    }

    /// How polls wait for records from now on.
    pub fn set_waiting(&self, waiting: Waiting) {
        self.object().set_waiting(waiting);
    }
}

impl<H: Handles> Deref for Typed<H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.0
    }
}

impl<H: Handles> Records for Typed<H> {
    type Event<'a> = H::Export<'a>;

    fn poll<R: Outcome>(&self, timeout: Duration, f: impl FnMut(H::Export<'_>) -> R) -> Result<u64> {
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

impl<H: Handles> fmt::Debug for Typed<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Typed").field(self.object()).finish()
    }
}
