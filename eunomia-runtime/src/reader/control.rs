use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::Errno,
};

use crate::{Result, refusal::refusal};

/// Pauses, resumes and ends polling, from any thread.
///
/// A poll under way takes notice within 16 records, or within the latency of its [`Waiting`](super::Waiting) where it waits.
#[derive(Debug, Clone)]
pub struct Control(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: AtomicU8,
    /// Wakes a poll that waits.
    wake: OwnedFd,
}

const RUNNING: u8 = 0;
const PAUSED: u8 = 1;
const STOPPED: u8 = 2;

impl Control {
    pub(super) fn new() -> Result<Self> {
        let wake =
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|errno| refusal("create an eventfd", errno.into()))?;
        Ok(Self(Arc::new(Shared { state: AtomicU8::new(RUNNING), wake })))
    }

    /// Ends polling, for good: the poll under way returns, later ones return at once. What is left in the buffers can still be read
    /// with `drain`. May be called any number of times, also before the first poll.
    pub fn stop(&self) {
        self.0.state.store(STOPPED, Ordering::Release);
        self.wake();
    }

    /// Polling delivers nothing until [`Self::resume`]: it waits, and the programs go on filling the buffers.
    pub fn pause(&self) {
        self.change(RUNNING, PAUSED);
    }

    /// Ends a pause. After a stop there is no way back.
    pub fn resume(&self) {
        self.change(PAUSED, RUNNING);
    }

    /// Whether [`Self::stop`] has been called.
    pub fn is_stopped(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == STOPPED
    }

    /// Whether polling is paused.
    pub fn is_paused(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == PAUSED
    }

    #[inline]
    pub(super) fn is_running(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == RUNNING
    }

    fn change(&self, from: u8, to: u8) {
        if self.0.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.wake();
        }
    }

    fn wake(&self) {
        // The only possible error is a counter that is full, and then the descriptor is readable already.
        let _ = rustix::io::write(&self.0.wake, &1u64.to_ne_bytes());
    }

    /// Takes notice of a change: the descriptor is readable again at the next one. A stop stays readable.
    pub(super) fn acknowledge(&self) {
        // Nothing to read is no harm.
        let _ = rustix::io::read(&self.0.wake, &mut [0; 8]);
        // The state is stored before the descriptor is written, so a stop whose wake was just taken is seen here.
        if self.is_stopped() {
            self.wake();
        }
    }

    /// Waits for a change, `timeout` at most. A signal ends the wait.
    pub(super) fn wait(&self, timeout: Duration) -> Result<()> {
        let timeout = timespec(timeout);
        match poll(&mut [PollFd::new(&self.0.wake, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {
                self.acknowledge();
                Ok(())
            }
            Err(errno) => Err(refusal("wait for the end of a pause", errno.into())),
        }
    }
}

pub(super) fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}
