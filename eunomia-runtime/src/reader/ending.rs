use std::cell::Cell;

/// The last read of the maps, after a stop was asked for.
///
/// The maps know where it ends: each was marked where its records ended when the stop was seen, so that the last read has an end on rings
/// that never run dry, too. This knows when those who read maps one by one do not come for what is left.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Whether the maps are marked.
    pub(super) marked: Cell<bool>,
    /// How many records had been taken when somebody last waited, and whether a program was writing one.
    waited: Cell<Option<(u64, bool)>>,
    /// How many had been taken at the last read of one map, and how many of these in a row took nothing.
    read: Cell<(u64, usize)>,
}

/// How often a map may be read in one round of a loop, by handles of it.
const READS: usize = 16;

impl Ending {
    /// Whether who waits is to read what is left: there is no sense in it for those who took nothing after the last time, although they
    /// could.
    pub(super) fn waits(&self, taken: u64, busy: bool) -> bool {
        self.waited.replace(Some((taken, busy))).is_none_or(|(before, was_busy)| taken != before || (was_busy && !busy))
    }

    /// Whether who reads one of `maps` maps may come for what is left in the others.
    pub(super) fn reads(&self, taken: u64, maps: usize) -> bool {
        let (before, idle) = self.read.get();
        let idle = if taken == before { idle + 1 } else { 0 };
        self.read.set((taken, idle));
        idle <= READS * maps
    }
}
