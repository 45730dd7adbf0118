//! Bytes of a variable from a JSON value or from text, checked against its type.

use serde_json::Value as Json;

use crate::object::{Kind, Layouts, TypeId};

/// The largest value that can be written down; a variable may be as large as its section, of which a damaged object can say anything.
const MAX_VALUE: u64 = 1 << 20;

/// The bytes of `value` as a `ty`.
///
/// # Errors
/// Why the value does not fit, with the range where there is one.
pub fn encode(layouts: &Layouts, ty: TypeId, value: &Json) -> Result<Vec<u8>, String> {
    let (id, resolved) = layouts.btf.resolve(ty);
    let size = size_of_value(layouts, id)?;
    let refuse = || Err(format!("{value} is no value of the type `{}`", layouts.c_name(ty)));
    match (&resolved.kind, value) {
        (_, Json::String(text)) => parse(layouts, ty, text),
        (Kind::Int { bool: true, .. }, Json::Bool(truth)) => Ok(truth_of(*truth, size)),
        (Kind::Int { .. } | Kind::Enum { .. } | Kind::Float { .. }, Json::Number(number)) => parse(layouts, ty, &number.to_string()),
        (Kind::Array { element, len }, Json::Array(items)) if items.len() <= *len as usize => {
            let mut bytes = Vec::new();
            for item in items {
                bytes.extend(encode(layouts, *element, item)?);
            }
            bytes.resize(size, 0);
            Ok(bytes)
        }
        _ => refuse(),
    }
}

/// The bytes of `text` as a `ty`: numbers in decimal, `0x`, `0o` or `0b`, `true` and `false`, names of enum values, text.
///
/// # Errors
/// Why the text does not fit, with the range where there is one.
pub fn parse(layouts: &Layouts, ty: TypeId, text: &str) -> Result<Vec<u8>, String> {
    let (id, resolved) = layouts.btf.resolve(ty);
    let size = size_of_value(layouts, id)?;
    let name = layouts.c_name(ty);
    let refuse = |wanted: &str| Err(format!("`{text}` is no value of the type `{name}`; expected {wanted}"));
    if let Some(len) = layouts.char_array(ty) {
        let len = len as usize;
        if text.len() >= len {
            return Err(format!("{} bytes of text and a NUL do not fit into `{name}`", text.len()));
        }
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(len, 0);
        return Ok(bytes);
    }
    match &resolved.kind {
        Kind::Int { bool: true, .. } => match text {
            "true" | "1" => Ok(truth_of(true, size)),
            "false" | "0" => Ok(truth_of(false, size)),
            _ => refuse("true or false"),
        },
        Kind::Enum { size, signed, values } => match values.iter().find(|(name, _)| name == text) {
            Some((_, value)) => Ok(value.to_le_bytes().into_iter().take(*size as usize).collect()),
            None => match integer(text, *size, *signed) {
                Some(bytes) => Ok(bytes),
                None => {
                    refuse(&format!("a number or one of {}", values.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")))
                }
            },
        },
        Kind::Int { size, signed, .. } => match integer(text, *size, *signed) {
            Some(bytes) => Ok(bytes),
            None => refuse(&format!("a number {}", range(*size, *signed))),
        },
        Kind::Float { size } => match (text.parse::<f64>(), text.parse::<f32>(), size) {
            (_, Ok(number), 4) => Ok(number.to_le_bytes().to_vec()),
            (Ok(number), _, 8) => Ok(number.to_le_bytes().to_vec()),
            _ => refuse("a number"),
        },
        _ => Err(format!("variables of the type `{name}` cannot be set from text")),
    }
}

/// Bytes of a type, where a value of it may be written down.
fn size_of_value(layouts: &Layouts, id: TypeId) -> Result<usize, String> {
    match layouts.layout(id).size {
        size @ 0..=MAX_VALUE => usize::try_from(size).map_err(|error| error.to_string()),
        size => Err(format!("`{}` has {size} bytes, a value may have {MAX_VALUE}", layouts.c_name(id))),
    }
}

/// A C `bool`, which is a byte wherever C is compiled today, but an integer of any size in BTF.
fn truth_of(truth: bool, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    if let Some(first) = bytes.first_mut() {
        *first = u8::from(truth);
    }
    bytes
}

/// The little-endian bytes of a number that fits.
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
    let fits = if negative { magnitude <= if signed { most + 1 } else { 0 } } else { magnitude <= most };
    let value = if negative { magnitude.wrapping_neg() } else { magnitude };
    fits.then(|| value.to_le_bytes().into_iter().take(size as usize).collect())
}

fn range(size: u32, signed: bool) -> String {
    let bits = size.saturating_mul(8).clamp(8, 128);
    let most = u128::MAX >> (128 - bits + u32::from(signed));
    if signed { format!("from -{} to {most}", most + 1) } else { format!("from 0 to {most}") }
}

#[cfg(test)]
mod tests {
    use super::{integer, range};

    #[test]
    fn numbers_fit_or_are_refused() {
        assert_eq!(integer("255", 1, false), Some(vec![255]));
        assert_eq!(integer("256", 1, false), None);
        assert_eq!(integer("-1", 1, false), None);
        assert_eq!(integer("-0", 1, false), Some(vec![0]));
        assert_eq!(integer("-128", 1, true), Some(vec![128]));
        assert_eq!(integer("-129", 1, true), None);
        assert_eq!(integer("128", 1, true), None);
        assert_eq!(integer("0xffff_", 2, false), None);
        assert_eq!(integer("0xffff", 2, false), Some(vec![255, 255]));
        assert_eq!(integer("0b101", 4, true), Some(vec![5, 0, 0, 0]));
        assert_eq!(integer("0x+1", 4, true), None);
        assert_eq!(integer(&u128::MAX.to_string(), 16, false), Some(vec![255; 16]));
        assert_eq!(integer(&i128::MIN.to_string(), 16, true).unwrap()[15], 128);
        assert_eq!(integer("", 4, true), None);
        assert_eq!(range(1, true), "from -128 to 127");
        assert_eq!(range(16, false), format!("from 0 to {}", u128::MAX));
    }
}
