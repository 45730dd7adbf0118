//! Generated types for serde.
//!
//! Serialized as JSON, they are what [`crate::value`] writes for the same bytes.

use serde_core::{
    Serialize, Serializer,
    ser::{SerializeSeq as _, SerializeStruct as _},
};

use super::{Bool, CharArray, KernelPtr, Packed, Plain};

/// A field's value in a serialized record.
pub trait Serial {
    /// Writes the value.
    ///
    /// # Errors
    /// Only the serializer's.
    fn serial<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

/// A field's value as serde takes it: serde's own traits do not cover long arrays and cannot be
/// implemented for them in this crate.
pub(super) struct Serialized<'a, T>(pub(super) &'a T);

impl<T: Serial> Serialize for Serialized<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serial(serializer)
    }
}

/// Serializes the fields of one struct.
///
/// Generated implementations are chains of [`Record::field`].
#[allow(missing_debug_implementations, reason = "a serializer has none")]
pub struct Record<S: Serializer>(S::SerializeStruct);

impl<S: Serializer> Record<S> {
    /// Starts a record of `count` fields.
    ///
    /// # Errors
    /// Only the serializer's.
    pub fn new(serializer: S, name: &'static str, count: usize) -> Result<Self, S::Error> {
        serializer.serialize_struct(name, count).map(Self)
    }

    /// Adds a field.
    ///
    /// # Errors
    /// Only the serializer's.
    pub fn field<T: Serial>(mut self, name: &'static str, value: &T) -> Result<Self, S::Error> {
        self.0.serialize_field(name, &Serialized(value)).map(|()| self)
    }

    /// Ends the record.
    ///
    /// # Errors
    /// Only the serializer's.
    pub fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

macro_rules! as_serde_does {
    ($($type:ty)*) => {$(
        impl Serial for $type {
            fn serial<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.serialize(serializer)
            }
        }
    )*};
}

as_serde_does!(bool u8 u16 u32 u64 i8 i16 i32 i64 f32 f64);

macro_rules! as_text {
    ($($type:ty)*) => {$(
        /// Writes the number as text, because JSON readers lose digits of numbers this large.
        impl Serial for $type {
            fn serial<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

as_text!(u128 i128);

impl Serial for Bool {
    fn serial<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(self.get())
    }
}

impl Serial for KernelPtr {
    fn serial<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.addr())
    }
}

impl<const N: usize> Serial for CharArray<N> {
    fn serial<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string_lossy())
    }
}

impl<T: Plain + Serial> Serial for Packed<T> {
    fn serial<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with(|value| value.serial(serializer))
    }
}

impl<T: Serial, const N: usize> Serial for [T; N] {
    fn serial<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Items without bytes are not counted: an array may have any number of them.
        let items = if size_of::<T>() == 0 { &[] } else { self.as_slice() };
        let mut list = serializer.serialize_seq(Some(items.len()))?;
        items.iter().try_for_each(|item| list.serialize_element(&Serialized(item)))?;
        list.end()
    }
}

/// Writes the value of an enum as the format does, `NAME(number)`.
///
/// # Errors
/// Only the serializer's.
pub fn serialize_enum<S: Serializer>(
    name: Option<&str>,
    number: impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}({number})", name.unwrap_or("<UNKNOWN_VARIANT>")))
}
