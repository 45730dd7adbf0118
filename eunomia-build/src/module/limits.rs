//! Limits on the size of a module. Without them a compressed object of a few kilobytes could ask
//! for gigabytes of Rust.

use std::collections::HashSet;

use eunomia_runtime::{
    checked::{Checked, Payload},
    error::{Diagnostic, JsonPath},
    object::{Kind, MapDef, TypeId},
};

use crate::Embed;

/// The most maps, programs, variables, members and constants a module may have together. The
/// largest objects in use have a tenth of it.
const MAX_ITEMS: usize = 1 << 13;
/// The most members of one struct, and the most variables. Each is a call in a chain, and a chain
/// of twice as many calls overflows the compiler's stack.
const MAX_MEMBERS: usize = 1 << 11;
/// The most bytes of a literal that holds the object.
const MAX_TEXT: usize = 32 << 20;

/// Returns a fault if the module would be too large.
pub(crate) fn check(checked: &Checked, embed: &Embed) -> Option<Diagnostic> {
    let items = items(checked);
    if items > MAX_ITEMS {
        let what = format!(
            "the module would have more than {MAX_ITEMS} maps, programs, variables and members of their types, or {MAX_MEMBERS} variables or members of one"
        );
        return Some(Diagnostic::at(
            JsonPath::default(),
            what,
            "split the object, or open it at run time",
        ));
    }
    let object = checked.skeleton.object.as_deref().unwrap_or_default();
    if *embed == Embed::Literal && text_len(object) > MAX_TEXT {
        let what = format!("the object has {} bytes, too many for a literal of Rust", object.len());
        let todo = "write the module to a file (`Config::generate`, `cargo eunomia gen -o`), which includes the object from one beside it";
        return Some(Diagnostic::at(JsonPath::default(), what, todo));
    }
    None
}

/// Returns an upper bound for the length of a byte string literal of these bytes.
fn text_len(object: &[u8]) -> usize {
    object.iter().map(|byte| byte.escape_ascii().len().min(4)).sum()
}

/// Counts the items of the module. Counting ends soon after the limit.
fn items(checked: &Checked) -> usize {
    let mut count = checked.maps.len() + checked.programs.len();
    let long = |len: usize| if len > MAX_MEMBERS { MAX_ITEMS + 1 } else { len };
    count += long(checked.sections.iter().map(|section| section.variables.len()).sum());
    let of_map = |def: &MapDef| [def.key, def.value];
    let maps = checked.maps.iter().flat_map(|def| {
        of_map(def).into_iter().chain(def.inner.as_deref().map_or([None; 2], of_map))
    });
    let variables =
        checked.sections.iter().flat_map(|section| &section.variables).map(|variable| variable.ty);
    let streams = checked.streams.iter().flat_map(|stream| match &stream.payload {
        Payload::Type(id) => vec![*id],
        Payload::Custom(fields) => fields.iter().map(|field| field.ty).collect(),
        Payload::Tagged(tagged) => tagged.tags.iter().map(|tag| tag.ty).collect(),
        Payload::Bytes { .. } => Vec::new(),
    });
    let mut next: Vec<TypeId> =
        maps.flatten().chain(variables).chain(streams).take(2 * MAX_ITEMS).collect();
    let mut seen = HashSet::new();
    while let Some(id) = next.pop() {
        if count > MAX_ITEMS || !seen.insert(id) {
            continue;
        }
        match &checked.layouts.btf.get(id).kind {
            // A struct with too many members makes the whole module too large.
            Kind::Struct { members, .. } | Kind::Union { members, .. } => {
                count += long(members.len());
                next.extend(members.iter().take(MAX_ITEMS).map(|member| member.ty));
            }
            Kind::Enum { values, .. } => count += values.len(),
            Kind::Array { element: to, .. } | Kind::Typedef { to } | Kind::Modifier { to, .. } => {
                next.push(*to)
            }
            _ => {}
        }
    }
    count
}
