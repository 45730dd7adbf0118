//! The contents of a map's records, by the settings of the document.

use super::{
    custom::{CustomField, MAX_RECORD, custom},
    named::{has_values, no_values},
    tagged::Tagged,
};
use crate::{
    error::{Diagnostic, Found, JsonPath},
    object::{Layouts, MapDef, TypeId},
    plain::quoted,
    skeleton::model::{Export, ExportConfig},
};

/// The contents of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A type of the object.
    Type(TypeId),
    /// Members that the document selects, sorted by offset and without overlap.
    Custom(Vec<CustomField>),
    /// One of several types of the object.
    Tagged(Tagged),
    /// Bytes of an unknown type.
    Bytes {
        /// The reason why the type is unknown.
        why: String,
    },
}

/// Returns the payload in single mode, in which the only export type belongs to the only map that
/// delivers records. Anything else would be a guess.
pub(super) fn single_mode(
    declared: &[Option<TypeId>],
    exports: &[Export],
    dummies: &[TypeId],
    streams: usize,
    layouts: &Layouts,
) -> Payload {
    let bytes = |why: String| Payload::Bytes { why };
    match (declared, dummies, streams) {
        ([Some(id)], _, 1) | ([], [id], 1) => Payload::Type(*id),
        ([], [], _) => bytes("the document declares no export type".to_owned()),
        ([], ..) => {
            const SHOWN: usize = 4;
            let types = match dummies.len() {
                0..=SHOWN => {
                    let names: Vec<String> = dummies.iter().map(|id| layouts.c_name(*id)).collect();
                    quoted(names.iter().map(String::as_str))
                }
                count => format!("{count} types"),
            };
            let maps =
                if streams == 1 { "1 map delivers" } else { &format!("{streams} maps deliver") };
            bytes(format!("the object declares {types}, and {maps} records"))
        }
        ([_], _, 1) => bytes("its export type is invalid".to_owned()),
        ([_], ..) => bytes(format!(
            "the document declares one export type, and {streams} maps deliver records"
        )),
        _ => bytes(format!(
            "the document does not say which of {} it is",
            quoted(exports.iter().map(|export| export.name.as_str()))
        )),
    }
}

/// Returns the payload in multiple mode, in which each map names its type, or `None` if the map is
/// not exported.
pub(super) fn multiple_mode(
    config: &ExportConfig,
    sampled: Option<&MapDef>,
    place: &JsonPath,
    layouts: &Layouts,
    diagnostics: &mut Found,
) -> Option<Payload> {
    match config {
        ExportConfig::None => None,
        ExportConfig::Default if sampled.is_some() => sampled.map(|def| own_value(def, layouts)),
        ExportConfig::Default => {
            diagnostics.push(Diagnostic::new(
                place.clone(),
                "`default` is the value type of a sampled map, but a ring buffer or perf event array has none",
                "name the type: {\"btf_type_id\": N}",
            ));
            None
        }
        ExportConfig::BtfType(id) => {
            let id = TypeId(*id);
            if has_values(layouts, id) {
                return Some(Payload::Type(id));
            }
            diagnostics.push(Diagnostic::new(
                place.key("btf_type_id"),
                no_values(layouts, id),
                "take the id from `bpftool btf dump file <object>`",
            ));
            None
        }
        ExportConfig::Custom(members) => {
            let room = sampled.map_or(MAX_RECORD, |def| def.value_size.into());
            custom(members, room, &place.key("custom_members"), layouts, diagnostics)
                .map(Payload::Custom)
        }
    }
}

/// Returns the value type in the definition of a sampled map.
pub(super) fn own_value(def: &MapDef, layouts: &Layouts) -> Payload {
    match def.value.filter(|id| has_values(layouts, *id)) {
        Some(id) => Payload::Type(id),
        None => Payload::Bytes { why: "the map is defined by sizes, without types".to_owned() },
    }
}
