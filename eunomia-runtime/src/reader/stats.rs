use std::cell::Cell;

use super::Verdict;

/// What became of the records of one map since it was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Delivered to the callback.
    pub received: u64,
    /// Bytes of the delivered records.
    pub bytes: u64,
    /// Reserved by the BPF program and then discarded by it.
    pub discarded: u64,
    /// Shorter than their type, and not delivered.
    pub short: u64,
    /// Lost because the buffer was full. `None` for a ring buffer: the kernel keeps no count, the program sees the failed
    /// reservation (`bpf_ringbuf_reserve` returns NULL) and is the only one that can count it.
    pub lost: Option<u64>,
}

impl Stats {
    /// Counts a record of `len` bytes.
    pub(super) fn count(&mut self, verdict: Verdict, len: u64) {
        if verdict == Verdict::Short {
            self.short += 1;
        } else {
            self.received += 1;
            self.bytes += len;
        }
    }
}

/// Counts that a callback may read while the reader that called it is at work.
#[derive(Debug, Default)]
pub(crate) struct Counters(Cell<Stats>);

impl Counters {
    pub(super) fn get(&self) -> Stats {
        self.0.get()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Stats)) {
        let mut stats = self.0.get();
        change(&mut stats);
        self.0.set(stats);
    }
}
