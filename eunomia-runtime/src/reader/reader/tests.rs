//! Tests of reads after a stop and of the end of polls, on a ring that the tests write.

use std::{thread, time::Instant};

use super::{
    super::{
        Sampled,
        ring::fake::Fake,
        sampled::Entries,
        waiting::{BUSY_RETRIES, MAX_BUSY_SLEEP},
    },
    *,
};

const BUSY: u32 = 1 << 31;

/// Returns a reader of a ring that a test writes. The ring is not in its epoll set, so it
/// cannot wait.
fn reader(ring: Ring) -> Reader {
    reader_of(Source::Ring(ring))
}

fn reader_of(source: Source) -> Reader {
    let control = Control::new().unwrap();
    let epoll = EpollSet::new(&control).unwrap();
    let (sources, stats) = (RefCell::new(vec![source]), vec![Counters::default()]);
    Reader {
        epoll,
        sources,
        stats,
        control,
        waiting: Cell::default(),
        burst: Cell::default(),
        ending: Ending::default(),
    }
}

#[test]
fn wait_after_stop_covers_uncommitted_record() {
    let fake = Fake::new();
    let busy = fake.push(16, 1, BUSY);
    let reader = reader(fake.ring.replace(Fake::new().ring.into_inner()));
    reader.control().stop();
    assert!(reader.wait(Duration::ZERO).unwrap());
    assert_eq!(
        reader.read_ring(0, |_| Verdict::Delivered).unwrap(),
        0,
        "the record is not committed"
    );
    let producer = thread::spawn(move || {
        fake.word(busy, 16);
        fake.push(16, 2, 0);
    });
    producer.join().unwrap();
    assert!(reader.wait(Duration::ZERO).unwrap());
    assert_eq!(
        reader.read_ring(0, |_| Verdict::Delivered).unwrap(),
        1,
        "no record that came later"
    );
    assert!(!reader.wait(Duration::ZERO).unwrap() && reader.control().is_stopped());
    assert_eq!(reader.unread().unwrap(), 1);

    // A record that stays uncommitted for longer does not keep the loop running.
    let fake = Fake::new();
    fake.push(16, 1, BUSY);
    let reader = self::reader(fake.ring.replace(Fake::new().ring.into_inner()));
    reader.control().stop();
    assert!(reader.wait(Duration::ZERO).unwrap());
    let start = Instant::now();
    assert!(!reader.wait(Duration::ZERO).unwrap() && reader.control().is_stopped());
    assert!(start.elapsed() >= MAX_BUSY_SLEEP * BUSY_RETRIES);
}

#[test]
fn drain_waits_for_uncommitted_record() {
    let fake = Fake::new();
    fake.push(16, 1, 0);
    let busy = fake.push(16, 2, BUSY);
    fake.push(16, 3, 0);
    let reader = reader(fake.ring.replace(Fake::new().ring.into_inner()));
    let seen = RefCell::new(Vec::new());
    let deliver = |_: usize, record: &[u8]| {
        seen.borrow_mut().push(record[0]);
        Verdict::Delivered
    };
    assert_eq!(reader.poll(Duration::ZERO, deliver).unwrap(), 1);
    let start = Instant::now();
    assert_eq!(reader.drain(deliver).unwrap(), 0, "the record is not committed");
    assert!(start.elapsed() >= MAX_BUSY_SLEEP * BUSY_RETRIES);
    let producer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(2));
        fake.word(busy, 16);
    });
    let start = Instant::now();
    // A loaded machine may delay the producer for longer than one call waits.
    while seen.borrow().len() < 3 && start.elapsed() < Duration::from_secs(10) {
        reader.drain(deliver).unwrap();
    }
    producer.join().unwrap();
    assert_eq!(*seen.borrow(), [1, 2, 3]);
}

/// An empty map that takes this time to read.
struct Empty(Duration);

impl Entries for Empty {
    fn sample(&mut self) -> Result<()> {
        thread::sleep(self.0);
        Ok(())
    }

    fn len(&self) -> usize {
        0
    }

    fn entry(&self, _: usize) -> Option<&[u8]> {
        None
    }
}

#[test]
fn poll_ends_although_sample_takes_longer_than_interval() {
    let sampled =
        Sampled::new(Duration::from_millis(1), Box::new(Empty(Duration::from_millis(5)))).unwrap();
    let reader = reader_of(Source::Sampled(sampled));
    thread::sleep(Duration::from_millis(2));
    let control = reader.control();
    // Ends a poll that does not end by itself.
    let watchdog = thread::spawn(move || {
        thread::sleep(Duration::from_secs(2));
        control.stop_now();
    });
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        assert_eq!(reader.poll(timeout, |_, _| Verdict::Delivered).unwrap(), 0);
    }
    assert!(!reader.control().is_stopped(), "only the watchdog ended the poll");
    watchdog.join().unwrap();
}

#[test]
fn poll_ends_although_records_that_are_not_delivered_keep_coming() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let fake = Fake::new();
    fake.push(16, 1, 0);
    let reader = reader(fake.ring.replace(Fake::new().ring.into_inner()));
    let (mut seen, control) = (0, reader.control());
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        let flood = |_: usize, _: &[u8]| {
            seen += 1;
            fake.push(16, 1, 0);
            // Ends a poll that does not end by itself.
            if seen == 200_000 {
                control.stop_now();
            }
            Verdict::Short
        };
        assert_eq!(reader.poll(timeout, flood).unwrap(), 0);
        assert!(!reader.control().is_stopped(), "only the test ended the poll");
        // An event loop must come back: nobody has seen that the ring is empty.
        let descriptor = &mut [PollFd::new(&reader, PollFlags::IN)];
        assert_eq!(poll(descriptor, Some(&Timespec::default())), Ok(1));
    }
}

/// The timer of a map must not expire before its next sample is due: the descriptor would stay
/// readable until then, and the reader would not sleep.
#[test]
fn late_sample_does_not_keep_reader_awake() {
    let sampled = Sampled::new(Duration::from_millis(50), Box::new(Empty(Duration::ZERO))).unwrap();
    let reader = Reader::new(vec![Source::Sampled(sampled)]).unwrap();
    thread::sleep(Duration::from_millis(95));
    for timeout in [Duration::ZERO, Duration::from_millis(200)] {
        assert_eq!(reader.poll(timeout, |_, _| Verdict::Delivered).unwrap(), 0);
    }
    let stats = reader.stats().next().unwrap();
    assert!(stats.drains > 2 && stats.wakeups < 20, "{stats:?}");
}
