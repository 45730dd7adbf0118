//! A skeleton in the kernel and the loop that takes its records: what `run` and `record` share.

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Read as _},
    time::{Duration, Instant},
};

use super::{
    Failure, Messages,
    args::{Limits, Live},
    input::Input,
    outlet::Ending,
    output::Reader,
    said,
    signals::Handlers,
};
use crate::{
    Result,
    bpf::{BtfCache, Check},
    checked::{Checked, Payload},
    diagnosis::mount,
    doctor::security_module,
    dynamic::{Attached, Loaded, Open},
    plain::line,
    reader::Stats,
    refusal::refusal,
    sample::Verdict,
};

/// Opens a skeleton and sets it up as the command line says, its variables by its own options.
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
    let mut open = open.args(&own.try_get_matches_from(&live.args)?)?;
    live.choice.apply(&mut open)?;
    Ok(open)
}

/// How long a poll waits where nothing happens: signals wake it.
const IDLE: Duration = Duration::from_secs(1);

/// Where records go.
pub(super) trait Taker {
    /// Is called when programs run, and records will come; waits for those who read end with the command.
    fn begin(&mut self, ending: Ending);

    /// Takes one; [`Verdict::Stop`] where there is no sense in more.
    fn take(&mut self, map: usize, record: &[u8]) -> Verdict;

    /// Takes a part of the text of an iterator; whether there is sense in more. `None` if it takes none.
    fn text(&mut self, text: &[u8]) -> Option<bool>;

    /// Is called when those that were there have been taken.
    fn flush(&mut self) -> Result<Reader>;

    /// Whether nothing that was taken is worked on still.
    fn is_done(&self) -> bool {
        true
    }

    /// Is called at the end, and waits for what is worked on; the number of events that were not written since nobody reads.
    fn finish(&mut self) -> Result<u64>;
}

/// How long a poll waits while records are worked on.
const BUSY: Duration = Duration::from_millis(5);

/// Loads and attaches, takes records until a limit is reached, a signal comes or nobody reads any more; then detaches and takes what is left.
pub(super) fn follow(open: Open, live: &Live, err: &mut Messages<'_>, to: &mut impl Taker) -> Result<()> {
    let quiet = live.quiet;
    let loaded = open.load()?;
    // Before anything runs that a signal would have to end.
    let signals = Handlers::new(loaded.control(), quiet)?;
    let start = Instant::now();
    let running = Running::start(loaded, live.choice.strict, err)?;
    to.begin(Ending { control: Some(running.skel.control()), at: live.limits.duration.and_then(|time| start.checked_add(time)) });
    let only_iterators = running.only_iterators();
    if !quiet {
        running.announce(err);
        if !only_iterators {
            untyped(running.skel.checked(), err);
        }
    }
    let mut follower = Follower { to, limits: &live.limits, start, count: 0, ended: false, unread: 0 };
    let walked = follower.walk(&running, err);
    let (loaded, followed) = match only_iterators {
        true => (running.skel.detach(), Ok(())),
        false => follower.follow(running.skel),
    };
    let unread = follower.unread;
    let finished = to.finish().map(|unwritten| unwritten + unread);
    if !quiet && !only_iterators {
        summary(&loaded, start.elapsed(), err);
    }
    if let Ok(unwritten @ 1..) = finished {
        err.tell(&line(&format!("{unwritten} events were not written: nobody reads the output")));
    }
    // Until then whoever writes to a pipe that is full can be ended.
    drop(signals);
    walked.and(followed).and(finished.map(drop))
}

/// Of a list of names.
const SHOWN: usize = 8;

/// A skeleton whose programs run, as many as could be attached.
struct Running {
    skel: Attached,
    attached: usize,
    wanted: usize,
    /// What is wrong with those on hooks of security modules.
    unheard: Option<Check>,
    /// The places of iterators among the links, with their names.
    iterators: Vec<(usize, String)>,
}

