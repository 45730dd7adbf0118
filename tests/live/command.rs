//! `eunomia run`, `record`, `replay` and `doctor` against the kernel.

use std::{
    ffi::OsString,
    io::{self, BufRead as _, BufReader, Read as _, Write},
    process::{Child, Stdio},
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
    child::command,
    choices::CHOICES,
};

/// Standard output, shared with threads that read it during the run.
#[derive(Clone, Default)]
pub(crate) struct Out {
    text: Arc<Mutex<Vec<u8>>>,
    /// True if writes fail as to a closed pipe.
    closed: bool,
}

impl Out {
    pub(crate) fn text(&self) -> String {
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

pub(crate) fn run(words: &[&str], out: &mut Out) -> (Exit, String) {
    let mut err = Vec::new();
    let args = ["eunomia"].iter().chain(words).map(OsString::from);
    let exit = cli::run(args, &mut io::empty(), out, &mut err);
    (exit, String::from_utf8(err).unwrap())
}

/// Runs the command as [`run`] does while a thread starts processes; calls `meanwhile` after each.
pub(crate) fn run_among_processes(
    words: &[&str],
    out: &mut Out,
    meanwhile: impl Fn(Duration) + Sync,
) -> (Exit, String) {
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

/// Counts the loaded programs that have the name of a program of the bootstrap object.
fn loaded() -> usize {
    let programs = libbpf_rs::query::ProgInfoIter::default();
    programs.filter(|program| program.name == "handle_exec").count()
}

pub(crate) fn run_prints_json_until_count() -> Outcome {
    let mut out = Out::default();
    let (exit, err) =
        run_among_processes(&["run", JSON, "--count", "3", "--format", "json"], &mut out, |_| ());
    assert_eq!(exit, Exit::Done, "{err}");
    let events: Vec<serde_json::Value> =
        out.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event["pid"].as_u64() > Some(0)), "{events:?}");
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines[0], "bootstrap: 2 programs attached, events of rb; Ctrl-C ends");
    assert!(lines[1].starts_with("rb: 3 events in ") && lines[1].ends_with(" s, 0 lost"), "{err}");
    assert_eq!(loaded(), 0);
    Ok(())
}

pub(crate) fn run_prints_table_for_duration() -> Outcome {
    let (mut out, start) = (Out::default(), Instant::now());
    let (exit, err) = run_among_processes(
        &["run", JSON, "-d", "300ms", "-q", "--", "--min_duration_ns", "1"],
        &mut out,
        |_| (),
    );
    assert_eq!((exit, err.as_str()), (Exit::Done, ""));
    assert!(start.elapsed() >= Duration::from_millis(300));
    let text = out.text();
    let mut lines = text.lines();
    assert!(lines.next().is_some_and(|head| head.starts_with("TIME     PID ")), "{text}");
    // The option reached the program, which reports no starts.
    assert!(
        lines.clone().count() > 0 && lines.all(|line| line.contains(" EVENT_TYPE__EXIT")),
        "{text}"
    );
    Ok(())
}

/// Sends the signals to this process, which runs the command.
pub(crate) fn signals_pause_and_end_run() -> Outcome {
    let signal = |signal| {
        // SAFETY: sending a signal takes only integers; the running command handles it.
        assert_eq!(unsafe { libc::kill(std::process::id().cast_signed(), signal) }, 0);
    };
    let (mut out, shown) = (Out::default(), Out::default());
    let copy = Out { text: Arc::clone(&out.text), closed: false };
    let steps = Mutex::new(0);
    let (exit, err) = run_among_processes(&["run", JSON, "-f", "json"], &mut out, |_| {
        let mut step = steps.lock().unwrap();
        let len = copy.text().len();
        match *step {
            // Pause after the first event.
            0 if len > 0 => signal(libc::SIGTSTP),
            1..20 if *step == 1 => *shown.text.lock().unwrap() = copy.text().into_bytes(),
            // Nothing is printed during the pause, except what was being written as it began.
            20 => {
                assert!(len <= shown.text().len() + 4096, "events were printed during the pause");
                signal(libc::SIGTSTP);
            }
            40 => signal(libc::SIGTERM),
            0 => return,
            _ => {}
        }
        *step += 1;
    });
    assert_eq!(exit, Exit::Done, "{err}");
    assert!(
        *steps.lock().unwrap() > 40 && out.text().len() > shown.text().len(),
        "no events after the pause"
    );
    assert_eq!(loaded(), 0);
    Ok(())
}

