//! Events of the bootstrap object, its example and the demo.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::Skeleton;
use eunomia_tests::built::bootstrap::{self, Export, types::EventType};

use super::Outcome;

pub(super) const JSON: &str = "bpf/bootstrap.json";

/// Runs `/bin/true` and returns its pid.
pub(super) fn child() -> u32 {
    let mut child = Command::new("/bin/true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

pub(crate) fn child_sends_typed_start_and_exit() -> Outcome {
    let skel = bootstrap::open()?.load()?.attach()?;
    let pid = child();
    let parent = std::process::id();
    let mut seen = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    while seen.len() < 2 && Instant::now() < deadline {
        skel.poll(Duration::from_millis(100), |Export::Rb(event)| {
            if event.pid == pid as i32 {
                seen.push(*event);
            }
        })?;
    }
    let [start, exit] = seen[..] else {
        return Err(format!("expected a start and an exit, got {seen:?}").into());
    };
    assert_eq!((start.ppid, exit.ppid), (parent as i32, parent as i32));
    assert_eq!((start.et, exit.et), (EventType::EVENT_TYPE__ENTER, EventType::EVENT_TYPE__EXIT));
    assert_eq!((start.exit_event.get(), exit.exit_event.get()), (false, true));
    assert_eq!(start.comm, "true");
    assert_eq!(start.filename, "/bin/true");
    assert_eq!(exit.filename, "");
    assert_eq!((start.exit_code, exit.exit_code, start.duration_ns), (0, 0, 0));
    assert!(exit.duration_ns > 0);
    assert_eq!(skel.stats().rb.lost, Some(0), "the program counts records that find no room");
    assert_eq!(skel.stats().rb.lost, Some(0));
    Ok(())
}

pub(crate) fn child_sends_dynamic_start_and_exit() -> Outcome {
    let skel = Skeleton::from_file(JSON)?.open()?.load()?.attach()?;
    let pid = u64::from(child());
    let mut seen = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    while seen.len() < 2 && Instant::now() < deadline {
        skel.poll(Duration::from_millis(100), |event| {
            assert_eq!(event.map, "rb");
            let field = |name| event.value.field(name).unwrap();
            if field("pid").as_u64() == Some(pid) {
                seen.push((
                    field("filename").as_text().unwrap().into_owned(),
                    field("et").enum_name().unwrap().to_owned(),
                ));
            }
        })?;
    }
    let expected = [("/bin/true", "EVENT_TYPE__ENTER"), ("", "EVENT_TYPE__EXIT")];
    assert_eq!(seen, expected.map(|(name, et)| (name.to_owned(), et.to_owned())));
    Ok(())
}

pub(crate) fn detach_ends_events() -> Outcome {
    let loaded = bootstrap::open()?.load()?.attach()?.detach();
    // Events from before detaching are still delivered.
    loaded.poll(Duration::ZERO, |_| ())?;
    let pid = child();
    let mut ours = 0;
    loaded.poll(Duration::from_millis(200), |Export::Rb(event)| {
        ours += u32::from(event.pid == pid as i32)
    })?;
    assert_eq!(ours, 0);
    Ok(())
}

pub(crate) fn attached_skeleton_moves_to_thread() -> Outcome {
    fn is_static_and_send<T: Send + 'static>(value: T) -> T {
        value
    }
    let skel = is_static_and_send(bootstrap::open()?.load()?.attach()?);
    let pid = child();
    let found = thread::spawn(move || {
        let mut found = false;
        let deadline = Instant::now() + Duration::from_secs(10);
        while !found && Instant::now() < deadline {
            skel.poll(Duration::from_millis(100), |Export::Rb(event)| {
                found |= event.pid == pid as i32
            })
            .unwrap();
        }
        found
    });
    assert!(found.join().unwrap());
    Ok(())
}

/// Starts the bootstrap example with these arguments and returns after it is attached.
fn example(
    arguments: &[&str],
) -> Result<(Child, BufReader<impl std::io::Read + use<>>), Box<dyn std::error::Error + Send + Sync>>
{
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--quiet", "-p", "bootstrap"])
        .current_dir(&root)
        .status()?;
    assert!(built.success());
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mut process = Command::new(target.join("debug/bootstrap"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut from = BufReader::new(process.stdout.take().ok_or("the stream is not piped")?);
    // The header is printed after attaching.
    from.read_line(&mut String::new())?;
    Ok((process, from))
}

fn signal(process: &Child, signal: libc::c_int) -> Outcome {
    // SAFETY: the call takes only integers; the process was not waited for, so its pid is not
    // reused.
    match unsafe { libc::kill(process.id() as libc::pid_t, signal) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}

fn is_halted(process: &Child) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

/// Runs 40 processes while the example is stopped by SIGSTOP, calls `end`, and continues the
/// example: it must print all 40.
fn halted_example_prints_all(arguments: &[&str], end: impl FnOnce(&Child) -> Outcome) -> Outcome {
    let (mut process, mut from) = example(arguments)?;
    signal(&process, libc::SIGSTOP)?;
    while !is_halted(&process) {
        thread::sleep(Duration::from_millis(1));
    }
    let pids: BTreeSet<_> = (0..40).map(|_| child().to_string()).collect();
    end(&process)?;
    signal(&process, libc::SIGCONT)?;
    let mut shown = String::new();
    from.read_to_string(&mut shown)?;
    assert!(process.wait()?.success());
    let words = shown
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.contains(&"EVENT_TYPE__ENTER"));
    let starts: BTreeSet<_> =
        words.filter_map(|words| words.get(1).map(|pid| (*pid).to_owned())).collect();
    let missing: Vec<_> = pids.difference(&starts).collect();
    assert!(missing.is_empty(), "{} of 40 are missing with {arguments:?}", missing.len());
    Ok(())
}

pub(crate) fn interrupted_example_prints_all_events() -> Outcome {
    (0..10)
        .try_for_each(|_| halted_example_prints_all(&[], |process| signal(process, libc::SIGINT)))
}

pub(crate) fn example_prints_all_events_after_duration() -> Outcome {
    (0..3).try_for_each(|_| {
        halted_example_prints_all(&["--duration", "1"], |_| {
            thread::sleep(Duration::from_millis(1100));
            Ok(())
        })
    })
}

/// `finish` detaches, then delivers the remaining events.
pub(crate) fn finish_delivers_remaining_events() -> Outcome {
    let skel = bootstrap::open()?.load()?.attach()?;
    let control = skel.control();
    let pids: Vec<_> = (0..10).map(|_| child() as i32).collect();
    let mut ends = Vec::new();
    let mut take = |Export::Rb(event): Export<'_>| {
        if event.exit_event.get() && pids.contains(&event.pid) {
            ends.push(event.pid);
        }
    };
    let skel = skel.finish(&mut take)?;
    assert!(control.is_stopped());
    assert_eq!((skel.unread()?, skel.stats().rb.lost), (0, Some(0)));
    let later = child() as i32;
    skel.drain(&mut take)?;
    assert_eq!((&ends, ends.contains(&later)), (&pids, false));
    Ok(())
}

/// Checks the output of `make demo`: the example's output with the processes that the script
/// starts.
pub(crate) fn demo_shows_its_processes() -> Outcome {
    let output =
        Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/demo.sh")).output()?;
    let (shown, stderr_text) =
        (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    assert!(output.status.success(), "{stderr_text}");
    let mut lines = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(
        lines.next().unwrap_or_default().join(" "),
        "TIME PID PPID EXIT_CODE DURATION_NS COMM FILENAME EXIT_EVENT ET"
    );
    let has = |expected_words: &[&str]| {
        shown.lines().any(|line| {
            expected_words.iter().all(|word| line.split_whitespace().any(|part| part == *word))
        })
    };
    assert!(has(&["true", "/bin/true", "false", "EVENT_TYPE__ENTER"]), "{shown}");
    // The shell that exits with status 3 after 0.2 seconds.
    assert!(has(&["sh", "3", "true", "EVENT_TYPE__EXIT"]), "{shown}");
    assert!(stderr_text.contains(" events, "), "no summary: {stderr_text}");
    Ok(())
}
