//! The members of structs and unions as C sees them.

use super::{
    btf::{Kind, Member, TypeId},
    layout::Layouts,
};

/// A member of a struct or union. Those of anonymous structs and unions inside count as the outer one's own, as in C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The C name.
    pub name: &'a str,
    /// Its type; `None` where the compiler wrote none (`_Atomic`), and only the bytes are known.
    pub ty: Option<TypeId>,
    /// Bits from the start of the outermost struct.
    pub bit_offset: u64,
    /// Width of a bit field, else `None`.
    pub bits: Option<u32>,
    /// Bytes; of a bit field those that it touches.
    pub size: u64,
    /// The struct that declares it, and which member of that it is.
    pub declared: (TypeId, u32),
}

impl Field<'_> {
    /// Bytes from the start of the outermost struct; of a bit field to the first byte that it touches.
    pub fn offset(&self) -> u64 {
        self.bit_offset / 8
    }

    /// The first byte behind it.
    pub fn end(&self) -> u64 {
        self.offset() + self.size
    }
}

impl Layouts {
    /// The members of a struct or union in the order of their declaration; none for any other type, and for one that is not
    /// [`super::Layout::regular`].
    pub fn fields(&self, id: TypeId) -> Vec<Field<'_>> {
        let mut fields = Vec::new();
        if self.layout(id).regular {
            self.collect(id, 0, &mut fields);
        }
        fields
    }

    fn collect<'a>(&'a self, id: TypeId, start: u64, fields: &mut Vec<Field<'a>>) {
        let (id, ty) = self.btf.resolve(id);
        let (Kind::Struct { size, members } | Kind::Union { size, members }) = &ty.kind else { return };
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
            fields.push(Field { name: &member.name, ty, bit_offset, bits: member.bits, size, declared: (id, index) });
        }
    }

    pub(crate) fn has_members(&self, id: TypeId) -> bool {
        matches!(self.btf.resolve(id).1.kind, Kind::Struct { .. } | Kind::Union { .. })
    }

    /// Whether the type says what its values are; `void` and functions do not, and some compilers write `void` for `_Atomic`.
    pub fn has_values(&self, id: TypeId) -> bool {
        match self.btf.resolve(id).1.kind {
            // By-value nesting was checked to be shallow.
            Kind::Array { element, .. } => self.has_values(element),
            Kind::Int { .. } | Kind::Float { .. } | Kind::Pointer { .. } | Kind::Enum { .. } => true,
            Kind::Struct { .. } | Kind::Union { .. } => true,
            _ => false,
        }
    }
}

/// The bytes up to the next member, or the end of the struct: as much as is known of a member without a type.
fn gap(member: &Member, members: &[Member], size: u32) -> u64 {
    let next = members.iter().map(|other| other.bit_offset / 8).filter(|&other| other > member.bit_offset / 8).min();
    u64::from(next.unwrap_or(size).saturating_sub(member.bit_offset / 8))
}
