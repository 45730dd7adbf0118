//! `eunomia run` and `eunomia record`, with the kernel.

use std::{
    ffi::OsString,
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::cli::{self, Exit};

use super::{
    Outcome,
    bootstrap::{JSON, child},
};

/// Standard output, which others may look at meanwhile.
#[derive(Clone, Default)]
struct Out {
    text: Arc<Mutex<Vec<u8>>>,
    /// Whether the pipe behind it is closed.
    closed: bool,
}

impl Out {
    fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.text.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run(words: &[&str], out: &mut Out) -> (Exit, String) {
    let mut err = Vec::new();
    let args = ["eunomia"].iter().chain(words).map(OsString::from);
    let exit = cli::run(args, &mut io::empty(), out, &mut err);
    (exit, String::from_utf8(err).unwrap())
}

/// As [`run`], while processes start and end; `meanwhile` is called behind each.
fn run_among_processes(words: &[&str], out: &mut Out, meanwhile: impl Fn(Duration) + Sync) -> (Exit, String) {
    let (ended, start) = (AtomicBool::new(false), Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                child();
                meanwhile(start.elapsed());
                thread::sleep(Duration::from_millis(5));
            }
        });
        let ran = run(words, out);
        ended.store(true, Ordering::Relaxed);
        ran
    })
}

/// Programs that are in the kernel by the name of one of the bootstrap object.
fn loaded() -> usize {
    let programs = libbpf_rs::query::ProgInfoIter::default();
    programs.filter(|program| program.name == "handle_exec").count()
}

pub(crate) fn events_as_json_until_there_are_enough() -> Outcome {
    let mut out = Out::default();
    let (exit, err) = run_among_processes(&["run", JSON, "--count", "3", "--format", "json"], &mut out, |_| ());
    assert_eq!(exit, Exit::Done, "{err}");
    let events: Vec<serde_json::Value> = out.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event["pid"].as_u64() > Some(0)), "{events:?}");
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines[0], "bootstrap: 2 programs attached, events of rb; Ctrl-C ends");
    assert!(lines[1].starts_with("rb: 3 events in ") && lines[1].ends_with(" s, 0 lost"), "{err}");
    assert_eq!(loaded(), 0);
    Ok(())
}

pub(crate) fn a_table_for_a_time() -> Outcome {
    let (mut out, start) = (Out::default(), Instant::now());
    let (exit, err) = run_among_processes(&["run", JSON, "-d", "300ms", "-q", "--", "--min_duration_ns", "1"], &mut out, |_| ());
    assert_eq!((exit, err.as_str()), (Exit::Done, ""));
    assert!(start.elapsed() >= Duration::from_millis(300));
    let text = out.text();
    let mut lines = text.lines();
    assert!(lines.next().is_some_and(|head| head.starts_with("TIME     PID ")), "{text}");
    // The option reached the program: it reports no starts.
    assert!(lines.clone().count() > 0 && lines.all(|line| line.contains(" EVENT_TYPE__EXIT")), "{text}");
    Ok(())
}

/// Signals reach the whole process, here from within.
pub(crate) fn signals_end_and_pause() -> Outcome {
    let signal = |signal| {
        // SAFETY: sending a signal to oneself touches no memory; the command under test handles it.
        assert_eq!(unsafe { libc::kill(std::process::id().cast_signed(), signal) }, 0);
    };
    let (mut out, shown) = (Out::default(), Out::default());
    let copy = Out { text: Arc::clone(&out.text), closed: false };
    let steps = Mutex::new(0);
    let (exit, err) = run_among_processes(&["run", JSON, "-f", "json"], &mut out, |_| {
        let mut step = steps.lock().unwrap();
        let len = copy.text().len();
        match *step {
            // Paused, from the first event on.
            0 if len > 0 => signal(libc::SIGTSTP),
            1..20 if *step == 1 => *shown.text.lock().unwrap() = copy.text().into_bytes(),
            // What was shown when the pause began, or while it did, is still all.
            20 => {
                assert!(len <= shown.text().len() + 4096, "events came in spite of the pause");
                signal(libc::SIGTSTP);
            }
            40 => signal(libc::SIGTERM),
            0 => return,
            _ => {}
        }
        *step += 1;
    });
    assert_eq!(exit, Exit::Done, "{err}");
    assert!(*steps.lock().unwrap() > 40 && out.text().len() > shown.text().len(), "events came behind the pause, too");
    assert_eq!(loaded(), 0);
    Ok(())
}

