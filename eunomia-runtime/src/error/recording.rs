//! [`RecordingError`]: the errors of recordings.

use std::{fmt, io};

use crate::plain::line;

/// The reason why a recording cannot be written or replayed.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecordingError {
    /// Writing or reading failed.
    Io {
        /// The operation: `write` or `read`.
        tried: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The data does not start like a recording.
    Foreign,
    /// The recording was written by a newer version of this crate.
    Version {
        /// The version of the format.
        found: u16,
        /// The newest version that this crate reads.
        newest: u16,
    },
    /// The records come from another kind of machine.
    Machine {
        /// Byte order of the records: 1 is little-endian.
        order: u8,
        /// Size of a pointer in bytes.
        pointer: u8,
    },
    /// The recording is damaged.
    Corrupt {
        /// Offset of the damage in bytes.
        at: u64,
        /// A description of the damage.
        why: String,
    },
    /// The records of a map have another layout than when they were recorded.
    Layout {
        /// Name of the map.
        map: String,
        /// The C type and its size, first in the recording and then now.
        types: [(String, u64); 2],
        /// The first line of the recorded layout that the current one lacks, and the first line of
        /// the current layout that the recorded one lacks.
        lines: [Option<String>; 2],
    },
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { tried, source } => write!(f, "cannot {tried} the recording: {source}"),
            Self::Foreign => f.write_str("not an eunomia recording"),
            Self::Version { found, newest } => write!(
                f,
                "the recording has format version {found}, expected {newest}; update eunomia"
            ),
            Self::Machine { order, pointer } => {
                let order = if *order == 1 { "little-endian" } else { "non-little-endian" };
                write!(
                    f,
                    "the recording comes from a machine with {order} numbers and {pointer}-byte pointers, which is not supported"
                )
            }
            Self::Corrupt { at, why } => {
                write!(f, "the recording is damaged at byte {at}: {}", line(why))
            }
            Self::Layout { map, types: [there, here], lines } => {
                let [line_there, line_here] =
                    lines.each_ref().map(|only| line(only.as_deref().unwrap_or("nothing")));
                write!(
                    f,
                    "the records of `{}` have another layout in the recording: recorded `{}`, {} bytes, has `{line_there}`, ",
                    line(map),
                    line(&there.0),
                    there.1
                )?;
                write!(
                    f,
                    "current `{}`, {} bytes, has `{line_here}`; replay it with the skeleton that it was recorded with",
                    line(&here.0),
                    here.1
                )
            }
        }
    }
}

impl std::error::Error for RecordingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
