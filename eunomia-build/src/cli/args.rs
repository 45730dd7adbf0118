//! The command line. The comments on commands and fields are their help texts.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum, error::ErrorKind};
use eunomia_vm::Kernel;

use super::Failure;
use crate::module::chosen;

/// Typed Rust for eBPF skeletons
#[derive(Parser)]
#[command(name = "cargo-eunomia", bin_name = "cargo eunomia", version, after_help = AFTER)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Generates the Rust module of a skeleton or a BPF object
    #[command(after_help = AFTER_GEN)]
    Gen(Gen),
    /// Checks a skeleton against its object and says what is in it
    #[command(after_help = AFTER_CHECK)]
    Check(Check),
    /// Compiles BPF C into a skeleton that holds its object
    #[command(after_help = AFTER_BUILD)]
    Build(Build),
    /// Runs a crate's tests on other kernels, in virtual machines, and prints a table of the results
    #[command(after_help = AFTER_MATRIX)]
    Matrix(Matrix),
}

#[derive(clap::Args)]
pub(super) struct Gen {
    /// A JSON skeleton or a BPF object (.bpf.o); `-` is standard input
    pub(super) input: PathBuf,
    /// The object that the skeleton describes, in place of the one it may hold
    #[arg(long, value_name = "FILE")]
    pub(super) object: Option<PathBuf>,
    /// The file to write, and beside it the object, with the extension .bpf.o; else standard output, with the object inside
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The module's name; else the input's file name up to its first dot
    #[arg(long, value_name = "NAME", value_parser = identifier, required_if_eq("input", "-"))]
    pub(super) module: Option<String>,
    /// What the records of a map hold, for example --event 'rb=struct event'; may be repeated
    #[arg(long = "event", value_name = "MAP=TYPE", value_parser = pair)]
    pub(super) events: Vec<(String, String)>,
    /// The type of a program whose section tells none, as a section, for example --program hook=xdp; may be repeated
    #[arg(long = "program", value_name = "PROGRAM=SECTION", value_parser = pair)]
    pub(super) programs: Vec<(String, String)>,
    /// Accepts a skeleton whose C source, beside it, has changed since the skeleton was made
    #[arg(long)]
    pub(super) stale: bool,
    /// Writes nothing and fails where the files differ from what would be written
    #[arg(long, requires = "output")]
    pub(super) check: bool,
}

#[derive(clap::Args)]
pub(super) struct Check {
    /// A JSON skeleton or a BPF object (.bpf.o); `-` is standard input
    pub(super) input: PathBuf,
    /// The object that the skeleton describes, in place of the one it may hold
    #[arg(long, value_name = "FILE")]
    pub(super) object: Option<PathBuf>,
    /// Accepts a skeleton whose C source, beside it, has changed since the skeleton was made
    #[arg(long)]
    pub(super) stale: bool,
}

#[derive(clap::Args)]
pub(super) struct Build {
    /// The C source; several are linked into one object
    #[arg(value_name = "FILE.bpf.c", required = true)]
    pub(super) sources: Vec<PathBuf>,
    /// The skeleton to write, `-` for standard output; else FILE.json in the working directory
    #[arg(short, long, value_name = "FILE.json")]
    output: Option<PathBuf>,
    /// One more argument for clang, for example --clang-arg=-Iinclude; may be repeated
    #[arg(long = "clang-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub(super) clang_args: Vec<OsString>,
    /// The clang to compile with; else `clang` in the search path
    #[arg(long, value_name = "PROGRAM")]
    pub(super) clang: Option<PathBuf>,
    /// What the records of a map hold, for example --event 'rb=struct event'; may be repeated
    #[arg(long = "event", value_name = "MAP=TYPE", value_parser = pair)]
    pub(super) events: Vec<(String, String)>,
    /// The type of a program whose section tells none, as a section, for example --program hook=xdp; may be repeated
    #[arg(long = "program", value_name = "PROGRAM=SECTION", value_parser = pair)]
    pub(super) programs: Vec<(String, String)>,
}

#[derive(clap::Args)]
pub(super) struct Matrix {
    /// A kernel: one of 5.10, 6.1, 6.12, 7.2, or VERSION@SUITE of Debian; may be repeated; else all four
    #[arg(long = "kernel", value_name = "KERNEL", value_parser = Kernel::named)]
    kernels: Vec<Vec<Kernel>>,
    /// What the table is written as
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// The file to write the table to; else standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What `cargo test` is to build, as -p PACKAGE, --test NAME or --features LIST; behind the options of this command
    #[arg(value_name = "CARGO TEST ARGUMENTS", allow_hyphen_values = true)]
    cargo: Vec<OsString>,
    /// What the test programs are run with: names of tests, and options of theirs
    #[arg(value_name = "TEST PROGRAM ARGUMENTS", last = true)]
    tests: Vec<OsString>,
}

