//! Checks the records that programs send against the types that the definitions of maps declare.

use std::collections::BTreeSet;

use super::{Stream, evidence::Evidence, payload::Payload};
use crate::{
    error::{Diagnostic, Found},
    object::{Layouts, MapDef, TypeId},
    plain::name as cut,
    skeleton::Skeleton,
};

/// Reports records of which the size is known, and is that of no type that the map's definition
/// declares: shorter ones could not be delivered, and the rest of longer ones would not be seen.
pub(super) fn check(
    skeleton: &Skeleton,
    evidence: &Evidence<'_>,
    layouts: &Layouts,
    maps: &[MapDef],
    streams: &[Stream],
    diagnostics: &mut Found,
) {
    // A type that the application gives need not be that of the definition.
    let is_own = |stream: &&Stream| !skeleton.events.contains_key(&stream.map);
    for stream in streams.iter().filter(is_own) {
        let types = match &stream.payload {
            Payload::Type(id) => vec![*id],
            Payload::Tagged(tagged) => tagged.tags.iter().map(|tag| tag.ty).collect(),
            Payload::Custom(_) | Payload::Bytes { .. } => continue,
        };
        let is_declared = |def: &MapDef| def.name == stream.map && def.records.is_some();
        let Some(map) = maps.iter().position(is_declared) else { continue };
        // A line of a function that is inlined twice sends twice.
        let wrong: BTreeSet<_> = evidence
            .sends_to(map)
            .filter_map(|send| Some((send.size?, evidence.source(send))))
            .filter(|(size, _)| !types.iter().any(|ty| fits(*size, *ty, layouts)))
            .collect();
        for (size, source) in wrong {
            let by = source.map_or("a program".to_owned(), |(line, text)| {
                format!("line {line} (`{}`)", cut(text.trim()))
            });
            let types: Vec<String> = types.iter().map(|ty| described(*ty, layouts)).collect();
            diagnostics.push(Diagnostic::new(
                stream.place.clone(),
                format!(
                    "{by} sends a record of {size} bytes through the map, whose definition declares {}",
                    types.join(", or ")
                ),
                "send records of that size, or declare the type that the program writes",
            ));
        }
    }
}

/// Returns why the records that programs send through a map cannot be of a type.
pub(super) fn contradiction(
    evidence: &Evidence<'_>,
    layouts: &Layouts,
    map: usize,
    ty: TypeId,
) -> Option<String> {
    if evidence.sends_to(map).any(|send| send.appends) {
        return Some("the programs append a part of the packet to its records".to_owned());
    }
    let sizes = evidence.sends_to(map).filter_map(|send| send.size);
    let other = sizes.filter(|size| !fits(*size, ty, layouts)).min()?;
    Some(format!("the programs send records of {other} bytes"))
}

/// Reports whether a record of `size` bytes can be of a type.
fn fits(size: u64, ty: TypeId, layouts: &Layouts) -> bool {
    let layout = layouts.layout(ty);
    size >= layout.least() && (size <= layout.size || layout.flexible)
}

/// Returns a type with the sizes of its records.
fn described(ty: TypeId, layouts: &Layouts) -> String {
    let layout = layouts.layout(ty);
    let (name, least) = (layouts.c_name(ty), layout.least());
    match (layout.flexible, least == layout.size) {
        (true, _) => format!("`{name}` ({least} bytes or more)"),
        (false, true) => format!("`{name}` ({least} bytes)"),
        (false, false) => format!("`{name}` ({least} to {} bytes)", layout.size),
    }
}
