//! One wait over all maps.

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
    Batch, Control, Counters, Drained, Fate, Outcome, Record, Ring, Source, Stats, Verdict, Waiting,
    control::timespec,
    ending::Ending,
    waiting::Burst,
    watch::{Told, Watch, tried},
};
use crate::{
    Error, Result,
    sample::{Delivered, Failures, Plain},
};

/// Reads every map that delivers records, in one wait.
#[derive(Debug)]
pub struct Reader {
    epoll: Arc<OwnedFd>,
    /// By the number of the map. Borrowed while a callback runs, which may still ask for counts, maps and variables.
    sources: RefCell<Vec<Source>>,
    /// By the number of the map.
    stats: Vec<Counters>,
    control: Control,
    waiting: Cell<Waiting>,
    burst: Cell<Burst>,
    ending: Ending,
}

/// The longest sleep on a record that its producer holds uncommitted. A busy record makes its ring readable for epoll although there
/// is nothing to read, so waiting there would spin.
const MAX_BUSY_SLEEP: Duration = Duration::from_millis(1);

/// How often a read of what is left looks again, at intervals of [`MAX_BUSY_SLEEP`], at a record that its producer holds uncommitted: a
/// program may run on for a moment after it was detached.
const LAST_LOOKS: u32 = 10;

/// The longest single wait: kernels before 5.11 count it in milliseconds in an `int`. The caller waits again.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// What is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Every map.
    All,
    /// The map of this number.
    One(usize),
    /// Every map, for all that is in it: maps that are read at intervals before their time, and records that are about to come.
    Rest,
    /// As the rest, up to what was there when a stop was seen.
    Last,
}

/// What a wait ended with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ready {
    /// There are records.
    Yes,
    /// A stop was asked for: the maps are to be read for the last time.
    Last,
    No,
}

impl Reader {
    /// Reads these maps.
    pub(crate) fn new(mut sources: Vec<Source>) -> Result<Self> {
        let epoll = Arc::new(epoll::create(CreateFlags::CLOEXEC).map_err(tried)?);
        let control = Control::new()?;
        epoll::add(&epoll, &control, Told::Control.to_data(), EventFlags::IN).map_err(tried)?;
        sources.iter_mut().enumerate().try_for_each(|(map, source)| source.watch(Watch::new(&epoll, map)))?;
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

    /// A handle that pauses and ends polling.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// How polls wait from now on.
    pub fn set_waiting(&self, waiting: Waiting) {
        self.waiting.set(waiting);
    }

    /// What became of the records of each map, in the order of the maps. Callbacks may ask too; what was lost in a perf event array is then
    /// the number of the last time that it was asked for elsewhere.
    ///
    /// Costs a system call for each CPU and perf event array.
    pub fn stats(&self) -> impl Iterator<Item = Stats> {
        self.count_lost();
        self.stats.iter().map(Counters::get)
    }

    fn count_lost(&self) {
        let Ok(mut sources) = self.sources.try_borrow_mut() else { return };
        for (source, stats) in sources.iter_mut().zip(&self.stats) {
            if let Source::Perf(array) = source {
                array.count_lost(stats);
            }
        }
    }

    /// How many records are in the buffers that were not delivered, those that a program is writing included. 0 after a `finish` that
    /// no callback ended; for those who say what they left.
    ///
    /// # Errors
    /// If a ring's memory contradicts itself, or a callback asks the reader that called it.
    pub fn unread(&self) -> Result<u64> {
        self.sources.try_borrow().map_err(|_| reentered())?.iter().map(Source::unread).sum()
    }

    /// Delivers the records that are there, or waits for the first ones until `timeout` has passed.
    ///
    /// Returns how many records were delivered; 0 if none came in time or polling has ended. A signal does not end the wait.
    ///
    /// After [`Control::stop`] it delivers the records that were there when it saw the stop, then polling has ended. It waits for none but
    /// those that a program is writing, and for these a few milliseconds; maps that are read at intervals are read once more. A callback
    /// that ends this poll leaves the rest to the next one.
    ///
    /// # Errors
    /// If epoll fails, or a callback polls the reader that called it. If a ring's memory contradicts itself, after the other
    /// rings were read; this one is not read again. [`Error::Callback`] if a callback failed, after all records were delivered.
    pub fn poll(&self, timeout: Duration, mut deliver: impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            match self.ready(deadline)? {
                Ready::Yes => {
                    let (drained, delivered) = self.read(Part::All, &|| self.control.delivers(), &mut deliver)?;
                    if delivered > 0 || (drained == Drained::Stopped && !self.control.is_paused()) {
                        return Ok(delivered);
                    }
                }
                Ready::Last => return self.read_last(&mut deliver),
                Ready::No => return Ok(0),
            }
        }
    }

