//! Exit statuses and messages of `eunomia-vm`, with a script in place of QEMU that acts like a
//! machine.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

/// Shell commands of a machine that boots and runs the test.
const READY: &str = "echo ready >control; echo from the test; ";

/// The result of a run.
struct Run {
    status: Option<i32>,
    printed: String,
    boots: usize,
}

/// Runs `eunomia-vm` with machines that run `script`, which finds the number of the boot in
/// `$boot`.
fn run(script: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let kernel = folder.path().join("eunomia/kernels/6.1");
    fs::create_dir_all(kernel.join("modules")).unwrap();
    for (name, text) in [("release", "6.1.0-test"), ("vmlinuz", ""), ("config", "")] {
        fs::write(kernel.join(name), text).unwrap();
    }
    let boots = folder.path().join("boots");
    let qemu = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && exit\necho boot >>{boots}\nboot=$(wc -l <{boots})\necho the kernel says >console\n{script}\n",
        boots = boots.display()
    );
    write_program(&folder.path().join("qemu-system-x86_64"), &qemu);
    let path = format!("{}:{}", folder.path().display(), env::var("PATH").unwrap());
    let output = Command::new(env!("CARGO_BIN_EXE_eunomia-vm"))
        .arg("/bin/true")
        .envs([
            ("PATH", path.as_str()),
            ("VM_KERNELS", "6.1"),
            ("VM_BOOT_TIMEOUT", "1"),
            ("VM_TIMEOUT", "2"),
        ])
        .env("XDG_CACHE_HOME", folder.path())
        .output();
    let Output { status, stdout, stderr } = output.unwrap();
    let printed = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    Run {
        status: status.code(),
        printed,
        boots: fs::read_to_string(boots).unwrap_or_default().lines().count(),
    }
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Run {
    #[track_caller]
    fn is(&self, status: i32, boots: usize, texts: &[&str]) {
        assert_eq!((self.status, self.boots), (Some(status), boots), "{}", self.printed);
        texts
            .iter()
            .for_each(|text| assert!(self.printed.contains(text), "{text}: {}", self.printed));
    }
}

#[test]
fn status_of_test_is_returned() {
    run(&format!("{READY} echo status 0 >control")).is(
        0,
        1,
        &["from the test\n", "kernel 6.1: passed ("],
    );
    let failed = run(&format!("{READY} echo status 101 >control"));
    failed.is(101, 1, &["from the test\n", "kernel 6.1: FAILED with status 101 ("]);
    assert!(!failed.printed.contains("the kernel says"), "the kernel is not at fault");
}

#[test]
fn machine_that_does_not_boot_is_started_again() {
    let late = run(&format!("[ $boot -lt 3 ] && exit 1\n{READY} echo status 0 >control"));
    late.is(
        0,
        3,
        &["    | the kernel says\n", "starting the machine again (2 of 3)", "kernel 6.1: passed ("],
    );
    let never = run("exit 1");
    never.is(125, 4, &["before the test started", "(3 of 3)", "kernel 6.1: NOT TESTED: "]);
    run("exec sleep 60").is(125, 4, &["the machine was not ready after 1s"]);
    let mount = run("echo failed mount -t bpf bpf /sys/fs/bpf >control; exec sleep 60");
    mount.is(125, 4, &["a command in the machine failed: mount -t bpf bpf /sys/fs/bpf"]);
}

#[test]
fn tests_never_run_twice() {
    let panicked = run(&format!("{READY} echo Kernel panic >console"));
    panicked.is(
        101,
        1,
        &[
            "from the test\n",
            "    | Kernel panic\n",
            "kernel 6.1: FAILED: the machine ended while the test ran",
        ],
    );
    run(&format!("{READY} exec sleep 60")).is(
        101,
        1,
        &["kernel 6.1: FAILED: the test did not end within 2s"],
    );
}

#[test]
fn unknown_kernel_is_reported_before_anything_runs() {
    let output = Command::new(env!("CARGO_BIN_EXE_eunomia-vm"))
        .arg("/bin/true")
        .env("VM_KERNELS", "6.1 six")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(
        String::from_utf8(output.stderr).unwrap().starts_with("VM_KERNELS: unknown kernel `six`; ")
    );
}
