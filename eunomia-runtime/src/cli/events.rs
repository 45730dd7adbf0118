//! A skeleton in the kernel and the loop that takes its records: what `run` and `record` share.

use std::{
    ffi::OsString,
    io::Write,
    time::{Duration, Instant},
};

use super::{
    Failure,
    args::{Kernel, Limits},
    input::Input,
    output::Reader,
    signals::Handlers,
};
use crate::{
    Result,
    bpf::BtfCache,
    dynamic::{Attached, Loaded, Open},
    reader::Stats,
    sample::Verdict,
};

/// Opens a skeleton and sets its variables by its own options.
pub(super) fn open(input: &Input, kernel: &Kernel, args: &[OsString], command: &str) -> Result<Open, Failure> {
    let checked = input.document.check()?;
    let btf = match (input.kernel_btf(kernel.btf.as_deref())?, &kernel.btf_cache) {
        (None, Some(folder)) => BtfCache::new(folder)?.file(checked.skeleton.object.as_deref().unwrap_or_default())?,
        (btf, _) => btf,
    };
    let open = checked.open(btf.as_deref())?;
    let own = open.command()?.no_binary_name(true).bin_name(format!("eunomia {command} {} --", input.document.file));
    Ok(open.args(&own.try_get_matches_from(args)?)?)
}

/// Loads and attaches, and says so.
pub(super) fn attach(open: Open, quiet: bool, err: &mut dyn Write) -> Result<Attached> {
    let skel = open.load()?.attach()?;
    if !quiet {
        let checked = skel.checked();
        let programs = checked.programs.len();
        let delivers = match &checked.streams[..] {
            [] => "no map delivers events".to_owned(),
            streams => format!("events of {}", streams.iter().map(|stream| stream.map.as_str()).collect::<Vec<_>>().join(", ")),
        };
        let plural = if programs == 1 { "" } else { "s" };
        // Where this fails there is nobody to tell.
        let _ = writeln!(err, "{}: {programs} program{plural} attached, {delivers}; Ctrl-C ends", checked.skeleton.name);
    }
    Ok(skel)
}

/// How long a poll waits where nothing happens: signals wake it.
const IDLE: Duration = Duration::from_secs(1);

/// Where records go.
pub(super) trait Taker {
    /// Takes one; [`Verdict::Stop`] where there is no sense in more.
    fn take(&mut self, map: usize, record: &[u8]) -> Verdict;

    /// Is called when those that were there have been taken.
    fn flush(&mut self) -> Result<Reader>;
}

/// Takes records until a limit is reached, a signal comes or nobody reads any more; then detaches and takes what is left.
pub(super) fn follow(skel: Attached, limits: &Limits, quiet: bool, err: &mut dyn Write, to: &mut impl Taker) -> Result<()> {
    let control = skel.control();
    let signals = Handlers::new(control.clone(), quiet)?;
    let (start, mut count, mut ended) = (Instant::now(), 0, false);
    let mut take = |to: &mut _, ended: &mut bool, map: usize, record: &[u8]| {
        let verdict = Taker::take(to, map, record);
        count += u64::from(matches!(verdict, Verdict::Delivered));
        let enough = matches!(verdict, Verdict::Stop) || (matches!(verdict, Verdict::Delivered) && Some(count) == limits.count);
        *ended |= enough;
        if enough { Verdict::Stop } else { verdict }
    };
    while !ended && !control.is_stopped() {
        let left = limits.duration.map_or(IDLE, |time| time.saturating_sub(start.elapsed()));
        if left.is_zero() {
            break;
        }
        let polled = skel.object().poll(left.min(IDLE), |map, record| take(to, &mut ended, map, record));
        // What came before an error is not lost with it.
        ended |= to.flush()? == Reader::Gone;
        polled?;
    }
    let loaded = skel.detach();
    if !ended {
        let drained = loaded.object().drain(|map, record| take(to, &mut ended, map, record));
        to.flush()?;
        drained?;
    }
    drop(signals);
    if !quiet {
        summary(&loaded, start.elapsed(), err);
    }
    Ok(())
}

fn summary(loaded: &Loaded, time: Duration, err: &mut dyn Write) {
    for (map, stats) in loaded.stats() {
        let Stats { received, discarded, short, lost, .. } = stats;
        let mut text = format!("{map}: {received} events in {:.1} s", time.as_secs_f64());
        text += &match lost {
            Some(lost) => format!(", {lost} lost"),
            None => format!(", lost: unknown (the program has no counter `{map}_dropped`)"),
        };
        for (number, what) in [(discarded, "discarded by the program"), (short, "shorter than their type")] {
            if number > 0 {
                text += &format!(", {number} {what}");
            }
        }
        let _ = writeln!(err, "{text}");
    }
}
