//! The command line. The doc comments on commands and fields are their help texts.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum, error::ErrorKind};

use super::{
    CommandError,
    choice::{Attach, Event, Size, Type},
    help::{
        AFTER, AFTER_CHECK, AFTER_DOCTOR, AFTER_INSPECT, AFTER_RECORD, AFTER_REPLAY, AFTER_RUN,
    },
};
use crate::{output::Format, plain::line};

/// Runs eBPF skeletons and shows what they contain
#[derive(Parser)]
#[command(name = "eunomia", version, after_help = AFTER)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Loads a skeleton, attaches its programs and prints their events
    #[command(after_help = AFTER_RUN)]
    Run(Run),
    /// Shows programs, maps, variables and the layouts of events
    #[command(after_help = AFTER_INSPECT)]
    Inspect(Inspect),
    /// Checks a skeleton against its object
    #[command(after_help = AFTER_CHECK)]
    Check(Check),
    /// Reports whether this kernel can run BPF programs, or those of a skeleton
    #[command(after_help = AFTER_DOCTOR)]
    Doctor(Doctor),
    /// Writes the events of a skeleton to a file that `replay` can read
    #[command(after_help = AFTER_RECORD)]
    Record(Record),
    /// Prints the events of a recording; needs no privileges
    #[command(after_help = AFTER_REPLAY)]
    Replay(Replay),
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Prints the manual page of eunomia or of one of its commands, in roff
    Man {
        /// The command whose page is printed
        command: Option<String>,
    },
}

#[derive(clap::Args)]
pub(super) struct Source {
    /// A skeleton in JSON or YAML (.yaml), a BPF object (.bpf.o), or a tar archive with package.json
    /// and BTF; `-` for standard input
    pub(super) file: PathBuf,
    /// The object that belongs to the skeleton; replaces an object that is embedded in the skeleton
    #[arg(long, value_name = "FILE")]
    pub(super) object: Option<PathBuf>,
}

impl Source {
    /// Returns the files that the command reads.
    pub(super) fn paths(&self) -> Vec<&Path> {
        [Some(&self.file), self.object.as_ref()]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
            .collect()
    }
}

#[derive(clap::Args)]
pub(super) struct Kernel {
    /// A file with the BTF of this kernel, or a directory with the BTF of many kernels; replaces
    /// the BTF that the kernel provides
    #[arg(long, value_name = "PATH")]
    pub(super) btf: Option<PathBuf>,
    /// A directory that caches the part of the kernel's BTF that the skeleton needs; later loads
    /// take a fifth of the time
    #[arg(long, value_name = "FOLDER", conflicts_with = "btf")]
    pub(super) btf_cache: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(super) struct Limits {
    /// Stops after N events
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    /// Stops after this time: a number of seconds, or a value with units such as `1m30s` or `500ms`
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,
}

/// Options that change programs, maps and events of a skeleton.
#[derive(clap::Args)]
#[command(next_help_heading = "Programs, maps and events")]
#[group(requires = "file")]
pub(super) struct Choice {
    /// Does not load a program. `*` matches any characters, as in `*_btf`
    #[arg(long, value_name = "PROGRAM")]
    pub(super) without: Vec<String>,
    /// Loads only the programs that `--only`, `--with` and `--attach` name
    #[arg(long, value_name = "PROGRAM", alias = "program")]
    pub(super) only: Vec<String>,
    /// Loads and attaches a program that is off by default: `SEC("?..")` or `"link": false`
    #[arg(long, value_name = "PROGRAM")]
    pub(super) with: Vec<String>,
    /// Attaches a program to a target, for example `packet=xdp:eth0`; see `eunomia run --help` for
    /// targets
    #[arg(long, value_name = "PROGRAM=TARGET")]
    pub(super) attach: Vec<Attach>,
    /// Sets the type of a program whose section names none, for example `hook=xdp` or
    /// `hook=cgroup/connect4`
    #[arg(long = "type", value_name = "PROGRAM=TYPE")]
    pub(super) types: Vec<Type>,
    /// Sets the entries of a map (`counts=10240`), also the bytes of its values
    /// (`stacks=1024:1016`), or the bytes of a ring buffer (`events=256K`)
    #[arg(long = "map", value_name = "MAP=ENTRIES[:BYTES]")]
    pub(super) maps: Vec<Size>,
    /// Sets the C type of a map's events, for example `events='struct event'`
    #[arg(long = "event", value_name = "MAP=TYPE")]
    pub(super) events: Vec<Event>,
    /// Fails if a program cannot be attached; without it, the other programs run
    #[arg(long)]
    pub(super) strict: bool,
}

/// Options of the commands that load a skeleton.
#[derive(clap::Args)]
pub(super) struct Live {
    #[command(flatten)]
    pub(super) limits: Limits,
    #[command(flatten)]
    pub(super) kernel: Kernel,
    /// Mounts tracefs and bpffs if they are missing
    #[arg(long)]
    pub(super) mount: bool,
    /// Prints only errors to standard error
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Options that the skeleton defines; `-- --help` lists them
    #[arg(last = true, value_name = "ARGS")]
    pub(super) args: Vec<OsString>,
    // The heading of `Choice` applies to every option that follows, so it comes last.
    #[command(flatten)]
    pub(super) choice: Choice,
}

#[derive(clap::Args)]
pub(super) struct Shown {
    /// The format of events
    #[arg(short, long, value_enum, default_value_t = Style::Text)]
    pub(super) format: Style,
    /// The file to write; standard output by default
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Prints addresses in stack traces without looking up function names
    #[arg(long)]
    pub(super) no_symbols: bool,
    /// Also reads function names from the /tmp/perf-PID.map files of just-in-time compilers
    #[arg(long, conflicts_with = "no_symbols")]
    pub(super) perf_maps: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Style {
    /// A table, histograms or stack traces
    Text,
    /// One JSON object per line
    Json,
    /// The bytes that the program sent
    Raw,
}

impl From<Style> for Format {
    fn from(style: Style) -> Self {
        match style {
            Style::Text => Self::Text,
            Style::Json => Self::Json,
            Style::Raw => Self::Raw,
        }
    }
}

#[derive(clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) source: Source,
    #[command(flatten)]
    pub(super) shown: Shown,
    #[command(flatten)]
    pub(super) live: Live,
}

#[derive(clap::Args)]
pub(super) struct Inspect {
    #[command(flatten)]
    pub(super) source: Source,
    /// Sets the C type of a map's events, for example `events='struct event'`
    #[arg(long = "event", value_name = "MAP=TYPE")]
    pub(super) events: Vec<Event>,
    /// Prints one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) source: Source,
    /// Sets the C type of a map's events, for example `events='struct event'`
    #[arg(long = "event", value_name = "MAP=TYPE")]
    pub(super) events: Vec<Event>,
}

#[derive(clap::Args)]
pub(super) struct Doctor {
    /// A skeleton in JSON or YAML (.yaml), a BPF object (.bpf.o), or a tar archive with package.json
    /// and BTF; `-` for standard input
    pub(super) file: Option<PathBuf>,
    /// The object that belongs to the skeleton; replaces an object that is embedded in the skeleton
    #[arg(long, value_name = "FILE", requires = "file")]
    pub(super) object: Option<PathBuf>,
    /// A file with the BTF of this kernel, or a directory with the BTF of many kernels; replaces
    /// the BTF that the kernel provides
    #[arg(long, value_name = "PATH", requires = "file")]
    pub(super) btf: Option<PathBuf>,
    /// Prints one JSON object
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) choice: Choice,
}

