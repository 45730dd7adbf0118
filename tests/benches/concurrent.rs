//! Benchmarks a producer on one core and a reader on the other: the rate of events, and the CPU
//! time of the reader.

mod flood;

use std::time::{Duration, Instant};

use eunomia_runtime::reader::Waiting;
use eunomia_tests::included::flood::{Export, Loaded, types};
use flood::{Case, Producer, Ratios, Read, cpu_time, load, median, peers::LibbpfRs, sent};

const CASE: Case = Case { map: "larges", program: "stream_large", ring: 16 << 20 };
const TIME: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;
const WAIT: Duration = Duration::from_millis(100);

/// The measurements of one run.
struct Run {
    /// Millions of events a second.
    rate: f64,
    /// CPU time of the reader, in percent of one CPU.
    cpu_percent: f64,
    /// Events that the ring took and the reader did not find.
    lost: u64,
    wakeups: u64,
}

/// A reader and its name.
type Way = (&'static str, fn() -> Run);

fn main() {
    let mut ratios = Ratios::default();
    let ways: [Way; 5] = [
        ("ours, runs", || ours(Waiting::default(), runs)),
        ("ours, poll", || ours(Waiting::default(), poll)),
        ("ours, epoll", || ours(Waiting::Epoll, poll)),
        ("ours, busy", || ours(Waiting::Busy, poll)),
        ("libbpf-rs poll", libbpf_rs),
    ];
    // `ours` runs our reader alone, for a profile.
    if std::env::args().any(|word| word == "ours") {
        let Run { rate, cpu_percent, .. } = ours(Waiting::default(), self::runs);
        return println!("{rate:.2} M events/s, {cpu_percent:.1} % of a CPU");
    }
    let mut runs: Vec<Vec<Run>> = ways.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for ((_, run), runs) in ways.iter().zip(&mut runs) {
            runs.push(run());
        }
    }
    println!("168 B           M events/s    CPU %   lost  wakeups/s");
    let median_of = |runs: &[Run], field: fn(&Run) -> f64| median(runs.iter().map(field).collect());
    for ((name, _), runs) in ways.iter().zip(&runs) {
        let lost: u64 = runs.iter().map(|run| run.lost).sum();
        let (rate, cpu) = (median_of(runs, |run| run.rate), median_of(runs, |run| run.cpu_percent));
        let wakeups = median_of(runs, |run| run.wakeups as f64 / TIME.as_secs_f64());
        println!("{name:<16}{rate:>10.2}{cpu:>9.1}{lost:>7}{wakeups:>11.0}");
    }
    ratios.add(
        "concurrent_168B_vs_libbpf_rs",
        median_of(&runs[0], |run| run.rate) / median_of(&runs[4], |run| run.rate),
    );
    ratios.add("concurrent_168B_cpu_percent", median_of(&runs[0], |run| run.cpu_percent));
    ratios.add("concurrent_168B_lost", runs[0].iter().map(|run| run.lost).sum::<u64>() as f64);
}

/// Waits for events and reads them in slices.
fn runs(skel: &Loaded, read: &mut Read) {
    if skel.wait(WAIT).unwrap() {
        let larges = skel.object().ring_buffer::<types::Large>("larges").unwrap();
        larges.for_runs(|run| run.iter().for_each(|event| read.add(event.seq))).unwrap();
    }
}

/// Polls for events and reads them one by one.
fn poll(skel: &Loaded, read: &mut Read) {
    skel.poll(WAIT, |export| take(&export, read)).unwrap();
}

fn take(export: &Export<'_>, read: &mut Read) {
    if let Export::Larges(event) = export {
        read.add(event.seq);
    }
}

fn ours(waiting: Waiting, step: fn(&Loaded, &mut Read)) -> Run {
    let skel = load(CASE);
    skel.set_waiting(waiting);
    let program =
        skel.object().program(CASE.program).unwrap().fd().unwrap().try_clone_to_owned().unwrap();
    let mut read = Read::default();
    let (start, cpu) = (Instant::now(), cpu_time());
    let producer = Producer::start(program, 100_000);
    while start.elapsed() < TIME {
        step(&skel, &mut read);
    }
    let (time, cpu) = (start.elapsed(), cpu_time() - cpu);
    let stats = skel.stats().larges;
    drop(producer);
    skel.drain(|export| take(&export, &mut read)).unwrap();
    run(time, cpu, stats.received, sent(&skel), read, stats.wakeups)
}

fn libbpf_rs() -> Run {
    let ring = LibbpfRs::new(CASE);
    let (start, cpu) = (Instant::now(), cpu_time());
    let producer = Producer::start(ring.peer().program(), 100_000);
    while start.elapsed() < TIME {
        ring.poll(WAIT);
    }
    let (time, cpu) = (start.elapsed(), cpu_time() - cpu);
    let count = ring.read().count;
    drop(producer);
    ring.poll(Duration::ZERO);
    run(time, cpu, count, ring.peer().sent(), ring.read(), 0)
}

/// Builds the result of a run: `count` events arrived in `time`, `read` also has those drained
/// after it.
fn run(time: Duration, cpu: Duration, count: u64, sent: Read, read: Read, wakeups: u64) -> Run {
    assert_eq!(read.sum, sent.sum);
    Run {
        rate: count as f64 / time.as_secs_f64() / 1e6,
        cpu_percent: 100.0 * cpu.as_secs_f64() / time.as_secs_f64(),
        lost: sent.count - read.count,
        wakeups,
    }
}
