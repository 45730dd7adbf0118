//! How a poll waits for records.

use std::time::{Duration, Instant};

use rustix::thread::nanosleep;

use super::control::timespec;

/// How a poll waits for records.
///
/// The kernel wakes a reader whenever the reader has caught up, and the producer pays for the
/// wakeup: more than a microsecond for each record if the reader is always faster. So by default
/// the reader lets the records of a burst gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Reads at most once in this time while records keep coming; a record then waits at most that
    /// much longer than necessary. The first record after a pause is delivered at once. A
    /// sleep can end later, because of the scheduler. The default is 100 microseconds.
    Adaptive {
        /// The time between two reads.
        latency: Duration,
    },
    /// Waits for the kernel after every read, so that no record waits for others. For few events,
    /// or if the load of the producers does not matter.
    Epoll,
    /// Polls without a pause: the lowest latency, for a whole CPU.
    Busy,
}

impl Default for Waiting {
    fn default() -> Self {
        Self::Adaptive { latency: Duration::from_micros(100) }
    }
}

/// The time that the kernel adds to a short sleep (the default timer slack, `PR_SET_TIMERSLACK`).
const SLACK: Duration = Duration::from_micros(50);

/// Number of windows without a record after which a burst is over.
const QUIET: u32 = 4;

/// The burst of records that a reader is in, if any.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Burst {
    /// The time of the last delivery; `None` outside of a burst.
    last: Option<Instant>,
}

impl Burst {
    /// Returns how long to wait before the next read: the rest of the window.
    pub(super) fn pause(self, waiting: Waiting) -> Duration {
        match (waiting, self.last) {
            (Waiting::Adaptive { latency }, Some(last)) => {
                latency.saturating_sub(SLACK).saturating_sub(last.elapsed())
            }
            _ => Duration::ZERO,
        }
    }

    /// Returns the time to sleep if the burst goes on after a read that found nothing, or `None` if
    /// it is over.
    pub(super) fn goes_on(&mut self, waiting: Waiting) -> Option<Duration> {
        let (Waiting::Adaptive { latency }, Some(last)) = (waiting, self.last) else { return None };
        if last.elapsed() > latency.saturating_mul(QUIET) {
            self.last = None;
            return None;
        }
        Some(latency.saturating_sub(SLACK))
    }

    /// Notes that records were delivered.
    pub(super) fn feed(&mut self, waiting: Waiting) {
        // Only the adaptive mode needs the clock.
        if matches!(waiting, Waiting::Adaptive { .. }) {
            self.last = Some(Instant::now());
        }
    }
}

/// The longest single wait: kernels before 5.11 count it in milliseconds in an `int`. The caller
/// waits again.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The time at which a poll ends; `None` if it is too late for a clock to hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// Returns the deadline of a poll that starts now.
    pub(super) fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// Returns the time that is left, but no more than a single wait can last.
    pub(super) fn left(self) -> Duration {
        self.0
            .map_or(MAX_WAIT, |deadline| deadline.saturating_duration_since(Instant::now()))
            .min(MAX_WAIT)
    }
}

/// The longest sleep on a record that is reserved and not yet committed. Such a record makes its
/// ring readable for epoll although nothing can be read, so an epoll wait would spin.
pub(super) const MAX_BUSY_SLEEP: Duration = Duration::from_millis(1);

/// How often a final read retries a record that is reserved and not yet committed, at intervals of
/// [`MAX_BUSY_SLEEP`]: a program may run for a moment after it was detached.
pub(super) const BUSY_RETRIES: u32 = 10;

/// The retries that are left for records that are reserved and not yet committed.
#[derive(Debug)]
pub(super) struct Retries(u32);

impl Retries {
    /// Returns the retries of a final read.
    pub(super) fn of_final_read() -> Self {
        Self(BUSY_RETRIES)
    }

    /// Returns no retries.
    pub(super) fn none() -> Self {
        Self(0)
    }

    /// Sleeps before a retry, or returns false if none is left.
    pub(super) fn next(&mut self) -> bool {
        let Some(left) = self.0.checked_sub(1) else { return false };
        self.0 = left;
        nap(MAX_BUSY_SLEEP);
        true
    }
}

/// Sleeps for `time`, but not beyond a signal: the caller computes the time left.
/// `std::thread::sleep` sleeps again for the time that the kernel reports as left. That includes
/// the slack of the timer, so the sleep never ends if signals come more often than the slack.
pub(super) fn nap(time: Duration) {
    if !time.is_zero() {
        let _ = nanosleep(&timespec(time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_latency_is_too_long() {
        let (mut burst, waiting) = (Burst::default(), Waiting::Adaptive { latency: Duration::MAX });
        burst.feed(waiting);
        assert_eq!(burst.goes_on(waiting), Some(Duration::MAX - SLACK));
    }
}
