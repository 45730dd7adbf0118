//! One wait over all maps.

use std::{
    cell::{Cell, RefCell, RefMut},
    hint,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::epoll::{self, CreateFlags, EventData, EventFlags},
    io::Errno,
    thread::nanosleep,
};

use super::{
    Batch, Control, Counters, Drained, Fate, Outcome, Record, Ring, Source, Stats, Verdict, Waiting, control::timespec, waiting::Burst,
};
use crate::{
    Error, Result,
    refusal::refusal,
    sample::{Failures, Plain},
};

/// Reads every map that delivers records, in one wait.
#[derive(Debug)]
pub struct Reader {
    epoll: OwnedFd,
    /// By the number of the map. Borrowed while a callback runs, which may still ask for counts, maps and variables.
    sources: RefCell<Vec<Source>>,
    /// By the number of the map.
    stats: Vec<Counters>,
    control: Control,
    waiting: Cell<Waiting>,
    burst: Cell<Burst>,
}

/// The longest sleep on a record that its producer holds uncommitted. A busy record makes its ring readable for epoll although there
/// is nothing to read, so waiting there would spin.
const MAX_BUSY_SLEEP: Duration = Duration::from_millis(1);

/// How often a read of what is left looks again, at intervals of [`MAX_BUSY_SLEEP`], at a record that its producer holds uncommitted: a
/// program may run on for a moment after it was detached.
const LAST_LOOKS: u32 = 10;

/// The longest single wait: kernels before 5.11 count it in milliseconds in an `int`. The caller waits again.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// What is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Every map.
    All,
    /// The map of this number.
    One(usize),
    /// Every map, for all that is in it: maps that are read at intervals before their time, and records that are about to come.
    Rest,
}

/// What epoll tells apart: the control handle, else a map and, of a perf event array, a CPU.
const CONTROL: u64 = u64::MAX;

