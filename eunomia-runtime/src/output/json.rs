//! Events as JSON Lines.

use super::stack::{Names, StackTrace};
use crate::{checked::Stream, plain::json, value::Event};

/// The JSON Lines form of one map's events: the text around the values is always the same.
#[derive(Debug)]
pub(super) struct Json<'a> {
    open: String,
    close: &'static str,
    stack: Option<StackTrace<'a>>,
}

impl<'a> Json<'a> {
    pub(super) fn new(stream: &Stream, several: bool, stack: Option<StackTrace<'a>>) -> Self {
        // Serializing a string cannot fail.
        let map = serde_json::Value::from(stream.map.as_str()).to_string();
        let map = json(&map);
        let (open, close) = match (several, stream.sampled.is_some()) {
            (false, false) => (String::new(), "\n"),
            (false, true) => ("{\"key\":".to_owned(), "}\n"),
            (true, false) => (format!("{{\"map\":{map},\"event\":"), "}\n"),
            (true, true) => (format!("{{\"map\":{map},\"key\":"), "}\n"),
        };
        Self { open, close, stack }
    }

    #[cfg(feature = "symbolize")]
    pub(super) fn stack(&self) -> Option<&StackTrace<'a>> {
        self.stack.as_ref()
    }

    pub(super) fn write(&self, event: &Event<'_>, names: Names<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.open.as_bytes());
        if let Some(key) = &event.key {
            key.write_json(out);
            out.extend_from_slice(b",\"value\":");
        }
        match &self.stack {
            Some(stack) => stack.write_json(event, names, out),
            None => event.value.write_json(out),
        }
        out.extend_from_slice(self.close.as_bytes());
    }
}
