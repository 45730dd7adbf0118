//! Whether a wakeup can be lost: the wait of the reader against the kernel's commit, in every order that the memory models allow.
//!
//! The producer is `bpf_ringbuf_commit` (kernel/bpf/ringbuf.c): the header is exchanged, which is a full barrier, then the consumer's
//! position is read, and the reader is woken only where it has caught up. The consumer is `reader::ring` and `Reader::poll`: read,
//! publish, a full barrier, look once more, wait. A wakeup is lost where the reader waits, records are left, and nobody wakes it.

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
    /// Reserving takes turns, as it does in the kernel.
    producer: Mutex<usize>,
    produced: AtomicUsize,
    committed: [AtomicBool; RECORDS],
    consumed: AtomicUsize,
    /// What epoll remembers: a wakeup since the last wait.
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

    /// Reads until it would wait, and returns how far it came; `barrier` is what the reader does before it looks for the last time.
    fn receive(&self, barrier: fn()) -> usize {
        let mut position = 0;
        while position < RECORDS {
            let before = position;
            while position != self.produced.load(Ordering::Acquire) && self.committed[position].load(Ordering::Acquire) {
                position += 1;
            }
            self.consumed.store(position, Ordering::Release);
            if position > before {
                continue;
            }
            barrier();
            if self.produced.load(Ordering::Acquire) != position {
                // Reserved and not committed: the reader sleeps for a moment.
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
        assert!(position == RECORDS || *ring.woken.lock().unwrap(), "the reader waits for ever");
    });
}

#[test]
fn no_wakeup_is_lost() {
    check(1, || fence(Ordering::SeqCst));
    check(2, || fence(Ordering::SeqCst));
}

/// The model can tell: without the barrier the reader may not see a record whose producer does not see the reader's position.
#[test]
fn the_barrier_is_needed() {
    let lost = catch_unwind(|| check(1, || {})).unwrap_err();
    let said = lost.downcast_ref::<String>().cloned().or_else(|| lost.downcast_ref::<&str>().map(|&said| said.to_owned()));
    assert!(said.unwrap().contains("the reader waits for ever"));
}