impl Reader {
    /// Reads these maps.
    pub(crate) fn new(sources: Vec<Source>) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(tried)?;
        let control = Control::new()?;
        let stats: Vec<_> = sources.iter().map(|_| Counters::default()).collect();
        let add = |fd: BorrowedFd<'_>, data| epoll::add(&epoll, fd, EventData::new_u64(data), EventFlags::IN).map_err(tried);
        add(control.as_fd(), CONTROL)?;
        for (map, (source, stats)) in sources.iter().zip(&stats).enumerate() {
            match source {
                Source::Ring(ring) => add(ring.as_fd(), data(map, 0))?,
                Source::Perf(array) => {
                    array.rings().try_for_each(|(cpu, fd)| add(fd, data(map, cpu)))?;
                    stats.update(|stats| stats.lost = Some(0));
                }
                Source::Sampled(sampled) => add(sampled.as_fd(), data(map, 0))?,
                Source::Damaged | Source::Absent => {}
            }
        }
        let (sources, waiting, burst) = (RefCell::new(sources), Cell::default(), Cell::default());
        Ok(Self { epoll, sources, stats, control, waiting, burst })
    }

    /// A handle that pauses and ends polling.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// How polls wait from now on.
    pub fn set_waiting(&self, waiting: Waiting) {
        self.waiting.set(waiting);
    }

    /// What became of the records of each map, in the order of the maps. Callbacks may ask too.
    pub fn stats(&self) -> impl Iterator<Item = Stats> {
        self.stats.iter().map(Counters::get)
    }

    /// Delivers the records that are there, or waits for the first ones until `timeout` has passed.
    ///
    /// Returns how many records were delivered; 0 where none came in time or polling was stopped. A signal does not end the wait.
    ///
    /// # Errors
    /// Where epoll fails, or a callback polls the reader that called it. Where a ring's memory contradicts itself, after the other
    /// rings were read; this one is not read again. [`Error::Callback`] where a callback failed, after all records were delivered.
    pub fn poll(&self, timeout: Duration, mut deliver: impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        let deadline = Instant::now().checked_add(timeout);
        while self.ready(deadline)? {
            let (drained, delivered) = self.read(Part::All, &|| self.control.is_running(), &mut deliver)?;
            if delivered > 0 || (drained == Drained::Stopped && !self.control.is_paused()) {
                return Ok(delivered);
            }
        }
        Ok(0)
    }

    /// Waits until there are records to read, or `timeout` has passed; whether there are. For those who read maps one by one.
    ///
    /// # Errors
    /// Where epoll fails, or a callback waits for the reader that called it.
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        self.ready(Instant::now().checked_add(timeout))
    }

    fn ready(&self, deadline: Option<Instant>) -> Result<bool> {
        let left = || deadline.map_or(MAX_WAIT, |deadline| deadline.saturating_duration_since(Instant::now()));
        let mut busy_sleep = Duration::from_micros(20);
        while !self.control.is_stopped() {
            self.follow_cpus()?;
            if self.control.is_paused() {
                let left = left();
                if left.is_zero() {
                    break;
                }
                self.control.wait(left.min(MAX_WAIT))?;
                continue;
            }
            let pause = self.burst.get().pause(self.waiting.get());
            if !pause.is_zero() {
                nap(pause.min(left()));
            }
            if self.any(Source::is_ready)? {
                return Ok(true);
            }
            // The last look, behind a barrier: whoever waits now, here or in an event loop of their own, is woken for what comes later.
            let more = self.any(Source::has_more)?;
            if more && self.any(Source::is_ready)? {
                return Ok(true);
            }
            let left = left();
            if left.is_zero() {
                break;
            }
            if more {
                // Reserved, and not yet committed.
                nap(left.min(busy_sleep));
                busy_sleep = (busy_sleep * 2).min(MAX_BUSY_SLEEP);
            } else {
                self.idle(left)?;
            }
        }
        Ok(false)
    }

    /// Waits for the kernel, or a while, where there are no records.
    fn idle(&self, left: Duration) -> Result<()> {
        let waiting = self.waiting.get();
        if waiting == Waiting::Busy {
            hint::spin_loop();
            return Ok(());
        }
        let mut burst = self.burst.get();
        let window = burst.goes_on(waiting);
        self.burst.set(burst);
        match window {
            Some(window) => nap(window.min(left)),
            None => self.epoll_wait(left)?,
        }
        Ok(())
    }

    /// Delivers the records that are there, also after a stop: what the programs sent before they were detached. Waits for nothing but
    /// records that a program is writing, and for these a few milliseconds.
    ///
    /// Maps that are read at intervals are read once more, whatever is left of the interval: what came into them since the last time
    /// would be lost. Those whose entries stay in the map deliver them again, with each call.
    ///
    /// # Errors
    /// As [`Self::poll`].
    pub fn drain(&self, mut deliver: impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        self.read(Part::Rest, &|| true, &mut deliver).map(|(_, delivered)| delivered)
    }

    fn received(&self) -> u64 {
        self.stats().map(|stats| stats.received).sum()
    }

    /// Delivers the records that are there in one map; nothing where polling is paused or was stopped.
    ///
    /// # Errors
    /// As [`Self::poll`].
    #[inline]
    pub fn read_one(&self, map: usize, mut deliver: impl FnMut(&[u8]) -> Verdict) -> Result<u64> {
        self.read(Part::One(map), &|| self.control.is_running(), &mut |_, record| deliver(record)).map(|(_, delivered)| delivered)
    }

    /// As [`Self::read_one`], of a ring buffer.
    ///
    /// # Errors
    /// As [`Self::poll`]; [`Error::NotFound`] where the map is no ring buffer.
    #[inline]
    pub fn read_ring(&self, map: usize, mut deliver: impl FnMut(&[u8]) -> Verdict) -> Result<u64> {
        self.with_ring(map, |ring, stats, failure| ring.drain(stats, &|| self.control.is_running(), |record| failure.fate(deliver(record))))
    }

    /// As [`Self::read_ring`], in slices of records.
    ///
    /// # Errors
    /// As [`Self::read_ring`].
    #[inline]
    pub fn read_runs<E: Plain, R: Outcome>(&self, map: usize, mut f: impl FnMut(&[Record<E>]) -> R) -> Result<u64> {
        self.with_ring(map, |ring, stats, failure| {
            ring.runs(stats, &|| self.control.is_running(), |run| failure.fate(Verdict::of(Ok(f(run)))))
        })
    }

    #[inline]
    fn with_ring(&self, map: usize, read: impl FnOnce(&Ring, &Counters, &mut Failure) -> Result<Drained>) -> Result<u64> {
        let (ring, stats) = self.ring(map)?;
        let before = stats.get().received;
        let mut failure = Failure::default();
        let drained = read(&ring, stats, &mut failure);
        let delivered = stats.get().received - before;
        if delivered > 0 {
            self.feed();
        }
        drained?;
        failure.result().map(|()| delivered)
    }

    /// The records that are there in a ring buffer, to iterate over.
    ///
    /// # Errors
    /// As [`Self::read_runs`].
    pub fn batch<E: Plain>(&self, map: usize) -> Result<Batch<'_, E>> {
        let (ring, stats) = self.ring(map)?;
        self.feed();
        Batch::new(ring, stats)
    }

    fn ring(&self, map: usize) -> Result<(RefMut<'_, Ring>, &Counters)> {
        let sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        let ring = RefMut::filter_map(sources, |sources| match sources.get_mut(map) {
            Some(Source::Ring(ring)) => Some(ring),
            _ => None,
        });
        let not_found = || Error::NotFound { what: "ring buffer", name: format!("number {map}"), known: Vec::new() };
        Ok((ring.map_err(|_| not_found())?, self.stats.get(map).ok_or_else(not_found)?))
    }

    /// Reads every map once, or one of them; why it ended, and how many records were delivered. A map that is damaged keeps nobody from
    /// being read: it is dropped, and its error returned at the end.
    #[inline]
    fn read(&self, part: Part, running: &impl Fn() -> bool, deliver: &mut impl FnMut(usize, &[u8]) -> Verdict) -> Result<(Drained, u64)> {
        let mut sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        let mut result = Ok(Drained::All);
        let mut failure = Failure::default();
        let before = self.received();
        let mut looks = if part == Part::Rest { LAST_LOOKS } else { 0 };
        let wanted = |map| !matches!(part, Part::One(only) if only != map);
        for (map, (source, stats)) in sources.iter_mut().zip(&self.stats).enumerate().filter(|(map, _)| wanted(*map)) {
            let mut deliver = |record: &[u8]| failure.fate(deliver(map, record));
            let drained = match source {
                Source::Ring(ring) => loop {
                    let drained = ring.drain(stats, running, &mut deliver);
                    if looks == 0 || !matches!(drained, Ok(Drained::Busy)) {
                        break drained;
                    }
                    looks -= 1;
                    nap(MAX_BUSY_SLEEP);
                },
                Source::Perf(array) => array.drain(stats, running, &mut deliver),
                Source::Sampled(map) if part == Part::Rest => map.drain_rest(stats, running, &mut deliver),
                Source::Sampled(map) => map.drain(stats, running, &mut deliver),
                Source::Damaged | Source::Absent => Ok(Drained::All),
            };
            match drained {
                Ok(Drained::All) => {}
                Ok(Drained::Busy) => result = result.and(drained),
                Ok(Drained::Stopped) => {
                    result = result.and(drained);
                    break;
                }
                Err(error) => {
                    if let Source::Ring(ring) = source {
                        // Fails only for a descriptor that is not there, which is what is wanted.
                        let _ = epoll::delete(&self.epoll, ring.as_fd());
                        *source = Source::Damaged;
                    }
                    result = result.and(Err(error));
                }
            }
        }
        let delivered = self.received() - before;
        if delivered > 0 {
            self.feed();
        }
        result.and_then(|drained| failure.result().map(|()| (drained, delivered)))
    }

    /// Records were delivered.
    fn feed(&self) {
        let mut burst = self.burst.get();
        burst.feed(self.waiting.get());
        self.burst.set(burst);
    }

    fn any(&self, is: impl Fn(&Source) -> bool) -> Result<bool> {
        Ok(self.sources.try_borrow().map_err(|_| reentered())?.iter().any(is))
    }

    /// Perf rings come and go with their CPUs.
    fn follow_cpus(&self) -> Result<()> {
        let mut sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        for (map, source) in sources.iter_mut().enumerate() {
            if let Source::Perf(array) = source {
                array.follow(|cpu, fd| epoll::add(&self.epoll, fd, EventData::new_u64(data(map, cpu)), EventFlags::IN).map_err(tried))?;
            }
        }
        Ok(())
    }

    fn epoll_wait(&self, left: Duration) -> Result<()> {
        let mut sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        let mut limit = left.min(MAX_WAIT);
        for source in sources.iter() {
            if let Source::Perf(array) = source {
                limit = limit.min(array.flush());
            }
        }
        let mut events = [const { MaybeUninit::uninit() }; 16];
        let events = match epoll::wait(&self.epoll, &mut events, Some(&timespec(limit))) {
            Ok((events, _)) => events,
            // A signal: the caller looks at the time that is left and waits again.
            Err(Errno::INTR) => return Ok(()),
            Err(errno) => return Err(tried(errno)),
        };
        for event in events {
            let (data, flags) = (event.data.u64(), event.flags);
            if data == CONTROL {
                self.control.acknowledge();
                continue;
            }
            let (map, cpu) = ((data >> 32) as usize, data as u32);
            if let Some(stats) = self.stats.get(map) {
                stats.update(|stats| stats.wakeups += 1);
            }
            // The CPU of a perf ring went offline: the descriptor would be readable for ever.
            if flags.intersects(EventFlags::HUP | EventFlags::ERR)
                && let Some(Source::Perf(array)) = sources.get_mut(map)
            {
                array.retire(cpu);
            }
        }
        Ok(())
    }
}

