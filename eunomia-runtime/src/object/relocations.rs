//! CO-RE relocations from the section `.BTF.ext`: the places of an object that depend on the
//! kernel's types.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use super::btf::TypeId;

/// An instruction that libbpf patches according to the kernel's types, `struct bpf_core_relo` of
/// `uapi/linux/bpf.h`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// The index of the section.
    pub section: usize,
    /// The index of the relocation in the section, which libbpf's messages show as well.
    pub index: usize,
    /// The offset of the instruction in the section, in bytes.
    pub offset: u32,
    /// The kind of the relocation.
    pub kind: RelocationKind,
    /// The local type of the object that it refers to.
    pub ty: TypeId,
    /// The access path from that type, by local indices: an element, a member of it, and so on. For
    /// an enum, the index of the constant.
    pub access: Vec<u32>,
}

/// The kind of a relocation, `enum bpf_core_relo_kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the kernel's own names")]
pub enum RelocationKind {
    FieldByteOffset,
    FieldByteSize,
    FieldExists,
    FieldSigned,
    FieldLshiftU64,
    FieldRshiftU64,
    TypeIdLocal,
    TypeIdTarget,
    TypeExists,
    TypeSize,
    EnumvalExists,
    EnumvalValue,
    TypeMatches,
}

impl RelocationKind {
    const ALL: [Self; 13] = [
        Self::FieldByteOffset,
        Self::FieldByteSize,
        Self::FieldExists,
        Self::FieldSigned,
        Self::FieldLshiftU64,
        Self::FieldRshiftU64,
        Self::TypeIdLocal,
        Self::TypeIdTarget,
        Self::TypeExists,
        Self::TypeSize,
        Self::EnumvalExists,
        Self::EnumvalValue,
        Self::TypeMatches,
    ];

    /// Reports whether the relocation only tests for existence or a match, so that "no" is a valid
    /// answer.
    pub fn is_existence_check(self) -> bool {
        matches!(
            self,
            Self::FieldExists | Self::TypeExists | Self::EnumvalExists | Self::TypeMatches
        )
    }
}

/// The longest name of a section.
pub(super) const MAX_NAME: usize = 8192;

/// `BPF_CORE_SPEC_MAX_LEN` of libbpf.
const MAX_ACCESS: usize = 64;

/// The most bytes of an index in an access path, with the colon after it.
const LONGEST_INDEX: usize = 11;

/// Returns the little-endian word at byte `at`.
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

/// Returns the same word as a `usize`.
pub(crate) fn size(bytes: &[u8], at: usize) -> Option<usize> {
    word(bytes, at).and_then(|word| usize::try_from(word).ok())
}

/// Returns the range of a part of the section. The header stores its offset and length, in this
/// order, at byte `at`.
pub(super) fn part(bytes: &[u8], header: usize, at: usize) -> Option<Range<usize>> {
    let start = header.checked_add(size(bytes, at)?)?;
    let end = start.checked_add(size(bytes, at.checked_add(4)?)?)?;
    (end <= bytes.len()).then_some(start..end)
}

/// Returns the strings of a `.BTF` section, each followed by a NUL.
pub(crate) fn strings(btf: &[u8]) -> Option<&[u8]> {
    btf.get(part(btf, size(btf, 4)?, 16)?)
}

/// Returns the string at an offset without its NUL, if it has at most `max` bytes.
pub(super) fn string(strings: &[u8], at: u32, max: usize) -> Option<&[u8]> {
    let rest = strings.get(usize::try_from(at).ok()?..)?;
    let rest = rest.get(..rest.len().min(max.checked_add(1)?))?;
    rest.get(..rest.iter().position(|byte| *byte == 0)?)
}

