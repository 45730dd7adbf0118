//! Sends at full rate into a ring buffer, a perf event array and a sampled map at once: all losses
//! are counted, and memory and descriptors do not grow.
//!
//! `SOAK_SECONDS` or `SECONDS` sets the duration, 20 seconds by default: `make soak SECONDS=3600`;
//! `make test` takes two minutes.

use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use eunomia_tests::included::faults::Export;

use super::{
    Outcome,
    faults::{load, shared},
    maps::cpus,
    perf::run_on,
    rounds,
    streams::raw_test_run,
};

const PRODUCERS: u64 = 2;
/// Records in each map for one run of the program.
const BURST: u64 = 1000;
/// More records than a ring holds.
const ROUND: u64 = 15_000;
/// The most that the resident memory may grow after the first quarter of the time.
const MORE_MEMORY: u64 = 512 << 10;

/// Resources of this process.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    bytes: u64,
    descriptors: usize,
}

impl Held {
    fn now() -> Result<Self, Box<dyn std::error::Error>> {
        let statm = fs::read_to_string("/proc/self/statm")?;
        let pages: u64 = statm.split(' ').nth(1).ok_or("no resident pages")?.parse()?;
        Ok(Self { bytes: pages * 4096, descriptors: fs::read_dir("/proc/self/fd")?.count() })
    }
}

/// What was received from one map.
#[derive(Debug, Default)]
struct Received {
    count: u64,
    /// The lowest sequence number that may come next, by producer; streams keep the order of each
    /// producer.
    next: [u64; PRODUCERS as usize],
}

impl Received {
    fn add(&mut self, producer: u64, seq: u64) {
        let next = &mut self.next[producer as usize];
        assert!(seq >= *next, "{seq} of producer {producer} came when {next} was next");
        *next = seq + 1;
        self.count += 1;
    }
}

pub(crate) fn losses_are_counted_and_memory_is_bounded() -> Outcome {
    let asked = std::env::var("SOAK_SECONDS").or_else(|_| std::env::var("SECONDS"));
    let seconds = asked.map_or(Ok(rounds(20)), |seconds| seconds.parse())?;
    let time = Duration::from_secs(seconds);
    let skel = load()?;
    let work = shared(&skel.progs()?.work)?;
    let sent = AtomicU64::new(0);
    let (mut beats, mut samples) = (Received::default(), Received::default());
    let (mut entries, mut sum, mut unexpected) = (0, 0_u64, 0);
    let (mut first, mut most) = (Held::default(), Held::default());
    thread::scope(|scope| -> Outcome {
        let start = Instant::now();
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let (work, sent) = (&work, &sent);
                scope.spawn(move || {
                    let mut next = 0;
                    while start.elapsed() < time {
                        raw_test_run(work, [BURST, next, producer]);
                        next += BURST;
                        sent.fetch_add(BURST, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let (mut quiet, mut looked) = (0, start);
        while quiet < 3 || !producers.iter().all(thread::ScopedJoinHandle::is_finished) {
            let read = skel.poll(Duration::from_millis(20), |export| match export {
                Export::Rb(beat) => {
                    unexpected += u64::from(beat.check != !beat.seq);
                    beats.add(beat.producer, beat.seq);
                }
                // Not in order: a producer may move to another CPU, whose ring is read separately.
                Export::Events(beat) => {
                    unexpected += u64::from(beat.check != !beat.seq);
                    samples.count += 1;
                }
                Export::Table(entry) => {
                    unexpected += u64::from(*entry.value != !(*entry.key & ((1 << 56) - 1)));
                    sum = sum.wrapping_add(*entry.key);
                    entries += 1;
                }
            })?;
            quiet = if read == 0 { quiet + 1 } else { 0 };
            if looked.elapsed() > Duration::from_millis(500) {
                looked = Instant::now();
                let now = Held::now()?;
                // A page becomes resident when it is first read, so each ring must have wrapped
                // several times.
                if start.elapsed() < time / 4 || beats.count.min(samples.count) < 5 * ROUND {
                    first = now;
                }
                most = Held {
                    bytes: most.bytes.max(now.bytes),
                    descriptors: most.descriptors.max(now.descriptors),
                };
            }
        }
        Ok(())
    })?;
    let inserted = skel.bss()?.table_sum.get()?;
    // The kernel reports losses with the next record that finds room.
    let sent_afterwards: u64 = (0..cpus())
        .map(|cpu| u64::from(run_on(cpu, &work, [1, u64::from(u32::MAX) + cpu as u64, PRODUCERS])))
        .sum();
    let mut reported = 0;
    while skel.poll(Duration::from_millis(20), |export| {
        reported += u64::from(matches!(export, Export::Events(_)))
    })? > 0
    {}
    assert_eq!(reported, sent_afterwards);

    let (sent, stats, bss) = (sent.into_inner(), skel.stats(), skel.bss()?);
    let (dropped, refused, no_room) =
        (bss.rb_dropped.get()?, bss.events_refused.get()?, bss.table_refused.get()?);
    println!(
        "{seconds} s, {sent} records to each map: received {} {} {entries}, without room {dropped} {refused} {no_room}; \
         resident {} KiB after a quarter, {} KiB at most, {} and {} descriptors",
        beats.count,
        samples.count,
        first.bytes >> 10,
        most.bytes >> 10,
        first.descriptors,
        most.descriptors
    );
    assert_eq!(unexpected, 0);
    assert_eq!(
        (beats.count + dropped, samples.count + refused, entries + no_room),
        (sent, sent, sent)
    );
    assert_eq!(
        (stats.rb.lost, stats.events.lost),
        (Some(dropped), Some(refused)),
        "what is lost is counted"
    );
    assert_eq!(inserted, sum, "the sum of the keys");
    assert!(
        beats.count > sent / 1000 && samples.count > sent / 1000 && entries > 1000,
        "hardly anything was read"
    );
    assert!(
        first.bytes > 0 && most.bytes < first.bytes + MORE_MEMORY,
        "memory grows: {first:?} {most:?}"
    );
    assert_eq!(first.descriptors, most.descriptors);
    Ok(())
}
