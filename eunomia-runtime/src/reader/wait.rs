//! One wait over all maps.

use std::{
    cell::RefCell,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{
        Timespec,
        epoll::{self, CreateFlags, EventData, EventFlags},
    },
    io::Errno,
};

use super::{Counters, Drained, PerfRing, Ring, Stats, Stop, Verdict};
use crate::{Error, Result, refusal::refusal};

/// Reads every map that delivers records, in one wait.
#[derive(Debug)]
pub struct Reader {
    epoll: OwnedFd,
    /// Each with the number of its map. Borrowed while a callback runs, which may still ask for counts, maps and variables.
    sources: RefCell<Vec<(usize, Source)>>,
    /// By the number of the map.
    stats: Vec<Counters>,
    stop: Stop,
}

/// A ring, of either kind.
#[derive(Debug)]
pub(crate) enum Source {
    Ring(Ring),
    Perf(PerfRing),
}

/// The longest sleep on a record that its producer holds uncommitted. A busy record makes its ring readable for epoll although there
/// is nothing to read, so waiting there would spin.
const MAX_BUSY_SLEEP: Duration = Duration::from_millis(1);

/// The longest single wait: kernels before 5.11 count it in milliseconds in an `int`. The caller waits again.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

impl Reader {
    /// Reads the rings of each map.
    pub(crate) fn new(maps: Vec<Vec<Source>>) -> Result<Self> {
        let tried = |errno: Errno| refusal("wait on the maps with epoll", errno.into());
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(tried)?;
        let stop = Stop::new()?;
        let stats: Vec<_> = maps.iter().map(|_| Counters::default()).collect();
        let sources: Vec<_> =
            maps.into_iter().enumerate().flat_map(|(map, sources)| sources.into_iter().map(move |source| (map, source))).collect();
        let add = |fd: BorrowedFd<'_>| epoll::add(&epoll, fd, EventData::new_u64(0), EventFlags::IN).map_err(tried);
        add(stop.as_fd())?;
        for (map, source) in &sources {
            add(source.as_fd())?;
            if let (Source::Perf(_), Some(stats)) = (source, stats.get(*map)) {
                stats.update(|stats| stats.lost = Some(0));
            }
        }
        Ok(Self { epoll, sources: RefCell::new(sources), stats, stop })
    }

    /// A handle that ends polling.
    pub fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }

    /// What became of the records of each map, in the order of the maps. Callbacks may ask too; the record in their hands is not
    /// counted yet.
    pub fn stats(&self) -> impl Iterator<Item = Stats> {
        self.stats.iter().map(Counters::get)
    }

    /// Delivers the records that are there, or waits for the first ones until `timeout` has passed.
    ///
    /// Returns how many records were delivered; 0 where none came in time or polling was stopped. A signal does not end the wait.
    ///
    /// # Errors
    /// Where epoll fails, or a callback polls the reader that called it. Where a ring's memory contradicts itself, after the other
    /// rings were read; this one is not read again.
    pub fn poll(&self, timeout: Duration, mut deliver: impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        let deadline = Instant::now().checked_add(timeout);
        let mut busy_sleep = Duration::from_micros(20);
        let stopped = || self.stop.is_stopped();
        while !stopped() {
            let before = self.received();
            let drained = self.read(&stopped, &mut deliver)?;
            let delivered = self.received() - before;
            if delivered > 0 || drained == Drained::Stopped {
                return Ok(delivered);
            }
            let left = deadline.map_or(MAX_WAIT, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(0);
            }
            if drained == Drained::Busy {
                thread::sleep(left.min(busy_sleep));
                busy_sleep = (busy_sleep * 2).min(MAX_BUSY_SLEEP);
            } else if !self.has_more()? {
                self.wait(left.min(MAX_WAIT))?;
            }
        }
        Ok(0)
    }

    /// Delivers the records that are there, without waiting and also after a stop: what the programs sent before they were detached.
    ///
    /// # Errors
    /// As [`Self::poll`].
    pub fn drain(&self, mut deliver: impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        let before = self.received();
        self.read(&|| false, &mut deliver)?;
        Ok(self.received() - before)
    }

    fn received(&self) -> u64 {
        self.stats().map(|stats| stats.received).sum()
    }

    /// Reads every ring once. One that is damaged keeps nobody from being read: it is dropped, and its error returned at the end.
    fn read(&self, stopped: &impl Fn() -> bool, deliver: &mut impl FnMut(usize, &[u8]) -> Verdict) -> Result<Drained> {
        let mut sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        let mut result = Ok(Drained::All);
        let mut index = 0;
        while let Some((map, source)) = sources.get_mut(index) {
            let Some(stats) = self.stats.get(*map) else { break };
            let mut deliver = |record: &[u8]| deliver(*map, record);
            let drained = match source {
                Source::Ring(ring) => ring.drain(stats, stopped, &mut deliver),
                Source::Perf(ring) => ring.drain(stats, stopped, &mut deliver),
            };
            match drained {
                Ok(Drained::Stopped) => return result.and(drained),
                Ok(Drained::Busy) => result = result.and(drained),
                Ok(Drained::All) => {}
                Err(error) => {
                    let (_, damaged) = sources.remove(index);
                    // Fails only for a descriptor that is not there, which is what is wanted.
                    let _ = epoll::delete(&self.epoll, damaged.as_fd());
                    result = result.and(Err(error));
                    continue;
                }
            }
            index += 1;
        }
        result
    }

    /// Whether a record came in after its map was drained; every position is published by then.
    fn has_more(&self) -> Result<bool> {
        let sources = self.sources.try_borrow().map_err(|_| reentered())?;
        Ok(sources.iter().any(|(_, source)| match source {
            Source::Ring(ring) => ring.has_more(),
            Source::Perf(ring) => ring.has_more(),
        }))
    }

    fn wait(&self, timeout: Duration) -> Result<()> {
        let timeout = Timespec { tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: timeout.subsec_nanos().into() };
        let mut events = [const { std::mem::MaybeUninit::uninit() }; 8];
        match epoll::wait(&self.epoll, &mut events, Some(&timeout)) {
            // A signal: the caller looks at the time that is left and waits again.
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(refusal("wait on the maps with epoll", errno.into())),
        }
    }
}

fn reentered() -> Error {
    Error::Value { name: "poll".to_owned(), why: "it was called from a callback of the same reader".to_owned() }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Ring(ring) => ring.as_fd(),
            Self::Perf(ring) => ring.as_fd(),
        }
    }
}

/// Readable when a record may be there: for an event loop of one's own, which then polls with a timeout of zero.
impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
