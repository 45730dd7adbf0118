//! The command `eunomia`: runs skeletons, shows what is in them, says whether this kernel can run them, records and replays.
//!
//! ```no_run
//! use std::{env, io};
//!
//! let exit = eunomia_runtime::cli::run(env::args_os(), &mut io::stdin(), &mut io::stdout(), &mut io::stderr());
//! std::process::exit(exit as i32);
//! ```

mod args;
mod check;
mod doctor;
mod events;
mod input;
mod inspect;
mod output;
mod printed;
mod record;
mod replay;
mod run;
mod signals;

use std::{
    ffi::OsString,
    io::{IsTerminal as _, Read, Write},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser as _};

use crate::{Error, environment, fault::Faults, plain::plain};
use args::{Args, Command};

/// How the command ended; as a number it is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what was asked for.
    Done = 0,
    /// The input has faults, or a file cannot be read or written.
    Refused = 1,
    /// The command line is wrong, that of the skeleton's variables included.
    Usage = 2,
    /// The kernel refused: permissions, a feature that it does not have, a program that its verifier rejects.
    Kernel = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why the command did not do what was asked for.
enum Failure {
    /// The command line is wrong, or asks for a text that clap has.
    Usage(Box<clap::Error>),
    /// What was asked for was printed, and the answer is no.
    No,
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::Error(Error::Input(faults))
    }
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        Self::Usage(Box::new(error))
    }
}

/// The streams of a process.
struct Streams<'a> {
    input: &'a mut dyn Read,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

/// Runs the command with the arguments of a process, the program's name first.
///
/// Events and what was asked for go to `out`, everything else to `err`. A closed pipe behind `out` is no error. `run` and `record` take the
/// process's signals SIGINT, SIGTERM, SIGHUP and SIGTSTP.
pub fn run(args: impl IntoIterator<Item = OsString>, input: &mut dyn Read, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let mut streams = Streams { input, out, err };
    let done = Args::try_parse_from(args).map_err(Failure::from).and_then(|args| match args.command {
        Command::Run(args) => run::run(&args, &mut streams),
        Command::Inspect(args) => inspect::run(&args, &mut streams),
        Command::Check(args) => check::run(&args, &mut streams),
        Command::Doctor(args) => doctor::run(&args, &mut streams),
        Command::Record(args) => record::run(&args, &mut streams),
        Command::Replay(args) => replay::run(&args, &mut streams),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "eunomia", &mut text);
            output::print(streams.out, &text)
        }
        Command::Man { command } => output::print(streams.out, &args::man(command.as_deref())?),
    });
    let (exit, text) = match done {
        Ok(()) => return Exit::Done,
        Err(Failure::No) => return Exit::Refused,
        // `--help` and `--version`.
        Err(Failure::Usage(asked)) if !asked.use_stderr() => {
            let text = rendered(&asked, std::io::stdout().is_terminal());
            match output::print(streams.out, text.as_bytes()) {
                Err(Failure::Error(error)) => (Exit::Refused, error.to_string()),
                _ => return Exit::Done,
            }
        }
        Err(Failure::Usage(wrong)) => (Exit::Usage, rendered(&wrong, std::io::stderr().is_terminal())),
        Err(Failure::Error(error @ Error::Kernel(_))) => (Exit::Kernel, plain(&error.for_command())),
        Err(Failure::Error(error)) => (Exit::Refused, plain(&error.for_command())),
    };
    // Where this fails there is nobody left to tell.
    let _ = writeln!(streams.err, "{}", text.trim_end());
    exit
}

/// A text of clap, in colours on a terminal whose user wants them (<https://no-color.org>).
fn rendered(text: &clap::Error, terminal: bool) -> String {
    let colours = terminal && environment::variable("NO_COLOR").is_none_or(|value| value.is_empty());
    if colours { text.render().ansi().to_string() } else { text.render().to_string() }
}
