//! Perf event arrays: alignment, losses, damaged rings, and CPUs that go offline.

use std::{
    cell::RefCell,
    fs::{self, OpenOptions},
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::reader::{PerfBuffer, Waiting};
use eunomia_tests::{
    built::streams::{self, types::Sample},
    included::faults::Export,
};

use super::{
    Outcome,
    streams::{is_whole, load, raw_test_run, run},
};

pub(crate) fn samples_are_aligned_and_complete() -> Outcome {
    let skel = load()?;
    // Enough rounds for records to wrap around the end of their ring.
    let mut received = 0;
    for round in 0..60 {
        run(&skel.progs()?.perf, 500, round * 500, 0)?;
        received += skel.poll(Duration::from_secs(5), |export| {
            let streams::Export::Events(sample) = export else { panic!("{export:?}") };
            assert!(std::ptr::from_ref(sample).is_aligned());
            assert!(is_whole(sample), "{sample:?}");
        })?;
    }
    let stats = skel.stats().events;
    assert_eq!((received, stats.received, stats.lost), (30_000, 30_000, Some(0)));
    Ok(())
}

/// Runs `f` on a thread that is bound to its current CPU.
pub(crate) fn on_one_cpu(f: impl FnOnce() -> Outcome + Send) -> Outcome {
    let result = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: `sched_getcpu` has no preconditions.
            let cpu = usize::try_from(unsafe { libc::sched_getcpu() })?;
            let mut cpus = [0u64; 16];
            cpus[cpu / 64] = 1 << (cpu % 64);
            let size = size_of_val(&cpus);
            // SAFETY: the set outlives the call, which reads no more bytes than its size.
            let result = unsafe { libc::sched_setaffinity(0, size, cpus.as_ptr().cast()) };
            assert_eq!(result, 0);
            f()
        });
        thread.join()
    });
    result.map_err(|_| "the thread panicked")?
}

/// The kernel reports the number of lost samples with the next sample of the same CPU that finds
/// room.
pub(crate) fn lost_samples_are_counted() -> Outcome {
    on_one_cpu(lose_samples)
}

fn lose_samples() -> Outcome {
    let skel = load()?;
    // 64 pages hold fewer than 4,000 records of this size. The rest is lost, which the kernel
    // reports when there is room again.
    let record = size_of::<Sample>() + 16;
    let sent = 4 * (64 * 4096 / record) as u64;
    let mut left = sent;
    while left > 0 {
        let count = left.min(2000);
        run(&skel.progs()?.perf, count, 0, 0)?;
        left -= count;
    }
    let mut received = skel.poll(Duration::from_secs(5), |_| ())?;
    run(&skel.progs()?.perf, 1, 0, 0)?;
    received += skel.poll(Duration::from_secs(5), |_| ())?;
    let stats = skel.stats().events;
    let refused = skel.bss()?.refused.get()?;
    assert!(refused > 0 && refused < sent);
    assert_eq!((stats.received, stats.lost), (received, Some(refused)));
    assert_eq!(received + refused, sent + 1);
    Ok(())
}

/// Losses at the end of a burst, after which no sample comes. The kernel counts them from 6.0 on,
/// and in late releases of older series.
pub(crate) fn losses_at_end_of_burst_are_counted() -> Outcome {
    on_one_cpu(lose_the_tails)
}

fn lose_the_tails() -> Outcome {
    let (_, version) = super::host::release()?;
    let skel = load()?;
    let record = size_of::<Sample>() + 16;
    let burst = 2 * (64 * 4096 / record) as u64;
    let (mut received, mut tried) = (0, 0);
    for bursts in [1, 3, 2] {
        for _ in 0..bursts {
            run(&skel.progs()?.perf, burst, 0, 0)?;
            tried += burst;
        }
        received += skel.poll(Duration::from_secs(5), |_| ())?;
        let (stats, refused) = (skel.stats().events, skel.bss()?.refused.get()?);
        let lost = stats.lost.ok_or("losses are not counted")?;
        assert_eq!((stats.received, stats.received + refused), (received, tried));
        assert!(version < (6, 0) || !stats.lost_at_least);
        assert!(refused > 0);
        if stats.lost_at_least {
            assert!(lost < refused, "{lost} {refused}");
        } else {
            assert_eq!(received + lost, tried, "after {bursts} bursts");
        }
    }
    // The kernel also reports these losses in a record, which must not be added again.
    run(&skel.progs()?.perf, 1, 0, 0)?;
    received += skel.poll(Duration::from_secs(5), |_| ())?;
    let stats = skel.stats().events;
    assert!(stats.lost_at_least || stats.lost == Some(tried + 1 - received), "{stats:?}");
    Ok(())
}

