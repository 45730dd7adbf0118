//! Faults around a reader: signals, records that stay uncommitted, descriptors that other code
//! closes, entries that come and go.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    hint, io,
    os::fd::{AsRawFd as _, OwnedFd, RawFd},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::{
    Error,
    bpf::{Program, kind::ProgramKind},
    reader::Waiting,
};
use eunomia_tests::included::faults::{self, Export, Loaded};

use libbpf_rs::libbpf_sys;

use super::{Outcome, streams::raw_test_run};

const WAIT: Duration = Duration::from_secs(10);

pub(crate) fn load() -> eunomia_runtime::Result<Loaded> {
    faults::open()?.load()
}

/// Returns a descriptor of the program for a thread that runs it while the reader is borrowed for
/// polling.
pub(crate) fn shared(
    program: &Program<'_, impl ProgramKind>,
) -> Result<OwnedFd, Box<dyn std::error::Error>> {
    Ok(program.fd()?.try_clone_to_owned()?)
}

/// The number of records received from each map.
#[derive(Debug, Default, PartialEq, Eq)]
struct Received {
    beats: u64,
    samples: u64,
    entries: u64,
}

impl Received {
    fn add(&mut self, export: Export<'_>) {
        match export {
            Export::Rb(beat) => {
                assert_eq!(beat.check, !beat.seq);
                self.beats += 1;
            }
            Export::Events(beat) => {
                assert_eq!(beat.check, !beat.seq);
                self.samples += 1;
            }
            Export::Table(entry) => {
                assert_eq!(*entry.value, !(*entry.key & ((1 << 56) - 1)));
                self.entries += 1;
            }
        }
    }

    fn all(count: u64) -> Self {
        Self { beats: count, samples: count, entries: count }
    }
}

/// Returns the CPU time of the calling thread.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

/// Signals interrupt every wait and every call, thousands of times a second. Nothing is lost, and
/// timeouts hold.
pub(crate) fn signal_storm_loses_nothing() -> Outcome {
    extern "C" fn ignore(_: libc::c_int) {}
    // SAFETY: the handler does nothing, so it is async-signal-safe.
    unsafe { libc::signal(libc::SIGUSR1, ignore as *const () as libc::sighandler_t) };
    // SAFETY: `pthread_self` has no preconditions.
    let reader = unsafe { libc::pthread_self() };
    for waiting in [Waiting::default(), Waiting::Epoll, Waiting::Busy] {
        let skel = load()?;
        skel.set_waiting(waiting);
        let work = shared(&skel.progs()?.work)?;
        let done = AtomicBool::new(false);
        thread::scope(|scope| -> Outcome {
            let storm = scope.spawn(|| {
                let mut signals = 0;
                while !done.load(Ordering::Relaxed) {
                    // SAFETY: the target thread joins this one before it ends, so its id is valid.
                    unsafe { libc::pthread_kill(reader, libc::SIGUSR1) };
                    signals += 1;
                    let next = Instant::now() + Duration::from_micros(20);
                    while Instant::now() < next {
                        hint::spin_loop();
                    }
                }
                signals
            });
            let read = || -> Outcome {
                let limit = Duration::from_millis(200);
                let start = Instant::now();
                assert_eq!(skel.poll(limit, |_| ())?, 0);
                skel.control().pause();
                assert_eq!(skel.poll(limit, |_| ())?, 0);
                skel.control().resume();
                assert!(
                    (2 * limit..20 * limit).contains(&start.elapsed()),
                    "{:?}",
                    start.elapsed()
                );
                let producer = scope.spawn(|| {
                    for round in 0..200 {
                        raw_test_run(&work, [10, 10 * round, 0]);
                        thread::sleep(Duration::from_micros(500));
                    }
                });
                let (mut received, start) = (Received::default(), Instant::now());
                while received != Received::all(2000) && start.elapsed() < WAIT {
                    skel.poll(Duration::from_millis(100), |export| received.add(export))?;
                }
                producer.join().unwrap();
                assert_eq!(received, Received::all(2000));
                Ok(())
            };
            let result = read();
            done.store(true, Ordering::Relaxed);
            let signals = storm.join().unwrap();
            // Usually tens of thousands; fewer on a busy machine.
            assert!(signals > 500, "{signals} signals");
            result
        })?;
    }
    Ok(())
}

