//! The command `eunomia`: runs skeletons, shows what is in them, says whether this kernel can run them, records and replays.
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     eunomia_runtime::cli::main().into()
//! }
//! ```

mod args;
mod check;
mod choice;
mod doctor;
mod events;
mod input;
mod inspect;
mod outlet;
mod output;
mod printed;
mod record;
mod replay;
mod run;
#[allow(unsafe_code, reason = "asks and sets what signals do")]
mod signals;

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal as _, Read, Write},
    process::ExitCode,
    time::Duration,
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
    /// The kernel refused: permissions, a feature that it does not have, a program that its verifier rejects. Or no program could be
    /// attached.
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
    /// Whether they are those of this process.
    own: bool,
}

/// Where events go.
struct Out<'a> {
    to: &'a mut dyn Write,
    /// Whether it is this process's standard output.
    own: bool,
}

/// Where everything else goes.
struct Messages<'a> {
    to: &'a mut dyn Write,
    /// Whether it is this process's standard error.
    own: bool,
    stuck: bool,
}

impl Messages<'_> {
    /// Says something, unless the pipe behind is stuck.
    fn tell(&mut self, text: &str) {
        // One that was stuck is not waited for again.
        let patience = if self.stuck { Duration::ZERO } else { outlet::PATIENCE };
        self.stuck = self.own && !outlet::is_writable(io::stderr(), patience);
        if !self.stuck {
            // Where this fails there is nobody to tell.
            let _ = writeln!(self.to, "{}", plain(text));
        }
    }
}

/// An error as it is told.
fn said(error: &Error) -> String {
    match error {
        Error::NoTarget { program, section, wants } => choice::no_target(program, section, wants),
        error => error.for_command(),
    }
}

/// Runs the command with the arguments and streams of this process.
///
/// A pipe or terminal behind standard output that nobody reads does not keep `run` and `record` from ending by a signal or after their
/// time: what was not written by then is counted.
pub fn main() -> Exit {
    main_with(env::args_os())
}

/// As [`main`], with other arguments, the program's name first.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> Exit {
    execute(args, Streams { input: &mut io::stdin(), out: &mut io::stdout(), err: &mut io::stderr(), own: true })
}

/// Runs the command with arguments and streams of the caller's, the program's name first among the arguments.
///
/// Events and what was asked for go to `out`, everything else to `err`. A closed pipe behind `out` is no error. `run` and `record` take the
/// process's signals SIGINT, SIGTERM, SIGHUP and SIGTSTP.
pub fn run(args: impl IntoIterator<Item = OsString>, input: &mut dyn Read, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    execute(args, Streams { input, out, err, own: false })
}

fn execute(args: impl IntoIterator<Item = OsString>, mut streams: Streams<'_>) -> Exit {
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
        Err(Failure::Error(error @ (Error::Kernel(_) | Error::NoTarget { .. }))) => (Exit::Kernel, said(&error)),
        Err(Failure::Error(error)) => (Exit::Refused, said(&error)),
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
