//! The reader: one epoll wait for all maps that deliver records.

use std::{
    cell::{Cell, RefCell, RefMut},
    hint,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::{
    event::epoll::{self, CreateFlags, EventFlags},
    io::Errno,
    thread::nanosleep,
};

use super::{
    Batch, Control, Counters, Drained, Fate, Outcome, Record, Ring, Source, Stats, Verdict,
    Waiting,
    control::timespec,
    ending::Ending,
    waiting::Burst,
    watch::{Token, Watch, epoll_error},
};
use crate::{
    Error, Result,
    sample::{CallbackErrors, Delivered, Plain},
};

/// A reader of every map that delivers records, with one wait for all of them.
#[derive(Debug)]
#[doc(hidden)]
pub struct Reader {
    epoll: Arc<OwnedFd>,
    /// Indexed by the number of the map. Mutably borrowed while a callback runs; the callback may
    /// still use counts, maps and variables.
    sources: RefCell<Vec<Source>>,
    /// Indexed by the number of the map.
    stats: Vec<Counters>,
    control: Control,
    waiting: Cell<Waiting>,
    burst: Cell<Burst>,
    ending: Ending,
}

/// The longest sleep on a record that is reserved and not yet committed. Such a record makes its
/// ring readable for epoll although nothing can be read, so an epoll wait would spin.
const MAX_BUSY_SLEEP: Duration = Duration::from_millis(1);

/// How often a final read retries a record that is reserved and not yet committed, at intervals of
/// [`MAX_BUSY_SLEEP`]: a program may run for a moment after it was detached.
const BUSY_RETRIES: u32 = 10;

/// The longest single wait: kernels before 5.11 count it in milliseconds in an `int`. The caller
/// waits again.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The maps that a read covers, and how far it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Every map.
    All,
    /// The map with this number.
    One(usize),
    /// Every map, to its end: sampled maps before their time, and records that are about to be
    /// committed.
    Rest,
    /// As `Rest`, but only up to the records that were there when the stop was seen.
    Last,
}

/// The outcome of a wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ready {
    /// Records are ready.
    Yes,
    /// A stop was requested, and the maps must be read for the last time.
    Last,
    /// The time has passed, or polling has ended.
    No,
}

impl Reader {
    /// Creates a reader of `sources`.
    pub(crate) fn new(mut sources: Vec<Source>) -> Result<Self> {
        let epoll = Arc::new(epoll::create(CreateFlags::CLOEXEC).map_err(epoll_error)?);
        let control = Control::new()?;
        epoll::add(&epoll, &control, Token::Control.to_data(), EventFlags::IN)
            .map_err(epoll_error)?;
        sources
            .iter_mut()
            .enumerate()
            .try_for_each(|(map, source)| source.watch(Watch::new(&epoll, map)))?;
        let stats = sources.iter().map(|_| Counters::default()).collect();
        let reader = Self {
            epoll,
            sources: RefCell::new(sources),
            stats,
            control,
            waiting: Cell::default(),
            burst: Cell::default(),
            ending: Ending::default(),
        };
        reader.count_lost();
        Ok(reader)
    }

    /// Returns a handle that pauses, resumes and ends polling.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Sets how later polls wait for records.
    pub fn set_waiting(&self, waiting: Waiting) {
        self.waiting.set(waiting);
    }

    /// Returns the statistics of each map, in the order of the maps.
    ///
    /// Callbacks may call this too. The count of lost records of a perf event array is then that of
    /// the last call outside of a callback.
    ///
    /// Costs a system call for each CPU and perf event array.
    pub fn stats(&self) -> impl Iterator<Item = Stats> {
        self.count_lost();
        self.stats.iter().map(Counters::get)
    }

    /// Updates the counts of records that perf event arrays lost. Does nothing in a callback.
    fn count_lost(&self) {
        let Ok(mut sources) = self.sources.try_borrow_mut() else { return };
        for (source, stats) in sources.iter_mut().zip(&self.stats) {
            if let Source::Perf(array) = source {
                array.count_lost(stats);
            }
        }
    }

    /// Returns the number of records in the buffers that were not delivered, including those that a
    /// program is still writing. It is 0 after a `finish` that no callback ended; an application
    /// can report the records that it left unread.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a ring's memory is inconsistent; [`Error::Reentered`] if a callback calls
    /// it on the reader that called the callback.
    pub fn unread(&self) -> Result<u64> {
        self.sources.try_borrow().map_err(|_| reentered())?.iter().map(Source::unread).sum()
    }