impl Running {
    /// Attaches the programs, and says of each that cannot be why. That is an error if none can, or if all must.
    fn start(loaded: Loaded, strict: bool, err: &mut Messages<'_>) -> Result<Self> {
        let (mut links, mut iterators) = (Vec::new(), Vec::new());
        let (mut wanted, mut attached) = (BTreeSet::new(), BTreeSet::new());
        let mut refused = Vec::new();
        for (name, link) in loaded.object().links_each() {
            wanted.insert(name.clone());
            match link {
                Ok(link) => {
                    if link.is_iterator() {
                        iterators.push((links.len(), name.clone()));
                    }
                    attached.insert(name);
                    links.push(link);
                }
                Err(error) => refused.push(error),
            }
        }
        if (strict || attached.is_empty()) && !refused.is_empty() {
            // One is the error of the command, which is told last.
            let last = refused.swap_remove(0);
            refused.iter().for_each(|error| err.tell(&said(error)));
            return Err(last);
        }
        refused.iter().for_each(|error| err.tell(&said(error)));
        let programs: Vec<&str> = loaded.checked().programs.iter().map(|(name, _)| name.as_str()).collect();
        if wanted.is_empty() && !programs.is_empty() {
            let shown = programs.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
            let more = if programs.len() > SHOWN { ", .." } else { "" };
            err.tell(&line(&format!("no program is attached unless it is asked for: `--with PROGRAM`; there are {shown}{more}")));
        }
        let sections: Vec<(String, &str)> = attached.iter().filter_map(|name| Some((section(&loaded, name)?, name.as_str()))).collect();
        let unheard = security_module(sections.iter().map(|(section, name)| (section.as_str(), *name)), true).filter(|check| !check.ok);
        let (attached, wanted) = (attached.len(), wanted.len());
        Ok(Self { skel: Attached::new(loaded, links.into_iter().collect()), attached, wanted, unheard, iterators })
    }

    /// Whether nothing will come once they have been read.
    fn only_iterators(&self) -> bool {
        let sampled = self.skel.checked().streams.iter().any(|stream| stream.sampled.is_some());
        !self.iterators.is_empty() && self.iterators.len() == self.skel.links().len() && !sampled
    }

    fn announce(&self, err: &mut Messages<'_>) {
        let checked = self.skel.checked();
        let delivers = match &checked.streams[..] {
            _ if self.only_iterators() => "the text of iterators follows".to_owned(),
            [] => "no map delivers events".to_owned(),
            streams => format!("events of {}", streams.iter().map(|stream| stream.map.as_str()).collect::<Vec<_>>().join(", ")),
        };
        let of = if self.attached == self.wanted { String::new() } else { format!(" of {}", self.wanted) };
        let plural = if self.wanted == 1 { "" } else { "s" };
        let ends = if self.only_iterators() { "" } else { "; Ctrl-C ends" };
        err.tell(&line(&format!("{}: {}{of} program{plural} attached, {delivers}{ends}", checked.skeleton.name, self.attached)));
        if let Some(Check { what, found, todo, .. }) = &self.unheard {
            err.tell(&line(&format!("{what}: {found}; {}", todo.for_command())));
        }
    }
}

/// The section of a program; a table of functions has none.
fn section(loaded: &Loaded, program: &str) -> Option<String> {
    Some(loaded.object().program(program).ok()?.section().to_string_lossy().into_owned())
}

struct Follower<'a, T> {
    to: &'a mut T,
    limits: &'a Limits,
    start: Instant,
    count: u64,
    ended: bool,
    /// Records that were there when nobody read any more.
    unread: u64,
}

