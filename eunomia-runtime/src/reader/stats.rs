//! Statistics of the records of a map.

use std::{cell::Cell, mem};

use super::Fate;

/// Statistics of the records of one map, since it was loaded.
///
/// They are updated when a read of the map ends. A callback that asks for them may not see the
/// records of the current read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Number of records delivered to the callback, including those on which it failed.
    pub received: u64,
    /// Number of bytes of the delivered records.
    pub bytes: u64,
    /// Number of records that the BPF program reserved and then discarded.
    pub discarded: u64,
    /// Number of records shorter than their type, which were not delivered.
    pub short: u64,
    /// Number of calls of the callback that returned an error or panicked. A call has one record,
    /// or a slice of records in `for_runs`.
    pub failed: u64,
    /// Number of records lost because the buffer was full; `None` if nobody counts them. The kernel
    /// counts them for a perf event array, see [`Self::lost_at_least`]. It does not for a ring
    /// buffer: the program sees the failed reservation (`bpf_ringbuf_reserve` returns NULL) and can
    /// count it in a global variable `<map>_dropped`, or `dropped` if no other map delivers
    /// records.
    pub lost: Option<u64>,
    /// True if more records may have been lost than [`Self::lost`] says. Before Linux 6.0, except
    /// in late releases of older series, the kernel reports losses in a perf event array with the
    /// next record that finds room on the same CPU, so losses at the end of a burst stay unknown.
    /// On every kernel, nobody counts what programs send on a CPU that came online until its ring
    /// is open, or on one for which the map has too few entries.
    pub lost_at_least: bool,
    /// Number of waits that this map ended.
    pub wakeups: u64,
    /// Number of reads that found records.
    pub drains: u64,
    /// True if the map was not created
    /// ([`Open::set_autocreate`](crate::bpf::Open::set_autocreate)), so that no record can come
    /// from it.
    pub absent: bool,
}

impl Stats {
    /// Counts a record of `len` bytes.
    #[inline]
    pub(super) fn count(&mut self, fate: Fate, len: u64) {
        self.count_all(fate, 1, len);
    }

    /// Counts `records` of `len` bytes each, which were delivered together.
    #[inline]
    fn count_all(&mut self, fate: Fate, records: u64, len: u64) {
        if fate == Fate::Short {
            self.short += records;
        } else {
            self.received += records;
            self.bytes += records * len;
            self.failed += u64::from(fate == Fate::Failed);
        }
    }

    /// Delivers and counts `records` of `len` bytes each. If the callback panics, they are counted
    /// as those on which it failed.
    #[inline]
    pub(super) fn counted(
        &mut self,
        records: u64,
        len: u64,
        deliver: impl FnOnce() -> Fate,
    ) -> Fate {
        struct Panicked<'a>(&'a mut Stats, u64, u64);

        impl Drop for Panicked<'_> {
            fn drop(&mut self) {
                self.0.count_all(Fate::Failed, self.1, self.2);
            }
        }

        let panicked = Panicked(self, records, len);
        let fate = deliver();
        mem::forget(panicked);
        self.count_all(fate, records, len);
        fate
    }

    /// Adds what one read of the map found.
    #[inline]
    pub(super) fn add(&mut self, read: &Self) {
        let Self {
            received,
            bytes,
            discarded,
            short,
            failed,
            lost,
            lost_at_least: _,
            wakeups,
            drains,
            absent: _,
        } = *read;
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

/// Statistics in a cell, so that a callback can read them while the reader that called it is at
/// work.
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