pub(crate) fn run_ends_when_output_fails() -> Outcome {
    let mut out = Out { closed: true, ..Out::default() };
    let (exit, err) = run_among_processes(&["run", JSON, "-q"], &mut out, |_| ());
    assert_eq!((exit, err.as_str(), loaded()), (Exit::Done, "", 0));
    let (exit, err) =
        run_among_processes(&["run", JSON, "-q", "-o", "/dev/full"], &mut Out::default(), |_| ());
    assert_eq!(
        (exit, err.as_str()),
        (Exit::Failed, "/dev/full: No space left on device (os error 28)\n")
    );
    assert_eq!(loaded(), 0);
    // The file is opened before anything is loaded.
    let (exit, err) = run(&["run", JSON, "-o", "/none/x"], &mut Out::default());
    assert_eq!(
        (exit, err.as_str()),
        (Exit::Failed, "/none/x: No such file or directory (os error 2)\n")
    );
    Ok(())
}

pub(crate) fn recording_is_replayed() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("exec.rec");
    let path = path.to_str().ok_or("the path is not UTF-8")?;
    let (exit, err) =
        run_among_processes(&["record", JSON, "-o", path, "-n", "5"], &mut Out::default(), |_| ());
    assert_eq!(exit, Exit::Done, "{err}");
    let mut out = Out::default();
    assert_eq!(run(&["replay", JSON, path, "-f", "json"], &mut out), (Exit::Done, String::new()));
    assert_eq!(out.text().lines().filter(|line| line.contains("\"pid\":")).count(), 5);
    // The recording is written to standard output.
    let mut out = Out::default();
    let (exit, err) =
        run_among_processes(&["record", JSON, "-q", "-o", "-", "-n", "2"], &mut out, |_| ());
    assert_eq!((exit, err.as_str()), (Exit::Done, ""));
    assert!(out.text.lock().unwrap().starts_with(b"eunomia\0"));
    let (exit, err) = run_among_processes(
        &["record", JSON, "-q", "-o", "/dev/full", "-d", "200ms"],
        &mut Out::default(),
        |_| (),
    );
    assert_eq!(
        (exit, err.as_str()),
        (Exit::Failed, "/dev/full: No space left on device (os error 28)\n")
    );
    Ok(())
}

pub(crate) fn kernel_refusal_sets_exit_code() -> Outcome {
    // The tracepoint does not exist. An existing output file stays unchanged, and a new one is not
    // created.
    let folder = tempfile::tempdir()?;
    let [old, new] = ["old", "new"].map(|name| folder.path().join(name));
    std::fs::write(&old, "kept")?;
    for path in [&old, &new] {
        let path = path.to_str().ok_or("the path is not UTF-8")?;
        assert_eq!(
            run(&["run", "bpf/profile.json", "-o", path], &mut Out::default()).0,
            Exit::Kernel
        );
    }
    assert_eq!((std::fs::read(&old)?, new.exists()), (b"kept".to_vec(), false));
    let (exit, err) = run(&["run", "bpf/profile.json"], &mut Out::default());
    assert_eq!(exit, Exit::Kernel, "{err}");
    assert!(err.contains("attach the program `profile` (raw_tp/eunomia)"), "{err}");
    // Change the user of this thread only.
    let (exit, err) = thread::spawn(|| {
        // SAFETY: the system call takes no pointers and changes the ids of the calling thread,
        // which ends after the run.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) }, 0);
        run(&["run", JSON], &mut Out::default())
    })
    .join()
    .map_err(|_| "the thread panicked")?;
    assert_eq!(exit, Exit::Kernel, "{err}");
    assert!(err.contains("CAP_BPF"), "{err}");
    Ok(())
}

