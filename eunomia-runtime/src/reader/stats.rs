use std::cell::Cell;

use super::Fate;

/// What became of the records of one map since it was loaded.
///
/// Counted when a read of the map ends; a callback that asks meanwhile may miss the records of this read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Delivered to the callback, those it failed on included.
    pub received: u64,
    /// Bytes of the delivered records.
    pub bytes: u64,
    /// Reserved by the BPF program and then discarded by it.
    pub discarded: u64,
    /// Shorter than their type, and not delivered.
    pub short: u64,
    /// Records that the callback returned an error for.
    pub failed: u64,
    /// Lost because the buffer was full. The kernel counts them for a perf event array, see [`Self::lost_at_least`]. It does not for a
    /// ring buffer: the program sees the failed reservation (`bpf_ringbuf_reserve` returns NULL) and can count it in a global variable
    /// `<map>_dropped`, or `dropped` if one ring buffer is all that delivers. `None` means that nobody counts.
    pub lost: Option<u64>,
    /// Whether more may have been lost than [`Self::lost`] says. Before Linux 6.0, but for late releases of older series, the kernel tells
    /// of losses in a perf event array with the next record that finds room on the same CPU, so those at the end of a burst stay unknown.
    /// On every kernel nobody counts what programs send on a CPU that has come online until its ring is open.
    pub lost_at_least: bool,
    /// Waits that this map ended.
    pub wakeups: u64,
    /// Reads that found something.
    pub drains: u64,
    /// The map was not made ([`Open::set_autocreate`](crate::bpf::Open::set_autocreate)), so that no record can come from it.
    pub absent: bool,
}

impl Stats {
    /// Counts a record of `len` bytes.
    #[inline]
    pub(super) fn count(&mut self, fate: Fate, len: u64) {
        if fate == Fate::Short {
            self.short += 1;
        } else {
            self.received += 1;
            self.bytes += len;
            self.failed += u64::from(fate == Fate::Failed);
        }
    }

    /// Adds what one read of the map found.
    #[inline]
    pub(super) fn add(&mut self, read: &Self) {
        let Self { received, bytes, discarded, short, failed, lost, lost_at_least: _, wakeups, drains, absent: _ } = *read;
        self.received += received;
        self.bytes += bytes;
        self.discarded += discarded;
        self.short += short;
        self.failed += failed;
        self.wakeups += wakeups;
        self.drains += drains;
        if let Some(lost) = lost {
            self.lost = Some(self.lost.unwrap_or(0).saturating_add(lost));
        }
    }
}

/// Counts that a callback may read while the reader that called it is at work.
#[derive(Debug, Default)]
pub(crate) struct Counters(Cell<Stats>);

impl Counters {
    #[inline]
    pub(super) fn get(&self) -> Stats {
        self.0.get()
    }

    #[inline]
    pub(super) fn update(&self, change: impl FnOnce(&mut Stats)) {
        let mut stats = self.0.get();
        change(&mut stats);
        self.0.set(stats);
    }
}
