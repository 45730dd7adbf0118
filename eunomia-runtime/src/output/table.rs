//! Events as rows of a table.

use super::{Prefix, braced};
use crate::{
    checked::{Checked, CustomField, Payload, Stream},
    object::{Field, Kind, Layouts, TypeId},
    plain::push,
    value::{Event, Value},
};

/// A table with a column for each member. Its head comes before the first row.
#[derive(Debug)]
pub(super) struct Table<'a> {
    columns: Vec<Column<'a>>,
    headed: bool,
}

/// A column of the table.
#[derive(Debug)]
struct Column<'a> {
    name: String,
    /// Least width in characters. Longer values push the rest of their row to the right; nothing is
    /// cut off.
    width: usize,
    from_key: bool,
    part: Part<'a>,
}

/// The part of a record that a column shows.
#[derive(Debug)]
enum Part<'a> {
    All,
    Field(Field<'a>),
    Custom(&'a CustomField),
}

/// The least width of a column, as in the original tool.
const LEAST: usize = 6;
/// The greatest width of a column: names of constants and texts can be of any length.
const MOST: usize = 32;

impl<'a> Table<'a> {
    pub(super) fn new(checked: &'a Checked, stream: &'a Stream) -> Self {
        let layouts = &checked.layouts;
        let mut columns = Vec::new();
        if let Some(sampled) = &stream.sampled {
            of_type(layouts, sampled.key, "KEY", true, &mut columns);
        }
        let whole = if stream.sampled.is_some() { "VALUE" } else { "EVENT" };
        match &stream.payload {
            Payload::Type(ty) => of_type(layouts, Some(*ty), whole, false, &mut columns),
            Payload::Custom(fields) => columns.extend(fields.iter().map(|field| {
                let part = Part::Custom(field);
                Column {
                    name: field.name.to_uppercase(),
                    width: width(layouts, field.ty),
                    from_key: false,
                    part,
                }
            })),
            Payload::Tagged(_) | Payload::Bytes { .. } => {
                of_type(layouts, None, whole, false, &mut columns)
            }
        }
        columns.iter_mut().for_each(|column| {
            column.width = column.width.max(column.name.chars().count()).max(LEAST)
        });
        Self { columns, headed: false }
    }

    pub(super) fn write(&mut self, event: &Event<'_>, prefix: &Prefix, out: &mut Vec<u8>) {
        if !self.headed {
            self.headed = true;
            let time = if prefix.time.is_empty() { "" } else { "TIME" };
            Prefix { time: pad(time, prefix.time.chars().count()), maps: prefix.maps }
                .write("MAP", out);
            self.row(out, |column, out| push(&column.name, out));
        }
        prefix.write(event.map, out);
        self.row(out, |column, out| {
            if let Some(value) = column.value(event) {
                braced(&value, out);
            }
        });
    }

    fn row(&self, out: &mut Vec<u8>, cell: impl Fn(&Column<'_>, &mut Vec<u8>)) {
        for (i, column) in self.columns.iter().enumerate() {
            let start = out.len();
            cell(column, out);
            if i + 1 < self.columns.len() {
                let written = out.get(start..).map_or(0, characters);
                out.resize(out.len() + column.width.saturating_sub(written) + 1, b' ');
            }
        }
        out.push(b'\n');
    }
}

impl Column<'_> {
    fn value<'v>(&'v self, event: &Event<'v>) -> Option<Value<'v>> {
        let record = if self.from_key { event.key? } else { event.value };
        match &self.part {
            Part::All => Some(record),
            Part::Field(field) => record.member(field),
            Part::Custom(field) => record.part(field.ty, field.offset),
        }
    }
}

/// Adds a column for each member of a struct, or one column for any other type.
fn of_type<'a>(
    layouts: &'a Layouts,
    ty: Option<TypeId>,
    whole: &str,
    from_key: bool,
    columns: &mut Vec<Column<'a>>,
) {
    let fields = ty.map(|ty| layouts.fields(ty)).unwrap_or_default();
    if fields.is_empty() {
        let width = ty.map_or(0, |ty| width(layouts, ty));
        return columns.push(Column { name: whole.to_owned(), width, from_key, part: Part::All });
    }
    columns.extend(fields.into_iter().map(|field| {
        let width = field.ty.map_or(0, |ty| width(layouts, ty));
        Column { name: field.name.to_uppercase(), width, from_key, part: Part::Field(field) }
    }));
}

/// Returns the width that most values of a type fit.
fn width(layouts: &Layouts, ty: TypeId) -> usize {
    match &layouts.btf.resolve(ty).1.kind {
        _ if layouts.char_array(ty).is_some() => layouts.char_array(ty).unwrap_or(0) as usize,
        Kind::Int { size: 1 | 2, .. } => LEAST,
        Kind::Int { size: 4, .. } => 8,
        Kind::Int { .. } | Kind::Float { .. } => 12,
        Kind::Pointer { .. } => 18,
        Kind::Enum { values, .. } => {
            values.iter().map(|(name, value)| format!("{name}({value})").len()).max().unwrap_or(0)
        }
        _ => 0,
    }
    .min(MOST)
}

fn pad(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

/// Returns the number of characters in UTF-8 text.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
}
