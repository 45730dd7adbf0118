//! [`Value`]: a record or a part of one, read through the layout of its type.

use std::borrow::Cow;

use crate::{
    checked::{Checked, CustomField, Payload},
    object::{Field, Kind, Layouts, TypeId, Variable},
    sample::{Short, access::number},
};

/// A record or a part of one, borrowed from the memory it was delivered in.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    pub(super) layouts: &'a Layouts,
    pub(super) shape: Shape<'a>,
    /// Bytes of the value, at least as many as the shape needs.
    pub(super) bytes: &'a [u8],
}

/// The kind of a [`Value`], with typedefs resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueKind {
    /// A C `bool`: [`Value::as_bool`].
    Bool,
    /// An integer: [`Value::as_i64`], [`Value::as_u64`] and those of 128 bits.
    Integer,
    /// A `float` or `double`: [`Value::as_f64`].
    Float,
    /// An enum: [`Value::enum_name`], and as an integer.
    Enum,
    /// A pointer: [`Value::as_pointer`].
    Pointer,
    /// A `char` array: [`Value::as_text`], and as an array.
    Text,
    /// An array: [`Value::items`].
    Array,
    /// A struct, or members that the document selects: [`Value::fields`].
    Struct,
    /// A union: [`Value::fields`], all at the same bytes.
    Union,
    /// A value of an unknown type: [`Value::bytes`].
    Bytes,
}

/// The shape of a value: how its bytes are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape<'a> {
    Type(TypeId),
    /// A record of a type whose last member is a flexible array, with all of its bytes.
    Tailed(TypeId),
    /// The flexible array, with as many items as the bytes have room for.
    Tail(TypeId),
    /// A bit field: the bytes that it touches.
    Bits {
        ty: TypeId,
        shift: u32,
        width: u32,
    },
    /// A member whose type is missing from BTF.
    Untyped,
    Custom(&'a [CustomField]),
    /// A record of an unknown type.
    Bytes,
}

impl Shape<'_> {
    /// Returns the shape of a record.
    fn record(layouts: &Layouts, ty: TypeId) -> Self {
        if layouts.layout(ty).flexible { Self::Tailed(ty) } else { Self::Type(ty) }
    }
}

impl<'a> Value<'a> {
    /// Borrows a value of type `ty` from the start of `bytes`.
    ///
    /// # Errors
    /// [`Short`] if there are fewer bytes than the type has.
    #[doc(hidden)]
    pub fn new(layouts: &'a Layouts, ty: TypeId, bytes: &'a [u8]) -> Result<Self, Short> {
        Self::of(layouts, Shape::Type(ty), bytes)
    }

    /// Borrows a record of type `ty`: as [`Self::new`], but with all the bytes if the type's last
    /// member is a flexible array.
    ///
    /// # Errors
    /// [`Short`] if there are fewer bytes than the type has, or than come before a flexible array.
    #[doc(hidden)]
    pub fn of_record(layouts: &'a Layouts, ty: TypeId, bytes: &'a [u8]) -> Result<Self, Short> {
        Self::of(layouts, Shape::record(layouts, ty), bytes)
    }

    /// Borrows the value of a variable.
    ///
    /// # Errors
    /// [`Short`] if there are fewer bytes than the variable has.
    #[doc(hidden)]
    pub fn of_variable(
        layouts: &'a Layouts,
        variable: &Variable,
        bytes: &'a [u8],
    ) -> Result<Self, Short> {
        let shape =
            if layouts.has_values(variable.ty) { Shape::Type(variable.ty) } else { Shape::Untyped };
        Self::of(layouts, shape, bytes)
    }