/// What the verdicts of one read say.
#[derive(Default)]
struct Failure(Failures);

impl Failure {
    #[inline]
    fn fate(&mut self, verdict: Verdict) -> Fate {
        match verdict {
            Verdict::Delivered => Fate::Delivered,
            Verdict::Stop => Fate::Stop,
            Verdict::Short => Fate::Short,
            Verdict::Failed(cause) => {
                self.0.add(cause);
                Fate::Failed
            }
        }
    }

    fn result(self) -> Result<()> {
        self.0.result()
    }
}

fn data(map: usize, cpu: u32) -> u64 {
    (map as u64) << 32 | u64::from(cpu)
}

/// Sleeps until a signal comes at the latest: whoever waits looks at the time that is left. `std::thread::sleep` goes on for what the
/// kernel says is left, and that has the slack of the timer in it: where signals come more often, it never ends.
fn nap(time: Duration) {
    let _ = nanosleep(&timespec(time));
}

fn tried(errno: Errno) -> Error {
    refusal("wait on the maps with epoll", errno.into())
}

fn reentered() -> Error {
    Error::Value { name: "poll".to_owned(), why: "it was called from a callback of the same reader".to_owned() }
}

/// Readable when a record may be there: for an event loop of one's own, which then polls with a timeout of zero.
impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::{super::ring::fake::Fake, *};

    const BUSY: u32 = 1 << 31;

    /// A reader of a ring that a test writes, which nobody can wait for.
    fn reader(ring: Ring) -> Reader {
        let (epoll, control) = (epoll::create(CreateFlags::CLOEXEC).unwrap(), Control::new().unwrap());
        let (sources, stats) = (RefCell::new(vec![Source::Ring(ring)]), vec![Counters::default()]);
        Reader { epoll, sources, stats, control, waiting: Cell::default(), burst: Cell::default() }
    }

    #[test]
    fn the_rest_has_what_is_being_written() {
        let fake = Fake::new();
        fake.push(16, 1, 0);
        let busy = fake.push(16, 2, BUSY);
        fake.push(16, 3, 0);
        let reader = reader(fake.ring.replace(Fake::new().ring.into_inner()));
        let seen = RefCell::new(Vec::new());
        let deliver = |_: usize, record: &[u8]| {
            seen.borrow_mut().push(record[0]);
            Verdict::Delivered
        };
        assert_eq!(reader.poll(Duration::ZERO, deliver).unwrap(), 1);
        let start = Instant::now();
        assert_eq!(reader.drain(deliver).unwrap(), 0, "it is not committed");
        assert!(start.elapsed() >= MAX_BUSY_SLEEP * LAST_LOOKS);
        let producer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(2));
            fake.word(busy, 16);
        });
        let start = Instant::now();
        // A machine under load may keep the producer for longer than a call waits.
        while seen.borrow().len() < 3 && start.elapsed() < Duration::from_secs(10) {
            reader.drain(deliver).unwrap();
        }
        producer.join().unwrap();
        assert_eq!(*seen.borrow(), [1, 2, 3]);
    }
}