/// Reads the section, using the strings of `.BTF`. Returns `None` if it is broken. The layout is
/// that of `struct btf_ext_header`, `struct btf_ext_info_sec` and `struct bpf_core_relo`.
pub(crate) fn read(
    ext: &[u8],
    strings: &[u8],
    sections: &HashMap<&[u8], usize>,
    types: usize,
) -> Option<Vec<Relocation>> {
    const HEADER: usize = 32;
    const RECORD: usize = 16;
    if ext.get(..3)? != [0x9f, 0xeb, 1] {
        return None;
    }
    let header = size(ext, 4)?;
    // Older compilers wrote no relocations.
    if header < HEADER {
        return Some(Vec::new());
    }
    let part = ext.get(part(ext, header, 24)?)?;
    if part.is_empty() {
        return Some(Vec::new());
    }
    let record = size(part, 0)?;
    if record < RECORD || record % 4 != 0 {
        return None;
    }
    let mut relocations = Vec::new();
    let mut rest = part.get(4..)?;
    while !rest.is_empty() {
        let section = *sections.get(string(strings, word(rest, 0)?, MAX_NAME)?)?;
        let count = size(rest, 4)?;
        let end = count.checked_mul(record)?.checked_add(8)?;
        for (index, record) in rest.get(8..end)?.chunks_exact(record).enumerate() {
            let kind = *RelocationKind::ALL.get(size(record, 12)?)?;
            let ty = TypeId(word(record, 4)?);
            if size(record, 4)? >= types {
                return None;
            }
            let access = access(string(strings, word(record, 8)?, MAX_ACCESS * LONGEST_INDEX)?)?;
            relocations.push(Relocation {
                section,
                index,
                offset: word(record, 0)?,
                kind,
                ty,
                access,
            });
        }
        rest = rest.get(end..)?;
    }
    Some(relocations)
}

/// Returns the type that each relocation of the section refers to, and the number of its kind, as
/// far as they can be read: libbpf accepts some sections that [`read`] does not.
pub(crate) fn types(ext: &[u8]) -> Vec<(u32, u32)> {
    lists(ext, 24)
        .flat_map(|list| list.records(16))
        .filter_map(|record| Some((word(record, 4)?, word(record, 12)?)))
        .collect()
}

/// Reports whether a relocation of the section has an access path that [`read`] refuses.
pub(crate) fn has_wrong_path(ext: &[u8], strings: &[u8]) -> bool {
    let paths: BTreeSet<u32> = lists(ext, 24)
        .flat_map(|list| list.records(16))
        .filter_map(|record| word(record, 8))
        .collect();
    // libbpf refuses a path that is empty or not there.
    let is_there = |at: u32| {
        let first = usize::try_from(at).ok().and_then(|at| strings.get(at));
        first.is_some_and(|first| *first != 0)
    };
    paths
        .into_iter()
        .filter(|at| is_there(*at))
        .any(|at| string(strings, at, MAX_ACCESS * LONGEST_INDEX).and_then(access).is_none())
}

/// A list of records of the section `.BTF.ext`, `struct btf_ext_info_sec`.
pub(super) struct List<'a> {
    /// The offset of the name of the section that the records are about.
    pub(super) name: u32,
    /// The number of records, as the list says.
    count: usize,
    /// The size of a record.
    record: usize,
    /// All that follows the head of the list.
    rest: &'a [u8],
}

impl<'a> List<'a> {
    /// Returns the records that are there, or none if they are smaller than `least`.
    pub(super) fn records(&self, least: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let count = if self.record < least { 0 } else { self.count };
        self.rest.chunks_exact(self.record.max(1)).take(count)
    }
}

/// Returns the lists of a part of the section, whose place is at byte `at` of the header, as far as
/// they can be read.
pub(super) fn lists(ext: &[u8], at: usize) -> impl Iterator<Item = List<'_>> {
    let part = size(ext, 4).and_then(|header| ext.get(part(ext, header, at)?)).unwrap_or_default();
    let record = size(part, 0).unwrap_or_default();
    let mut rest = part.get(4..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (name, count) = (word(rest, 0)?, size(rest, 4)?);
        let list = List { name, count, record, rest: rest.get(8..).unwrap_or_default() };
        rest = list.rest.get(count.saturating_mul(record)..).unwrap_or_default();
        Some(list)
    })
}

/// What the section `.BTF.ext` has of a kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The functions and lines that it describes.
    pub(crate) records: u64,
    /// The lists of records, each of which names a section.
    pub(crate) lists: u64,
}

/// Counts the records of functions and lines, and the lists of these and of relocations, as far as
/// they can be read.
pub(crate) fn counts(ext: &[u8]) -> Counts {
    let mut counts = Counts::default();
    for at in [8, 16, 24] {
        for list in lists(ext, at) {
            let records = if at < 24 { list.count as u64 } else { 0 };
            counts.lists += 1;
            counts.records = counts.records.saturating_add(records);
        }
    }
    counts
}

