//! Recordings of skeletons known only at run time.

use std::io::{Read, Write};

use super::Event;
use crate::{
    Result, Skeleton,
    checked::Checked,
    recording::{Recorder, Replay, Replayed},
    sample::Outcome,
};

impl Checked {
    /// Starts a recording of the records that the object delivers.
    ///
    /// # Errors
    /// [`crate::Error::Recording`] if the header cannot be written.
    pub fn recorder<W: Write>(&self, to: W) -> Result<Recorder<W>> {
        Recorder::new(to, &self.skeleton.name, &self.recorded_streams())
    }

    /// Delivers the records of a recording.
    ///
    /// # Errors
    /// - before anything is delivered: [`crate::Error::NotFound`] if the skeleton lacks a recorded
    ///   map, [`crate::Error::Recording`] if the layout of one differs
    /// - after the last good record: [`crate::Error::Recording`] if the recording is damaged
    /// - after all records: [`crate::Error::Callback`] if a callback failed
    pub fn replay<R: Outcome>(
        &self,
        from: impl Read,
        mut f: impl FnMut(Event<'_>) -> R,
    ) -> Result<Replayed> {
        Replay::new(from)?
            .deliver(&self.recorded_streams(), |map, record| self.deliver(map, record, &mut f))
    }
}

impl Skeleton {
    /// Delivers the records of a recording without opening the object.
    ///
    /// # Errors
    /// [`crate::Error::Input`] with every fault of the skeleton, else those of [`Checked::replay`].
    pub fn replay<R: Outcome>(
        self,
        from: impl Read,
        f: impl FnMut(Event<'_>) -> R,
    ) -> Result<Replayed> {
        self.check()?.replay(from, f)
    }
}