// A table's form. Its variants have no comments: each would be a paragraph of the help text.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Text,
    Markdown,
}

impl Gen {
    /// The file to write; `None` is standard output.
    pub(super) fn output(&self) -> Result<Option<&Path>, Failure> {
        let output = self.output.as_deref().filter(|path| !is_stream(path));
        if self.check && output.is_none() {
            return Err(usage(ErrorKind::ValueValidation, "`--check` compares with a file, and `-` is standard output"));
        }
        Ok(output)
    }
}

impl Build {
    /// The file to write; `None` is standard output.
    pub(super) fn output(&self) -> Result<Option<PathBuf>, Failure> {
        let Some(output) = &self.output else {
            let [source] = self.sources.as_slice() else {
                return Err(usage(
                    ErrorKind::MissingRequiredArgument,
                    "several sources are linked into one object: name it by `-o FILE.json`",
                ));
            };
            let name = source.file_name().unwrap_or_default().to_string_lossy();
            // All of the name: `net.ingress.bpf.c` and `net.egress.bpf.c` are two.
            let stem = name.strip_suffix(".bpf.c").or_else(|| name.split('.').next()).unwrap_or_default();
            return match stem {
                "" => {
                    Err(usage(ErrorKind::MissingRequiredArgument, "the source has no name to name the skeleton after: give `-o FILE.json`"))
                }
                stem => Ok(Some(format!("{stem}.json").into())),
            };
        };
        Ok(Some(output.clone()).filter(|path| !is_stream(path)))
    }
}

impl Matrix {
    /// Each of the kernels once.
    pub(super) fn kernels(&self) -> Vec<Kernel> {
        let mut kernels = Vec::new();
        for kernel in self.kernels.iter().flatten() {
            if !kernels.contains(kernel) {
                kernels.push(kernel.clone());
            }
        }
        if kernels.is_empty() { Kernel::all() } else { kernels }
    }

    /// The file to write; `None` is standard output.
    pub(super) fn output(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| !is_stream(path))
    }

    /// The arguments for `cargo test`, and those for the test programs. All that follows the first of them is not read before.
    pub(super) fn words(&self) -> Result<(&[OsString], Vec<OsString>), Failure> {
        let mut parts = self.cargo.splitn(2, |word| word == "--");
        let cargo = parts.next().unwrap_or_default();
        let tests = parts.next().unwrap_or_default().iter().chain(&self.tests).cloned().collect();
        let wrong = |what: String| Err(usage(ErrorKind::UnknownArgument, &what));
        let mut before = None;
        for word in cargo {
            let text = word.to_string_lossy();
            if OWN.contains(&text.split('=').next().unwrap_or_default()) {
                return wrong(format!("`{text}` is not for cargo: it belongs before the arguments that are"));
            }
            // cargo takes names of tests here, and then builds as if there were none.
            if !text.starts_with('-') && !before.is_some_and(takes_value) {
                return wrong(format!("`{text}` would be the name of a test, which belongs behind `--`"));
            }
            before = Some(word);
        }
        Ok((cargo, tests))
    }
}

/// Options of `cargo eunomia matrix` and not of `cargo test`.
const OWN: [&str; 6] = ["--kernel", "--format", "--output", "-o", "--help", "-h"];

/// Options of `cargo test` that have no value and stand before names of tests; of others the word that follows may be the value.
const FLAGS: &[&str] = &[
    "--lib",
    "--bins",
    "--tests",
    "--examples",
    "--benches",
    "--all-targets",
    "--all",
    "--workspace",
    "--release",
    "-r",
    "--all-features",
    "--no-default-features",
    "--locked",
    "--offline",
    "--frozen",
    "--no-fail-fast",
    "--keep-going",
    "--verbose",
    "-v",
    "-vv",
    "--quiet",
    "-q",
];

/// Whether the word behind this one may be its value.
fn takes_value(word: &OsString) -> bool {
    let text = word.to_string_lossy();
    // `-j4` has its value with it.
    let joined = !text.starts_with("--") && text.len() > 2;
    text.starts_with('-') && !text.contains('=') && !joined && !FLAGS.contains(&&*text)
}

/// Whether the path stands for standard input or output.
pub(super) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A fault of the command line that only shows later.
pub(super) fn usage(kind: ErrorKind, what: &str) -> Failure {
    Failure::Usage(Args::command().error(kind, what))
}

