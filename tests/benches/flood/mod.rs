//! Shared parts of the benches: readers to compare, each with its own object, so that none takes
//! another's records.

#![allow(dead_code, reason = "each bench uses a part")]

pub(crate) mod peers;

use std::{
    fmt,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use eunomia_tests::included::flood::{self, Loaded};
use libbpf_rs::libbpf_sys;

/// Records of one kind in a ring of one size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// The name of the map.
    pub(crate) map: &'static str,
    /// The name of the program that fills the map.
    pub(crate) program: &'static str,
    /// The size of the ring in bytes.
    pub(crate) ring: u32,
}

/// A number of records that no ring holds, and the largest that bpf_loop allows.
pub(crate) const FULL: u64 = 8 << 20;

/// The number of records, and the sum of their first fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) count: u64,
    pub(crate) sum: u64,
}

impl Read {
    pub(crate) fn add(&mut self, seq: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(seq);
    }
}

/// A reader of a ring.
pub(crate) trait Reader {
    /// Fills the ring.
    fn fill(&mut self, count: u64);
    /// Returns the records sent since the object was loaded.
    fn sent(&self) -> Read;
    /// Reads all records in the ring.
    fn drain(&mut self) -> Read;
}

/// Loads the object with the ring size of a case.
pub(crate) fn load(case: Case) -> Loaded {
    let mut open = flood::open().unwrap();
    open.object().set_max_entries(case.map, case.ring).unwrap();
    open.load().unwrap()
}

pub(crate) fn sent(skel: &Loaded) -> Read {
    let bss = skel.bss().unwrap();
    Read { count: bss.sent.get().unwrap(), sum: bss.sum.get().unwrap() }
}

pub(crate) fn fill(skel: &Loaded, program: &str, count: u64) {
    skel.object().program(program).unwrap().test_run(Some(&mut count.to_ne_bytes()), None).unwrap();
}

/// Returns nanoseconds for each record: for each reader the median over several drains of a full
/// ring.
///
/// # Panics
/// If a reader does not find the records that were sent.
pub(crate) fn drains(readers: &mut [Box<dyn Reader>], rounds: usize) -> Vec<f64> {
    let mut times = vec![Vec::new(); readers.len()];
    for round in 0..rounds {
        for (reader, times) in readers.iter_mut().zip(&mut times) {
            let before = reader.sent();
            reader.fill(FULL);
            let after = reader.sent();
            let start = Instant::now();
            let read = reader.drain();
            let time = start.elapsed();
            assert_eq!(
                read,
                Read { count: after.count - before.count, sum: after.sum.wrapping_sub(before.sum) }
            );
            // The first rounds have cold caches and page faults.
            if round >= 2 {
                times.push(time.as_secs_f64() * 1e9 / read.count as f64);
            }
        }
    }
    times.into_iter().map(median).collect()
}

/// A thread that runs a program repeatedly, with `count` records each time, until the value is
/// dropped.
pub(crate) struct Producer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Producer {
    pub(crate) fn start(program: OwnedFd, count: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                run(program.as_fd(), count);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().into_iter().for_each(|thread| thread.join().unwrap());
    }
}

/// Runs a program once and returns the nanoseconds that the kernel measured.
pub(crate) fn run(program: BorrowedFd<'_>, count: u64) -> u32 {
    let mut args = count.to_ne_bytes();
    let mut opts = libbpf_sys::bpf_test_run_opts {
        sz: size_of::<libbpf_sys::bpf_test_run_opts>() as libbpf_sys::size_t,
        ctx_in: args.as_mut_ptr().cast(),
        ctx_size_in: args.len() as u32,
        ..Default::default()
    };
    // SAFETY: the options and the arguments live through the call.
    let error = unsafe { libbpf_sys::bpf_prog_test_run_opts(program.as_raw_fd(), &raw mut opts) };
    assert_eq!(error, 0);
    opts.duration
}

/// Returns the CPU time of the calling thread.
pub(crate) fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time lives through the call.
    let error = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(error, 0);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Lines for scripts, printed after the table.
#[derive(Default)]
pub(crate) struct Ratios(Vec<String>);

impl Ratios {
    pub(crate) fn add(&mut self, name: impl fmt::Display, value: f64) {
        self.0.push(format!("ratio {name}={value:.2}"));
    }
}

impl Drop for Ratios {
    fn drop(&mut self) {
        println!();
        self.0.iter().for_each(|line| println!("{line}"));
    }
}
