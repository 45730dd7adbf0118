//! Loading a skeleton and the loop that takes its records, shared by `run` and `record`.

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind, Read as _},
    time::{Duration, Instant},
};

use super::{
    Failure, Messages,
    args::{Limits, Live},
    error_text,
    input::Input,
    outlet::Ending,
    output::Reader,
    signals::Handlers,
};
use crate::{
    Result,
    bpf::BtfCache,
    checked::{Checked, Payload},
    diagnosis::mount,
    doctor::{active_modules, by_active_modules},
    dynamic::{Attached, Loaded, Open},
    plain::line,
    reader::Stats,
    refusal::refusal,
    sample::Verdict,
};

/// Opens a skeleton and applies the options of the command line, those of the skeleton's variables
/// included.
pub(super) fn open(input: &Input, live: &Live, command: &str) -> Result<Open, Failure> {
    let checked = input.document.check()?;
    if live.mount {
        [mount::tracefs, mount::bpffs].into_iter().try_for_each(|mount| mount().map(drop))?;
    }
    let btf = match (input.kernel_btf(live.kernel.btf.as_deref())?, &live.kernel.btf_cache) {
        (None, Some(folder)) => {
            BtfCache::new(folder)?.file(checked.skeleton.object.as_deref().unwrap_or_default())?
        }
        (btf, _) => btf,
    };
    let open = checked.open(btf.as_deref())?;
    let own = open
        .command()?
        .no_binary_name(true)
        .bin_name(format!("eunomia {command} {} --", input.document.file));
    let mut open = open.args(&own.try_get_matches_from(&live.args)?)?;
    live.choice.apply(&mut open)?;
    Ok(open)
}

/// The timeout of a poll while no taken record is pending; a signal ends the wait early.
const IDLE: Duration = Duration::from_secs(1);

/// A consumer of records.
pub(super) trait Taker {
    /// Called after programs were attached, before the first record. From then on, waiting for a
    /// reader of the output ends with the command.
    fn begin(&mut self, ending: Ending);

    /// Takes one record. Returns [`Verdict::Stop`] if no further record is of use.
    fn take(&mut self, map: usize, record: &[u8]) -> Verdict;

    /// Takes a part of the text of an iterator. Returns false if no further text is of use, and
    /// `None` if the consumer takes no text.
    fn text(&mut self, text: &[u8]) -> Option<bool>;

    /// Called after all records of a poll were taken.
    fn flush(&mut self) -> Result<Reader>;

    /// Reports whether no taken record is still being processed.
    fn is_done(&self) -> bool {
        true
    }

    /// Called at the end. Waits for pending records and returns the number of events that were not
    /// written because nobody reads.
    fn finish(&mut self) -> Result<u64>;
}

/// The timeout of a poll while taken records are pending.
const BUSY: Duration = Duration::from_millis(5);

/// Loads and attaches programs and takes records until a limit is reached, a signal comes or the
/// reader of the output is gone. Then detaches the programs and takes the remaining records.
pub(super) fn follow(
    open: Open,
    live: &Live,
    err: &mut Messages<'_>,
    to: &mut impl Taker,
) -> Result<()> {
    let quiet = live.quiet;
    let loaded = open.load()?;
    // Installed before anything runs that a signal would have to end.
    let signals = Handlers::new(loaded.control(), quiet)?;
    let start = Instant::now();
    let running = Running::start(loaded, live.choice.strict, err)?;
    to.begin(Ending {
        control: Some(running.skel.control()),
        at: live.limits.duration.and_then(|time| start.checked_add(time)),
    });
    let only_iterators = running.only_iterators();
    if !quiet {
        running.announce(err);
        if !only_iterators {
            untyped(running.skel.checked(), err);
        }
    }
    let mut follower =
        Follower { to, limits: &live.limits, start, count: 0, ended: false, unread: 0 };
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
        let were = if unwritten == 1 { "event was" } else { "events were" };
        err.print(&line(&format!(
            "{unwritten} {were} not written because nobody reads the output"
        )));
    }
    // Until here, a signal can end a write to a full pipe.
    drop(signals);
    walked.and(followed).and(finished.map(drop))
}

/// The number of names that a message lists.
const SHOWN: usize = 8;

/// A skeleton with those of its programs that could be attached.
struct Running {
    skel: Attached,
    attached: usize,
    wanted: usize,
    /// The warning about programs on hooks of security modules that never run.
    unheard: Option<String>,
    /// The indices of iterators among the links, with their names.
    iterators: Vec<(usize, String)>,
}

