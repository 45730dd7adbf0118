//! A form in which values are written, and what is the same in every form.

use crate::object::{Derived, Layouts};

/// A form in which values are written.
pub(super) trait Form: Sized {
    /// Separator of two members.
    const FIELDS: &'static str;
    /// Separator of two items of an array.
    const ITEMS: &'static str;
    /// True if the outermost struct has no braces.
    const BARE: bool;
    /// True if members are shown in their formats (`EUNOMIA_FORMAT`).
    const FORMATS: bool = false;

    /// Writes the name of a member, before its value.
    fn name(name: &str, out: &mut Vec<u8>);

    /// Returns the text of an enum's constant. A constant without a name is an error of the
    /// program, or is new in a later kernel.
    fn constant(name: Option<&str>, value: i128) -> Vec<u8>;

    /// Writes a number of 128 bits.
    fn wide(number: &dyn std::fmt::Display, out: &mut Vec<u8>);

    fn address(address: u64, out: &mut Vec<u8>);

    fn float(number: f32, out: &mut Vec<u8>);

    fn double(number: f64, out: &mut Vec<u8>);

    fn text(text: &[u8], out: &mut Vec<u8>);

    /// Writes a record of an unknown type.
    fn unknown(bytes: &[u8], out: &mut Vec<u8>) {
        numbers::<Self>(bytes, out);
    }

    /// Returns the plans of this form, one for each type.
    fn plans(layouts: &Layouts) -> &Derived;
}

pub(super) fn numbers<F: Form>(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'[');
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(F::ITEMS.as_bytes());
        }
        digits(*byte, out);
    }
    out.push(b']');
}

pub(super) fn truth(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Writes the digits of a number, which are the same in every form.
pub(super) fn digits(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
