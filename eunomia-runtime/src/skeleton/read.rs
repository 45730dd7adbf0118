//! Reads every generation of the format into one [`Skeleton`].
//!
//! Each function reports all faults below its node before it fails, so that one run shows them all.

use std::cell::RefCell;

use serde_json::Value as Json;

use super::{
    Source, architectures,
    maps::map,
    model::{
        CmdArg, Doc, Export, ExportConfig, Format, Interpreter, Map, Member, Other, Program,
        Section, Settings, Skeleton, Variable,
    },
    package,
    table::{Node, Table},
};
use crate::error::{Diagnostic, Diagnostics, JsonPath, SHOWN, locate};

/// Values of a document, each of which takes a hundred times its two characters while it is read.
pub(super) const MOST_VALUES: usize = 1 << 18;

/// Reads a document, or its package for an architecture; messages call it `file`. Returns the
/// skeleton, which has no source yet, and its place in the document.
pub(super) fn document(
    text: &str,
    file: &str,
    arch: &str,
) -> Result<(Skeleton, JsonPath), Diagnostics> {
    check_size(text, file)?;
    let json: Json =
        serde_json::from_str(text).map_err(|error| Diagnostics::one(file, malformed(&error)))?;
    let diagnostics = RefCell::default();
    let skeleton = architectures::pick(&Node::root(&json, &diagnostics), arch)
        .and_then(|node| Some((generation(&node)?, node.place)));
    match (skeleton, diagnostics.into_inner()) {
        (Some(skeleton), found) if found.is_empty() => Ok(skeleton),
        (_, found) => {
            let mut diagnostics = found.into_shown();
            locate::fill_lines(text, diagnostics.iter_mut().take(SHOWN));
            Err(Diagnostics { file: file.to_owned(), diagnostics })
        }
    }
}

/// Refuses a document whose values would take much memory.
pub(super) fn check_size(text: &str, file: &str) -> Result<(), Diagnostics> {
    locate::count(text, MOST_VALUES).map_err(|line| {
        let fault = Diagnostic::new(JsonPath::default(), too_many(), "");
        Diagnostics::one(file, Diagnostic { line: Some(line), ..fault })
    })
}

pub(super) fn too_many() -> String {
    format!("the document has more than {MOST_VALUES} values, and no skeleton has so many")
}

pub(super) fn malformed(error: &serde_json::Error) -> Diagnostic {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    let mut diagnostic = Diagnostic::new(
        JsonPath::default(),
        format!("malformed JSON: {what}"),
        if what.starts_with("control character") {
            "some compilers print a global of anonymous struct type with raw line breaks: name that type in the C source"
        } else {
            ""
        },
    );
    diagnostic.line = Some((error.line(), error.column()));
    diagnostic
}

fn generation(root: &Node<'_>) -> Option<Skeleton> {
    let table = root.table()?;
    if table.has("meta") {
        let object = table.optional("bpf_object", |node| {
            package::object(node, table.get("bpf_object_size").as_ref())
        });
        let meta = table.need("meta").and_then(|node| metadata(&node.table()?));
        let (object, mut skeleton) = (object?, meta?);
        if skeleton.format != Format::EarlyV1 {
            skeleton.format = Format::Package;
        }
        skeleton.object = object.or(skeleton.object);
        skeleton.package_other = table.other();
        Some(skeleton)
    } else if table.has("bpf_skel") {
        metadata(&table)
    } else if table.has("data") {
        legacy(&table)
    } else {
        root.diagnostic(
            "this is not a skeleton: it has none of the keys `meta` (a package), `bpf_skel` (metadata) and `data` (the first generation)",
            "pass the .json file that the eunomia-bpf compiler or `eunomia_build::Config::package` wrote",
        )
    }
}

