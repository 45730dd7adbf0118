//! The command line. The doc comments on commands and fields are their help texts.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum, error::ErrorKind};
use eunomia_runtime::__private::one_line;

use super::{CommandError, help, new};
use crate::module::chosen;

mod build;
mod matrix;

pub(super) use self::{
    build::Build,
    matrix::{Format, Matrix},
};

/// Typed Rust for eBPF skeletons
#[derive(Parser)]
#[command(name = "cargo-eunomia", bin_name = "cargo eunomia", version, after_help = help::ALL)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Writes an app: a BPF program in C, Rust that loads it, and tests
    #[command(after_help = help::NEW)]
    New(New),
    /// Compiles src/bpf/*.bpf.c of a package or workspace to skeletons, then runs `cargo build`
    #[command(after_help = help::MAKE)]
    Make(Make),
    /// Generates the Rust module of a skeleton or a BPF object
    #[command(after_help = help::GEN)]
    Gen(Gen),
    /// Checks a skeleton against its object and prints a summary
    #[command(after_help = help::CHECK)]
    Check(Check),
    /// Compiles BPF C to a skeleton with the object embedded
    #[command(after_help = help::BUILD)]
    Build(Build),
    /// Writes vmlinux.h, the types of a kernel as a header for BPF C
    #[command(after_help = help::VMLINUX)]
    Vmlinux(Vmlinux),
    /// Writes eunomia.bpf.h and libbpf's headers, for BPF C that another build system compiles
    #[command(after_help = help::HEADERS)]
    Headers(Headers),
    /// Runs the tests of a crate on other kernels in virtual machines and prints a table of results
    #[command(after_help = help::MATRIX)]
    Matrix(Matrix),
}

#[derive(clap::Args)]
pub(super) struct New {
    /// The folder to write; the last part of its path is the name of the package
    #[arg(value_name = "NAME", value_parser = new::folder)]
    pub(super) folder: PathBuf,
    /// What the app does: trace events, show a histogram, filter packets, or profile
    #[arg(long, value_name = "TEMPLATE", value_enum, default_value_t = Template::Tracer)]
    pub(super) template: Template,
    /// Compiles the C in a build script, so that every build needs clang. Without this the app
    /// includes a skeleton, which needs clang only if the C changes
    #[arg(long)]
    pub(super) build_script: bool,
    /// A clone of eunomia's repository, whose crates the app uses; by default the clone that this
    /// command was built from, or else the registry
    #[arg(long, value_name = "DIR")]
    pub(super) eunomia: Option<PathBuf>,
}

// The templates of `new`. The variants have no doc comments, because each would become a paragraph
// of the help text.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Template {
    Tracer,
    Histogram,
    Xdp,
    Profiler,
}

#[derive(clap::Args)]
pub(super) struct Make {
    /// The Cargo.toml of the package or workspace; by default that of the current directory
    #[arg(long, value_name = "FILE")]
    pub(super) manifest_path: Option<PathBuf>,
    /// An argument for clang, for example --clang-arg=-Iinclude; can be repeated. Every source is
    /// then compiled
    #[arg(long = "clang-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub(super) clang_args: Vec<OsString>,
    /// The clang to compile with; by default `clang` from PATH
    #[arg(long, value_name = "PROGRAM")]
    pub(super) clang: Option<PathBuf>,
    /// Arguments for `cargo build`, such as --release; they come after the options of this command
    #[arg(value_name = "CARGO BUILD ARGUMENTS", allow_hyphen_values = true)]
    cargo: Vec<OsString>,
}

#[derive(clap::Args)]
pub(super) struct Gen {
    /// A skeleton in JSON or YAML (.yaml), or a BPF object (.bpf.o); `-` for standard input
    pub(super) input: PathBuf,
    /// The object that belongs to the skeleton; replaces an object that is embedded in the skeleton
    #[arg(long, value_name = "FILE")]
    pub(super) object: Option<PathBuf>,
    /// The file to write; the object goes beside it as .bpf.o. By default standard output, with the
    /// object embedded
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The name of the module; by default the input's file name up to its first dot
    #[arg(long, value_name = "NAME", value_parser = identifier, required_if_eq("input", "-"))]
    pub(super) module: Option<String>,
    /// The C type of a map's records, for example --event 'rb=struct event'; can be repeated
    #[arg(long = "event", value_name = "MAP=TYPE", value_parser = pair)]
    pub(super) events: Vec<(String, String)>,
    /// The type of a program whose section names none, given as a section, for example --program
    /// hook=xdp; can be repeated
    #[arg(long = "program", value_name = "PROGRAM=SECTION", value_parser = pair)]
    pub(super) programs: Vec<(String, String)>,
    /// A C type of the object that the module defines although no event, variable or map has it, for
    /// example --type 'struct config'; can be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) types: Vec<String>,
    /// The architecture whose object is taken if the skeleton holds one for each; by default that of
    /// this machine
    #[arg(long, value_name = "ARCH")]
    pub(super) target_arch: Option<String>,
    /// Accepts a skeleton whose C source, found beside it, has changed since the skeleton was built
    #[arg(long)]
    pub(super) stale: bool,
    /// Writes nothing; fails if the files differ from what would be written
    #[arg(long, requires = "output")]
    pub(super) check: bool,
}

