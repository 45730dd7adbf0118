//! Reduces a kernel's BTF to the types with given names and the types that they contain. This is
//! all that libbpf reads to relocate an object that accesses members of these types, in a hundredth
//! of the bytes.
//!
//! The layout is documented in `Documentation/bpf/btf.rst`. The targets of pointers are left out,
//! since a field relocation never follows a pointer. A relocation that does, because its type is a
//! pointer itself, needs the complete BTF.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{
    decode::{MAX_NAME, MAX_NAMES},
    kernel::essential,
    relocations::{size, word},
};

/// `struct btf_header`.
const HEADER: usize = 24;
const MAGIC: [u8; 3] = [0x9f, 0xeb, 1];
/// `struct btf_type`.
const RECORD: usize = 12;

/// The kinds of types, an `enum` in `uapi/linux/btf.h`.
mod kind {
    pub(crate) const INT: u32 = 1;
    pub(crate) const PTR: u32 = 2;
    pub(crate) const ARRAY: u32 = 3;
    pub(crate) const STRUCT: u32 = 4;
    pub(crate) const UNION: u32 = 5;
    pub(crate) const ENUM: u32 = 6;
    pub(crate) const FWD: u32 = 7;
    pub(crate) const TYPEDEF: u32 = 8;
    pub(crate) const VOLATILE: u32 = 9;
    pub(crate) const CONST: u32 = 10;
    pub(crate) const RESTRICT: u32 = 11;
    pub(crate) const FUNC: u32 = 12;
    pub(crate) const FUNC_PROTO: u32 = 13;
    pub(crate) const VAR: u32 = 14;
    pub(crate) const DATASEC: u32 = 15;
    pub(crate) const FLOAT: u32 = 16;
    pub(crate) const DECL_TAG: u32 = 17;
    pub(crate) const TYPE_TAG: u32 = 18;
    pub(crate) const ENUM64: u32 = 19;
}

/// The parts of a BTF section.
struct Source<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// The offset of each type. The first type is `void`, which has no record.
    starts: Vec<usize>,
}

/// Returns BTF with the types of these names (without flavors) and the types that they contain.
/// Returns `None` if the kernel does not define one of the names, which may then be a module's, if
/// the BTF is damaged, or if it contains unsupported kinds.
pub(crate) fn minimal(btf: &[u8], names: &HashSet<&str>) -> Option<Vec<u8>> {
    let (minimal, found) = cut(btf, names)?;
    (found == names.len()).then_some(minimal)
}

/// Returns BTF with those types of these names that the kernel defines, and their number, otherwise
/// as [`minimal`].
pub(crate) fn cut(btf: &[u8], names: &HashSet<&str>) -> Option<(Vec<u8>, usize)> {
    let source = Source::new(btf)?;
    let (mut found, mut kept) = (HashSet::new(), Kept::default());
    for id in 1..source.starts.len() {
        let record = source.record(id)?;
        let named = matches!(
            record.kind,
            kind::STRUCT
                | kind::UNION
                | kind::ENUM
                | kind::ENUM64
                | kind::TYPEDEF
                | kind::INT
                | kind::FLOAT
                | kind::FWD
        );
        if named && let Some(name) = names.get(essential(source.string(record.name)?)) {
            if record.kind != kind::FWD {
                found.insert(*name);
            }
            kept.id(u32::try_from(id).ok()?);
        }
    }
    let mut output = Output { types: Vec::new(), strings: vec![0], known: HashMap::new() };
    while let Some(id) = kept.waiting.pop_front() {
        output.add(&source, &source.record(usize::try_from(id).ok()?)?, &mut kept)?;
    }
    Some((output.finish()?, found.len()))
}

/// Reports whether `btf` is a complete BTF section, according to its header.
pub(crate) fn is_whole(btf: &[u8]) -> bool {
    let end = || size(btf, 4)?.checked_add(size(btf, 16)?)?.checked_add(size(btf, 20)?);
    btf.get(..3) == Some(&MAGIC) && end() == Some(btf.len())
}

/// The new ids of types, in the order in which the types are reached.
#[derive(Default)]
struct Kept {
    numbers: HashMap<u32, u32>,
    waiting: VecDeque<u32>,
}

impl Kept {
    fn id(&mut self, id: u32) -> u32 {
        if id == 0 {
            return 0;
        }
        let next = self.numbers.len() as u32 + 1;
        let Self { numbers, waiting } = self;
        *numbers.entry(id).or_insert_with(|| {
            waiting.push_back(id);
            next
        })
    }
}

