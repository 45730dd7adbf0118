//! `eunomia`: its texts and exit codes. Tests that need the kernel are in `live`.
//!
//! Most tests call the command as a function of the library; `process.rs` runs the program itself.

mod inspect;
mod process;
mod replay;
mod usage;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use eunomia_runtime::cli::{self, Exit};

/// The result of a command.
struct Ran {
    exit: Exit,
    out: String,
    err: String,
}

fn run_with(words: &[&str], stdin: &[u8]) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = ["eunomia"].iter().chain(words).map(OsString::from);
    let exit = cli::run(args, &mut &*stdin, &mut out, &mut err);
    Ran { exit, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

fn run(words: &[&str]) -> Ran {
    run_with(words, b"")
}

/// Runs a command that succeeds, and returns its output.
fn printed(words: &[&str]) -> String {
    let Ran { exit, out, err } = run(words);
    assert_eq!((exit, err.as_str()), (Exit::Done, ""), "{words:?}");
    out
}

/// Runs a command that finds faults and prints nothing to standard output, and returns its errors.
fn refused(words: &[&str]) -> String {
    let Ran { exit, out, err } = run(words);
    assert_eq!((exit, out.as_str()), (Exit::Failed, ""), "{words:?}");
    err
}

/// Creates an empty folder for a test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("command").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Compares texts with reviewed files. A file that differs is rewritten and the test fails: look at
/// `git diff` and run it again.
fn reviewed<'a>(folder: &str, texts: impl IntoIterator<Item = (&'a str, String)>) {
    let mut differ = Vec::new();
    for (name, text) in texts {
        let path = format!("{folder}/{name}.txt");
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            fs::write(&path, text).unwrap();
            differ.push(path);
        }
    }
    assert!(differ.is_empty(), "rewritten, look at the difference: {differ:?}");
}
