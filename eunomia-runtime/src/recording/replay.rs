//! [`Replay`]: reads a recording.

use std::{
    collections::HashSet,
    fmt,
    io::{BufReader, Read},
    time::Duration,
};

use super::{
    Stream,
    format::{Header, MAX_RECORD, TIMED, fill, padding},
};
use crate::{
    Error, Result,
    error::RecordingError,
    sample::{CallbackErrors, Plain as _, Verdict},
};

/// A reader of a recording; see [the module](crate::recording).
pub struct Replay<R> {
    from: BufReader<R>,
    header: Header,
    /// Number of bytes read.
    at: u64,
    left_over: u64,
    ended: bool,
    /// The current record, aligned for every type.
    pub(super) buffer: Vec<u128>,
}

/// A record of a recording.
#[derive(Debug, Clone, Copy)]
pub struct RecordedEntry<'a> {
    /// Number of its stream in the recording.
    pub stream: usize,
    /// Time from the start of the recording to the reading of the record, if the recorder stored
    /// it.
    pub time: Option<Duration>,
    /// Bytes of the record, at an address that is a multiple of 16.
    pub bytes: &'a [u8],
}

/// The result of a replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// The number of records delivered.
    pub records: u64,
    /// The number of records that were too short for their type and not delivered. A recorder
    /// writes such records only for maps with several types.
    pub short: u64,
    /// The number of bytes after the last whole record, if the recording was cut off; 0 if a
    /// callback ended the replay before.
    pub left_over: u64,
}

/// The greatest number of bytes that a record with a wrong length allocates beyond those in the
/// file.
const STEP: usize = 1 << 20;

impl<R: Read> Replay<R> {
    /// Starts to read a recording.
    ///
    /// The reader is buffered.
    ///
    /// # Errors
    /// [`Error::Recording`] if reading fails, the data is not a recording, or it is of another
    /// version or machine.
    pub fn new(from: R) -> Result<Self> {
        let mut from = BufReader::with_capacity(1 << 16, from);
        let header = Header::read(&mut from)?;
        let at = header.len;
        Ok(Self { from, header, at, left_over: 0, ended: false, buffer: Vec::new() })
    }

    /// Returns the name of the recorded object.
    pub fn name(&self) -> &str {
        &self.header.name
    }

    /// Returns the streams of the recording.
    pub fn streams(&self) -> &[Stream<'static>] {
        &self.header.streams
    }