#[derive(clap::Args)]
pub(super) struct Check {
    /// A skeleton in JSON or YAML (.yaml), or a BPF object (.bpf.o); `-` for standard input
    pub(super) input: PathBuf,
    /// The object that belongs to the skeleton; replaces an object that is embedded in the skeleton
    #[arg(long, value_name = "FILE")]
    pub(super) object: Option<PathBuf>,
    /// The architecture whose object is taken if the skeleton holds one for each; by default that of
    /// this machine
    #[arg(long, value_name = "ARCH")]
    pub(super) target_arch: Option<String>,
    /// Accepts a skeleton whose C source, found beside it, has changed since the skeleton was built
    #[arg(long)]
    pub(super) stale: bool,
    /// The C type of a map's records, for example --event 'rb=struct event'; can be repeated
    #[arg(long = "event", value_name = "MAP=TYPE", value_parser = pair)]
    pub(super) events: Vec<(String, String)>,
}

#[derive(clap::Args)]
pub(super) struct Vmlinux {
    /// A file with the BTF of a kernel, such as a copy of /sys/kernel/btf/vmlinux, or an ELF file
    /// with a section .BTF; by default that of the running kernel
    #[arg(long, value_name = "FILE")]
    pub(super) btf: Option<PathBuf>,
    /// The header to write; standard output by default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only these types, enums of constants and kernel functions, with all that they contain; can
    /// be repeated
    #[arg(long, value_name = "TYPE", num_args = 1..)]
    pub(super) only: Vec<String>,
    /// Only what this C file needs, by the names in it and in the headers that it includes with
    /// quotes; can be repeated
    #[arg(long = "for", value_name = "FILE.bpf.c")]
    pub(super) sources: Vec<PathBuf>,
}

#[derive(clap::Args)]
pub(super) struct Headers {
    /// The folder to write to; created if it does not exist
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: PathBuf,
}

impl Gen {
    /// Returns the file to write; `None` is standard output.
    pub(super) fn output(&self) -> Result<Option<&Path>, CommandError> {
        let output = self.output.as_deref().filter(|path| !is_stream(path));
        if self.check && output.is_none() {
            return Err(usage(
                ErrorKind::ValueValidation,
                "`--check` compares with a file, and `-` is standard output",
            ));
        }
        Ok(output)
    }
}

impl Make {
    /// Returns the arguments for `cargo build`. clap takes every word after the first of them as it
    /// is.
    pub(super) fn words(&self) -> Result<&[OsString], CommandError> {
        let own = ["--manifest-path", "--clang-arg", "--clang"];
        self.cargo.iter().try_for_each(|word| foreign(word, &own))?;
        Ok(&self.cargo)
    }
}

impl Vmlinux {
    /// Returns the file to write; `None` is standard output.
    pub(super) fn output(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| !is_stream(path))
    }
}

/// Refuses an option of this command among the arguments of cargo.
fn foreign(word: &OsString, own: &[&str]) -> Result<(), CommandError> {
    let text = word.to_string_lossy();
    if own.contains(&text.split('=').next().unwrap_or_default()) {
        let message =
            format!("`{text}` is an option of this command; put it before the arguments of cargo");
        return Err(usage(ErrorKind::UnknownArgument, &message));
    }
    Ok(())
}

/// Reports whether the path means standard input or output.
pub(super) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Returns a usage error that was found after clap had parsed the command line.
pub(super) fn usage(kind: ErrorKind, message: &str) -> CommandError {
    CommandError::Usage(Args::command().error(kind, one_line(message)))
}

/// Parses `NAME=TEXT`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected a name, `=` and a type".to_owned()),
    }
}

fn identifier(name: &str) -> Result<String, String> {
    let bare = name.strip_prefix("r#").unwrap_or(name);
    // Keywords become raw identifiers.
    if chosen(bare).is_some() {
        Ok(bare.to_owned())
    } else {
        Err("not a Rust identifier".to_owned())
    }
}
