//! Skeletons in tokio's event loop, feature `tokio`.
//!
//! A loop or a stream ends after [`stop`](crate::reader::Control::stop) of its control handle, and what was there is delivered before. A
//! loop that ends in another way, by a `select!` with a signal for example, takes what is left with
//! [`finish`](crate::bpf::Attached::finish) of [`Async::into_inner`].
//!
//! ```no_run
//! # async fn run(skel: eunomia_runtime::dynamic::Attached) -> eunomia_runtime::Result<()> {
//! let mut skel = eunomia_runtime::tokio::Async::new(skel)?;
//! while skel.next_batch(|event| println!("{}", event.value)).await? > 0 {}
//! # Ok(())
//! # }
//! ```

use std::{
    collections::VecDeque,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use tokio::io::{Interest, unix::AsyncFd};

use crate::{
    Error, Result,
    reader::{Outcome, Records, Set},
    refusal::refusal,
};

/// A loaded or attached skeleton whose events are waited for with `.await`. Derefs to it.
///
/// The kernel wakes the task each time that it has caught up; [`crate::reader::Waiting`] is for `poll` on a thread of its own. A task
/// that sleeps between two batches lets events gather in the same way.
#[derive(Debug)]
#[must_use = "what it holds is detached and unloaded when it is dropped"]
pub struct Async<S> {
    fd: AsyncFd<OwnedFd>,
    skeleton: S,
}

impl<S: Records> Async<S> {
    /// Registers with the runtime of tokio that this is called in.
    ///
    /// # Errors
    /// [`Error::Kernel`] where the descriptor cannot be registered.
    ///
    /// # Panics
    /// Outside of a runtime with IO enabled, as everything in tokio.
    pub fn new(skeleton: S) -> Result<Self> {
        Ok(Self { fd: register(skeleton.descriptor())?, skeleton })
    }

    /// Waits for events and delivers all that are there; returns how many. 0 means that polling has ended: after a
    /// [`stop`](crate::reader::Control::stop) what was there is delivered first.
    ///
    /// Nothing is lost where the future is dropped: between taking the first event and returning there is no `.await`.
    ///
    /// # Errors
    /// Those of [`crate::reader::Reader::poll`].
    pub async fn next_batch<R: Outcome>(&mut self, mut f: impl FnMut(S::Event<'_>) -> R) -> Result<u64> {
        loop {
            let mut readable = self.fd.readable().await.map_err(refused)?;
            let count = self.skeleton.poll(Duration::ZERO, &mut f)?;
            if count > 0 || self.skeleton.control().is_stopped() {
                return Ok(count);
            }
            // What came since it was found readable is remembered.
            readable.clear_ready();
        }
    }

    /// The events as a stream of what `f` makes of them, until polling has ended. What is taken from the buffers and not yet from the
    /// stream is held in memory.
    pub fn into_stream<T, F: FnMut(S::Event<'_>) -> T>(self, f: F) -> Events<S, T, F> {
        Events { source: self, f, taken: VecDeque::new() }
    }

    /// The skeleton, for waits without tokio.
    pub fn into_inner(self) -> S {
        self.skeleton
    }
}

/// Several skeletons, each with its own callback.
impl<'a> Async<Set<'a>> {
    /// As [`Self::new`], of a set.
    ///
    /// # Errors
    /// As [`Self::new`].
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn of_set(set: Set<'a>) -> Result<Self> {
        Ok(Self { fd: register(set.as_fd())?, skeleton: set })
    }

    /// Waits for events of any of the skeletons and delivers all that are there; returns how many. 0 means that polling has ended. Nothing
    /// is lost where the future is dropped.
    ///
    /// # Errors
    /// Those of [`Set::poll`].
    pub async fn next(&mut self) -> Result<u64> {
        loop {
            let mut readable = self.fd.readable().await.map_err(refused)?;
            let count = self.skeleton.poll(Duration::ZERO)?;
            if count > 0 || self.skeleton.control().is_stopped() {
                return Ok(count);
            }
            readable.clear_ready();
        }
    }
}

fn register(fd: BorrowedFd<'_>) -> Result<AsyncFd<OwnedFd>> {
    let tried = |error| refusal("wait on the maps with tokio", error);
    let fd = fd.try_clone_to_owned().map_err(tried)?;
    // SAFETY: the descriptor is our own, so it stays open and the same.
    let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    fd.map_err(|error| tried(error.into()))
}

impl<S> std::ops::Deref for Async<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.skeleton
    }
}

/// See [`Async::into_stream`].
#[derive(Debug)]
pub struct Events<S, T, F> {
    source: Async<S>,
    f: F,
    taken: VecDeque<T>,
}

// Nothing in it is pinned.
impl<S, T, F> Unpin for Events<S, T, F> {}

impl<S: Records, T, F: FnMut(S::Event<'_>) -> T> Stream for Events<S, T, F> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let Self { source, f, taken } = self.get_mut();
        loop {
            if let Some(item) = taken.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            let mut readable = match ready!(source.fd.poll_read_ready(context)) {
                Ok(readable) => readable,
                Err(error) => return Poll::Ready(Some(Err(refused(error)))),
            };
            match source.skeleton.poll(Duration::ZERO, |event| taken.push_back(f(event))) {
                Ok(0) if source.skeleton.control().is_stopped() => return Poll::Ready(None),
                Ok(0) => readable.clear_ready(),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

fn refused(error: std::io::Error) -> Error {
    refusal("wait for events with tokio", error)
}
