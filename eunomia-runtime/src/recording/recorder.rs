//! [`Recorder`]: writes records to a recording.

use std::{
    fmt,
    io::{self, Write},
    time::{Duration, Instant},
};

use super::{
    Stream,
    format::{MAX_RECORD, TIMED, header, padding},
};
use crate::{
    Error, Result,
    error::RecordingError,
    sample::{Cause, Verdict},
};

/// A writer of a recording; see [the module](crate::recording).
///
/// Each record is written in pieces, so pass a [`std::io::BufWriter`] or another buffered writer.
#[must_use = "a recording is whole only after `finish`"]
pub struct Recorder<W> {
    to: W,
    /// The least size of a record, for each stream.
    least: Vec<u64>,
    began: Option<Instant>,
    /// The error after which nothing more is written, because part of a record may be missing.
    failed: Option<io::Error>,
}

impl<W: Write> Recorder<W> {
    /// Starts a recording of an object's streams, in the order of their numbers.
    ///
    /// Generated modules and `Checked::recorder` supply the name and the streams.
    ///
    /// # Errors
    /// [`Error::Recording`] if the header cannot be written.
    #[doc(hidden)]
    pub fn new(mut to: W, name: &str, streams: &[Stream<'_>]) -> Result<Self> {
        to.write_all(&header(name, streams)?)
            .map_err(|source| RecordingError::Io { tried: "write", source })?;
        Ok(Self {
            to,
            least: streams.iter().map(|stream| stream.least).collect(),
            began: None,
            failed: None,
        })
    }

    /// Stores with each later record the time since this call.
    ///
    /// It is the time at which the record was read; only the program knows when the event happened.
    pub fn timed(mut self) -> Self {
        self.began = Some(Instant::now());
        self
    }

    /// Writes a record of the map number `map`.
    ///
    /// A record that is too short for its type is left out, because it is not delivered either. For
    /// maps with several types all records are written; short ones are counted when they are
    /// replayed.
    ///
    /// If writing fails nothing more is written, and this and all later records are reported as
    /// [`Verdict::Failed`].
    pub fn record(&mut self, map: usize, record: &[u8]) -> Verdict {
        match self.least.get(map) {
            None => Verdict::Failed(
                format!("stream {map} is out of range, the recording has {}", self.least.len())
                    .into(),
            ),
            Some(least) if (record.len() as u64) < *least => Verdict::Short,
            Some(_) if record.len() > MAX_RECORD => Verdict::Failed(
                format!("cannot record {} bytes as one record", record.len()).into(),
            ),
            Some(_) => match &self.failed {
                Some(failed) => Verdict::Failed(failure(failed)),
                None => self.write(map as u32, record).map_or_else(
                    |error| Verdict::Failed(failure(self.failed.insert(error))),
                    |()| Verdict::Delivered,
                ),
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

    /// Returns the writer.
    ///
    /// Whole records may be taken out of an in-memory buffer after each call; nothing else may be
    /// changed.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.to
    }

    /// Ends the recording: flushes the writer and returns it.
    ///
    /// # Errors
    /// [`Error::Recording`] if that fails, or if writing a record failed before.
    pub fn finish(mut self) -> Result<W> {
        let flushed = self.failed.take().map_or_else(|| self.to.flush(), Err);
        flushed.map_err(|source| Error::from(RecordingError::Io { tried: "write", source }))?;
        Ok(self.to)
    }
}

/// Converts a time to nanoseconds, which fit for 584 years.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Reports the earlier failure again.
fn failure(error: &io::Error) -> Cause {
    format!("cannot write the recording: {error}").into()
}

impl<W> fmt::Debug for Recorder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("least", &self.least)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
