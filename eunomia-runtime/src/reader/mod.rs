//! Readers that deliver records from ring buffers, perf event arrays and sampled maps. They work on
//! memory and file descriptors, and know nothing of skeletons.

mod batch;
mod claim;
mod control;
mod ending;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod inherited;
mod mapping;
mod perf;
#[expect(clippy::module_inception, reason = "the noun of the room")]
mod reader;
mod record;
mod records;
mod ring;
mod sampled;
mod set;
mod source;
mod stats;
mod timer;
mod waiting;
mod watch;

pub use crate::sample::{Cause, Outcome, Verdict};
pub use batch::{Batch, Events};
pub use control::Control;
pub use perf::PerfBuffer;
pub use reader::Reader;
pub use record::Record;
pub use records::Records;
pub use set::Set;
pub use stats::Stats;
pub use waiting::Waiting;

use crate::sample::CallbackErrors;
pub(crate) use claim::Claim;
pub(crate) use mapping::{Mapping, Reserved};
pub(crate) use perf::PerfArray;
pub(crate) use ring::Ring;
pub(crate) use sampled::{Entries, Sampled};
pub(crate) use source::Source;
pub(crate) use stats::Counters;

/// The kind of a [`Verdict`], without its cause: all that the counters need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Delivered,
    Stop,
    Short,
    Failed,
}

impl Fate {
    /// Returns the fate of a record, and notes an error of the callback.
    #[inline]
    fn of(errors: &mut CallbackErrors, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Delivered => Self::Delivered,
            Verdict::Stop => Self::Stop,
            Verdict::Short => Self::Short,
            Verdict::Failed(cause) => {
                errors.add(cause);
                Self::Failed
            }
        }
    }
}

/// The reason why a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drained {
    /// Every record that was there at its start was read.
    All,
    /// The next record is reserved and not yet committed.
    Busy,
    /// A callback or a control handle asked for it.
    Stopped,
}
