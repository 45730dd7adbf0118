//! The types of records that the definition of a map declares with `eunomia.bpf.h`.

use super::{
    named::has_values,
    payload::Payload,
    tagged::{Tagged, discriminant, distinguish},
};
use crate::{
    error::{Diagnostic, Found, JsonPath},
    object::{Kind, Layouts, Member, TypeId, annotations},
};

/// Returns the payload of a map whose definition declares the type of its records. A union of
/// `EUNOMIA_ONE_OF` declares several.
pub(super) fn declared(
    records: TypeId,
    place: &JsonPath,
    layouts: &Layouts,
    diagnostics: &mut Found,
) -> Option<Payload> {
    let (union, ty) = layouts.btf.unmodified(records);
    let members = match &ty.kind {
        Kind::Union { members, .. } => members.as_slice(),
        _ => &[],
    };
    let paths: Vec<Option<&str>> = (0u32..)
        .zip(members)
        .map(|(index, _)| annotations::value(layouts.tags(union, Some(index)), "when"))
        .collect();
    let Some(path) = paths.iter().flatten().next() else { return Some(Payload::Type(records)) };
    if let Some(other) = paths.iter().find(|other| **other != Some(*path)) {
        let what = format!(
            "its types are told apart by `{path}` and by {}",
            other.map_or("nothing".to_owned(), |other| format!("`{other}`"))
        );
        diagnostics.push(Diagnostic::new(
            place.clone(),
            what,
            "use the same member in every `EUNOMIA_WHEN` of a map",
        ));
        return None;
    }
    let cases: Vec<_> = members.iter().filter_map(|member| case(member, layouts)).collect();
    if cases.len() < members.len() {
        let what = "a member of the union of its types is no `EUNOMIA_WHEN`";
        diagnostics.push(Diagnostic::new(
            place.clone(),
            what,
            "write only `EUNOMIA_WHEN` into `EUNOMIA_ONE_OF`",
        ));
        return None;
    }
    let mut tagged = distinguish(path, &cases, place, layouts, diagnostics)?;
    name_constants(&mut tagged, layouts);
    Some(Payload::Tagged(tagged))
}

/// Returns the value and the type that `struct { T type; int (*low)[..]; int (*high)[..]; }`
/// declares. The lengths of the arrays are the lower and the upper half of the value.
fn case(member: &Member, layouts: &Layouts) -> Option<(String, Option<TypeId>)> {
    let Kind::Struct { members, .. } = &layouts.btf.resolve(member.ty).1.kind else { return None };
    let [ty, low, high] = members.as_slice() else { return None };
    let half = |member: &Member| {
        let Kind::Pointer { to } = layouts.btf.resolve(member.ty).1.kind else { return None };
        let Kind::Array { len, .. } = layouts.btf.resolve(to).1.kind else { return None };
        Some(u64::from(len))
    };
    let value = (half(high)? << 32 | half(low)?).cast_signed();
    has_values(layouts, ty.ty).then(|| (value.to_string(), Some(ty.ty)))
}

/// Replaces numbers by the names of the constants, if the member is an enum.
fn name_constants(tagged: &mut Tagged, layouts: &Layouts) {
    for tag in &mut tagged.tags {
        let nowhere = JsonPath::default();
        let member = discriminant(&tagged.member, tag.ty, &nowhere, layouts, &mut Found::default());
        let Some(id) = member.and_then(|member| member.ty) else { continue };
        let constant = Layouts::enum_name(layouts.btf.resolve(id).1, tag.value.into());
        tag.text = constant.unwrap_or(&tag.text).to_owned();
    }
}