pub(super) fn metadata(table: &Table<'_>) -> Option<Skeleton> {
    let skel = table.need("bpf_skel").and_then(|node| node.table());
    let config = table.optional("config", |node| node.table());
    let exports = table.get("export_types").map_or(Some((Vec::new(), None)), |node| exports(&node));
    let own_btf = table.optional("export_btf", package::base64);
    let settings = settings(table, config.as_ref().and_then(Option::as_ref));
    let multiple = table.optional("enable_multiple_export_types", |node| node.bool());
    let version = table.optional("eunomia_version", |node| node.string());

    let skel = skel?;
    let name = skel.need("obj_name").and_then(|node| node.string());
    let doc = skel.optional("doc", doc);
    // Compilers write no section list, or null, for an object without globals.
    let sections = skel.get("data_sections").map_or(Some(Vec::new()), |node| node.list(section));
    let maps = skel.need("maps").and_then(|node| node.list(map));
    let programs = skel.need("progs").and_then(|node| node.list(program));
    let object = skel.optional("data", |node| package::object(node, None));

    let (exports, early_btf) = exports?;
    let early = early_btf.is_some();
    let export_btf = early_btf.or(own_btf?);
    let object = object?;
    let mut other = table.other();
    if let Some(config) = config?
        && !config.other().is_empty()
    {
        other.insert("config".to_owned(), Json::Object(config.other()));
    }
    Some(Skeleton {
        format: match (early, &object) {
            (true, _) => Format::EarlyV1,
            (false, Some(_)) => Format::Inline,
            (false, None) => Format::Metadata,
        },
        name: name?,
        doc: doc?,
        sections: sections?,
        maps: maps?,
        programs: programs?,
        exports,
        export_btf,
        multiple_exports: multiple?.unwrap_or(false),
        settings: settings?,
        version: version?,
        object,
        other,
        skel_other: skel.other(),
        package_other: Default::default(),
        events: Default::default(),
        types: Vec::new(),
        option_prefix: String::new(),
        source: Source::default(),
    })
}

/// Reads the settings. They are beside `bpf_skel`; one spelling has them inside `config`. If both
/// have one the outer counts.
fn settings(table: &Table<'_>, config: Option<&Table<'_>>) -> Option<Settings> {
    let holder = |key: &'static str| config.filter(|_| !table.has(key)).unwrap_or(table);
    let number = |key| holder(key).optional(key, |node| node.u64());
    let truth = |key| holder(key).optional(key, |node| node.bool());
    let timeout = "poll_timeout_ms";
    let timeout =
        holder(timeout).optional(timeout, |node| node.integer("a whole number of milliseconds"));
    let pages = "perf_buffer_pages";
    let (pages, time) = (holder(pages).optional(pages, perf_pages), number("perf_buffer_time_ms"));
    let (verbose, header) = (truth("debug_verbose"), truth("print_header"));
    Some(Settings {
        perf_buffer_pages: pages?,
        perf_buffer_time_ms: time?,
        poll_timeout_ms: timeout?,
        debug_verbose: verbose?,
        print_header: header?,
    })
}

fn doc(node: &Node<'_>) -> Option<Doc> {
    let table = node.table()?;
    let text = |key| table.optional(key, |node| node.string());
    let (version, brief, details, description) =
        (text("version"), text("brief"), text("details"), text("description"));
    Some(Doc {
        version: version?,
        brief: brief?,
        details: details?,
        description: description?,
        other: table.other(),
    })
}

fn section(node: &Node<'_>) -> Option<Section> {
    let table = node.table()?;
    let name = table.need("name").and_then(|node| node.string());
    let variables = table.need("variables").and_then(|node| node.list(variable));
    Some(Section { name: name?, variables: variables?, other: table.other() })
}

fn variable(node: &Node<'_>) -> Option<Variable> {
    let table = node.table()?;
    let name = table.need("name").and_then(|node| node.string());
    let ty = table.need("type").and_then(|node| node.string());
    let value = table.optional("value", |node| Some(node.json.clone()));
    let description = table.optional("description", |node| node.string());
    let arg = table.optional("cmdarg", cmdarg);
    Some(Variable {
        name: name?,
        ty: ty?,
        value: value?,
        description: description?,
        arg: arg?,
        other: table.other(),
    })
}

fn cmdarg(node: &Node<'_>) -> Option<CmdArg> {
    let table = node.table()?;
    let default = table.optional("default", |node| Some(node.json.clone()));
    let text = |key| table.optional(key, |node| node.string());
    let (long, short, help) = (text("long"), text("short"), text("help"));
    let hidden = table.optional("hidden", |node| node.bool());
    Some(CmdArg {
        default: default?,
        long: long?,
        short: short?,
        help: help?,
        hidden: hidden?,
        other: table.other(),
    })
}

fn program(node: &Node<'_>) -> Option<Program> {
    let table = node.table()?;
    let name = table.need("name").and_then(|node| node.string());
    let attach = table.optional("attach", |node| node.string());
    let link = table.optional("link", |node| node.bool());
    let description = table.optional("description", |node| node.string());
    Some(Program {
        name: name?,
        attach: attach?,
        link: link?.unwrap_or(true),
        description: description?,
        other: table.other(),
    })
}

