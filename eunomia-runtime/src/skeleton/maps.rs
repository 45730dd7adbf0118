//! Reads the maps of a document: their samples, exports and interpreters.

use serde_json::Value as Json;

use super::{
    model::{CustomMember, EventType, ExportConfig, Interpreter, Map, Sample, SampleKind},
    table::Node,
};

pub(super) fn map(node: &Node<'_>) -> Option<Map> {
    let table = node.table()?;
    let name = table.need("name").and_then(|node| node.string());
    let ident = table.need("ident").and_then(|node| node.string());
    let mmaped = table.optional("mmaped", |node| node.bool());
    let description = table.optional("description", |node| node.string());
    let event = table.optional("event", event);
    let found = table.optional("event_found", |node| node.string());
    let sample = table.optional("sample", sample);
    let export = table.optional("export_config", export_config);
    // Compilers write the first spelling, other tools the second.
    if table.has("intepreter") && table.has("interpreter") {
        node.diagnostic::<()>(
            "`intepreter` and `interpreter` are two spellings of one key, and both are given",
            "leave out one of them",
        );
    }
    let misspelt = table.optional("intepreter", interpreter);
    let interpreter = table.optional("interpreter", interpreter);
    Some(Map {
        name: name?,
        ident: ident?,
        mmaped: mmaped?.unwrap_or(false),
        description: description?,
        event: event?,
        found: found?,
        sample: sample?,
        export: export?.unwrap_or_default(),
        interpreter: misspelt?.or(interpreter?).unwrap_or_default(),
        other: table.other(),
    })
}

fn event(node: &Node<'_>) -> Option<EventType> {
    if let Json::String(c_type) = node.json {
        return Some(EventType::One(c_type.clone()));
    }
    let table = node.table()?;
    let member = table.need("member").and_then(|node| node.string());
    let types = table.need("types").and_then(|node| {
        node.list(|node| {
            let table = node.table()?;
            let value = table.need("value").and_then(|node| node.string());
            let c_type = table.need("type").and_then(|node| node.string());
            Some((value?, c_type?))
        })
    });
    Some(EventType::Tagged { member: member?, types: types? })
}

fn sample(node: &Node<'_>) -> Option<Sample> {
    let table = node.table()?;
    let interval = table.need("interval").and_then(|node| node.u64());
    let kind = table.optional("type", |node| match node.string()?.as_str() {
        "log2_hist" => Some(SampleKind::Log2Hist),
        "linear_hist" => Some(SampleKind::LinearHist),
        "default_kv" => Some(SampleKind::KeyValue),
        other => {
            let known = ["log2_hist", "linear_hist", "default_kv"];
            node.unknown(
                "kind of sample",
                other,
                &known,
                "use log2_hist, linear_hist or default_kv",
            )
        }
    });
    let unit = table.optional("unit", |node| node.string());
    let clear_map = table.optional("clear_map", |node| node.bool());
    Some(Sample {
        interval: interval?,
        kind: kind?.unwrap_or_default(),
        unit: unit?,
        clear_map: clear_map?.unwrap_or(false),
        other: table.other(),
    })
}

fn export_config(node: &Node<'_>) -> Option<ExportConfig> {
    const VARIANTS: &str =
        "use \"no_export\", \"default\", {\"btf_type_id\": N} or {\"custom_members\": [..]}";
    if let Json::String(text) = node.json {
        return match text.as_str() {
            "no_export" => Some(ExportConfig::None),
            "default" => Some(ExportConfig::Default),
            other => node.unknown("export", other, &["no_export", "default"], VARIANTS),
        };
    }
    let table = node.table()?;
    let config = match (table.get("btf_type_id"), table.get("custom_members")) {
        (Some(id), None) => id.u32().map(ExportConfig::BtfType),
        (None, Some(members)) => members.list(custom_member).map(ExportConfig::Custom),
        _ => return node.diagnostic("unknown export", VARIANTS),
    };
    if table.other().is_empty() {
        config
    } else {
        node.diagnostic("an export has one key, this one has more", VARIANTS)
    }
}

fn custom_member(node: &Node<'_>) -> Option<CustomMember> {
    let table = node.table()?;
    let name = table.need("name").and_then(|node| node.string());
    let offset = table.need("offset").and_then(|node| node.u32());
    let type_id = table.need("btf_type_id").and_then(|node| node.u32());
    Some(CustomMember { name: name?, offset: offset?, type_id: type_id?, other: table.other() })
}

fn interpreter(node: &Node<'_>) -> Option<Interpreter> {
    const VARIANTS: &str = "use \"default_struct\" or {\"stack_trace\": {..}}";
    if let Json::String(text) = node.json {
        return match text.as_str() {
            "default_struct" => Some(Interpreter::Struct),
            other => node.unknown("interpreter", other, &["default_struct"], VARIANTS),
        };
    }
    let outer = node.table()?;
    let table = outer.need("stack_trace")?.table()?;
    if !outer.other().is_empty() {
        return node.diagnostic("an interpreter has one key, this one has more", VARIANTS);
    }
    let fields = table.optional("field_map", |node| node.table().map(|fields| fields.other()));
    let with_symbols = table.optional("with_symbols", |node| node.bool());
    Some(Interpreter::StackTrace {
        fields: fields?,
        with_symbols: with_symbols?,
        other: table.other(),
    })
}