    /// Borrows a record of stream number `index` of a skeleton.
    ///
    /// # Errors
    /// [`Short`] if there are fewer bytes than the stream's type has; if the stream has several
    /// types, the record's tag selects one.
    #[doc(hidden)]
    pub fn of_stream(checked: &'a Checked, index: usize, bytes: &'a [u8]) -> Result<Self, Short> {
        let shape = match checked.streams.get(index).map(|stream| &stream.payload) {
            Some(Payload::Type(ty)) => Shape::record(&checked.layouts, *ty),
            Some(Payload::Custom(fields)) => Shape::Custom(fields),
            Some(Payload::Tagged(tagged)) => {
                tagged.type_of(bytes).map_or(Shape::Bytes, |ty| Shape::record(&checked.layouts, ty))
            }
            Some(Payload::Bytes { .. }) | None => Shape::Bytes,
        };
        Self::of(&checked.layouts, shape, bytes)
    }

    /// Returns the key of an entry of a map that is read at intervals, and the bytes of its value.
    pub(crate) fn of_entry(
        checked: &'a Checked,
        sampled: &crate::checked::Sampled,
        record: &'a [u8],
    ) -> (Self, &'a [u8]) {
        let size = sampled.key_size as usize;
        let bytes = record.get(..size).unwrap_or_default();
        let known = sampled.key.filter(|id| {
            checked.layouts.has_values(*id) && checked.layouts.layout(*id).size == size as u64
        });
        let shape = known.map_or(Shape::Bytes, Shape::Type);
        (
            Self { layouts: &checked.layouts, shape, bytes },
            record.get(crate::sample::value_offset(size)..).unwrap_or_default(),
        )
    }

    fn of(layouts: &'a Layouts, shape: Shape<'a>, bytes: &'a [u8]) -> Result<Self, Short> {
        let size = match shape {
            Shape::Type(ty) => layouts.layout(ty).size,
            Shape::Tailed(ty) => layouts.layout(ty).least().max(bytes.len() as u64),
            Shape::Custom(fields) => {
                fields.last().map_or(0, |last| last.offset + layouts.layout(last.ty).size)
            }
            Shape::Tail(_) | Shape::Bits { .. } | Shape::Untyped | Shape::Bytes => {
                bytes.len() as u64
            }
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let short = Short { len: bytes.len(), size };
        Ok(Self { layouts, shape, bytes: bytes.get(..size).ok_or(short)? })
    }

    /// Returns the bytes of the value.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the kind of the value, which decides what it can be read as.
    pub fn kind(&self) -> ValueKind {
        match self.shape {
            Shape::Custom(_) => return ValueKind::Struct,
            Shape::Type(ty) | Shape::Tail(ty) if self.layouts.char_array(ty).is_some() => {
                return ValueKind::Text;
            }
            _ => {}
        }
        match self.btf_kind() {
            Some(Kind::Int { bool: true, size: 1, .. }) => ValueKind::Bool,
            Some(Kind::Int { .. }) => ValueKind::Integer,
            Some(Kind::Enum { .. }) => ValueKind::Enum,
            Some(Kind::Float { .. }) => ValueKind::Float,
            Some(Kind::Pointer { .. }) => ValueKind::Pointer,
            Some(Kind::Array { .. }) => ValueKind::Array,
            Some(Kind::Struct { .. }) => ValueKind::Struct,
            Some(Kind::Union { .. }) => ValueKind::Union,
            _ => ValueKind::Bytes,
        }
    }

    /// Returns the C name of the type, or `bytes` if it is unknown.
    pub fn c_type(&self) -> String {
        match self.shape {
            Shape::Type(ty) | Shape::Tailed(ty) | Shape::Tail(ty) | Shape::Bits { ty, .. } => {
                self.layouts.c_name(ty)
            }
            Shape::Custom(_) => "custom members".to_owned(),
            Shape::Untyped | Shape::Bytes => "bytes".to_owned(),
        }
    }

    /// Returns the kind of the type, with typedefs and modifiers resolved.
    pub(super) fn btf_kind(&self) -> Option<&'a Kind> {
        match self.shape {
            Shape::Type(ty) | Shape::Tailed(ty) | Shape::Tail(ty) | Shape::Bits { ty, .. } => {
                Some(&self.layouts.btf.resolve(ty).1.kind)
            }
            _ => None,
        }
    }

