//! Values for serde: serialized as JSON, they are what [`Value::write_json`] writes.

use serde_core::{
    Serialize, Serializer,
    ser::{SerializeMap as _, SerializeSeq as _},
};

use super::Value;
use crate::{object::Kind, sample::serial::serialize_enum};

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.has_members() {
            let mut map = serializer.serialize_map(None)?;
            self.fields().try_for_each(|(name, value)| map.serialize_entry(name, &value))?;
            return map.end();
        }
        if let Some(text) = self.as_text() {
            return serializer.serialize_str(&text);
        }
        match self.btf_kind() {
            Some(Kind::Array { .. }) => {
                let mut list = serializer.serialize_seq(None)?;
                self.items().try_for_each(|item| list.serialize_element(&item))?;
                list.end()
            }
            Some(Kind::Enum { .. }) => match self.as_i128() {
                Some(number) => serialize_enum(self.enum_name(), number, serializer),
                None => self.serialize_number(serializer),
            },
            _ => self.serialize_number(serializer),
        }
    }
}

impl Value<'_> {
    fn serialize_number<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(truth) = self.as_bool() {
            return serializer.serialize_bool(truth);
        }
        match self.btf_kind() {
            // These are text because JSON readers lose digits of numbers this large.
            Some(Kind::Int { size: 16, signed: true, .. }) => {
                serializer.collect_str(&self.as_i128().unwrap_or_default())
            }
            Some(Kind::Int { size: 16, .. }) => {
                serializer.collect_str(&self.as_u128().unwrap_or_default())
            }
            Some(Kind::Float { size: 4 }) => {
                serializer.serialize_f32(self.bytes.try_into().map_or(0.0, f32::from_le_bytes))
            }
            Some(Kind::Float { size: 8 }) => {
                serializer.serialize_f64(self.as_f64().unwrap_or_default())
            }
            _ => match (self.as_i64(), self.as_u64()) {
                (Some(number), _) => serializer.serialize_i64(number),
                (None, Some(number)) => serializer.serialize_u64(number),
                (None, None) => {
                    let mut list = serializer.serialize_seq(Some(self.bytes.len()))?;
                    self.bytes.iter().try_for_each(|byte| list.serialize_element(byte))?;
                    list.end()
                }
            },
        }
    }
}
