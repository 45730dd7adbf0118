//! Sampled maps: maps that are read at intervals, in the same wait as rings.

use std::{
    fmt,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use super::{Counters, Drained, Fate, Stats, timer::Timer};
use crate::{Result, host::kernel_error};

/// A reader of a whole map.
pub(crate) trait Entries: Send {
    /// Reads the map again. After an error, the entries are those read before it; they may be gone
    /// from the map.
    fn sample(&mut self) -> Result<()>;

    /// Returns the number of entries that were read.
    fn len(&self) -> usize;

    /// Returns an entry as a record: its key, then its value, each at a multiple of 8.
    fn entry(&self, index: usize) -> Option<&[u8]>;
}

/// A map that is read at intervals.
pub(crate) struct Sampled {
    /// Readable when a sample is due.
    timer: Timer,
    every: Duration,
    due: Instant,
    entries: Box<dyn Entries>,
    /// Number of entries of the last sample that were delivered. The callback can stop between two
    /// entries.
    delivered: usize,
    /// The result of the last sample, returned once after its entries were delivered.
    sampled: Result<()>,
    /// True if a sample was taken after the mark.
    ended: bool,
}

/// A century.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl Sampled {
    /// Reads `entries` at intervals of `every`, for the first time when the first interval has
    /// passed.
    pub(crate) fn new(every: Duration, entries: Box<dyn Entries>) -> Result<Self> {
        // An interval of zero would disarm the timer, and a clock cannot hold every one.
        let every = every.clamp(Duration::from_millis(1), LONGEST);
        let timer = Timer::new(every)
            .map_err(|errno| kernel_error("create a timer for a sampled map", errno.into()))?;
        Ok(Self {
            timer,
            every,
            due: Instant::now() + every,
            entries,
            delivered: 0,
            sampled: Ok(()),
            ended: false,
        })
    }

    /// Reports whether a sample is due, or the last one was not delivered completely.
    pub(super) fn is_ready(&self) -> bool {
        self.is_under_way() || Instant::now() >= self.due
    }

    /// Requests one more sample, due or not.
    pub(super) fn mark(&mut self) {
        self.ended = false;
    }

    /// Reports whether the sample after the mark was taken and delivered.
    pub(super) fn is_at_mark(&self) -> bool {
        self.ended && !self.is_under_way()
    }

    /// Returns the number of entries of the last sample that were not delivered.
    pub(super) fn unread(&self) -> u64 {
        self.entries.len().saturating_sub(self.delivered) as u64
    }

    /// Reports whether the last sample still has entries, or an error, to deliver.
    fn is_under_way(&self) -> bool {
        self.delivered < self.entries.len() || self.sampled.is_err()
    }

    /// Makes the next sample due after an interval. The timer does not expire before: its descriptor
    /// would stay readable until then.
    fn schedule(&mut self) {
        self.due = Instant::now() + self.every;
        // If the timer cannot be set, it keeps its schedule.
        if self.timer.start(self.every).is_err() {
            self.timer.acknowledge();
        }
    }

    /// Takes a sample if one is due, and delivers its entries as records.
    pub(super) fn drain(
        &mut self,
        stats: &Counters,
        running: &impl Fn() -> bool,
        deliver: &mut impl FnMut(&[u8]) -> Fate,
    ) -> Result<Drained> {
        if !self.is_under_way() {
            if Instant::now() < self.due {
                return Ok(Drained::All);
            }
            self.schedule();
            self.delivered = 0;
            self.sampled = self.entries.sample();
            // If a sample takes longer than the interval, the next one follows after a full
            // interval.
            if Instant::now() >= self.due {
                self.schedule();
            }
            stats.update(|stats| stats.drains += 1);
        }
        let mut read = Read { stats, found: Stats::default() };
        while let Some(entry) = self.entries.entry(self.delivered) {
            if !running() {
                return Ok(Drained::Stopped);
            }
            self.delivered += 1;
            let fate = read.found.counted(1, entry.len() as u64, || deliver(entry));
            if fate == Fate::Stop {
                return Ok(Drained::Stopped);
            }
        }
        std::mem::replace(&mut self.sampled, Ok(())).map(|()| Drained::All)
    }

    /// Drains as [`Self::drain_rest`], but takes only one sample after the mark, however often the
    /// callback stops in between.
    pub(super) fn drain_last(
        &mut self,
        stats: &Counters,
        running: &impl Fn() -> bool,
        deliver: &mut impl FnMut(&[u8]) -> Fate,
    ) -> Result<Drained> {
        match (self.ended, self.is_under_way()) {
            (false, _) => self.drain_rest(stats, running, deliver),
            (true, true) => self.drain(stats, running, deliver),
            (true, false) => Ok(Drained::All),
        }
    }

    /// Delivers what is left of the last sample, then takes and delivers another one, due or not:
    /// no later read delivers what is in the map now.
    pub(super) fn drain_rest(
        &mut self,
        stats: &Counters,
        running: &impl Fn() -> bool,
        deliver: &mut impl FnMut(&[u8]) -> Fate,
    ) -> Result<Drained> {
        let mut left = Ok(Drained::All);
        if self.is_under_way() {
            left = self.drain(stats, running, deliver);
            if matches!(left, Ok(Drained::Stopped)) {
                return left;
            }
        }
        self.ended = true;
        self.due = Instant::now();
        let drained = self.drain(stats, running, deliver);
        left.and(drained)
    }
}

