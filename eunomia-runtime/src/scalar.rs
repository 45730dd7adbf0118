//! [`Scalar`]: values written as text.

use crate::sample::{access, line::Real};

/// A type whose values can be written as text: on a command line, in a document, in a call of
/// `set`.
///
/// Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// A C `bool`: `true`, `false`, `1` or `0`. Compilers give it 1 byte, but BTF can give any
    /// size.
    Bool(u32),
    /// A signed integer, in decimal, `0x`, `0o` or `0b`, or an enum with negative values, whose
    /// constants can be given by name, too.
    Signed(u32),
    /// An unsigned integer, or an enum without negative values.
    Unsigned(u32),
    /// A floating-point number.
    Float(u32),
    /// A `char` array: text and at least one NUL.
    Text(u32),
}

impl Scalar {
    /// Parses `text` into little-endian bytes, as many as the type has.
    ///
    /// `constants` are those of an enum, and empty for other types.
    ///
    /// # Errors
    /// The form that was expected, with the valid range.
    pub fn parse<'n>(
        self,
        text: &str,
        constants: impl Iterator<Item = (&'n str, i128)> + Clone,
    ) -> Result<Vec<u8>, String> {
        match self {
            Self::Bool(size) => match text {
                "true" | "1" => Ok(truth(true, size)),
                "false" | "0" => Ok(truth(false, size)),
                _ => Err("true or false".to_owned()),
            },
            Self::Signed(size) | Self::Unsigned(size) => {
                match constants.clone().find(|(name, _)| *name == text) {
                    Some((_, value)) => {
                        Ok(value.to_le_bytes().into_iter().take(size as usize).collect())
                    }
                    None => {
                        let signed = matches!(self, Self::Signed(_));
                        integer(text, size, signed).ok_or_else(|| {
                            expected(constants.map(|(name, _)| name).collect(), size, signed)
                        })
                    }
                }
            }
            Self::Float(size) => match (text.parse::<f64>(), text.parse::<f32>(), size) {
                (_, Ok(number), 4) if number.is_finite() || is_endless(text) => {
                    Ok(number.to_le_bytes().to_vec())
                }
                (Ok(number), _, 8) if number.is_finite() || is_endless(text) => {
                    Ok(number.to_le_bytes().to_vec())
                }
                (Ok(_), _, 4) => Err(format!("a number from {:e} to {:e}", f32::MIN, f32::MAX)),
                (Ok(_), _, 8) => Err(format!("a number from {:e} to {:e}", f64::MIN, f64::MAX)),
                _ => Err("a number".to_owned()),
            },
            Self::Text(size) => {
                let size = size as usize;
                if text.len() >= size {
                    return Err(format!("at most {} bytes of text", size.saturating_sub(1)));
                }
                let mut bytes = text.as_bytes().to_vec();
                bytes.resize(size, 0);
                Ok(bytes)
            }
        }
    }

    /// Returns a value as text that [`Self::parse`] reads, with U+FFFD in place of bytes that are
    /// not UTF-8.
    pub fn text<'n>(
        self,
        bytes: &[u8],
        mut constants: impl Iterator<Item = (&'n str, i128)>,
    ) -> String {
        match self {
            Self::Bool(_) => bytes.iter().any(|&byte| byte != 0).to_string(),
            Self::Signed(_) | Self::Unsigned(_) => {
                let (unsigned, signed) = (
                    number(bytes, false).cast_unsigned(),
                    matches!(self, Self::Signed(_)).then(|| number(bytes, true)),
                );
                let value = signed.or_else(|| i128::try_from(unsigned).ok());
                match (constants.find(|(_, constant)| Some(*constant) == value), signed) {
                    (Some((name, _)), _) => name.to_owned(),
                    (None, Some(signed)) => signed.to_string(),
                    (None, None) => unsigned.to_string(),
                }
            }
            Self::Float(_) => match (
                bytes.try_into().map(f32::from_le_bytes),
                bytes.try_into().map(f64::from_le_bytes),
            ) {
                (Ok(number), _) => Real(number).to_string(),
                (_, Ok(number)) => Real(number).to_string(),
                _ => String::new(),
            },
            Self::Text(_) => String::from_utf8_lossy(crate::sample::until_nul(bytes)).into_owned(),
        }
    }
}

fn truth(truth: bool, size: u32) -> Vec<u8> {
    let mut bytes = vec![0; size as usize];
    if let Some(first) = bytes.first_mut() {
        *first = u8::from(truth);
    }
    bytes
}

