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
/// A poll that delivers records takes notice of [`Self::pause`] and [`Self::stop_now`] within 16 records. A poll that waits takes notice of
/// everything within the latency of its [`Waiting`](super::Waiting).
///
/// A stop loses nothing, so the plain loop does not either:
///
/// ```no_run
/// # fn main() -> eunomia_runtime::Result<()> {
/// # let skel = eunomia_runtime::Skeleton::from_file("bootstrap.json")?.open()?.load()?.attach()?;
/// let control = skel.control();       // a clone is for the thread or the signal handler that stops
/// while !control.is_stopped() {
///     skel.poll(std::time::Duration::from_millis(100), |event| println!("{}", event.value))?;
/// }
/// # Ok(())
/// # }
/// ```
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
/// A stop was asked for, and what is there has not all been delivered.
const STOPPING: u8 = 2;
const STOPPED: u8 = 3;

impl Control {
    pub(super) fn new() -> Result<Self> {
        let wake =
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|errno| refusal("create an eventfd", errno.into()))?;
        Ok(Self(Arc::new(Shared { state: AtomicU8::new(RUNNING), wake })))
    }

    /// Asks polling to end, for good. The records that are in the buffers are still delivered, also those of a pause: by the poll that
    /// waits now, else by the next one. [`Self::is_stopped`] says true after that, and later polls return 0 at once. May be called any
    /// number of times, also before the first poll, and in a signal handler.
    ///
    /// What comes into the buffers after the poll has seen the stop is not waited for, so polling also ends on a ring that never runs dry.
    /// [`Attached::finish`](crate::bpf::Attached::finish) detaches the programs first, and delivers that too.
    ///
    /// A loop that reads maps one by one ends in the same way: the next `wait` returns true if there are records, the handles deliver what
    /// was there at that time, and the `wait` after that ends polling.
    pub fn stop(&self) {
        self.0.state.fetch_max(STOPPING, Ordering::AcqRel);
        self.wake();
    }

    /// Ends polling at once, for good: a poll that delivers records returns after 16 of them at most. What is left in the buffers can be
    /// read with `drain`, and `unread` counts it.
    pub fn stop_now(&self) {
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

    /// Whether polling has ended: after [`Self::stop`] and the delivery of what was there, after [`Self::stop_now`], and when what was
    /// polled has been dropped.
    pub fn is_stopped(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == STOPPED
    }

    /// Whether polling has ended or [`Self::stop`] asked for it.
    pub fn is_stopping(&self) -> bool {
        self.0.state.load(Ordering::Acquire) >= STOPPING
    }

    /// Whether polling is paused.
    pub fn is_paused(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == PAUSED
    }

    /// Whether records are delivered: a stop that was asked for keeps nobody from that.
    #[inline]
    pub(super) fn delivers(&self) -> bool {
        matches!(self.0.state.load(Ordering::Acquire), RUNNING | STOPPING)
    }

    /// Whether a stop was asked for and polling goes on.
    #[inline]
    pub(super) fn is_ending(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == STOPPING
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
        if self.is_stopping() {
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
