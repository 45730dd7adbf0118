//! The start and the header of a recording.

use std::{borrow::Cow, io::Read};

use super::{Flaw, Stream};
use crate::{Error, Result};

const MAGIC: [u8; 8] = *b"eunomia\0";
pub(super) const VERSION: u16 = 1;
/// The byte order of the records; one that is not known here is refused.
const ORDER: u8 = if cfg!(target_endian = "little") { 1 } else { 2 };
/// Of the programs, which are 64-bit whatever the host is.
const POINTER: u8 = 8;
/// The bytes before the header.
pub(super) const START: usize = 16;

/// More than the layouts of any program take. Only this much of a file that lies is read before that is noticed.
const MAX_HEADER: usize = 1 << 26;
/// No record is longer: `RINGBUF_MAX_RECORD_SZ` of `kernel/bpf/ringbuf.c`.
pub(super) const MAX_RECORD: usize = (u32::MAX / 4) as usize;
/// In the number of a record's stream: a time follows.
pub(super) const TIMED: u32 = 1 << 31;

/// Bytes that fill `len` up to a multiple of 8.
pub(super) fn padding(len: usize) -> usize {
    len.wrapping_neg() % 8
}

/// The start and the header.
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
        let why = format!("its header would have {len} bytes, the most are {MAX_HEADER}");
        return Err(Flaw::Corrupt { at: 0, why }.into());
    }
    let start = MAGIC.into_iter().chain(VERSION.to_le_bytes()).chain([ORDER, POINTER]).chain((len as u32).to_le_bytes());
    out.iter_mut().zip(start).for_each(|(to, byte)| *to = byte);
    Ok(out)
}

fn text(out: &mut Vec<u8>, text: &str) {
    // One that is longer than a `u32` says is more than the header may have.
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) streams: Vec<Stream<'static>>,
    /// Bytes of the start and the header.
    pub(super) len: u64,
}

impl Header {
    pub(super) fn read(from: &mut impl Read) -> Result<Self> {
        let mut start = [0; START];
        if fill(from, &mut start)? < START {
            return Err(Flaw::Foreign.into());
        }
        let mut fields = Fields(&start);
        if fields.array() != Some(MAGIC) {
            return Err(Flaw::Foreign.into());
        }
        let (Some(version), Some([order, pointer]), Some(len)) = (fields.array(), fields.array(), fields.u32()) else {
            return Err(Flaw::Foreign.into());
        };
        match u16::from_le_bytes(version) {
            VERSION => {}
            version => return Err(Flaw::Version(version).into()),
        }
        if (order, pointer) != (ORDER, POINTER) {
            return Err(Flaw::Machine { order, pointer }.into());
        }
        let corrupt = |at: usize, why: &str| Error::from(Flaw::Corrupt { at: at as u64, why: why.to_owned() });
        let len = len as usize;
        if len > MAX_HEADER || padding(len) != 0 {
            return Err(corrupt(START - 4, &format!("the header would have {len} bytes")));
        }
        let mut header = Vec::new();
        // Takes no more memory than there is to read.
        from.take(len as u64).read_to_end(&mut header).map_err(|source| Flaw::Io { tried: "read", source })?;
        if header.len() < len {
            return Err(corrupt(START, &format!("the header has {len} bytes, and {} are left", header.len())));
        }
        let (name, streams) = Fields(&header).header().ok_or_else(|| corrupt(START, "the header does not hold what it should"))?;
        Ok(Self { name, streams, len: (START + len) as u64 })
    }
}

/// Bytes to be taken one field after the other.
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
        // A number that lies ends at the first stream that is not there.
        let streams = (0..count).map(|_| {
            let (map, c_type) = (Cow::Owned(self.text()?), Cow::Owned(self.text()?));
            let size = self.array().map(u64::from_le_bytes)?;
            Some(Stream { map, c_type, size, least: size, layout: Cow::Owned(self.text()?) })
        });
        let streams = streams.collect::<Option<_>>()?;
        (self.0.len() < 8).then_some((name, streams))
    }
}

/// Reads into `bytes` as much as there is; returns how much.
pub(super) fn fill(from: &mut impl Read, bytes: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Flaw::Io { tried: "read", source }.into()),
        }
    }
    Ok(filled)
}
