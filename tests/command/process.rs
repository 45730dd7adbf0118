//! The program `eunomia` itself.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
};

use eunomia_tests::crates::program;

fn said(output: &Output) -> (Option<i32>, &str, &str) {
    (
        output.status.code(),
        std::str::from_utf8(&output.stdout).unwrap(),
        std::str::from_utf8(&output.stderr).unwrap(),
    )
}

/// One test, so that the program is built only once.
#[test]
fn program_has_exit_codes_and_streams() {
    let program = program(env!("CARGO_TARGET_TMPDIR"), "eunomia-runtime", "eunomia");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run =
        |words: &[&str]| Command::new(&program).args(words).current_dir(tests).output().unwrap();
    let summary = "object bootstrap; maps: exec_start, rb; programs: handle_exec, handle_exit; exports: rb (struct event)\n";
    assert_eq!(
        said(&run(&["check", "bpf/bootstrap.json"])),
        (Some(0), format!("bpf/bootstrap.json: {summary}").as_str(), "")
    );
    assert_eq!(
        said(&run(&["check", "none"])),
        (Some(1), "", "none: No such file or directory (os error 2)\n")
    );
    assert_eq!(run(&["nonsense"]).status.code(), Some(2));

    // Output to a pipe has no colors.
    let help = run(&["--help"]);
    assert!(!help.stdout.contains(&0x1b) && help.status.success());

    // The reader closes the pipe after the first line; then standard output is a full device.
    let mut inspect = Command::new(&program);
    inspect
        .args(["inspect", "bpf/kinds.json"])
        .current_dir(tests)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = inspect.spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "bpf/kinds.json: package `kinds`\n");
    assert_eq!(said(&child.wait_with_output().unwrap()), (Some(0), "", ""));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(&program)
        .args(["check", "bpf/kinds.json"])
        .current_dir(tests)
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(said(&output), (Some(1), "", "<stdout>: No space left on device (os error 28)\n"));
}
