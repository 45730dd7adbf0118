use std::{
    ops::ControlFlow,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::event::{EventfdFlags, eventfd};

use crate::{Result, refusal::refusal};

/// Ends polling from any thread: the poll under way returns after the record in hand, later ones at once. What is left in the buffers
/// can still be read with `drain`.
#[derive(Debug, Clone)]
pub struct Stop(Arc<Control>);

#[derive(Debug)]
struct Control {
    stopped: AtomicBool,
    /// Wakes a poll that waits; stays readable once written.
    wake: OwnedFd,
}

impl Stop {
    pub(super) fn new() -> Result<Self> {
        let wake =
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|errno| refusal("create an eventfd", errno.into()))?;
        Ok(Self(Arc::new(Control { stopped: AtomicBool::new(false), wake })))
    }

    /// Ends polling, for good. May be called any number of times, also before the first poll.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
        // The only possible error is a counter that is full, and then the descriptor is readable already.
        let _ = rustix::io::write(&self.0.wake, &1u64.to_ne_bytes());
    }

    /// Whether [`Self::stop`] has been called.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}

/// What a callback may return: nothing, or [`ControlFlow::Break`] to end this poll behind the record in hand.
pub trait Outcome {
    /// Whether to end the poll.
    fn stops(self) -> bool;
}

impl Outcome for () {
    fn stops(self) -> bool {
        false
    }
}

impl Outcome for ControlFlow<()> {
    fn stops(self) -> bool {
        self.is_break()
    }
}
