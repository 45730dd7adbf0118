//! `cargo eunomia matrix`, with a script in place of QEMU that prints the output of test programs.

use std::{env, fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use super::{folder, names, process::said};

/// The machine with 6.1 ends with a status; the one with 5.10 crashes in a test.
const QEMU: &str = r#"#!/bin/sh
case "$*" in
--version) ;;
*/6.1/*)
    printf '%s\n' ready 'list a: test' 'list b::typed: test' '' 'status 0' >control
    printf '%s\n' 'test b::typed ... ignored, why' 'test a ... ok' 'test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured'
    ;;
*)
    echo Kernel panic >console
    printf '%s\n' ready 'list a: test' 'list b::typed: test' '' >control
    printf '%s\n' 'test b::typed ... ignored, why' 'test a ... '
    ;;
esac
"#;

/// Checks the command on a crate with tests. The test that builds the program calls this function.
pub(super) fn runs_tests_of_crate(program: &Path) {
    let (folder, path) = folder("matrix");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("probe/Cargo.toml", "[package]\nname = \"probe\"\nedition = \"2024\"\n\n[workspace]\n");
    write("probe/src/lib.rs", "#[test]\nfn a() {}\n");
    write("probe/src/main.rs", "fn main() {}\n");
    write("probe/tests/fault.rs", "a fault\n");
    for kernel in ["5.10", "6.1"] {
        write(&format!("cache/eunomia/kernels/{kernel}/release"), &format!("{kernel}.0-test\n"));
        write(&format!("cache/eunomia/kernels/{kernel}/config"), "");
        fs::create_dir(folder.join(format!("cache/eunomia/kernels/{kernel}/modules"))).unwrap();
    }
    write("bin/qemu-system-x86_64", QEMU);
    fs::set_permissions(folder.join("bin/qemu-system-x86_64"), fs::Permissions::from_mode(0o755))
        .unwrap();
    let search = format!("{path}/bin:{}", env::var("PATH").unwrap());
    let run = |args: &[&str]| {
        let mut command = Command::new(program);
        command.arg("matrix").args(args).current_dir(folder.join("probe")).env("PATH", &search);
        command
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .env("XDG_CACHE_HOME", folder.join("cache"))
            .output()
            .unwrap()
    };

    let output = run(&[
        "--kernel",
        "5.10",
        "--kernel",
        "6.1",
        "--lib",
        "--bins",
        "--",
        "--test-threads",
        "1",
    ]);
    let (status, printed, err) = said(&output);
    assert_eq!(
        (status, printed),
        (
            Some(1),
            "5.10: Linux 5.10.0-test\n\
             6.1: Linux 6.1.0-test\n\
             \n\
             probe (src/lib.rs)  5.10  6.1\n\
             a                   ?     ok\n\
             b::typed            1     1\n\
             \n\
             probe (src/main.rs)  5.10  6.1\n\
             a                    ?     ok\n\
             b::typed             1     1\n\
             \n\
             ignored:\n\
             1  why\n\
             \n\
             probe (src/lib.rs) on 5.10: FAILED: the machine ended while the test ran\n\
             probe (src/main.rs) on 5.10: FAILED: the machine ended while the test ran\n"
        ),
        "{err}"
    );
    for text in [
        "kernel 5.10: probe (src/lib.rs): started\n",
        "test b::typed ... ignored, why\ntest a ... \nkernel 5.10: the machine ended while the test ran\n    | Kernel panic\n",
        "kernel 5.10: probe (src/main.rs): FAILED: the machine ended while the test ran (",
        "kernel 6.1: probe (src/main.rs): passed (",
        "\n2 of 8 results failed\n",
    ] {
        assert!(err.contains(text), "{text}: {err}");
    }
    assert!(!err.contains("test a ... ok"), "nothing failed there: {err}");

    // With `-o`, the table goes to a file and nothing to standard output.
    let output =
        run(&["--kernel=6.1", "--format", "markdown", "-o", "../tables/matrix.md", "--lib"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).2.starts_with("cannot write ../tables/matrix.md: no such directory\n"),
        "{output:?}"
    );
    fs::create_dir(folder.join("tables")).unwrap();
    let output =
        run(&["--kernel=6.1", "--format", "markdown", "-o", "../tables/matrix.md", "--lib"]);
    assert_eq!((output.status.code(), said(&output).1), (Some(0), ""), "{output:?}");
    assert_eq!(names(&folder.join("tables")), ["matrix.md"]);
    let expected = "| probe | 6.1<br>6.1.0-test |\n|---|---|\n| `a` | ok |\n| `b::typed` | 1 |\n\nIgnored:\n\n1. why\n";
    assert_eq!(fs::read_to_string(folder.join("tables/matrix.md")).unwrap(), expected);

    // cargo's messages pass through, and the existing file stays.
    let output = run(&["--kernel=6.1", "-o", "../tables/matrix.md"]);
    let (status, printed, err) = said(&output);
    assert_eq!((status, printed), (Some(1), ""), "{err}");
    assert!(err.contains("--> tests/fault.rs:1:"), "{err}");
    assert!(err.ends_with("cargo test --no-run: the tests cannot be built\n"), "{err}");
    assert_eq!(fs::read_to_string(folder.join("tables/matrix.md")).unwrap(), expected);
}
