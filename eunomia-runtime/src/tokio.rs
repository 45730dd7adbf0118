//! Skeletons in tokio's event loop (feature `tokio`).
//!
//! A loop or a stream ends after [`stop`](crate::reader::Control::stop) on its control handle, once
//! the events already in the buffers are delivered. After a loop that ends in another way, for
//! example by a `select!` with a signal, call [`finish`](crate::bpf::Attached::finish) on
//! [`Async::into_inner`] to get the remaining events.
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
    future::poll_fn,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use tokio::io::{
    Interest,
    unix::{AsyncFd, AsyncFdReadyGuard},
};

use crate::{
    Error, Result,
    host::kernel_error,
    reader::{Outcome, Records, Set},
};

/// A loaded or attached skeleton whose events are awaited.
///
/// It derefs to the skeleton.
///
/// The kernel wakes the task whenever the reader had caught up; [`crate::reader::Waiting`] applies
/// only to `poll` on a thread of its own. A task that sleeps between two batches gathers events in
/// the same way.
#[derive(Debug)]
#[must_use = "the skeleton is detached and unloaded when this is dropped"]
pub struct Async<S> {
    fd: AsyncFd<OwnedFd>,
    skeleton: S,
}

impl<S: Records> Async<S> {
    /// Registers the skeleton with the current tokio runtime.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the file descriptor cannot be registered.
    ///
    /// # Panics
    /// Panics outside a runtime with IO enabled, as all of tokio does.
    pub fn new(skeleton: S) -> Result<Self> {
        Ok(Self { fd: register(skeleton.descriptor())?, skeleton })
    }

    /// Waits for events, delivers all available ones and returns their number.
    ///
    /// 0 means that polling has ended: after a [`stop`](crate::reader::Control::stop) the events
    /// already in the buffers are delivered first.
    ///
    /// No event is lost if the future is dropped: between taking the first event and returning
    /// there is no `.await`.
    ///
    /// # Errors
    /// Those of [`Records::poll`].
    pub async fn next_batch<R: Outcome>(
        &mut self,
        mut f: impl FnMut(S::Event<'_>) -> R,
    ) -> Result<u64> {
        loop {
            let mut readable = readable(&self.fd).await?;
            let count = self.skeleton.poll(Duration::ZERO, &mut f)?;
            if count > 0 || self.skeleton.control().is_stopped() {
                return Ok(count);
            }
            // Events that came after it was found readable make it ready again.
            readable.clear_ready();
        }
    }

    /// Returns a stream of `f`'s results for the events, until polling has ended.
    ///
    /// Results that were not yet taken from the stream are held in memory.
    pub fn into_stream<T, F: FnMut(S::Event<'_>) -> T>(self, f: F) -> EventStream<S, T, F> {
        EventStream { source: self, f, taken: VecDeque::new() }
    }

    /// Returns the skeleton, to wait without tokio.
    pub fn into_inner(self) -> S {
        self.skeleton
    }
}

/// A set of skeletons, each with its own callback.
impl<'a> Async<Set<'a>> {
    /// Registers a set of skeletons with the current tokio runtime.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    ///
    /// # Panics
    /// Panics if [`Self::new`] does.
    pub fn from_set(set: Set<'a>) -> Result<Self> {
        Ok(Self { fd: register(set.as_fd())?, skeleton: set })
    }

    /// Waits for events of any of the skeletons, delivers all available ones and returns their
    /// number.
    ///
    /// 0 means that polling has ended. No event is lost if the future is dropped.
    ///
    /// # Errors
    /// Those of [`Set::poll`].
    pub async fn next(&mut self) -> Result<u64> {
        loop {
            let mut readable = readable(&self.fd).await?;
            let count = self.skeleton.poll(Duration::ZERO)?;
            if count > 0 || self.skeleton.control().is_stopped() {
                return Ok(count);
            }
            readable.clear_ready();
        }
    }
}

fn register(fd: BorrowedFd<'_>) -> Result<AsyncFd<OwnedFd>> {
    let tried = |error| kernel_error("wait on the maps with tokio", error);
    let fd = fd.try_clone_to_owned().map_err(tried)?;
    // SAFETY: this function owns the descriptor and moves it into the `AsyncFd`, so it stays open
    // and does not change.
    let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    fd.map_err(|error| tried(error.into()))
}

/// Waits until events may be there. Now and then it lets other tasks run although they are, so that
/// events that never cease do not keep those tasks, timers and signals from running:
/// `AsyncFd::readable` does not do so.
async fn readable(fd: &AsyncFd<OwnedFd>) -> Result<AsyncFdReadyGuard<'_, OwnedFd>> {
    poll_fn(|context| fd.poll_read_ready(context)).await.map_err(refused)
}

impl<S> std::ops::Deref for Async<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.skeleton
    }
}

/// A stream of events; see [`Async::into_stream`].
#[derive(Debug)]
pub struct EventStream<S, T, F> {
    source: Async<S>,
    f: F,
    taken: VecDeque<T>,
}

// Nothing in it is pinned.
impl<S, T, F> Unpin for EventStream<S, T, F> {}

impl<S: Records, T, F: FnMut(S::Event<'_>) -> T> Stream for EventStream<S, T, F> {
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
    kernel_error("wait for events with tokio", error)
}
