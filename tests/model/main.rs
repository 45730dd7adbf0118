//! A loom model of the reader's wait and the kernel's commit, in every order that the memory model
//! allows: no wakeup is lost.
//!
//! The producer models `bpf_ringbuf_commit` (kernel/bpf/ringbuf.c): it exchanges the header, which
//! is a full barrier, then reads the consumer's position, and wakes the reader only if that has
//! caught up. The consumer models `reader::ring` and `Reader::poll`: read, publish the position,
//! full barrier, look once more, wait. A wakeup is lost if the reader waits, records are left, and
//! no producer wakes it.

use std::panic::catch_unwind;

use loom::{
    model::Builder,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    },
    thread,
};

const RECORDS: usize = 2;

/// A ring with room for all records.
struct Ring {
    /// The producer position; its lock orders reservations, as in the kernel.
    producer: Mutex<usize>,
    produced: AtomicUsize,
    committed: [AtomicBool; RECORDS],
    consumed: AtomicUsize,
    /// The state of epoll: true after a wakeup since the last wait.
    woken: Mutex<bool>,
}

impl Ring {
    fn new() -> Self {
        Self {
            producer: Mutex::new(0),
            produced: AtomicUsize::new(0),
            committed: std::array::from_fn(|_| AtomicBool::new(false)),
            consumed: AtomicUsize::new(0),
            woken: Mutex::new(false),
        }
    }

    fn send(&self) {
        let record = {
            let mut position = self.producer.lock().unwrap();
            let record = *position;
            *position += 1;
            self.produced.store(*position, Ordering::Release);
            record
        };
        self.committed[record].swap(true, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        if self.consumed.load(Ordering::Acquire) == record {
            *self.woken.lock().unwrap() = true;
        }
    }

    /// Reads until it would wait, and returns its position; `barrier` runs before the last look.
    fn receive(&self, barrier: fn()) -> usize {
        let mut position = 0;
        while position < RECORDS {
            let before = position;
            while position != self.produced.load(Ordering::Acquire)
                && self.committed[position].load(Ordering::Acquire)
            {
                position += 1;
            }
            self.consumed.store(position, Ordering::Release);
            if position > before {
                continue;
            }
            barrier();
            if self.produced.load(Ordering::Acquire) != position {
                // A record is reserved and not committed: the reader sleeps for a moment.
                thread::yield_now();
                continue;
            }
            if !std::mem::take(&mut *self.woken.lock().unwrap()) {
                break;
            }
        }
        position
    }
}

fn check(producers: usize, barrier: fn()) {
    let mut model = Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let ring = Arc::new(Ring::new());
        let senders: Vec<_> = (0..producers)
            .map(|_| {
                let ring = Arc::clone(&ring);
                thread::spawn(move || (0..RECORDS / producers).for_each(|_| ring.send()))
            })
            .collect();
        let position = ring.receive(barrier);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert!(position == RECORDS || *ring.woken.lock().unwrap(), "the reader waits forever");
    });
}

#[test]
fn no_wakeup_is_lost() {
    check(1, || fence(Ordering::SeqCst));
    check(2, || fence(Ordering::SeqCst));
}

/// The model detects a missing barrier: without it, the reader may miss a record whose producer
/// misses the reader's position.
#[test]
fn barrier_is_needed() {
    let lost = catch_unwind(|| check(1, || {})).unwrap_err();
    let text = lost
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| lost.downcast_ref::<&str>().map(|&text| text.to_owned()));
    assert!(text.unwrap().contains("the reader waits forever"));
}
