//! Runs any skeleton: `dynamic [--duration S] FILE [--VARIABLE VALUE]..`. Its variables are listed
//! by `dynamic FILE -- --help`.
#![forbid(unsafe_code)]

use std::{
    error::Error,
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use eunomia_runtime::{
    Skeleton,
    output::{Format, Printer},
};
use jiff::Zoned;

/// Runs any skeleton and prints its events.
#[derive(Parser)]
struct Options {
    /// End after this many seconds
    #[arg(long, value_name = "S")]
    duration: Option<u64>,
    /// A JSON skeleton or a BPF object (`.bpf.o`)
    file: PathBuf,
    /// Options of the skeleton's variables; `-- --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

fn main() -> ExitCode {
    run(Options::parse()).map_or_else(
        |error| {
            eprintln!("{error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let open = Skeleton::from_file(options.file)?.open()?;
    let args = open.command()?.no_binary_name(true).get_matches_from(options.args);
    let skel = open.args(&args)?.load()?.attach()?;
    let stop = skel.control();
    let on_signal = stop.clone();
    ctrlc::set_handler(move || on_signal.stop())?;
    let end = options.duration.map(|seconds| Instant::now() + Duration::from_secs(seconds));

    let checked = Arc::clone(skel.checked());
    let mut printer = Printer::new(&checked, Format::Text)?;
    let mut text = Vec::new();
    while !stop.is_stopped() && end.is_none_or(|end| Instant::now() < end) {
        printer.set_time(&Zoned::now().strftime("%H:%M:%S").to_string());
        skel.poll(Duration::from_millis(100), |event| printer.write(&event, &mut text))?;
        if io::stdout().write_all(&text).is_err() {
            // Nothing reads the output any more.
            stop.stop_now();
        }
        text.clear();
    }
    // Detaches the programs and delivers the remaining events.
    let skel = skel.finish(|event| printer.write(&event, &mut text))?;
    let _ = io::stdout().write_all(&text);
    for (map, stats) in skel.stats() {
        let at_least = if stats.lost_at_least { "at least " } else { "" };
        let lost =
            stats.lost.map_or("an unknown number".to_owned(), |lost| format!("{at_least}{lost}"));
        eprintln!("{map}: {} events, {lost} lost", stats.received);
    }
    Ok(())
}
