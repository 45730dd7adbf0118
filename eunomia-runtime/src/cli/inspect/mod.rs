//! `eunomia inspect`: shows what a skeleton contains, from its object or, if it has none, from the
//! document.

mod describe;
mod json;
mod table;

use super::{CommandError, Streams, args::Inspect, choice::name_events, input::Input, output};
use crate::plain;

/// The contents of a skeleton. A field is `None` if the document has no object and does not tell
/// it.
struct Description {
    file: String,
    /// The generation of the format.
    format: &'static str,
    name: String,
    version: Option<String>,
    about: Option<String>,
    compiler: Option<String>,
    /// The size of the object in bytes.
    object: Option<usize>,
    programs: Vec<Program>,
    maps: Vec<Map>,
    variables: Vec<Variable>,
    exports: Vec<Export>,
}

/// A program.
struct Program {
    name: String,
    section: Option<String>,
    /// True if the program is attached by default.
    link: bool,
}

/// A map.
struct Map {
    name: String,
    kind: Option<String>,
    key: Option<Part>,
    value: Option<Part>,
    max_entries: Option<u32>,
}

/// A type and its size in bytes.
struct Part {
    ty: String,
    size: u64,
}

/// A global variable.
struct Variable {
    name: String,
    section: String,
    ty: String,
    offset: Option<u64>,
    size: Option<u64>,
    /// The value as a line of text and as JSON.
    value: Option<(String, serde_json::Value)>,
    /// The option with its dashes.
    option: Option<String>,
    help: Option<String>,
}

/// A map that delivers records, and their type.
struct Export {
    /// The map; unknown if the skeleton has no object.
    map: Option<String>,
    kind: Option<String>,
    ty: String,
    /// How the type was found in the object, if nobody names it.
    found: Option<String>,
    size: Option<u64>,
    key: Option<Part>,
    interval: Option<u64>,
    /// True if lost records are counted.
    counted: Option<bool>,
    fields: Vec<Field>,
}

/// A member of a record.
struct Field {
    name: String,
    ty: String,
    /// The offset from the start of the record, in bits.
    bit_offset: Option<u64>,
    size: Option<u64>,
    /// The width of a bit field.
    bits: Option<u32>,
}

pub(super) fn run(args: &Inspect, streams: &mut Streams<'_>) -> Result<(), CommandError> {
    let mut input = Input::read(&args.source, streams.input)?;
    name_events(&args.events, &mut input.skeleton);
    let description = match input.skeleton.object {
        Some(_) => Description::of_object(&input.check()?)?,
        None => Description::of_document(&input.skeleton),
    };
    let text = if args.json {
        plain::json(&format!("{:#}\n", description.json())).into_owned()
    } else {
        description.table()
    };
    output::print(streams.out, text.as_bytes())
}
