use std::{fmt, io};

use super::Stream;
use crate::plain::line;

/// Why a recording cannot be written or replayed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Flaw {
    /// It could not be written or read.
    Io {
        /// What was tried.
        tried: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// It does not start as recordings do.
    Foreign,
    /// It was written by a newer version of this crate.
    Version(u16),
    /// Its records are those of another kind of machine.
    Machine {
        /// The byte order: 1 is little-endian.
        order: u8,
        /// Bytes of a pointer.
        pointer: u8,
    },
    /// It contradicts itself.
    Corrupt {
        /// At which byte.
        at: u64,
        /// What is wrong there.
        why: String,
    },
    /// The records of a map have another layout than they had when they were recorded.
    Layout {
        /// The map.
        map: String,
        /// The C type and its bytes in the recording, and here.
        types: [(String, u64); 2],
        /// The first line of the layout in the recording that is not here, and the first one here that is not there.
        lines: [Option<String>; 2],
    },
}

impl Flaw {
    /// Of two streams of one map with different layouts.
    pub(super) fn layout(there: &Stream<'_>, here: &Stream<'_>) -> Self {
        Self::Layout {
            map: here.map.clone().into_owned(),
            types: [there, here].map(|stream| (stream.c_type.clone().into_owned(), stream.size)),
            lines: [(there, here), (here, there)].map(|(has, lacks)| only_in(&has.layout, &lacks.layout)),
        }
    }
}

/// The first line that the other text does not have, a member's rather than a type's.
fn only_in(text: &str, other: &str) -> Option<String> {
    let mut only = text.lines().filter(|line| other.lines().all(|known| known != *line));
    let first = only.clone().next();
    only.find(|line| line.starts_with(' ')).or(first).map(|line| line.trim().to_owned())
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { tried, source } => write!(f, "{tried} a recording: {source}"),
            Self::Foreign => f.write_str("this is no recording of eunomia"),
            Self::Version(version) => {
                write!(
                    f,
                    "the recording has version {version} of its format, version {} is known here; update eunomia",
                    super::format::VERSION
                )
            }
            Self::Machine { order, pointer } => {
                let order = if *order == 1 { "little" } else { "another than little" };
                write!(
                    f,
                    "the recording is of a machine with {order}-endian numbers and pointers of {pointer} bytes, which is not supported"
                )
            }
            Self::Corrupt { at, why } => write!(f, "the recording is damaged at byte {at}: {}", line(why)),
            Self::Layout { map, types: [there, here], lines } => {
                let [line_there, line_here] = lines.each_ref().map(|only| line(only.as_deref().unwrap_or("nothing")));
                write!(
                    f,
                    "the records of `{}` are not those of the recording: there `{}`, {} bytes, has `{line_there}`, ",
                    line(map),
                    line(&there.0),
                    there.1
                )?;
                write!(
                    f,
                    "here `{}`, {} bytes, has `{line_here}`; replay it with the skeleton that it was recorded with",
                    line(&here.0),
                    here.1
                )
            }
        }
    }
}

impl std::error::Error for Flaw {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
