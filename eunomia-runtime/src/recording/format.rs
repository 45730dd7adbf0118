//! The start and the header of a recording's file format.

use std::{borrow::Cow, io::Read};

use super::Stream;
use crate::{Error, Result, error::RecordingError};

const MAGIC: [u8; 8] = *b"eunomia\0";
pub(super) const VERSION: u16 = 1;
/// The byte order of the records; files with another one are refused.
const ORDER: u8 = if cfg!(target_endian = "little") { 1 } else { 2 };
/// The size of a pointer in BPF programs, which are 64-bit on every host.
const POINTER: u8 = 8;
/// The size of the part before the header.
pub(super) const START: usize = 16;

/// The greatest size of a header, more than the layouts of any program take. It limits how much of
/// a corrupt file is read before the damage is noticed.
const MAX_HEADER: usize = 1 << 26;
/// The greatest length of a record: `RINGBUF_MAX_RECORD_SZ` of `kernel/bpf/ringbuf.c`.
pub(super) const MAX_RECORD: usize = (u32::MAX / 4) as usize;
/// The bit in a record's stream number that tells that a time follows.
pub(super) const TIMED: u32 = 1 << 31;

/// Returns the number of bytes that pad `len` to a multiple of 8.
pub(super) fn padding(len: usize) -> usize {
    len.wrapping_neg() % 8
}

/// Encodes the start and the header.
pub(super) fn header(name: &str, streams: &[Stream<'_>]) -> Result<Vec<u8>> {
    let mut out = vec![0; START];
    text(&mut out, name);
    out.extend((streams.len() as u32).to_le_bytes());
    for stream in streams {
        text(&mut out, &stream.map);
        text(&mut out, &stream.c_type);
        out.extend(stream.size.to_le_bytes());
        text(&mut out, &stream.layout);
    }
    out.extend(&[0; 8][..padding(out.len())]);
    let len = out.len() - START;
    if len > MAX_HEADER {
        let why = format!("the header has {len} bytes, at most {MAX_HEADER} are allowed");
        return Err(RecordingError::Corrupt { at: 0, why }.into());
    }
    let start = MAGIC
        .into_iter()
        .chain(VERSION.to_le_bytes())
        .chain([ORDER, POINTER])
        .chain((len as u32).to_le_bytes());
    out.iter_mut().zip(start).for_each(|(to, byte)| *to = byte);
    Ok(out)
}

fn text(out: &mut Vec<u8>, text: &str) {
    // A text too long for a `u32` is also too long for the header.
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

/// The decoded header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) streams: Vec<Stream<'static>>,
    /// Size of the start and the header in bytes.
    pub(super) len: u64,
}

impl Header {
    pub(super) fn read(from: &mut impl Read) -> Result<Self> {
        let mut start = [0; START];
        if fill(from, &mut start)? < START {
            return Err(RecordingError::Foreign.into());
        }
        let mut fields = Fields(&start);
        if fields.array() != Some(MAGIC) {
            return Err(RecordingError::Foreign.into());
        }
        let (Some(version), Some([order, pointer]), Some(len)) =
            (fields.array(), fields.array(), fields.u32())
        else {
            return Err(RecordingError::Foreign.into());
        };
        match u16::from_le_bytes(version) {
            VERSION => {}
            found => return Err(RecordingError::Version { found, newest: VERSION }.into()),
        }
        if (order, pointer) != (ORDER, POINTER) {
            return Err(RecordingError::Machine { order, pointer }.into());
        }
        let corrupt = |at: usize, why: &str| {
            Error::from(RecordingError::Corrupt { at: at as u64, why: why.to_owned() })
        };
        let len = len as usize;
        if len > MAX_HEADER || padding(len) != 0 {
            return Err(corrupt(START - 4, &format!("the header length {len} is not valid")));
        }
        let mut header = Vec::new();
        // This takes no more memory than there are bytes to read.
        from.take(len as u64)
            .read_to_end(&mut header)
            .map_err(|source| RecordingError::Io { tried: "read", source })?;
        if header.len() < len {
            return Err(corrupt(
                START,
                &format!("the header has {len} bytes, but only {} follow", header.len()),
            ));
        }
        let (name, streams) =
            Fields(&header).header().ok_or_else(|| corrupt(START, "the header is malformed"))?;
        Ok(Self { name, streams, len: (START + len) as u64 })
    }
}

/// A cursor that takes bytes one field after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let len = self.u32()? as usize;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(str::from_utf8(text).ok()?.to_owned())
    }

    fn header(mut self) -> Option<(String, Vec<Stream<'static>>)> {
        let name = self.text()?;
        let count = self.u32()?;
        // If the count is wrong, reading ends at the first stream that is missing.
        let streams = (0..count).map(|_| {
            let (map, c_type) = (Cow::Owned(self.text()?), Cow::Owned(self.text()?));
            let size = self.array().map(u64::from_le_bytes)?;
            Some(Stream { map, c_type, size, least: size, layout: Cow::Owned(self.text()?) })
        });
        let streams = streams.collect::<Option<_>>()?;
        (self.0.len() < 8).then_some((name, streams))
    }
}

/// Reads into `bytes` until they are full or the input ends, and returns the number of bytes read.
pub(super) fn fill(from: &mut impl Read, bytes: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(RecordingError::Io { tried: "read", source }.into()),
        }
    }
    Ok(filled)
}
