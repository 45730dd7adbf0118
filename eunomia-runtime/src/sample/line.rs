//! The one-line form of events, the same for generated types and for values read at run time:
//! `pid=1 comm=sh filename="a b" kind=EXIT(1) nested={x=1 y=[1, 2]}`.

use std::{
    borrow::Borrow,
    fmt::{self, Write as _},
};

use super::{Bool, CharArray, KernelPtr};
use crate::plain::{self, is_shown};

/// A value that can follow `name=` in the one-line form.
#[doc(hidden)]
pub trait Line: fmt::Debug {
    /// Writes the value without a line break.
    ///
    /// # Errors
    /// Only the formatter's.
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// Reports whether an ASCII character needs no quotes.
#[cfg(feature = "dynamic")]
pub(crate) fn is_plain(byte: &u8) -> bool {
    matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'=' | b'{' | b'}' | b'[' | b']' | b',')
}

/// Writes text as it is if that is unambiguous, else quoted and escaped, so that no event can forge
/// a field or a line.
pub(crate) fn write_text(f: &mut impl fmt::Write, bytes: &[u8]) -> fmt::Result {
    let text = String::from_utf8_lossy(bytes);
    let plain =
        |c: char| is_shown(c) && !matches!(c, ' ' | '"' | '=' | '{' | '}' | '[' | ']' | ',');
    if !text.is_empty() && text.chars().all(plain) {
        f.write_str(&text)
    } else {
        write!(f, "{text:?}")
    }
}

/// Writes bytes of an unknown type in hexadecimal.
pub(crate) fn write_bytes(f: &mut impl fmt::Write, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Writes the constant of an enum by its name, or as a number if it has no name.
pub fn constant(
    name: Option<&str>,
    number: &dyn fmt::Display,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    match name {
        Some(name) => f.pad(&plain::line(name)),
        None => number.fmt(f),
    }
}

/// Writes a constant in the form that [`Line`] uses, `NAME(number)`.
pub fn numbered(
    name: Option<&str>,
    number: &dyn fmt::Display,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    match name {
        Some(name) => write!(f, "{}({number})", plain::line(name)),
        None => number.fmt(f),
    }
}

/// Bytes of an unknown type.
impl Line for [u8] {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_bytes(f, self)
    }
}

macro_rules! as_displayed {
    ($($type:ty)*) => {$(
        impl Line for $type {
            fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    )*};
}

as_displayed!(bool u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 Bool KernelPtr);

/// A floating-point number as text that reads back as the same number, with an exponent if
/// `Display` would write mostly zeroes.
pub(crate) struct Real<T>(pub(crate) T);

macro_rules! reals {
    ($($type:ty)*) => {$(
        impl fmt::Display for Real<$type> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // `Debug` switches at the same numbers.
                let short = self.0 == 0.0 || (1e-5..1e16).contains(&self.0.abs());
                if short { fmt::Display::fmt(&self.0, f) } else { fmt::LowerExp::fmt(&self.0, f) }
            }
        }

        impl Line for $type {
            fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", Real(*self))
            }
        }
    )*};
}

reals!(f32 f64);

impl<const N: usize> Line for CharArray<N> {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(f, self.as_bytes())
    }
}

impl<T: Line, const N: usize> Line for [T; N] {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Items without bytes are not counted: an array may have any number of them.
        let items = if size_of::<T>() == 0 { &[] } else { self.as_slice() };
        write_items::<T>(f, items.iter())
    }
}

/// Writes the items of an array.
pub(crate) fn write_items<T: Line>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = impl Borrow<T>>,
) -> fmt::Result {
    f.write_char('[')?;
    for (i, item) in items.enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        item.borrow().line(f)?;
    }
    f.write_char(']')
}

/// A generated struct, which lists its fields once for all forms of output.
pub trait Fielded: fmt::Debug {
    /// Passes each field to `to`.
    fn fields(&self, to: &mut Fields<'_, '_>);
}

/// Writes a struct inside another.
impl<T: Fielded> Line for T {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('{')?;
        line(self, f)?;
        f.write_char('}')
    }
}

/// The receiver of a struct's fields.
#[allow(missing_debug_implementations, reason = "a formatter has none")]
#[doc(hidden)]
pub struct Fields<'a, 'f>(Form<'a, 'f>);