/// Returns the little-endian bytes of a number if it fits.
fn integer(text: &str, size: u32, signed: bool) -> Option<Vec<u8>> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let (digits, radix) = match digits.get(..2) {
        Some("0x" | "0X") => (digits.get(2..)?, 16),
        Some("0o") => (digits.get(2..)?, 8),
        Some("0b") => (digits.get(2..)?, 2),
        _ => (digits, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    let magnitude = u128::from_str_radix(digits, radix).ok()?;
    let bits = size.checked_mul(8).filter(|bits| (8..=128).contains(bits))?;
    let most = u128::MAX >> (128 - bits + u32::from(signed));
    let fits =
        if negative { magnitude <= if signed { most + 1 } else { 0 } } else { magnitude <= most };
    let value = if negative { magnitude.wrapping_neg() } else { magnitude };
    fits.then(|| value.to_le_bytes().into_iter().take(size as usize).collect())
}

/// Reports whether a floating-point number is spelt `inf`, `infinity` or `nan`, as opposed to
/// digits too large for the type.
fn is_endless(text: &str) -> bool {
    !text.contains(|c: char| c.is_ascii_digit())
}

fn expected(constants: Vec<&str>, size: u32, signed: bool) -> String {
    let bits = size.saturating_mul(8).clamp(8, 128);
    let most = u128::MAX >> (128 - bits + u32::from(signed));
    let range = if signed {
        format!("a number from -{} to {most}", most + 1)
    } else {
        format!("a number from 0 to {most}")
    };
    if constants.is_empty() {
        range
    } else {
        format!("{range}, or one of {}", constants.join(", "))
    }
}

/// Reads a number from little-endian bytes, of which no type has more than 16.
fn number(bytes: &[u8], signed: bool) -> i128 {
    match bytes.len() {
        0 => 0,
        len => access::number(bytes, 0, 8 * len.min(16) as u32, signed),
    }
}

#[cfg(test)]
mod tests {
    use std::iter::empty;

    use super::*;

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        assert_eq!(integer("255", 1, false), Some(vec![255]));
        assert_eq!(integer("256", 1, false), None);
        assert_eq!(integer("-1", 1, false), None);
        assert_eq!(integer("-0", 1, false), Some(vec![0]));
        assert_eq!(integer("-128", 1, true), Some(vec![128]));
        assert_eq!(integer("-129", 1, true), None);
        assert_eq!(integer("128", 1, true), None);
        assert_eq!(integer("0xffff_", 2, false), None);
        assert_eq!(integer("0xffff", 2, false), Some(vec![255, 255]));
        assert_eq!(integer("-0x8000", 2, true), Some(vec![0, 128]));
        assert_eq!(integer("0b101", 4, true), Some(vec![5, 0, 0, 0]));
        assert_eq!(integer("0x+1", 4, true), None);
        assert_eq!(integer(&u128::MAX.to_string(), 16, false), Some(vec![255; 16]));
        assert_eq!(integer(&i128::MIN.to_string(), 16, true).unwrap()[15], 128);
        assert_eq!(integer("", 4, true), None);
    }

    #[test]
    fn refusals_name_the_range() {
        let int = |scalar: Scalar| scalar.parse("x", empty()).unwrap_err();
        assert_eq!(int(Scalar::Signed(1)), "a number from -128 to 127");
        assert_eq!(int(Scalar::Unsigned(8)), "a number from 0 to 18446744073709551615");
        assert_eq!(
            int(Scalar::Signed(16)),
            format!("a number from {} to {}", i128::MIN, i128::MAX)
        );
        let constants = [("LOW", -5), ("HIGH", 7)];
        let level = Scalar::Signed(4);
        assert_eq!(
            level.parse("MIDDLE", constants.into_iter()).unwrap_err(),
            "a number from -2147483648 to 2147483647, or one of LOW, HIGH"
        );
        assert_eq!(Scalar::Bool(1).parse("yes", empty()).unwrap_err(), "true or false");
        assert_eq!(Scalar::Float(4).parse("1,5", empty()).unwrap_err(), "a number");
        assert_eq!(Scalar::Float(2).parse("1", empty()).unwrap_err(), "a number");
        assert_eq!(Scalar::Text(4).parse("four", empty()).unwrap_err(), "at most 3 bytes of text");
        assert_eq!(Scalar::Text(0).parse("", empty()).unwrap_err(), "at most 0 bytes of text");
    }

    #[test]
    fn floats_that_do_not_fit_are_refused() {
        let (f32s, f64s) = (
            "a number from -3.4028235e38 to 3.4028235e38",
            "a number from -1.7976931348623157e308 to 1.7976931348623157e308",
        );
        for (size, text, range) in
            [(4, "1e39", f32s), (4, "-1e39", f32s), (8, "1e400", f64s), (8, "-1E+400", f64s)]
        {
            assert_eq!(Scalar::Float(size).parse(text, empty()).unwrap_err(), range);
        }
        let fitting = [
            ("inf", f32::INFINITY),
            ("-Infinity", f32::NEG_INFINITY),
            ("3.4028235e38", f32::MAX),
            ("1e-400", 0.0),
        ];
        for (text, number) in fitting {
            assert_eq!(Scalar::Float(4).parse(text, empty()), Ok(number.to_le_bytes().to_vec()));
        }
        assert_eq!(Scalar::Float(8).parse("1e39", empty()), Ok(1e39f64.to_le_bytes().to_vec()));
        assert!(Scalar::Float(8).parse("nan", empty()).is_ok());
    }

    #[test]
    fn text_of_a_value_parses_to_the_same_value() {
        let constants = [("LOW", -5), ("HIGH", 7)];
        for (scalar, texts) in [
            (Scalar::Bool(1), &["true", "false"] as &[&str]),
            (Scalar::Signed(1), &["LOW", "HIGH", "6", "-128", "127"]),
            (Scalar::Unsigned(8), &["0", "18446744073709551615"]),
            (
                Scalar::Signed(16),
                &[
                    "-170141183460469231731687303715884105728",
                    "170141183460469231731687303715884105727",
                ],
            ),
            (Scalar::Unsigned(16), &["340282366920938463463374607431768211455"]),
            (Scalar::Float(4), &["0.1", "-1.5", "inf", "-inf", "1e-45", "0.00001", "3.4028235e38"]),
            (Scalar::Float(8), &["0.1", "-0", "NaN", "1000000", "5e-324", "-1e16"]),
            (Scalar::Text(6), &["", "hello"]),
        ] {
            for text in texts {
                let bytes = scalar.parse(text, constants.into_iter()).unwrap();
                assert_eq!(scalar.text(&bytes, constants.into_iter()), *text);
            }
        }
        // Only a damaged object has such sizes.
        assert_eq!(Scalar::Signed(0).text(&[], empty()), "0");
        assert_eq!(Scalar::Float(2).text(&[1, 2], empty()), "");
    }
}
