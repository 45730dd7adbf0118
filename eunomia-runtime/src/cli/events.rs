//! A skeleton in the kernel and the loop that takes its records: what `run` and `record` share.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use super::{
    Failure,
    args::{Limits, Live},
    input::Input,
    output::Reader,
    signals::Handlers,
};
use crate::{
    Result,
    bpf::{BtfCache, mount},
    dynamic::{Attached, Loaded, Open},
    plain::plain,
    reader::Stats,
    sample::Verdict,
};

/// Opens a skeleton and sets its variables by its own options.
pub(super) fn open(input: &Input, live: &Live, command: &str) -> Result<Open, Failure> {
    let checked = input.document.check()?;
    if live.mount {
        [mount::tracefs, mount::bpffs].into_iter().try_for_each(|mount| mount().map(drop))?;
    }
    let btf = match (input.kernel_btf(live.kernel.btf.as_deref())?, &live.kernel.btf_cache) {
        (None, Some(folder)) => BtfCache::new(folder)?.file(checked.skeleton.object.as_deref().unwrap_or_default())?,
        (btf, _) => btf,
    };
    let open = checked.open(btf.as_deref())?;
    let own = open.command()?.no_binary_name(true).bin_name(format!("eunomia {command} {} --", input.document.file));
    Ok(open.args(&own.try_get_matches_from(&live.args)?)?)
}

/// How long a poll waits where nothing happens: signals wake it.
const IDLE: Duration = Duration::from_secs(1);

/// Where records go.
pub(super) trait Taker {
    /// Is called when programs run, and records will come.
    fn begin(&mut self);

    /// Takes one; [`Verdict::Stop`] where there is no sense in more.
    fn take(&mut self, map: usize, record: &[u8]) -> Verdict;

    /// Is called when those that were there have been taken.
    fn flush(&mut self) -> Result<Reader>;

    /// Whether nothing that was taken is worked on still.
    fn is_done(&self) -> bool {
        true
    }

    /// Is called behind the last record, and waits for what is worked on.
    fn end(&mut self) -> Result<Reader> {
        self.flush()
    }
}

/// How long a poll waits while records are worked on.
const BUSY: Duration = Duration::from_millis(5);

/// Loads and attaches, takes records until a limit is reached, a signal comes or nobody reads any more; then detaches and takes what is left.
pub(super) fn follow(open: Open, live: &Live, err: &mut dyn Write, to: &mut impl Taker) -> Result<()> {
    let quiet = live.quiet;
    let loaded = open.load()?;
    // Before anything runs that a signal would have to end.
    let signals = Handlers::new(loaded.control(), quiet)?;
    let skel = loaded.attach()?;
    to.begin();
    if !quiet {
        announce(&skel, err);
    }
    let start = Instant::now();
    let (loaded, followed) = Follower { to, limits: &live.limits, start, count: 0, ended: false }.follow(skel);
    if !quiet {
        summary(&loaded, start.elapsed(), err);
    }
    // Until then whoever writes to a pipe that is full can be ended.
    drop(signals);
    followed
}

struct Follower<'a, T> {
    to: &'a mut T,
    limits: &'a Limits,
    start: Instant,
    count: u64,
    ended: bool,
}

impl<T: Taker> Follower<'_, T> {
    fn follow(mut self, skel: Attached) -> (Loaded, Result<()>) {
        let polled = self.poll(&skel);
        let loaded = skel.detach();
        let followed = polled.and_then(|()| {
            if self.ended {
                return Ok(());
            }
            let drained = loaded.object().drain(|map, record| self.take(map, record));
            self.to.flush()?;
            drained.map(drop)
        });
        let ended = self.to.end().map(drop);
        (loaded, followed.and(ended))
    }

    fn poll(&mut self, skel: &Attached) -> Result<()> {
        let control = skel.control();
        while !self.ended && !control.is_stopped() {
            let left = self.limits.duration.map_or(IDLE, |time| time.saturating_sub(self.start.elapsed()));
            if left.is_zero() {
                break;
            }
            let polled = skel.object().poll(left.min(if self.to.is_done() { IDLE } else { BUSY }), |map, record| self.take(map, record));
            // What came before an error is not lost with it.
            self.ended |= self.to.flush()? == Reader::Gone;
            polled?;
        }
        Ok(())
    }

    fn take(&mut self, map: usize, record: &[u8]) -> Verdict {
        let verdict = self.to.take(map, record);
        let delivered = matches!(verdict, Verdict::Delivered);
        self.count += u64::from(delivered);
        if matches!(verdict, Verdict::Stop) || (delivered && Some(self.count) == self.limits.count) {
            self.ended = true;
            return Verdict::Stop;
        }
        verdict
    }
}

fn announce(skel: &Attached, err: &mut dyn Write) {
    let (checked, links) = (skel.checked(), skel.links().len());
    let delivers = match &checked.streams[..] {
        [] => "no map delivers events".to_owned(),
        streams => format!("events of {}", streams.iter().map(|stream| stream.map.as_str()).collect::<Vec<_>>().join(", ")),
    };
    let plural = if links == 1 { "" } else { "s" };
    let text = format!("{}: {links} program{plural} attached, {delivers}; Ctrl-C ends", checked.skeleton.name);
    // Where this fails there is nobody to tell.
    let _ = writeln!(err, "{}", plain(&text));
}

fn summary(loaded: &Loaded, time: Duration, err: &mut dyn Write) {
    for (stream, (map, stats)) in loaded.checked().streams.iter().zip(loaded.stats()) {
        let Stats { received, discarded, short, lost, .. } = stats;
        let mut text = format!("{map}: {received} events in {:.1} s", time.as_secs_f64());
        text += &match (lost, &stream.sampled) {
            (Some(lost), _) => format!(", {lost} lost"),
            (None, None) => format!(", lost: unknown (the program has no counter `{map}_dropped`)"),
            // What is taken out of a map was not lost.
            (None, Some(_)) => String::new(),
        };
        for (number, what) in [(discarded, "discarded by the program"), (short, "shorter than their type")] {
            if number > 0 {
                text += &format!(", {number} {what}");
            }
        }
        let _ = writeln!(err, "{}", plain(&text));
    }
}