    /// Returns the next record; `None` after the last whole one.
    ///
    /// # Errors
    /// [`Error::Recording`] if reading fails or the recording is damaged; no more records follow.
    pub fn read(&mut self) -> Result<Option<RecordedEntry<'_>>> {
        if self.ended {
            return Ok(None);
        }
        // The end is assumed until a whole record has been read.
        self.ended = true;
        let mut head = [0; 16];
        let (start, time) = head.split_at_mut(8);
        let mut taken = fill(&mut self.from, start)?;
        if taken < start.len() {
            self.left_over = taken as u64;
            return Ok(None);
        }
        let word = |at: usize| {
            start
                .get(at..)
                .and_then(<[u8]>::first_chunk)
                .map_or(0, |word| u32::from_le_bytes(*word))
        };
        let (number, len) = (word(0), word(4) as usize);
        let stream = (number & !TIMED) as usize;
        if stream >= self.header.streams.len() {
            return Err(self.corrupt(format!(
                "stream {stream} is out of range, the recording has {}",
                self.header.streams.len()
            )));
        }
        if len > MAX_RECORD {
            return Err(
                self.corrupt(format!("the record length {len} is greater than {MAX_RECORD}"))
            );
        }
        let timed = number & TIMED != 0;
        let time = if timed { time } else { &mut [] };
        taken += fill(&mut self.from, time)?;
        let nanoseconds = time.first_chunk().map(|time| u64::from_le_bytes(*time));
        let whole = taken == 8 + time.len();
        let padded = len + padding(len);
        let body = if whole { self.body(padded)? } else { 0 };
        if !whole || body < padded {
            self.left_over = (taken + body) as u64;
            return Ok(None);
        }
        self.ended = false;
        self.at += (taken + body) as u64;
        let bytes = u128::slice_bytes(&self.buffer).get(..len).unwrap_or_default();
        Ok(Some(RecordedEntry { stream, time: nanoseconds.map(Duration::from_nanos), bytes }))
    }

    /// Fills the buffer with `len` bytes or until the input ends, and returns the number of bytes.
    fn body(&mut self, len: usize) -> Result<usize> {
        let mut filled = 0;
        while filled < len {
            let end = len.min(filled + STEP);
            let words = end.div_ceil(size_of::<u128>());
            if self.buffer.len() < words {
                self.buffer.resize(words, 0);
            }
            let part =
                u128::slice_bytes_mut(&mut self.buffer).get_mut(filled..end).unwrap_or_default();
            let read = fill(&mut self.from, part)?;
            filled += read;
            if read < part.len() {
                break;
            }
        }
        Ok(filled)
    }

    fn corrupt(&self, why: String) -> Error {
        RecordingError::Corrupt { at: self.at, why }.into()
    }

    /// Returns the number of bytes after the last whole record; it is known after [`Self::read`]
    /// has returned `None`.
    #[doc(hidden)]
    pub fn left_over(&self) -> u64 {
        self.left_over
    }

    /// Delivers every record with the number of its map in `streams`, as a reader does.
    ///
    /// # Errors
    /// - before anything is delivered: [`Error::NotFound`] if `streams` lacks a recorded map,
    ///   [`Error::Recording`] if its layout differs
    /// - after the last good record: [`Error::Recording`] if the recording is damaged
    /// - after all records: [`Error::Callback`] if a callback failed
    #[doc(hidden)]
    pub fn deliver(
        mut self,
        streams: &[Stream<'_>],
        mut deliver: impl FnMut(usize, &[u8]) -> Verdict,
    ) -> Result<Replayed> {
        let maps = self
            .header
            .streams
            .iter()
            .map(|there| number(there, streams))
            .collect::<Result<Vec<_>>>()?;
        let (mut replayed, mut failures) = (Replayed::default(), CallbackErrors::default());
        while let Some(entry) = self.read()? {
            let Some(map) = maps.get(entry.stream) else { continue };
            match deliver(*map, entry.bytes) {
                Verdict::Short => {
                    replayed.short += 1;
                    continue;
                }
                Verdict::Delivered => {}
                Verdict::Failed(cause) => failures.add(cause),
                Verdict::Stop => {
                    replayed.records += 1;
                    break;
                }
            }
            replayed.records += 1;
        }
        replayed.left_over = self.left_over;
        failures.result().map(|()| replayed)
    }
}

/// Delivers a recording in one call: each `?` in a generated module would cost the compiler as much
/// as a small function.
pub fn replay(
    from: impl Read,
    streams: &[Stream<'_>],
    deliver: impl FnMut(usize, &[u8]) -> Verdict,
) -> Result<Replayed> {
    Replay::new(from)?.deliver(streams, deliver)
}

/// Returns the index in `streams` of a recorded stream.
fn number(there: &Stream<'_>, streams: &[Stream<'_>]) -> Result<usize> {
    let Some((number, here)) = streams.iter().enumerate().find(|(_, here)| here.map == there.map)
    else {
        let known = streams.iter().map(|here| here.map.clone().into_owned()).collect();
        return Err(Error::NotFound {
            what: "map that delivers records",
            name: there.map.clone().into_owned(),
            known,
        });
    };
    if here.layout == there.layout { Ok(number) } else { Err(layout_differs(there, here).into()) }
}

/// Returns the error for two streams of one map with different layouts.
fn layout_differs(there: &Stream<'_>, here: &Stream<'_>) -> RecordingError {
    RecordingError::Layout {
        map: here.map.clone().into_owned(),
        types: [there, here].map(|stream| (stream.c_type.clone().into_owned(), stream.size)),
        lines: [(there, here), (here, there)]
            .map(|(has, lacks)| only_in(&has.layout, &lacks.layout)),
    }
}

/// Returns the first line that is missing from the other text, preferably one of a member.
fn only_in(text: &str, other: &str) -> Option<String> {
    // A recording may have as many lines as bytes.
    let known: HashSet<&str> = other.lines().collect();
    let mut only = text.lines().filter(|line| !known.contains(line));
    let first = only.clone().next();
    only.find(|line| line.starts_with(' ')).or(first).map(|line| line.trim().to_owned())
}

impl<R> fmt::Debug for Replay<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("header", &self.header)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::only_in;

    /// A comparison of each line with each other would take minutes.
    #[test]
    fn long_layouts_are_compared_at_once() {
        let lines =
            |kind: &str| -> String { (0..50_000).map(|at| format!(" {at} {kind}\n")).collect() };
        let (text, other) = (lines("u8 a"), format!("{}{}", lines("u8 b"), lines("u8 a")));
        assert_eq!(only_in(&text, &other), None);
        assert_eq!(only_in(&other, &text).as_deref(), Some("0 u8 b"));
    }
}