/// An uncommitted record holds back the records after it and nothing else: other maps are read,
/// timeouts hold, and the CPU is mostly idle.
pub(crate) fn uncommitted_record_blocks_only_its_ring() -> Outcome {
    for waiting in [Waiting::default(), Waiting::Epoll] {
        let skel = load()?;
        skel.set_waiting(waiting);
        let (hold, work) = (shared(&skel.progs()?.hold)?, shared(&skel.progs()?.work)?);
        thread::scope(|scope| -> Outcome {
            let holder = scope.spawn(|| raw_test_run(&hold, [3000, 77, 1]));
            thread::sleep(Duration::from_millis(500));
            raw_test_run(&work, [3, 0, 0]);
            let mut received = Received::default();
            let (start, cpu) = (Instant::now(), cpu_time());
            for round in 1..=5 {
                let end = start + Duration::from_millis(200) * round;
                while Instant::now() < end {
                    skel.poll(end.saturating_duration_since(Instant::now()), |export| {
                        received.add(export)
                    })?;
                }
                assert_eq!(skel.maps()?.rb.for_runs(|_| ())?, 0);
                assert_eq!(skel.maps()?.rb.batch()?.iter().count(), 0);
            }
            let (elapsed, cpu) = (start.elapsed(), cpu_time() - cpu);
            assert!(!holder.is_finished() && elapsed < Duration::from_secs(2), "{elapsed:?}");
            // An emulated machine needs ten times as long for a check.
            let most = if eunomia_vm::kernel().is_some() { elapsed * 3 / 4 } else { elapsed / 4 };
            assert!(cpu < most, "{cpu:?} of {elapsed:?} on the CPU");
            assert_eq!(received, Received { beats: 0, ..Received::all(3) });
            let (mut beats, start) = (Vec::new(), Instant::now());
            while beats.len() < 4 && start.elapsed() < WAIT {
                skel.poll(WAIT, |export| {
                    let Export::Rb(beat) = export else { panic!("{export:?}") };
                    beats.push((beat.producer, beat.seq));
                })?;
            }
            holder.join().unwrap();
            assert_eq!(beats, [(1, 77), (0, 0), (0, 1), (0, 2)]);
            Ok(())
        })?;
    }
    Ok(())
}

fn descriptors() -> io::Result<BTreeSet<RawFd>> {
    let names = fs::read_dir("/proc/self/fd")?.map(|entry| Ok(entry?.file_name()));
    let all: BTreeSet<_> = names
        .map(|name| name.map(|name| name.to_string_lossy().parse().unwrap()))
        .collect::<io::Result<_>>()?;
    // Excludes the descriptor of the folder, which is closed by now.
    // SAFETY: the call reads flags and takes no pointers.
    Ok(all.into_iter().filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0).collect())
}

