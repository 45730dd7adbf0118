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
    // Many rounds, so that records wrap around the end of their ring.
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

/// Runs `f` on a thread that stays on its CPU.
pub(crate) fn on_one_cpu(f: impl FnOnce() -> Outcome + Send) -> Outcome {
    let result = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: always sound.
            let cpu = usize::try_from(unsafe { libc::sched_getcpu() })?;
            let mut cpus = [0u64; 16];
            cpus[cpu / 64] = 1 << (cpu % 64);
            // SAFETY: the set lives through the call, which reads as many bytes as it has.
            assert_eq!(unsafe { libc::sched_setaffinity(0, size_of_val(&cpus), cpus.as_ptr().cast()) }, 0);
            f()
        });
        thread.join()
    });
    result.map_err(|_| "the thread panicked")?
}

/// The kernel says how many were lost with the next sample of the same CPU that finds room.
pub(crate) fn lost_samples_are_counted() -> Outcome {
    on_one_cpu(lose_samples)
}

fn lose_samples() -> Outcome {
    let skel = load()?;
    // 64 pages hold fewer than 4,000 records of this size; the rest of these is lost, and the kernel says so when there is room again.
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

/// What finds no room at the end of a burst, and no sample comes after it. Kernels before 6.0 have no count of these, but for late releases
/// of older series.
pub(crate) fn losses_at_the_end_of_a_burst_are_counted() -> Outcome {
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
        let lost = stats.lost.ok_or("it is counted")?;
        assert_eq!((stats.received, stats.received + refused), (received, tried));
        assert!(version < (6, 0) || !stats.lost_at_least);
        assert!(refused > 0);
        if stats.lost_at_least {
            assert!(lost < refused, "{lost} {refused}");
        } else {
            assert_eq!(received + lost, tried, "after {bursts} bursts");
        }
    }
    // The kernel's records of what was lost say the same once more, and it is not added.
    run(&skel.progs()?.perf, 1, 0, 0)?;
    received += skel.poll(Duration::from_secs(5), |_| ())?;
    let stats = skel.stats().events;
    assert!(stats.lost_at_least || stats.lost == Some(tried + 1 - received), "{stats:?}");
    Ok(())
}

