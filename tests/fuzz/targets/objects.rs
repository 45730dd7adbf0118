//! Objects that are changed field by field, checked, and given to libbpf.
//!
//! Changes of single bytes seldom pass the checks. So an input is a fixture and a list of changes
//! to what libbpf reads: headers, symbols, relocations, types, lines and instructions.

use std::sync::LazyLock;

use eunomia_build::Skeleton;
use eunomia_runtime::{Error, checked::Checked};
use eunomia_tests::fixture;

const NAMES: [&str; 18] = [
    "arena", "args", "choices", "doctor", "faults", "given", "hooks", "kinds", "maps", "names",
    "newer", "pinned", "poisoned", "programs", "refused", "settings", "streams", "tables",
];

static OBJECTS: LazyLock<[Vec<u8>; NAMES.len()]> = LazyLock::new(|| {
    NAMES.map(|name| {
        let skeleton = Skeleton::parse(&fixture(name), name).expect("fixtures are good");
        skeleton.object.expect("fixtures have one")
    })
});

/// The most changes of an object, and the size at which it grows no more.
const MOST: usize = 48;
const LARGEST: usize = 1 << 20;

/// Names of sections that libbpf knows, which take the place of others.
const SECTIONS: [&str; 30] = [
    ".text",
    ".maps",
    "maps",
    ".data",
    ".data.x",
    ".rodata",
    ".rodata.x",
    ".bss",
    ".bss.x",
    ".kconfig",
    ".ksyms",
    ".addr_space.1",
    ".jumptables",
    ".struct_ops",
    ".struct_ops.link",
    "?.struct_ops",
    "?.struct_ops.link",
    ".rel.struct_ops",
    ".rel.maps",
    ".rel.text",
    ".BTF",
    ".BTF.ext",
    ".symtab",
    "license",
    "version",
    "struct_ops/x",
    "freplace/x",
    "?raw_tp",
    "usdt/x:y:z",
    "syscall",
];

/// Reports whether the checks accept the object, so that libbpf has seen it.
pub(super) fn libbpf(input: &[u8]) -> bool {
    let object = Changes(input).changed();
    let checked = Skeleton::from_object("x", object, "x.bpf.o").and_then(Skeleton::check);
    checked.is_ok_and(open)
}

fn open(checked: Checked) -> bool {
    match checked.open(None) {
        Ok(mut open) => {
            let checked = open.checked().clone();
            for section in checked.sections.iter().take(8) {
                for variable in section.variables.iter().take(8) {
                    _ = open.get(&variable.name);
                }
            }
            true
        }
        Err(Error::Input(_)) => false,
        // Libbpf refuses it, which is safe.
        Err(error) => !error.to_string().is_empty(),
    }
}

/// Returns the fixtures with a few changes.
pub(super) fn changes() -> Vec<Vec<u8>> {
    let fixtures = (0..NAMES.len()).map(|fixture| vec![fixture as u8]);
    let kinds = (0..NAMES.len() * 16).map(|seed| {
        let (fixture, kind) = (seed / 16, seed % 16);
        let bytes = (0..40).map(|at| (seed * 31 + at * 7) as u8);
        [fixture as u8, kind as u8].into_iter().chain(bytes).collect()
    });
    fixtures.chain(kinds).collect()
}

/// The rest of an input, from which numbers are taken. They are 0 after its end.
struct Changes<'a>(&'a [u8]);

