//! Fingerprints of layouts for recordings: texts that differ if the layouts do.
//!
//! A text has a line `struct <bytes>` or `union <bytes>` for each type with members, after the
//! types that it contains, followed by a line ` <offset> <type> <name>` for each member, including
//! those of anonymous members. The offset is in bytes; for a bit field, `.<bit>` follows. The type
//! is `u8` to `i128`, `f32`, `f64`, `bool`, `pointer`, `enum(..)` of a number, `char` in arrays of
//! text, `bytes(n)` if Rust has no such number or the type is not known, or `#n` for the nth type
//! above, from 0. A suffix `[n]` is an array, `:n` the width of a bit field. The last line is the
//! type of the records. Equal types are written once, so that the text does not depend on how often
//! the compiler wrote them into BTF.
//!
//! Members that the document selects are those of a type `members <bytes>`. Records of several
//! types have a type `tagged <offset> <bytes>` with the position of the member that distinguishes
//! them, and lines ` <value> <type>`. Entries of a map are `entry <bytes> <type> <bytes> <type>`
//! for keys and values, and records of unknown types are `bytes`.

use std::{collections::HashMap, fmt::Display};

use super::{check::Checked, exports::Stream, payload::Payload};
use crate::{
    object::{Kind, Layouts, TypeId},
    recording,
    sample::value_offset,
};

impl Checked {
    /// Returns the description of each stream for a recording.
    #[doc(hidden)]
    pub fn recorded_streams(&self) -> Vec<recording::Stream<'_>> {
        self.streams.iter().map(|stream| self.recorded(stream)).collect()
    }

    fn recorded<'a>(&'a self, stream: &'a Stream) -> recording::Stream<'a> {
        let layouts = &self.layouts;
        let mut texts = Texts { layouts, types: Vec::new(), known: HashMap::new() };
        let (c_type, mut size, mut least, mut root) = match &stream.payload {
            Payload::Type(id) => (
                layouts.c_name(*id),
                layouts.layout(*id).size,
                layouts.layout(*id).least(),
                texts.of(*id),
            ),
            Payload::Custom(fields) => {
                let members = fields
                    .iter()
                    .map(|field| line(&field.offset, &texts.of(field.ty), &field.name))
                    .collect();
                let size = fields
                    .iter()
                    .map(|field| field.offset + layouts.layout(field.ty).size)
                    .max()
                    .unwrap_or(0);
                (
                    "custom members".to_owned(),
                    size,
                    layouts.least_of(fields),
                    texts.add("members", size, members),
                )
            }
            Payload::Tagged(tagged) => {
                let mut types: Vec<_> =
                    tagged.tags.iter().map(|tag| (tag.value, texts.of(tag.ty))).collect();
                types.sort();
                let types = types.iter().map(|(value, ty)| format!(" {value} {ty}\n")).collect();
                (
                    "several types".to_owned(),
                    0,
                    0,
                    texts.add(&format!("tagged {}", tagged.offset), tagged.size, types),
                )
            }
            Payload::Bytes { .. } => ("bytes".to_owned(), 0, 0, "bytes".to_owned()),
        };
        if let Some(sampled) = &stream.sampled {
            let key = sampled
                .key
                .filter(|id| layouts.has_values(*id))
                .map_or_else(|| bytes(sampled.key_size.into()), |id| texts.of(id));
            root = format!("entry {} {key} {} {root}", sampled.key_size, sampled.value_size);
            size = (value_offset(sampled.key_size as usize) + sampled.value_size as usize) as u64;
            least = size;
        }
        let layout = texts.types.concat() + &root;
        recording::Stream {
            map: stream.map.as_str().into(),
            c_type: c_type.into(),
            size,
            least,
            layout: layout.into(),
        }
    }
}

/// The texts of a fingerprint.
struct Texts<'a> {
    layouts: &'a Layouts,
    /// The texts of types with members, without duplicates.
    types: Vec<String>,
    known: HashMap<TypeId, String>,
}

impl Texts<'_> {
    /// Returns the name of a type in the text.
    fn of(&mut self, id: TypeId) -> String {
        let layouts = self.layouts;
        let (id, ty) = layouts.btf.resolve(id);
        match &ty.kind {
            Kind::Array { element, len } => {
                let element = if layouts.char_array(id).is_some() {
                    "char".to_owned()
                } else {
                    self.of(*element)
                };
                // As in C, the outer dimension comes first.
                let (of, inner) = element.split_at(element.find('[').unwrap_or(element.len()));
                format!("{of}[{len}]{inner}")
            }
            Kind::Struct { size, .. } => self.members(id, "struct", (*size).into()),
            Kind::Union { size, .. } => self.members(id, "union", (*size).into()),
            Kind::Int { bool: true, size: 1, .. } => "bool".to_owned(),
            Kind::Int { size: size @ (1 | 2 | 4 | 8 | 16), signed, .. } => number(*size, *signed),
            Kind::Enum { size: size @ (1 | 2 | 4 | 8), signed, .. } => {
                format!("enum({})", number(*size, *signed))
            }
            Kind::Float { size: size @ (4 | 8) } => format!("f{}", 8 * size),
            Kind::Pointer { .. } => "pointer".to_owned(),
            _ => bytes(layouts.layout(id).size),
        }
    }

    fn members(&mut self, id: TypeId, kind: &str, size: u64) -> String {
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        let layouts = self.layouts;
        let members = layouts.fields(id).into_iter().map(|field| {
            let text = field.ty.map_or_else(|| bytes(field.size), |ty| self.of(ty));
            match field.bits {
                Some(bits) => line(
                    &format_args!("{}.{}", field.offset(), field.bit_offset % 8),
                    &format!("{text}:{bits}"),
                    field.name,
                ),
                None => line(&field.offset(), &text, field.name),
            }
        });
        let members = members.collect();
        let text = self.add(kind, size, members);
        self.known.insert(id, text.clone());
        text
    }

    /// Adds a type with these members unless an equal one exists, and returns its name.
    fn add(&mut self, kind: &str, size: u64, members: String) -> String {
        let text = format!("{kind} {size}\n{members}");
        let index = self.types.iter().position(|known| *known == text).unwrap_or_else(|| {
            self.types.push(text);
            self.types.len() - 1
        });
        format!("#{index}")
    }
}

fn line(offset: &dyn Display, ty: &str, name: &str) -> String {
    format!(" {offset} {ty} {}\n", name.escape_default())
}

fn number(size: u32, signed: bool) -> String {
    format!("{}{}", if signed { 'i' } else { 'u' }, 8 * size)
}

fn bytes(size: u64) -> String {
    format!("bytes({size})")
}