/// Reads the export types: today's list, or the object of early v1 with its own BTF.
fn exports(node: &Node<'_>) -> Option<(Vec<Export>, Option<Vec<u8>>)> {
    if !matches!(node.json, Json::Object(_)) {
        return node.list(export).map(|exports| (exports, None));
    }
    let table = node.table()?;
    let btf = table.need("export_btf").and_then(|node| package::base64(&node));
    let structs = table.need("structs").and_then(|node| node.list(early_export));
    if !table.other().is_empty() {
        let keys: Vec<String> =
            table.other().into_iter().map(|(key, _)| format!("`{key}`")).collect();
        return node.diagnostic(
            format!("unknown keys: {}", keys.join(", ")),
            "an early `export_types` has `export_btf` and `structs`",
        );
    }
    Some((structs?, Some(btf?)))
}

fn export(node: &Node<'_>) -> Option<Export> {
    let table = node.table()?;
    let name = table.need("name").and_then(|node| node.string());
    let members = table.optional("members", |node| node.list(member));
    let size = table.optional("size", |node| node.u32());
    let type_id = table.optional("type_id", |node| node.u32());
    Some(Export {
        name: name?,
        members: members?,
        size: size?,
        type_id: type_id?,
        other: table.other(),
    })
}

fn early_export(node: &Node<'_>) -> Option<Export> {
    let table = node.table()?;
    let name = table.need("name").and_then(|node| node.string());
    let type_id = table.optional("id", |node| node.u32());
    Some(Export {
        name: name?,
        members: None,
        size: None,
        type_id: type_id?,
        other: apart("early_v1", table.other()),
    })
}

fn member(node: &Node<'_>) -> Option<Member> {
    let table = node.table()?;
    let name = table.need("name").and_then(|node| node.string());
    let ty = table.need("type").and_then(|node| node.string());
    Some(Member { name: name?, ty: ty?, other: table.other() })
}

/// Reads the first generation: names only, and the object as plain base64.
fn legacy(table: &Table<'_>) -> Option<Skeleton> {
    let object =
        table.need("data").and_then(|node| package::object(&node, table.get("data_sz").as_ref()));
    let name = table.optional("name", |node| node.string());
    let maps = table.get("maps").map_or(Some(Vec::new()), |node| node.list(legacy_map));
    let programs = table.get("progs").map_or(Some(Vec::new()), |node| node.list(program));
    let maps = maps?;
    // The object was not opened under the package's name: the names of internal maps carry the real
    // one.
    let prefix =
        maps.iter().find_map(|map| map.name.split_once('.').map(|(prefix, _)| prefix.to_owned()));
    let title = name?;
    let mut other = table.other();
    if let Some(title) = &title {
        other.insert("name".to_owned(), Json::String(title.clone()));
    }
    let other = apart("legacy_v0", other);
    Some(Skeleton {
        format: Format::LegacyV0,
        name: prefix.or(title).unwrap_or_else(|| "skeleton".to_owned()),
        doc: None,
        sections: Vec::new(),
        maps,
        programs: programs?,
        exports: Vec::new(),
        export_btf: None,
        multiple_exports: false,
        settings: Settings::default(),
        version: None,
        object: Some(object?),
        other,
        skel_other: Default::default(),
        package_other: Default::default(),
        events: Default::default(),
        types: Vec::new(),
        option_prefix: String::new(),
        source: Source::default(),
    })
}

/// Reads the number of pages of a perf ring. Rings have a power of two of pages; other numbers are
/// rounded up.
fn perf_pages(node: &Node<'_>) -> Option<u64> {
    const MAX: u64 = 1 << 16;
    match node.u64()? {
        pages @ 1..=MAX => Some(pages),
        pages => {
            node.diagnostic(format!("expected 1 to {MAX} pages on each CPU, found {pages}"), "")
        }
    }
}

fn legacy_map(node: &Node<'_>) -> Option<Map> {
    let table = node.table()?;
    let name = table.need("name").and_then(|node| node.string())?;
    let ident = name.split_once('.').map_or(name.as_str(), |(_, section)| section).to_owned();
    Some(Map {
        name,
        ident,
        mmaped: false,
        description: None,
        event: None,
        found: None,
        sample: None,
        export: ExportConfig::None,
        interpreter: Interpreter::Struct,
        other: apart("legacy_v0", table.other()),
    })
}

/// Moves the keys of an old generation under one key, because in the current format some of their
/// names mean something else.
fn apart(generation: &str, keys: Other) -> Other {
    let mut other = Other::new();
    if !keys.is_empty() {
        other.insert(generation.to_owned(), Json::Object(keys));
    }
    other
}
