//! A fuzz target: every way to read a ring of arbitrary words, compared with a slow reader of the
//! same words.

use std::cell::RefCell;

use super::{
    super::{Batch, Counters, Drained, Fate, fuzz::Input},
    fake::Fake,
    *,
};

/// The type as which runs and batches read records.
type Event = [u64; 3];

/// A record as the slow reader finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    start: u64,
    len: u64,
    end: u64,
}

/// The contents of a ring as the slow reader finds them.
struct Expected {
    records: Vec<Found>,
    /// Position after the last record, discarded ones included.
    position: u64,
    /// `None` if the memory is inconsistent.
    drained: Option<Drained>,
}

/// Writes and reads as `input` directs.
///
/// # Panics
/// If a read differs from the slow one, or publishes a position after a record that is still in
/// use.
pub fn ring(input: &[u8]) {
    thread_local!(static FAKE: RefCell<Fake> = RefCell::new(Fake::new()));
    FAKE.with_borrow_mut(|fake| run(fake, Input::new(input)));
}

fn run(fake: &mut Fake, mut input: Input<'_>) {
    // Positions only grow, and wrap around at some time.
    let start = if input.u8().is_multiple_of(2) { 0 } else { u64::MAX << 11 };
    fake.reset(start);
    let (mut cursor, mut busy) = (start, None);
    while let Some(step) = input.step() {
        let more = step >> 3;
        match step % 8 {
            0 => {
                let head = u32::from(input.u16() % 1024)
                    | [0, BUSY, DISCARDED, BUSY | DISCARDED][usize::from(more % 4)];
                fake.word(cursor, head);
                busy = (head & BUSY != 0).then_some(cursor).or(busy);
                cursor = cursor.wrapping_add(Head::new(head & 1023).stride as u64);
            }
            1 => {
                fake.word(cursor, input.u32());
                cursor = cursor.wrapping_add(8 * u64::from(more));
            }
            // Many records of one length, which reads handle faster.
            2 => {
                let head = Head::new([24, 24, 0, u32::from(input.u8())][usize::from(more % 4)]);
                for _ in 0..input.u8() {
                    fake.word(cursor, head.len);
                    cursor = cursor.wrapping_add(head.stride as u64);
                }
            }
            3 => fake.produce(cursor),
            4 => fake.produce(if more == 0 {
                input.u64()
            } else {
                fake.consumer().wrapping_add(input.u16().into())
            }),
            5 => read(fake, more % 4, u64::from(input.u8())),
            6 => {
                if let Some(busy) = busy.take() {
                    fake.word(busy, fake.read(busy) & !BUSY);
                }
            }
            _ => cursor = fake.consumer().wrapping_add(8 * u64::from(input.u8())),
        }
    }
    read(fake, 0, u64::MAX);
}

impl Fake {
    fn reset(&mut self, position: u64) {
        let (page, size) = (self.page, self.size() as usize);
        for at in (2 * page..2 * (page + size)).step_by(8) {
            self.memory.u64(at).store(0, Ordering::Relaxed);
        }
        self.memory.u64(0).store(position, Ordering::Relaxed);
        self.produce(position);
        let ring = self.ring.get_mut();
        ring.position.set(position);
        ring.like.set(Head::new(0));
    }

    fn produce(&self, position: u64) {
        self.memory.u64(self.page).store(position, Ordering::Release);
    }

    fn read(&self, position: u64) -> u32 {
        self.memory.u32(2 * self.page + (position % self.size()) as usize).load(Ordering::Relaxed)
    }

