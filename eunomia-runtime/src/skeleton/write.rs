//! Writes a [`Skeleton`] as the current generation of the format.

use serde_json::{Map as JsonMap, Value as Json, json};

use super::{
    model::{
        CmdArg, CustomMember, Doc, EventType, Export, ExportConfig, Interpreter, Map, Member,
        Other, Program, Sample, SampleKind, Section, Skeleton, Variable,
    },
    package,
};
use crate::object::{self, Kind, Layouts, TypeId};

impl Skeleton {
    /// Returns the document as a package of the current generation if the skeleton has its object,
    /// else as metadata.
    ///
    /// Keys are sorted and the text ends with a line break, so that equal skeletons give equal
    /// files.
    ///
    /// Nothing that was read is lost: unknown keys keep their place, and keys of older generations
    /// (the BTF of early v1 exports, `data_sz`, map types, ..) are kept as unknown keys.
    pub fn to_json(&self) -> String {
        let meta = meta(self);
        let document = if self.object.is_some() || !self.package_other.is_empty() {
            let object = self.object.as_deref();
            Keys::over(&self.package_other)
                .maybe("bpf_object", object.map(package::encode))
                .maybe("bpf_object_size", object.map(<[u8]>::len))
                .set("meta", meta)
                .done()
        } else {
            meta
        };
        // Printing a `Value` whose keys are strings cannot fail.
        let mut text = format!("{document:#}");
        text.push('\n');
        text
    }
}

/// A JSON object under construction: first the unknown keys, then the known ones that have a value.
struct Keys(JsonMap<String, Json>);

impl Keys {
    fn over(other: &Other) -> Self {
        Self(other.clone())
    }

