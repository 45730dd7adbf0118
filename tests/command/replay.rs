//! `eunomia replay`.

use std::fs;

use eunomia_runtime::{Skeleton, cli::Exit, sample::Plain as _};
use eunomia_tests::built::bootstrap::types::Event;

use super::{Ran, folder, printed, refused, run, run_with};

/// Returns a recording with this number of processes that started.
fn recording(count: i32) -> Vec<u8> {
    let checked = Skeleton::from_file("bpf/bootstrap.json").unwrap().check().unwrap();
    let mut recorder = checked.recorder(Vec::new()).unwrap();
    for pid in 0..count {
        recorder.record(0, Event { pid, ..Default::default() }.bytes());
    }
    recorder.finish().unwrap()
}

#[test]
fn recordings_are_printed_like_events() {
    let folder = folder("replay");
    let path = folder.join("x.rec").to_str().unwrap().to_owned();
    fs::write(&path, recording(3)).unwrap();
    let text = printed(&["replay", "bpf/bootstrap.json", &path]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("PID      PPID"), "a recording has no time of day: {text}");
    assert_eq!((lines.len(), lines[3].split(' ').next()), (4, Some("2")));
    let json =
        printed(&["replay", "bpf/bootstrap.json", &path, "--format", "json", "--count", "2"]);
    assert_eq!(
        json.lines().map(|line| &line[..9]).collect::<Vec<_>>(),
        ["{\"pid\":0,", "{\"pid\":1,"]
    );
    let raw = folder.join("raw").to_str().unwrap().to_owned();
    assert_eq!(printed(&["replay", "bpf/bootstrap.json", &path, "-f", "raw", "-o", &raw]), "");
    assert_eq!(fs::read(raw).unwrap().len(), 3 * size_of::<Event>());
    let Ran { out, .. } = run_with(&["replay", "bpf/bootstrap.json", "-"], &recording(3));
    assert_eq!(out, text);
}

#[test]
fn bad_recordings_are_refused() {
    let folder = folder("refused-replay");
    let path = |name: &str, bytes: &[u8]| {
        let path = folder.join(name).to_str().unwrap().to_owned();
        fs::write(&path, bytes).unwrap();
        path
    };
    let whole = recording(3);
    let cut = path("cut", &whole[..whole.len() - 10]);
    let Ran { exit, out, err } = run(&["replay", "bpf/bootstrap.json", &cut, "-f", "json"]);
    assert_eq!((exit, out.lines().count()), (Exit::Done, 2));
    assert_eq!(
        err,
        format!("{cut}: 174 bytes at the end are not a whole record; the recording was cut off\n")
    );
    let named = path("\u{1b}[2J\nroot: done", &whole[..whole.len() - 10]);
    let Ran { err, .. } = run(&["replay", "bpf/bootstrap.json", &named]);
    assert!(err.contains(r"/\u{1b}[2J\nroot: done: 174 bytes"), "{err}");
    assert!(
        refused(&["replay", "bpf/bootstrap.json", &path("foreign", b"not a recording")])
            .contains("not an eunomia recording")
    );
    let other = path("whole", &whole);
    let unlike = refused(&["replay", "bpf/streams.json", &other]);
    assert!(
        unlike.contains("the records of `rb` have another layout in the recording"),
        "{unlike}"
    );
    assert_eq!(run(&["replay", "bpf/streams.json", &other, "-f", "raw"]).exit, Exit::Usage);
    // An existing file stays unchanged until a record arrives.
    let kept = path("kept", b"kept");
    refused(&["replay", "bpf/bootstrap.json", &path("foreign", b"not a recording"), "-o", &kept]);
    assert_eq!(fs::read(&kept).unwrap(), b"kept");
    let new = folder.join("new").to_str().unwrap().to_owned();
    refused(&["replay", "bpf/bootstrap.json", &path("foreign", b"not a recording"), "-o", &new]);
    assert!(!folder.join("new").exists());
    // The recording cannot be the output, and standard input is read only once.
    let Ran { exit, err, .. } = run(&["replay", "bpf/bootstrap.json", &other, "-o", &other]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("is read by this command and cannot be its output"), "{err}");
    assert_eq!(fs::read(&other).unwrap(), whole);
    assert!(run(&["replay", "-", "-"]).err.contains("standard input and can be read only once"));
    // A full device.
    let Ran { exit, err, .. } = run(&["replay", "bpf/bootstrap.json", &other, "-o", "/dev/full"]);
    assert_eq!(
        (exit, err.as_str()),
        (Exit::Failed, "/dev/full: No space left on device (os error 28)\n")
    );
    assert!(
        refused(&["replay", "bpf/bootstrap.json", "none.rec"])
            .starts_with("none.rec: No such file")
    );
}
