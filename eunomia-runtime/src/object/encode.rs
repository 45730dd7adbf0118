//! Encodes a JSON value or text as the bytes of a variable, checked against its type.

use std::ops::Range;

use serde_json::{Map, Value as Json};

use super::{Kind, Layouts, TypeId};
use crate::{plain::quoted, scalar::Scalar};

/// The largest value that can be encoded. A variable may be as large as its section, and a damaged
/// object can claim any size.
const MAX_VALUE: u64 = 1 << 20;

/// Encodes `value` as a `ty`.
///
/// # Errors
/// The reason why the value does not fit, with the valid range if the type has one.
pub fn encode(layouts: &Layouts, ty: TypeId, value: &Json) -> Result<Vec<u8>, String> {
    let (id, resolved) = layouts.btf.resolve(ty);
    let size = size_of_value(layouts, id)?;
    let refuse = || Err(format!("{value} is not a value of type `{}`", layouts.c_name(ty)));
    match (&resolved.kind, value) {
        (_, Json::String(text)) => parse(layouts, ty, text),
        (Kind::Int { bool: true, .. }, Json::Bool(truth)) => parse(layouts, ty, &truth.to_string()),
        (Kind::Int { .. } | Kind::Enum { .. } | Kind::Float { .. }, Json::Number(number)) => {
            parse(layouts, ty, &number.to_string())
        }
        (Kind::Array { element, len }, Json::Array(items)) if items.len() <= *len as usize => {
            let mut bytes = Vec::new();
            for item in items {
                bytes.extend(encode(layouts, *element, item)?);
            }
            bytes.resize(size, 0);
            Ok(bytes)
        }
        (Kind::Struct { .. } | Kind::Union { .. }, Json::Object(members)) => {
            members_of(layouts, id, size, members)
        }
        _ => refuse(),
    }
}

/// Encodes a struct or union from its members by name; members that are not given are zero.
fn members_of(
    layouts: &Layouts,
    id: TypeId,
    size: usize,
    members: &Map<String, Json>,
) -> Result<Vec<u8>, String> {
    let (ty, fields) = (layouts.c_name(id), layouts.fields(id));
    let mut bytes = vec![0; size];
    let mut written: Vec<Range<usize>> = Vec::new();
    for (name, value) in members {
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            return Err(format!(
                "`{ty}` has no member `{name}`, it has {}",
                quoted(fields.iter().map(|field| field.name))
            ));
        };
        let (Some(ty_of_member), None) = (field.ty, field.bits) else {
            return Err(format!(
                "cannot set `{name}` of `{ty}`: it is a bit field or its type is unknown"
            ));
        };
        let value = encode(layouts, ty_of_member, value)
            .map_err(|why| format!("`{name}` of `{ty}`: {why}"))?;
        let start = usize::try_from(field.offset()).map_err(|error| error.to_string())?;
        let place = start..start + value.len();
        if written.iter().any(|before| before.start < place.end && place.start < before.end) {
            return Err(format!(
                "cannot set `{name}` of `{ty}`: it shares bytes with another member that is set; set only one of them"
            ));
        }
        bytes
            .get_mut(place.clone())
            .ok_or_else(|| format!("`{name}` lies outside `{ty}`"))?
            .copy_from_slice(&value);
        written.push(place);
    }
    Ok(bytes)
}

/// Encodes `text` as a `ty`: a number in decimal, `0x`, `0o` or `0b`, `true` or `false`, the name
/// of an enum constant, or text.
///
/// # Errors
/// The reason why the text does not fit, with the valid range if the type has one.
pub fn parse(layouts: &Layouts, ty: TypeId, text: &str) -> Result<Vec<u8>, String> {
    size_of_value(layouts, layouts.btf.resolve(ty).0)?;
    let name = layouts.c_name(ty);
    let Some(scalar) = scalar(layouts, ty) else {
        return Err(format!("variables of type `{name}` cannot be set from text"));
    };
    scalar.parse(text, constants(layouts, ty)).map_err(|expected| match scalar {
        // Text can be long, and the error is clear without it.
        Scalar::Text(_) => {
            format!("{} bytes of text and a NUL do not fit into `{name}`", text.len())
        }
        _ => format!("`{text}` is not a value of type `{name}`; expected {expected}"),
    })
}

/// Returns how text is parsed as a `ty`, or `None` if values of the type cannot be written as text.
pub(crate) fn scalar(layouts: &Layouts, ty: TypeId) -> Option<Scalar> {
    if let Some(size) = layouts.char_array(ty) {
        return Some(Scalar::Text(size));
    }
    match layouts.btf.resolve(ty).1.kind {
        Kind::Int { size, bool: true, .. } => Some(Scalar::Bool(size)),
        Kind::Int { size, signed: true, .. } | Kind::Enum { size, signed: true, .. } => {
            Some(Scalar::Signed(size))
        }
        Kind::Int { size, .. } | Kind::Enum { size, .. } => Some(Scalar::Unsigned(size)),
        Kind::Float { size } => Some(Scalar::Float(size)),
        _ => None,
    }
}

/// Returns the constants of an enum; none for other types.
pub(crate) fn constants(
    layouts: &Layouts,
    ty: TypeId,
) -> impl Iterator<Item = (&str, i128)> + Clone {
    let constants = match &layouts.btf.resolve(ty).1.kind {
        Kind::Enum { values, .. } => values.as_slice(),
        _ => &[],
    };
    constants.iter().map(|(name, value)| (name.as_str(), *value))
}

/// Returns the size of a type, or an error if its values are too large to encode.
fn size_of_value(layouts: &Layouts, id: TypeId) -> Result<usize, String> {
    match layouts.layout(id).size {
        size @ 0..=MAX_VALUE => usize::try_from(size).map_err(|error| error.to_string()),
        size => Err(format!(
            "`{}` has {size} bytes, values may have at most {MAX_VALUE}",
            layouts.c_name(id)
        )),
    }
}
