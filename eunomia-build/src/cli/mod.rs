//! The command `cargo eunomia`: writes apps, generates modules, checks skeletons, compiles BPF C and
//! writes `vmlinux.h` outside of a build, and runs tests on other kernels.
//!
//! ```no_run
//! use std::{env, io, process::ExitCode};
//!
//! fn main() -> ExitCode {
//!     let (mut input, mut out, mut err) = (io::stdin(), io::stdout(), io::stderr());
//!     eunomia_build::cli::run(env::args_os(), &mut input, &mut out, &mut err).into()
//! }
//! ```

mod archive;
mod args;
mod build;
mod check;
mod generate;
mod headers;
mod help;
mod input;
mod make;
mod matrix;
mod new;
mod output;
mod vmlinux;

use std::{
    ffi::OsString,
    io::{Read, Write},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser as _};
use eunomia_runtime::{__private::parsed, error::Diagnostics};

use crate::{Error, error::lines};
use args::{Args, Command};

/// The outcome of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The command did what was asked for. The exit code is 0.
    Done,
    /// The input has faults, an output differs (`--check`), a test failed, or a file cannot be read
    /// or written. The exit code is 1.
    Failed,
    /// The command line is wrong. The exit code is 2.
    Usage,
    /// `cargo build` failed with this exit code.
    Cargo(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Cargo(code) => code,
        })
    }
}

/// The reason why the command did not succeed.
enum CommandError {
    /// The command line is wrong, or asks for a text that clap prints (`--help`, `--version`).
    Usage(clap::Error),
    /// Outputs that differ from the input's result, one line each.
    Stale(Vec<String>),
    /// Tests failed or could not be run.
    Tests(String),
    /// `cargo build` failed with this exit code, after it said why.
    Cargo(u8),
    Error(Error),
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Diagnostics> for CommandError {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Error(Error::Input(diagnostics))
    }
}

impl From<eunomia_vm::Error> for CommandError {
    fn from(error: eunomia_vm::Error) -> Self {
        Self::Tests(error.to_string())
    }
}

/// Runs the command with arguments and streams of the caller. The program's name is the first
/// argument; `cargo eunomia` puts the word `eunomia` after it.
///
/// Results go to `out`, errors to `err`. A closed pipe behind `out` is no error.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    input: &mut dyn Read,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Exit {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|word| word == "eunomia") {
        args.remove(1);
    }
    let result = match parsed(&args, Args::command, |args| Args::try_parse_from(args)) {
        Ok(Args { command: Command::New(args) }) => new::run(&args, out),
        Ok(Args { command: Command::Make(args) }) => make::run(&args, err),
        Ok(Args { command: Command::Gen(args) }) => generate::run(&args, input, out),
        Ok(Args { command: Command::Check(args) }) => check::run(&args, input, out),
        Ok(Args { command: Command::Build(args) }) => build::run(&args, out, err),
        Ok(Args { command: Command::Vmlinux(args) }) => vmlinux::run(&args, out),
        Ok(Args { command: Command::Headers(args) }) => headers::run(&args),
        Ok(Args { command: Command::Matrix(args) }) => matrix::run(&args, out, err),
        // `--help` and `--version`.
        Err(text) if !text.use_stderr() => {
            output::print(out, text.to_string().as_bytes()).map_err(CommandError::Error)
        }
        Err(error) => Err(CommandError::Usage(error)),
    };
    let (exit, text) = match result {
        Ok(()) => return Exit::Done,
        Err(CommandError::Cargo(code)) => return Exit::Cargo(code),
        Err(CommandError::Usage(error)) => (Exit::Usage, error.to_string()),
        Err(CommandError::Stale(files)) => (Exit::Failed, files.join("\n")),
        Err(CommandError::Tests(text)) => (Exit::Failed, text),
        // clang's message is printed alone, so editors find the places in it.
        Err(CommandError::Error(Error::Compile { message, .. })) => (Exit::Failed, message),
        // The command has an option in place of the call in a build script.
        Err(CommandError::Error(error @ Error::Clang { .. })) => {
            (Exit::Failed, on_command_line(&error.to_string()))
        }
        Err(CommandError::Error(error)) => (Exit::Failed, error.to_string()),
    };
    // If this write fails, no other place is left for the message.
    let _ = writeln!(err, "{}", lines(text.trim_end()));
    exit
}

/// Replaces `.clang("clang-19")` by the option of the command.
fn on_command_line(text: &str) -> String {
    text.replace(".clang(\"..\")", "--clang").replace(".clang(\"", "--clang ").replace("\")", "")
}
