//! Runs any skeleton: `dynamic FILE [--duration S] [--VARIABLE VALUE]..`
#![forbid(unsafe_code)]

use std::{
    env,
    error::Error,
    io::{self, Write},
    ops::ControlFlow,
    process::ExitCode,
    time::{Duration, Instant},
};

use eunomia_runtime::{Skeleton, dynamic::Event};
use jiff::Zoned;

const USAGE: &str = "usage: dynamic FILE [--duration SECONDS] [--VARIABLE VALUE]..  (FILE: a JSON skeleton or a .bpf.o)";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let mut open = Skeleton::from_file(args.next().ok_or(USAGE)?)?.open()?;
    let mut end = None;
    while let Some(option) = args.next() {
        let name = option.strip_prefix("--").ok_or(USAGE)?.replace('-', "_");
        let value = args.next().ok_or_else(|| format!("{option} needs a value\n{USAGE}"))?;
        match name.as_str() {
            "duration" => end = Some(Instant::now() + Duration::from_secs(value.parse()?)),
            variable => open.set(variable, &value)?,
        }
    }
    let mut skel = open.load()?.attach()?;
    let stop = skel.stop_handle();
    let on_signal = stop.clone();
    ctrlc::set_handler(move || on_signal.stop())?;

    let mut out = io::stdout().lock();
    let mut header = true;
    while !stop.is_stopped() && end.is_none_or(|end| Instant::now() < end) {
        skel.poll(Duration::from_millis(100), |event| match print(&mut out, &event, &mut header) {
            Ok(()) => ControlFlow::Continue(()),
            // Nobody reads any more.
            Err(_) => ControlFlow::Break(()),
        })?;
    }
    for (map, stats) in skel.stats() {
        let lost = stats.lost.map_or_else(|| "an unknown number".to_owned(), |lost| lost.to_string());
        eprintln!("{map}: {} events, {lost} lost", stats.received);
    }
    Ok(())
}

fn print(out: &mut impl Write, event: &Event<'_>, header: &mut bool) -> io::Result<()> {
    let columns = |out: &mut dyn Write, time: &str, cell: &dyn Fn(&str, String) -> String| {
        write!(out, "{time:<8}")?;
        event.value.fields().try_for_each(|(name, value)| write!(out, " {:<8}", cell(name, value.to_string())))?;
        writeln!(out)
    };
    if std::mem::take(header) {
        columns(out, "TIME", &|name, _| name.to_uppercase())?;
    }
    columns(out, &Zoned::now().strftime("%H:%M:%S").to_string(), &|_, value| value)
}
