//! Records in a file, and back: what a program sent is read again by the same callbacks, typed or dynamic, without root, kernel or BPF.
//!
//! A [`Recorder`] takes records where they are delivered, from the low-level `poll` of the object. Whoever looks at them too, does both in
//! one callback:
//!
//! ```ignore
//! let mut recorder = bootstrap::recorder(BufWriter::new(File::create("events.rec")?))?;
//! skel.object().poll(timeout, |map, record| recorder.record(map, record))?;
//! skel.object().poll(timeout, |map, record| {
//!     recorder.record(map, record).and(bootstrap::Export::deliver(map, record, |event| println!("{event}")))
//! })?;
//! recorder.finish()?;
//!
//! bootstrap::replay(File::open("events.rec")?, |event| println!("{event}"))?;
//! ```
//!
//! Skeletons that are known only at run time have the same with `checked().recorder`, `checked().deliver` and `Skeleton::replay`.
//!
//! # The file
//! All numbers are little-endian, all parts multiples of 8 bytes, filled up with zeroes. A text is its length (`u32`) and its UTF-8.
//!
//! | part | holds |
//! |---|---|
//! | start | `eunomia\0`, the version of the format (`u16`, now 1), the byte order of the records (`u8`, 1 is little-endian), the bytes of a pointer (`u8`, 8), the bytes of the header behind these (`u32`) |
//! | header | the object's name, the number of streams (`u32`), and of each: its map, its C type, the bytes that a record has at least (`u64`), its layout |
//! | each record | the number of its stream (`u32`), its length (`u32`), where the highest bit of the number is set the nanoseconds since the recording began (`u64`), its bytes |
//!
//! The layout is the fingerprint of a stream: a text with every name, offset, size and kind of the type and of all that it holds, as
//! `Checked::recorded_streams` writes it. It is compared as it is, so that no two layouts are taken for each other, and a recording of
//! another one is refused with the member that differs. Names of types, and constants of enums, are no part of it: they change how a
//! value is shown, not what it is. The text belongs to the format's version: one that is written otherwise has another version.

mod flaw;
mod format;
mod recorder;
pub(crate) mod replay;
#[cfg(feature = "dynamic")]
mod skeleton;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use flaw::Flaw;
pub use recorder::Recorder;
pub use replay::{Entry, Replay, Replayed};

/// What a recording says of a map that delivers records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream<'a> {
    /// The map.
    pub map: Cow<'a, str>,
    /// The type of its records in C; for messages.
    pub c_type: Cow<'a, str>,
    /// Bytes of the type, 0 where that is not known.
    pub size: u64,
    /// Bytes that a record has at least; shorter ones are not delivered. No part of the recording.
    pub least: u64,
    /// The fingerprint, see [the module](crate::recording).
    pub layout: Cow<'a, str>,
}

impl<'a> Stream<'a> {
    /// A stream whose texts are borrowed.
    pub const fn new(map: &'a str, c_type: &'a str, size: u64, layout: &'a str) -> Self {
        Self { map: Cow::Borrowed(map), c_type: Cow::Borrowed(c_type), size, least: size, layout: Cow::Borrowed(layout) }
    }

    /// The same stream with records that may be shorter than their type.
    #[must_use]
    pub const fn at_least(mut self, least: u64) -> Self {
        self.least = least;
        self
    }
}
