//! The command line. The comments on commands and fields are their help texts.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};

use super::Failure;
use crate::names::{plain, verbatim};

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
}

#[derive(clap::Args)]
pub(super) struct Build {
    /// The C source
    #[arg(value_name = "FILE.bpf.c")]
    pub(super) source: PathBuf,
    /// The skeleton to write, `-` for standard output; else FILE.json in the working directory
    #[arg(short, long, value_name = "FILE.json")]
    output: Option<PathBuf>,
    /// One more argument for clang, for example --clang-arg=-Iinclude; may be repeated
    #[arg(long = "clang-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub(super) clang_args: Vec<OsString>,
    /// The clang to compile with; else `clang` in the search path
    #[arg(long, value_name = "PROGRAM")]
    pub(super) clang: Option<PathBuf>,
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
            let name = self.source.file_name().unwrap_or_default().to_string_lossy();
            return match name.split('.').next() {
                Some(stem) if !stem.is_empty() => Ok(Some(format!("{stem}.json").into())),
                _ => {
                    Err(usage(ErrorKind::MissingRequiredArgument, "the source has no name to name the skeleton after: give `-o FILE.json`"))
                }
            };
        };
        Ok(Some(output.clone()).filter(|path| !is_stream(path)))
    }
}

/// Whether the path stands for standard input or output.
pub(super) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A fault of the command line that only shows later.
pub(super) fn usage(kind: ErrorKind, what: &str) -> Failure {
    Failure::Usage(Args::command().error(kind, what))
}

fn identifier(name: &str) -> Result<String, String> {
    let bare = name.strip_prefix("r#").unwrap_or(name);
    // Keywords become raw identifiers; everything else must stay as it is.
    if plain(&verbatim(bare)) == bare { Ok(bare.to_owned()) } else { Err("this is no Rust identifier".to_owned()) }
}

const AFTER: &str = "\
Examples:
  cargo eunomia build bpf/bootstrap.bpf.c -o bpf/bootstrap.json
  cargo eunomia check bpf/bootstrap.json
  cargo eunomia gen bpf/bootstrap.json -o src/bootstrap.rs

Exit codes:
  0  done
  1  the input has faults, a file differs (--check), or a file cannot be read or written
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
  1  they do not, or a file cannot be read
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
