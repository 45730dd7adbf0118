//! The command line. The comments on commands and fields are their help texts.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum, error::ErrorKind};

use super::{
    Failure,
    choice::{Attach, Event, Size, Type},
};
use crate::output::Format;

/// Runs eBPF skeletons, and says what is in them
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
    /// Says whether this kernel can run BPF programs, or those of a skeleton
    #[command(after_help = AFTER_DOCTOR)]
    Doctor(Doctor),
    /// Writes the events of a skeleton into a file that can be replayed
    #[command(after_help = AFTER_RECORD)]
    Record(Record),
    /// Prints the events of a recording; needs no privileges
    #[command(after_help = AFTER_REPLAY)]
    Replay(Replay),
    /// Prints the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Prints the manual page of this command, or of one of those here, as roff
    Man {
        /// One of the commands here
        command: Option<String>,
    },
}

#[derive(clap::Args)]
pub(super) struct Source {
    /// A JSON skeleton, a BPF object (.bpf.o), or a tar archive of package.json and BTF; `-` is standard input
    pub(super) file: PathBuf,
    /// The object that the skeleton describes, in place of the one it may hold
    #[arg(long, value_name = "FILE")]
    pub(super) object: Option<PathBuf>,
}

impl Source {
    /// The files that are read.
    pub(super) fn paths(&self) -> Vec<&Path> {
        [Some(&self.file), self.object.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect()
    }
}

#[derive(clap::Args)]
pub(super) struct Kernel {
    /// A file with the BTF of this kernel, or a folder with that of many, in place of the kernel's own
    #[arg(long, value_name = "PATH")]
    pub(super) btf: Option<PathBuf>,
    /// A folder for the part of the kernel's BTF that the skeleton needs: loading it again takes a fifth of the time
    #[arg(long, value_name = "FOLDER", conflicts_with = "btf")]
    pub(super) btf_cache: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(super) struct Limits {
    /// Ends after so many events
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    /// Ends after this time: seconds, or with units as in `1m30s` or `500ms`
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,
}

/// What is different from what the skeleton says.
#[derive(clap::Args)]
#[command(next_help_heading = "Programs, maps and events")]
#[group(requires = "file")]
pub(super) struct Choice {
    /// Leaves out a program: it is not loaded. `*` stands for any characters, as in `*_btf`
    #[arg(long, value_name = "PROGRAM")]
    pub(super) without: Vec<String>,
    /// Loads this program, and no others but those of `--only`, `--with` and `--attach`
    #[arg(long, value_name = "PROGRAM", alias = "program")]
    pub(super) only: Vec<String>,
    /// Loads and attaches a program that is off: one of `SEC("?..")` or with `"link": false`
    #[arg(long, value_name = "PROGRAM")]
    pub(super) with: Vec<String>,
    /// Attaches a program to a target, as `packet=xdp:eth0`; `eunomia run --help` lists the targets
    #[arg(long, value_name = "PROGRAM=TARGET")]
    pub(super) attach: Vec<Attach>,
    /// Says of which type a program is whose section does not, as `hook=xdp` or `hook=cgroup/connect4`
    #[arg(long = "type", value_name = "PROGRAM=TYPE")]
    pub(super) types: Vec<Type>,
    /// Sets the entries of a map, as `counts=10240`, with the bytes of its values, as `stacks=1024:1016`; of a ring buffer its
    /// bytes, as `events=256K`
    #[arg(long = "map", value_name = "MAP=ENTRIES[:BYTES]")]
    pub(super) maps: Vec<Size>,
    /// Names the C type of the events of a map, as `events='struct event'`
    #[arg(long = "event", value_name = "MAP=TYPE")]
    pub(super) events: Vec<Event>,
    /// Ends with an error if a program cannot be attached; else the others run
    #[arg(long)]
    pub(super) strict: bool,
}

/// Of the commands that load a skeleton.
#[derive(clap::Args)]
pub(super) struct Live {
    #[command(flatten)]
    pub(super) limits: Limits,
    #[command(flatten)]
    pub(super) kernel: Kernel,
    /// Mounts tracefs and bpffs where they are missing
    #[arg(long)]
    pub(super) mount: bool,
    /// Says nothing but errors on standard error
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Options of the skeleton's own; `-- --help` lists them
    #[arg(last = true, value_name = "ARGS")]
    pub(super) args: Vec<OsString>,
    // Its heading is that of all options after it.
    #[command(flatten)]
    pub(super) choice: Choice,
}

#[derive(clap::Args)]
pub(super) struct Shown {
    /// How events are printed
    #[arg(short, long, value_enum, default_value_t = Style::Text)]
    pub(super) format: Style,
    /// The file to print to; else standard output
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Shows stack traces as addresses, without the names of functions
    #[arg(long)]
    pub(super) no_symbols: bool,
    /// Names functions of just-in-time compilers by the files that they write to /tmp, too
    #[arg(long, conflicts_with = "no_symbols")]
    pub(super) perf_maps: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Style {
    /// A table, histograms or stack traces
    Text,
    /// One JSON object a line
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
    /// As one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) source: Source,
}

#[derive(clap::Args)]
pub(super) struct Doctor {
    /// A JSON skeleton, a BPF object (.bpf.o), or a tar archive of package.json and BTF; `-` is standard input
    pub(super) file: Option<PathBuf>,
    /// The object that the skeleton describes, in place of the one it may hold
    #[arg(long, value_name = "FILE", requires = "file")]
    pub(super) object: Option<PathBuf>,
    /// A file with the BTF of this kernel, or a folder with that of many, in place of the kernel's own
    #[arg(long, value_name = "PATH", requires = "file")]
    pub(super) btf: Option<PathBuf>,
    /// As one JSON object
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) choice: Choice,
}

#[derive(clap::Args)]
pub(super) struct Record {
    #[command(flatten)]
    pub(super) source: Source,
    /// The recording to write; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
    #[command(flatten)]
    pub(super) live: Live,
}

#[derive(clap::Args)]
pub(super) struct Replay {
    #[command(flatten)]
    pub(super) source: Source,
    /// The recording; `-` is standard input
    pub(super) recording: PathBuf,
    #[command(flatten)]
    pub(super) shown: Shown,
    /// Ends after so many events
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
}

/// A fault of the command line that only shows later.
pub(super) fn usage(kind: ErrorKind, what: &str) -> Failure {
    Args::command().error(kind, what).into()
}

fn duration(text: &str) -> Result<Duration, String> {
    const WANTED: &str = "expected seconds, or units as in `1m30s`, `2h` or `500ms`";
    let parsed = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => text.parse::<jiff::SignedDuration>().ok().and_then(|time| time.try_into().ok()),
    };
    parsed.filter(|time| !time.is_zero()).ok_or_else(|| WANTED.to_owned())
}

/// A manual page, as clap's own tool writes it.
pub(super) fn man(command: Option<&str>) -> Result<Vec<u8>, Failure> {
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
                let known: Vec<&str> = whole.get_subcommands().map(clap::Command::get_name).collect();
                return Err(usage(ErrorKind::InvalidValue, &format!("there is no command `{name}`; there are {}", known.join(", "))));
            }
        },
    };
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    _ = clap_mangen::Man::new(page).render(&mut text);
    Ok(text)
}

