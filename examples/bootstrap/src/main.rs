//! Prints every process start and exit on the machine, read in place in the ring buffer.
#![forbid(unsafe_code)]

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use jiff::Zoned;

eunomia_macros::include_skeleton!("bpf/bootstrap.json");

use bootstrap::{Export, types::Event};

/// Prints every process start and exit.
#[derive(Parser)]
struct Options {
    /// Options of the skeleton's variables
    #[command(flatten)]
    args: bootstrap::Args,
    /// End after this many seconds
    #[arg(long, value_name = "S")]
    duration: Option<u64>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            // Shows what is missing if the kernel refused.
            eprint!("{}", eunomia_runtime::preflight());
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let skel = bootstrap::open()?.args(&options.args)?.load()?.attach()?;

    let stop = skel.control();
    let on_signal = stop.clone();
    ctrlc::set_handler(move || on_signal.stop())?;
    let end = options.duration.map(|seconds| Instant::now() + Duration::from_secs(seconds));

    let mut out = io::stdout().lock();
    writeln!(
        out,
        "TIME     PID     PPID    EXIT_CODE DURATION_NS  COMM             FILENAME                         EXIT_EVENT ET"
    )?;
    let mut show = |Export::Rb(event): Export<'_>| {
        // Nothing reads the output any more.
        if print(&mut out, event).is_err() {
            stop.stop_now();
        }
    };
    while !stop.is_stopped() && end.is_none_or(|end| Instant::now() < end) {
        skel.poll(Duration::from_millis(100), &mut show)?;
    }
    // Detaches the programs and delivers the remaining events.
    let skel = skel.finish(&mut show)?;
    let stats = skel.stats().rb;
    let lost = stats.lost.map_or("an unknown number".to_owned(), |lost| lost.to_string());
    eprintln!("{} events, {lost} lost", stats.received);
    Ok(())
}

fn print(out: &mut impl Write, event: &Event) -> io::Result<()> {
    let time = Zoned::now().strftime("%H:%M:%S").to_string();
    let Event { pid, ppid, exit_code, duration_ns, comm, filename, exit_event, et, .. } = event;
    writeln!(
        out,
        "{time:<8} {pid:<7} {ppid:<7} {exit_code:<9} {duration_ns:<12} {comm:<16} {filename:<32} {exit_event:<10} {et}"
    )
}
