//! Prints every program that starts.
#![forbid(unsafe_code)]

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;

eunomia_macros::include_skeleton!("src/bpf/NAME.json", mod = bpf);

use bpf::{Export, types::Event};

#[cfg(test)]
mod tests;

/// Prints every program that starts
#[derive(Parser)]
struct Options {
    /// Options of the BPF program's variables
    #[command(flatten)]
    args: bpf::Args,
    /// End after this many seconds
    #[arg(long, value_name = "S")]
    duration: Option<u64>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            // Says what the machine or the process lacks.
            eprint!("{}", eunomia_runtime::preflight());
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let skel = bpf::open()?.args(&options.args)?.load()?.attach()?;

    let stop = skel.control();
    let on_signal = stop.clone();
    ctrlc::set_handler(move || on_signal.stop())?;
    let end = options
        .duration
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));

    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:<7} {:<7} {:<6} {:<16} FILE",
        "PID", "PPID", "UID", "COMMAND"
    )?;
    let mut show = |Export::Events(event): Export<'_>| {
        let Event {
            pid,
            ppid,
            uid,
            comm,
            filename,
            ..
        } = event;
        // An error means that nobody reads the output any more.
        if writeln!(out, "{pid:<7} {ppid:<7} {uid:<6} {comm:<16} {filename}").is_err() {
            stop.stop_now();
        }
    };
    while !stop.is_stopped() && end.is_none_or(|end| Instant::now() < end) {
        skel.poll(Duration::from_millis(100), &mut show)?;
    }
    // Detaches the program and delivers the remaining events.
    let stats = skel.finish(&mut show)?.stats().events;
    eprintln!(
        "{} events, {} lost",
        stats.received,
        stats.lost.unwrap_or(0)
    );
    Ok(())
}
