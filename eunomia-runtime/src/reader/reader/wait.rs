//! The wait of a reader: for records, for a stop, or for the end of a time.

use std::{hint, time::Duration};

use rustix::event::epoll::EventFlags;

use super::{
    super::{
        Counters, Source, Waiting,
        waiting::{Deadline, MAX_BUSY_SLEEP, Retries, nap},
        watch::Token,
    },
    Reader, reentered,
};
use crate::Result;

/// The outcome of a wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    /// Records are ready.
    Yes,
    /// A stop was requested, and the maps must be read for the last time.
    Last,
    /// The time has passed, or polling has ended.
    No,
}

/// The reason why no record can be read.
enum Unready {
    /// Polling is paused.
    Paused,
    /// The next record is reserved and not yet committed.
    Busy,
    /// There is none.
    Empty,
}

impl Reader {
    /// Waits up to `timeout` for records to read, and reports whether there are any. For callers
    /// that read maps one by one.
    ///
    /// After [`Control::stop`](super::super::Control::stop) it returns true if records are left,
    /// which the handles of the maps then deliver. Polling ends at a later call, once all of them
    /// were read or the caller read none.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if epoll fails,
    /// [`Error::Reentered`](crate::Error::Reentered) if a callback waits for the reader that called
    /// it.
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        match self.ready(Deadline::after(timeout))? {
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
        let mut retries = Retries::of_final_read();
        let waited = self.is_busy()?;
        while self.is_busy()? && retries.next() {}
        Ok(waited && !self.is_busy()?)
    }

    /// Reports whether a program is still writing a record that the last read must deliver.
    fn is_busy(&self) -> Result<bool> {
        self.any(Source::is_busy)
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
    pub(super) fn before_one(&self) -> Result<()> {
        if self.is_ending()? {
            let more = self.any(Source::is_left_to_handle)?;
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
    pub(super) fn ready(&self, deadline: Deadline) -> Result<Ready> {
        let mut busy_sleep = Duration::from_micros(20);
        while !self.control.is_stopped() {
            if self.is_ending()? {
                return Ok(Ready::Last);
            }
            self.follow_cpus()?;
            let Some(why) = self.unready(deadline)? else { return Ok(Ready::Yes) };
            match (why, deadline.left()) {
                (_, Duration::ZERO) => {
                    self.notice()?;
                    break;
                }
                (Unready::Paused, left) => self.control.wait(left)?,
                (Unready::Busy, left) => {
                    nap(left.min(busy_sleep));
                    busy_sleep = (busy_sleep * 2).min(MAX_BUSY_SLEEP);
                }
                (Unready::Empty, left) => self.idle(left)?,
            }
        }
        Ok(Ready::No)
    }

    /// Returns why no record can be read, or `None` if one can. Lets the records of a burst gather
    /// before it looks.
    fn unready(&self, deadline: Deadline) -> Result<Option<Unready>> {
        if self.control.is_paused() {
            return Ok(Some(Unready::Paused));
        }
        let pause = self.burst.get().pause(self.waiting.get());
        if !pause.is_zero() {
            nap(pause.min(deadline.left()));
        }
        if self.any(Source::is_ready)? {
            return Ok(None);
        }
        // The last look, after a full barrier. Whoever waits from here on, in this function or in
        // an event loop of the caller, is woken for every later record.
        if !self.any(Source::has_more)? {
            return Ok(Some(Unready::Empty));
        }
        Ok(if self.any(Source::is_ready)? { None } else { Some(Unready::Busy) })
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

    /// Retires and opens perf rings as their CPUs go offline and come online.
    fn follow_cpus(&self) -> Result<()> {
        let mut sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        sources.iter_mut().try_for_each(Source::follow_cpus)
    }

    /// Waits for epoll, and acknowledges every event that is not a record. `waits` says whether the
    /// wakeups count.
    fn epoll_wait(&self, left: Duration, waits: bool) -> Result<()> {
        let mut sources = self.sources.try_borrow_mut().map_err(|_| reentered())?;
        self.epoll.wait(left, |token, flags| match token {
            Token::Control => self.control.acknowledge(),
            Token::Timer(map) => {
                if let Some(source) = sources.get(map) {
                    source.acknowledge_timer();
                }
            }
            Token::Map(map, cpu) => {
                if let Some(stats) = self.stats.get(map).filter(|_| waits) {
                    stats.update(|stats| stats.wakeups += 1);
                }
                if flags.intersects(EventFlags::HUP | EventFlags::ERR)
                    && let Some(source) = sources.get_mut(map)
                {
                    source.retire(cpu);
                }
            }
        })
    }
}