impl Running {
    /// Attaches the programs and prints the reason for each one that cannot be attached. Returns an
    /// error if no program could be attached, or if one could not and `strict` is set.
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
            // One of them becomes the error of the command, which is printed last.
            let last = refused.swap_remove(0);
            refused.iter().for_each(|error| err.print(&error_text(error)));
            return Err(last);
        }
        refused.iter().for_each(|error| err.print(&error_text(error)));
        let programs: Vec<&str> =
            loaded.checked().programs.iter().map(|(name, _)| name.as_str()).collect();
        if wanted.is_empty() && !programs.is_empty() {
            let shown = programs.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
            let more = if programs.len() > SHOWN { ", .." } else { "" };
            err.print(&line(&format!("all programs are off by default; turn them on with `--with PROGRAM`; there are {shown}{more}")));
        }
        let sections: Vec<(String, &str)> = attached
            .iter()
            .filter_map(|name| Some((section(&loaded, name)?, name.as_str())))
            .collect();
        let unheard = unheard(
            sections.iter().map(|(section, name)| (section.as_str(), *name)),
            active_modules,
        );
        let (attached, wanted) = (attached.len(), wanted.len());
        Ok(Self {
            skel: Attached::new(loaded, links.into_iter().collect()),
            attached,
            wanted,
            unheard,
            iterators,
        })
    }

    /// Reports whether no event can follow after the iterators were read.
    fn only_iterators(&self) -> bool {
        let sampled = self.skel.checked().streams.iter().any(|stream| stream.sampled.is_some());
        !self.iterators.is_empty() && self.iterators.len() == self.skel.links().len() && !sampled
    }

    fn announce(&self, err: &mut Messages<'_>) {
        let checked = self.skel.checked();
        let delivers = match &checked.streams[..] {
            _ if self.only_iterators() => "the text of iterators follows".to_owned(),
            [] => "no map delivers events".to_owned(),
            streams => format!(
                "events of {}",
                streams.iter().map(|stream| stream.map.as_str()).collect::<Vec<_>>().join(", ")
            ),
        };
        let total = if self.attached == self.wanted {
            String::new()
        } else {
            format!(" of {}", self.wanted)
        };
        let plural = if self.wanted == 1 { "" } else { "s" };
        let ends = if self.only_iterators() { "" } else { "; Ctrl-C ends" };
        err.print(&line(&format!(
            "{}: {}{total} program{plural} attached, {delivers}{ends}",
            checked.skeleton.name, self.attached
        )));
        if let Some(warning) = &self.unheard {
            err.print(warning);
        }
    }
}

/// Returns the warning about attached programs, given by section and name, that the kernel does not
/// run because of its active security modules.
fn unheard<'a>(
    programs: impl Iterator<Item = (&'a str, &'a str)>,
    active: impl FnOnce() -> io::Result<String>,
) -> Option<String> {
    let check = by_active_modules(active, programs, true).filter(|check| !check.ok)?;
    let text = format!("{}: {}; {}", check.what, check.found, check.todo.for_command());
    Some(line(&text).into_owned())
}

/// Returns the section of a program; a struct_ops map has none.
fn section(loaded: &Loaded, program: &str) -> Option<String> {
    Some(loaded.object().program(program).ok()?.section().to_string_lossy().into_owned())
}

struct Follower<'a, T> {
    to: &'a mut T,
    limits: &'a Limits,
    start: Instant,
    count: u64,
    ended: bool,
    /// Records that were left in the buffers after the reader of the output was gone.
    unread: u64,
}

impl<T: Taker> Follower<'_, T> {
    /// Reads the text of each iterator once.
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
                    Err(error) => {
                        return Err(refusal(
                            format!("read the text of the iterator `{name}`"),
                            error,
                        ));
                    }
                };
                match self.to.text(piece.get(..count).unwrap_or_default()) {
                    Some(more) => self.ended |= !more,
                    None => {
                        err.print(&line(&format!(
                            "the text of the iterator `{name}` is not recorded"
                        )));
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
            let left =
                self.limits.duration.map_or(IDLE, |time| time.saturating_sub(self.start.elapsed()));
            if left.is_zero() {
                break;
            }
            let polled = skel
                .object()
                .poll(left.min(if self.to.is_done() { IDLE } else { BUSY }), |map, record| {
                    self.take(map, record)
                });
            // Events that were taken before an error are written.
            self.ended |= self.to.flush()? != Reader::There;
            polled?;
        }
        Ok(())
    }

    fn take(&mut self, map: usize, record: &[u8]) -> Verdict {
        let verdict = self.to.take(map, record);
        let delivered = matches!(verdict, Verdict::Delivered);
        self.count += u64::from(delivered);
        if matches!(verdict, Verdict::Stop) || (delivered && Some(self.count) == self.limits.count)
        {
            self.ended = true;
            return Verdict::Stop;
        }
        verdict
    }
}