/// `NAME=TEXT`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err("a name, `=` and what it is were expected".to_owned()),
    }
}

fn identifier(name: &str) -> Result<String, String> {
    let bare = name.strip_prefix("r#").unwrap_or(name);
    // Keywords become raw identifiers.
    if chosen(bare).is_some() { Ok(bare.to_owned()) } else { Err("this is no Rust identifier".to_owned()) }
}

const AFTER: &str = "\
Examples:
  cargo eunomia build bpf/bootstrap.bpf.c -o bpf/bootstrap.json
  cargo eunomia check bpf/bootstrap.json
  cargo eunomia gen bpf/bootstrap.json -o src/bootstrap.rs
  cargo eunomia matrix --kernel 5.10 --kernel 7.2 --test live

Exit codes:
  0  done
  1  the input has faults, a file differs (--check), a test failed, or a file cannot be read or written
  2  the command line is wrong";

const AFTER_GEN: &str = "\
The module needs the crate eunomia-runtime. From standard output it is self-contained; a file includes the object beside it.

Examples:
  cargo eunomia gen bpf/bootstrap.json -o src/bootstrap.rs           writes src/bootstrap.rs and src/bootstrap.bpf.o
  cargo eunomia gen bpf/bootstrap.json -o src/bootstrap.rs --check   fails where they are out of date, for CI
  cargo eunomia gen tracer.skel.json --object tracer.bpf.o | less
  cargo eunomia gen tracer.bpf.o --module tracing

Exit codes:
  0  done
  1  the input has faults, a file differs (--check), or a file cannot be read or written
  2  the command line is wrong";

const AFTER_CHECK: &str = "\
Prints one line: the object, its maps and programs, and what each export delivers. Every fault goes to standard error, as
file:line:column: json.path: what is wrong; what to do

Examples:
  cargo eunomia check bpf/bootstrap.json
  cargo eunomia check tracer.skel.json --object tracer.bpf.o
  curl https://example.org/package.json | cargo eunomia check -

Exit codes:
  0  the skeleton and its object agree
  1  they do not, libbpf never opens or loads the object, or a file cannot be read
  2  the command line is wrong";

const AFTER_BUILD: &str = "\
What clang says goes to standard error as it is. Nothing is written where it refuses the source.

Examples:
  cargo eunomia build bpf/bootstrap.bpf.c                            writes bootstrap.json
  cargo eunomia build bpf/bootstrap.bpf.c -o bpf/bootstrap.json --clang-arg=-Ivmlinux --clang-arg=-DMAX=16
  cargo eunomia build bpf/bootstrap.bpf.c -o - --clang clang-19 | cargo eunomia check -

Exit codes:
  0  done
  1  clang refused the source, its object cannot be described, or a file cannot be read or written
  2  the command line is wrong";

const AFTER_MATRIX: &str = "\
Builds the test programs as `cargo test` does and runs each on each kernel, as root, in a virtual machine of QEMU: by software emulation, as
many at once as this machine has CPUs. Doc tests are not run. In the machine are the program with its libraries, busybox, what VM_FILES
names and, of the environment, CARGO*, RUST*, what VM_ENV names, and VM_KERNEL. Kernels are fetched once, with apt, and kept. It needs
these Debian packages: qemu-system-x86 busybox-static xz-utils binutils.

In the table:
  ok      it passed
  FAILED  it failed; what the program printed goes to standard error
  1       it was ignored, for the reason with this number
  ?       its result is not known: the machine or the program ended before, or it cannot be read; counts as failed
  -       there is no such test on this kernel

Variables, with colons between the items of a list:
  VM_FILES             files and folders that the tests read, taken into the machine at their places here
  VM_ENV               names of variables that the tests read
  VM_TIMEOUT           seconds for a machine with all its tests, 1800
  VM_BOOT_TIMEOUT      seconds until the tests start, 30
  VM_MEMORY, VM_CPUS   of a machine: 512 MiB, 2

Examples:
  cargo eunomia matrix                                              all tests on all kernels
  cargo eunomia matrix --kernel 5.10 --kernel 7.2 -p mycrate --test live -- maps::
  cargo eunomia matrix --kernel 6.1@bookworm-security --lib -- --test-threads 1
  VM_FILES=tests/data cargo eunomia matrix --test live --format markdown -o KERNELS.md

Exit codes:
  0  all tests passed or were ignored
  1  a test failed or its machine died, cargo did not build, a kernel cannot be fetched, or a file cannot be written
  2  the command line is wrong";
