//! The reader: one epoll wait for all maps that deliver records.

use std::{
    cell::{Cell, RefCell, RefMut},
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use super::{
    Batch, Control, Counters, Drained, Fate, Outcome, Record, Ring, Source, Stats, Verdict,
    Waiting,
    ending::Ending,
    source::Reach,
    waiting::{Burst, Deadline},
    watch::{EpollSet, Watch},
};
use crate::{
    Error, Result,
    sample::{CallbackErrors, Delivered, Plain},
};

#[cfg(test)]
mod tests;
mod wait;

use wait::Ready;

/// A reader of every map that delivers records, with one wait for all of them.
#[derive(Debug)]
#[doc(hidden)]
pub struct Reader {
    epoll: EpollSet,
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

impl Reader {
    /// Creates a reader of `sources`.
    pub(crate) fn new(mut sources: Vec<Source>) -> Result<Self> {
        let control = Control::new()?;
        let epoll = EpollSet::new(&control)?;
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
            source.count_lost(stats);
        }
    }

    /// Returns the number of records in the buffers that were not delivered, including those that a
    /// program is still writing. It is 0 after a `finish` that no callback ended; an application
    /// can report the records that it left unread.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a ring's memory is inconsistent; [`Error::Reentered`] if a callback
    /// calls it on the reader that called the callback.
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
        let deadline = Deadline::after(timeout);
        let mut late = false;
        loop {
            match self.ready(deadline)? {
                Ready::Yes => {
                    let (drained, delivered) =
                        self.read(None, Reach::Ready, &|| self.control.delivers(), &mut deliver)?;
                    if delivered > 0 || (drained == Drained::Stopped && !self.control.is_paused()) {
                        return Ok(delivered);
                    }
                    if late {
                        // Programs send records that are not delivered faster than they are read.
                        // Nobody has seen an empty buffer, so the kernel may wake nobody for the
                        // next record: an event loop of the caller must come back by itself.
                        self.control.wake();
                        return Ok(0);
                    }
                    late = deadline.left().is_zero();
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
        let read = self.read(None, Reach::Last, &|| self.control.delivers(), &mut |map, record| {
            let verdict = deliver(map, record);
            broken |= matches!(verdict, Verdict::Stop);
            verdict
        });
        if !broken {
            self.control.stop_now();
        }
        read.map(|(_, delivered)| delivered)
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
    /// Those of [`Self::poll`].
    pub fn drain(&self, mut deliver: impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        self.sources.try_borrow_mut().map_err(|_| reentered())?.iter_mut().for_each(Source::unmark);
        self.read(None, Reach::Rest, &|| true, &mut deliver).map(|(_, delivered)| delivered)
    }

    fn received(&self) -> u64 {
        self.stats.iter().map(Counters::get).map(|stats| stats.received).sum()
    }

    /// Delivers the records that are there in one map. Delivers nothing while polling is paused or
    /// after it has ended.
    ///
    /// # Errors
    /// Those of [`Self::poll`].
    #[inline]
    pub fn read_one(&self, map: usize, mut deliver: impl FnMut(&[u8]) -> Verdict) -> Result<u64> {
        self.before_one()?;
        self.read(Some(map), Reach::Ready, &|| self.control.delivers(), &mut |_, record| {
            deliver(record)
        })
        .map(|(_, delivered)| delivered)
    }

    /// Delivers as [`Self::read_one`], from a ring buffer.
    ///
    /// # Errors
    /// Those of [`Self::poll`]; [`Error::NotFound`] if the map is not a ring buffer.
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
    /// Those of [`Self::read_ring`].
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
    /// Those of [`Self::read_runs`].
    pub fn batch<E: Delivered>(&self, map: usize) -> Result<Batch<'_, E>> {
        self.before_one()?;
        let (ring, stats) = self.ring(map)?;
        self.feed();
        Batch::new(ring, stats, self.control.delivers())
    }

    fn ring(&self, map: usize) -> Result<(RefMut<'_, Ring>, &Counters)> {
        let sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        let ring = RefMut::filter_map(sources, |sources| {
            sources.get_mut(map).and_then(Source::as_ring_mut)
        });
        let not_found = || Error::NotFound {
            what: "ring buffer",
            name: format!("number {map}"),
            known: Vec::new(),
        };
        Ok((ring.map_err(|_| not_found())?, self.stats.get(map).ok_or_else(not_found)?))
    }

    /// Reads every map once, or only one of them. Returns why the read ended and how many records
    /// were delivered. A damaged map does not keep the others from being read: a damaged ring
    /// buffer is dropped, and the first error is returned at the end.
    #[inline]
    fn read(
        &self,
        only: Option<usize>,
        reach: Reach,
        running: &impl Fn() -> bool,
        deliver: &mut impl FnMut(usize, &[u8]) -> Verdict,
    ) -> Result<(Drained, u64)> {
        let mut sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        let mut result = Ok(Drained::All);
        let mut errors = CallbackErrors::default();
        let before = self.received();
        let mut retries = reach.retries();
        let covers = |map| only.is_none_or(|only| only == map);
        for (map, (source, stats)) in
            sources.iter_mut().zip(&self.stats).enumerate().filter(|(map, _)| covers(*map))
        {
            let mut deliver = |record: &[u8]| Fate::of(&mut errors, deliver(map, record));
            let drained = source.drain(reach, &mut retries, stats, running, &mut deliver);
            match drained {
                Ok(Drained::All) => {}
                Ok(Drained::Busy) => result = result.and(drained),
                Ok(Drained::Stopped) => {
                    result = result.and(drained);
                    break;
                }
                Err(error) => {
                    source.give_up(&self.epoll);
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
