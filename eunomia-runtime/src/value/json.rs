//! Values as JSON in the conventions of the format: members in declaration order, enums as
//! `"NAME(value)"`, 128-bit numbers as text.
//!
//! Characters that a terminal would interpret or not show are escaped.

use std::{fmt::Display, io::Write as _};

use super::{
    Value,
    form::{Form, digits},
    plan,
};
use crate::{object::Layouts, plain::json};

impl Value<'_> {
    /// Returns the value as one line of JSON.
    pub fn to_json(&self) -> String {
        let mut out = Vec::new();
        self.write_json(&mut out);
        String::from_utf8(out)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// Appends the value as one line of JSON, without a line break.
    ///
    /// The plan for a type is made with its first value.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        plan::write::<Json>(self.layouts, self.shape, self.bytes, out);
    }
}

/// The JSON form.
struct Json;

impl Form for Json {
    const FIELDS: &'static str = ",";
    const ITEMS: &'static str = ",";
    const BARE: bool = false;

    fn name(name: &str, out: &mut Vec<u8>) {
        quote(name, out);
        out.push(b':');
    }

    fn constant(name: Option<&str>, value: i128) -> Vec<u8> {
        let mut out = Vec::new();
        quote(&format!("{}({value})", name.unwrap_or("<UNKNOWN_VARIANT>")), &mut out);
        out
    }

    fn wide(number: &dyn Display, out: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        _ = write!(out, "\"{number}\"");
    }

    fn address(address: u64, out: &mut Vec<u8>) {
        digits(address, out);
    }

    // These write floats as every serializer of the `serde` feature does, so that of two equally
    // near texts they choose the same one. JSON has neither infinities nor NaN; they become null.

    fn float(number: f32, out: &mut Vec<u8>) {
        _ = serde_json::to_writer(out, &number);
    }

    fn double(number: f64, out: &mut Vec<u8>) {
        _ = serde_json::to_writer(out, &number);
    }

    fn text(text: &[u8], out: &mut Vec<u8>) {
        // It tests every byte without a branch, so that the compiler can vectorise the loop.
        let escaped = |byte: &u8| !matches!(byte, b' '..=b'~') | (*byte == b'"') | (*byte == b'\\');
        if !text.iter().fold(false, |any, byte| any | escaped(byte)) {
            out.push(b'"');
            out.extend_from_slice(text);
            out.push(b'"');
        } else {
            quote(&String::from_utf8_lossy(text), out);
        }
    }

    fn plans(layouts: &Layouts) -> &crate::object::Derived {
        &layouts.json
    }
}

fn quote(text: &str, out: &mut Vec<u8>) {
    // Serializing a string cannot fail.
    let quoted = serde_json::to_string(text).unwrap_or_default();
    out.extend_from_slice(json(&quoted).as_bytes());
}
