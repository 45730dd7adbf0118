//! The end of polling after a stop was requested.

use std::cell::Cell;

/// The state of polling between a requested stop and its end.
///
/// When a poll sees the stop, it marks each map at the end of the records that are there, so that
/// the last read has an end even on rings that never run dry. `Ending` decides when to give up on
/// callers that read maps one by one and do not read what is left.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// True if the maps are marked.
    pub(super) marked: Cell<bool>,
    /// Number of records taken at the last wait, and whether a program was still writing one.
    waited: Cell<Option<(u64, bool)>>,
    /// Number of records taken at the last read of one map, and how many reads in a row took none.
    read: Cell<(u64, usize)>,
}

/// Number of reads of a map that took nothing, in one round of a caller's loop, that are tolerated.
const READS: usize = 16;

impl Ending {
    /// Reports whether a waiting caller should read what is left. It should not if it took nothing
    /// since its last wait although it could.
    pub(super) fn waits(&self, taken: u64, busy: bool) -> bool {
        self.waited
            .replace(Some((taken, busy)))
            .is_none_or(|(before, was_busy)| taken != before || (was_busy && !busy))
    }

    /// Reports whether a caller that reads one of `maps` maps may still read what is left in the
    /// others.
    pub(super) fn reads(&self, taken: u64, maps: usize) -> bool {
        let (before, idle) = self.read.get();
        let idle = if taken == before { idle + 1 } else { 0 };
        self.read.set((taken, idle));
        idle <= READS * maps
    }
}
