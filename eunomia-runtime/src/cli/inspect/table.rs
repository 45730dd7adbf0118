//! The description as tables for a terminal.

use std::fmt::Write as _;

use comfy_table::{Table, presets::NOTHING};

use super::{Description, Export, Field, Part};
use crate::plain::{line, plain};

/// The longest text of a column, in characters: a value can be a whole array.
const LONGEST: usize = 60;

impl Description {
    /// Returns the description as text: one table for each kind of item that the skeleton has.
    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        // Writing to memory cannot fail.
        _ = write!(text, "{}: {} `{}`", line(&self.file), self.format, line(&self.name));
        for (prefix, known) in [(" ", &self.version), (", compiler ", &self.compiler)] {
            if let Some(known) = known {
                _ = write!(text, "{prefix}{}", line(known));
            }
        }
        if let Some(about) = &self.about {
            _ = write!(text, "\n{about}");
        }
        text += &match self.object {
            Some(bytes) => format!("\nobject of {bytes} bytes\n"),
            None => {
                "\nno object in the skeleton (`--object FILE` adds one): types, offsets and sizes are those of the document\n".to_owned()
            }
        };
        let programs = self.programs.iter().map(|program| {
            [
                program.name.clone(),
                option(program.section.as_ref()),
                if program.link { "" } else { "not attached by default" }.to_owned(),
            ]
        });
        section(&mut text, "Programs", ["NAME", "SECTION", ""], programs);
        let maps = self.maps.iter().map(|map| {
            [
                map.name.clone(),
                option(map.kind.as_ref()),
                part(map.key.as_ref()),
                part(map.value.as_ref()),
                option(map.max_entries.as_ref()),
            ]
        });
        section(&mut text, "Maps", ["NAME", "KIND", "KEY", "VALUE", "ENTRIES"], maps);
        let variables = self.variables.iter().map(|variable| {
            let value = variable.value.as_ref().map(|(text, _)| text);
            let at = variable
                .offset
                .map(|offset| format!("{}+{offset}", variable.section))
                .unwrap_or(variable.section.clone());
            let size = option(variable.size.as_ref());
            [
                variable.name.clone(),
                variable.ty.clone(),
                at,
                size,
                option(value),
                option(variable.option.as_ref()),
            ]
        });
        section(
            &mut text,
            "Variables",
            ["NAME", "TYPE", "PLACE", "SIZE", "VALUE", "OPTION"],
            variables,
        );
        for export in &self.exports {
            let rows = export
                .fields
                .iter()
                .map(|field| [offset(field), size(field), field.ty.clone(), field.name.clone()]);
            section(&mut text, &title(export), ["OFFSET", "SIZE", "TYPE", "NAME"], rows);
            if export.fields.is_empty() {
                _ = writeln!(text, "\n{}", title(export));
            }
        }
        plain(&text)
    }
}

fn title(export: &Export) -> String {
    let mut title = match &export.map {
        Some(map) => format!("Events of {map}"),
        None => "Events".to_owned(),
    };
    if let Some(kind) = &export.kind {
        title += &format!(" ({kind})");
    }
    title += &format!(": {}", export.ty);
    if let Some(size) = export.size {
        title += &format!(", {size} bytes");
    }
    if let Some(interval) = export.interval {
        title += &format!(", every {interval} ms");
    }
    if let Some(Part { ty, size }) = &export.key {
        title += &format!(", by {ty} ({size} bytes)");
    }
    if export.kind.as_deref() == Some("ringbuf") {
        title += if export.counted == Some(true) {
            ", drops are counted"
        } else {
            ", drops are not counted"
        };
    }
    if let Some(how) = &export.found {
        title += &format!("; found: {how}");
    }
    line(&title).into_owned()
}

fn section<const N: usize>(
    text: &mut String,
    title: &str,
    head: [&str; N],
    rows: impl ExactSizeIterator<Item = [String; N]>,
) {
    if rows.len() == 0 {
        return;
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(head);
    table.add_rows(rows.map(|row| row.map(|cell| cut(&line(&cell)))));
    _ = writeln!(text, "\n{title}");
    for line in table.lines() {
        _ = writeln!(text, " {}", line.trim_end());
    }
}

/// Returns the offset in bytes; for a bit field also the bit, after a colon.
fn offset(field: &Field) -> String {
    match (field.bit_offset, field.bits) {
        (None, _) => String::new(),
        (Some(at), None) => (at / 8).to_string(),
        (Some(at), Some(_)) => format!("{}:{}", at / 8, at % 8),
    }
}

fn size(field: &Field) -> String {
    match (field.size, field.bits) {
        (_, Some(1)) => "1 bit".to_owned(),
        (_, Some(bits)) => format!("{bits} bits"),
        (size, None) => option(size.as_ref()),
    }
}

fn part(part: Option<&Part>) -> String {
    part.map_or_else(String::new, |Part { ty, size }| format!("{ty} ({size})"))
}

fn option(value: Option<&impl ToString>) -> String {
    value.map_or_else(String::new, ToString::to_string)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
