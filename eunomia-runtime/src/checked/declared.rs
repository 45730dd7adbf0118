//! The types that `export_types` of a document declares, checked against the object.

use std::collections::HashMap;

use super::{
    check::{STALE, stale},
    exports::no_values,
};
use crate::{
    error::{Diagnostic, Found, JsonPath},
    object::{Kind, Layouts, TypeId},
    skeleton::{Format, Skeleton, model::Export},
};

/// Returns the type that an entry of `export_types` declares, after comparing its id, name, size
/// and members with BTF.
pub(crate) fn declared_type(
    skeleton: &Skeleton,
    export: &Export,
    place: &JsonPath,
    layouts: &Layouts,
    structs: &HashMap<&str, TypeId>,
    diagnostics: &mut Found,
) -> Option<TypeId> {
    let before = diagnostics.len();
    let id_key = if skeleton.format == Format::EarlyV1 { "id" } else { "type_id" };
    let id = match export.type_id {
        Some(id) if skeleton.export_btf.is_some() => {
            let own = layouts.export_type(id);
            if !layouts.btf.contains(own) {
                let what = format!("`export_btf` of the document has no type {id}");
                diagnostics.push(Diagnostic::new(place.key(id_key), what, STALE));
                return None;
            }
            own
        }
        Some(id) => TypeId(id),
        None => structs.get(export.name.as_str()).copied().or_else(|| {
            // In BTF order, so that the choice between two equally similar names is stable.
            let names = layouts
                .btf
                .iter()
                .filter(|(_, ty)| matches!(ty.kind, Kind::Struct { .. }))
                .map(|(_, ty)| ty.name.as_str());
            let todo = stale(&export.name, names, before);
            diagnostics.push(Diagnostic::new(
                place.key("name"),
                format!("the object has no `struct {}`", export.name),
                todo,
            ));
            None
        })?,
    };
    let mut diagnostic =
        |place: JsonPath, what: String| diagnostics.push(Diagnostic::new(place, what, STALE));
    let ty = layouts.btf.get(id);
    let (Kind::Struct { size, members } | Kind::Union { size, members }) = &ty.kind else {
        let what = if layouts.btf.contains(id) {
            format!(
                "type {} of the object is `{}`, not `struct {}`",
                id.0,
                layouts.c_name(id),
                export.name
            )
        } else {
            no_values(layouts, id)
        };
        diagnostic(place.key(id_key), what);
        return None;
    };
    if ty.name != export.name {
        diagnostic(
            place.key("name"),
            format!(
                "type {} of the object is `struct {}`, not `struct {}`",
                id.0, ty.name, export.name
            ),
        );
        return None;
    }
    if let Some(declared) = export.size
        && declared != *size
    {
        diagnostic(
            place.key("size"),
            format!(
                "`struct {}` has {size} bytes in the object, but {declared} in the document",
                ty.name
            ),
        );
    }
    for (i, declared) in export.members.iter().flatten().enumerate() {
        let place = place.key("members").index(i);
        match members.get(i) {
            None => diagnostic(
                place,
                format!("`struct {}` has only {} members in the object", ty.name, members.len()),
            ),
            Some(member) if member.name != declared.name => diagnostic(
                place.key("name"),
                format!(
                    "member {i} of `struct {}` is `{}` in the object, but `{}` in the document",
                    ty.name, member.name, declared.name
                ),
            ),
            Some(member) if !layouts.is_spelled(member.ty, &declared.ty) => diagnostic(
                place.key("type"),
                format!(
                    "member `{}` of `struct {}` is `{}` in the object, but `{}` in the document",
                    member.name,
                    ty.name,
                    layouts.c_name(member.ty),
                    declared.ty
                ),
            ),
            Some(_) => {}
        }
    }
    if let Some(declared) = &export.members
        && declared.len() < members.len()
    {
        diagnostic(
            place.key("members"),
            format!(
                "`struct {}` has {} members in the object, but {} in the document",
                ty.name,
                members.len(),
                declared.len()
            ),
        );
    }
    (diagnostics.len() == before).then_some(id)
}
