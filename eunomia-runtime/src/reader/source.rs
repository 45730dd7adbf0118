use std::os::fd::AsFd as _;

use super::{PerfArray, Ring, Sampled, watch::Watch};
use crate::Result;

/// A map that delivers records.
#[derive(Debug)]
pub(crate) enum Source {
    Ring(Ring),
    Perf(PerfArray),
    Sampled(Sampled),
    /// Nobody reads it here: its memory contradicted itself, its map was not made, or the records are left to another reader.
    Unread,
}

impl Source {
    /// Lets its reader wait for it.
    pub(super) fn watch(&mut self, watch: Watch) -> Result<()> {
        match self {
            Self::Ring(ring) => watch.add(ring.as_fd(), 0),
            Self::Perf(array) => array.watch(watch),
            Self::Sampled(sampled) => watch.add(sampled.as_fd(), 0),
            Self::Unread => Ok(()),
        }
    }

    /// Whether a record is there to be read.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Ring(ring) => ring.is_ready(),
            Self::Perf(array) => array.has_more(),
            Self::Sampled(map) => map.is_ready(),
            Self::Unread => false,
        }
    }

    /// Whether a record came in, committed or not, after the map was drained; every position is published by then.
    pub(super) fn has_more(&self) -> bool {
        match self {
            Self::Ring(ring) => ring.has_more(),
            Self::Perf(array) => array.has_more(),
            Self::Sampled(map) => map.is_ready(),
            Self::Unread => false,
        }
    }

    /// From now on reads end where the records of this moment do. A map that is read at intervals is read once more.
    pub(super) fn mark(&mut self) {
        match self {
            Self::Ring(ring) => ring.mark(),
            Self::Perf(array) => array.mark(),
            Self::Sampled(map) => map.mark(),
            Self::Unread => {}
        }
    }

    /// Reads go as far as there are records again.
    pub(super) fn unmark(&mut self) {
        match self {
            Self::Ring(ring) => ring.unmark(),
            Self::Perf(array) => array.unmark(),
            Self::Sampled(_) | Self::Unread => {}
        }
    }

    /// Whether everything before the mark was read.
    pub(super) fn is_at_mark(&self) -> bool {
        match self {
            Self::Ring(ring) => ring.is_at_mark(),
            Self::Perf(array) => array.is_at_mark(),
            Self::Sampled(map) => map.is_at_mark(),
            Self::Unread => true,
        }
    }

    /// How many records are there that were not read.
    pub(super) fn unread(&self) -> Result<u64> {
        match self {
            Self::Ring(ring) => ring.unread(),
            Self::Perf(array) => array.unread(),
            Self::Sampled(map) => Ok(map.unread()),
            Self::Unread => Ok(0),
        }
    }
}
