//! Shows once a second how long system calls took, as a histogram.
#![forbid(unsafe_code)]

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use eunomia_runtime::histogram::Log2Histogram;

eunomia_macros::include_skeleton!("src/bpf/NAME.json", mod = bpf);

use bpf::Export;

#[cfg(test)]
mod tests;

/// Shows once a second how long system calls took
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
    let mut all = Log2Histogram::new();
    let mut show = |Export::Latency(entry): Export<'_>| {
        let hist = Log2Histogram::from_slots(&entry.value.slots);
        all.merge(&hist);
        // An error means that nobody reads the output any more.
        if writeln!(out, "{}\n", hist.text("us")).is_err() {
            stop.stop_now();
        }
    };
    while !stop.is_stopped() && end.is_none_or(|end| Instant::now() < end) {
        skel.poll(Duration::from_millis(100), &mut show)?;
    }
    // Detaches the programs and reads what they counted since the last reading.
    skel.finish(&mut show)?;
    if let (Some(median), Some(high)) = (all.percentile(50.0), all.percentile(99.0)) {
        eprintln!(
            "{} calls, half of them up to {} us, 99 % up to {} us",
            all.count(),
            median.end(),
            high.end()
        );
    }
    Ok(())
}
