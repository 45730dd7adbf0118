use super::Value;
use crate::{
    Error, Result,
    checked::{Checked, Payload, Stream},
    sample::{Outcome, Verdict, outcome::unknown_map},
};

/// A record and the map it came through.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The map.
    pub map: &'a str,
    /// Its number among those that deliver records ([`Checked::streams`]).
    pub stream: usize,
    /// The key of an entry, for a map that is read at intervals.
    pub key: Option<Value<'a>>,
    /// What it holds.
    pub value: Value<'a>,
    /// All bytes of the record, or of the entry's value, those behind the end of its type among them.
    pub record: &'a [u8],
}

impl Checked {
    /// The number of the map of this name among those that deliver records.
    ///
    /// # Errors
    /// [`Error::NotFound`] with those that do.
    pub fn stream(&self, map: &str) -> Result<usize> {
        self.streams.iter().position(|stream| stream.map == map).ok_or_else(|| Error::NotFound {
            what: "map that delivers records",
            name: map.to_owned(),
            known: self.streams.iter().map(|stream| stream.map.clone()).collect(),
        })
    }

    /// Bytes that a record has at least.
    fn least(&self, stream: &Stream, record: &[u8]) -> u64 {
        match &stream.payload {
            Payload::Type(id) => self.layouts.layout(*id).least(),
            Payload::Custom(fields) => self.layouts.least_of(fields),
            Payload::Tagged(tagged) => tagged.type_of(record).map_or(0, |id| self.layouts.layout(id).least()),
            Payload::Bytes { .. } => 0,
        }
    }

    /// Hands a record to `f` as a value, `map` being the number of its stream: what `poll` does with each.
    pub fn deliver<R: Outcome>(&self, map: usize, record: &[u8], f: impl FnOnce(Event<'_>) -> R) -> Verdict {
        let Some(stream) = self.streams.get(map) else { return unknown_map(map) };
        let (key, record) = match &stream.sampled {
            Some(sampled) => {
                let (key, value) = Value::of_entry(self, sampled, record);
                (Some(key), value)
            }
            None => (None, record),
        };
        let hand = |value| f(Event { map: &stream.map, stream: map, key, value, record });
        match Value::of_stream(self, map, record) {
            Ok(value) => Verdict::of(Ok(hand(value))),
            Err(short) => {
                // Entries of maps are whole.
                if stream.sampled.is_some() || (record.len() as u64) < self.least(stream, record) {
                    return Verdict::Short;
                }
                let mut begun = record.to_vec();
                begun.resize(short.size, 0);
                Verdict::of(Value::of_stream(self, map, &begun).map(hand))
            }
        }
    }
}