#[derive(clap::Args)]
pub(super) struct Record {
    #[command(flatten)]
    pub(super) source: Source,
    /// The recording to write; `-` for standard output
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
    #[command(flatten)]
    pub(super) live: Live,
}

#[derive(clap::Args)]
pub(super) struct Replay {
    #[command(flatten)]
    pub(super) source: Source,
    /// The recording to read; `-` for standard input
    pub(super) recording: PathBuf,
    #[command(flatten)]
    pub(super) shown: Shown,
    /// Stops after N events
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
}

/// Returns a usage error that was found after clap had parsed the command line.
pub(super) fn usage(kind: ErrorKind, message: &str) -> CommandError {
    Args::command().error(kind, line(message)).into()
}

fn duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected seconds, or units as in `1m30s`, `2h` or `500ms`";
    let parsed = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => text.parse::<jiff::SignedDuration>().ok().and_then(|time| time.try_into().ok()),
    };
    parsed.filter(|time| !time.is_zero()).ok_or_else(|| EXPECTED.to_owned())
}

/// Renders a manual page in roff.
pub(super) fn man(command: Option<&str>) -> Result<Vec<u8>, CommandError> {
    let mut whole = Args::command();
    whole.build();
    let page = match command {
        None => whole,
        Some(name) => match whole.find_subcommand(name) {
            Some(command) => {
                let full = format!("eunomia-{name}");
                command.clone().name(full)
            }
            None => {
                let known: Vec<&str> =
                    whole.get_subcommands().map(clap::Command::get_name).collect();
                return Err(usage(
                    ErrorKind::InvalidValue,
                    &format!("no command `{name}`; known: {}", known.join(", ")),
                ));
            }
        },
    };
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    _ = clap_mangen::Man::new(page).render(&mut text);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_valid_for_clap() {
        Args::command().debug_assert();
    }

    #[test]
    fn duration_takes_seconds_or_units() {
        let parsed = |text| duration(text).map(|time| time.as_millis());
        assert_eq!(
            [parsed("3"), parsed("0.5"), parsed("500ms"), parsed("1m30s"), parsed("2h")],
            [3000, 500, 500, 90_000, 7_200_000].map(Ok)
        );
        for wrong in ["", "0", "-1", "nan", "inf", "3x", "1e30", "-5s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
