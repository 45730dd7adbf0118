//! JSON in the conventions of the format: fields in their order, `"NAME(value)"` for enums, 128-bit numbers as text.

use std::fmt::Write as _;

use super::view::{Shape, Value};
use crate::object::Kind;

impl Value<'_> {
    /// The value as one line of JSON.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    /// Appends the value as one line of JSON.
    pub fn write_json(&self, out: &mut String) {
        if let Some(text) = self.as_text() {
            return quote(out, &text);
        }
        match (self.shape, self.kind()) {
            (Shape::Custom(_), _) | (_, Some(Kind::Struct { .. } | Kind::Union { .. })) => {
                out.push('{');
                for (i, (name, value)) in self.fields().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    quote(out, name);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
            (_, Some(Kind::Array { .. })) => list(out, self.items(), |out, item| item.write_json(out)),
            (_, Some(Kind::Float { size: 4 })) => float(out, self.bytes.try_into().map(f32::from_le_bytes).ok()),
            (_, Some(Kind::Float { size: 8 })) => float(out, self.as_f64()),
            (_, Some(Kind::Enum { .. })) => {
                let value = self.as_i128().unwrap_or_default();
                quote(out, &format!("{}({value})", self.enum_name().unwrap_or("<UNKNOWN_VARIANT>")));
            }
            (_, Some(Kind::Int { size: 16, .. })) => {
                let number = self.as_i128().map(|number| number.to_string()).or_else(|| self.as_u128().map(|number| number.to_string()));
                quote(out, &number.unwrap_or_default());
            }
            (_, Some(Kind::Int { bool: true, size: 1, .. })) => out.push_str(if self.as_bool() == Some(true) { "true" } else { "false" }),
            (_, Some(Kind::Int { size: 1 | 2 | 4 | 8, .. } | Kind::Pointer { .. })) => number(out, self.as_i128()),
            _ => list(out, self.bytes.iter(), |out, byte| number(out, Some(byte))),
        }
    }
}

fn list<T>(out: &mut String, items: impl Iterator<Item = T>, write: impl Fn(&mut String, T)) {
    out.push('[');
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

fn number<T: std::fmt::Display>(out: &mut String, number: Option<T>) {
    match number {
        // Writing to a String cannot fail.
        Some(number) => _ = write!(out, "{number}"),
        None => out.push_str("null"),
    }
}

/// A number as every serializer of the `serde` feature writes it: where two texts are equally near, the same one. JSON has no infinities
/// and no NaN; they become null.
fn float(out: &mut String, number: Option<impl serde_core::Serialize>) {
    let text = number.and_then(|number| serde_json::to_string(&number).ok());
    out.push_str(text.as_deref().unwrap_or("null"));
}

fn quote(out: &mut String, text: &str) {
    _ = write!(out, "{}", serde_json::Value::from(text));
}