    /// Delivers what was there when the stop was seen; then polling has ended, unless the callback ended this poll alone.
    fn read_last(&self, deliver: &mut impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        // A callback that asks in vain does not end what its own poll is at.
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

    /// Waits until there are records to read, or `timeout` has passed; whether there are. For those who read maps one by one.
    ///
    /// After [`Control::stop`] it returns true if there are records, which handles of maps then deliver. Polling has ended when it is
    /// called again and they are all read, or none was.
    ///
    /// # Errors
    /// If epoll fails, or a callback waits for the reader that called it.
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        match self.ready(Instant::now().checked_add(timeout))? {
            Ready::Yes => Ok(true),
            Ready::No => Ok(false),
            Ready::Last => {
                let more = self.any(|source| !source.is_at_mark())?
                    && (self.ending.waits(self.taken(), self.is_busy()?) || self.outlasts_busy()?);
                if !more {
                    self.control.stop_now();
                }
                Ok(more)
            }
        }
    }

    /// Waits a few milliseconds for records that a program is writing; whether it has written them.
    fn outlasts_busy(&self) -> Result<bool> {
        let mut looks = LAST_LOOKS;
        let waited = self.is_busy()?;
        while looks > 0 && self.is_busy()? {
            nap(MAX_BUSY_SLEEP);
            looks -= 1;
        }
        Ok(waited && !self.is_busy()?)
    }

    /// Whether a program is writing a record that the last read waits for.
    fn is_busy(&self) -> Result<bool> {
        self.any(|source| matches!(source, Source::Ring(_)) && !source.is_at_mark() && !source.is_ready())
    }

    /// Whether a stop was asked for and polling goes on. From then on no read goes further than what was there when this was first seen.
    #[inline]
    fn is_ending(&self) -> Result<bool> {
        if !self.control.is_ending() {
            return Ok(false);
        }
        if !self.ending.marked.get() {
            self.sources.try_borrow_mut().map_err(|_| reentered())?.iter_mut().for_each(Source::mark);
            self.ending.marked.set(true);
        }
        Ok(true)
    }

    /// Before one map is read: polling has ended where a stop was asked for and there is nothing left, in other maps either, or nobody
    /// comes for it.
    #[inline]
    fn before_one(&self) -> Result<()> {
        if self.is_ending()? {
            // Entries of a map that is read at intervals are delivered by a poll alone.
            let more = self.any(|source| !matches!(source, Source::Sampled(_)) && !source.is_at_mark())?;
            if !more || !self.ending.reads(self.taken(), self.stats.len()) {
                self.control.stop_now();
            }
        }
        Ok(())
    }

    /// How many records were taken out of the buffers.
    fn taken(&self) -> u64 {
        self.stats.iter().map(Counters::get).map(|stats| stats.received + stats.short + stats.discarded).sum()
    }

