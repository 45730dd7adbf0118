//! Runs any skeleton: `dynamic FILE [--duration SECONDS] [--VARIABLE VALUE]..`, FILE being a JSON skeleton or a `.bpf.o`.
#![forbid(unsafe_code)]

use std::{
    env,
    error::Error,
    io::{self, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use eunomia_runtime::Skeleton;
use jiff::Zoned;

fn main() -> ExitCode {
    run().map_or_else(
        |error| {
            eprintln!("{error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let mut open = Skeleton::from_file(args.next().ok_or("usage: dynamic FILE [--duration SECONDS] [--VARIABLE VALUE]..")?)?.open()?;
    let mut end = None;
    while let Some(option) = args.next() {
        let value = args.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.trim_start_matches("--").replace('-', "_").as_str() {
            "duration" => end = Some(Instant::now() + Duration::from_secs(value.parse()?)),
            variable => open.set(variable, &value)?,
        }
    }
    let skel = open.load()?.attach()?;
    let stop = skel.stop_handle();
    let on_signal = stop.clone();
    ctrlc::set_handler(move || on_signal.stop())?;

    let mut out = io::stdout().lock();
    let mut header = true;
    while !stop.is_stopped() && end.is_none_or(|end| Instant::now() < end) {
        skel.poll(Duration::from_millis(100), |event| {
            let names = event.value.fields().map(|(name, _)| name.to_uppercase());
            let values = event.value.fields().map(|(_, value)| value.to_string());
            let now = Zoned::now().strftime("%H:%M:%S").to_string();
            if (header && row(&mut out, "TIME", names).is_err()) || row(&mut out, &now, values).is_err() {
                // Nobody reads any more.
                stop.stop();
            }
            header = false;
        })?;
    }
    for (map, stats) in skel.stats() {
        let lost = stats.lost.map_or("an unknown number".to_owned(), |lost| lost.to_string());
        eprintln!("{map}: {} events, {lost} lost", stats.received);
    }
    Ok(())
}

fn row(out: &mut impl Write, time: &str, mut cells: impl Iterator<Item = String>) -> io::Result<()> {
    write!(out, "{time:<8}")?;
    cells.try_for_each(|cell| write!(out, " {cell:<12}"))?;
    writeln!(out)
}
