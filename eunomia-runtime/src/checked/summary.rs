//! One-line summaries of a checked object and of its records.

use super::{Checked, Payload, Stream};
use crate::plain::{line, name as cut};

impl Checked {
    /// Returns a summary of the object on one line, whatever its names contain.
    pub fn summary(&self) -> String {
        let maps = self.maps.iter().map(|map| cut(&map.name).into_owned());
        let programs = self.programs.iter().map(|(name, _)| cut(name).into_owned());
        let exports = self
            .streams
            .iter()
            .map(|stream| format!("{} ({})", cut(&stream.map), self.with_reason(stream)));
        let name = cut(&self.skeleton.name);
        line(&format!(
            "object {name}; maps: {}; programs: {}; exports: {}",
            joined(maps),
            joined(programs),
            joined(exports)
        ))
        .into_owned()
    }

    /// Returns a description of the records of a map, and how their type was found.
    fn with_reason(&self, stream: &Stream) -> String {
        match &stream.found {
            Some(how) => format!("{}; found: {how}", self.payload(stream)),
            None => self.payload(stream),
        }
    }

    /// Returns a description of the records of a map.
    #[doc(hidden)]
    pub fn payload(&self, stream: &Stream) -> String {
        match &stream.payload {
            Payload::Type(id) => self.layouts.c_name(*id),
            Payload::Custom(fields) => {
                let fields = fields
                    .iter()
                    .map(|field| self.layouts.c_declaration(&cut(&field.name), field.ty));
                format!("custom: {}", joined(fields))
            }
            Payload::Tagged(tagged) => {
                let types = tagged
                    .tags
                    .iter()
                    .map(|tag| format!("{} {}", tag.text, self.layouts.c_name(tag.ty)));
                format!("by {}: {}", tagged.member, joined(types))
            }
            Payload::Bytes { why } => format!("bytes: {why}"),
        }
    }
}

/// Joins texts, all of them: `a, b`, or "none".
fn joined(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
