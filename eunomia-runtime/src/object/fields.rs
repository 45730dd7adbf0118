//! The members of structs and unions as C code sees them.

use super::{
    btf::{Kind, Member, TypeId},
    layout::Layouts,
};

/// A member of a struct or union. Members of anonymous structs and unions count as members of the
/// outer type, as in C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The C name.
    pub name: &'a str,
    /// The type, or `None` if the compiler wrote none (`_Atomic`), so that only the bytes are
    /// known.
    pub ty: Option<TypeId>,
    /// Bits from the start of the outermost struct.
    pub bit_offset: u64,
    /// The width of a bit field, or `None` for any other member.
    pub bits: Option<u32>,
    /// The size in bytes; for a bit field, the number of bytes that it touches.
    pub size: u64,
    /// The struct that declares the member, and the index of the member in it.
    pub declared: (TypeId, u32),
}

impl Field<'_> {
    /// Returns the bytes from the start of the outermost struct; for a bit field, those up to the
    /// first byte that it touches.
    pub fn offset(&self) -> u64 {
        self.bit_offset / 8
    }

    /// Returns the offset of the first byte after the member.
    pub fn end(&self) -> u64 {
        self.offset() + self.size
    }
}

impl Layouts {
    /// Returns the members of a struct or union in the order of declaration. Returns no members for
    /// any other type, and for a type that is not [`super::Layout::regular`].
    pub fn fields(&self, id: TypeId) -> Vec<Field<'_>> {
        let mut fields = Vec::new();
        if self.layout(id).regular {
            self.collect(id, 0, &mut fields);
        }
        fields
    }

    fn collect<'a>(&'a self, id: TypeId, start: u64, fields: &mut Vec<Field<'a>>) {
        let (id, ty) = self.btf.resolve(id);
        let (Kind::Struct { size, members } | Kind::Union { size, members }) = &ty.kind else {
            return;
        };
        for (index, member) in (0..).zip(members) {
            let bit_offset = start + u64::from(member.bit_offset);
            if member.name.is_empty() && member.bits.is_none() && self.has_members(member.ty) {
                self.collect(member.ty, bit_offset, fields);
                continue;
            }
            let known = self.has_values(member.ty);
            let size = match member.bits {
                Some(bits) => (bit_offset % 8 + u64::from(bits)).div_ceil(8),
                None if known => self.layout(member.ty).size,
                None => gap(member, members, *size),
            };
            let ty = known.then_some(member.ty);
            fields.push(Field {
                name: &member.name,
                ty,
                bit_offset,
                bits: member.bits,
                size,
                declared: (id, index),
            });
        }
    }

    /// Reports whether a value is read by its members. One of a struct that is not
    /// [`super::Layout::regular`] is bytes.
    pub(crate) fn has_members(&self, id: TypeId) -> bool {
        matches!(self.btf.resolve(id).1.kind, Kind::Struct { .. } | Kind::Union { .. })
            && self.layout(id).regular
    }

    /// Reports whether the type describes its values. `void` and functions do not, and some
    /// compilers write `void` for `_Atomic` types.
    pub fn has_values(&self, id: TypeId) -> bool {
        match self.btf.resolve(id).1.kind {
            // Terminates: the nesting depth of types by value was checked.
            Kind::Array { element, .. } => self.has_values(element),
            Kind::Int { .. } | Kind::Float { .. } | Kind::Pointer { .. } | Kind::Enum { .. } => {
                true
            }
            Kind::Struct { .. } | Kind::Union { .. } => true,
            _ => false,
        }
    }
}

/// Returns the bytes up to the next member or the end of the struct, which is all that is known of
/// a member without a type.
fn gap(member: &Member, members: &[Member], size: u32) -> u64 {
    let next = members
        .iter()
        .map(|other| other.bit_offset / 8)
        .filter(|&other| other > member.bit_offset / 8)
        .min();
    u64::from(next.unwrap_or(size).saturating_sub(member.bit_offset / 8))
}
