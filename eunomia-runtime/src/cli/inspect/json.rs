//! The description as JSON.

use serde_json::{Value as Json, json};

use super::{Description, Part};

impl Description {
    pub(super) fn json(&self) -> Json {
        let Self {
            file,
            format,
            name,
            version,
            about,
            compiler,
            object,
            programs,
            maps,
            variables,
            exports,
        } = self;
        let part = |part: &Option<Part>| {
            part.as_ref().map(|Part { ty, size }| json!({ "type": ty, "size": size }))
        };
        let programs = programs.iter().map(|program| json!({ "name": program.name, "section": program.section, "attach": program.link }));
        let maps = maps.iter().map(|map| {
            let (key, value) = (part(&map.key), part(&map.value));
            json!({ "name": map.name, "kind": map.kind, "key": key, "value": value, "max_entries": map.max_entries })
        });
        let variables = variables.iter().map(|variable| {
            json!({
                "name": variable.name, "section": variable.section, "type": variable.ty, "offset": variable.offset, "size": variable.size,
                "value": variable.value.as_ref().map(|(_, json)| json), "option": variable.option, "help": variable.help,
            })
        });
        let exports = exports.iter().map(|export| {
            let fields = export.fields.iter().map(|field| {
                let (offset, bit) = (field.bit_offset.map(|bits| bits / 8), field.bits.and(field.bit_offset).map(|bits| bits % 8));
                json!({ "name": field.name, "type": field.ty, "offset": offset, "size": field.size, "bit": bit, "bits": field.bits })
            });
            json!({
                "map": export.map, "kind": export.kind, "type": export.ty, "found": export.found, "size": export.size, "key": part(&export.key),
                "interval_ms": export.interval, "counts_lost": export.counted, "fields": fields.collect::<Vec<_>>(),
            })
        });
        json!({
            "file": file, "format": format, "name": name, "version": version, "about": about, "compiler": compiler, "object_size": object,
            "programs": programs.collect::<Vec<_>>(), "maps": maps.collect::<Vec<_>>(),
            "variables": variables.collect::<Vec<_>>(), "exports": exports.collect::<Vec<_>>(),
        })
    }
}
