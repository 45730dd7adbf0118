//! The calls in an object's functions: helpers by number, other functions of the object, and the
//! externs that the kernel must provide.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use elf::{
    ElfBytes,
    abi::{SHT_REL, STB_WEAK},
    endian::AnyEndian,
    symbol::Symbol,
};

use super::{
    counters::Uses,
    elf::{Elf, Refused},
    maps::{MapDef, MapKind},
};

/// The functions of an object and their calls as the compiler wrote them, before libbpf links
/// functions and programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// The functions, sorted by section and offset.
    pub functions: Vec<Function>,
    /// The weak symbols, which may remain undefined.
    pub weak: BTreeSet<String>,
    /// The perf event arrays that programs only read counters from, and never send records through.
    /// User space fills them with perf events.
    pub counters: BTreeSet<String>,
}

/// A function: a program, or a function that programs call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The name of the function.
    pub name: String,
    /// The index of its section.
    pub section: usize,
    /// The range of its bytes in the section.
    pub range: Range<u64>,
    /// The numbers of the helpers that it calls (`BPF_FUNC_*`).
    pub helpers: BTreeSet<u32>,
    /// The symbols that it refers to and no section of the object defines: functions and variables
    /// of the kernel, and values of its configuration.
    pub externs: BTreeSet<String>,
    /// True if it reads constants (`.rodata`), which user space may set before the object is
    /// loaded.
    pub constants: bool,
    /// True if it calls a function through a pointer, which no kernel supports.
    pub indirect: bool,
    /// The functions that it calls or passes on, by index.
    callees: BTreeSet<usize>,
}

const BROKEN: &str = "compile the object again";
const INSTRUCTION: usize = Instruction::SIZE;

/// An instruction, `struct bpf_insn`.
pub(crate) struct Instruction {
    pub(crate) code: u8,
    /// The destination register.
    pub(crate) target: u8,
    pub(crate) source: u8,
    pub(crate) offset: i16,
    pub(crate) immediate: i32,
}

/// The target of an instruction's relocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    /// The perf event array with this number.
    Array(usize),
    /// Any other target, or no relocation.
    Other,
}

impl Instruction {
    /// The size of an instruction in bytes.
    pub(crate) const SIZE: usize = 8;
    /// `BPF_JMP | BPF_CALL`
    pub(crate) const CALL: u8 = 0x85;
    /// `BPF_JMP | BPF_CALL | BPF_X`: the call of the function whose address is in a register.
    const CALL_POINTER: u8 = 0x8d;
    /// `BPF_LD | BPF_DW | BPF_IMM`, which takes two instruction slots.
    pub(crate) const LOAD64: u8 = 0x18;
    /// `BPF_PSEUDO_CALL`: the call of a function, not of a helper.
    const FUNCTION: u8 = 1;

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let &[code, registers, low, high, a, b, c, d] = bytes else { return None };
        let (target, source) = (registers & 0xf, registers >> 4);
        Some(Self {
            code,
            target,
            source,
            offset: i16::from_le_bytes([low, high]),
            immediate: i32::from_le_bytes([a, b, c, d]),
        })
    }
}

