//! Tests of the ring reader over memory with the kernel's layout that the test writes.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    super::{Batch, Counters, Drained, Fate, Stats},
    fake::Fake,
    read::{BATCH, GROUP},
    *,
};

impl Fake {
    /// Reserves and fills a record of `len` bytes whose words all hold `mark`; `flags` go into its
    /// header.
    pub(crate) fn push(&self, len: u32, mark: u32, flags: u32) -> u64 {
        let start = self.producer();
        for at in (0..u64::from(len)).step_by(4) {
            self.word(start + HEADER as u64 + at, mark);
        }
        self.word(start, len | flags);
        self.memory
            .u64(self.page)
            .store(start + (u64::from(len) + HEADER as u64).next_multiple_of(8), Ordering::Release);
        start
    }

    /// Drains the ring; returns the length and the first word of each record.
    fn drain(&mut self) -> (Result<Drained>, Vec<(usize, u32)>, Stats) {
        let mut records = Vec::new();
        let stats = Counters::default();
        let drained = self.ring.borrow().drain(&stats, &|| true, |record| {
            records.push((
                record.len(),
                record.get(..4).map_or(0, |word| u32::from_ne_bytes(word.try_into().unwrap())),
            ));
            Fate::Delivered
        });
        (drained, records, stats.get())
    }
}

#[test]
fn drain_reads_every_length_across_the_wrap() {
    let mut fake = Fake::new();
    let mut mark = 0;
    for round in 0..500u32 {
        let lens: Vec<u32> = (0..3).map(|i| (round * 37 + i * 211) % 900).collect();
        let expected: Vec<_> = lens
            .iter()
            .map(|&len| {
                mark += 1;
                fake.push(len, mark, 0);
                (len as usize, if len < 4 { 0 } else { mark })
            })
            .collect();
        let (drained, records, stats) = fake.drain();
        assert_eq!((drained.unwrap(), &records), (Drained::All, &expected));
        assert_eq!(
            (stats.received, stats.bytes),
            (3, lens.iter().map(|&len| u64::from(len)).sum())
        );
        assert_eq!(fake.consumer(), fake.producer(), "everything was published");
    }
    assert!(fake.producer() > 50 * fake.size());
}

#[test]
fn drain_stops_at_the_mark() {
    let mut fake = Fake::new();
    (1..=3).for_each(|mark| _ = fake.push(16, mark, 0));
    fake.ring.borrow().mark();
    fake.push(16, 4, 0);
    fake.push(16, 5, DISCARDED);
    fake.push(16, 6, BUSY);
    assert!(!fake.ring.borrow().is_at_mark());
    assert_eq!(fake.ring.borrow().unread().unwrap(), 5, "one was discarded");
    assert_eq!(fake.drain().1, [(16, 1), (16, 2), (16, 3)]);
    assert!(fake.ring.borrow().is_at_mark());
    assert_eq!(fake.drain().1, []);
    assert_eq!(fake.ring.borrow().unread().unwrap(), 2);
    fake.ring.borrow().unmark();
    let (drained, records, _) = fake.drain();
    assert_eq!((drained.unwrap(), records), (Drained::Busy, vec![(16, 4)]));
}

#[test]
fn busy_record_holds_back_later_ones() {
    let mut fake = Fake::new();
    fake.push(16, 1, 0);
    let busy = fake.push(16, 2, BUSY);
    fake.push(16, 3, 0);
    let (drained, records, _) = fake.drain();
    assert_eq!((drained.unwrap(), records), (Drained::Busy, vec![(16, 1)]));
    assert_eq!(fake.consumer(), busy);
    assert!(fake.ring.borrow().has_more());

    fake.word(busy, 16);
    let (drained, records, _) = fake.drain();
    assert_eq!((drained.unwrap(), records), (Drained::All, vec![(16, 2), (16, 3)]));
    assert!(!fake.ring.borrow().has_more());
}

#[test]
fn discarded_records_are_counted_and_skipped() {
    let mut fake = Fake::new();
    fake.push(16, 1, DISCARDED);
    fake.push(0, 0, 0);
    fake.push(24, 2, DISCARDED);
    let (drained, records, stats) = fake.drain();
    assert_eq!((drained.unwrap(), records), (Drained::All, vec![(0, 0)]));
    assert_eq!((stats.received, stats.discarded, stats.bytes), (1, 2, 0));
    assert_eq!(fake.consumer(), fake.producer());
}

#[test]
fn panic_publishes_the_records_taken() {
    let mut fake = Fake::new();
    fake.push(8, 1, 0);
    let second = fake.push(8, 2, 0);
    let stats = Counters::default();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _ = fake
            .ring
            .borrow()
            .drain(&stats, &|| true, |_| -> Fate { std::panic::resume_unwind(Box::new(())) });
    }));
    assert!(panicked.is_err());
    assert_eq!((stats.get().received, stats.get().failed, stats.get().bytes), (1, 1, 8));
    assert_eq!(fake.consumer(), second);
    assert_eq!(fake.drain().1, [(8, 2)]);
}