impl Changes<'_> {
    fn byte(&mut self) -> usize {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        (*first).into()
    }

    fn number(&mut self) -> usize {
        self.byte() | self.byte() << 8
    }

    /// Returns a number for a field of some bytes, often one that is near the field's or at an edge.
    fn value(&mut self, old: u64, other: u64) -> u64 {
        match self.byte() % 12 {
            0 => old.wrapping_add(self.byte() as u64).wrapping_sub(128),
            1 => other,
            2 => u64::MAX.wrapping_sub(self.byte() as u64),
            3 => 0xffff_ffff_u64.wrapping_sub(self.byte() as u64),
            4 => (i32::MAX as u64).wrapping_sub(self.byte() as u64).wrapping_add(2),
            5 => 1 << (self.byte() % 64),
            6 => old ^ 1 << (self.byte() % 64),
            7 => other.wrapping_add(self.byte() as u64).wrapping_sub(128),
            8 => old.wrapping_mul(self.byte() as u64),
            9 => (self.number() | self.number() << 16) as u64,
            10 => old | (self.byte() as u64) << 24,
            _ => self.byte() as u64,
        }
    }

    fn changed(&mut self) -> Vec<u8> {
        let mut object = Object(OBJECTS[self.byte() % NAMES.len()].clone());
        for _ in 0..MOST {
            if self.0.is_empty() {
                break;
            }
            self.change(&mut object);
        }
        object.0
    }

    fn change(&mut self, object: &mut Object) {
        match self.byte() % 16 {
            0 => {
                let at = self.number() | self.byte() << 16;
                if let Some(byte) =
                    at.checked_rem(object.0.len()).and_then(|at| object.0.get_mut(at))
                {
                    *byte ^= self.byte() as u8;
                }
            }
            // Fields of the ELF header.
            1 => {
                const FIELDS: [(usize, usize); 9] = [
                    (16, 2),
                    (18, 2),
                    (40, 8),
                    (48, 4),
                    (52, 2),
                    (58, 2),
                    (60, 2),
                    (62, 2),
                    (4, 1),
                ];
                let (at, size) = FIELDS[self.byte() % FIELDS.len()];
                self.set(object, at, size, 0);
            }
            // Fields of a section header.
            2 | 3 => {
                const FIELDS: [(usize, usize); 10] = [
                    (0, 4),
                    (4, 4),
                    (8, 8),
                    (16, 8),
                    (24, 8),
                    (32, 8),
                    (40, 4),
                    (44, 4),
                    (48, 8),
                    (56, 8),
                ];
                let [one, other] = [self.byte(), self.byte()].map(|index| object.header(index));
                let (at, size) = FIELDS[self.byte() % FIELDS.len()];
                let other = object.get(other + at, size);
                self.set(object, one + at, size, other);
            }
            4 => {
                let (section, name) = (self.byte(), SECTIONS[self.byte() % SECTIONS.len()]);
                object.rename(section, name);
            }
            // Fields of symbols and of relocations.
            5 | 6 => {
                const FIELDS: [(usize, usize); 6] =
                    [(0, 4), (4, 1), (5, 1), (6, 2), (8, 8), (16, 8)];
                let field = FIELDS[self.byte() % FIELDS.len()];
                self.set_in(object, 2, 24, field);
            }
            7 => {
                const FIELDS: [(usize, usize); 3] = [(0, 8), (8, 4), (12, 4)];
                let field = FIELDS[self.byte() % FIELDS.len()];
                self.set_in(object, 9, 16, field);
            }
            8..=10 => self.set_in_named(object, ".BTF", 4),
            11 | 12 => self.set_in_named(object, ".BTF.ext", 4),
            // Instructions.
            13 => {
                let code: Vec<usize> = object.sections(|header| object.get(header + 8, 8) & 4 != 0);
                if let Some(at) = code.get(self.byte() % code.len().max(1)) {
                    let place = object.place(*at);
                    const FIELDS: [(usize, usize); 4] = [(0, 1), (1, 1), (2, 2), (4, 4)];
                    let (field, size) = FIELDS[self.byte() % FIELDS.len()];
                    let slots = place.len() / 8;
                    let slot = self.number().checked_rem(slots).unwrap_or(0);
                    self.set(object, place.start + slot * 8 + field, size, 0);
                }
            }
            // Another record in a table: a copy of one that is there.
            14 => {
                let (section, from, len) = (self.byte(), self.number(), 4 * (1 + self.byte() % 16));
                object.append(section, from * 4, len);
            }
            // The bytes of a section move to the end of the file, or are cut off.
            _ => {
                let header = object.header(self.byte());
                let size = object.get(header + 32, 8);
                let shorter = size.saturating_sub(self.byte() as u64);
                object.put(header + 32, 8, shorter);
            }
        }
    }

    /// Sets a field to a number that its old one and another suggest.
    fn set(&mut self, object: &mut Object, at: usize, size: usize, other: u64) {
        let value = self.value(object.get(at, size), other);
        object.put(at, size, value);
    }

    /// Sets a field of a record in a section of a type.
    fn set_in(&mut self, object: &mut Object, kind: u64, record: usize, field: (usize, usize)) {
        let tables = object.sections(|header| object.get(header + 4, 4) == kind);
        let Some(header) = tables.get(self.byte() % tables.len().max(1)) else { return };
        let place = object.place(*header);
        let records = place.len() / record;
        let [one, other] =
            [self.number(), self.number()].map(|index| index.checked_rem(records).unwrap_or(0));
        let (at, size) = field;
        let other = object.get(place.start + other * record + at, size);
        self.set(object, place.start + one * record + at, size, other);
    }

    /// Sets a word of a section with a name.
    fn set_in_named(&mut self, object: &mut Object, name: &str, size: usize) {
        let named = object.sections(|header| object.name(header) == name.as_bytes());
        let Some(header) = named.get(self.byte() % named.len().max(1)) else { return };
        let place = object.place(*header);
        let words = place.len() / size;
        // The header of the section, or any word.
        let one = match self.byte() % 8 {
            0 => self.byte() % 16,
            _ => self.number(),
        };
        let [one, other] = [one, self.number()].map(|index| index.checked_rem(words).unwrap_or(0));
        let other = object.get(place.start + other * size, size);
        self.set(object, place.start + one * size, size, other);
    }
}

