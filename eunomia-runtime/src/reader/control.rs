//! The handle that pauses, resumes and ends polling.

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

use crate::{Result, host::kernel_error};

/// A handle that pauses, resumes and ends polling, from any thread.
///
/// A poll that delivers records reacts to [`Self::pause`] and [`Self::stop_now`] within 16 records.
/// A poll that waits reacts to every change within the latency of its [`Waiting`](super::Waiting).
///
/// A stop loses no records, so neither does the plain loop:
///
/// ```no_run
/// # fn main() -> eunomia_runtime::Result<()> {
/// # let skel = eunomia_runtime::Skeleton::from_file("bootstrap.json")?.open()?.load()?.attach()?;
/// let control = skel.control();       // clone it for the thread or signal handler that stops
/// while !control.is_stopped() {
///     skel.poll(std::time::Duration::from_millis(100), |event| println!("{}", event.value))?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Control(Arc<Shared>);

/// What all clones of a handle share.
#[derive(Debug)]
struct Shared {
    state: AtomicU8,
    /// An eventfd that wakes a poll that waits.
    wake: OwnedFd,
}

const RUNNING: u8 = 0;
const PAUSED: u8 = 1;
/// A stop was requested, and the records that are there were not all delivered.
const STOPPING: u8 = 2;
const STOPPED: u8 = 3;

impl Control {
    /// Creates a handle in the state `RUNNING`.
    pub(super) fn new() -> Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| kernel_error("create an eventfd", errno.into()))?;
        Ok(Self(Arc::new(Shared { state: AtomicU8::new(RUNNING), wake })))
    }

    /// Requests the end of polling, for good. The records that are in the buffers are still
    /// delivered, also those that came during a pause: by the poll that is waiting now, or by the
    /// next one. After that [`Self::is_stopped`] returns true, and later polls return 0 at once. It
    /// may be called any number of times, also before the first poll, and in a signal handler.
    ///
    /// Records that arrive after the poll saw the stop are not awaited, so polling also ends on a
    /// ring that never runs dry. [`Attached::finish`](crate::bpf::Attached::finish) detaches the
    /// programs first, and delivers those records too.
    ///
    /// A loop that reads maps one by one ends in the same way: the next `wait` returns true if
    /// there are records, the handles deliver those that were there at that time, and the `wait`
    /// after that ends polling.
    pub fn stop(&self) {
        self.0.state.fetch_max(STOPPING, Ordering::AcqRel);
        self.wake();
    }

    /// Ends polling at once, for good: a poll that delivers records returns after 16 of them at
    /// most. `drain` reads the records that are left in the buffers, and `unread` counts them.
    pub fn stop_now(&self) {
        self.0.state.store(STOPPED, Ordering::Release);
        self.wake();
    }

    /// Pauses polling until [`Self::resume`]: polls wait and deliver nothing, while the programs go
    /// on filling the buffers.
    pub fn pause(&self) {
        self.change(RUNNING, PAUSED);
    }

    /// Ends a pause. A stop cannot be undone.
    pub fn resume(&self) {
        self.change(PAUSED, RUNNING);
    }

    /// Reports whether polling has ended: after [`Self::stop`] and the delivery of the records that
    /// were there, after [`Self::stop_now`], or because the polled object was dropped.
    pub fn is_stopped(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == STOPPED
    }

    /// Reports whether polling has ended or [`Self::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.0.state.load(Ordering::Acquire) >= STOPPING
    }

    /// Reports whether polling is paused.
    pub fn is_paused(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == PAUSED
    }

    /// Reports whether records may be delivered. A requested stop does not prevent that.
    #[inline]
    pub(super) fn delivers(&self) -> bool {
        matches!(self.0.state.load(Ordering::Acquire), RUNNING | STOPPING)
    }

    /// Reports whether a stop was requested and polling has not ended.
    #[inline]
    pub(super) fn is_ending(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == STOPPING
    }

    /// Changes the state, if it is `from`.
    fn change(&self, from: u8, to: u8) {
        if self.0.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.wake();
        }
    }

    /// Makes the descriptor readable.
    pub(super) fn wake(&self) {
        // The only possible error is a full counter, and then the descriptor is readable already.
        let _ = rustix::io::write(&self.0.wake, &1u64.to_ne_bytes());
    }

    /// Acknowledges a change, so that the descriptor is readable again only at the next one. After
    /// a stop it stays readable.
    pub(super) fn acknowledge(&self) {
        // A read of an eventfd that is zero fails, which is harmless.
        let _ = rustix::io::read(&self.0.wake, &mut [0; 8]);
        // The state is stored before the descriptor is written, so a stop whose wakeup was just
        // consumed is seen here.
        if self.is_stopping() {
            self.wake();
        }
    }

    /// Waits up to `timeout` for a change. A signal ends the wait.
    pub(super) fn wait(&self, timeout: Duration) -> Result<()> {
        let timeout = timespec(timeout);
        match poll(&mut [PollFd::new(&self.0.wake, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {
                self.acknowledge();
                Ok(())
            }
            Err(errno) => Err(kernel_error("wait for the end of a pause", errno.into())),
        }
    }
}

pub(super) fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}