/// Parses an access path such as `0:1:2`. Its indices are `int`s, for which libbpf does not check
/// that they are positive.
fn access(text: &[u8]) -> Option<Vec<u32>> {
    let numbers: Vec<u32> = std::str::from_utf8(text)
        .ok()?
        .split(':')
        .map(|number| number.parse::<i32>().ok()?.try_into().ok())
        .collect::<Option<_>>()?;
    (numbers.len() <= MAX_ACCESS).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRINGS: &[u8] = b"\0kprobe/x\x000:1\x000:1:70000:2\0tail";

    fn sections() -> HashMap<&'static [u8], usize> {
        HashMap::from([(&b"kprobe/x"[..], 3)])
    }

    /// Returns a section with two relocations.
    fn section() -> Vec<u8> {
        let mut words = vec![0x0001_eb9f_u32, 32, 0, 0, 0, 0, 0, 4 + 8 + 32];
        words.extend([16, 1, 2]);
        words.extend([8, 5, 10, 0]);
        words.extend([24, 6, 14, 2]);
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    #[test]
    fn read_decodes_relocations() {
        let relocations = read(&section(), STRINGS, &sections(), 7).unwrap();
        let first = Relocation {
            section: 3,
            index: 0,
            offset: 8,
            kind: RelocationKind::FieldByteOffset,
            ty: TypeId(5),
            access: vec![0, 1],
        };
        let second = Relocation {
            index: 1,
            offset: 24,
            kind: RelocationKind::FieldExists,
            ty: TypeId(6),
            access: vec![0, 1, 70000, 2],
            ..first.clone()
        };
        assert_eq!(relocations, [first, second]);
    }

    #[test]
    fn truncated_sections_are_rejected() {
        let section = section();
        for end in 0..section.len() {
            assert_eq!(read(&section[..end], STRINGS, &sections(), 7), None, "{end}");
        }
        for end in 0..STRINGS.len() {
            let read = read(&section, &STRINGS[..end], &sections(), 7);
            assert_eq!(read.is_some(), end >= STRINGS.len() - 4, "{end}");
        }
        assert_eq!(read(&section, STRINGS, &sections(), 6), None, "an unknown type");
        assert_eq!(read(&section, STRINGS, &HashMap::new(), 7), None, "an unknown section");
    }

    #[test]
    fn damaged_sections_do_not_panic() {
        let original = section();
        for at in 0..original.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut section = original.clone();
                section[at] = value;
                _ = read(&section, STRINGS, &sections(), 7);
            }
        }
    }

    #[test]
    fn headers_without_relocations_are_accepted() {
        let short: Vec<u8> =
            [0x0001_eb9f_u32, 24, 0, 0, 0, 0].into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(
            read(&short, STRINGS, &sections(), 7),
            Some(Vec::new()),
            "an older header without relocations"
        );
        let none: Vec<u8> = [0x0001_eb9f_u32, 32, 0, 0, 0, 0, 0, 0]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        assert_eq!(read(&none, STRINGS, &sections(), 7), Some(Vec::new()));
    }

    #[test]
    fn counts_are_those_of_lists_and_records() {
        let lists = [8, 1, 2, 0, 0, 0, 0, 2, 1, 0, 0];
        let lines = [16, 1, 1, 0, 0, 0, 0];
        let mut words = vec![0x0001_eb9f_u32, 32, 0, 44, 44, 28, 72, 28];
        words.extend(lists.into_iter().chain(lines).chain(lines));
        let ext: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(counts(&ext), Counts { records: 4, lists: 4 });
        for end in 0..ext.len() {
            let counts = counts(&ext[..end]);
            assert!(counts.records <= 4 && counts.lists <= 4, "{end}: {counts:?}");
        }
    }

    #[test]
    fn access_paths_are_parsed() {
        assert_eq!(access(b"0"), Some(vec![0]));
        for text in [&b""[..], b":", b"0:", b"-1", b"4294967296", b"\xff"] {
            assert_eq!(access(text), None);
        }
        assert_eq!(
            access("0:".repeat(MAX_ACCESS).trim_end_matches(':').as_bytes())
                .map(|access| access.len()),
            Some(MAX_ACCESS)
        );
        assert_eq!(access("0:".repeat(MAX_ACCESS + 1).trim_end_matches(':').as_bytes()), None);
    }

    #[test]
    fn kinds_match_their_numbers() {
        for (number, kind) in RelocationKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }
}
