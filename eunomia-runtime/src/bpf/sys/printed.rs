//! Limits for what libbpf prints of BTF.
//!
//! libbpf (1.7) orders and prints types by recursion, and prints what has no name wherever it
//! occurs. Damaged BTF could make it run out of stack, or print for years.

use crate::bpf::open::btf_file::{
    ARRAY, CONST, ENUM, ENUM64, FUNC_PROTO, Follow, MAX_DEPTH, PTR, RECORD, RESTRICT, STRUCT,
    TYPE_TAG, TYPEDEF, Types, UNION, VOLATILE, kind, word,
};

/// The maximum number of bytes that are printed, and of steps on the way. Kernels have below 30
/// million of them.
const MOST: u64 = 1 << 29;
/// The longest name that the kernel accepts.
pub(super) const MAX_NAME: usize = 511;

/// Returns `None` if the types nest too deep, or are too large, for libbpf to print them.
pub(super) fn check(types: &Types<'_>) -> Option<()> {
    let count = types.starts.len();
    let mut cost = Cost {
        types,
        depths: [vec![None; count], vec![None; count]],
        printed: vec![None; count],
        nested: vec![None; count],
    };
    let mut sum = 0_u64;
    for id in 1..u32::try_from(count).ok()? {
        cost.depth(id, false, MAX_DEPTH)?;
        sum = sum.saturating_add(cost.definition(id)?);
        if sum > MOST {
            return None;
        }
    }
    Some(())
}

/// A type record.
struct Record {
    /// The place of the record.
    at: usize,
    name: u32,
    kind: u32,
    /// Whether members have the width of bit fields in their offsets.
    wide: bool,
    many: usize,
    /// The size, or the type that this one refers to.
    of: u32,
}

struct Cost<'a> {
    types: &'a Types<'a>,
    /// The depths of types, and of types behind a pointer.
    depths: [Vec<Option<u8>>; 2],
    printed: Vec<Option<u64>>,
    nested: Vec<Option<(u8, u64)>>,
}

impl Cost<'_> {
    fn record(&self, id: u32) -> Option<Record> {
        let at = *self.types.starts.get(usize::try_from(id).ok()?)?;
        let info = word(self.types.bytes, at + 4)?;
        let (kind, many) = kind(info);
        let (name, of) = (word(self.types.bytes, at)?, word(self.types.bytes, at + 8)?);
        Some(Record { at, name, kind, wide: info >> 31 == 1, many, of })
    }

    /// Returns the type of a member or parameter.
    fn part(&self, record: &Record, part: usize) -> Option<u32> {
        let step = if record.kind == FUNC_PROTO { 8 } else { 12 };
        word(self.types.bytes, record.at + RECORD + part * step + 4)
    }

    /// Returns the bytes of a name; `None` if it is longer than any of a kernel.
    fn name(&self, at: u32) -> Option<u64> {
        let rest = self.types.strings.get(usize::try_from(at).ok()?..)?;
        let len = rest.iter().take(MAX_NAME + 1).take_while(|byte| **byte != 0).count();
        (len <= MAX_NAME).then_some(len as u64)
    }

    /// Returns how deep libbpf nests its calls to order a type. It does not look into structs that
    /// have a name and are behind a pointer.
    fn depth(&mut self, id: u32, behind: bool, left: u8) -> Option<u8> {
        if id == 0 {
            return Some(0);
        }
        let index = usize::try_from(id).ok()?;
        if let Some(depth) = self.depths.get(usize::from(behind))?.get(index).copied()? {
            return (depth <= left).then_some(depth);
        }
        let left = left.checked_sub(1)?;
        let record = self.record(id)?;
        let deepest = match record.kind {
            PTR => self.depth(record.of, true, left)?,
            ARRAY => self.depth(word(self.types.bytes, record.at + RECORD)?, false, left)?,
            STRUCT | UNION if behind && record.name != 0 => 0,
            STRUCT | UNION => self.deepest(&record, false, left)?,
            FUNC_PROTO => {
                self.depth(record.of, behind, left)?.max(self.deepest(&record, behind, left)?)
            }
            TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => {
                self.depth(record.of, behind, left)?
            }
            _ => 0,
        };
        *self.depths.get_mut(usize::from(behind))?.get_mut(index)? = Some(deepest + 1);
        Some(deepest + 1)
    }

    fn deepest(&mut self, record: &Record, behind: bool, left: u8) -> Option<u8> {
        let mut deepest = 0;
        for part in 0..record.many {
            deepest = deepest.max(self.depth(self.part(record, part)?, behind, left)?);
        }
        Some(deepest)
    }

    /// Returns what the definition of a type costs. It recurs no deeper than [`Self::depth`].
    fn definition(&mut self, id: u32) -> Option<u64> {
        let record = self.record(id)?;
        match record.kind {
            STRUCT | UNION => self.members(id, &record),
            TYPEDEF => self.reference(record.of),
            ENUM | ENUM64 => self.constants(&record),
            FUNC_PROTO => self.reference(id),
            _ => Some(1),
        }
    }

    /// Returns what a type costs where it is referred to: a definition if it has no name.
    fn reference(&mut self, id: u32) -> Option<u64> {
        let index = usize::try_from(id).ok()?;
        if id == 0 {
            return Some(1);
        }
        if let Some(cost) = self.printed.get(index).copied()? {
            return Some(cost);
        }
        let record = self.record(id)?;
        let name = self.name(record.name)?;
        let cost = match record.kind {
            PTR | VOLATILE | CONST | RESTRICT | TYPE_TAG => self.reference(record.of)?,
            ARRAY => self.reference(word(self.types.bytes, record.at + RECORD)?)?,
            STRUCT | UNION if record.name == 0 => self.members(id, &record)?,
            ENUM | ENUM64 if record.name == 0 => self.constants(&record)?,
            FUNC_PROTO => {
                let mut sum = self.reference(record.of)?;
                for part in 0..record.many {
                    let name = self.name(word(self.types.bytes, record.at + RECORD + part * 8)?)?;
                    let cost = self.reference(self.part(&record, part)?)?;
                    sum = sum.saturating_add(name).saturating_add(cost);
                }
                sum
            }
            _ => 0,
        };
        let cost = cost.saturating_add(name + 10);
        *self.printed.get_mut(index)? = Some(cost);
        Some(cost)
    }

    /// Returns what the members of a struct cost: their types, a line for each gap of 8 bytes, and
    /// the search for the alignment of each.
    fn members(&mut self, id: u32, record: &Record) -> Option<u64> {
        let (_, nested) = self.types.weigh(id, Follow::Values, MAX_DEPTH, &mut self.nested)?;
        let mut sum = nested.saturating_add(u64::from(record.of) / 8);
        let mut end = 0_u64;
        for part in 0..record.many {
            let at = record.at + RECORD + part * 12;
            let bits = u64::from(word(self.types.bytes, at + 8)?);
            let bits = if record.wide { bits & 0xff_ffff } else { bits };
            let gap = bits.saturating_sub(end) / 64;
            end = bits;
            let name = self.name(word(self.types.bytes, at)?)?;
            let cost = self.reference(self.part(record, part)?)?;
            sum = sum.saturating_add(name + 10).saturating_add(gap).saturating_add(cost);
        }
        Some(sum)
    }

    fn constants(&self, record: &Record) -> Option<u64> {
        let step = if record.kind == ENUM { 8 } else { 12 };
        let names = (0..record.many)
            .map(|part| self.name(word(self.types.bytes, record.at + RECORD + part * step)?));
        names.sum::<Option<u64>>().map(|names| names + 20 * record.many as u64)
    }
}
