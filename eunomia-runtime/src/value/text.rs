//! The one-line form, the same as that of generated types.

use std::fmt;

use super::view::{Shape, Value};
use crate::{
    object::Kind,
    sample::line::{write_bytes, write_text},
};

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.shape, self.kind()) {
            (Shape::Custom(_), _) | (_, Some(Kind::Struct { .. } | Kind::Union { .. })) => write_fields(self, f),
            _ => write_value(self, f),
        }
    }
}

fn write_fields(value: &Value<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, (name, value)) in value.fields().enumerate() {
        f.write_str(if i > 0 { " " } else { "" })?;
        write_text(f, name.as_bytes())?;
        f.write_str("=")?;
        write_value(&value, f)?;
    }
    Ok(())
}

fn write_value(value: &Value<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some(text) = value.text_bytes() {
        return write_text(f, text);
    }
    let Some(kind) = value.kind() else {
        return if matches!(value.shape, Shape::Untyped) { write_numbers(f, value.bytes) } else { write_bytes(f, value.bytes) };
    };
    match kind {
        Kind::Struct { .. } | Kind::Union { .. } => {
            f.write_str("{")?;
            write_fields(value, f)?;
            f.write_str("}")
        }
        Kind::Array { .. } => {
            f.write_str("[")?;
            for (i, item) in value.items().enumerate() {
                f.write_str(if i > 0 { ", " } else { "" })?;
                write_value(&item, f)?;
            }
            f.write_str("]")
        }
        Kind::Pointer { .. } => write!(f, "{:#x}", value.as_u64().unwrap_or_default()),
        Kind::Float { size: 4 } => match value.bytes.try_into().map(f32::from_le_bytes) {
            Ok(number) => write!(f, "{number}"),
            Err(_) => write_numbers(f, value.bytes),
        },
        _ => {
            if let Some(name) = value.enum_name() {
                f.write_str(name)
            } else if let Some(truth) = value.as_bool() {
                write!(f, "{truth}")
            } else if let Some(number) = value.as_f64() {
                write!(f, "{number}")
            } else if let Some(number) = value.as_i128() {
                write!(f, "{number}")
            } else if let Some(number) = value.as_u128() {
                write!(f, "{number}")
            } else {
                write_numbers(f, value.bytes)
            }
        }
    }
}

/// Bytes that no type of Rust stands for, as the array that generated code has for them.
fn write_numbers(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str("[")?;
    for (i, byte) in bytes.iter().enumerate() {
        write!(f, "{}{byte}", if i > 0 { ", " } else { "" })?;
    }
    f.write_str("]")
}