impl Calls {
    /// Reads the instructions of all functions, with the relocations that resolve them.
    pub(crate) fn read(object: &[u8], elf: &Elf, maps: &[MapDef]) -> Result<Self, Refused> {
        let mut calls = Self { functions: functions(elf), ..Self::default() };
        let broken = |error: elf::ParseError| (format!("broken ELF file: {error}"), BROKEN);
        let file = ElfBytes::<AnyEndian>::minimal_parse(object).map_err(broken)?;
        let Some(headers) = file.section_headers() else { return Ok(calls) };
        let symbols = file.symbol_table().map_err(broken)?;
        // Compilers write sections that do not overlap. If sections overlap, a small file could
        // take hours to process.
        let mut budget = object.len() as u64;
        let mut spend = |size: u64| {
            budget = budget
                .checked_sub(size)
                .ok_or_else(|| ("broken ELF file: its sections overlap".to_owned(), BROKEN))?;
            Ok(())
        };

        let mut relocations = BTreeMap::<(usize, u64), Symbol>::new();
        let mut names = BTreeMap::<(usize, u64), String>::new();
        for header in headers.iter().filter(|header| header.sh_type == SHT_REL) {
            let section = header.sh_info as usize;
            let Some((symbols, strings)) = symbols
                .as_ref()
                .filter(|_| elf.sections.get(section).is_some_and(|to| to.executable))
            else {
                continue;
            };
            spend(header.sh_size)?;
            for relocation in file.section_data_as_rels(&header).map_err(broken)? {
                let symbol = symbols.get(relocation.r_sym as usize).map_err(broken)?;
                let place = (section, relocation.r_offset);
                if symbol.st_shndx == 0 {
                    let name = strings.get(symbol.st_name as usize).map_err(broken)?;
                    // The longest name that the kernel accepts; the kernel has no symbol with a
                    // longer name.
                    let name: String = name.chars().take(512).collect();
                    if symbol.st_bind() == STB_WEAK {
                        calls.weak.insert(name.clone());
                    }
                    names.insert(place, name);
                }
                relocations.insert(place, symbol);
            }
        }

        let arrays: Vec<&str> = maps
            .iter()
            .filter(|map| map.kind == MapKind::PERF_EVENT_ARRAY)
            .map(|map| map.name.as_str())
            .collect();
        let numbers: BTreeMap<(usize, u64), usize> = elf
            .symbols
            .iter()
            .filter(|symbol| {
                elf.sections.get(symbol.section).is_some_and(|section| section.name == ".maps")
            })
            .filter_map(|symbol| {
                Some((
                    (symbol.section, symbol.offset),
                    arrays.iter().position(|array| *array == symbol.name)?,
                ))
            })
            .collect();
        let mut uses = Uses::default();

        for index in 0..calls.functions.len() {
            let Some(function) = calls.functions.get(index) else { continue };
            let (section, range) = (function.section, function.range.clone());
            spend(range.end - range.start)?;
            let bytes = elf.sections.get(section).and_then(|section| {
                let at = usize::try_from(section.offset?.checked_add(range.start)?).ok()?;
                object.get(at..at.checked_add(usize::try_from(range.end - range.start).ok()?)?)
            });
            let Some(bytes) = bytes else {
                return Err((
                    format!(
                        "broken ELF file: function `{}` ends after the end of the file",
                        function.name
                    ),
                    BROKEN,
                ));
            };
            if !numbers.is_empty() {
                uses.follow(bytes, |at| {
                    let symbol = relocations.get(&(section, range.start.saturating_add(at)));
                    let array = symbol.and_then(|symbol| {
                        numbers.get(&(usize::from(symbol.st_shndx), symbol.st_value))
                    });
                    array.map_or(Reference::Other, |number| Reference::Array(*number))
                });
            }
            let (mut helpers, mut externs, mut callees) =
                (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            let (mut constants, mut indirect) = (false, false);
            let mut places =
                (range.start..).step_by(INSTRUCTION).zip(bytes.chunks_exact(INSTRUCTION));
            while let Some((at, bytes)) = places.next() {
                let Some(instruction) = Instruction::read(bytes) else { continue };
                let called = instruction.code == Instruction::CALL
                    && instruction.source == Instruction::FUNCTION;
                // Calls count instructions after the call; addresses count bytes.
                let jump = match called {
                    true => (i64::from(instruction.immediate) + 1) * INSTRUCTION as i64,
                    false => i64::from(instruction.immediate),
                };
                indirect |= instruction.code == Instruction::CALL_POINTER;
                match (instruction.code, relocations.get(&(section, at))) {
                    (Instruction::CALL, None) if instruction.source == 0 => {
                        helpers.insert(instruction.immediate.cast_unsigned());
                    }
                    (Instruction::CALL, None) if called => {
                        callees.extend(
                            at.checked_add_signed(jump).and_then(|to| calls.at(section, to)),
                        );
                    }
                    (Instruction::CALL | Instruction::LOAD64, Some(symbol)) => {
                        match names.get(&(section, at)) {
                            Some(name) => _ = externs.insert(name.clone()),
                            None => {
                                let to = symbol.st_value.checked_add_signed(jump);
                                let section = elf.sections.get(usize::from(symbol.st_shndx));
                                constants |= section
                                    .is_some_and(|section| section.name.starts_with(".rodata"));
                                callees.extend(
                                    to.and_then(|to| calls.at(usize::from(symbol.st_shndx), to)),
                                );
                            }
                        }
                    }
                    _ => {}
                }
                if instruction.code == Instruction::LOAD64 {
                    places.next();
                }
            }
            if let Some(function) = calls.functions.get_mut(index) {
                (function.helpers, function.externs, function.callees) =
                    (helpers, externs, callees);
                (function.constants, function.indirect) = (constants, indirect);
            }
        }
        calls.counters = uses.counters(arrays.into_iter());
        Ok(calls)
    }

    /// Returns the index of the function that contains this byte of a section.
    pub fn at(&self, section: usize, offset: u64) -> Option<usize> {
        let behind = self.functions.partition_point(|function| {
            (function.section, function.range.start) <= (section, offset)
        });
        let index = behind.checked_sub(1)?;
        let function = self.functions.get(index)?;
        (function.section == section && function.range.contains(&offset)).then_some(index)
    }

    /// Returns the functions that a program can reach, including itself: the functions that it
    /// calls or passes to a helper, and those that they call in turn. Calls in unreachable code
    /// count as well.
    pub fn reached(&self, program: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut next = vec![program];
        while let Some(index) = next.pop() {
            if let Some(function) = self.functions.get(index)
                && reached.insert(index)
            {
                next.extend(&function.callees);
            }
        }
        reached
    }
}

/// Returns the functions by section and offset. Each ends where the next one begins.
fn functions(elf: &Elf) -> Vec<Function> {
    let executable =
        |section: usize| elf.sections.get(section).filter(|section| section.executable);
    let mut starts = BTreeMap::new();
    for symbol in elf.symbols.iter().filter(|symbol| symbol.function) {
        if executable(symbol.section).is_some_and(|section| symbol.offset < section.size) {
            starts.entry((symbol.section, symbol.offset)).or_insert(symbol.name.as_str());
        }
    }
    let ends = starts.keys().skip(1).map(|&next| Some(next)).chain([None]);
    let functions = starts.iter().zip(ends).map(|((&(section, start), name), next)| {
        let end = next.filter(|next| next.0 == section).map(|next| next.1);
        let end = end.or_else(|| executable(section).map(|section| section.size)).unwrap_or(start);
        Function {
            name: (*name).to_owned(),
            section,
            range: start..end,
            helpers: BTreeSet::new(),
            externs: BTreeSet::new(),
            constants: false,
            indirect: false,
            callees: BTreeSet::new(),
        }
    });
    functions.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_decodes_instruction() {
        let call = Instruction::read(&[0x85, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff]).unwrap();
        assert_eq!(
            (call.code, call.source, call.immediate),
            (Instruction::CALL, Instruction::FUNCTION, -1)
        );
        assert!(Instruction::read(&[0x85, 0x10]).is_none());
    }

    #[test]
    fn at_finds_function_by_offset() {
        let function = |section, range| Function {
            name: String::new(),
            section,
            range,
            helpers: BTreeSet::new(),
            externs: BTreeSet::new(),
            constants: false,
            indirect: false,
            callees: BTreeSet::new(),
        };
        let calls = Calls {
            functions: vec![function(2, 0..16), function(2, 16..24), function(5, 8..16)],
            ..Calls::default()
        };
        let found = [(2, 0), (2, 15), (2, 16), (2, 24), (5, 0), (5, 8), (1, 0)]
            .map(|(section, offset)| calls.at(section, offset));
        assert_eq!(found, [Some(0), Some(0), Some(1), None, None, Some(2), None]);
    }

    #[test]
    fn reached_follows_recursive_calls() {
        let mut calls = Calls::default();
        for (at, callees) in [(0, vec![1]), (8, vec![2]), (16, vec![0]), (24, vec![])] {
            let callees = callees.into_iter().collect();
            let (name, helpers, externs) = (String::new(), BTreeSet::new(), BTreeSet::new());
            calls.functions.push(Function {
                name,
                section: 1,
                range: at..at + 8,
                helpers,
                externs,
                constants: false,
                indirect: false,
                callees,
            });
        }
        assert_eq!(calls.reached(1), BTreeSet::from([0, 1, 2]));
        assert_eq!(calls.reached(3), BTreeSet::from([3]));
        assert_eq!(calls.reached(9), BTreeSet::new());
    }
}
