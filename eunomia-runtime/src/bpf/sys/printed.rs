//! Limits for what libbpf prints of BTF.
//!
//! libbpf (1.7) orders and prints types by recursion, prints what has no name wherever it occurs,
//! and divides by the alignments of members. Damaged BTF could make it run out of stack, print for
//! years, or divide by zero.

use crate::bpf::open::btf_file::{
    ARRAY, CONST, ENUM, ENUM64, FLOAT, FUNC_PROTO, Follow, INT, MAX_DEPTH, PTR, RECORD, RESTRICT,
    STRUCT, TYPE_TAG, TYPEDEF, Types, UNION, VOLATILE, kind, word,
};

/// The maximum number of bytes that are printed, and of steps on the way. Kernels have about
/// twenty million of them.
const MOST: u64 = 1 << 27;
/// The bytes of a line for a gap of 8 bytes.
const GAP: u64 = 12;
/// The longest name that the kernel accepts.
pub(super) const MAX_NAME: usize = 511;

/// Returns `None` if the types nest too deep or are too large for libbpf to print them, or if a
/// member has no alignment.
pub(super) fn check(types: &Types<'_>) -> Option<()> {
    (cost(types)? <= MOST).then_some(())
}

/// Returns the number of bytes and steps that printing all types takes.
fn cost(types: &Types<'_>) -> Option<u64> {
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
    }
    Some(sum)
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

    /// Reports whether a type has an alignment; structs have one if their members do. Types do not
    /// nest without end, as [`Self::depth`] has found.
    fn is_aligned(&self, mut id: u32) -> Option<bool> {
        loop {
            let record = self.record(id).filter(|_| id != 0)?;
            match record.kind {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => id = record.of,
                ARRAY => id = word(self.types.bytes, record.at + RECORD)?,
                INT | FLOAT | ENUM | ENUM64 => return Some(record.of > 0),
                kind => return Some(matches!(kind, PTR | STRUCT | UNION)),
            }
        }
    }

    /// Returns what the members of a struct cost: their types, a line for each gap of 8 bytes, and
    /// the search for the alignment of each.
    fn members(&mut self, id: u32, record: &Record) -> Option<u64> {
        let (_, nested) = self.types.weigh(id, Follow::Values, MAX_DEPTH, &mut self.nested)?;
        let mut sum = nested.saturating_add(u64::from(record.of) / 8 * GAP);
        let mut end = 0_u64;
        for part in 0..record.many {
            let at = record.at + RECORD + part * 12;
            let bits = u64::from(word(self.types.bytes, at + 8)?);
            let bits = if record.wide { bits & 0xff_ffff } else { bits };
            let gap = bits.saturating_sub(end) / 64 * GAP;
            end = bits;
            let name = self.name(word(self.types.bytes, at)?)?;
            let ty = self.part(record, part)?;
            self.is_aligned(ty)?.then_some(())?;
            let cost = self.reference(ty)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    const INT: [u32; 4] = [1, 1 << 24, 4, 32];

    fn is_printed(types: &[u32]) -> bool {
        let size = size_of_val(types) as u32;
        let header = [0x0001_eb9f, 24, 0, size, size, 3];
        let words = header.iter().chain(types).flat_map(|word: &u32| word.to_ne_bytes());
        let bytes: Vec<u8> = words.chain(*b"\0a\0").collect();
        check(&Types::read(&bytes).unwrap()).is_some()
    }

    fn pointer(to: u32) -> [u32; 3] {
        [0, 2 << 24, to]
    }

    /// A struct of 16 bytes with two members of a type.
    fn twice(name: u32, of: u32) -> [u32; 9] {
        [name, 4 << 24 | 2, 16, 1, of, 0, 1, of, 64]
    }

    #[test]
    fn types_that_are_printed_again_and_again_are_refused() {
        // Each struct has two pointers to the next one. Without names, the text doubles each time.
        let chain = |name: u32| -> Vec<u32> {
            (0..30)
                .flat_map(|at| [&twice(name, 2 * at + 2)[..], &pointer(2 * at + 3)].concat())
                .collect()
        };
        for (name, is_good) in [(1, true), (0, false)] {
            let types = [&chain(name)[..], &twice(name, 62), &INT].concat();
            assert_eq!(is_printed(&types), is_good, "{name}");
        }
        let function = |of: u32| [0, 13 << 24 | 2, of, 1, of, 1, of];
        let functions: Vec<u32> = (0..25)
            .flat_map(|at| [&function(2 * at + 2)[..], &pointer(2 * at + 3)].concat())
            .collect();
        assert!(!is_printed(&[&functions[..], &INT].concat()));
    }

    #[test]
    fn types_that_nest_too_deep_are_refused() {
        // Each struct has a pointer to the next one, which has no name either.
        let deep = |count: u32| -> Vec<u32> {
            let level =
                |at| [&[0, 4 << 24 | 1, 8, 1, 2 * at + 2, 0][..], &pointer(2 * at + 3)].concat();
            (0..count).flat_map(level).chain(INT).collect()
        };
        assert!(is_printed(&deep(20)) && !is_printed(&deep(40)));
        // A list without end, with and without the name that ends the search.
        assert!(is_printed(&[&twice(1, 2)[..], &pointer(1)].concat()));
        assert!(!is_printed(&[&twice(0, 2)[..], &pointer(1)].concat()));
    }

    #[test]
    fn members_without_alignment_are_refused() {
        let one = |of: u32| [1, 4 << 24 | 1, 4, 1, of, 0];
        for (types, is_good) in [
            ([&one(2)[..], &INT].concat(), true),
            ([&one(2)[..], &[1, 1 << 24, 0, 32]].concat(), false),
            ([&one(2)[..], &[1, 6 << 24, 0]].concat(), false),
            // `void`, a type that is only declared, a function, and an array of such.
            (one(0).to_vec(), false),
            ([&one(2)[..], &[1, 7 << 24, 0]].concat(), false),
            ([&one(2)[..], &[0, 13 << 24, 0]].concat(), false),
            ([&one(2)[..], &[0, 3 << 24, 0, 3, 3, 1], &[1, 7 << 24, 0]].concat(), false),
            ([&one(2)[..], &[0, 3 << 24, 0, 3, 3, 1], &INT].concat(), true),
        ] {
            assert_eq!(is_printed(&types), is_good, "{types:?}");
        }
    }

    #[test]
    fn gaps_and_names_are_bounded() {
        let empty = |size: u32| [1, 4 << 24, size];
        assert!(is_printed(&empty(1 << 20)) && !is_printed(&empty(u32::MAX)));
        let far = |at: u32| [1, 4 << 24 | 2, 8, 1, 3, at, 1, 3, 0];
        let many: Vec<u32> = (0..60).flat_map(|_| far(u32::MAX)).collect();
        assert!(!is_printed(&[&many[..], &INT].concat()));
        assert!(is_printed(&[&far(64)[..], &INT, &INT].concat()));
    }

    #[test]
    fn most_is_far_above_the_running_kernel() {
        let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else { return };
        let types = Types::read(&bytes).unwrap();
        let cost = cost(&types).unwrap();
        assert!(cost < MOST / 4, "{cost}");
    }
}