/// Prints for which events the type is unknown, and how to name it.
fn untyped(checked: &Checked, err: &mut Messages<'_>) {
    for stream in &checked.streams {
        if let Payload::Bytes { why } = &stream.payload {
            let map = &stream.map;
            err.print(&line(&format!(
                "{map}: events are shown as bytes: {why}; `--event '{map}=struct NAME'` names a type of the object; the line \
                 `const struct NAME *unused __attribute__((unused));` in the C source adds one"
            )));
        }
    }
}

fn summary(loaded: &Loaded, time: Duration, err: &mut Messages<'_>) {
    for (stream, (map, stats)) in loaded.checked().streams.iter().zip(loaded.stats()) {
        err.print(&line(&map_summary(map, &stats, stream.sampled.is_some(), time)));
    }
    if let Ok(left @ 1..) = loaded.object().unread() {
        let were = if left == 1 { "event was" } else { "events were" };
        err.print(&line(&format!("{left} more {were} left unread in the buffers")));
    }
}

/// Returns the summary line of a map: its received, lost, discarded and short records.
fn map_summary(map: &str, stats: &Stats, sampled: bool, time: Duration) -> String {
    let Stats { received, discarded, short, lost, lost_at_least, .. } = *stats;
    let events = if received == 1 { "event" } else { "events" };
    let mut text = format!("{map}: {received} {events} in {:.1} s", time.as_secs_f64());
    text += &match lost {
        Some(lost) if lost_at_least => format!(", at least {lost} lost"),
        Some(lost) => format!(", {lost} lost"),
        // Sampling a map loses no record.
        None if sampled => String::new(),
        None => format!(", lost: unknown (the program has no counter `{map}_dropped`)"),
    };
    for (number, reason) in
        [(discarded, "discarded by the program"), (short, "shorter than their type")]
    {
        if number > 0 {
            text += &format!(", {number} {reason}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_inactive_security_module_are_named() {
        let attached = [("lsm/file_open", "watch"), ("tp/x", "other"), ("lsm.s/bprm", "check")];
        let warning =
            |active: &'static str| unheard(attached.into_iter(), || Ok(active.to_owned()));
        assert_eq!(warning("lockdown,bpf\n"), None);
        let expected = "security module bpf: not among the active modules (lockdown,yama), so programs would never run; used by watch, check; boot with lsm=..,bpf";
        assert_eq!(warning("lockdown,yama\n").as_deref(), Some(expected));
        // Without programs on such hooks, the list is not read.
        assert_eq!(unheard([("xdp", "p")].into_iter(), || unreachable!()), None);
    }

    #[test]
    fn map_summary_counts_records() {
        let summary = |stats: Stats, sampled| {
            map_summary("rb", &Stats { received: 5, ..stats }, sampled, Duration::from_millis(1234))
        };
        let (counted, lost) = (
            Stats { lost: Some(3), ..Stats::default() },
            Stats { lost: Some(0), ..Stats::default() },
        );
        assert_eq!(summary(counted, false), "rb: 5 events in 1.2 s, 3 lost");
        assert_eq!(
            summary(Stats { lost_at_least: true, ..counted }, false),
            "rb: 5 events in 1.2 s, at least 3 lost"
        );
        assert_eq!(
            summary(Stats { lost_at_least: true, ..lost }, false),
            "rb: 5 events in 1.2 s, at least 0 lost"
        );
        let unknown = Stats { discarded: 1, short: 2, lost: None, ..Stats::default() };
        let rest = ", 1 discarded by the program, 2 shorter than their type";
        assert_eq!(
            summary(unknown, false),
            format!(
                "rb: 5 events in 1.2 s, lost: unknown (the program has no counter `rb_dropped`){rest}"
            )
        );
        assert_eq!(summary(unknown, true), format!("rb: 5 events in 1.2 s{rest}"));
    }
}
