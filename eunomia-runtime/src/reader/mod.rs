//! Delivers records from ring buffers and perf event arrays. Works on memory and file descriptors; knows nothing of skeletons.

mod batch;
mod control;
mod mapping;
mod perf;
#[expect(clippy::module_inception, reason = "the noun of the room")]
mod reader;
mod records;
mod ring;
mod sampled;
mod stats;
mod waiting;

pub use batch::{Batch, Events};
pub use control::{Cause, Control, Outcome};
pub use perf::PerfBuffer;
pub use reader::Reader;
pub use records::Records;
pub use ring::Record;
pub use stats::Stats;
pub use waiting::Waiting;

pub(crate) use mapping::Mapping;
pub(crate) use perf::PerfArray;
pub(crate) use reader::Source;
pub(crate) use ring::Ring;
pub(crate) use sampled::{Entries, Sampled};
pub(crate) use stats::Counters;

use crate::sample::Short;

/// What became of a record, as the one who got it says.
#[derive(Debug)]
pub enum Verdict {
    /// It was delivered.
    Delivered,
    /// It was delivered, and for now nothing more is wanted.
    Stop,
    /// It was too short for its type and was not delivered.
    Short,
    /// It was delivered, and the callback failed.
    Failed(Cause),
}

impl Verdict {
    /// What a callback's return value means, or that it was not called.
    #[inline]
    pub fn of<R: Outcome>(outcome: Result<R, Short>) -> Self {
        match outcome.map(Outcome::stops) {
            Ok(Ok(false)) => Self::Delivered,
            Ok(Ok(true)) => Self::Stop,
            Ok(Err(cause)) => Self::Failed(cause),
            Err(Short { .. }) => Self::Short,
        }
    }
}

/// A [`Verdict`] for those who only count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Delivered,
    Stop,
    Short,
    Failed,
}

/// Why a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drained {
    /// Everything that was there at its start has been read.
    All,
    /// The next record is reserved and not yet committed.
    Busy,
    /// A callback or a control handle asked for it.
    Stopped,
}
