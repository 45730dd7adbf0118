//! Help texts, errors of the command line, completions and manual pages.

use std::{fs, process::Command};

use eunomia_runtime::cli::Exit;

use super::{Ran, folder, printed, refused, reviewed, run};

#[test]
fn help_matches_reviewed_text() {
    let commands = ["run", "inspect", "check", "doctor", "record", "replay"]
        .map(|command| (command, printed(&[command, "--help"])));
    reviewed("command/help", commands.into_iter().chain([("eunomia", printed(&["--help"]))]));
    assert_eq!(printed(&["--version"]), format!("eunomia {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_command_lines_are_explained() {
    let cases: [(&[&str], &str); 8] = [
        (&["run"], "the following required arguments were not provided:\n  <FILE>"),
        (&["inspekt", "x"], "a similar subcommand exists: 'inspect'"),
        (&["run", "x.json", "--format", "yaml"], "[possible values: text, json, raw]"),
        (&["run", "x.json", "--count", "0"], "0 is not in 1.."),
        (
            &["run", "x.json", "--duration", "soon"],
            "expected seconds, or units as in `1m30s`, `2h` or `500ms`",
        ),
        (&["record", "x.json"], "--output <FILE>"),
        (&["inspect", "../target/none.bpf.o", "--jsn"], "a similar argument exists: '--json'"),
        (
            &["man", "walk"],
            "no command `walk`; known: run, inspect, check, doctor, record, replay, completions, man",
        ),
    ];
    for (words, expected) in cases {
        let Ran { exit, out, err } = run(words);
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{words:?}");
        assert!(err.contains(expected), "{words:?}: {err}");
    }
    // Options of the skeleton go after `--`.
    let err = run(&["run", "bpf/bootstrap.json", "--min_duration_ns", "5"]).err;
    assert!(err.contains("unexpected argument '--min_duration_ns'"), "{err}");
}

/// A shell replaces a pattern by the names of files, which other users may have chosen.
#[test]
fn names_of_files_cannot_forge_lines() {
    const NAME: &str = "x\u{1b}[2J\u{9b}\u{202e}\nroot: done";
    const SHOWN: &str = r"x\u{1b}[2J\u{9b}\u{202e}\nroot: done";
    let folder = folder("hostile-names");
    let path = folder.join(NAME).to_str().unwrap().to_owned();
    fs::copy("bpf/args.json", &path).unwrap();
    let option = format!("--{NAME}");
    let cases: [&[&str]; 7] = [
        &[NAME],
        &["check", "x.json", NAME],
        &["check", &option],
        &["run", "x.json", "-d", NAME],
        &["run", "x.json", "--attach", NAME],
        &["record", &path, "-o", &path],
        &["run", "bpf/args.json", "--", "--log-level", NAME],
    ];
    for words in cases {
        let Ran { exit, err, .. } = run(words);
        assert_eq!(exit, Exit::Usage, "{words:?}");
        assert!(err.contains(SHOWN) && !err.contains("\nroot: done"), "{words:?}: {err}");
    }
    let help = printed(&["run", &path, "--", "--help"]);
    assert!(help.contains(SHOWN) && !help.contains("\nroot: done"), "{help}");
    // A value that is valid in its escaped form only.
    let Ran { exit, err, .. } = run(&["run", "bpf/args.json", "--", "--u8", "\n"]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("invalid value '\\n' for '--u8 <U8>'"), "{err}");
}

/// BTF that the user names must exist, even if the kernel has BTF.
#[test]
fn missing_btf_is_refused() {
    for words in [&["run"][..], &["record", "-o", "/dev/null"], &["doctor"]] {
        let words = [words, &["bpf/bootstrap.json", "--btf", "none.btf"]].concat();
        let expected =
            "none.btf: file not found; name a file with the BTF of this kernel, or a BTF archive\n";
        assert_eq!(refused(&words), expected);
    }
    // A device without end and a FIFO, which would block, are not opened.
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo").display().to_string();
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (path, why) in [("/dev/zero", "a device"), (&fifo, "a FIFO")] {
        for words in [&["run"][..], &["doctor"]] {
            let expected = format!(
                "{path}: it is {why}, and is not opened; name a file with the BTF of this kernel, or a BTF archive\n"
            );
            assert_eq!(
                refused(&[words, &["bpf/bootstrap.json", "--btf", path]].concat()),
                expected
            );
        }
    }
    // BTF is of no use without an object.
    assert_eq!(run(&["doctor", "--btf", "none.btf"]).exit, Exit::Usage);
}

#[test]
fn skeleton_has_its_own_options() {
    let text = printed(&["run", "bpf/bootstrap.json", "--", "--help"]);
    assert!(text.contains("\nUsage: eunomia run bpf/bootstrap.json -- [OPTIONS]\n"), "{text}");
    assert!(text.contains("Report only processes that lived at least this long"), "{text}");
    let Ran { exit, err, .. } =
        run(&["run", "bpf/bootstrap.json", "--", "--min_duration_ns", "-1"]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("expected a number from 0 to 18446744073709551615"), "{err}");
    // The document gives their names and texts.
    let text = printed(&["run", "bpf/args.json", "--", "-h"]);
    assert!(
        text.contains("-1, --cv1") && text.contains("Adds up what the command line says."),
        "{text}"
    );
}

#[test]
fn completions_and_manual_pages_are_printed() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(printed(&["completions", shell]).contains("inspect"), "{shell}");
    }
    let page = printed(&["man"]);
    assert!(page.starts_with(".ie") || page.contains(".TH eunomia 1"), "{page}");
    assert!(printed(&["man", "run"]).contains("Ctrl\\-Z pauses"));
}
