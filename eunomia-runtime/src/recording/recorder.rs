use std::{
    fmt,
    io::{self, Write},
    time::{Duration, Instant},
};

use super::{
    Flaw, Stream,
    format::{MAX_RECORD, TIMED, header, padding},
};
use crate::{
    Error, Result,
    sample::{Cause, Verdict},
};

/// Writes records into a recording, see [the module](crate::recording).
///
/// Each record is written in pieces: give it a [`std::io::BufWriter`], or anything else that gathers.
#[must_use = "a recording is whole only after `finish`"]
pub struct Recorder<W> {
    to: W,
    /// The least length of a record of each stream.
    least: Vec<u64>,
    began: Option<Instant>,
    /// A piece of a record may be missing behind it, so nothing more is written.
    failed: Option<io::Error>,
}

impl<W: Write> Recorder<W> {
    /// Starts a recording of an object's streams, in the order in which it numbers them. Generated modules, and `Checked::recorder`, know
    /// both.
    ///
    /// # Errors
    /// [`Error::Recording`] where the header cannot be written.
    pub fn new(mut to: W, name: &str, streams: &[Stream<'_>]) -> Result<Self> {
        to.write_all(&header(name, streams)?).map_err(|source| Flaw::Io { tried: "write", source })?;
        Ok(Self { to, least: streams.iter().map(|stream| stream.least).collect(), began: None, failed: None })
    }

    /// Records from now on the time of each record, since this call. It is when the record was read; when it happened only the program
    /// knows.
    pub fn timed(mut self) -> Self {
        self.began = Some(Instant::now());
        self
    }

    /// Writes a record of the map of this number; one that is too short for its type is left out, as it is not delivered. Of maps with
    /// several types all are written: what is short there is counted when it is replayed.
    ///
    /// Where writing fails nothing more is written, and this and all later records are reported as [`Verdict::Failed`].
    pub fn record(&mut self, map: usize, record: &[u8]) -> Verdict {
        match self.least.get(map) {
            None => Verdict::Failed(format!("the recording has no stream {map}, only {}", self.least.len()).into()),
            Some(least) if (record.len() as u64) < *least => Verdict::Short,
            Some(_) if record.len() > MAX_RECORD => {
                Verdict::Failed(format!("a record of {} bytes cannot be recorded", record.len()).into())
            }
            Some(_) => match &self.failed {
                Some(failed) => Verdict::Failed(failure(failed)),
                None => self
                    .write(map as u32, record)
                    .map_or_else(|error| Verdict::Failed(failure(self.failed.insert(error))), |()| Verdict::Delivered),
            },
        }
    }

    fn write(&mut self, map: u32, record: &[u8]) -> io::Result<()> {
        let time = self.began.map(|began| began.elapsed());
        let number = if time.is_some() { map | TIMED } else { map };
        let [n, l] = [number, record.len() as u32].map(u32::to_le_bytes);
        self.to.write_all([n, l].as_flattened())?;
        if let Some(time) = time {
            self.to.write_all(&nanoseconds(time).to_le_bytes())?;
        }
        self.to.write_all(record)?;
        self.to.write_all(&[0; 8][..padding(record.len())])
    }

    /// What it writes to. Of a buffer in memory whole records may be taken out behind each call; nothing else may be changed.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.to
    }

    /// Ends the recording: flushes it and gives back what it was written to.
    ///
    /// # Errors
    /// [`Error::Recording`] where this fails, or writing a record has failed.
    pub fn finish(mut self) -> Result<W> {
        let flushed = self.failed.take().map_or_else(|| self.to.flush(), Err);
        flushed.map_err(|source| Error::from(Flaw::Io { tried: "write", source }))?;
        Ok(self.to)
    }
}

/// 584 years of them fit.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The same failure once more.
fn failure(error: &io::Error) -> Cause {
    format!("write a recording: {error}").into()
}

impl<W> fmt::Debug for Recorder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("least", &self.least).field("failed", &self.failed).finish_non_exhaustive()
    }
}