    /// Delivers the records that are there, or waits up to `timeout` for the first ones.
    ///
    /// Returns the number of records delivered: 0 if none came in time or polling has ended. A
    /// signal does not end the wait.
    ///
    /// After [`Control::stop`] a poll delivers the records that were there when it saw the stop;
    /// then polling has ended. It waits only for records that a program is still writing, for a few
    /// milliseconds at most, and reads sampled maps once more. A callback that ends this poll
    /// leaves the rest to the next one.
    ///
    /// # Errors
    /// Those of [`Records::poll`](super::Records::poll).
    pub fn poll(
        &self,
        timeout: Duration,
        mut deliver: impl FnMut(usize, &[u8]) -> Verdict,
    ) -> Result<u64> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            match self.ready(deadline)? {
                Ready::Yes => {
                    let (drained, delivered) =
                        self.read(Part::All, &|| self.control.delivers(), &mut deliver)?;
                    if delivered > 0 || (drained == Drained::Stopped && !self.control.is_paused()) {
                        return Ok(delivered);
                    }
                }
                Ready::Last => return self.read_last(&mut deliver),
                Ready::No => return Ok(0),
            }
        }
    }

    /// Delivers the records that were there when the stop was seen. Then polling has ended, unless
    /// a callback ended only this poll.
    fn read_last(&self, deliver: &mut impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        // Refuse a re-entrant call before `stop_now`: it must not end the poll that runs its
        // callback.
        drop(self.sources.try_borrow_mut().map_err(|_| reentered())?);
        let mut broken = false;
        let read = self.read(Part::Last, &|| self.control.delivers(), &mut |map, record| {
            let verdict = deliver(map, record);
            broken |= matches!(verdict, Verdict::Stop);
            verdict
        });
        if !broken {
            self.control.stop_now();
        }
        read.map(|(_, delivered)| delivered)
    }

    /// Waits up to `timeout` for records to read, and reports whether there are any. For callers
    /// that read maps one by one.
    ///
    /// After [`Control::stop`] it returns true if records are left, which the handles of the maps
    /// then deliver. Polling ends at a later call, once all of them were read or the caller read
    /// none.
    ///
    /// # Errors
    /// [`Error::Kernel`] if epoll fails, [`Error::Reentered`] if a callback waits for the reader that
    /// called it.
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        match self.ready(Instant::now().checked_add(timeout))? {
            Ready::Yes => Ok(true),
            Ready::No => Ok(false),
            Ready::Last => {
                let more = self.any(|source| !source.is_at_mark())?
                    && (self.ending.waits(self.taken(), self.is_busy()?)
                        || self.outlasts_busy()?);
                if !more {
                    self.control.stop_now();
                }
                Ok(more)
            }
        }
    }

    /// Waits a few milliseconds for records that a program is still writing, and reports whether
    /// all of them were committed.
    fn outlasts_busy(&self) -> Result<bool> {
        let mut retries = BUSY_RETRIES;
        let waited = self.is_busy()?;
        while retries > 0 && self.is_busy()? {
            nap(MAX_BUSY_SLEEP);
            retries -= 1;
        }
        Ok(waited && !self.is_busy()?)
    }

    /// Reports whether a program is still writing a record that the last read must deliver.
    fn is_busy(&self) -> Result<bool> {
        self.any(|source| {
            matches!(source, Source::Ring(_)) && !source.is_at_mark() && !source.is_ready()
        })
    }

    /// Reports whether a stop was requested and polling has not ended. The first call that sees the
    /// stop marks every map: from then on no read goes beyond the records that were there at that
    /// moment.
    #[inline]
    fn is_ending(&self) -> Result<bool> {
        if !self.control.is_ending() {
            return Ok(false);
        }
        if !self.ending.marked.get() {
            self.sources
                .try_borrow_mut()
                .map_err(|_| reentered())?
                .iter_mut()
                .for_each(Source::mark);
            self.ending.marked.set(true);
        }
        Ok(true)
    }

    /// Runs before one map is read. Ends polling if a stop was requested and either no map has
    /// records left, or the caller does not read those that are left.
    #[inline]
    fn before_one(&self) -> Result<()> {
        if self.is_ending()? {
            // Entries of a sampled map are delivered only by a poll.
            let more =
                self.any(|source| !matches!(source, Source::Sampled(_)) && !source.is_at_mark())?;
            if !more || !self.ending.reads(self.taken(), self.stats.len()) {
                self.control.stop_now();
            }
        }
        Ok(())
    }

    /// Returns the number of records that were taken out of the buffers.
    fn taken(&self) -> u64 {
        self.stats
            .iter()
            .map(Counters::get)
            .map(|stats| stats.received + stats.short + stats.discarded)
            .sum()
    }

    /// Waits until records are ready, a stop was requested, or the deadline has passed.
    fn ready(&self, deadline: Option<Instant>) -> Result<Ready> {
        let left = || {
            deadline.map_or(MAX_WAIT, |deadline| deadline.saturating_duration_since(Instant::now()))
        };
        let mut busy_sleep = Duration::from_micros(20);
        while !self.control.is_stopped() {
            if self.is_ending()? {
                return Ok(Ready::Last);
            }
            self.follow_cpus()?;
            if self.control.is_paused() {
                let left = left();
                if left.is_zero() {
                    self.notice()?;
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
                return Ok(Ready::Yes);
            }
            // The last look, after a full barrier. Whoever waits from here on, in this function or
            // in an event loop of the caller, is woken for every later record.
            let more = self.any(Source::has_more)?;
            if more && self.any(Source::is_ready)? {
                return Ok(Ready::Yes);
            }
            let left = left();
            if left.is_zero() {
                self.notice()?;
                break;
            }
            if more {
                // The next record is reserved and not yet committed.
                nap(left.min(busy_sleep));
                busy_sleep = (busy_sleep * 2).min(MAX_BUSY_SLEEP);
            } else {
                self.idle(left)?;
            }
        }
        Ok(Ready::No)
    }

    /// Waits for the kernel, or for a while, if no records are ready.
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
            None => self.epoll_wait(left, true)?,
        }
        Ok(())
    }

    /// Acknowledges epoll events that are not records. Otherwise an event loop on the descriptor
    /// would find it readable again and again.
    fn notice(&self) -> Result<()> {
        self.epoll_wait(Duration::ZERO, false)
    }

    /// Delivers the records that are there, also after a stop: what the programs sent before they
    /// were detached. Waits only for records that a program is still writing, for a few
    /// milliseconds at most.
    ///
    /// Sampled maps are read once more, even if their interval has not passed: entries that came
    /// since the last sample would be lost otherwise. Maps that keep their entries deliver them
    /// again with each call.
    ///
    /// # Errors
    /// As [`Self::poll`].
    pub fn drain(&self, mut deliver: impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        self.sources.try_borrow_mut().map_err(|_| reentered())?.iter_mut().for_each(Source::unmark);
        self.read(Part::Rest, &|| true, &mut deliver).map(|(_, delivered)| delivered)
    }

    fn received(&self) -> u64 {
        self.stats.iter().map(Counters::get).map(|stats| stats.received).sum()
    }

    /// Delivers the records that are there in one map. Delivers nothing while polling is paused or
    /// after it has ended.
    ///
    /// # Errors
    /// As [`Self::poll`].
    #[inline]
    pub fn read_one(&self, map: usize, mut deliver: impl FnMut(&[u8]) -> Verdict) -> Result<u64> {
        self.before_one()?;
        self.read(Part::One(map), &|| self.control.delivers(), &mut |_, record| deliver(record))
            .map(|(_, delivered)| delivered)
    }

    /// Delivers as [`Self::read_one`], from a ring buffer.
    ///
    /// # Errors
    /// As [`Self::poll`]; [`Error::NotFound`] if the map is not a ring buffer.
    #[inline]
    pub fn read_ring(&self, map: usize, mut deliver: impl FnMut(&[u8]) -> Verdict) -> Result<u64> {
        self.with_ring(map, |ring, stats, errors| {
            ring.drain(stats, &|| self.control.delivers(), |record| {
                Fate::of(errors, deliver(record))
            })
        })
    }

    /// Delivers as [`Self::read_ring`], in slices of records.
    ///
    /// # Errors
    /// As [`Self::read_ring`].
    #[inline]
    pub fn read_runs<E: Plain, R: Outcome>(
        &self,
        map: usize,
        mut f: impl FnMut(&[Record<E>]) -> R,
    ) -> Result<u64> {
        self.with_ring(map, |ring, stats, errors| {
            ring.runs(stats, &|| self.control.delivers(), |run| {
                Fate::of(errors, Verdict::of(Ok(f(run))))
            })
        })
    }

    #[inline]
    fn with_ring(
        &self,
        map: usize,
        read: impl FnOnce(&Ring, &Counters, &mut CallbackErrors) -> Result<Drained>,
    ) -> Result<u64> {
        self.before_one()?;
        let (ring, stats) = self.ring(map)?;
        let before = stats.get().received;
        let mut errors = CallbackErrors::default();
        let drained = read(&ring, stats, &mut errors);
        let delivered = stats.get().received - before;
        if delivered > 0 {
            self.feed();
        }
        drained?;
        errors.result().map(|()| delivered)
    }

    /// Returns the records that are there in a ring buffer, as a batch to iterate over.
    ///
    /// # Errors
    /// As [`Self::read_runs`].
    pub fn batch<E: Delivered>(&self, map: usize) -> Result<Batch<'_, E>> {
        self.before_one()?;
        let (ring, stats) = self.ring(map)?;
        self.feed();
        Batch::new(ring, stats, self.control.delivers())
    }

    fn ring(&self, map: usize) -> Result<(RefMut<'_, Ring>, &Counters)> {
        let sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        let ring = RefMut::filter_map(sources, |sources| match sources.get_mut(map) {
            Some(Source::Ring(ring)) => Some(ring),
            _ => None,
        });
        let not_found = || Error::NotFound {
            what: "ring buffer",
            name: format!("number {map}"),
            known: Vec::new(),
        };
        Ok((ring.map_err(|_| not_found())?, self.stats.get(map).ok_or_else(not_found)?))
    }

    /// Reads every map once, or one of them. Returns why the read ended and how many records were
    /// delivered. A damaged map does not keep the others from being read: a damaged ring buffer is
    /// dropped, and the first error is returned at the end.
    #[inline]
    fn read(
        &self,
        part: Part,
        running: &impl Fn() -> bool,
        deliver: &mut impl FnMut(usize, &[u8]) -> Verdict,
    ) -> Result<(Drained, u64)> {
        let mut sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        let mut result = Ok(Drained::All);
        let mut errors = CallbackErrors::default();
        let before = self.received();
        let mut retries = if matches!(part, Part::Rest | Part::Last) { BUSY_RETRIES } else { 0 };
        let covers = |map| !matches!(part, Part::One(only) if only != map);
        for (map, (source, stats)) in
            sources.iter_mut().zip(&self.stats).enumerate().filter(|(map, _)| covers(*map))
        {
            let mut deliver = |record: &[u8]| Fate::of(&mut errors, deliver(map, record));
            let drained = match source {
                Source::Ring(ring) => loop {
                    let drained = ring.drain(stats, running, &mut deliver);
                    if retries == 0 || !matches!(drained, Ok(Drained::Busy)) {
                        break drained;
                    }
                    retries -= 1;
                    nap(MAX_BUSY_SLEEP);
                },
                Source::Perf(array) => array.drain(stats, running, &mut deliver),
                Source::Sampled(map) if part == Part::Rest => {
                    map.drain_rest(stats, running, &mut deliver)
                }
                Source::Sampled(map) if part == Part::Last => {
                    map.drain_last(stats, running, &mut deliver)
                }
                Source::Sampled(map) => map.drain(stats, running, &mut deliver),
                Source::Unread => Ok(Drained::All),
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
                        // Fails only if the descriptor is not in the set, which is the goal.
                        let _ = epoll::delete(&self.epoll, ring.as_fd());
                        *source = Source::Unread;
                    }
                    result = result.and(Err(error));
                }
            }
        }
        let delivered = self.received() - before;
        if delivered > 0 {
            self.feed();
        }
        result.and_then(|drained| errors.result().map(|()| (drained, delivered)))
    }

    /// Notes that records were delivered.
    fn feed(&self) {
        let mut burst = self.burst.get();
        burst.feed(self.waiting.get());
        self.burst.set(burst);
    }

    /// Reports whether `is` holds for any map.
    fn any(&self, is: impl Fn(&Source) -> bool) -> Result<bool> {
        Ok(self.sources.try_borrow().map_err(|_| reentered())?.iter().any(is))
    }

    /// Retires and opens perf rings as their CPUs go offline and come online.
    fn follow_cpus(&self) -> Result<()> {
        let mut sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        for source in sources.iter_mut() {
            if let Source::Perf(array) = source {
                array.follow()?;
            }
        }
        Ok(())
    }

    /// Waits for epoll, and acknowledges every event that is not a record. `waits` says whether the
    /// wakeups count.
    fn epoll_wait(&self, left: Duration, waits: bool) -> Result<()> {
        let mut sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        let mut events = [const { MaybeUninit::uninit() }; 16];
        let events =
            match epoll::wait(&self.epoll, &mut events, Some(&timespec(left.min(MAX_WAIT)))) {
                Ok((events, _)) => events,
                // Interrupted by a signal: the caller computes the time left and waits again.
                Err(Errno::INTR) => return Ok(()),
                Err(errno) => return Err(epoll_error(errno)),
            };
        for event in events {
            let flags = event.flags;
            match Token::from_data(event.data) {
                Token::Control => self.control.acknowledge(),
                Token::Timer(map) => {
                    if let Some(Source::Perf(array)) = sources.get(map) {
                        array.acknowledge_timer();
                    }
                }
                Token::Map(map, cpu) => {
                    if let Some(stats) = self.stats.get(map).filter(|_| waits) {
                        stats.update(|stats| stats.wakeups += 1);
                    }
                    // The CPU of this perf ring went offline: its descriptor would stay readable
                    // for ever.
                    if flags.intersects(EventFlags::HUP | EventFlags::ERR)
                        && let Some(Source::Perf(array)) = sources.get_mut(map)
                    {
                        array.retire(cpu);
                    }
                }
            }
        }
        Ok(())
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

fn reentered() -> Error {
    Error::Reentered {
        name: "poll".to_owned(),
        why: "the reader is in a callback, or a batch of it is still held".to_owned(),
    }
}

/// Dropping a reader ends polling, so that holders of a control handle learn that no more records
/// come.
impl Drop for Reader {
    fn drop(&mut self) {
        self.control.stop_now();
    }
}

/// Readable when a record may be there. For an event loop of the caller, which then polls with a
/// timeout of zero.
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

    /// Returns a reader of a ring that a test writes. Nothing is in its epoll set, so it cannot
    /// wait.
    fn reader(ring: Ring) -> Reader {
        let (epoll, control) =
            (Arc::new(epoll::create(CreateFlags::CLOEXEC).unwrap()), Control::new().unwrap());
        let (sources, stats) = (RefCell::new(vec![Source::Ring(ring)]), vec![Counters::default()]);
        Reader {
            epoll,
            sources,
            stats,
            control,
            waiting: Cell::default(),
            burst: Cell::default(),
            ending: Ending::default(),
        }
    }

    #[test]
    fn wait_after_stop_covers_uncommitted_record() {
        let fake = Fake::new();
        let busy = fake.push(16, 1, BUSY);
        let reader = reader(fake.ring.replace(Fake::new().ring.into_inner()));
        reader.control().stop();
        assert!(reader.wait(Duration::ZERO).unwrap());
        assert_eq!(
            reader.read_ring(0, |_| Verdict::Delivered).unwrap(),
            0,
            "the record is not committed"
        );
        let producer = thread::spawn(move || {
            fake.word(busy, 16);
            fake.push(16, 2, 0);
        });
        producer.join().unwrap();
        assert!(reader.wait(Duration::ZERO).unwrap());
        assert_eq!(
            reader.read_ring(0, |_| Verdict::Delivered).unwrap(),
            1,
            "no record that came later"
        );
        assert!(!reader.wait(Duration::ZERO).unwrap() && reader.control().is_stopped());
        assert_eq!(reader.unread().unwrap(), 1);

        // A record that stays uncommitted for longer does not keep the loop running.
        let fake = Fake::new();
        fake.push(16, 1, BUSY);
        let reader = self::reader(fake.ring.replace(Fake::new().ring.into_inner()));
        reader.control().stop();
        assert!(reader.wait(Duration::ZERO).unwrap());
        let start = Instant::now();
        assert!(!reader.wait(Duration::ZERO).unwrap() && reader.control().is_stopped());
        assert!(start.elapsed() >= MAX_BUSY_SLEEP * BUSY_RETRIES);
    }

    #[test]
    fn drain_waits_for_uncommitted_record() {
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
        assert_eq!(reader.drain(deliver).unwrap(), 0, "the record is not committed");
        assert!(start.elapsed() >= MAX_BUSY_SLEEP * BUSY_RETRIES);
        let producer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(2));
            fake.word(busy, 16);
        });
        let start = Instant::now();
        // A loaded machine may delay the producer for longer than one call waits.
        while seen.borrow().len() < 3 && start.elapsed() < Duration::from_secs(10) {
            reader.drain(deliver).unwrap();
        }
        producer.join().unwrap();
        assert_eq!(*seen.borrow(), [1, 2, 3]);
    }
}
