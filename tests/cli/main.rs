//! `cargo eunomia`: its texts, exit codes and output files.
//!
//! Most tests call the command as a function of the library; `process.rs` builds and runs the
//! program itself.

mod architectures;
mod build;
mod check;
mod exported;
mod generate;
mod header;
mod help;
mod make;
mod matrix;
mod new;
mod pointed;
mod process;
mod vmlinux;

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use eunomia_build::cli::{self, Exit};
use eunomia_tests::names;

/// The result of a command.
struct Ran {
    exit: Exit,
    out: String,
    err: String,
}

/// Runs `cargo eunomia` with these arguments and bytes on standard input.
fn run_with(words: &[&str], stdin: &[u8]) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = ["cargo-eunomia", "eunomia"].iter().chain(words).map(OsString::from);
    let exit = cli::run(args, &mut &*stdin, &mut out, &mut err);
    Ran { exit, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

fn run(words: &[&str]) -> Ran {
    run_with(words, b"")
}

/// Runs a command that succeeds, and returns its output.
fn printed(words: &[&str]) -> String {
    let Ran { exit, out, err } = run(words);
    assert_eq!((exit, err.as_str()), (Exit::Done, ""));
    out
}

/// Runs a command that finds faults and prints nothing to standard output, and returns its errors.
fn refused(words: &[&str]) -> String {
    let Ran { exit, out, err } = run(words);
    assert_eq!((exit, out.as_str()), (Exit::Failed, ""));
    err
}

/// Creates an empty folder for a test, and returns its path, also as text.
fn folder(name: &str) -> (PathBuf, String) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let text = folder.to_str().unwrap().to_owned();
    (folder, text)
}

/// Returns the name of the clang for tests.
fn clang() -> String {
    env::var("EUNOMIA_CLANG").unwrap_or_else(|_| "clang-19".to_owned())
}

/// Writes the bootstrap example's object and metadata that disagrees with it, and returns their
/// paths.
fn disagreeing(folder: &Path) -> [String; 2] {
    let object = eunomia_build::Skeleton::from_file("bpf/bootstrap.json").unwrap().object.unwrap();
    let metadata = r#"{
  "bpf_skel": {
    "obj_name": "bootstrap",
    "maps": [
      { "ident": "exec_start", "name": "exec_strat" }, { "name": "pids", "ident": "pids" }
    ],
    "progs": [{ "name": "handle_exec", "attach": "kprobe/execve" }],
    "data_sections": [
      { "name": ".rodata",
        "variables": [{ "type": "unsigned long long", "name": "max_duration_ns" }] }
    ]
  },
  "export_types": [{ "name": "event",
                     "size": 168 }]
}
"#;
    let paths = ["x.skel.json", "x.bpf.o"].map(|name| folder.join(name));
    fs::write(&paths[0], metadata).unwrap();
    fs::write(&paths[1], object).unwrap();
    paths.map(|path| path.to_str().unwrap().to_owned())
}

/// Returns the expected faults of [`disagreeing`].
fn disagreements(file: &str) -> String {
    const STALE: &str = "skeleton and object come from different builds; rebuild the package";
    format!(
        "{file}:5:40: bpf_skel.maps[0].name: the object has no map `exec_strat`, it has `exec_start`, `rb`; did you mean `exec_start`? \
         Otherwise, {STALE}\n\
         {file}:5:66: bpf_skel.maps[1].name: the object has no map `pids`, it has `exec_start`, `rb`; {STALE}\n\
         {file}:7:50: bpf_skel.progs[0].attach: program `handle_exec` is in section `tp/sched/sched_process_exec` of the object, but \
         in `kprobe/execve` of the document; {STALE}\n\
         {file}:10:63: bpf_skel.data_sections[0].variables[0].name: section `.rodata` has no variable `max_duration_ns`, it has \
         `min_duration_ns`; did you mean `min_duration_ns`? Otherwise, {STALE}\n\
         {file}:14:30: export_types[0].size: `struct event` has 176 bytes in the object, but 168 in the document; {STALE}\n"
    )
}