/// Updates the statistics on every way out, also if the callback panics.
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
        let Self { every, delivered, entries, .. } = self;
        f.debug_struct("Sampled")
            .field("every", every)
            .field("delivered", delivered)
            .field("len", &entries.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    /// A map that gives up some entries before the kernel refuses the rest.
    struct Torn(Vec<[u8; 8]>);

    impl Entries for Torn {
        fn sample(&mut self) -> Result<()> {
            self.0 = (0..10u64).map(u64::to_ne_bytes).collect();
            Err(Error::Incomplete { name: "map".to_owned(), why: "torn".to_owned() })
        }

        fn len(&self) -> usize {
            self.0.len()
        }

        fn entry(&self, index: usize) -> Option<&[u8]> {
            self.0.get(index).map(<[u8; 8]>::as_slice)
        }
    }

    #[test]
    fn drain_delivers_entries_before_the_error() {
        let (stats, mut seen) = (Counters::default(), Vec::new());
        let mut sampled =
            Sampled::new(Duration::from_secs(3600), Box::new(Torn(Vec::new()))).unwrap();
        sampled.due = Instant::now();
        let mut deliver = |entry: &[u8]| {
            seen.push(entry[0]);
            if entry[0] == 3 { Fate::Stop } else { Fate::Delivered }
        };
        assert_eq!(sampled.drain(&stats, &|| true, &mut deliver).unwrap(), Drained::Stopped);
        assert!(sampled.is_ready(), "entries are left");
        let error = sampled.drain(&stats, &|| true, &mut deliver).unwrap_err();
        assert_eq!((error.to_string().as_str(), seen), ("map: torn", (0..10).collect()));
        assert_eq!((stats.get().received, stats.get().drains), (10, 1));
        assert!(!sampled.is_ready(), "the error is reported once");
    }

    #[test]
    fn any_interval_is_accepted() {
        let sampled = Sampled::new(Duration::MAX, Box::new(Torn(Vec::new()))).unwrap();
        assert!(!sampled.is_ready());
    }

    #[test]
    fn drain_rest_delivers_leftovers_and_a_new_sample() {
        let (stats, mut seen) = (Counters::default(), Vec::new());
        let mut sampled =
            Sampled::new(Duration::from_secs(3600), Box::new(Torn(Vec::new()))).unwrap();
        let mut deliver = |entry: &[u8]| {
            seen.push(entry[0]);
            if seen.len() == 4 { Fate::Stop } else { Fate::Delivered }
        };
        assert_eq!(sampled.drain(&stats, &|| true, &mut deliver).unwrap(), Drained::All, "not due");
        assert_eq!(sampled.drain_rest(&stats, &|| true, &mut deliver).unwrap(), Drained::Stopped);
        assert!(sampled.drain_rest(&stats, &|| true, &mut deliver).is_err());
        assert_eq!(seen, (0..10).chain(0..10).collect::<Vec<_>>());
        assert_eq!((stats.get().received, stats.get().drains), (20, 2));
        assert!(!sampled.is_ready(), "the next one is due in an hour");
    }
}
