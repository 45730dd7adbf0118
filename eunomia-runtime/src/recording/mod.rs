//! Recordings: records in a file, which the same callbacks, typed or dynamic, read again without
//! root, kernel or BPF.
//!
//! A [`Recorder`] takes records from the low-level `poll` of the object. To also look at them, do
//! both in one callback:
//!
//! ```ignore
//! let mut recorder = bootstrap::recorder(BufWriter::new(File::create("events.rec")?))?;
//! skel.object().poll(timeout, |map, record| recorder.record(map, record))?;
//! skel.object().poll(timeout, |map, record| {
//!     let recorded = recorder.record(map, record);
//!     recorded.and(bootstrap::Export::deliver(map, record, |event| println!("{event}")))
//! })?;
//! recorder.finish()?;
//!
//! bootstrap::replay(File::open("events.rec")?, |event| println!("{event}"))?;
//! ```
//!
//! Skeletons known only at run time have the same in `checked().recorder`, `checked().deliver` and
//! `Skeleton::replay`.
//!
//! # The file
//! All numbers are little-endian, and all parts are padded with zeroes to multiples of 8 bytes. A
//! text is its length (`u32`) and its UTF-8.
//!
//! | part | holds |
//! |---|---|
//! | start | `eunomia\0`, the format version (`u16`, now 1), the byte order of the records (`u8`, 1 is little-endian), the size of a pointer (`u8`, 8), the size of the header after these (`u32`) |
//! | header | the object's name, the number of streams (`u32`), and for each stream: its map, its C type, the size of the type (`u64`), its layout |
//! | each record | the number of its stream (`u32`), its length (`u32`), the nanoseconds since the recording began (`u64`) if the highest bit of the number is set, its bytes |
//!
//! The layout is the fingerprint of a stream: a text with every name, offset, size and kind of the
//! type and of its members, as `Checked::recorded_streams` writes it. It is compared as text, so
//! that different layouts never match, and the error for a recording with another layout names the
//! member that differs. Names of types and constants of enums are not part of it: they change how a
//! value is shown, not its meaning. The text belongs to the format version: if its form changes, so
//! does the version.

mod format;
mod recorder;
pub(crate) mod replay;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use recorder::Recorder;
pub use replay::{RecordedEntry, Replay, Replayed};

/// A map that delivers records, as a recording describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream<'a> {
    /// Name of the map.
    pub map: Cow<'a, str>,
    /// C type of its records; for messages only.
    pub c_type: Cow<'a, str>,
    /// Size of the type in bytes, 0 if it is unknown.
    pub size: u64,
    /// The least size of a record; shorter ones are not delivered. It is not part of the recording.
    pub least: u64,
    /// Fingerprint of the type; see [the module](crate::recording).
    pub layout: Cow<'a, str>,
}

impl<'a> Stream<'a> {
    /// Creates a stream from borrowed texts.
    #[doc(hidden)]
    pub const fn new(map: &'a str, c_type: &'a str, size: u64, layout: &'a str) -> Self {
        Self {
            map: Cow::Borrowed(map),
            c_type: Cow::Borrowed(c_type),
            size,
            least: size,
            layout: Cow::Borrowed(layout),
        }
    }

    /// Returns the stream with records that may be shorter than their type.
    #[must_use]
    #[doc(hidden)]
    pub const fn at_least(mut self, least: u64) -> Self {
        self.least = least;
        self
    }
}
