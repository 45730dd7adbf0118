//! Values in the one-line form, the same as that of generated types.

use std::{
    fmt::{self, Display},
    io::Write as _,
};

use super::{Value, form::Form, plan};
use crate::{
    object::Layouts,
    plain::line,
    sample::line::{Real, is_plain, write_bytes, write_text},
};

impl Value<'_> {
    /// Appends the value in the one-line form of [`Display`], without a line break.
    ///
    /// The plan for a type is made with its first value.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        plan::write::<Line>(self.layouts, self.shape, self.bytes, out);
    }
}

impl Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write_line(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// The one-line form.
struct Line;

impl Form for Line {
    const FIELDS: &'static str = " ";
    const ITEMS: &'static str = ", ";
    const BARE: bool = true;
    const FORMATS: bool = true;

    fn name(name: &str, out: &mut Vec<u8>) {
        Self::text(name.as_bytes(), out);
        out.push(b'=');
    }

    fn constant(name: Option<&str>, value: i128) -> Vec<u8> {
        name.map_or_else(|| value.to_string(), |name| format!("{}({value})", line(name))).into()
    }

    // Writing to memory cannot fail.

    fn wide(number: &dyn Display, out: &mut Vec<u8>) {
        _ = write!(out, "{number}");
    }

    fn address(address: u64, out: &mut Vec<u8>) {
        _ = write!(out, "{address:#x}");
    }

    fn float(number: f32, out: &mut Vec<u8>) {
        _ = write!(out, "{}", Real(number));
    }

    fn double(number: f64, out: &mut Vec<u8>) {
        _ = write!(out, "{}", Real(number));
    }

    fn text(text: &[u8], out: &mut Vec<u8>) {
        if !text.is_empty() && text.iter().all(is_plain) {
            return out.extend_from_slice(text);
        }
        let mut quoted = String::new();
        _ = write_text(&mut quoted, text);
        out.extend_from_slice(quoted.as_bytes());
    }

    fn unknown(bytes: &[u8], out: &mut Vec<u8>) {
        let mut hexadecimal = String::new();
        _ = write_bytes(&mut hexadecimal, bytes);
        out.extend_from_slice(hexadecimal.as_bytes());
    }

    fn plans(layouts: &Layouts) -> &crate::object::Derived {
        &layouts.line
    }
}
