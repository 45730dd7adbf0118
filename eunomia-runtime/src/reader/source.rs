//! The kinds of maps that deliver records.

use std::os::fd::AsFd as _;

use super::{
    Counters, Drained, Fate, PerfArray, Ring, Sampled,
    waiting::Retries,
    watch::{EpollSet, Watch},
};
use crate::Result;

/// A map that delivers records.
#[derive(Debug)]
pub(crate) enum Source {
    Ring(Ring),
    Perf(PerfArray),
    Sampled(Sampled),
    /// A map that is not read here: its memory was inconsistent, it was not created, or its records
    /// are left to another reader.
    Unread,
}

/// How far a read goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It takes the records that can be read now.
    Ready,
    /// It goes to the end: it also takes sampled maps before their time, and waits a moment for
    /// records that are about to be committed.
    Rest,
    /// It goes as far as `Rest`, but only up to the records that were there when the stop was seen.
    Last,
}

impl Reach {
    /// Returns the retries for records that are about to be committed.
    pub(super) fn retries(self) -> Retries {
        match self {
            Self::Ready => Retries::none(),
            Self::Rest | Self::Last => Retries::of_final_read(),
        }
    }
}

impl Source {
    /// Adds the map to the epoll set of its reader.
    pub(super) fn watch(&mut self, watch: Watch) -> Result<()> {
        match self {
            Self::Ring(ring) => watch.add(ring.as_fd(), 0),
            Self::Perf(array) => array.watch(watch),
            Self::Sampled(sampled) => watch.add(sampled.as_fd(), 0),
            Self::Unread => Ok(()),
        }
    }

    /// Reports whether a record can be read.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Ring(ring) => ring.is_ready(),
            Self::Perf(array) => array.has_more(),
            Self::Sampled(map) => map.is_ready(),
            Self::Unread => false,
        }
    }

    /// Reports whether a record, committed or not, came after the map was drained. Every position
    /// must be published by then.
    pub(super) fn has_more(&self) -> bool {
        match self {
            Self::Ring(ring) => ring.has_more(),
            Self::Perf(array) => array.has_more(),
            Self::Sampled(map) => map.is_ready(),
            Self::Unread => false,
        }
    }

    /// Ends later reads at the records that are there now. A sampled map will be read once more.
    pub(super) fn mark(&mut self) {
        match self {
            Self::Ring(ring) => ring.mark(),
            Self::Perf(array) => array.mark(),
            Self::Sampled(map) => map.mark(),
            Self::Unread => {}
        }
    }

    /// Lets reads go on beyond the mark.
    pub(super) fn unmark(&mut self) {
        match self {
            Self::Ring(ring) => ring.unmark(),
            Self::Perf(array) => array.unmark(),
            Self::Sampled(_) | Self::Unread => {}
        }
    }

    /// Reports whether everything before the mark was read.
    pub(super) fn is_at_mark(&self) -> bool {
        match self {
            Self::Ring(ring) => ring.is_at_mark(),
            Self::Perf(array) => array.is_at_mark(),
            Self::Sampled(map) => map.is_at_mark(),
            Self::Unread => true,
        }
    }

    /// Returns the number of unread records.
    pub(super) fn unread(&self) -> Result<u64> {
        match self {
            Self::Ring(ring) => ring.unread(),
            Self::Perf(array) => array.unread(),
            Self::Sampled(map) => Ok(map.unread()),
            Self::Unread => Ok(0),
        }
    }

    /// Delivers the records that are there, as far as `reach` says.
    #[inline]
    pub(super) fn drain(
        &mut self,
        reach: Reach,
        retries: &mut Retries,
        stats: &Counters,
        running: &impl Fn() -> bool,
        deliver: &mut impl FnMut(&[u8]) -> Fate,
    ) -> Result<Drained> {
        match self {
            Self::Ring(ring) => loop {
                let drained = ring.drain(stats, running, &mut *deliver);
                if !matches!(drained, Ok(Drained::Busy)) || !retries.next() {
                    return drained;
                }
            },
            Self::Perf(array) => array.drain(stats, running, deliver),
            Self::Sampled(map) => match reach {
                Reach::Ready => map.drain(stats, running, deliver),
                Reach::Rest => map.drain_rest(stats, running, deliver),
                Reach::Last => map.drain_last(stats, running, deliver),
            },
            Self::Unread => Ok(Drained::All),
        }
    }

    /// Gives up a ring buffer whose memory is inconsistent. A perf event array has closed the
    /// damaged ring itself, and an error of a sampled map leaves the map readable.
    pub(super) fn give_up(&mut self, epoll: &EpollSet) {
        if let Self::Ring(ring) = self {
            epoll.remove(ring.as_fd());
            *self = Self::Unread;
        }
    }

    /// Reports whether a program is still writing the next record before the mark.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Ring(_)) && !self.is_at_mark() && !self.is_ready()
    }

    /// Reports whether the handle of the map can read records before the mark. Entries of a sampled
    /// map are delivered only by a poll.
    pub(super) fn is_left_to_handle(&self) -> bool {
        !matches!(self, Self::Sampled(_)) && !self.is_at_mark()
    }

    /// Updates the count of records that a perf event array lost.
    pub(super) fn count_lost(&mut self, stats: &Counters) {
        if let Self::Perf(array) = self {
            array.count_lost(stats);
        }
    }

    /// Retires and opens perf rings as their CPUs go offline and come online.
    pub(super) fn follow_cpus(&mut self) -> Result<()> {
        match self {
            Self::Perf(array) => array.follow(),
            Self::Ring(_) | Self::Sampled(_) | Self::Unread => Ok(()),
        }
    }

    /// Clears the timer of a perf event array.
    pub(super) fn acknowledge_timer(&self) {
        if let Self::Perf(array) = self {
            array.acknowledge_timer();
        }
    }

    /// Retires the perf ring of a CPU that went offline: its descriptor would stay readable for
    /// ever.
    pub(super) fn retire(&mut self, cpu: u32) {
        if let Self::Perf(array) = self {
            array.retire(cpu);
        }
    }

    /// Returns the ring buffer, if the map is one.
    #[inline]
    pub(super) fn as_ring_mut(&mut self) -> Option<&mut Ring> {
        match self {
            Self::Ring(ring) => Some(ring),
            Self::Perf(_) | Self::Sampled(_) | Self::Unread => None,
        }
    }
}