/// A sample and its 4-byte length are padded to a multiple of 8, so a reader cannot tell padding
/// from a longer sample.
pub(crate) fn short_samples_are_counted() -> Outcome {
    let skel = super::faults::load()?;
    skel.progs()?.cut.test_run(Some(&mut [300u64, 0, 0].map(u64::to_ne_bytes).concat()), None)?;
    let mut seqs = Vec::new();
    skel.maps()?.events.for_each(|beat| {
        assert_eq!(beat.check, !beat.seq);
        seqs.push(beat.seq);
    })?;
    assert!(seqs.iter().copied().eq((0..300).filter(|seq| seq % 3 != 1)), "{seqs:?}");
    let stats = skel.stats().events;
    assert_eq!((stats.received, stats.short, stats.lost), (200, 100, Some(0)));
    Ok(())
}

fn page_size() -> usize {
    // SAFETY: `sysconf` takes no pointers.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// The online switch of CPU 1, which the machine can run without.
const SWITCH: &str = "/sys/devices/system/cpu/cpu1/online";

/// Returns true if CPU 1 can be taken offline.
pub(crate) fn cpus_can_go() -> bool {
    OpenOptions::new().write(true).open(SWITCH).is_ok()
        && fs::read_to_string(SWITCH).is_ok_and(|online| online.trim() == "1")
}

/// CPU 1 taken offline, until this is dropped.
struct Gone;

impl Gone {
    fn new() -> io::Result<Self> {
        fs::write(SWITCH, "0").map(|()| Self)
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        fs::write(SWITCH, "1").expect("cannot bring the CPU back online");
    }
}

/// Runs a program on a CPU; returns false if the CPU is offline.
pub(crate) fn run_on(cpu: usize, work: &OwnedFd, args: [u64; 3]) -> bool {
    let run = || {
        // SAFETY: all zeros is the empty set.
        let mut cpus: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: `CPU_SET` ignores a number that the set has no room for.
        unsafe { libc::CPU_SET(cpu, &mut cpus) };
        // SAFETY: the set outlives the call.
        let there = unsafe { libc::sched_setaffinity(0, size_of_val(&cpus), &raw const cpus) } == 0;
        if there {
            raw_test_run(work, args);
        }
        there
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// The samples in the ring of a CPU that goes offline are delivered, the reader continues
/// meanwhile, and the ring is read again after the CPU returns.
pub(crate) fn ring_of_returning_cpu_is_read() -> Outcome {
    for waiting in [Waiting::default(), Waiting::Epoll, Waiting::Busy] {
        let skel = super::faults::load()?;
        skel.set_waiting(waiting);
        let work = super::faults::shared(&skel.progs()?.work)?;
        let seqs = RefCell::new(Vec::new());
        let poll = |time: u64| {
            skel.poll(Duration::from_millis(time), |export| {
                if let Export::Events(beat) = export {
                    seqs.borrow_mut().push(beat.seq);
                }
            })
        };
        assert!(run_on(1, &work, [10, 0, 0]));
        let gone = Gone::new()?;
        assert!(!run_on(1, &work, [10, 10, 0]) && run_on(0, &work, [10, 10, 0]));
        for _ in 0..5 {
            poll(20)?;
        }
        let mut before = std::mem::take(&mut *seqs.borrow_mut());
        before.sort_unstable();
        assert_eq!(before, (0..20).collect::<Vec<_>>(), "{waiting:?}");
        drop(gone);
        // The reader checks for new CPUs once a second.
        let (start, mut sent) = (Instant::now(), 0);
        while seqs.borrow().is_empty() && start.elapsed() < Duration::from_secs(10) {
            run_on(1, &work, [1, 100 + sent, 0]);
            sent += 1;
            poll(100)?;
        }
        assert!(!seqs.borrow().is_empty(), "{waiting:?}: no samples of a CPU that came back");
        let (lost, refused) = (skel.stats().events.lost, skel.bss()?.events_refused.get()?);
        assert_eq!((lost, seqs.borrow().len() as u64 + refused), (Some(0), sent), "{waiting:?}");
        // After the ring is open, no sample is refused.
        run_on(1, &work, [10, 200, 0]);
        seqs.borrow_mut().clear();
        while seqs.borrow().len() < 10 && start.elapsed() < Duration::from_secs(20) {
            poll(100)?;
        }
        assert_eq!(*seqs.borrow(), (200..210).collect::<Vec<_>>(), "{waiting:?}");
    }
    Ok(())
}

/// Waits for samples once, and appends their numbers.
type Wait = fn(&streams::Loaded, &RefCell<Vec<u64>>) -> Outcome;

const WAYS: [(&str, Wait); 3] = [
    ("adaptive", |skel, seqs| poll_into(skel, seqs, 50)),
    ("epoll", |skel, seqs| {
        skel.set_waiting(Waiting::Epoll);
        poll_into(skel, seqs, 50)
    }),
    ("an event loop of one's own", |skel, seqs| {
        let mut poll = libc::pollfd {
            fd: skel.object().as_fd().as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: the pointer is to one entry, which outlives the call.
        assert!(unsafe { libc::poll(&raw mut poll, 1, 50) } >= 0);
        poll_into(skel, seqs, 0)
    }),
];

fn poll_into(skel: &streams::Loaded, seqs: &RefCell<Vec<u64>>, time: u64) -> Outcome {
    skel.poll(Duration::from_millis(time), |export| {
        let streams::Export::Events(sample) = export else { panic!("{export:?}") };
        seqs.borrow_mut().push(sample.seq);
    })?;
    Ok(())
}

/// Returns the CPU time of this thread.
pub(crate) fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure outlives the call, which writes it.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// A CPU goes offline briefly or for long. The reader spins neither then nor later, and samples of
/// the CPU arrive after it returns.
pub(crate) fn offline_cpu_does_not_spin_reader() -> Outcome {
    for (away, (name, wait)) in [300, 2500].into_iter().flat_map(|away| WAYS.map(|way| (away, way)))
    {
        let skel = load()?;
        let work = super::faults::shared(&skel.progs()?.perf)?;
        let rings = perf_events().len();
        let sent = thread::spawn(move || -> io::Result<()> {
            let pause = |time| thread::sleep(Duration::from_millis(time));
            assert!(run_on(1, &work, [10, 0, 0]));
            pause(200);
            let gone = Gone::new()?;
            pause(away);
            drop(gone);
            // The reader checks for new CPUs once a second.
            pause(3000);
            assert!(run_on(1, &work, [10, 100, 0]));
            pause(500);
            Ok(())
        });
        let (seqs, start, used) = (RefCell::default(), Instant::now(), thread_time());
        while !sent.is_finished() {
            wait(&skel, &seqs)?;
        }
        let (used, took, stats) = (thread_time() - used, start.elapsed(), skel.stats().events);
        sent.join().unwrap()?;
        assert!(
            seqs.borrow().iter().copied().eq((0..10).chain(100..110)),
            "{name}, away for {away} ms: {seqs:?}"
        );
        assert!(
            stats.wakeups < 1000 && used < took / 2,
            "{name}, away for {away} ms: {stats:?}, {used:?} of {took:?}"
        );
        assert_eq!(
            (perf_events().len(), stats.lost, stats.lost_at_least),
            (rings, Some(0), true),
            "losses before the ring is open are unknown"
        );
    }
    Ok(())
}

/// Nobody counts what programs send on a CPU for which the map has no entry.
pub(crate) fn losses_of_cpus_without_a_ring_are_unknown() -> Outcome {
    let mut open = streams::open()?;
    open.object().set_max_entries("events", 1)?;
    let more = fs::read_to_string("/sys/devices/system/cpu/possible")?.trim() != "0";
    assert_eq!(open.load()?.stats().events.lost_at_least, more);
    Ok(())
}

/// The ring of an offline CPU is closed, and its losses stay counted.
pub(crate) fn losses_of_offline_cpu_are_kept() -> Outcome {
    let skel = load()?;
    let work = super::faults::shared(&skel.progs()?.perf)?;
    let burst = 2 * 64 * 4096 / (size_of::<Sample>() + 16) as u64;
    for first in (0..burst).step_by(64) {
        assert!(run_on(1, &work, [64, first, 0]));
    }
    let refused = skel.bss()?.refused.get()?;
    let before = skel.stats().events;
    let expected = if before.lost_at_least { 0 } else { refused };
    assert!(refused > 0 && before.lost == Some(expected), "{before:?} {refused}");
    let rings = perf_events().len();
    let gone = Gone::new()?;
    let (mut received, start) = (0, Instant::now());
    while perf_events().len() == rings && start.elapsed() < Duration::from_secs(20) {
        received += skel.poll(Duration::from_millis(100), |_| ())?;
    }
    assert_eq!(perf_events().len(), rings - 1, "the ring is closed when it is empty");
    assert_eq!((skel.stats().events.lost, skel.unread()?), (Some(expected), 0));
    drop(gone);
    while perf_events().len() < rings && start.elapsed() < Duration::from_secs(40) {
        received += skel.poll(Duration::from_millis(100), |_| ())?;
    }
    // The count of the new ring starts at 0.
    assert!(run_on(1, &work, [10, 0, 0]));
    received += skel.poll(Duration::from_secs(5), |_| ())?;
    assert_eq!(received + refused, burst.next_multiple_of(64) + 10);
    assert_eq!(skel.stats().events.lost, Some(expected));
    Ok(())
}

/// Returns the descriptors of perf events that this process has open.
fn perf_events() -> Vec<libc::c_int> {
    let is_event = |path: &std::path::Path| {
        fs::read_link(path).is_ok_and(|file| file.as_os_str() == "anon_inode:[perf_event]")
    };
    let paths = fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| is_event(path));
    paths.map(|path| path.file_name().unwrap().to_string_lossy().parse().unwrap()).collect()
}

/// The other rings are read, the error is returned once, and the CPU gets a new ring.
pub(crate) fn damaged_ring_is_reopened() -> Outcome {
    let skel = super::faults::load()?;
    let work = super::faults::shared(&skel.progs()?.work)?;
    // The ring with the lowest descriptor is that of CPU 0, which was opened first.
    let first = perf_events().into_iter().min().ok_or("no perf event is open")?;
    let page = page_size();
    let len = page * (1 + PerfBuffer::default().pages);
    // SAFETY: the kernel chooses the address of the new mapping.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            first,
            0,
        )
    };
    assert_ne!(memory, libc::MAP_FAILED);
    assert!(run_on(0, &work, [3, 0, 0]));
    let others = if run_on(1, &work, [3, 100, 0]) { 3 } else { 0 };
    // The data pages are not written here. `data_head` is in the metadata page before them.
    // SAFETY: the offset is inside the mapping.
    let head = unsafe { memory.byte_add(1024) };
    // SAFETY: the word is mapped and aligned, and is only accessed atomically.
    let head = unsafe { AtomicU64::from_ptr(head.cast()) };
    assert_eq!(head.swap(20, Ordering::Relaxed), 3 * 40);
    let seqs = RefCell::new(Vec::new());
    let poll = || {
        skel.poll(Duration::from_millis(50), |export| {
            if let Export::Events(beat) = export {
                seqs.borrow_mut().push(beat.seq);
            }
        })
    };
    let said = poll().unwrap_err().to_string();
    assert_eq!(
        said,
        "perf ring: the record at position 0 has 40 bytes, but 20 are left: the ring's memory is damaged"
    );
    assert_eq!(*seqs.borrow(), [100, 101, 102][..others]);
    seqs.borrow_mut().clear();
    let start = Instant::now();
    while seqs.borrow().is_empty() && start.elapsed() < Duration::from_secs(10) {
        assert!(run_on(0, &work, [1, 200, 0]));
        poll()?;
    }
    assert!(seqs.borrow().iter().all(|seq| *seq == 200) && !seqs.borrow().is_empty(), "{seqs:?}");
    // The reader no longer waits for the file of the damaged ring, although it is still mapped
    // here.
    let (before, start) = (skel.stats().events.wakeups, Instant::now());
    for _ in 0..10 {
        poll()?;
    }
    // The reader checks the array every 10 ms. A descriptor that reports a hangup would wake it
    // tens of thousands of times a second.
    let (wakeups, most) =
        (u128::from(skel.stats().events.wakeups - before), 500 + start.elapsed().as_millis());
    assert!(wakeups < most, "{wakeups}, at most {most}");
    // SAFETY: the mapping belongs to this test, and nothing uses it after this.
    assert_eq!(unsafe { libc::munmap(memory, len) }, 0);
    Ok(())
}