const AFTER: &str = "\
Examples:
  eunomia inspect bootstrap.json
  eunomia doctor bootstrap.json
  eunomia run bootstrap.json
  eunomia run bootstrap.json --format json --duration 10s -- --min_duration_ns 1000000

Exit codes:
  0  done
  1  the input has faults, the answer is no (doctor), or a file cannot be read or written
  2  the command line is wrong
  3  the kernel refused";

const AFTER_RUN: &str = "\
Events go to standard output, a summary with what was lost to standard error. Ctrl-C and SIGTERM end, Ctrl-Z pauses and goes on.
The text of iterators is printed once; the command ends after it if no other programs run.

A program that cannot be attached is named on standard error with the reason, and the others run. One whose section does not say
what to attach it to needs `--attach`. Options for programs, maps and events may be repeated.

Targets:
  xdp:eth0              also xdp:eth0,generic (or native, offload)
  tcx:eth0/ingress      or egress; then ,first or ,last or ,before=ANCHOR or ,after=ANCHOR. ANCHOR is program:ID, link:ID or the path
                        of a pin. Kernels before 6.6 take ,priority=N instead
  netkit:nk0/primary    or peer; an order as of tcx
  cgroup:/sys/fs/cgroup an order as of tcx
  netns:/proc/self/ns/net
  netfilter:ipv4/pre_routing,priority=-128,defragmented
  socket:eth0           a socket filter on the packets of an interface
  map:NAME              a map of sockets, or the map that an iterator walks over
  kprobe:vfs_read       also kretprobe, ksyscall, fentry, fexit, fmod_ret, lsm, tp_btf, raw_tp
  tp:sched/sched_switch
  uprobe:/bin/bash:readline,pid=1234
                        also uretprobe; FUNCTION+OFFSET, or OFFSET alone; a library by its name, as libc.so.6
  usdt:FILE:PROVIDER:PROBE,pid=1234
  cpu-clock:99hz        perf events on all CPUs, 99 times a second; cache-misses:10000 after so many; also ,cpu=0 and ,pid=1234