/// The form in which fields are written.
enum Form<'a, 'f> {
    Line {
        f: &'a mut fmt::Formatter<'f>,
        result: fmt::Result,
        separator: &'static str,
        /// A member to replace, and the value written in its place.
        tail: Option<(&'static str, &'a dyn Line)>,
    },
    Debug(fmt::DebugStruct<'a, 'f>),
}

impl Fields<'_, '_> {
    /// Takes a field.
    pub fn field(&mut self, name: &str, value: &dyn Line) -> &mut Self {
        match &mut self.0 {
            Form::Line { f, result, separator, tail } => {
                let value =
                    tail.filter(|(member, _)| *member == name).map_or(value, |(_, tail)| tail);
                *result = result.and_then(|()| {
                    f.write_str(separator)?;
                    write_text(f, name.as_bytes())?;
                    f.write_char('=')?;
                    value.line(f)
                });
                *separator = " ";
            }
            Form::Debug(form) => _ = form.field(name, &value),
        }
        self
    }
}

/// Writes the one-line form: `name=value` for each field, separated by spaces.
pub fn line(fielded: &dyn Fielded, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    show(fielded, Form::Line { f, result: Ok(()), separator: "", tail: None })
}

/// Writes the one-line form with another value for the member named in `tail`.
pub(crate) fn line_with<'a>(
    fielded: &dyn Fielded,
    tail: (&'static str, &'a dyn Line),
    f: &'a mut fmt::Formatter<'_>,
) -> fmt::Result {
    show(fielded, Form::Line { f, result: Ok(()), separator: "", tail: Some(tail) })
}

/// Writes the form of `derive(Debug)`.
pub fn debug(name: &str, fielded: &dyn Fielded, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    show(fielded, Form::Debug(f.debug_struct(name)))
}

fn show(fielded: &dyn Fielded, form: Form<'_, '_>) -> fmt::Result {
    let mut fields = Fields(form);
    fielded.fields(&mut fields);
    match fields.0 {
        Form::Line { result, .. } => result,
        Form::Debug(mut form) => form.finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_forge_a_field() {
        let written = |bytes: &[u8]| {
            let mut out = String::new();
            write_text(&mut out, bytes).unwrap();
            out
        };
        assert_eq!(written(b"kworker/0:1"), "kworker/0:1");
        assert_eq!(written(b"a pid=0"), r#""a pid=0""#);
        assert_eq!(written(b"x\nTIME"), r#""x\nTIME""#);
        assert_eq!(written("x\u{202e}y\u{85}".as_bytes()), r#""x\u{202e}y\u{85}""#);
        assert_eq!(written("größe".as_bytes()), "größe");
        assert_eq!(written(b""), r#""""#);
        assert_eq!(written(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn floats_are_short_and_read_back() {
        for number in [
            0.0,
            -0.0,
            1.5,
            1e6,
            1e-5,
            9.9e-6,
            1e15,
            1e16,
            f64::MAX,
            5e-324,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ] {
            let text = Real(number).to_string();
            assert!(text.len() <= 23, "{text}");
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits());
        }
        let written =
            [0.0, 7e-45, 100_000.0, -f32::MAX, f32::NAN].map(|number| Real(number).to_string());
        assert_eq!(written, ["0", "7e-45", "100000", "-3.4028235e38", "NaN"]);
    }

    #[test]
    fn fields_and_arrays_are_written() {
        struct Two;
        impl Fielded for Two {
            fn fields(&self, to: &mut Fields<'_, '_>) {
                to.field("a", &[1u8, 2]).field("b", &CharArray::<4>::new("x y").unwrap());
            }
        }
        impl fmt::Display for Two {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                line(self, f)
            }
        }
        impl fmt::Debug for Two {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                debug("Two", self, f)
            }
        }
        assert_eq!(Two.to_string(), r#"a=[1, 2] b="x y""#);
        assert_eq!(format!("{Two:?}"), r#"Two { a: [1, 2], b: "x y" }"#);
        assert_eq!(
            format!("{:#?}", [Two]),
            "[\n    Two {\n        a: [\n            1,\n            2,\n        ],\n        b: \"x y\",\n    },\n]"
        );
    }
}
