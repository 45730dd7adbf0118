//! Describes a skeleton by its object or by its document.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use super::{Description, Export, Field, Map, Part, Program, Variable};
use crate::{
    Result,
    checked::{Argument, Checked, Payload, Stream},
    object::{MapKind, TypeId},
    skeleton::{Format, Skeleton},
    value::Value,
};

/// The largest size in bytes of a value that is shown.
const LONGEST: u64 = 4096;
/// The letters of values that are shown. Variables of `.bss` take no bytes of the object, which may
/// have any number of them.
const MOST: usize = 4 << 20;

impl Description {
    /// Describes a skeleton by its object.
    pub(super) fn of_object(checked: &Checked) -> Result<Self> {
        let layouts = &checked.layouts;
        let part = |ty: Option<TypeId>, size: u32| Part {
            ty: ty.map_or("bytes".to_owned(), |ty| layouts.c_name(ty)),
            size: size.into(),
        };
        let setup = checked.setup()?;
        let unlinked: HashSet<&str> = checked
            .skeleton
            .programs
            .iter()
            .filter(|program| !program.link)
            .map(|program| program.name.as_str())
            .collect();
        let programs = checked.programs.iter().map(|(name, section)| Program {
            link: !unlinked.contains(name.as_str()),
            name: name.clone(),
            section: Some(section.clone()),
        });
        let maps = checked.maps.iter().map(|def| Map {
            name: def.name.clone(),
            kind: Some(short(&def.kind.to_string())),
            key: (def.key_size > 0).then(|| part(def.key, def.key_size)),
            value: (def.value_size > 0).then(|| part(def.value, def.value_size)),
            max_entries: Some(def.max_entries),
        });
        let variables = checked
            .sections
            .iter()
            .flat_map(|section| section.variables.iter().map(move |variable| (section, variable)));
        let arguments: HashMap<TypeId, &Argument<'_>> =
            setup.arguments.iter().map(|argument| (argument.variable.id, argument)).collect();
        let mut left = MOST;
        let variables =
            variables.filter(|(_, variable)| !variable.is_dummy()).map(|(section, variable)| {
                let argument = arguments.get(&variable.id);
                let bytes = (variable.size <= LONGEST && left > 0)
                    .then(|| checked.initial(section, variable, &setup))
                    .flatten();
                let value = bytes.as_deref().and_then(|bytes| {
                    let value = Value::of_variable(layouts, variable, bytes).ok()?;
                    let (text, json) = (value.to_string(), value.to_json());
                    left = left.saturating_sub(text.len().max(json.len()));
                    Some((text, serde_json::from_str(&json).unwrap_or(Json::Null)))
                });
                Variable {
                    name: variable.name.clone(),
                    section: section.name.clone(),
                    ty: layouts.c_name(variable.ty),
                    offset: Some(variable.offset),
                    size: Some(variable.size),
                    value,
                    option: argument.map(|argument| match argument.arg.short {
                        Some(short) => format!("-{short}, --{}", argument.arg.long),
                        None => format!("--{}", argument.arg.long),
                    }),
                    help: argument.map(|argument| argument.arg.help.to_string()),
                }
            });
        Ok(Self {
            programs: programs.collect(),
            maps: maps.collect(),
            variables: variables.collect(),
            exports: checked.streams.iter().map(|stream| export(checked, stream, part)).collect(),
            ..Self::head(&checked.skeleton)
        })
    }

    /// Describes a skeleton by its document, without the object.
    pub(super) fn of_document(skeleton: &Skeleton) -> Self {
        let programs = skeleton.programs.iter().map(|program| Program {
            name: program.name.clone(),
            section: program.attach.clone(),
            link: program.link,
        });
        let maps = skeleton.maps.iter().map(|map| Map {
            name: map.name.clone(),
            kind: None,
            key: None,
            value: None,
            max_entries: None,
        });
        let variables = skeleton
            .sections
            .iter()
            .flat_map(|section| section.variables.iter().map(move |variable| (section, variable)));
        let variables = variables
            .filter(|(_, variable)| !variable.name.starts_with("__eunomia_dummy"))
            .map(|(section, variable)| {
                let default = variable
                    .arg
                    .as_ref()
                    .and_then(|arg| arg.default.as_ref())
                    .or(variable.value.as_ref());
                Variable {
                    name: variable.name.clone(),
                    section: section.name.clone(),
                    ty: variable.ty.clone(),
                    offset: None,
                    size: None,
                    value: default.map(|value| (value.to_string(), value.clone())),
                    option: None,
                    help: variable
                        .arg
                        .as_ref()
                        .and_then(|arg| arg.help.clone())
                        .or(variable.description.clone()),
                }
            });
        let exports = skeleton.exports.iter().map(|export| Export {
            map: None,
            kind: None,
            ty: format!("struct {}", export.name),
            found: None,
            size: export.size.map(u64::from),
            key: None,
            interval: None,
            counted: None,
            fields: export
                .members
                .iter()
                .flatten()
                .map(|member| Field {
                    name: member.name.clone(),
                    ty: member.ty.clone(),
                    bit_offset: None,
                    size: None,
                    bits: None,
                })
                .collect(),
        });
        Self {
            programs: programs.collect(),
            maps: maps.collect(),
            variables: variables.collect(),
            exports: exports.collect(),
            ..Self::head(skeleton)
        }
    }