    fn expected(&self) -> Expected {
        let (mut position, end) = (self.consumer(), self.producer());
        let left = end.wrapping_sub(position);
        let mut records = Vec::new();
        let drained = loop {
            let left_here = end.wrapping_sub(position);
            if left > self.size() || !left.is_multiple_of(8) {
                break None;
            }
            if left_here == 0 {
                break Some(Drained::All);
            }
            let head = self.read(position);
            let len = u64::from(head & !(BUSY | DISCARDED));
            if head & BUSY != 0 {
                break Some(Drained::Busy);
            }
            let stride = (len + 8).next_multiple_of(8);
            if stride > left_here {
                break None;
            }
            let start = position;
            position = position.wrapping_add(stride);
            if head & DISCARDED == 0 {
                records.push(Found { start, len, end: position });
            }
        };
        Expected { records, position, drained }
    }
}

/// Reads in the given way, up to and including record number `most`.
fn read(fake: &Fake, way: u8, most: u64) {
    let expected = fake.expected();
    // Records after a busy one count too.
    let unread = fake.ring.borrow().unread();
    assert!(
        unread.is_ok_and(|unread| unread >= expected.records.len() as u64)
            || expected.drained != Some(Drained::All)
    );
    let (data, size) = {
        let ring = fake.ring.borrow();
        (ring.producer.start().as_ptr().addr() + ring.data, ring.size)
    };
    let mut records =
        expected.records.iter().filter(|found| way == 0 || found.len >= size_of::<Event>() as u64);
    let (mut delivered, mut last, mut published) = (0, None, fake.consumer());
    let mut deliver = |address: usize, len: usize| {
        let found = records.next().expect("there are no more records");
        let at = (address - data) as u64;
        assert_eq!(
            ((at - 8) % size, at % 8, len as u64),
            (found.start % size, 0, found.len),
            "another record"
        );
        assert!(at + len as u64 <= 2 * size, "outside of the ring");
        let now = fake.consumer();
        let ahead = found.start.wrapping_sub(now);
        assert!(
            now.wrapping_sub(published) <= size && ahead <= size,
            "a position after a record in use was published"
        );
        published = now;
        delivered += 1;
        last = Some(*found);
        delivered >= most
    };
    let (stats, fate) =
        (Counters::default(), |stop| if stop { Fate::Stop } else { Fate::Delivered });
    let result = match way {
        0 => fake
            .ring
            .borrow()
            .drain(&stats, &|| true, |record| fate(deliver(record.as_ptr().addr(), record.len()))),
        1 => fake.ring.borrow().runs::<Event>(&stats, &|| true, |run| {
            let lone = run.len() == 1;
            fate(run.iter().fold(false, |stop, record| {
                // The slice of a longer record shows only its beginning.
                let len = if lone { record.header[0] as usize } else { size_of::<Event>() };
                deliver(std::ptr::from_ref(&record.event).addr(), len) || stop
            }))
        }),
        _ => Batch::<Event>::new(fake.ring.borrow_mut(), &stats, true).map(|batch| {
            let taken = batch.iter().any(|event| {
                let address = std::ptr::from_ref(event).addr();
                // The header lies before the event.
                deliver(address, fake.read((address - 8 - data) as u64) as usize)
            });
            if taken { Drained::Stopped } else { expected.drained.unwrap_or(Drained::All) }
        }),
    };
    let position = fake.ring.borrow().position();
    assert_eq!(fake.consumer(), position, "what was read was published");
    assert_eq!(stats.get().received, delivered);
    if matches!(result, Ok(Drained::Stopped)) {
        assert_eq!(Some(position), last.map(|found| found.end), "it ends after the last record");
        return;
    }
    assert_eq!((position, records.count()), (expected.position, 0), "all of it was read");
    match (&result, expected.drained) {
        (Ok(drained), Some(expected)) => assert_eq!(*drained, expected),
        (Err(_), None) => {}
        // A batch reports damage only at its first record.
        (Ok(_), None) => {
            assert!(way > 1 && delivered + stats.get().discarded + stats.get().short > 0)
        }
        (Err(error), Some(_)) => panic!("{error}"),
    }
    assert_eq!(fake.ring.borrow().is_ready(), expected.drained.is_none(), "the wait agrees");
}
