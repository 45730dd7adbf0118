//! The kinds of maps that deliver records.

use std::os::fd::AsFd as _;

use super::{PerfArray, Ring, Sampled, watch::Watch};
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
}
