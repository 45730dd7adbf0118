//! Help texts and errors of the command line.

use std::fs;

use eunomia_build::cli::Exit;

use super::{Ran, printed, run};

/// Help is compared with reviewed files. A file that differs is rewritten and the test fails: look
/// at `git diff` and run it again.
#[test]
fn help_matches_reviewed_text() {
    let mut differ = Vec::new();
    for (words, name) in [
        (&["--help"][..], "eunomia"),
        (&["new", "--help"], "new"),
        (&["make", "--help"], "make"),
        (&["gen", "--help"], "gen"),
        (&["check", "-h"], "check"),
        (&["help", "build"], "build"),
        (&["vmlinux", "--help"], "vmlinux"),
        (&["matrix", "--help"], "matrix"),
    ] {
        let (text, path) = (printed(words), format!("cli/help/{name}.txt"));
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            fs::write(&path, text).unwrap();
            differ.push(path);
        }
    }
    assert!(differ.is_empty(), "rewritten, look at the difference: {differ:?}");
    assert_eq!(printed(&["--version"]), format!("cargo-eunomia {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_command_line_is_explained() {
    let cases: [(&[&str], &str); 14] = [
        (
            &["check"],
            "error: the following required arguments were not provided:\n  <INPUT>\n\nUsage: cargo eunomia check <INPUT>\n\n\
             For more information, try '--help'.\n",
        ),
        (
            &["chekc", "x.json"],
            "error: unrecognized subcommand 'chekc'\n\n  tip: a similar subcommand exists: 'check'\n\nUsage: cargo eunomia <COMMAND>\n\n\
             For more information, try '--help'.\n",
        ),
        (
            &["gen", "x.json", "--modul", "x"],
            "error: unexpected argument '--modul' found\n\n  tip: a similar argument exists: '--module'\n\n\
             Usage: cargo eunomia gen --module <NAME> <INPUT>\n\nFor more information, try '--help'.\n",
        ),
        (
            &["gen", "x.json", "--check"],
            "error: the following required arguments were not provided:\n  --output <FILE>\n\n\
             Usage: cargo eunomia gen --output <FILE> --check <INPUT>\n\nFor more information, try '--help'.\n",
        ),
        (
            &["gen", "x.json", "--check", "-o", "-"],
            "error: `--check` compares with a file, and `-` is standard output\n\nUsage: cargo eunomia <COMMAND>\n\n\
             For more information, try '--help'.\n",
        ),
        (
            &["gen", "-"],
            "error: the following required arguments were not provided:\n  --module <NAME>\n\n\
             Usage: cargo eunomia gen --module <NAME> <INPUT>\n\nFor more information, try '--help'.\n",
        ),
        (
            &["gen", "x.json", "--module", "my-tool"],
            "error: invalid value 'my-tool' for '--module <NAME>': not a Rust identifier\n\nFor more information, try '--help'.\n",
        ),
        (
            &["gen", "x.json", "--module", "self"],
            "error: invalid value 'self' for '--module <NAME>': not a Rust identifier\n\nFor more information, try '--help'.\n",
        ),
        (
            &["build", "bpf/.c"],
            "error: the source has no name that the skeleton could take; name it with `-o FILE.json`\n\nUsage: cargo eunomia <COMMAND>\n\n\
             For more information, try '--help'.\n",
        ),
        (
            &["matrix", "--kernel", "6"],
            "error: invalid value '6' for '--kernel <KERNEL>': unknown kernel `6`; expected 5.10, 6.1, 6.12, 7.2, VERSION@SUITE \
             of Debian as in 6.1@bookworm-security, or `all`\n\nFor more information, try '--help'.\n",
        ),
        (
            &["matrix", "--format", "html"],
            "error: invalid value 'html' for '--format <FORMAT>'\n  [possible values: text, markdown]\n\n\
             For more information, try '--help'.\n",
        ),
        (
            &["matrix", "-p", "probe", "--format", "text", "--", "maps::"],
            "error: `--format` is an option of this command; put it before the arguments of cargo\n\nUsage: cargo eunomia <COMMAND>\n\n\
             For more information, try '--help'.\n",
        ),
        (
            &["matrix", "--test=live", "maps::"],
            "error: `maps::` looks like the name of a test; put it after `--`\n\nUsage: cargo eunomia <COMMAND>\n\n\
             For more information, try '--help'.\n",
        ),
        (
            &["matrix", "-p", "probe", "--lib", "maps::", "--", "--nocapture"],
            "error: `maps::` looks like the name of a test; put it after `--`\n\nUsage: cargo eunomia <COMMAND>\n\n\
             For more information, try '--help'.\n",
        ),
    ];
    for (words, expected) in cases {
        let Ran { exit, out, err } = run(words);
        assert_eq!((exit, out.as_str(), err.as_str()), (Exit::Usage, "", expected), "{words:?}");
    }
    // Without a command, the help is printed as an error.
    let Ran { exit, out, err } = run(&[]);
    assert_eq!((exit, out.as_str(), err), (Exit::Usage, "", printed(&["--help"])));
}
