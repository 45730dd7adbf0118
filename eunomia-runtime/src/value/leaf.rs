//! Parts of values that have no members or items, such as numbers, texts and enums.

use std::io::Write as _;

use super::form::{Form, digits, numbers, truth};
use crate::{
    object::{Kind, Layouts, TypeId},
    sample::{Format, Formatted, access::number, until_nul},
};

/// A part that has no members or items.
#[derive(Debug)]
pub(super) enum Leaf {
    Unsigned(u8),
    Signed(u8),
    Bool,
    Address,
    Float,
    Double,
    /// A `char` array of this many bytes.
    Text(usize),
    /// Bits that are read as a number, such as those of an enum, and the meaning of the number.
    Bits {
        len: usize,
        shift: u32,
        width: u32,
        signed: bool,
        kind: Bits,
    },
    /// This many bytes of an unknown type, written as numbers.
    Bytes(usize),
    /// This many bytes in a format.
    Formatted(Format, usize),
}

/// The meaning of a number that is read from bits.
#[derive(Debug)]
pub(super) enum Bits {
    Number,
    Wide,
    Bool,
    Enum(Constants),
}

/// The constants of an enum and their texts, sorted by value.
#[derive(Debug)]
pub(super) struct Constants(Vec<(i128, Box<[u8]>)>);

impl Leaf {
    pub(super) fn of_bits<F: Form>(
        layouts: &Layouts,
        ty: TypeId,
        len: usize,
        shift: u32,
        width: u32,
    ) -> Self {
        let (signed, kind) = match &layouts.btf.resolve(ty).1.kind {
            Kind::Int { bool: true, size: 1, .. } => (false, Bits::Bool),
            Kind::Int { size: 16, signed, .. } => (*signed, Bits::Wide),
            Kind::Int { size: 1 | 2 | 4 | 8, signed, .. } => (*signed, Bits::Number),
            Kind::Enum { signed, values, .. } => (*signed, Bits::Enum(Constants::new::<F>(values))),
            _ => return Self::Bytes(len),
        };
        if (1..=128).contains(&width) {
            Self::Bits { len, shift, width, signed, kind }
        } else {
            Self::Bytes(len)
        }
    }

    /// Writes the leaf at the start of `bytes`. [`super::Value`] ensures that there are enough;
    /// missing ones would be read as zeroes.
    #[inline]
    pub(super) fn write<F: Form>(&self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Unsigned(1) => digits(u8::from_le_bytes(first(bytes)), out),
            Self::Unsigned(2) => digits(u16::from_le_bytes(first(bytes)), out),
            Self::Unsigned(4) => digits(u32::from_le_bytes(first(bytes)), out),
            Self::Unsigned(8) => digits(u64::from_le_bytes(first(bytes)), out),
            Self::Unsigned(_) => F::wide(&u128::from_le_bytes(first(bytes)), out),
            Self::Signed(1) => digits(i8::from_le_bytes(first(bytes)), out),
            Self::Signed(2) => digits(i16::from_le_bytes(first(bytes)), out),
            Self::Signed(4) => digits(i32::from_le_bytes(first(bytes)), out),
            Self::Signed(8) => digits(i64::from_le_bytes(first(bytes)), out),
            Self::Signed(_) => F::wide(&i128::from_le_bytes(first(bytes)), out),
            Self::Bool => truth(first::<1>(bytes) != [0], out),
            Self::Address => F::address(u64::from_le_bytes(first(bytes)), out),
            Self::Float => F::float(f32::from_le_bytes(first(bytes)), out),
            Self::Double => F::double(f64::from_le_bytes(first(bytes)), out),
            Self::Text(len) => F::text(until_nul(bytes.get(..*len).unwrap_or_default()), out),
            Self::Bits { len, shift, width, signed, kind } => {
                let value = number(bytes.get(..*len).unwrap_or_default(), *shift, *width, *signed);
                match kind {
                    Bits::Bool => truth(value != 0, out),
                    Bits::Enum(constants) => constants.write::<F>(value, out),
                    Bits::Wide if *signed => F::wide(&value, out),
                    Bits::Wide => F::wide(&value.cast_unsigned(), out),
                    Bits::Number => match i64::try_from(value) {
                        Ok(value) => digits(value, out),
                        // Only unsigned numbers of 64 bits do not fit an `i64`.
                        Err(_) => digits(u64::try_from(value).unwrap_or(u64::MAX), out),
                    },
                }
            }
            Self::Bytes(len) => numbers::<F>(bytes.get(..*len).unwrap_or_default(), out),
            Self::Formatted(format, len) => {
                let bytes = bytes.get(..*len).unwrap_or_default();
                // Writing to memory cannot fail.
                _ = write!(out, "{}", Formatted::of_bytes(*format, bytes));
            }
        }
    }
}

impl Constants {
    fn new<F: Form>(values: &[(String, i128)]) -> Self {
        let mut known: Vec<_> = values
            .iter()
            .map(|(name, value)| (*value, F::constant(Some(name), *value).into()))
            .collect();
        // The sort is stable: if a value has several names the first is kept, as in all output.
        known.sort_by_key(|(value, _)| *value);
        known.dedup_by_key(|(value, _)| *value);
        Self(known)
    }

    fn write<F: Form>(&self, value: i128, out: &mut Vec<u8>) {
        match self
            .0
            .binary_search_by_key(&value, |(known, _)| *known)
            .ok()
            .and_then(|at| self.0.get(at))
        {
            Some((_, text)) => out.extend_from_slice(text),
            None => out.extend_from_slice(&F::constant(None, value)),
        }
    }
}

fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}