    fn set(mut self, key: &str, value: impl Into<Json>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    fn maybe(self, key: &str, value: Option<impl Into<Json>>) -> Self {
        match value {
            Some(value) => self.set(key, value),
            None => self,
        }
    }

    fn list<T>(self, key: &str, items: &[T], write: impl Fn(&T) -> Json) -> Self {
        self.set(key, items.iter().map(write).collect::<Vec<_>>())
    }

    fn done(self) -> Json {
        Json::Object(self.0)
    }
}

/// Returns the document without the object.
pub(super) fn meta(skeleton: &Skeleton) -> Json {
    let skel = Keys::over(&skeleton.skel_other)
        .set("obj_name", skeleton.name.as_str())
        .maybe("doc", skeleton.doc.as_ref().map(doc))
        .list("data_sections", &skeleton.sections, section)
        .list("maps", &skeleton.maps, map)
        .list("progs", &skeleton.programs, program);
    let settings = &skeleton.settings;
    let meta = Keys::over(&skeleton.other)
        .set("bpf_skel", skel.done())
        .maybe("perf_buffer_pages", settings.perf_buffer_pages)
        .maybe("perf_buffer_time_ms", settings.perf_buffer_time_ms)
        .maybe("poll_timeout_ms", settings.poll_timeout_ms)
        .maybe("debug_verbose", settings.debug_verbose)
        .maybe("print_header", settings.print_header)
        .maybe("eunomia_version", skeleton.version.as_deref())
        .maybe("enable_multiple_export_types", skeleton.multiple_exports.then_some(true));
    // The type ids of early v1 are not valid in the object's BTF, so their own BTF is written as a
    // key that other readers ignore.
    let own_btf = skeleton.export_btf.as_deref();
    let layouts = own_btf.and_then(|btf| Layouts::from_btf(btf).ok());
    let complete = |export: &Export| match (&layouts, export.type_id) {
        (Some(layouts), Some(id)) if export.members.is_none() => Export {
            name: export.name.clone(),
            other: export.other.clone(),
            ..export_of(layouts, TypeId(id))
        },
        _ => export.clone(),
    };
    meta.maybe("export_btf", own_btf.map(package::encode_plain))
        .list("export_types", &skeleton.exports, |item| export(&complete(item)))
        .done()
}

fn doc(doc: &Doc) -> Json {
    Keys::over(&doc.other)
        .maybe("version", doc.version.as_deref())
        .maybe("brief", doc.brief.as_deref())
        .maybe("details", doc.details.as_deref())
        .maybe("description", doc.description.as_deref())
        .done()
}

fn section(section: &Section) -> Json {
    Keys::over(&section.other)
        .set("name", section.name.as_str())
        .list("variables", &section.variables, variable)
        .done()
}

fn variable(variable: &Variable) -> Json {
    Keys::over(&variable.other)
        .set("name", variable.name.as_str())
        .set("type", variable.ty.as_str())
        .maybe("value", variable.value.clone())
        .maybe("description", variable.description.as_deref())
        .maybe("cmdarg", variable.arg.as_ref().map(cmdarg))
        .done()
}

fn cmdarg(arg: &CmdArg) -> Json {
    Keys::over(&arg.other)
        .maybe("default", arg.default.clone())
        .maybe("long", arg.long.as_deref())
        .maybe("short", arg.short.as_deref())
        .maybe("help", arg.help.as_deref())
        .maybe("hidden", arg.hidden)
        .done()
}

fn map(map: &Map) -> Json {
    Keys::over(&map.other)
        .set("name", map.name.as_str())
        .set("ident", map.ident.as_str())
        .maybe("mmaped", map.mmaped.then_some(true))
        .maybe("description", map.description.as_deref())
        .maybe("event", map.event.as_ref().map(event))
        .maybe("event_found", map.found.as_deref())
        .maybe("sample", map.sample.as_ref().map(sample))
        .maybe("export_config", export_config(&map.export))
        .maybe("intepreter", interpreter(&map.interpreter))
        .done()
}

fn event(event: &EventType) -> Json {
    match event {
        EventType::One(c_type) => c_type.as_str().into(),
        EventType::Tagged { member, types } => {
            let types = types.iter().map(|(value, ty)| json!({ "value": value, "type": ty }));
            json!({ "member": member, "types": types.collect::<Vec<_>>() })
        }
    }
}

fn sample(sample: &Sample) -> Json {
    let kind = match sample.kind {
        SampleKind::Log2Hist => "log2_hist",
        SampleKind::LinearHist => "linear_hist",
        SampleKind::KeyValue => "default_kv",
    };
    Keys::over(&sample.other)
        .set("interval", sample.interval)
        .set("type", kind)
        .maybe("unit", sample.unit.as_deref())
        .set("clear_map", sample.clear_map)
        .done()
}

fn export_config(config: &ExportConfig) -> Option<Json> {
    match config {
        ExportConfig::None => None,
        ExportConfig::Default => Some("default".into()),
        ExportConfig::BtfType(id) => Some(json!({ "btf_type_id": id })),
        ExportConfig::Custom(members) => {
            Some(json!({ "custom_members": members.iter().map(custom_member).collect::<Vec<_>>() }))
        }
    }
}

fn custom_member(member: &CustomMember) -> Json {
    Keys::over(&member.other)
        .set("name", member.name.as_str())
        .set("offset", member.offset)
        .set("btf_type_id", member.type_id)
        .done()
}

fn interpreter(interpreter: &Interpreter) -> Option<Json> {
    match interpreter {
        Interpreter::Struct => None,
        Interpreter::StackTrace { fields, with_symbols, other } => {
            let trace = Keys::over(other)
                .maybe("field_map", fields.clone().map(Json::Object))
                .maybe("with_symbols", *with_symbols);
            Some(json!({ "stack_trace": trace.done() }))
        }
    }
}

fn program(program: &Program) -> Json {
    Keys::over(&program.other)
        .set("name", program.name.as_str())
        .maybe("attach", program.attach.as_deref())
        .set("link", program.link)
        .maybe("description", program.description.as_deref())
        .done()
}

fn export(export: &Export) -> Json {
    Keys::over(&export.other)
        .set("name", export.name.as_str())
        .maybe(
            "members",
            export.members.as_ref().map(|members| members.iter().map(member).collect::<Vec<_>>()),
        )
        .maybe("size", export.size)
        .maybe("type_id", export.type_id)
        .done()
}

fn member(member: &Member) -> Json {
    Keys::over(&member.other)
        .set("name", member.name.as_str())
        .set("type", member.ty.as_str())
        .done()
}

/// Returns the document's form of an export type, from BTF.
pub(crate) fn export_of(layouts: &Layouts, id: TypeId) -> Export {
    let ty = layouts.btf.get(id);
    let members = match &ty.kind {
        Kind::Struct { members, .. } | Kind::Union { members, .. } => members.as_slice(),
        _ => &[],
    };
    let member = |member: &object::Member| Member {
        name: member.name.clone(),
        ty: layouts.c_name(layouts.btf.unmodified(member.ty).0),
        other: Default::default(),
    };
    Export {
        name: ty.name.clone(),
        members: Some(members.iter().map(member).collect()),
        size: u32::try_from(layouts.layout(id).size).ok(),
        type_id: Some(id.0),
        other: Default::default(),
    }
}