    fn ready(&self, deadline: Option<Instant>) -> Result<Ready> {
        let left = || deadline.map_or(MAX_WAIT, |deadline| deadline.saturating_duration_since(Instant::now()));
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
            // The last look, behind a barrier: whoever waits now, here or in an event loop of their own, is woken for what comes later.
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
                // Reserved, and not yet committed.
                nap(left.min(busy_sleep));
                busy_sleep = (busy_sleep * 2).min(MAX_BUSY_SLEEP);
            } else {
                self.idle(left)?;
            }
        }
        Ok(Ready::No)
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
            None => self.epoll_wait(left, true)?,
        }
        Ok(())
    }

    /// Takes notice of what epoll has to tell that is no record, for an event loop of one's own: it would be readable again and again.
    fn notice(&self) -> Result<()> {
        self.epoll_wait(Duration::ZERO, false)
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
        self.sources.try_borrow_mut().map_err(|_| reentered())?.iter_mut().for_each(Source::unmark);
        self.read(Part::Rest, &|| true, &mut deliver).map(|(_, delivered)| delivered)
    }

    fn received(&self) -> u64 {
        self.stats.iter().map(Counters::get).map(|stats| stats.received).sum()
    }

    /// Delivers the records that are there in one map; nothing while polling is paused or after it has ended.
    ///
    /// # Errors
    /// As [`Self::poll`].
    #[inline]
    pub fn read_one(&self, map: usize, mut deliver: impl FnMut(&[u8]) -> Verdict) -> Result<u64> {
        self.before_one()?;
        self.read(Part::One(map), &|| self.control.delivers(), &mut |_, record| deliver(record)).map(|(_, delivered)| delivered)
    }

    /// As [`Self::read_one`], of a ring buffer.
    ///
    /// # Errors
    /// As [`Self::poll`]; [`Error::NotFound`] where the map is no ring buffer.
    #[inline]
    pub fn read_ring(&self, map: usize, mut deliver: impl FnMut(&[u8]) -> Verdict) -> Result<u64> {
        self.with_ring(map, |ring, stats, failure| ring.drain(stats, &|| self.control.delivers(), |record| failure.fate(deliver(record))))
    }

    /// As [`Self::read_ring`], in slices of records.
    ///
    /// # Errors
    /// As [`Self::read_ring`].
    #[inline]
    pub fn read_runs<E: Plain, R: Outcome>(&self, map: usize, mut f: impl FnMut(&[Record<E>]) -> R) -> Result<u64> {
        self.with_ring(map, |ring, stats, failure| {
            ring.runs(stats, &|| self.control.delivers(), |run| failure.fate(Verdict::of(Ok(f(run)))))
        })
    }

    #[inline]
    fn with_ring(&self, map: usize, read: impl FnOnce(&Ring, &Counters, &mut Failure) -> Result<Drained>) -> Result<u64> {
        self.before_one()?;
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
        let mut looks = if matches!(part, Part::Rest | Part::Last) { LAST_LOOKS } else { 0 };
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
                Source::Sampled(map) if part == Part::Last => map.drain_last(stats, running, &mut deliver),
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
                        // Fails only for a descriptor that is not there, which is what is wanted.
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
        for source in sources.iter_mut() {
            if let Source::Perf(array) = source {
                array.follow()?;
            }
        }
        Ok(())
    }

    fn epoll_wait(&self, left: Duration, waits: bool) -> Result<()> {
        let mut sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        let mut events = [const { MaybeUninit::uninit() }; 16];
        let events = match epoll::wait(&self.epoll, &mut events, Some(&timespec(left.min(MAX_WAIT)))) {
            Ok((events, _)) => events,
            // A signal: the caller looks at the time that is left and waits again.
            Err(Errno::INTR) => return Ok(()),
            Err(errno) => return Err(tried(errno)),
        };
        for event in events {
            let flags = event.flags;
            match Told::of_data(event.data) {
                Told::Control => self.control.acknowledge(),
                Told::Timer(map) => {
                    if let Some(Source::Perf(array)) = sources.get(map) {
                        array.acknowledge_timer();
                    }
                }
                Told::Map(map, cpu) => {
                    if let Some(stats) = self.stats.get(map).filter(|_| waits) {
                        stats.update(|stats| stats.wakeups += 1);
                    }
                    // The CPU of a perf ring went offline: the descriptor would be readable for ever.
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

/// Sleeps until a signal comes at the latest: whoever waits looks at the time that is left. `std::thread::sleep` goes on for what the
/// kernel says is left, and that has the slack of the timer in it: where signals come more often, it never ends.
pub(super) fn nap(time: Duration) {
    if !time.is_zero() {
        let _ = nanosleep(&timespec(time));
    }
}

fn reentered() -> Error {
    Error::Value { name: "poll".to_owned(), why: "the same reader is in a callback, or somebody holds a batch of it".to_owned() }
}

/// Whoever holds a control handle learns that nothing more comes.
impl Drop for Reader {
    fn drop(&mut self) {
        self.control.stop_now();
    }
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
        let (epoll, control) = (Arc::new(epoll::create(CreateFlags::CLOEXEC).unwrap()), Control::new().unwrap());
        let (sources, stats) = (RefCell::new(vec![Source::Ring(ring)]), vec![Counters::default()]);
        Reader { epoll, sources, stats, control, waiting: Cell::default(), burst: Cell::default(), ending: Ending::default() }
    }

    #[test]
    fn a_loop_over_maps_has_what_is_being_written_at_its_stop() {
        let fake = Fake::new();
        let busy = fake.push(16, 1, BUSY);
        let reader = reader(fake.ring.replace(Fake::new().ring.into_inner()));
        reader.control().stop();
        assert!(reader.wait(Duration::ZERO).unwrap());
        assert_eq!(reader.read_ring(0, |_| Verdict::Delivered).unwrap(), 0, "it is not committed");
        let producer = thread::spawn(move || {
            fake.word(busy, 16);
            fake.push(16, 2, 0);
        });
        producer.join().unwrap();
        assert!(reader.wait(Duration::ZERO).unwrap());
        assert_eq!(reader.read_ring(0, |_| Verdict::Delivered).unwrap(), 1, "and nothing that came later");
        assert!(!reader.wait(Duration::ZERO).unwrap() && reader.control().is_stopped());
        assert_eq!(reader.unread().unwrap(), 1);

        // One that is held for longer keeps no loop.
        let fake = Fake::new();
        fake.push(16, 1, BUSY);
        let reader = self::reader(fake.ring.replace(Fake::new().ring.into_inner()));
        reader.control().stop();
        assert!(reader.wait(Duration::ZERO).unwrap());
        let start = Instant::now();
        assert!(!reader.wait(Duration::ZERO).unwrap() && reader.control().is_stopped());
        assert!(start.elapsed() >= MAX_BUSY_SLEEP * LAST_LOOKS);
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