/// A ring pads samples to a multiple of 8 with its own 4 bytes, so a longer one is all that a reader can tell.
pub(crate) fn short_and_long_samples() -> Outcome {
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
    // SAFETY: asks for a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// The switch of a CPU that is not needed for the machine to run.
const SWITCH: &str = "/sys/devices/system/cpu/cpu1/online";

/// Whether a CPU can be taken away here.
pub(crate) fn cpus_can_go() -> bool {
    OpenOptions::new().write(true).open(SWITCH).is_ok() && fs::read_to_string(SWITCH).is_ok_and(|online| online.trim() == "1")
}

/// Comes back when this is dropped.
struct Gone;

impl Gone {
    fn new() -> io::Result<Self> {
        fs::write(SWITCH, "0").map(|()| Self)
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        fs::write(SWITCH, "1").expect("the CPU comes back");
    }
}

/// Runs a program on a CPU; whether that is online.
pub(crate) fn run_on(cpu: usize, work: &OwnedFd, args: [u64; 3]) -> bool {
    let run = || {
        // SAFETY: zeroed, it is an empty set.
        let mut cpus: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: a number that the set has no room for is left out.
        unsafe { libc::CPU_SET(cpu, &mut cpus) };
        // SAFETY: the set lives through the call.
        let there = unsafe { libc::sched_setaffinity(0, size_of_val(&cpus), &raw const cpus) } == 0;
        if there {
            raw_test_run(work, args);
        }
        there
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// What is in its ring is delivered, the reader goes on meanwhile, and it is read again once it is back.
pub(crate) fn a_cpu_goes_and_comes_back() -> Outcome {
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
        // It is looked for once a second.
        let (start, mut sent) = (Instant::now(), 0);
        while seqs.borrow().is_empty() && start.elapsed() < Duration::from_secs(10) {
            run_on(1, &work, [1, 100 + sent, 0]);
            sent += 1;
            poll(100)?;
        }
        assert!(!seqs.borrow().is_empty(), "{waiting:?}: nothing of a CPU that came back");
        let (lost, refused) = (skel.stats().events.lost, skel.bss()?.events_refused.get()?);
        assert_eq!((lost, seqs.borrow().len() as u64 + refused), (Some(0), sent), "{waiting:?}");
        // From now on nothing is refused.
        run_on(1, &work, [10, 200, 0]);
        seqs.borrow_mut().clear();
        while seqs.borrow().len() < 10 && start.elapsed() < Duration::from_secs(20) {
            poll(100)?;
        }
        assert_eq!(*seqs.borrow(), (200..210).collect::<Vec<_>>(), "{waiting:?}");
    }
    Ok(())
}

/// Waits for samples once, and adds their numbers.
type Wait = fn(&streams::Loaded, &RefCell<Vec<u64>>) -> Outcome;

const WAYS: [(&str, Wait); 3] = [
    ("adaptive", |skel, seqs| poll_into(skel, seqs, 50)),
    ("epoll", |skel, seqs| {
        skel.set_waiting(Waiting::Epoll);
        poll_into(skel, seqs, 50)
    }),
    ("an event loop of one's own", |skel, seqs| {
        let mut poll = libc::pollfd { fd: skel.object().as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, which lives through the call.
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

/// The processor time of this thread.
pub(crate) fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure lives through the call, which writes it.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// For a moment or for long: the reader neither spins meanwhile nor afterwards, and what is sent on the CPU once it is back arrives.
pub(crate) fn a_cpu_goes_while_it_is_polled() -> Outcome {
    for (away, (name, wait)) in [300, 2500].into_iter().flat_map(|away| WAYS.map(|way| (away, way))) {
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
            // It is looked for once a second.
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
        assert!(seqs.borrow().iter().copied().eq((0..10).chain(100..110)), "{name}, away for {away} ms: {seqs:?}");
        assert!(stats.wakeups < 1000 && used < took / 2, "{name}, away for {away} ms: {stats:?}, {used:?} of {took:?}");
        assert_eq!((perf_events().len(), stats.lost, stats.lost_at_least), (rings, Some(0), true), "nobody counts what came too early");
    }
    Ok(())
}

/// The ring of a CPU that goes is closed, and what it had no room for stays counted.
pub(crate) fn losses_of_a_cpu_that_went_are_kept() -> Outcome {
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
    // The new ring counts anew.
    assert!(run_on(1, &work, [10, 0, 0]));
    received += skel.poll(Duration::from_secs(5), |_| ())?;
    assert_eq!(received + refused, burst.next_multiple_of(64) + 10);
    assert_eq!(skel.stats().events.lost, Some(expected));
    Ok(())
}

/// The descriptors of perf events that this process has.
fn perf_events() -> Vec<libc::c_int> {
    let is_event = |path: &std::path::Path| fs::read_link(path).is_ok_and(|file| file.as_os_str() == "anon_inode:[perf_event]");
    let paths = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path()).filter(|path| is_event(path));
    paths.map(|path| path.file_name().unwrap().to_string_lossy().parse().unwrap()).collect()
}

/// The other rings are read, the error is said once, and the CPU gets a ring that is good.
pub(crate) fn a_damaged_ring_is_opened_anew() -> Outcome {
    let skel = super::faults::load()?;
    let work = super::faults::shared(&skel.progs()?.work)?;
    // The first that was opened is that of CPU 0.
    let first = perf_events().into_iter().min().ok_or("there is no ring")?;
    let page = page_size();
    let len = page * (1 + PerfBuffer::default().pages);
    // SAFETY: a new mapping, at an address that the kernel chooses.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, first, 0) };
    assert_ne!(memory, libc::MAP_FAILED);
    assert!(run_on(0, &work, [3, 0, 0]));
    let others = if run_on(1, &work, [3, 100, 0]) { 3 } else { 0 };
    // The data is not for us to write, `data_head` of the page before it is.
    // SAFETY: it is inside of the mapping.
    let head = unsafe { memory.byte_add(1024) };
    // SAFETY: it is aligned and mapped, and only accessed by atomics.
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
    assert_eq!(said, "perf ring: the record at position 0 has 40 bytes, but 20 are left: the ring's memory is damaged");
    assert_eq!(*seqs.borrow(), [100, 101, 102][..others]);
    seqs.borrow_mut().clear();
    let start = Instant::now();
    while seqs.borrow().is_empty() && start.elapsed() < Duration::from_secs(10) {
        assert!(run_on(0, &work, [1, 200, 0]));
        poll()?;
    }
    assert!(seqs.borrow().iter().all(|seq| *seq == 200) && !seqs.borrow().is_empty(), "{seqs:?}");
    // The file of the damaged ring is waited for no more, although it is still mapped here.
    let (before, start) = (skel.stats().events.wakeups, Instant::now());
    for _ in 0..10 {
        poll()?;
    }
    // The array is looked at every 10 ms; a descriptor that hangs up wakes the reader tens of thousands of times in a second.
    let (wakeups, most) = (u128::from(skel.stats().events.wakeups - before), 500 + start.elapsed().as_millis());
    assert!(wakeups < most, "{wakeups}, at most {most}");
    // SAFETY: the mapping is ours, and nothing of it is used any more.
    assert_eq!(unsafe { libc::munmap(memory, len) }, 0);
    Ok(())
}
