//! The apps of `cargo eunomia new`: their tests that need root, and the apps themselves. They look
//! only at this process and its children, and at an interface of a network namespace of their own.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio, id},
    thread,
    time::Duration,
};

use eunomia_tests::crates::cargo;

use super::{Outcome, bootstrap::child};

const TMP: &str = env!("CARGO_TARGET_TMPDIR");

/// Writes an app, runs all of its tests, and returns its program.
fn app(template: &str) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let name = format!("live-{template}");
    let folder = Path::new(TMP).join("live").join(&name);
    fs::create_dir_all(folder.parent().ok_or("it has one")?)?;
    let _ = fs::remove_dir_all(&folder);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words = ["cargo-eunomia", "new", "--template", template].map(OsString::from);
    let words = words.into_iter().chain([folder.clone().into_os_string()]);
    eunomia_build::cli::run(words, &mut &b""[..], &mut out, &mut err);
    assert_eq!(String::from_utf8(err)?, "");

    let mut test = cargo(TMP, &folder, "test");
    let tested = ended(test.args(["--", "--include-ignored"]).output()?);
    assert!(tested.contains(" 0 failed; 0 ignored;"), "{tested}");
    ended(cargo(TMP, &folder, "build").output()?);
    Ok(Path::new(TMP).with_file_name("debug").join(name))
}

/// Returns the standard output of a process that succeeded.
fn ended(output: Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

/// Starts an app that ends after a second.
fn started(program: &Path, words: &[&str]) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    command.args(words).args(["--duration", "1"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

pub(crate) fn tracer_prints_started_programs() -> Outcome {
    let mut running = started(&app("tracer")?, &["--parent", &id().to_string()])?;
    let mut pids = Vec::new();
    while running.try_wait()?.is_none() {
        pids.push(child().to_string());
        thread::sleep(Duration::from_millis(20));
    }
    let shown = ended(running.wait_with_output()?);
    let mut lines = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next(), Some(vec!["PID", "PPID", "UID", "COMMAND", "FILE"]), "{shown}");
    let parent = id().to_string();
    let is_child = |words: &[&str]| match words {
        [pid, ppid, _, "true", "/bin/true"] => {
            *ppid == parent && pids.iter().any(|known| known == pid)
        }
        _ => false,
    };
    let (children, others): (Vec<_>, Vec<_>) = lines.partition(|words| is_child(words));
    assert!(!children.is_empty() && others.is_empty(), "{shown}");
    Ok(())
}

pub(crate) fn histogram_shows_calls_of_process() -> Outcome {
    let mut running = started(&app("histogram")?, &["-p", &id().to_string()])?;
    while running.try_wait()?.is_none() {
        thread::sleep(Duration::from_millis(20));
    }
    let shown = ended(running.wait_with_output()?);
    assert!(shown.contains("16384 -> 32767 "), "{shown}");
    Ok(())
}

pub(crate) fn xdp_attaches_to_interface() -> Outcome {
    let app = app("xdp")?;
    let app = app.to_str().ok_or("the path is not UTF-8")?;
    let shown = ended(started(Path::new("unshare"), &["--net", app, "lo"])?.wait_with_output()?);
    assert_eq!(shown, "\n", "no packets");
    Ok(())
}

pub(crate) fn profiler_prints_stacks_of_process() -> Outcome {
    let mut busy = Command::new("sh").args(["-c", "while :; do :; done"]).spawn()?;
    let running = started(&app("profiler")?, &["-p", &busy.id().to_string()]);
    let output = running.and_then(Child::wait_with_output);
    busy.kill()?;
    busy.wait()?;
    let shown = ended(output?);
    let samples = shown.lines().filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    assert!(shown.starts_with("sh;") && samples.sum::<u64>() > 10, "{shown}");
    Ok(())
}
