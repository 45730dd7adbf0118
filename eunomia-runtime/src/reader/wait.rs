//! One wait over all maps.

use std::{
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

use super::{Drained, PerfArray, Ring, Stats, Stop, Verdict};
use crate::{Result, bpf::refusal};

/// Reads every map that delivers records, in one wait.
#[derive(Debug)]
pub struct Reader {
    epoll: OwnedFd,
    sources: Vec<(Source, Stats)>,
    stop: Stop,
}

#[derive(Debug)]
pub(crate) enum Source {
    Ring(Ring),
    Perf(PerfArray),
}

/// The longest sleep on a record that its producer holds uncommitted. A busy record makes its ring readable for epoll although there
/// is nothing to read, so waiting there would spin.
const MAX_BUSY_SLEEP: Duration = Duration::from_millis(1);

impl Reader {
    pub(crate) fn new(sources: Vec<Source>) -> Result<Self> {
        let tried = |errno: Errno| refusal("wait on the maps with epoll", errno.into());
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(tried)?;
        let stop = Stop::new()?;
        let add = |fd: BorrowedFd<'_>| epoll::add(&epoll, fd, EventData::new_u64(0), EventFlags::IN).map_err(tried);
        add(stop.as_fd())?;
        let sources = sources
            .into_iter()
            .map(|source| {
                let mut stats = Stats::default();
                match &source {
                    Source::Ring(ring) => add(ring.as_fd())?,
                    Source::Perf(array) => {
                        stats.lost = Some(0);
                        array.rings.iter().try_for_each(|ring| add(ring.as_fd()))?;
                    }
                }
                Ok((source, stats))
            })
            .collect::<Result<_>>()?;
        Ok(Self { epoll, sources, stop })
    }

    /// A handle that ends polling.
    pub fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }

    /// What became of the records of each map, in the order of the maps.
    pub fn stats(&self) -> impl Iterator<Item = Stats> {
        self.sources.iter().map(|(_, stats)| *stats)
    }

    /// Delivers the records that are there, or waits for the first ones until `timeout` has passed.
    ///
    /// Returns how many records were delivered; 0 where none came in time or polling was stopped. A signal does not end the wait.
    ///
    /// # Errors
    /// Where a ring's memory contradicts itself, or epoll fails. Records that were read before it have been delivered.
    pub fn poll(&mut self, timeout: Duration, mut deliver: impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        let deadline = Instant::now().checked_add(timeout);
        let mut busy_sleep = Duration::from_micros(20);
        while !self.stop.is_stopped() {
            let before = self.received();
            let drained = self.drain(&mut deliver)?;
            let delivered = self.received() - before;
            if delivered > 0 || drained == Drained::Stopped || self.stop.is_stopped() {
                return Ok(delivered);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(0);
            }
            if drained == Drained::Busy {
                thread::sleep(left.map_or(busy_sleep, |left| left.min(busy_sleep)));
                busy_sleep = (busy_sleep * 2).min(MAX_BUSY_SLEEP);
            } else if !self.has_more() {
                self.wait(left)?;
            }
        }
        Ok(0)
    }

    fn received(&self) -> u64 {
        self.sources.iter().map(|(_, stats)| stats.received).sum()
    }

    fn drain(&mut self, deliver: &mut impl FnMut(usize, &[u8]) -> Verdict) -> Result<Drained> {
        let Self { sources, stop, .. } = self;
        let mut busy = Drained::All;
        for (index, (source, stats)) in sources.iter_mut().enumerate() {
            let mut deliver = |record: &[u8]| deliver(index, record);
            let rings: &mut [_] = match source {
                Source::Ring(ring) => match ring.drain(stats, stop, &mut deliver)? {
                    Drained::All => continue,
                    Drained::Busy => {
                        busy = Drained::Busy;
                        continue;
                    }
                    Drained::Stopped => {
                        stop.stop();
                        return Ok(Drained::Stopped);
                    }
                },
                Source::Perf(array) => &mut array.rings,
            };
            for ring in rings {
                if ring.drain(stats, stop, &mut deliver)? == Drained::Stopped {
                    stop.stop();
                    return Ok(Drained::Stopped);
                }
            }
        }
        Ok(busy)
    }

    /// Whether a record came in after its map was drained; every position is published by then.
    fn has_more(&self) -> bool {
        self.sources.iter().any(|(source, _)| match source {
            Source::Ring(ring) => ring.has_more(),
            Source::Perf(array) => array.rings.iter().any(super::perf::PerfRing::has_more),
        })
    }

    fn wait(&self, timeout: Option<Duration>) -> Result<()> {
        let timeout = timeout
            .map(|timeout| Timespec { tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: timeout.subsec_nanos().into() });
        let mut events = [const { std::mem::MaybeUninit::uninit() }; 8];
        match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            // A signal: the caller looks at the time that is left and waits again.
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(refusal("wait on the maps with epoll", errno.into())),
        }
    }
}

/// Readable when a record may be there: for an event loop of one's own, which then polls with a timeout of zero.
impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