Examples:
  eunomia run bootstrap.json                                       a table
  eunomia run bootstrap.json -- --help                             the skeleton's own options
  eunomia run bootstrap.json -f json -- --min_duration_ns 1000 | jq .comm
  eunomia run meta.skel.json --object prog.bpf.o -n 100 -o events.txt
  eunomia run softirqs.bpf.o --without '*_btf' --event 'events=struct event'
  eunomia run profile.bpf.o --attach do_perf_event=cpu-clock:99hz --map stackmap=10240
  curl https://example.org/package.json | eunomia run - -d 10s

Exit codes:
  0  done
  1  the input has faults, or a file cannot be read or written
  2  the command line is wrong, or the skeleton's own options are
  3  the kernel refused, or no program could be attached";

const AFTER_INSPECT: &str = "\
Examples:
  eunomia inspect bootstrap.json
  eunomia inspect prog.bpf.o --json | jq '.exports[].fields'

Exit codes:
  0  done
  1  the input has faults, or a file cannot be read
  2  the command line is wrong";

const AFTER_CHECK: &str = "\
Prints one line: the object, its maps and programs, and what each export delivers. Every fault goes to standard error, as
file:line:column: json.path: what is wrong; what to do

Exit codes:
  0  the skeleton and its object agree
  1  they do not, libbpf never opens or loads the object, or a file cannot be read
  2  the command line is wrong";

const AFTER_DOCTOR: &str = "\
Without a file it looks at what every BPF program needs: capabilities, lockdown, the system call, BTF, tracefs, perf events. With
one, also at what its programs need; with the options of `eunomia run` for programs, maps and events, whether that would run.
Nothing stays loaded.

Exit codes:
  0  it can
  1  it cannot, or the file has faults
  2  the command line is wrong";

const AFTER_RECORD: &str = "\
Ctrl-C and SIGTERM end the recording; what was written before is whole. A new file is for its owner alone.

Examples:
  eunomia record bootstrap.json -o exec.rec -d 1m
  eunomia replay bootstrap.json exec.rec -f json

Exit codes:
  0  done
  1  the input has faults, or a file cannot be read or written
  2  the command line is wrong, or the skeleton's own options are
  3  the kernel refused, or no program could be attached";

const AFTER_REPLAY: &str = "\
A recording of other layouts is refused. One that was cut off is replayed up to its last whole record.

Exit codes:
  0  done
  1  the skeleton has faults, the recording is none or of other layouts, or a file cannot be read or written
  2  the command line is wrong";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_fault() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations() {
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