pub(crate) fn run_prints_text_of_iterators() -> Outcome {
    let mut out = Out::default();
    let (exit, err) = run(
        &["run", CHOICES, "--map", "counts=10", "--map", "stacks=64", "--only", "tasks"],
        &mut out,
    );
    assert_eq!(
        (exit, err.as_str()),
        (Exit::Done, "choices: 1 program attached, the text of iterators follows\n")
    );
    let own = format!("task {}", std::process::id());
    assert!(out.text().lines().any(|line| line == own), "{}", out.text());
    // An iterator together with a program that sends events.
    let mut out = Out::default();
    let words = [
        "run",
        CHOICES,
        "--map",
        "counts=10K",
        "--map",
        "stacks=64",
        "--only",
        "tasks",
        "--only",
        "enter_raw",
        "--event",
        "calls=call",
        "-n",
        "3",
        "-q",
    ];
    assert_eq!(run_among_processes(&words, &mut out, |_| ()), (Exit::Done, String::new()));
    assert!(
        out.text().lines().any(|line| line == own) && out.text().contains("FROM"),
        "{}",
        out.text()
    );
    let (exit, err) = run(
        &[
            "record",
            CHOICES,
            "--map",
            "counts=10",
            "--map",
            "stacks=64",
            "--only",
            "tasks",
            "-o",
            "/dev/null",
            "-q",
        ],
        &mut Out::default(),
    );
    assert_eq!(
        (exit, err.as_str()),
        (Exit::Done, "the text of the iterator `tasks` is not recorded\n")
    );
    Ok(())
}

/// Runs the command with the standard streams of this process.
pub(crate) fn as_process(words: &str) -> Outcome {
    match cli::main_with(["eunomia"].into_iter().chain(words.split(' ')).map(OsString::from)) {
        Exit::Done => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

/// Waits at most `most` for the process to exit; kills it after that.
fn ended_within(process: &mut Child, most: Duration) -> Result<bool, io::Error> {
    let start = Instant::now();
    while start.elapsed() < most {
        if let Some(status) = process.try_wait()? {
            assert!(status.success(), "{status}");
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(10));
    }
    process.kill()?;
    Ok(false)
}

pub(crate) fn run_ends_while_output_is_blocked() -> Outcome {
    let words = format!(
        "command run {CHOICES} --map counts=10K --map stacks=64 --event calls=call --only enter_raw -f json"
    );
    // Causes more events than a pipe holds.
    let fill = || (0..2000).for_each(|_| drop(std::fs::metadata("/")));
    let most = Duration::from_secs(5);

    let mut process = command(&words)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (mut messages, mut err) =
        (BufReader::new(process.stderr.take().ok_or("the stream is not piped")?), String::new());
    messages.read_line(&mut err)?;
    assert!(err.contains("attached"), "{err}");
    fill();
    // Wait until the pipe is full.
    thread::sleep(Duration::from_secs(2));
    // SAFETY: the call takes no pointers, and the child has not been waited for, so its pid is not
    // reused.
    assert_eq!(unsafe { libc::kill(process.id().cast_signed(), libc::SIGTERM) }, 0);
    assert!(ended_within(&mut process, most)?, "SIGTERM did not end the run");
    messages.read_to_string(&mut err)?;
    let unwritten = err.lines().find_map(|line| {
        line.strip_suffix(" events were not written because nobody reads the output")
    });
    assert!(
        unwritten.is_some_and(|count| count.parse::<u64>().is_ok_and(|count| count > 0)),
        "{err}"
    );
    // All lines but the last are complete.
    let mut out = String::new();
    process.stdout.take().ok_or("the stream is not piped")?.read_to_string(&mut out)?;
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines.len() > 100 && lines.iter().rev().skip(1).all(|line| line.ends_with('}')),
        "{}",
        lines.len()
    );

    // Standard output and error share one pipe, and the duration ends the run.
    let (reader, writer) = io::pipe()?;
    let mut process =
        command(&format!("{words} -d 1s"))?.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    thread::sleep(Duration::from_millis(500));
    fill();
    assert!(ended_within(&mut process, most)?, "the duration did not end the run");
    drop(reader);

    // A pipe that is read gets the whole output.
    let mut process = command(&format!("{words} -n 3000 -q"))?.stdout(Stdio::piped()).spawn()?;
    let (mut out, enough) = (String::new(), AtomicBool::new(false));
    let read = thread::scope(|scope| {
        // Cause events until the command has enough.
        scope.spawn(|| {
            while !enough.load(Ordering::Relaxed) {
                fill();
            }
        });
        let read = process
            .stdout
            .take()
            .ok_or(io::ErrorKind::BrokenPipe.into())
            .and_then(|mut pipe| pipe.read_to_string(&mut out));
        enough.store(true, Ordering::Relaxed);
        read
    });
    read?;
    assert!(process.wait()?.success());
    assert_eq!(out.lines().count(), 3000);
    Ok(())
}
