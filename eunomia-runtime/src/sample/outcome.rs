//! [`Outcome`]: the values that a callback may return, and their effect on a poll.

use std::{error, ops::ControlFlow};

use super::Short;
use crate::{Error, Result};

/// The error of a callback.
pub type Cause = Box<dyn error::Error + Send + Sync>;

/// A callback's return value: `()`, [`ControlFlow::Break`] to end this poll after the current
/// record, or a `Result` of these.
///
/// An error does not end the poll. It is counted, the records after it are delivered, and then the
/// poll returns the first error as [`Error::Callback`].
pub trait Outcome {
    /// Returns true if the poll ends here.
    ///
    /// # Errors
    /// The callback's own.
    fn stops(self) -> Result<bool, Cause>;
}

impl Outcome for () {
    fn stops(self) -> Result<bool, Cause> {
        Ok(false)
    }
}

impl Outcome for ControlFlow<()> {
    fn stops(self) -> Result<bool, Cause> {
        Ok(self.is_break())
    }
}

impl<T: Outcome, E: Into<Cause>> Outcome for Result<T, E> {
    fn stops(self) -> Result<bool, Cause> {
        self.map_err(Into::into)?.stops()
    }
}

/// The fate of a record, as its receiver reports it.
#[derive(Debug)]
pub enum Verdict {
    /// The record was delivered.
    Delivered,
    /// The record was delivered, and the callback ends this poll.
    Stop,
    /// The record was too short for its type and was not delivered.
    Short,
    /// The record was delivered, and the callback failed.
    Failed(Cause),
}

impl Verdict {
    /// Converts the return value of a callback, or the error if it was not called.
    #[inline]
    pub fn of<R: Outcome>(outcome: Result<R, Short>) -> Self {
        match outcome.map(Outcome::stops) {
            Ok(Ok(false)) => Self::Delivered,
            Ok(Ok(true)) => Self::Stop,
            Ok(Err(cause)) => Self::Failed(cause),
            Err(Short { .. }) => Self::Short,
        }
    }
    /// Combines the verdicts of two receivers of one record: `Stop` wins, then `Failed`, then
    /// `Short`.
    ///
    /// Both receivers have had the record when this is called.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Stop, _) | (_, Self::Stop) => Self::Stop,
            (failed @ Self::Failed(_), _) | (_, failed @ Self::Failed(_)) => failed,
            (Self::Short, _) | (_, Self::Short) => Self::Short,
            (Self::Delivered, Self::Delivered) => Self::Delivered,
        }
    }
}

/// Returns the verdict on a record whose map number is unknown.
pub fn unknown_map(map: usize) -> Verdict {
    Verdict::Failed(format!("no map {map} that delivers records").into())
}

/// The failures of callbacks in one read: the first error and the number of all.
#[derive(Debug, Default)]
pub(crate) struct CallbackErrors {
    first: Option<Cause>,
    count: u64,
}

impl CallbackErrors {
    #[cold]
    pub(crate) fn add(&mut self, cause: Cause) {
        self.first.get_or_insert(cause);
        self.count += 1;
    }

    /// Returns [`Error::Callback`] if a callback failed.
    pub(crate) fn result(self) -> Result<()> {
        self.first.map_or(Ok(()), |first| Err(Error::Callback { count: self.count, source: first }))
    }
}
