//! Samples what runs on each CPU and prints the stacks with their counts, the most frequent first.
//!
//! A line is `command;outer;..;inner count`, which tools that draw flame graphs read.
#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use eunomia_runtime::symbols::{Frame, Symbols};

eunomia_macros::include_skeleton!("src/bpf/NAME.json", mod = bpf);

use bpf::{Export, types::Sample};

#[cfg(test)]
mod tests;

/// Samples what runs on each CPU and prints the stacks with their counts
#[derive(Parser)]
struct Options {
    /// Options of the BPF program's variables
    #[command(flatten)]
    args: bpf::Args,
    /// Samples a second on each CPU
    #[arg(long, value_name = "HZ", default_value_t = 99)]
    frequency: u32,
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
    let mut open = bpf::open()?.args(&options.args)?;
    open.object().set_target(
        "tick",
        format!("cpu-clock:{}hz", options.frequency).parse()?,
    )?;
    let skel = open.load()?.attach()?;

    let stop = skel.control();
    let on_signal = stop.clone();
    ctrlc::set_handler(move || on_signal.stop())?;
    let end = options
        .duration
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));

    let symbols = Symbols::new();
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut count = |Export::Samples(sample): Export<'_>| {
        *counts.entry(folded(&symbols, sample)).or_default() += 1;
    };
    while !stop.is_stopped() && end.is_none_or(|end| Instant::now() < end) {
        skel.poll(Duration::from_millis(100), &mut count)?;
    }
    // Detaches the program and delivers the remaining samples.
    let stats = skel.finish(&mut count)?.stats().samples;

    let mut rows: Vec<_> = counts.into_iter().collect();
    rows.sort_by(|(a, few), (b, many)| many.cmp(few).then_with(|| a.cmp(b)));
    let mut out = io::stdout().lock();
    for (stack, count) in rows {
        writeln!(out, "{stack} {count}")?;
    }
    eprintln!(
        "{} samples, {} lost",
        stats.received,
        stats.lost.unwrap_or(0)
    );
    Ok(())
}

/// Returns the command and its functions, the outermost first.
fn folded(symbols: &Symbols, sample: &Sample) -> String {
    let user = symbols.symbolize_process(sample.pid, used(&sample.user, sample.user_len));
    let kernel = symbols.symbolize_kernel(used(&sample.kernel, sample.kernel_len));
    let mut line = sample.comm.to_string();
    for frame in user.iter().rev().chain(kernel.iter().rev()) {
        line.push(';');
        line.push_str(&name(frame));
    }
    line
}

/// Returns the part of an array that holds a stack; none of it if the kernel gave an error.
fn used(addresses: &[u64], bytes: i32) -> &[u64] {
    let len = usize::try_from(bytes).unwrap_or(0) / size_of::<u64>();
    addresses.get(..len).unwrap_or(addresses)
}

/// Returns the functions of a frame: one, and those that the compiler inlined there.
fn name(frame: &Frame) -> String {
    let names: Vec<_> = frame
        .symbols
        .iter()
        .map(|symbol| symbol.name.as_str())
        .collect();
    if names.is_empty() {
        format!("{:#x}", frame.address)
    } else {
        names.join(";")
    }
}
