//! `eunomia inspect`: what is in a skeleton, from its object, or from the document alone where it has none.

mod describe;
mod json;
mod table;

use super::{Failure, Streams, args::Inspect, input::Input, output};
use crate::plain;

/// What is shown. What a document without an object does not tell is `None`.
struct Description {
    file: String,
    /// Which generation of the format it is.
    format: &'static str,
    name: String,
    version: Option<String>,
    about: Option<String>,
    compiler: Option<String>,
    /// Bytes of the object.
    object: Option<usize>,
    programs: Vec<Program>,
    maps: Vec<Map>,
    variables: Vec<Variable>,
    exports: Vec<Export>,
}

struct Program {
    name: String,
    section: Option<String>,
    /// Whether it is attached when nobody says otherwise.
    link: bool,
}

struct Map {
    name: String,
    kind: Option<String>,
    key: Option<Part>,
    value: Option<Part>,
    max_entries: Option<u32>,
}

/// A type and its bytes.
struct Part {
    ty: String,
    size: u64,
}

struct Variable {
    name: String,
    section: String,
    ty: String,
    offset: Option<u64>,
    size: Option<u64>,
    /// As a line and as JSON.
    value: Option<(String, serde_json::Value)>,
    /// With its dashes.
    option: Option<String>,
    help: Option<String>,
}

struct Export {
    /// The map; unknown where the document alone does not tell.
    map: Option<String>,
    kind: Option<String>,
    ty: String,
    size: Option<u64>,
    key: Option<Part>,
    interval: Option<u64>,
    /// Whether it is counted what is lost.
    counted: Option<bool>,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    ty: String,
    /// Bits from the start of the record.
    bit_offset: Option<u64>,
    size: Option<u64>,
    /// The width of a bit field.
    bits: Option<u32>,
}

pub(super) fn run(args: &Inspect, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let document = Input::read(&args.source, streams.input)?.document;
    let description = match document.skeleton.object {
        Some(_) => Description::of_object(&document.file, &document.check()?)?,
        None => Description::of_document(&document),
    };
    let text = if args.json { plain::json(&format!("{:#}\n", description.json())).into_owned() } else { description.table() };
    output::print(streams.out, text.as_bytes())
}
