//! [`Event`]: a record that was delivered, and how records are delivered as values.

use super::Value;
use crate::{
    Error, Result,
    checked::{Checked, Payload, Stream},
    sample::{Outcome, Verdict, outcome::unknown_map},
};

/// A record and the map that delivered it.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Name of the map.
    pub map: &'a str,
    /// Number of the map among those that deliver records, in the order of `Checked::streams`.
    pub stream: usize,
    /// Key of the entry, for a map that is read at intervals.
    pub key: Option<Value<'a>>,
    /// Value of the record or entry.
    pub value: Value<'a>,
    /// All bytes of the record, or of the entry's value, including those after the end of its type.
    pub record: &'a [u8],
}

impl Checked {
    /// Returns the number of the map named `map` among those that deliver records.
    ///
    /// # Errors
    /// [`Error::NotFound`] with the names of the maps that do.
    #[doc(hidden)]
    pub fn stream(&self, map: &str) -> Result<usize> {
        self.streams.iter().position(|stream| stream.map == map).ok_or_else(|| Error::NotFound {
            what: "map that delivers records",
            name: map.to_owned(),
            known: self.streams.iter().map(|stream| stream.map.clone()).collect(),
        })
    }

    /// Returns the least size of a record in bytes.
    fn least(&self, stream: &Stream, record: &[u8]) -> u64 {
        match &stream.payload {
            Payload::Type(id) => self.layouts.layout(*id).least(),
            Payload::Custom(fields) => self.layouts.least_of(fields),
            Payload::Tagged(tagged) => {
                tagged.type_of(record).map_or(0, |id| self.layouts.layout(id).least())
            }
            Payload::Bytes { .. } => 0,
        }
    }

    /// Passes a record of the stream number `map` to `f` as a value, as `poll` does with each
    /// record.
    #[doc(hidden)]
    pub fn deliver<R: Outcome>(
        &self,
        map: usize,
        record: &[u8],
        f: impl FnOnce(Event<'_>) -> R,
    ) -> Verdict {
        let Some(stream) = self.streams.get(map) else { return unknown_map(map) };
        let (key, record) = match &stream.sampled {
            Some(sampled) => {
                let (key, value) = Value::of_entry(self, sampled, record);
                (Some(key), value)
            }
            None => (None, record),
        };
        let pass = |value| f(Event { map: &stream.map, stream: map, key, value, record });
        match Value::of_stream(self, map, record) {
            Ok(value) => Verdict::of(Ok(pass(value))),
            Err(short) => {
                // Entries of maps are never cut short.
                if stream.sampled.is_some() || (record.len() as u64) < self.least(stream, record) {
                    return Verdict::Short;
                }
                let mut padded = record.to_vec();
                padded.resize(short.size, 0);
                Verdict::of(Value::of_stream(self, map, &padded).map(pass))
            }
        }
    }
}
