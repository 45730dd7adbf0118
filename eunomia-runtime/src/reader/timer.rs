//! A timer that expires at intervals, as a descriptor.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::control::timespec;

/// A timer that is readable after each interval.
#[derive(Debug)]
pub(super) struct Timer(OwnedFd);

impl Timer {
    /// Creates a timer that expires every `time`. A time of zero would disarm it.
    pub(super) fn new(time: Duration) -> rustix::io::Result<Self> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        let timer = Self(timer);
        timer.start(time)?;
        Ok(timer)
    }

    /// Makes the timer unreadable, and lets it expire every `time` from now on.
    pub(super) fn start(&self, time: Duration) -> rustix::io::Result<()> {
        let time = timespec(time);
        let times = Itimerspec { it_interval: time, it_value: time };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &times).map(drop)
    }

    /// Makes the timer unreadable until it expires again.
    pub(super) fn acknowledge(&self) {
        // A read of a timer that has not expired fails, which is harmless.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