#[test]
fn position_is_published_in_batches() {
    let fake = Fake::new();
    for mark in 0..200 {
        fake.push(8, mark, 0);
    }
    let consumer = AssertUnwindSafe(&fake.memory);
    let mut published = Vec::new();
    let mut deliver = |_: &[u8]| {
        published.push(consumer.u64(0).load(Ordering::Relaxed) / 16);
        Fate::Delivered
    };
    fake.ring.borrow().drain(&Counters::default(), &|| true, &mut deliver).unwrap();
    // The published position is never after the record that is being delivered, and never lags by
    // more than a batch and a group.
    assert!(published.iter().enumerate().all(
        |(i, &position)| position <= i as u64 && i as u64 - position < u64::from(BATCH + GROUP)
    ));
    assert_eq!(fake.consumer() / 16, 200);
}

#[test]
fn drain_stops_within_a_group() {
    let mut fake = Fake::new();
    (0..200).for_each(|mark| _ = fake.push(8, mark, 0));
    let mut left = 200;
    for limit in [3, 50, 1] {
        let (stats, seen) = (Counters::default(), Cell::new(0));
        let drained = fake.ring.borrow().drain(&stats, &|| seen.get() < limit, |_| {
            seen.set(seen.get() + 1);
            Fate::Delivered
        });
        left -= seen.get();
        assert_eq!((drained.unwrap(), stats.get().received), (Drained::Stopped, seen.get()));
        assert!((limit..limit + u64::from(GROUP)).contains(&seen.get()), "{limit} {seen:?}");
        assert_eq!(fake.consumer() / 16, 200 - left);
    }
    assert_eq!(fake.drain().1.len() as u64, left, "the rest is still there");
}

#[test]
fn false_lengths_are_errors() {
    for len in [17, 4096, (1 << 30) - 1] {
        let mut fake = Fake::new();
        let first = fake.push(16, 1, 0);
        fake.word(first, len);
        let (drained, records, _) = fake.drain();
        assert!(drained.unwrap_err().to_string().contains("another process reads this ring too"));
        assert_eq!(records, []);
        assert_eq!(fake.consumer(), first, "records that were not read stay unpublished");
    }
}

#[test]
fn misaligned_positions_are_errors() {
    let mut fake = Fake::new();
    fake.push(16, 1, 0);
    for end in [1, 23, 28] {
        fake.memory.u64(fake.page).store(end, Ordering::Relaxed);
        assert!(fake.ring.borrow().is_ready(), "the wait ends, so that the error is reported");
        let (drained, records, _) = fake.drain();
        let error = drained.unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "ring buffer: positions 0 and {end} must be multiples of 8: the ring's memory is damaged"
            )
        );
        assert_eq!((records, fake.consumer()), (vec![], 0));
    }
    fake.memory.u64(fake.page).store(24, Ordering::Relaxed);
    assert_eq!(fake.drain().1, [(16, 1)]);
}

/// Checks, for any contents: no access outside the ring, no endless loop, every byte accounted for.
#[test]
fn random_memory_is_read_safely() {
    let mut fake = Fake::new();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 16
    };
    let (mut whole, mut broken) = (0, 0);
    for _ in 0..20_000 {
        for at in (0..fake.size()).step_by(8) {
            // Mostly lengths that fit, sometimes arbitrary words.
            let header = if random() % 64 == 0 {
                random() as u32
            } else {
                (random() % 64) as u32 | ((random() % 5 == 0) as u32 * DISCARDED)
            };
            if random() % 4 == 0 {
                fake.word(at, header);
            }
        }
        let start = fake.ring.borrow().position();
        fake.memory.u64(0).store(start, Ordering::Relaxed);
        let ahead = if random() % 50 == 0 { random() } else { (random() % (fake.size() + 1)) & !7 };
        fake.memory.u64(fake.page).store(start.wrapping_add(ahead), Ordering::Relaxed);
        let (drained, records, stats) = fake.drain();
        match drained {
            Ok(Drained::All) => whole += 1,
            _ => broken += 1,
        }
        assert_eq!(stats.received, records.len() as u64);
        assert_eq!(fake.consumer(), fake.ring.borrow().position());
        let read = fake.ring.borrow().position().wrapping_sub(start);
        assert!(read <= fake.size());
        assert!(read >= stats.bytes + 8 * (stats.received + stats.discarded));
    }
    assert!(whole > 100 && broken > 100, "{whole} {broken}");
}

/// The stack of a thread has 2 MiB.
#[test]
fn copies_of_large_events_do_not_overflow_stack() {
    crate::plain! {
        #[derive(Clone, Copy)]
        #[repr(C)]
        struct File { len: u64, content: [u8; 8 << 20] }
        const LAYOUT: Layout = Layout { size: 0x80_0008, align: 8, offsets: [0, 8], least: 8 };
    }
    let fake = Fake::new();
    for (len, mark) in [(16, 1), (8, 2), (4, 3)] {
        fake.push(len, mark, 0);
    }
    let seen = |file: &File| (file.len as u32, file.content[0], file.content[8]);
    let (stats, mut files) = (Counters::default(), Vec::new());
    let drained = fake.ring.borrow().runs::<File>(&stats, &|| true, |run| {
        files.extend(run.iter().map(|file| seen(file)));
        Fate::Delivered
    });
    assert_eq!((drained.unwrap(), &files), (Drained::All, &vec![(1, 1, 0), (2, 0, 0)]));
    assert_eq!((stats.get().received, stats.get().short, stats.get().bytes), (2, 1, 24));

    for (len, mark) in [(16, 1), (8, 2), (4, 3)] {
        fake.push(len, mark, 0);
    }
    let batch = Batch::<File>::new(fake.ring.borrow_mut(), &stats, true).unwrap();
    assert_eq!(batch.iter().map(seen).collect::<Vec<_>>(), files);
}
