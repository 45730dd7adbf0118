//! Loading a skeleton and the loop that takes its records, shared by `run` and `record`.

use std::{
    io::{ErrorKind, Read as _},
    time::{Duration, Instant},
};

use clap::CommandFactory as _;

use super::{
    CommandError, Messages,
    args::{Args, Limits, Live},
    input::Input,
    outlet::Ending,
    output::Reader,
    running::Running,
    signals::Handlers,
    summary::{summary, untyped},
};
use crate::{
    Result,
    args::parsed::parsed,
    bpf::BtfCache,
    dynamic::{Attached, Loaded, Open},
    host::{kernel_error, mount},
    plain::line,
    sample::Verdict,
};

/// Opens a skeleton and applies the options of the command line, those of the skeleton's variables
/// included.
pub(super) fn open(input: &Input, live: &Live, command: &str) -> Result<Open, CommandError> {
    let checked = input.check()?;
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
        .bin_name(format!("eunomia {command} {} --", line(input.skeleton.file())));
    let given = parsed(&live.args, Args::command, |args| own.clone().try_get_matches_from(args))?;
    let mut open = open.args(&given)?;
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

/// The loop that takes records, and what it has counted.
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
                        return Err(kernel_error(
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
