//! A writer to a pipe or terminal that may be stuck. A thread of its own writes; the command leaves
//! it behind if nobody reads when it ends.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Write as _},
    mem,
    os::fd::AsFd,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{Result, host::kernel_error, reader::Control};

/// A thread that writes batches in order.
pub(super) struct Outlet {
    shared: Arc<Shared>,
    ending: Option<Ending>,
}

/// The end of the command: a stop request or a time.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub(super) control: Option<Control>,
    pub(super) at: Option<Instant>,
}

impl Ending {
    fn has_come(&self) -> bool {
        self.control.as_ref().is_some_and(Control::is_stopped)
            || self.at.is_some_and(|at| at <= Instant::now())
    }
}

/// What the command and the thread that writes share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The batch that is being written.
#[derive(Default)]
struct State {
    /// The bytes that wait to be written or are being written.
    batch: Vec<u8>,
    /// The offsets in `batch` at which events end.
    ends: VecDeque<usize>,
    /// The number of bytes of `batch` that were written.
    written: usize,
    closed: bool,
    /// The value of `written` when waiting was given up.
    abandoned: Option<usize>,
    failed: Option<io::Error>,
}

/// The size of one write, which is PIPE_BUF: a pipe has room for all of it or for nothing. Each
/// finished write shows that the reader made progress.
const PIECE: usize = 4096;

/// The time without progress after which a reader counts as stuck, once the command is to end.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);

/// The interval at which a wait checks whether the command is to end.
const GLANCE: Duration = Duration::from_millis(25);

/// The outcome of a batch.
#[derive(Debug)]
pub(super) enum Given {
    /// The batch is written, or will be.
    Taken,
    /// Writing failed.
    Failed(io::Error),
    /// The command is to end, and nobody reads.
    Stuck,
}

impl Outlet {
    pub(super) fn new(file: File) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_writer = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("output".to_owned()).spawn(move || of_writer.write(file));
        thread.map_err(|error| kernel_error("start the output thread", error))?;
        Ok(Self { shared, ending: None })
    }

    /// Makes every wait end with the command from now on.
    pub(super) fn end_with(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    /// Takes a batch whose events end at `ends`, after the previous batch was written.
    pub(super) fn give(&self, batch: &mut Vec<u8>, ends: &mut VecDeque<usize>) -> Given {
        let (given, mut state) = self.settle();
        if matches!(given, Given::Taken) {
            state.batch.clear();
            mem::swap(&mut state.batch, batch);
            mem::swap(&mut state.ends, ends);
            state.written = 0;
            self.shared.changed.notify_all();
        }
        given
    }

    /// Waits until everything is written.
    pub(super) fn finish(&self) -> Given {
        self.settle().0
    }

    /// Returns and clears the error of a write that failed since the last call.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.shared.lock().failed.take()
    }

    /// Returns the number of events that were given and are not completely written.
    pub(super) fn unwritten(&self) -> u64 {
        let state = self.shared.lock();
        state.ends.iter().filter(|end| **end > state.written).count() as u64
    }

    /// Waits until the previous batch is written.
    fn settle(&self) -> (Given, MutexGuard<'_, State>) {
        let mut state = self.shared.lock();
        let mut progress = (state.written, Instant::now());
        loop {
            if let Some(error) = state.failed.take() {
                return (Given::Failed(error), state);
            }
            if state.written == state.batch.len() {
                return (Given::Taken, state);
            }
            if state.written != progress.0 || !self.ending.as_ref().is_some_and(Ending::has_come) {
                progress = (state.written, Instant::now());
            } else if state.abandoned == Some(state.written) || progress.1.elapsed() >= PATIENCE {
                state.abandoned = Some(state.written);
                return (Given::Stuck, state);
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, GLANCE)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        // Waits, so that nothing is cut off if the command ends by an error.
        drop(self.settle());
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body of the thread.
    fn write(&self, mut file: File) {
        let mut piece = Vec::with_capacity(PIECE);
        let mut state = self.lock();
        loop {
            if let Some(left) = state.batch.get(state.written..).filter(|left| !left.is_empty()) {
                piece.clear();
                piece.extend_from_slice(left.get(..PIECE).unwrap_or(left));
                drop(state);
                let written = file.write(&piece);
                state = self.lock();
                match written {
                    Ok(0) => state.failed = Some(io::ErrorKind::WriteZero.into()),
                    Ok(count) => state.written += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => state.failed = Some(error),
                }
                if state.failed.is_some() {
                    // The rest cannot be written.
                    let written = state.written;
                    state.batch.truncate(written);
                }
                if state.failed.is_some() || state.written == state.batch.len() {
                    self.changed.notify_all();
                }
                // The last batch is written before this, even if nobody waits for it.
            } else if state.closed {
                return;
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// Reports whether a short text can be written to a pipe or terminal, within `within` at the
/// latest.
pub(super) fn is_writable(to: impl AsFd, within: Duration) -> bool {
    let within = Timespec { tv_sec: 0, tv_nsec: within.subsec_nanos().into() };
    let mut fds = [PollFd::new(&to, PollFlags::OUT)];
    poll(&mut fds, Some(&within)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::fd::OwnedFd};

    use super::*;

    fn pipe() -> (File, File) {
        let (reader, writer) = io::pipe().unwrap();
        (File::from(OwnedFd::from(reader)), File::from(OwnedFd::from(writer)))
    }

    /// Returns a batch of events of 1000 bytes each.
    fn batch(events: usize) -> (Vec<u8>, VecDeque<usize>) {
        (vec![b'x'; events * 1000], (1..=events).map(|event| event * 1000).collect())
    }

    #[test]
    fn unread_events_are_counted() {
        let (mut reader, writer) = pipe();
        let mut outlet = Outlet::new(writer).unwrap();
        let (mut bytes, mut ends) = batch(100);
        assert!(matches!(outlet.give(&mut bytes, &mut ends), Given::Taken));
        outlet.end_with(Ending { control: None, at: Some(Instant::now()) });
        let start = Instant::now();
        assert!(matches!(outlet.finish(), Given::Stuck));
        assert!(start.elapsed() < Duration::from_secs(1));
        // The pipe holds 64 KiB.
        assert_eq!(outlet.unwritten(), 35);
        let mut first = vec![0; 65536];
        reader.read_exact(&mut first).unwrap();
        while outlet.unwritten() > 0 {
            thread::yield_now();
        }
        assert!(matches!(outlet.finish(), Given::Taken));
    }

    #[test]
    fn closed_reader_is_reported() {
        let (reader, writer) = pipe();
        let outlet = Outlet::new(writer).unwrap();
        drop(reader);
        let (mut bytes, mut ends) = batch(1);
        assert!(matches!(outlet.give(&mut bytes, &mut ends), Given::Taken));
        assert!(
            matches!(outlet.finish(), Given::Failed(error) if error.kind() == io::ErrorKind::BrokenPipe)
        );
    }
}
