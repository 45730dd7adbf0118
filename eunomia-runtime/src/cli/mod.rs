//! The command `eunomia`: runs skeletons, shows what they contain, reports whether this kernel can
//! run them, and records and replays their events.
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
mod help;
mod input;
mod inspect;
mod outlet;
mod output;
mod printed;
mod record;
mod replay;
mod run;
mod running;
#[allow(unsafe_code, reason = "reads the disposition of signals")]
mod signals;
mod summary;

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal as _, Read, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory as _, Parser as _};

use crate::{Error, args::parsed::parsed, error::Diagnostics, host::environment, plain::plain};
use args::{Args, Command};

/// The outcome of the command; its number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command did what was asked for.
    Done = 0,
    /// The input has faults, the answer is no (`doctor`), or a file cannot be read or written.
    Failed = 1,
    /// The command line is wrong, or the options of the skeleton are.
    Usage = 2,
    /// The kernel refused (permissions, a missing feature, a program that the verifier rejects), or
    /// no program could be attached.
    Kernel = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The reason why the command did not succeed.
enum CommandError {
    /// The command line is wrong, or asks for a text that clap prints (`--help`, `--version`).
    Usage(Box<clap::Error>),
    /// The command printed its answer, and the answer is no.
    No,
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

impl From<clap::Error> for CommandError {
    fn from(error: clap::Error) -> Self {
        Self::Usage(Box::new(error))
    }
}

/// The streams of the command.
struct Streams<'a> {
    input: &'a mut dyn Read,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// True if they are the streams of this process.
    own: bool,
}

/// The destination of events.
struct Out<'a> {
    to: &'a mut dyn Write,
    /// True if `to` is this process's standard output.
    own: bool,
}

/// The destination of all messages.
struct Messages<'a> {
    to: &'a mut dyn Write,
    /// True if `to` is this process's standard error.
    own: bool,
    stuck: bool,
}

impl Messages<'_> {
    /// Prints a message, unless the pipe behind standard error is stuck.
    fn print(&mut self, text: &str) {
        // A pipe that was stuck once is not waited for again.
        let patience = if self.stuck { Duration::ZERO } else { outlet::PATIENCE };
        self.stuck = self.own && !outlet::is_writable(io::stderr(), patience);
        if !self.stuck {
            // If this write fails, no other place is left for the message.
            let _ = writeln!(self.to, "{}", plain(text));
        }
    }
}

/// Returns the text of an error, with the command's own options in its hint.
fn error_text(error: &Error) -> String {
    match error {
        Error::NoTarget { program, section, wants, .. } => {
            choice::no_target(program, section, wants)
        }
        error => error.for_command(),
    }
}

/// Runs the command with the arguments and streams of this process.
///
/// If nobody reads the pipe or terminal behind standard output, `run` and `record` still end by a
/// signal or after their duration. They count the events that could not be written by then.
pub fn main() -> Exit {
    main_with(env::args_os())
}

/// Runs the command with other arguments than those of this process, otherwise as [`main`]. The
/// program's name comes first.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> Exit {
    execute(
        args,
        Streams {
            input: &mut io::stdin(),
            out: &mut io::stdout(),
            err: &mut io::stderr(),
            own: true,
        },
    )
}

/// Runs the command with arguments and streams of the caller. The program's name is the first
/// argument.
///
/// Events and answers go to `out`, everything else to `err`. A closed pipe behind `out` is no
/// error. `run` and `record` handle the process's signals SIGINT, SIGTERM, SIGHUP and SIGTSTP while
/// they run.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    input: &mut dyn Read,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Exit {
    execute(args, Streams { input, out, err, own: false })
}

fn execute(args: impl IntoIterator<Item = OsString>, mut streams: Streams<'_>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let parsed = parsed(&args, Args::command, |args| Args::try_parse_from(args));
    let result = parsed.map_err(CommandError::from).and_then(|args| match args.command {
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
    let (exit, text) = match result {
        Ok(()) => return Exit::Done,
        Err(CommandError::No) => return Exit::Failed,
        // `--help` and `--version`.
        Err(CommandError::Usage(text)) if !text.use_stderr() => {
            let text = rendered(&text, std::io::stdout().is_terminal());
            match output::print(streams.out, text.as_bytes()) {
                Err(CommandError::Error(error)) => (Exit::Failed, error.to_string()),
                _ => return Exit::Done,
            }
        }
        Err(CommandError::Usage(wrong)) => {
            (Exit::Usage, rendered(&wrong, std::io::stderr().is_terminal()))
        }
        Err(CommandError::Error(error @ (Error::Kernel(_) | Error::NoTarget { .. }))) => {
            (Exit::Kernel, error_text(&error))
        }
        Err(CommandError::Error(error)) => (Exit::Failed, error_text(&error)),
    };
    // If this write fails, no other place is left for the message.
    let _ = writeln!(streams.err, "{}", text.trim_end());
    exit
}

/// Renders a text of clap, in colours on a terminal unless NO_COLOR is set
/// (<https://no-color.org>).
fn rendered(text: &clap::Error, terminal: bool) -> String {
    let colours =
        terminal && environment::variable("NO_COLOR").is_none_or(|value| value.is_empty());
    if colours { text.render().ansi().to_string() } else { text.render().to_string() }
}