    fn head(skeleton: &Skeleton) -> Self {
        let doc = skeleton.doc.clone().unwrap_or_default();
        Self {
            file: skeleton.file().to_owned(),
            format: match skeleton.format {
                Format::Package => "package",
                Format::Metadata => "metadata",
                Format::Inline => "metadata with the object",
                Format::EarlyV1 => "package, early v1",
                Format::LegacyV0 => "legacy v0",
                Format::Object => "BPF object",
            },
            name: skeleton.name.clone(),
            version: doc.version,
            about: doc.brief.or(doc.description),
            compiler: skeleton.version.clone(),
            object: skeleton.object.as_ref().map(Vec::len),
            programs: Vec::new(),
            maps: Vec::new(),
            variables: Vec::new(),
            exports: Vec::new(),
        }
    }
}

fn export(
    checked: &Checked,
    stream: &Stream,
    part: impl Fn(Option<TypeId>, u32) -> Part,
) -> Export {
    let layouts = &checked.layouts;
    let fields: Vec<Field> = match &stream.payload {
        Payload::Type(ty) => fields(checked, *ty, ""),
        Payload::Custom(custom) => custom
            .iter()
            .map(|field| Field {
                name: field.name.clone(),
                ty: layouts.c_name(field.ty),
                bit_offset: Some(8 * field.offset),
                size: Some(layouts.layout(field.ty).size),
                bits: None,
            })
            .collect(),
        Payload::Tagged(tagged) => tagged
            .tags
            .iter()
            .flat_map(|tag| fields(checked, tag.ty, &format!("{}: ", tag.text)))
            .collect(),
        Payload::Bytes { .. } => Vec::new(),
    };
    Export {
        map: Some(stream.map.clone()),
        kind: Some(short(&stream.kind.to_string())),
        ty: checked.payload(stream),
        found: stream.found.clone(),
        size: match &stream.payload {
            Payload::Type(ty) => Some(layouts.layout(*ty).size),
            _ => None,
        },
        key: stream.sampled.as_ref().map(|sampled| part(sampled.key, sampled.key_size)),
        interval: stream.sampled.as_ref().map(|sampled| sampled.interval),
        // The kernel counts the lost records of a perf event array. Sampling a map loses no record.
        counted: match stream.kind {
            MapKind::PERF_EVENT_ARRAY => Some(true),
            MapKind::RINGBUF => Some(stream.dropped.is_some()),
            _ => None,
        },
        fields,
    }
}

fn fields(checked: &Checked, ty: TypeId, before: &str) -> Vec<Field> {
    let layouts = &checked.layouts;
    let fields = layouts.fields(ty);
    let last = fields.len().saturating_sub(1);
    let fields = fields.into_iter().enumerate().map(|(index, field)| {
        let c_name = field.ty.map_or("bytes".to_owned(), |ty| layouts.c_name(ty));
        // The length of the last member depends on the record.
        let is_tail = index == last && layouts.layout(ty).flexible;
        Field {
            name: format!("{before}{}", field.name),
            ty: if is_tail { c_name.replacen("[0]", "[]", 1) } else { c_name },
            bit_offset: Some(field.bit_offset),
            size: (!is_tail).then_some(field.size),
            bits: field.bits,
        }
    });
    fields.collect()
}

/// Returns the name of a map kind without the common prefix, in lower case.
fn short(kind: &str) -> String {
    kind.strip_prefix("BPF_MAP_TYPE_").unwrap_or(kind).to_lowercase()
}
