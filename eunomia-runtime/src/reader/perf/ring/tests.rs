//! Tests of the perf ring reader over memory that the test writes, with the kernel's count of lost
//! records and without it.

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::*;

/// Drains a ring with a sample, a record of 5 losses, another sample and a record of 2 losses;
/// returns the statistics.
fn drained(counted: bool) -> Stats {
    let page = page_size();
    let fd = memfd_create("perf", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&fd, 2 * page as u64).unwrap();
    let memory = Mapping::new(fd.as_fd(), 0, 2 * page, true).unwrap();
    let mut ring = PerfRing::with_memory(0, fd, memory, 1, counted);
    let mut at = page;
    for (kind, words) in [
        // The words of a sample are its length, which is 4, and its data.
        (PERF_RECORD_SAMPLE, &[4, 7][..]),
        // The words of a LOST record are the event's id, then the number of losses.
        (PERF_RECORD_LOST, &[1, 0, 5, 0]),
        (PERF_RECORD_SAMPLE, &[4, 8]),
        (PERF_RECORD_LOST, &[1, 0, 2, 0]),
    ] {
        let len = 8 + 4 * words.len();
        for (index, word) in [kind, (len as u32) << 16].iter().chain(words).enumerate() {
            ring.memory.u32(at + 4 * index).store(*word, Ordering::Relaxed);
        }
        at += len;
    }
    ring.memory.u64(HEAD).store((at - page) as u64, Ordering::Release);
    let (stats, mut seen) = (Counters::default(), Vec::new());
    let deliver = &mut |sample: &[u8]| {
        seen.push(sample.to_vec());
        Fate::Delivered
    };
    assert_eq!(ring.drain(&stats, &|| true, deliver).unwrap(), Drained::All);
    assert_eq!(seen, [[7, 0, 0, 0], [8, 0, 0, 0]]);
    stats.get()
}

#[test]
fn lost_records_count_without_the_kernels_count() {
    assert_eq!((drained(false).received, drained(false).lost), (2, Some(7)));
    // They are part of the kernel's own count, which `count_lost` reads.
    assert_eq!((drained(true).received, drained(true).lost), (2, None));
}
