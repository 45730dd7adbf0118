//! Which types the generator and the values cover so far.

use super::{
    btf::{Kind, TypeId},
    layout::Layouts,
};

impl Layouts {
    /// Why values of the type cannot be given to Rust yet, or `None` where they can: the C type, and what about it.
    pub fn unsupported(&self, id: TypeId) -> Option<String> {
        let (id, ty) = self.btf.resolve(id);
        let layout = self.layout(id);
        let no = |what: &str| Some(format!("`{}`: {what}", self.c_name(id)));
        match &ty.kind {
            Kind::Int { size, .. } if !matches!(size, 1 | 2 | 4 | 8 | 16) => no("integers of this size do not exist in Rust"),
            Kind::Float { size } if !matches!(size, 4 | 8) => no("floats of this size are not supported yet"),
            Kind::Enum { size, .. } if !matches!(size, 1 | 2 | 4 | 8) => no("enums of this size are not supported yet"),
            Kind::Int { .. } | Kind::Float { .. } | Kind::Enum { .. } | Kind::Pointer { .. } => None,
            Kind::Array { len: 0, .. } => no("flexible and empty arrays are not supported yet"),
            Kind::Array { element, .. } => self.unsupported(*element),
            Kind::Union { .. } => no("unions are not supported yet"),
            Kind::Struct { .. } if layout.packed => no("packed structs are not supported yet"),
            Kind::Struct { members, .. } => members.iter().find_map(|member| {
                let at = |what: String| format!("`{}`: member `{}`: {what}", self.c_name(id), member.name);
                if member.bits.is_some() || member.bit_offset % 8 != 0 {
                    return Some(at("bit fields are not supported yet".to_owned()));
                }
                if member.name.is_empty() {
                    return no("anonymous structs and unions as members are not supported yet");
                }
                let (inner, of) = self.btf.resolve(member.ty);
                let anonymous = of.name.is_empty() && matches!(of.kind, Kind::Struct { .. });
                let typedef = matches!(self.btf.unmodified(member.ty).1.kind, Kind::Typedef { .. });
                if anonymous && !typedef {
                    return Some(at(format!("`{}` has no name, which is not supported yet", self.c_name(inner))));
                }
                self.unsupported(member.ty).map(at)
            }),
            Kind::Forward => no("the struct is declared, but not defined, in this object"),
            Kind::Void
            | Kind::Function
            | Kind::Prototype
            | Kind::Typedef { .. }
            | Kind::Modifier { .. }
            | Kind::Variable { .. }
            | Kind::Section { .. }
            | Kind::DeclTag => no("it has no values"),
        }
    }
}
