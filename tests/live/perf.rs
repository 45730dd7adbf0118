use std::{
    cell::RefCell,
    fs::{self, OpenOptions},
    io,
    os::fd::OwnedFd,
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
fn on_one_cpu(f: impl FnOnce() -> Outcome + Send) -> Outcome {
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

/// The other rings are read, the error is said once, and the CPU gets a ring that is good.
pub(crate) fn a_damaged_ring_is_opened_anew() -> Outcome {
    let skel = super::faults::load()?;
    let work = super::faults::shared(&skel.progs()?.work)?;
    // The first that was opened is that of CPU 0.
    let mut rings = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        if fs::read_link(&path).is_ok_and(|file| file.as_os_str() == "anon_inode:[perf_event]") {
            rings.push(path.file_name().unwrap().to_string_lossy().parse::<libc::c_int>()?);
        }
    }
    let first = rings.into_iter().min().ok_or("there is no ring")?;
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
    assert_eq!(said, "perf ring: the record at 0 has 40 bytes where 20 are left: the ring's memory is damaged");
    assert_eq!(*seqs.borrow(), [100, 101, 102][..others]);
    seqs.borrow_mut().clear();
    let start = Instant::now();
    while seqs.borrow().is_empty() && start.elapsed() < Duration::from_secs(10) {
        assert!(run_on(0, &work, [1, 200, 0]));
        poll()?;
    }
    assert!(seqs.borrow().iter().all(|seq| *seq == 200) && !seqs.borrow().is_empty(), "{seqs:?}");
    // SAFETY: the mapping is ours, and nothing of it is used any more.
    assert_eq!(unsafe { libc::munmap(memory, len) }, 0);
    Ok(())
}
