//! Which types the generator and the values cover so far.

use std::collections::BTreeSet;

use super::{
    btf::{Kind, Member, TypeId},
    layout::Layouts,
};

impl Layouts {
    /// Why values of the type cannot be given to Rust yet, or `None` where they can: the C type, and what about it.
    pub fn unsupported(&self, id: TypeId) -> Option<String> {
        self.refuse(id, &mut BTreeSet::new())
    }

    /// `fine` holds the structs that have been looked at, so that each is looked at once.
    fn refuse(&self, id: TypeId, fine: &mut BTreeSet<TypeId>) -> Option<String> {
        let typedef = matches!(self.btf.unmodified(id).1.kind, Kind::Typedef { .. });
        let (id, ty) = self.btf.resolve(id);
        let layout = self.layout(id);
        let no = |what: &str| Some(format!("`{}`: {what}", self.c_name(id)));
        match &ty.kind {
            Kind::Int { size, bool: true, .. } if *size != 1 => no("truth values of this size are not supported yet"),
            Kind::Int { size, .. } if !matches!(size, 1 | 2 | 4 | 8 | 16) => no("integers of this size do not exist in Rust"),
            Kind::Float { size } if !matches!(size, 4 | 8) => no("floats of this size are not supported yet"),
            Kind::Enum { size, .. } if !matches!(size, 1 | 2 | 4 | 8) => no("enums of this size are not supported yet"),
            Kind::Enum { size, signed, values } => {
                let bits = size * 8 - u32::from(*signed);
                let fits = |value: i128| value < 1 << bits && value >= if *signed { -(1 << bits) } else { 0 };
                let (name, _) = values.iter().find(|(_, value)| !fits(*value))?;
                no(&format!("the constant `{name}` does not fit"))
            }
            Kind::Int { .. } | Kind::Float { .. } | Kind::Pointer { .. } => None,
            Kind::Array { len: 0, .. } => no("flexible and empty arrays are not supported yet"),
            Kind::Array { .. } if layout.size == 0 => no("arrays of nothing are not supported"),
            Kind::Array { element, .. } => self.refuse(*element, fine),
            Kind::Union { .. } => no("unions are not supported yet"),
            Kind::Struct { .. } if ty.name.is_empty() && !typedef => no("structs without a name are not supported yet"),
            Kind::Struct { .. } if layout.packed => no("packed structs are not supported yet"),
            Kind::Struct { .. } if !layout.regular => no("its members overlap or have no size, which C does not do"),
            Kind::Struct { .. } if !fine.insert(id) => None,
            Kind::Struct { members, .. } => self.refuse_members(id, members, fine),
            Kind::Forward => no("the struct is declared, but not defined, in this object"),
            Kind::Void
            | Kind::Function
            | Kind::Prototype
            | Kind::Typedef { .. }
            | Kind::Modifier { .. }
            | Kind::Variable { .. }
            | Kind::Section { .. }
            | Kind::DeclTag => no("it has no values; some compilers write this for `_Atomic`"),
        }
    }

    fn refuse_members(&self, id: TypeId, members: &[Member], fine: &mut BTreeSet<TypeId>) -> Option<String> {
        let no = |what: &str| Some(format!("`{}`: {what}", self.c_name(id)));
        for member in members {
            let at = |what: String| format!("`{}`: member `{}`: {what}", self.c_name(id), member.name);
            if member.bits.is_some() || !member.bit_offset.is_multiple_of(8) {
                return Some(at("bit fields are not supported yet".to_owned()));
            }
            if member.name.is_empty() {
                return no("anonymous structs and unions as members are not supported yet");
            }
            if let Some(what) = self.refuse(member.ty, fine) {
                return Some(at(what));
            }
        }
        None
    }
}