/// A type record, with the words that follow it.
struct Record<'a> {
    name: u32,
    info: u32,
    kind: u32,
    /// The size of the type, or the type that it refers to.
    size_or_type: u32,
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    fn new(btf: &'a [u8]) -> Option<Self> {
        (btf.get(..3)? == MAGIC).then_some(())?;
        let header = size(btf, 4)?;
        let part = |at| {
            let start = header.checked_add(size(btf, at)?)?;
            btf.get(start..start.checked_add(size(btf, at + 4)?)?)
        };
        let mut source = Self { types: part(8)?, strings: part(16)?, starts: vec![usize::MAX] };
        let mut at = 0;
        while at < source.types.len() {
            source.starts.push(at);
            at += RECORD + rest(word(source.types, at + 4)?)?;
        }
        Some(source)
    }

    fn record(&self, id: usize) -> Option<Record<'a>> {
        let at = *self.starts.get(id)?;
        let info = word(self.types, at.checked_add(4)?)?;
        let rest = self.types.get(at + RECORD..at + RECORD + rest(info)?)?;
        Some(Record {
            name: word(self.types, at)?,
            info,
            kind: info >> 24 & 0x1f,
            size_or_type: word(self.types, at + 8)?,
            rest,
        })
    }

    /// Returns a string. The kernel accepts no longer names, and each may be a part of one long
    /// string.
    fn string(&self, at: u32) -> Option<&'a str> {
        let rest = self.strings.get(usize::try_from(at).ok()?..)?;
        let rest = rest.get(..rest.len().min(MAX_NAME + 1))?;
        std::str::from_utf8(rest.get(..rest.iter().position(|byte| *byte == 0)?)?).ok()
    }
}

/// Returns the number of bytes after a type record, according to its `info`.
fn rest(info: u32) -> Option<usize> {
    let count = (info & 0xffff) as usize;
    Some(match info >> 24 & 0x1f {
        kind::INT | kind::VAR | kind::DECL_TAG => 4,
        kind::ARRAY => 12,
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * count,
        kind::ENUM | kind::FUNC_PROTO => 8 * count,
        kind::PTR | kind::FWD | kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT => 0,
        kind::FUNC | kind::FLOAT | kind::TYPE_TAG => 0,
        _ => return None,
    })
}

/// The reduced BTF, as far as it is written.
struct Output<'a> {
    types: Vec<u8>,
    strings: Vec<u8>,
    known: HashMap<&'a str, u32>,
}