    pub(crate) fn part(&self, ty: TypeId, offset: u64) -> Option<Self> {
        let bytes = self.bytes.get(usize::try_from(offset).ok()?..)?;
        Self::of(self.layouts, Shape::Type(ty), bytes).ok()
    }

    /// Returns the members of a struct or union in the order of their declaration, including those
    /// of anonymous structs and unions inside; empty for any other type.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, Self)> {
        let (fields, custom) = match self.shape {
            Shape::Custom(fields) => (Vec::new(), fields),
            Shape::Type(ty) | Shape::Tailed(ty) => (self.layouts.fields(ty), &[][..]),
            _ => (Vec::new(), &[][..]),
        };
        let this = *self;
        let members =
            fields.into_iter().filter_map(move |field| Some((field.name, this.member(&field)?)));
        members.chain(custom.iter().filter_map(move |field| {
            Some((field.name.as_str(), this.part(field.ty, field.offset)?))
        }))
    }

    pub(crate) fn member(&self, field: &Field<'_>) -> Option<Self> {
        let (start, end) =
            (usize::try_from(field.offset()).ok()?, usize::try_from(field.end()).ok()?);
        if let (Shape::Tailed(_), Some(ty)) = (self.shape, field.ty.filter(|_| self.is_tail(field)))
        {
            return Self::of(self.layouts, Shape::Tail(ty), self.bytes.get(start..)?).ok();
        }
        let bytes = self.bytes.get(start..end)?;
        let shape = match (field.ty, field.bits) {
            (None, _) => Shape::Untyped,
            (Some(ty), None) => Shape::Type(ty),
            (Some(ty), Some(width)) => {
                Shape::Bits { ty, shift: u32::try_from(field.bit_offset % 8).ok()?, width }
            }
        };
        Self::of(self.layouts, shape, bytes).ok()
    }

    /// Reports whether a member is the flexible array of a record that has one.
    fn is_tail(&self, field: &Field<'_>) -> bool {
        let is_open = field.ty.is_some_and(|ty| {
            matches!(self.layouts.btf.resolve(ty).1.kind, Kind::Array { len: 0, .. })
        });
        // Other members may have no length, too; the flexible array is the last declared.
        is_open
            && matches!(self.shape, Shape::Tailed(ty) if self.layouts.fields(ty).last() == Some(field))
    }

    /// Returns a member of a struct by its C name.
    pub fn field(&self, name: &str) -> Option<Self> {
        self.fields().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Returns a member of a struct by its index in [`Self::fields`].
    pub fn field_at(&self, index: usize) -> Option<Self> {
        self.fields().nth(index).map(|(_, value)| value)
    }

    /// Returns an item of an array.
    pub fn item(&self, index: usize) -> Option<Self> {
        self.items().nth(index)
    }

    /// Returns the items of an array; empty for any other type.
    ///
    /// Text is an array too.
    pub fn items(&self) -> impl Iterator<Item = Self> {
        let (element, len) = match self.btf_kind() {
            Some(Kind::Array { element, len }) => (*element, *len),
            _ => (TypeId(0), 0),
        };
        let stride = self.layouts.layout(element).size;
        // Items without a size are not returned: no bytes could hold four billion of them.
        let len = match self.shape {
            _ if stride == 0 => 0,
            Shape::Tail(_) => self.bytes.len() as u64 / stride,
            _ => len.into(),
        };
        let this = *self;
        (0..len).filter_map(move |i| this.part(element, i * stride))
    }

    /// Returns the numbers of an array of unsigned integers, such as the slots of a histogram;
    /// `None` for any other type.
    pub fn counts(&self) -> Option<Vec<u64>> {
        match self.shape {
            Shape::Type(ty) | Shape::Tail(ty) if self.layouts.counts(ty) => {
                Some(self.items().filter_map(|item| item.as_u64()).collect())
            }
            _ => None,
        }
    }

    /// Returns true for a struct, and for members that the document selects.
    pub(crate) fn has_members(&self) -> bool {
        match self.shape {
            Shape::Type(ty) | Shape::Tailed(ty) => self.layouts.has_members(ty),
            Shape::Custom(_) => true,
            _ => false,
        }
    }

    /// Returns the value of an integer, enum or pointer if it fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_i128()?.try_into().ok()
    }

    /// Returns the value of an integer, enum or pointer if it fits.
    pub fn as_u64(&self) -> Option<u64> {
        match self.as_i128() {
            Some(number) => number.try_into().ok(),
            None => self.as_u128()?.try_into().ok(),
        }
    }

    /// Returns the value of an integer, enum or pointer; `None` for an unsigned 128-bit number that
    /// does not fit.
    pub fn as_i128(&self) -> Option<i128> {
        let signed = match self.btf_kind()? {
            Kind::Int { signed, .. } | Kind::Enum { signed, .. } => *signed,
            Kind::Pointer { .. } => false,
            _ => return None,
        };
        let number = self.number(signed)?;
        (signed || number >= 0).then_some(number)
    }

    /// Returns the address of a pointer.
    pub fn as_pointer(&self) -> Option<u64> {
        match self.btf_kind()? {
            Kind::Pointer { .. } => self.as_u64(),
            _ => None,
        }
    }

    /// Returns the value of an unsigned integer of any width.
    pub fn as_u128(&self) -> Option<u128> {
        match self.btf_kind()? {
            Kind::Int { signed: false, .. } => Some(self.number(false)?.cast_unsigned()),
            _ => self.as_i128()?.try_into().ok(),
        }
    }

    /// Returns the bits as a number. Objects for big-endian hosts are refused when they are read.
    /// Numbers of a size that Rust has no type for give `None`.
    fn number(&self, signed: bool) -> Option<i128> {
        let (shift, width) = match self.shape {
            Shape::Bits { shift, width, .. } if (1..=128).contains(&width) => (shift, width),
            Shape::Type(_) if matches!(self.bytes.len(), 1 | 2 | 4 | 8 | 16) => {
                (0, 8 * u32::try_from(self.bytes.len()).ok()?)
            }
            _ => return None,
        };
        Some(number(self.bytes, shift, width, signed))
    }

    /// Returns the value of a C `bool`.
    pub fn as_bool(&self) -> Option<bool> {
        match self.btf_kind()? {
            Kind::Int { bool: true, size: 1, .. } => Some(self.number(false)? != 0),
            _ => None,
        }
    }

    /// Returns the value of a `float` or `double`.
    pub fn as_f64(&self) -> Option<f64> {
        match self.btf_kind()? {
            Kind::Float { size: 4 } => Some(f32::from_le_bytes(self.bytes.try_into().ok()?).into()),
            Kind::Float { size: 8 } => Some(f64::from_le_bytes(self.bytes.try_into().ok()?)),
            _ => None,
        }
    }

    /// Returns the text of a C `char` array up to the first NUL, with U+FFFD in place of bytes that
    /// are not UTF-8.
    pub fn as_text(&self) -> Option<Cow<'a, str>> {
        self.text_bytes().map(String::from_utf8_lossy)
    }

    fn text_bytes(&self) -> Option<&'a [u8]> {
        match self.shape {
            Shape::Type(ty) | Shape::Tail(ty) => {
                self.layouts.char_array(ty).map(|_| crate::sample::until_nul(self.bytes))
            }
            _ => None,
        }
    }

    /// Returns the name of an enum's value if it has one.
    pub fn enum_name(&self) -> Option<&'a str> {
        match self.shape {
            Shape::Type(ty) | Shape::Bits { ty, .. } => {
                Layouts::enum_name(self.layouts.btf.resolve(ty).1, self.as_i128()?)
            }
            _ => None,
        }
    }
}
