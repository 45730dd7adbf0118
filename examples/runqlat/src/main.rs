//! Measures how long threads wait for a CPU after they become runnable: a typed map of histograms,
//! read and emptied once a second.
#![forbid(unsafe_code)]

use std::{
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use eunomia_runtime::histogram::Log2Histogram;

eunomia_macros::include_skeleton!("bpf/runqlat.json");

use runqlat::Export;

/// How long threads wait for a CPU once they can run
#[derive(Parser)]
struct Options {
    /// Options of the skeleton's variables
    #[command(flatten)]
    args: runqlat::Args,
    /// End after this many seconds
    #[arg(long, value_name = "S")]
    duration: Option<u64>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let skel = runqlat::open()?.args(&options.args)?.load()?.attach()?;

    let stop = skel.control();
    let on_signal = stop.clone();
    ctrlc::set_handler(move || on_signal.stop())?;
    let end = options.duration.map(|seconds| Instant::now() + Duration::from_secs(seconds));

    // The total of all readings gives the percentiles at the end.
    let mut all = Log2Histogram::new();
    let mut show = |Export::Hists(entry): Export<'_>| {
        let hist = Log2Histogram::from_slots(&entry.value.slots);
        all.merge(&hist);
        if options.args.per_process {
            println!("{} ({})", entry.value.comm, *entry.key);
        }
        println!("{}\n", hist.text("usecs"));
    };
    while !stop.is_stopped() && end.is_none_or(|end| Instant::now() < end) {
        skel.poll(Duration::from_secs(1), &mut show)?;
    }
    // Detaches the programs and reads what they counted since the last poll.
    skel.finish(&mut show)?;
    if let (Some(median), Some(high)) = (all.percentile(50.0), all.percentile(99.0)) {
        println!(
            "{} waits, half of them up to {} us, 99 % up to {} us",
            all.count(),
            median.end(),
            high.end()
        );
    }
    Ok(())
}
