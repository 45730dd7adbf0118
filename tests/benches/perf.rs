//! Benchmarks perf event arrays: the cost of an event for its producer while a reader waits, and
//! the drain of a full ring.

mod flood;

use std::{
    cell::Cell,
    os::fd::{AsFd as _, OwnedFd},
    rc::Rc,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use eunomia_tests::included::flood::{Export, Loaded};
use flood::{Case, Ratios, Read, load, median, peers::Peer, run};
use libbpf_rs::PerfBufferBuilder;

const CASE: Case = Case { map: "events", program: "fill_perf", ring: 0 };
/// The number of events that 64 pages hold.
const COUNT: u64 = 1000;
const ROUNDS: usize = 300;
const WAIT: Duration = Duration::from_millis(100);

fn main() {
    // `ours` runs the producer with our reader alone, for a profile.
    if std::env::args().any(|word| word == "ours") {
        return println!("{:.1} ns/event", our_producer());
    }
    let mut ratios = Ratios::default();
    println!("ns/event        ours   libbpf-rs");
    let (ours, theirs) = (our_producer(), their_producer());
    println!("producer   {ours:>9.1}   {theirs:>9.1}");
    ratios.add("perf_producer_vs_libbpf_rs", theirs / ours);
    ratios.add("perf_producer_ns", ours);
    let (ours, theirs) = (our_drain(), their_drain());
    println!("drain      {ours:>9.2}   {theirs:>9.2}");
    ratios.add("perf_drain_vs_libbpf_rs", theirs / ours);
}

/// Returns the nanoseconds that an event takes in the program.
fn produce(program: &OwnedFd) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        run(program.as_fd(), COUNT);
        let time = start.elapsed().as_secs_f64() * 1e9 / COUNT as f64;
        // The reader catches up: a full ring would refuse events, which costs almost nothing.
        thread::sleep(Duration::from_millis(1));
        time
    });
    median(times.collect())
}

fn load_ours() -> (Loaded, OwnedFd) {
    let skel = load_perf();
    let program =
        skel.object().program(CASE.program).unwrap().fd().unwrap().try_clone_to_owned().unwrap();
    (skel, program)
}

fn load_perf() -> Loaded {
    load(Case { map: "larges", ring: 4096, ..CASE })
}

fn take(read: &mut Read, export: &Export<'_>) {
    if let Export::Events(event) = export {
        read.add(event.seq);
    }
}

fn our_producer() -> f64 {
    let (skel, program) = load_ours();
    let control = skel.control();
    let reader = thread::spawn(move || {
        let mut read = Read::default();
        while !skel.control().is_stopped() {
            skel.poll(WAIT, |export| take(&mut read, &export)).unwrap();
        }
        skel.drain(|export| take(&mut read, &export)).unwrap();
        (read.count, skel.stats().events.lost.unwrap())
    });
    let time = produce(&program);
    control.stop();
    let (count, lost) = reader.join().unwrap();
    assert_eq!(count + lost, COUNT * ROUNDS as u64);
    time
}

fn their_producer() -> f64 {
    let peer = Peer::load(CASE);
    let (program, map) = (peer.program(), peer.map());
    let (stop, stopped) = mpsc::channel::<()>();
    let reader = thread::spawn(move || {
        let (count, dropped) = (Rc::new(Cell::new(0u64)), Rc::new(Cell::new(0u64)));
        let (counted, lost) = (Rc::clone(&count), Rc::clone(&dropped));
        let buffer = PerfBufferBuilder::new(&map)
            .pages(64)
            .sample_cb(move |_, _| counted.set(counted.get() + 1))
            .lost_cb(move |_, events| lost.set(lost.get() + events))
            .build()
            .unwrap();
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            buffer.poll(WAIT).unwrap();
        }
        buffer.consume().unwrap();
        (count.get(), dropped.get())
    });
    // The rings are open before the first event arrives.
    thread::sleep(WAIT);
    let time = produce(&program);
    drop(stop);
    let (count, lost) = reader.join().unwrap();
    assert_eq!(count + lost, COUNT * ROUNDS as u64);
    time
}

fn our_drain() -> f64 {
    let (skel, program) = load_ours();
    drain(&program, || {
        let mut read = Read::default();
        skel.maps().unwrap().events.for_each(|event| read.add(event.seq)).unwrap();
        read
    })
}

fn their_drain() -> f64 {
    let peer = Peer::load(CASE);
    let read = Rc::new(Cell::new(Read::default()));
    let into = Rc::clone(&read);
    let map = peer.map();
    let buffer = PerfBufferBuilder::new(&map)
        .pages(64)
        .sample_cb(move |_, bytes: &[u8]| {
            let mut read = into.get();
            read.add(u64::from_ne_bytes(bytes[..8].try_into().unwrap()));
            into.set(read);
        })
        .build()
        .unwrap();
    drain(&peer.program(), || {
        read.set(Read::default());
        buffer.consume().unwrap();
        read.get()
    })
}

fn drain(program: &OwnedFd, mut drain: impl FnMut() -> Read) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        run(program.as_fd(), COUNT);
        let start = Instant::now();
        let read = drain();
        let time = start.elapsed();
        assert_eq!(read, Read { count: COUNT, sum: COUNT * (COUNT - 1) / 2 });
        time.as_secs_f64() * 1e9 / COUNT as f64
    });
    median(times.collect())
}