impl<'a> Output<'a> {
    fn add(&mut self, source: &Source<'a>, record: &Record<'a>, kept: &mut Kept) -> Option<()> {
        let name = self.string(source, record.name)?;
        let numbers = match record.kind {
            kind::INT
            | kind::FLOAT
            | kind::FWD
            | kind::STRUCT
            | kind::UNION
            | kind::ENUM
            | kind::ENUM64
            | kind::ARRAY => record.size_or_type,
            kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                kept.id(record.size_or_type)
            }
            // A pointer to `void`.
            kind::PTR => 0,
            // No kind that a type can contain.
            _ => return None,
        };
        self.words(&[name, record.info, numbers]);
        match record.kind {
            kind::ARRAY => {
                let [element, index] =
                    [word(record.rest, 0)?, word(record.rest, 4)?].map(|id| kept.id(id));
                self.words(&[element, index, word(record.rest, 8)?]);
            }
            kind::STRUCT | kind::UNION => {
                for member in record.rest.chunks_exact(12) {
                    let name = self.string(source, word(member, 0)?)?;
                    self.words(&[name, kept.id(word(member, 4)?), word(member, 8)?]);
                }
            }
            kind::ENUM | kind::ENUM64 => {
                let step = if record.kind == kind::ENUM { 8 } else { 12 };
                for constant in record.rest.chunks_exact(step) {
                    let name = self.string(source, word(constant, 0)?)?;
                    self.words(&[name]);
                    self.types.extend_from_slice(constant.get(4..)?);
                }
            }
            _ => self.types.extend_from_slice(record.rest),
        }
        Some(())
    }

    fn string(&mut self, source: &Source<'a>, at: u32) -> Option<u32> {
        let text = source.string(at)?;
        if text.is_empty() {
            return Some(0);
        }
        if let Some(known) = self.known.get(text) {
            return Some(*known);
        }
        if self.strings.len() > MAX_NAMES {
            return None;
        }
        let at = u32::try_from(self.strings.len()).ok()?;
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        self.known.insert(text, at);
        Some(at)
    }

    fn words(&mut self, words: &[u32]) {
        words.iter().for_each(|word| self.types.extend_from_slice(&word.to_le_bytes()));
    }

    fn finish(self) -> Option<Vec<u8>> {
        let [types, strings] =
            [self.types.len(), self.strings.len()].map(|len| u32::try_from(len).ok());
        let (types, strings) = (types?, strings?);
        let mut btf = [&MAGIC[..], &[0]].concat();
        for word in [HEADER as u32, 0, types, types, strings] {
            btf.extend_from_slice(&word.to_le_bytes());
        }
        Some([btf, self.types, self.strings].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Kind, Layouts};

    fn btf() -> Vec<u8> {
        let skeleton =
            crate::Skeleton::parse(include_str!("../../../tests/bpf/kinds.json"), "kinds").unwrap();
        let object = skeleton.object.clone().unwrap();
        let checked = skeleton.check().unwrap();
        let section =
            checked.layouts.elf.sections.iter().find(|section| section.name == ".BTF").unwrap();
        let at = usize::try_from(section.offset.unwrap()).unwrap();
        object[at..at + usize::try_from(section.size).unwrap()].to_vec()
    }

    /// Every name, offset and size of the requested types is unchanged, except for pointees.
    #[test]
    fn requested_types_are_unchanged() {
        let whole = btf();
        let cut = minimal(&whole, &HashSet::from(["kinds"])).unwrap();
        assert!(cut.len() < whole.len());
        assert!(
            is_whole(&cut) && is_whole(&whole) && (0..cut.len()).all(|end| !is_whole(&cut[..end]))
        );
        let [whole, cut] = [whole, cut].map(|bytes| Layouts::from_btf(&bytes).unwrap());
        let of = |layouts: &Layouts| {
            let is_it = |kind: &Kind| matches!(kind, Kind::Struct { .. });
            let id =
                layouts.btf.iter().find(|(_, ty)| ty.name == "kinds" && is_it(&ty.kind)).unwrap().0;
            let fields = layouts.fields(id);
            let texts = fields.iter().map(|field| {
                let ty = field.ty.map(|ty| layouts.c_name(ty)).unwrap_or_default();
                (
                    field.name.to_owned(),
                    field.bit_offset,
                    field.bits,
                    field.size,
                    if ty.contains('*') { String::new() } else { ty },
                )
            });
            (layouts.layout(id).size, texts.collect::<Vec<_>>())
        };
        assert_eq!(of(&whole), of(&cut));
        assert!(cut.btf.iter().all(|(_, ty)| ty.name != "rb"), "maps are left out");
    }

    /// Returns BTF of structs whose names are in one string.
    fn named(names: &[u32], strings: &[u8]) -> Vec<u8> {
        let types: Vec<u32> = names.iter().flat_map(|name| [*name, 4 << 24, 0]).collect();
        let sizes = [24, 0, 4 * types.len(), 4 * types.len(), strings.len()];
        let words = sizes.iter().map(|size| *size as u32).chain(types);
        let words = words.flat_map(u32::to_le_bytes);
        MAGIC.into_iter().chain([0]).chain(words).chain(strings.iter().copied()).collect()
    }

    #[test]
    fn endless_names_are_rejected_at_once() {
        let strings = [&b"\0kinds\0"[..], &[b'x'; 1 << 22], b"\0"].concat();
        let start = std::time::Instant::now();
        let names = HashSet::from(["kinds"]);
        assert_eq!(cut(&named(&[7; 1 << 16], &strings), &names), None);
        assert!(cut(&named(&[1; 1 << 16], &strings), &names).is_some());
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
    }

    #[test]
    fn unknown_names_and_damaged_bytes_are_rejected() {
        let whole = btf();
        assert_eq!(minimal(&whole, &HashSet::from(["kinds", "none"])), None);
        for end in (0..whole.len()).step_by(7) {
            assert_eq!(minimal(&whole[..end], &HashSet::from(["kinds"])), None, "{end}");
        }
        for at in (0..whole.len()).step_by(3) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            _ = minimal(&damaged, &HashSet::from(["kinds"]));
        }
    }
}