pub(crate) fn whoever_reads_goes_away() -> Outcome {
    let mut out = Out { closed: true, ..Out::default() };
    let (exit, err) = run_among_processes(&["run", JSON, "-q"], &mut out, |_| ());
    assert_eq!((exit, err.as_str(), loaded()), (Exit::Done, "", 0));
    let (exit, err) = run_among_processes(&["run", JSON, "-q", "-o", "/dev/full"], &mut Out::default(), |_| ());
    assert_eq!((exit, err.as_str()), (Exit::Refused, "/dev/full: No space left on device (os error 28)\n"));
    assert_eq!(loaded(), 0);
    // Known before anything is loaded.
    let (exit, err) = run(&["run", JSON, "-o", "/none/x"], &mut Out::default());
    assert_eq!((exit, err.as_str()), (Exit::Refused, "/none/x: No such file or directory (os error 2)\n"));
    Ok(())
}

pub(crate) fn what_was_recorded_is_replayed() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("exec.rec");
    let path = path.to_str().ok_or("temporary folders have plain names")?;
    let (exit, err) = run_among_processes(&["record", JSON, "-o", path, "-n", "5"], &mut Out::default(), |_| ());
    assert_eq!(exit, Exit::Done, "{err}");
    let mut out = Out::default();
    assert_eq!(run(&["replay", JSON, path, "-f", "json"], &mut out), (Exit::Done, String::new()));
    assert_eq!(out.text().lines().filter(|line| line.contains("\"pid\":")).count(), 5);
    // A recording through a pipe.
    let mut out = Out::default();
    let (exit, err) = run_among_processes(&["record", JSON, "-q", "-o", "-", "-n", "2"], &mut out, |_| ());
    assert_eq!((exit, err.as_str()), (Exit::Done, ""));
    assert!(out.text.lock().unwrap().starts_with(b"eunomia\0"));
    let (exit, err) = run_among_processes(&["record", JSON, "-q", "-o", "/dev/full", "-d", "200ms"], &mut Out::default(), |_| ());
    assert_eq!((exit, err.as_str()), (Exit::Refused, "/dev/full: No space left on device (os error 28)\n"));
    Ok(())
}

pub(crate) fn what_the_kernel_refuses() -> Outcome {
    // There is no such tracepoint. The file that is there stays what it was, and none is made.
    let folder = tempfile::tempdir()?;
    let [old, new] = ["old", "new"].map(|name| folder.path().join(name));
    std::fs::write(&old, "kept")?;
    for path in [&old, &new] {
        let path = path.to_str().ok_or("temporary folders have plain names")?;
        assert_eq!(run(&["run", "bpf/profile.json", "-o", path], &mut Out::default()).0, Exit::Kernel);
    }
    assert_eq!((std::fs::read(&old)?, new.exists()), (b"kept".to_vec(), false));
    let (exit, err) = run(&["run", "bpf/profile.json"], &mut Out::default());
    assert_eq!(exit, Exit::Kernel, "{err}");
    assert!(err.contains("attach the program `profile` (raw_tp/eunomia)"), "{err}");
    // Another user, in this thread alone.
    let (exit, err) = thread::spawn(|| {
        // SAFETY: the system call changes the ids of the calling thread, which ends here, and no memory.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) }, 0);
        run(&["run", JSON], &mut Out::default())
    })
    .join()
    .map_err(|_| "the thread panicked")?;
    assert_eq!(exit, Exit::Kernel, "{err}");
    assert!(err.contains("CAP_BPF"), "{err}");
    Ok(())
}
