//! Bytes of a variable from a JSON value or from text, checked against its type.

use std::ops::Range;

use serde_json::{Map, Value as Json};

use crate::{
    checked::list,
    object::{Kind, Layouts, TypeId},
    scalar::Scalar,
};

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
        (Kind::Int { bool: true, .. }, Json::Bool(truth)) => parse(layouts, ty, &truth.to_string()),
        (Kind::Int { .. } | Kind::Enum { .. } | Kind::Float { .. }, Json::Number(number)) => parse(layouts, ty, &number.to_string()),
        (Kind::Array { element, len }, Json::Array(items)) if items.len() <= *len as usize => {
            let mut bytes = Vec::new();
            for item in items {
                bytes.extend(encode(layouts, *element, item)?);
            }
            bytes.resize(size, 0);
            Ok(bytes)
        }
        (Kind::Struct { .. } | Kind::Union { .. }, Json::Object(members)) => members_of(layouts, id, size, members),
        _ => refuse(),
    }
}

/// The bytes of a struct or union from its members by name; those that are not named are zero.
fn members_of(layouts: &Layouts, id: TypeId, size: usize, members: &Map<String, Json>) -> Result<Vec<u8>, String> {
    let (ty, fields) = (layouts.c_name(id), layouts.fields(id));
    let mut bytes = vec![0; size];
    let mut written: Vec<Range<usize>> = Vec::new();
    for (name, value) in members {
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            return Err(format!("`{ty}` has no member `{name}`, it has {}", list(fields.iter().map(|field| field.name))));
        };
        let (Some(of), None) = (field.ty, field.bits) else {
            return Err(format!("the member `{name}` of `{ty}` is a bit field or of an unknown type, and cannot be set here"));
        };
        let value = encode(layouts, of, value).map_err(|why| format!("`{name}` of `{ty}`: {why}"))?;
        let start = usize::try_from(field.offset()).map_err(|error| error.to_string())?;
        let place = start..start + value.len();
        if written.iter().any(|before| before.start < place.end && place.start < before.end) {
            return Err(format!("the member `{name}` of `{ty}` shares bytes with another one that is set; set one of them"));
        }
        bytes.get_mut(place.clone()).ok_or_else(|| format!("the member `{name}` is not inside of `{ty}`"))?.copy_from_slice(&value);
        written.push(place);
    }
    Ok(bytes)
}

/// The bytes of `text` as a `ty`: numbers in decimal, `0x`, `0o` or `0b`, `true` and `false`, names of enum values, text.
///
/// # Errors
/// Why the text does not fit, with the range where there is one.
pub fn parse(layouts: &Layouts, ty: TypeId, text: &str) -> Result<Vec<u8>, String> {
    size_of_value(layouts, layouts.btf.resolve(ty).0)?;
    let name = layouts.c_name(ty);
    let Some(scalar) = scalar(layouts, ty) else { return Err(format!("variables of the type `{name}` cannot be set from text")) };
    scalar.parse(text, constants(layouts, ty)).map_err(|wanted| match scalar {
        // Text can be long, and is not needed to see what is wrong with it.
        Scalar::Text(_) => format!("{} bytes of text and a NUL do not fit into `{name}`", text.len()),
        _ => format!("`{text}` is no value of the type `{name}`; expected {wanted}"),
    })
}

/// What text for a `ty` can say, or `None` where text cannot say its values.
pub(crate) fn scalar(layouts: &Layouts, ty: TypeId) -> Option<Scalar> {
    if let Some(size) = layouts.char_array(ty) {
        return Some(Scalar::Text(size));
    }
    match layouts.btf.resolve(ty).1.kind {
        Kind::Int { size, bool: true, .. } => Some(Scalar::Bool(size)),
        Kind::Int { size, signed: true, .. } | Kind::Enum { size, signed: true, .. } => Some(Scalar::Signed(size)),
        Kind::Int { size, .. } | Kind::Enum { size, .. } => Some(Scalar::Unsigned(size)),
        Kind::Float { size } => Some(Scalar::Float(size)),
        _ => None,
    }
}

/// The constants of an enum; none of other types.
pub(crate) fn constants(layouts: &Layouts, ty: TypeId) -> impl Iterator<Item = (&str, i128)> + Clone {
    let constants = match &layouts.btf.resolve(ty).1.kind {
        Kind::Enum { values, .. } => values.as_slice(),
        _ => &[],
    };
    constants.iter().map(|(name, value)| (name.as_str(), *value))
}

/// Bytes of a type, where a value of it may be written down.
fn size_of_value(layouts: &Layouts, id: TypeId) -> Result<usize, String> {
    match layouts.layout(id).size {
        size @ 0..=MAX_VALUE => usize::try_from(size).map_err(|error| error.to_string()),
        size => Err(format!("`{}` has {size} bytes, a value may have {MAX_VALUE}", layouts.c_name(id))),
    }
}
