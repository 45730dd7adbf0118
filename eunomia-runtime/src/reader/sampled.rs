//! Maps that are read at intervals, in the same wait as rings.

use std::{
    fmt,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};

use super::{Counters, Drained, Fate, Stats, control::timespec};
use crate::{Result, refusal::refusal};

/// What reads a whole map.
pub(crate) trait Entries: Send {
    /// Reads the map anew; returns how many entries there are.
    fn sample(&mut self) -> Result<usize>;

    /// An entry as a record: the key, then the value, at multiples of 8.
    fn entry(&self, index: usize) -> Option<&[u8]>;
}

/// A map that is read at intervals.
pub(crate) struct Sampled {
    /// Readable when a sample is due.
    timer: OwnedFd,
    every: Duration,
    due: Instant,
    entries: Box<dyn Entries>,
    /// Those of the last sample that were delivered, and all of it: the callback can stop in between.
    delivered: usize,
    len: usize,
}

impl Sampled {
    /// Reads `entries` each time that `every` has passed, for the first time after the first.
    pub(crate) fn new(every: Duration, entries: Box<dyn Entries>) -> Result<Self> {
        let tried = |errno: rustix::io::Errno| refusal("create a timer for a sampled map", errno.into());
        // An interval of zero would disarm the timer.
        let every = every.max(Duration::from_millis(1));
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK).map_err(tried)?;
        let times = Itimerspec { it_interval: timespec(every), it_value: timespec(every) };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times).map_err(tried)?;
        Ok(Self { timer, every, due: Instant::now() + every, entries, delivered: 0, len: 0 })
    }

    /// Whether a sample is due, or not all of the last one was delivered.
    pub(super) fn is_ready(&self) -> bool {
        self.delivered < self.len || Instant::now() >= self.due
    }

    /// Hands every entry to `deliver`, as a record.
    pub(super) fn drain(
        &mut self,
        stats: &Counters,
        running: &impl Fn() -> bool,
        deliver: &mut impl FnMut(&[u8]) -> Fate,
    ) -> Result<Drained> {
        if self.delivered == self.len {
            if Instant::now() < self.due {
                return Ok(Drained::All);
            }
            // A sample that took longer than the interval is followed by the next full one.
            let _ = rustix::io::read(&self.timer, &mut [0; 8]);
            self.due = Instant::now() + self.every;
            (self.delivered, self.len) = (0, 0);
            self.len = self.entries.sample()?;
            stats.update(|stats| stats.drains += 1);
        }
        let mut read = Read { stats, found: Stats::default() };
        while let Some(entry) = (self.delivered < self.len).then(|| self.entries.entry(self.delivered)).flatten() {
            if !running() {
                return Ok(Drained::Stopped);
            }
            self.delivered += 1;
            let fate = deliver(entry);
            read.found.count(fate, entry.len() as u64);
            if fate == Fate::Stop {
                return Ok(Drained::Stopped);
            }
        }
        Ok(Drained::All)
    }
}

/// Counts on every way out, a panic of the callback included.
struct Read<'a> {
    stats: &'a Counters,
    found: Stats,
}

impl Drop for Read<'_> {
    fn drop(&mut self) {
        self.stats.update(|stats| stats.add(&self.found));
    }
}

impl AsFd for Sampled {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

impl fmt::Debug for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { every, delivered, len, .. } = self;
        f.debug_struct("Sampled").field("every", every).field("delivered", delivered).field("len", len).finish_non_exhaustive()
    }
}
