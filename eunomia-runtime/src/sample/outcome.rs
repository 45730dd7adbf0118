use std::{error, ops::ControlFlow};

use super::Short;
use crate::{Error, Result};

/// Why a callback failed.
pub type Cause = Box<dyn error::Error + Send + Sync>;

/// What a callback may return: nothing, [`ControlFlow::Break`] to end this poll behind the record in hand, or a `Result`.
///
/// An error does not end the poll: it is counted, the records behind it are delivered, and then the poll returns the first one as
/// [`Error::Callback`].
pub trait Outcome {
    /// Whether to end the poll, or what went wrong.
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
    /// Of a record that was given to two: that one of them ends the poll, else that one failed, else that it was short for one.
    ///
    /// What was given to the two has come to both of them when this is called.
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

/// Of a record with a number that no map has.
pub fn unknown_map(map: usize) -> Verdict {
    Verdict::Failed(format!("there is no map {map} that delivers records").into())
}

/// Of callbacks in one read: the first cause, and how many there were.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    first: Option<Cause>,
    count: u64,
}

impl Failures {
    #[cold]
    pub(crate) fn add(&mut self, cause: Cause) {
        self.first.get_or_insert(cause);
        self.count += 1;
    }

    /// [`Error::Callback`] where there was one.
    pub(crate) fn result(self) -> Result<()> {
        self.first.map_or(Ok(()), |first| Err(Error::Callback { count: self.count, source: first }))
    }
}
