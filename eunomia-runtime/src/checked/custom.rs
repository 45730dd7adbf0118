//! Records of custom types: members that the document selects.

use super::{
    check::check_once,
    named::{has_values, no_values},
};
use crate::{
    error::{Diagnostic, Found, JsonPath},
    object::{Kind, Layouts, TypeId},
    skeleton::model::CustomMember,
};

/// A member of a custom type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomField {
    /// The name, which may be any text.
    pub name: String,
    /// Bytes from the start of the record.
    pub offset: u64,
    /// The type of the member.
    pub ty: TypeId,
}

impl Layouts {
    /// Returns the minimum size of a record with these members; see
    /// [`Layout::least`](crate::object::Layout::least).
    pub fn least_of(&self, fields: &[CustomField]) -> u64 {
        let Some(last) = fields.iter().max_by_key(|field| field.offset) else { return 0 };
        match self.btf.resolve(last.ty).1.kind {
            Kind::Array { .. } => last.offset,
            _ => last.offset + self.layout(last.ty).least(),
        }
    }
}

/// The maximum size of a record, which is larger than any event. A ring buffer record may have 2^30
/// bytes, but nobody copies one of that size.
pub(super) const MAX_RECORD: u64 = 1 << 20;

/// Returns the members of a record of at most `room` bytes, if the object has their types and they
/// do not overlap.
pub(super) fn custom(
    members: &[CustomMember],
    room: u64,
    place: &JsonPath,
    layouts: &Layouts,
    diagnostics: &mut Found,
) -> Option<Vec<CustomField>> {
    let before = diagnostics.len();
    let mut fields = Vec::new();
    check_once("member", members.iter().map(|member| member.name.as_str()), place, diagnostics);
    for (i, member) in members.iter().enumerate() {
        let ty = TypeId(member.type_id);
        if has_values(layouts, ty) {
            fields.push((
                i,
                CustomField { name: member.name.clone(), offset: member.offset.into(), ty },
            ));
        } else {
            diagnostics.push(Diagnostic::new(
                place.index(i).key("btf_type_id"),
                no_values(layouts, ty),
                "",
            ));
        }
    }
    if members.is_empty() {
        diagnostics.push(Diagnostic::new(
            place.clone(),
            "the list is empty",
            "list the members, or use {\"btf_type_id\": N}",
        ));
    }
    fields.sort_by_key(|(_, field)| field.offset);
    for pair in fields.windows(2) {
        if let [(_, a), (i, b)] = pair
            && a.offset + layouts.layout(a.ty).size > b.offset
        {
            diagnostics.push(Diagnostic::new(
                place.index(*i).key("offset"),
                format!("`{}` overlaps `{}`", b.name, a.name),
                "",
            ));
        }
    }
    if let Some((i, last)) = fields.last()
        && last.offset + layouts.layout(last.ty).size > room
    {
        let what = format!("`{}` does not fit into a record of at most {room} bytes", last.name);
        diagnostics.push(Diagnostic::new(place.index(*i).key("offset"), what, ""));
    }
    (diagnostics.len() == before).then(|| fields.into_iter().map(|(_, field)| field).collect())
}
