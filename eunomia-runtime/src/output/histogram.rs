//! Entries of maps as histograms.

use std::{fmt::Display, io::Write as _};

use super::{Prefix, braced};
use crate::{
    Error, Result,
    checked::{Checked, Payload, Stream},
    histogram::{LinearHistogram, Log2Histogram},
    plain::push,
    skeleton::model::{Sample, SampleKind},
    value::{Event, Value},
};

/// The form of an entry shown as a histogram: its key, the other members of its value, and the
/// table of its slots.
#[derive(Debug)]
pub(super) struct Histogram<'a> {
    /// Name of the member that holds the slots; `None` if the value itself is the slots.
    slots: Option<&'a str>,
    linear: bool,
    unit: String,
}

impl<'a> Histogram<'a> {
    pub(super) fn new(
        checked: &'a Checked,
        stream: &'a Stream,
        sample: &'a Sample,
    ) -> Result<Self> {
        let linear = sample.kind == SampleKind::LinearHist;
        let unit = sample.unit.as_deref().unwrap_or("(unit)").to_owned();
        let layouts = &checked.layouts;
        let counts = |ty| layouts.counts(ty);
        let slots = match &stream.payload {
            Payload::Type(ty) if counts(*ty) => return Ok(Self { slots: None, linear, unit }),
            Payload::Type(ty) => layouts
                .fields(*ty)
                .into_iter()
                .filter(|field| field.ty.is_some_and(counts))
                .map(|field| field.name)
                .collect::<Vec<_>>(),
            Payload::Custom(fields) => fields
                .iter()
                .filter(|field| counts(field.ty))
                .map(|field| field.name.as_str())
                .collect(),
            Payload::Tagged(_) | Payload::Bytes { .. } => Vec::new(),
        };
        // `slots` is the name that other loaders of the format require. Without it, a single array
        // is unambiguous.
        let named = slots.iter().find(|name| **name == "slots");
        let Some(&slots) = named.or(if let [alone] = &slots[..] { Some(alone) } else { None })
        else {
            let why = "cannot show its values as a histogram: they have no member `slots` that is an array of unsigned numbers; rename the array, \
                       or sample the map as `default_kv`";
            return Err(Error::Mismatch {
                name: format!("map `{}`", stream.map),
                why: why.to_owned(),
            });
        };
        Ok(Self { slots: Some(slots), linear, unit })
    }

    pub(super) fn write(&self, event: &Event<'_>, prefix: &Prefix, out: &mut Vec<u8>) {
        let start = out.len();
        prefix.write(event.map, out);
        if out.len() > start {
            // The prefix gets a line of its own, because the table after it has its own columns.
            out.truncate(start + out.get(start..).unwrap_or_default().trim_ascii_end().len());
            out.push(b'\n');
        }
        // This is the layout of the original tool, with 2 spaces after the equals sign.
        if let Some(key) = &event.key {
            out.extend_from_slice(b"key = ");
            let mut fields = key.fields().map(|(_, field)| field).peekable();
            if fields.peek().is_none() {
                cell(key, out);
            }
            fields.for_each(|field| cell(&field, out));
            out.push(b'\n');
        }
        for (name, value) in event.value.fields().filter(|(name, _)| Some(*name) != self.slots) {
            push(name, out);
            out.extend_from_slice(b" = ");
            braced(&value, out);
            out.push(b'\n');
        }
        let slots = match self.slots {
            Some(name) => event.value.field(name),
            None => Some(event.value),
        };
        let slots = slots.and_then(|slots| slots.counts()).unwrap_or_default();
        if self.linear {
            table(&LinearHistogram::from_slots(0, 1, &slots).text(&self.unit), out);
        } else {
            table(&Log2Histogram::from_slots(&slots).text(&self.unit), out);
        }
    }
}

fn cell(value: &Value<'_>, out: &mut Vec<u8>) {
    out.push(b' ');
    braced(value, out);
}

fn table(text: &dyn Display, out: &mut Vec<u8>) {
    let start = out.len();
    // Writing to memory cannot fail.
    _ = write!(out, "{text}");
    if out.len() > start {
        out.push(b'\n');
    }
}
