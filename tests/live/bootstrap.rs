use std::{
    process::Command,
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

pub(crate) fn typed_events_of_a_child() -> Outcome {
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
    let [start, exit] = seen[..] else { return Err(format!("expected a start and an exit, got {seen:?}").into()) };
    assert_eq!((start.ppid, exit.ppid), (parent as i32, parent as i32));
    assert_eq!((start.et, exit.et), (EventType::EVENT_TYPE__ENTER, EventType::EVENT_TYPE__EXIT));
    assert_eq!((start.exit_event.get(), exit.exit_event.get()), (false, true));
    assert_eq!(start.comm, "true");
    assert_eq!(start.filename, "/bin/true");
    assert_eq!(exit.filename, "");
    assert_eq!((start.exit_code, exit.exit_code, start.duration_ns), (0, 0, 0));
    assert!(exit.duration_ns > 0);
    assert_eq!(skel.stats().rb.lost, Some(0), "the program counts what finds no room");
    assert_eq!(skel.bss()?.dropped.get()?, 0);
    Ok(())
}

pub(crate) fn dynamic_events_of_a_child() -> Outcome {
    let skel = Skeleton::from_file(JSON)?.open()?.load()?.attach()?;
    let pid = u64::from(child());
    let mut seen = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    while seen.len() < 2 && Instant::now() < deadline {
        skel.poll(Duration::from_millis(100), |event| {
            assert_eq!(event.map, "rb");
            let field = |name| event.value.field(name).unwrap();
            if field("pid").as_u64() == Some(pid) {
                seen.push((field("filename").as_text().unwrap().into_owned(), field("et").enum_name().unwrap().to_owned()));
            }
        })?;
    }
    let expected = [("/bin/true", "EVENT_TYPE__ENTER"), ("", "EVENT_TYPE__EXIT")];
    assert_eq!(seen, expected.map(|(name, et)| (name.to_owned(), et.to_owned())));
    Ok(())
}

pub(crate) fn detaching_ends_events() -> Outcome {
    let loaded = bootstrap::open()?.load()?.attach()?.detach();
    // What came before is still there to be read.
    loaded.poll(Duration::ZERO, |_| ())?;
    let pid = child();
    let mut ours = 0;
    loaded.poll(Duration::from_millis(200), |Export::Rb(event)| ours += u32::from(event.pid == pid as i32))?;
    assert_eq!(ours, 0);
    Ok(())
}

pub(crate) fn moves_to_another_thread() -> Outcome {
    fn is_static_and_send<T: Send + 'static>(value: T) -> T {
        value
    }
    let skel = is_static_and_send(bootstrap::open()?.load()?.attach()?);
    let pid = child();
    let found = thread::spawn(move || {
        let mut found = false;
        let deadline = Instant::now() + Duration::from_secs(10);
        while !found && Instant::now() < deadline {
            skel.poll(Duration::from_millis(100), |Export::Rb(event)| found |= event.pid == pid as i32).unwrap();
        }
        found
    });
    assert!(found.join().unwrap());
    Ok(())
}

/// What `make demo` shows: the example's own output, with the processes that the script starts.
pub(crate) fn the_demo_shows_its_own_processes() -> Outcome {
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/demo.sh")).output()?;
    let (shown, said) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    assert!(output.status.success(), "{said}");
    let mut lines = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap_or_default().join(" "), "TIME PID PPID EXIT_CODE DURATION_NS COMM FILENAME EXIT_EVENT ET");
    let has = |wanted: &[&str]| shown.lines().any(|line| wanted.iter().all(|word| line.split_whitespace().any(|part| part == *word)));
    assert!(has(&["true", "/bin/true", "false", "EVENT_TYPE__ENTER"]), "{shown}");
    // The shell that ends with status 3, and lives 0.2 seconds.
    assert!(has(&["sh", "3", "true", "EVENT_TYPE__EXIT"]), "{shown}");
    assert!(said.contains(" events, "), "the summary: {said}");
    Ok(())
}
