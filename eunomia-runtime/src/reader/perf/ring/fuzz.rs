//! A fuzz target: a perf ring of arbitrary words, compared with a slow reader of the same bytes.

use std::cell::RefCell;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::{super::super::fuzz::Input, *};

/// A ring of one page, with the page of its positions before it.
struct Fake {
    ring: PerfRing,
}

/// Writes and reads as `input` directs.
///
/// # Panics
/// If a read differs from the slow one.
pub fn perf(input: &[u8]) {
    thread_local!(static FAKE: RefCell<Fake> = RefCell::new(Fake::new()));
    FAKE.with_borrow_mut(|fake| run(fake, Input::new(input)));
}

fn run(fake: &mut Fake, mut input: Input<'_>) {
    let start = if input.u8().is_multiple_of(2) { 0 } else { u64::MAX << 11 };
    fake.reset(start);
    let mut cursor = start;
    while let Some(step) = input.step() {
        let more = step >> 3;
        match step % 8 {
            0 => {
                let raw = u32::from(input.u16() % 1024);
                // Sometimes the sample claims a length that the record does not have.
                let claimed = if more == 0 { raw + u32::from(input.u8()) } else { raw };
                let len = (12 + raw).next_multiple_of(8);
                for (at, word) in [
                    (0, PERF_RECORD_SAMPLE),
                    (4, len << 16),
                    (8, claimed),
                    (12, raw),
                    (len - 4, !raw),
                ] {
                    fake.write(cursor, at, word);
                }
                cursor = cursor.wrapping_add(len.into());
            }
            1 => {
                fake.write(cursor, 0, input.u32());
                fake.write(cursor, 4, input.u32());
                cursor = cursor.wrapping_add(8 * u64::from(more));
            }
            2 => {
                for (at, word) in
                    [(0, PERF_RECORD_LOST), (4, 24 << 16), (16, input.u32()), (20, u32::from(more))]
                {
                    fake.write(cursor, at, word);
                }
                cursor = cursor.wrapping_add(24);
            }
            3 => fake.produce(cursor),
            4 => fake.produce(if more == 0 {
                input.u64()
            } else {
                fake.ring.tail().wrapping_add(input.u16().into())
            }),
            5 => fake.read(u64::from(input.u8())),
            // Later records are not read.
            6 if more == 0 => fake.ring.mark(),
            6 if more == 1 => fake.ring.unmark(),
            _ => cursor = fake.ring.tail().wrapping_add(8 * u64::from(input.u8())),
        }
    }
    fake.read(u64::MAX);
}

/// A record as the slow reader finds it: a sample, a number of lost records, or another kind.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Sample(Vec<u8>),
    Short,
    Lost(u64),
    Other,
}

impl Fake {
    fn new() -> Self {
        let page = page_size();
        let fd = memfd_create("perf", MemfdFlags::CLOEXEC).expect("memory is there");
        ftruncate(&fd, 2 * page as u64).expect("it can grow");
        let memory = Mapping::new(fd.as_fd(), 0, 2 * page, true).expect("it can be mapped");
        Self { ring: PerfRing::with_memory(0, fd, memory, 1, false) }
    }

    fn reset(&mut self, position: u64) {
        self.ring.unmark();
        let page = page_size();
        for at in (page..2 * page).step_by(8) {
            self.ring.memory.u64(at).store(0, Ordering::Relaxed);
        }
        self.ring.memory.u64(TAIL).store(position, Ordering::Relaxed);
        self.produce(position);
    }

    fn produce(&self, position: u64) {
        self.ring.memory.u64(HEAD).store(position, Ordering::Release);
    }

    fn word(&self, position: u64) -> &std::sync::atomic::AtomicU32 {
        self.ring.memory.u32(page_size() + (position % self.ring.size) as usize)
    }

    fn write(&self, start: u64, at: u32, word: u32) {
        self.word(start.wrapping_add(at.into())).store(word, Ordering::Relaxed);
    }

    /// Returns the record at a position and the position of its end; `None` if the memory is
    /// inconsistent.
    fn next(&self, tail: u64, head: u64) -> Option<(Found, u64)> {
        let word = |at: u64| self.word(tail.wrapping_add(at)).load(Ordering::Relaxed);
        let left = head.wrapping_sub(tail);
        let len = if left < 8 { 0 } else { u64::from(word(4) >> 16) };
        if left > self.ring.size || len < 8 || !len.is_multiple_of(8) || len > left {
            return None;
        }
        let bytes: Vec<u8> = (0..len).step_by(4).flat_map(|at| word(at).to_ne_bytes()).collect();
        let found = match word(0) {
            PERF_RECORD_SAMPLE if len < 16 => Found::Short,
            PERF_RECORD_SAMPLE => bytes
                .get(12..12 + word(8) as usize)
                .map_or(Found::Short, |sample| Found::Sample(sample.to_vec())),
            PERF_RECORD_LOST if len < 24 => Found::Lost(0),
            PERF_RECORD_LOST => Found::Lost(u64::from(word(16)) | u64::from(word(20)) << 32),
            _ => Found::Other,
        };
        Some((found, tail.wrapping_add(len)))
    }

    /// Reads up to and including sample number `most`.
    fn read(&mut self, most: u64) {
        let (mut tail, head) =
            (self.ring.tail(), self.ring.limit.unwrap_or_else(|| self.ring.head()));
        let (mut samples, mut short, mut lost, mut damaged, mut stopped) =
            (Vec::new(), 0, 0_u64, false, false);
        while tail != head && !stopped {
            let Some((found, end)) = self.next(tail, head) else {
                damaged = true;
                break;
            };
            tail = end;
            match found {
                Found::Sample(bytes) => {
                    samples.push(bytes);
                    stopped = samples.len() as u64 >= most;
                }
                Found::Short => short += 1,
                Found::Lost(more) => lost = lost.saturating_add(more),
                Found::Other => {}
            }
        }
        // Short samples count too, and those after the limit of this read.
        let unread = self.ring.unread();
        assert!(
            unread.is_ok_and(|unread| unread >= samples.len() as u64)
                || damaged
                || stopped
                || self.ring.limit.is_some()
        );
        let (stats, mut seen) = (Counters::default(), Vec::new());
        let result = self.ring.drain(&stats, &|| true, &mut |sample| {
            seen.push(sample.to_vec());
            if seen.len() as u64 >= most { Fate::Stop } else { Fate::Delivered }
        });
        assert_eq!(seen, samples);
        let stats = stats.get();
        assert_eq!(
            (stats.received, stats.short, stats.lost.unwrap_or(0)),
            (samples.len() as u64, short, lost)
        );
        assert_eq!(self.ring.tail(), tail, "exactly what was read was published");
        match result {
            Ok(Drained::Stopped) => assert!(stopped),
            Ok(_) => assert!(!damaged && !stopped),
            Err(error) => assert!(damaged, "{error}"),
        }
    }
}
