//! Delivers records from ring buffers and perf event arrays. Works on memory and file descriptors; knows nothing of skeletons.

mod control;
mod mapping;
mod perf;
mod ring;
mod stats;
mod wait;

pub use control::{Outcome, Stop};
pub use stats::Stats;
pub use wait::Reader;

pub(crate) use perf::PerfRing;
pub(crate) use ring::Ring;
pub(crate) use stats::Counters;
pub(crate) use wait::Source;

use crate::sample::Short;

/// What became of a record, as the one who got it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was delivered.
    Delivered,
    /// It was delivered, and for now nothing more is wanted.
    Stop,
    /// It was too short for its type and was not delivered.
    Short,
}

impl Verdict {
    /// What a callback's return value means, or that it was not called.
    pub fn of<R: Outcome>(outcome: Result<R, Short>) -> Self {
        match outcome.map(Outcome::stops) {
            Ok(false) => Self::Delivered,
            Ok(true) => Self::Stop,
            Err(Short { .. }) => Self::Short,
        }
    }
}

/// Why a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drained {
    /// Everything that was there at its start has been read.
    All,
    /// The next record is reserved and not yet committed.
    Busy,
    /// A callback or a stop handle asked for it.
    Stopped,
}