/// An object that may be damaged: what is outside of the file is read as 0 and not written.
struct Object(Vec<u8>);

impl Object {
    fn get(&self, at: usize, size: usize) -> u64 {
        let mut word = [0; 8];
        if let Some(bytes) = at.checked_add(size).and_then(|end| self.0.get(at..end)) {
            word[..size].copy_from_slice(bytes);
        }
        u64::from_le_bytes(word)
    }

    fn put(&mut self, at: usize, size: usize, value: u64) {
        if let Some(bytes) = at.checked_add(size).and_then(|end| self.0.get_mut(at..end)) {
            bytes.copy_from_slice(&value.to_le_bytes()[..size]);
        }
    }

    /// Returns the offset of a section header.
    fn header(&self, index: usize) -> usize {
        let many = self.get(60, 2) as usize;
        (self.get(40, 8) as usize)
            .saturating_add(index.checked_rem(many).unwrap_or(0) * 64)
            .min(1 << 40)
    }

    fn sections(&self, is: impl Fn(usize) -> bool) -> Vec<usize> {
        let many = (self.get(60, 2) as usize).min(512);
        (0..many).map(|index| self.header(index)).filter(|header| is(*header)).collect()
    }

    /// Returns where the bytes of a section are in the file.
    fn place(&self, header: usize) -> std::ops::Range<usize> {
        let start = (self.get(header + 24, 8) as usize).min(self.0.len());
        let end = start.saturating_add(self.get(header + 32, 8) as usize).min(self.0.len());
        start..end
    }

    fn name(&self, header: usize) -> &[u8] {
        let strings = self.place(self.header(self.get(62, 2) as usize)).start;
        let at = strings.saturating_add(self.get(header, 4) as usize);
        self.0.get(at..).and_then(|rest| rest.split(|byte| *byte == 0).next()).unwrap_or_default()
    }

    /// Moves a section to the end of the file, with other bytes.
    fn replace(&mut self, header: usize, bytes: &[u8]) {
        if self.0.len() > LARGEST {
            return;
        }
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        self.put(header + 24, 8, self.0.len() as u64);
        self.put(header + 32, 8, bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn rename(&mut self, section: usize, name: &str) {
        let names = self.header(self.get(62, 2) as usize);
        let strings = &self.0[self.place(names)];
        let (at, strings) = (strings.len() as u64, [strings, name.as_bytes(), &[0]].concat());
        self.replace(names, &strings);
        self.put(self.header(section), 4, at);
    }

    /// Appends a copy of bytes of a section to it; those of `.BTF` to its types.
    fn append(&mut self, section: usize, from: usize, len: usize) {
        let header = self.header(section);
        let mut bytes = self.0[self.place(header)].to_vec();
        let from = from.checked_rem(bytes.len()).unwrap_or(0);
        let copy = bytes[from..bytes.len().min(from + len)].to_vec();
        let word = |at: usize| self.get(self.place(header).start + at, 4);
        let words = [4, 8, 12, 16].map(word);
        if self.name(header) == b".BTF" {
            let end = words[..3].iter().sum::<u64>() as usize;
            if end <= bytes.len() && end >= 24 {
                bytes.splice(end..end, copy.iter().copied());
                for (at, word) in [(12, words[2]), (16, words[3])] {
                    let longer = (word as u32).wrapping_add(copy.len() as u32);
                    bytes[at..at + 4].copy_from_slice(&longer.to_le_bytes());
                }
            }
        } else {
            bytes.extend(copy);
        }
        self.replace(header, &bytes);
    }
}
