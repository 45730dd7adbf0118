//! The types that `export_types` of a document declares, checked against the object.

use std::collections::{HashMap, HashSet};

use super::{
    check::{STALE, stale},
    named::no_values,
};
use crate::{
    error::{Diagnostic, Found, JsonPath},
    object::{Kind, Layouts, Member, TypeId},
    skeleton::{Format, Skeleton, model::Export},
};

/// Returns the type that each entry of `export_types` declares, or `None` if the object differs.
pub(crate) fn declared_types(
    skeleton: &Skeleton,
    layouts: &Layouts,
    diagnostics: &mut Found,
) -> Vec<Option<TypeId>> {
    let structs = first_structs(skeleton, layouts);
    skeleton
        .exports
        .iter()
        .enumerate()
        .map(|(i, export)| {
            let place = skeleton.exports_place().index(i);
            Declaration { skeleton, layouts, structs: &structs, export, place }.check(diagnostics)
        })
        .collect()
}

/// Returns the first struct of each name that is looked up.
fn first_structs<'a>(skeleton: &Skeleton, layouts: &'a Layouts) -> HashMap<&'a str, TypeId> {
    let asked = skeleton
        .exports
        .iter()
        .filter(|export| export.type_id.is_none())
        .map(|export| export.name.as_str());
    let asked: HashSet<&str> = asked.collect();
    let mut structs = HashMap::new();
    for (id, ty) in layouts
        .btf
        .iter()
        .filter(|(_, ty)| matches!(ty.kind, Kind::Struct { .. } | Kind::Union { .. }))
    {
        if asked.contains(ty.name.as_str()) {
            structs.entry(ty.name.as_str()).or_insert(id);
        }
    }
    structs
}

/// An entry of `export_types`, and what it is compared with.
struct Declaration<'a> {
    skeleton: &'a Skeleton,
    layouts: &'a Layouts,
    /// The structs that entries without an id look up.
    structs: &'a HashMap<&'a str, TypeId>,
    export: &'a Export,
    place: JsonPath,
}

impl<'a> Declaration<'a> {
    /// Returns the declared type, after comparing its id, name, size and members with BTF.
    fn check(&self, diagnostics: &mut Found) -> Option<TypeId> {
        let before = diagnostics.len();
        let id = self.id(diagnostics)?;
        let (size, members) = self.record(id, diagnostics)?;
        self.check_size(size, diagnostics);
        self.check_members(members, diagnostics);
        (diagnostics.len() == before).then_some(id)
    }

    /// The place of the type's id, which has another name in early v1.
    fn id_place(&self) -> JsonPath {
        let early = self.skeleton.format == Format::EarlyV1;
        self.place.key(if early { "id" } else { "type_id" })
    }

    /// Returns the id in the object's BTF.
    fn id(&self, diagnostics: &mut Found) -> Option<TypeId> {
        match self.export.type_id {
            Some(id) if self.skeleton.export_btf.is_some() => {
                let own = self.layouts.export_type(id);
                if !self.layouts.btf.contains(own) {
                    let what = format!("`export_btf` of the document has no type {id}");
                    diagnostics.push(Diagnostic::new(self.id_place(), what, STALE));
                    return None;
                }
                Some(own)
            }
            Some(id) => Some(TypeId(id)),
            None => self.structs.get(self.export.name.as_str()).copied().or_else(|| {
                // In BTF order, so that the choice between two equally similar names is stable.
                let names = self
                    .layouts
                    .btf
                    .iter()
                    .filter(|(_, ty)| matches!(ty.kind, Kind::Struct { .. }))
                    .map(|(_, ty)| ty.name.as_str());
                let todo = stale(&self.export.name, names, diagnostics.len());
                diagnostics.push(Diagnostic::new(
                    self.place.key("name"),
                    format!("the object has no `struct {}`", self.export.name),
                    todo,
                ));
                None
            }),
        }
    }

    /// Returns the size and the members of the struct or union, if it has the declared name.
    fn record(&self, id: TypeId, diagnostics: &mut Found) -> Option<(u32, &'a [Member])> {
        let ty = self.layouts.btf.get(id);
        let (Kind::Struct { size, members } | Kind::Union { size, members }) = &ty.kind else {
            let what = if self.layouts.btf.contains(id) {
                format!(
                    "type {} of the object is `{}`, not `struct {}`",
                    id.0,
                    self.layouts.c_name(id),
                    self.export.name
                )
            } else {
                no_values(self.layouts, id)
            };
            diagnostics.push(Diagnostic::new(self.id_place(), what, STALE));
            return None;
        };
        if ty.name != self.export.name {
            let what = format!(
                "type {} of the object is `struct {}`, not `struct {}`",
                id.0, ty.name, self.export.name
            );
            diagnostics.push(Diagnostic::new(self.place.key("name"), what, STALE));
            return None;
        }
        Some((*size, members))
    }

    fn check_size(&self, size: u32, diagnostics: &mut Found) {
        if let Some(declared) = self.export.size
            && declared != size
        {
            let what = format!(
                "`struct {}` has {size} bytes in the object, but {declared} in the document",
                self.export.name
            );
            diagnostics.push(Diagnostic::new(self.place.key("size"), what, STALE));
        }
    }

    fn check_members(&self, members: &[Member], diagnostics: &mut Found) {
        let name = &self.export.name;
        let mut diagnostic =
            |place: JsonPath, what: String| diagnostics.push(Diagnostic::new(place, what, STALE));
        for (i, declared) in self.export.members.iter().flatten().enumerate() {
            let place = self.place.key("members").index(i);
            match members.get(i) {
                None => diagnostic(
                    place,
                    format!("`struct {name}` has only {} members in the object", members.len()),
                ),
                Some(member) if member.name != declared.name => diagnostic(
                    place.key("name"),
                    format!(
                        "member {i} of `struct {name}` is `{}` in the object, but `{}` in the document",
                        member.name, declared.name
                    ),
                ),
                Some(member) if !self.layouts.is_spelled(member.ty, &declared.ty) => diagnostic(
                    place.key("type"),
                    format!(
                        "member `{}` of `struct {name}` is `{}` in the object, but `{}` in the document",
                        member.name,
                        self.layouts.c_name(member.ty),
                        declared.ty
                    ),
                ),
                Some(_) => {}
            }
        }
        if let Some(declared) = &self.export.members
            && declared.len() < members.len()
        {
            diagnostic(
                self.place.key("members"),
                format!(
                    "`struct {name}` has {} members in the object, but {} in the document",
                    members.len(),
                    declared.len()
                ),
            );
        }
    }
}
