//! `cargo eunomia check`.

use std::io::{Read, Write};

use eunomia_runtime::object::{Checked, Payload, Stream};

use super::{Failure, args::Check, input::Input, output};

pub(super) fn run(args: &Check, stdin: &mut dyn Read, out: &mut dyn Write) -> Result<(), Failure> {
    let Input { skeleton, document, .. } = Input::read(&args.input, args.object.as_deref(), stdin)?;
    let located = |faults| document.faults(faults);
    let checked = skeleton.check(&document.file).map_err(located)?;
    checked.setup(&document.file).map_err(located)?;
    Ok(output::print(out, format!("{}: {}\n", document.file, summary(&checked)).as_bytes())?)
}

/// What is in the object, on one line.
fn summary(checked: &Checked) -> String {
    let maps = checked.maps.iter().map(|map| map.name.clone());
    let programs = checked.programs.iter().map(|(name, _)| name.clone());
    let exports = checked.streams.iter().map(|stream| export(checked, stream));
    let name = &checked.skeleton.name;
    format!("object {name}; maps: {}; programs: {}; exports: {}", list(maps), list(programs), list(exports))
}

/// A map that delivers records, and what they are.
fn export(checked: &Checked, Stream { map, payload, .. }: &Stream) -> String {
    match payload {
        Payload::Type(id) => format!("{map} ({})", checked.layouts.c_name(*id)),
        Payload::Custom(fields) => {
            let fields = fields.iter().map(|field| checked.layouts.c_declaration(&field.name, field.ty));
            format!("{map} (custom: {})", list(fields))
        }
        Payload::Tagged(tagged) => {
            let types = tagged.tags.iter().map(|tag| format!("{} {}", tag.text, checked.layouts.c_name(tag.ty)));
            format!("{map} (by {}: {})", tagged.member, list(types))
        }
        Payload::Bytes { why } => format!("{map} (bytes: {why})"),
    }
}

fn list(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