impl<T: Taker> Follower<'_, T> {
    /// Reads the text of iterators, once.
    fn walk(&mut self, running: &Running, err: &mut Messages<'_>) -> Result<()> {
        let mut piece = vec![0; 1 << 14];
        let control = running.skel.control();
        for (link, name) in &running.iterators {
            let Some(link) = running.skel.links().get(*link) else { continue };
            let mut text = link.walk()?;
            while !self.ended && !control.is_stopped() {
                let count = match text.read(&mut piece) {
                    Ok(0) => break,
                    Ok(count) => count,
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => return Err(refusal(format!("read the text of the iterator `{name}`"), error)),
                };
                match self.to.text(piece.get(..count).unwrap_or_default()) {
                    Some(more) => self.ended |= !more,
                    None => {
                        err.tell(&line(&format!("the text of the iterator `{name}` is not recorded")));
                        break;
                    }
                }
            }
            self.ended |= self.to.flush()? != Reader::There;
        }
        Ok(())
    }

    fn follow(&mut self, skel: Attached) -> (Loaded, Result<()>) {
        let polled = self.poll(&skel);
        let loaded = skel.detach();
        let followed = polled.and_then(|()| {
            if self.ended {
                if self.to.flush()? == Reader::Stuck {
                    loaded.object().drain(|_, _| {
                        self.unread += 1;
                        Verdict::Delivered
                    })?;
                }
                return Ok(());
            }
            let drained = loaded.object().drain(|map, record| self.take(map, record));
            self.to.flush()?;
            drained.map(drop)
        });
        (loaded, followed)
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
            self.ended |= self.to.flush()? != Reader::There;
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

/// Says of which events the type is not known, and how to name it.
fn untyped(checked: &Checked, err: &mut Messages<'_>) {
    for stream in &checked.streams {
        if let Payload::Bytes { why } = &stream.payload {
            let map = &stream.map;
            err.tell(&line(&format!(
                "{map}: events are shown as bytes: {why}; `--event '{map}=struct NAME'` names a type of the object's; the line \
                 `const struct NAME *unused __attribute__((unused));` in the C source puts one there"
            )));
        }
    }
}

fn summary(loaded: &Loaded, time: Duration, err: &mut Messages<'_>) {
    for (stream, (map, stats)) in loaded.checked().streams.iter().zip(loaded.stats()) {
        err.tell(&line(&became(map, &stats, stream.sampled.is_some(), time)));
    }
    if let Ok(left @ 1..) = loaded.object().unread() {
        let were = if left == 1 { "event was" } else { "events were" };
        err.tell(&line(&format!("{left} more {were} in the buffers at the end, and not read")));
    }
}

/// What became of the records of a map.
fn became(map: &str, stats: &Stats, sampled: bool, time: Duration) -> String {
    let Stats { received, discarded, short, lost, lost_at_least, .. } = *stats;
    let mut text = format!("{map}: {received} events in {:.1} s", time.as_secs_f64());
    text += &match lost {
        Some(lost) if lost_at_least => format!(", at least {lost} lost"),
        Some(lost) => format!(", {lost} lost"),
        // What is taken out of a map was not lost.
        None if sampled => String::new(),
        None => format!(", lost: unknown (the program has no counter `{map}_dropped`)"),
    };
    for (number, what) in [(discarded, "discarded by the program"), (short, "shorter than their type")] {
        if number > 0 {
            text += &format!(", {number} {what}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_records() {
        let of = |stats: Stats, sampled| became("rb", &Stats { received: 5, ..stats }, sampled, Duration::from_millis(1234));
        let (counted, lost) = (Stats { lost: Some(3), ..Stats::default() }, Stats { lost: Some(0), ..Stats::default() });
        assert_eq!(of(counted, false), "rb: 5 events in 1.2 s, 3 lost");
        assert_eq!(of(Stats { lost_at_least: true, ..counted }, false), "rb: 5 events in 1.2 s, at least 3 lost");
        assert_eq!(of(Stats { lost_at_least: true, ..lost }, false), "rb: 5 events in 1.2 s, at least 0 lost");
        let unknown = Stats { discarded: 1, short: 2, lost: None, ..Stats::default() };
        let rest = ", 1 discarded by the program, 2 shorter than their type";
        assert_eq!(of(unknown, false), format!("rb: 5 events in 1.2 s, lost: unknown (the program has no counter `rb_dropped`){rest}"));
        assert_eq!(of(unknown, true), format!("rb: 5 events in 1.2 s{rest}"));
    }
}