/// Closes each descriptor of a loaded object in turn while its reader waits. Either the reader
/// returns an error that says what failed, or everything is still delivered, because mappings
/// outlive descriptors; nothing hangs.
pub(crate) fn closed_descriptors_cause_errors_not_hangs() -> Outcome {
    let null = File::open("/dev/null")?;
    let (mut closed, mut errors) = (0, BTreeSet::new());
    for reused in [false, true] {
        for index in 0.. {
            let before = descriptors()?;
            let skel = load()?;
            skel.set_waiting(Waiting::Epoll);
            let Some(&victim) = descriptors()?.difference(&before).nth(index) else { break };
            let what = fs::read_link(format!("/proc/self/fd/{victim}"))?;
            let work = shared(&skel.progs()?.work)?;
            let mut received = Received::default();
            let poll_errors = thread::scope(|scope| {
                let closer = scope.spawn(|| {
                    thread::sleep(Duration::from_millis(10));
                    let result = if reused {
                        // SAFETY: the number is replaced only here, and code that uses it handles
                        // a wrong file.
                        unsafe { libc::dup2(null.as_raw_fd(), victim) }
                    } else {
                        // SAFETY: the number is closed only here, and code that uses it handles a
                        // closed file; a file is opened under it again before the object closes
                        // it.
                        unsafe { libc::close(victim) }
                    };
                    assert!(result >= 0);
                    thread::sleep(Duration::from_millis(10));
                    raw_test_run(&work, [5, 0, 0]);
                });
                let mut errors = Vec::new();
                let start = Instant::now();
                while received != Received::all(5) && errors.len() < 10 {
                    errors.extend(
                        skel.poll(Duration::from_millis(50), |export| received.add(export)).err(),
                    );
                    assert!(
                        start.elapsed() < WAIT,
                        "{what:?} was closed, and then: {received:?} {errors:?}"
                    );
                }
                closer.join().unwrap();
                errors
            });
            for error in poll_errors {
                let Error::Kernel(refusal) = &error else {
                    return Err(format!("{what:?} was closed: {error}").into());
                };
                errors.insert((what.to_string_lossy().into_owned(), refusal.tried.clone()));
            }
            // SAFETY: as above; the object closes the new file when it is dropped.
            assert!(unsafe { libc::dup2(null.as_raw_fd(), victim) } >= 0);
            closed += 1;
        }
    }
    assert!(closed > 20, "{closed}");
    let errors: Vec<_> = errors.iter().map(|(what, tried)| format!("{what}: {tried}")).collect();
    assert_eq!(
        errors,
        [
            "anon_inode:[eventpoll]: wait on the maps with epoll",
            "anon_inode:bpf-map: read the entries of the map `table`",
            "anon_inode:bpf-map: walk the keys of the map `table`"
        ]
    );
    Ok(())
}

/// Inserts a key and removes it; returns true if nothing took it in between.
fn stays(table: &OwnedFd, key: u64) -> bool {
    let (fd, value) = (table.as_raw_fd(), !(key & ((1 << 56) - 1)));
    // SAFETY: key and value have 8 bytes each, the sizes of the map, and outlive the call.
    let inserted = unsafe {
        libbpf_sys::bpf_map_update_elem(fd, (&raw const key).cast(), (&raw const value).cast(), 1)
    };
    // SAFETY: the key has 8 bytes and outlives the call.
    inserted == 0
        && unsafe { libbpf_sys::bpf_map_delete_elem(fd, (&raw const key).cast()) } == -libc::ENOENT
}

/// One thread inserts and removes 10,000 keys while a program inserts as many others. Each key that
/// was not removed is delivered once.
pub(crate) fn entries_are_taken_once_under_concurrent_changes() -> Outcome {
    const KEYS: u64 = 10_000;
    let skel = load()?;
    let work = shared(&skel.progs()?.work)?;
    let table = skel.maps()?.table;
    let other = |seq| 1 << 56 | seq;
    let mut seen = BTreeSet::new();
    let removed = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for start in (0..KEYS).step_by(50) {
                raw_test_run(&work, [50, start, 0]);
                thread::sleep(Duration::from_micros(100));
            }
        });
        // Handles are not `Send`, descriptors are.
        let table = table.as_map().fd().try_clone_to_owned().expect("no descriptor is left");
        let remover = scope.spawn(move || {
            (0..KEYS).map(other).filter(|key| !stays(&table, *key)).collect::<BTreeSet<_>>()
        });
        let mut quiet = 0;
        while quiet < 2 || !sender.is_finished() || !remover.is_finished() {
            let entries = skel.poll(Duration::from_millis(50), |export| {
                if let Export::Table(entry) = export {
                    assert_eq!(*entry.value, !(*entry.key & ((1 << 56) - 1)));
                    assert!(seen.insert(*entry.key), "{:#x} came twice", entry.key);
                }
            })?;
            quiet = if entries == 0 { quiet + 1 } else { 0 };
        }
        sender.join().unwrap();
        Ok::<_, Error>(remover.join().unwrap())
    })?;
    let sent = seen.iter().filter(|key| **key < other(0)).count() as u64;
    assert_eq!(sent + skel.bss()?.table_refused.get()?, KEYS);
    let (others, left): (BTreeSet<_>, BTreeSet<_>) =
        (other(0)..other(KEYS)).partition(|key| removed.contains(key));
    assert!(others.is_disjoint(&seen) && left.is_subset(&seen), "each was removed or delivered");
    assert!(sent > KEYS / 2 && !others.is_empty(), "{sent} {}", others.len());
    Ok(())
}
