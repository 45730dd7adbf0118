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
