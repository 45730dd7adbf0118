//! The calls in an object's functions: helpers by number, other functions of the object, and the
//! externs that the kernel must provide.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    counters::{Arrays, Uses},
    elf::{Elf, ObjectError},
    instruction::Instruction,
    maps::MapDef,
    references::{BROKEN, Budget, References},
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

const INSTRUCTION: usize = Instruction::SIZE;

impl Calls {
    /// Reads the instructions of all functions, with the relocations that resolve them.
    pub(crate) fn read(object: &[u8], elf: &Elf, maps: &[MapDef]) -> Result<Self, ObjectError> {
        let mut calls = Self::unread(elf);
        let mut budget = Budget::new(object);
        let references = References::read(object, elf, &mut budget)?;
        let arrays = Arrays::new(elf, maps);
        let mut uses = Uses::default();
        let mut functions = Vec::new();
        for function in &calls.functions {
            budget.spend(function.range.end - function.range.start)?;
            let bytes = function.bytes(object, elf)?;
            if !arrays.is_empty() {
                uses.follow(bytes, |at| {
                    let place = (function.section, function.range.start.saturating_add(at));
                    arrays.reference(references.symbol(place))
                });
            }
            functions.push(calls.resolve(function, bytes, elf, &references));
        }
        calls.functions = functions;
        calls.weak = references.weak;
        calls.counters = uses.counters(arrays.names());
        Ok(calls)
    }

    /// Returns the functions without their calls.
    pub(super) fn unread(elf: &Elf) -> Self {
        Self { functions: functions(elf), ..Self::default() }
    }

    /// Returns the function with all that its instructions refer to.
    fn resolve(
        &self,
        function: &Function,
        bytes: &[u8],
        elf: &Elf,
        references: &References,
    ) -> Function {
        let mut function = function.clone();
        let section = function.section;
        let mut places =
            (function.range.start..).step_by(INSTRUCTION).zip(bytes.chunks_exact(INSTRUCTION));
        while let Some((at, bytes)) = places.next() {
            let Some(instruction) = Instruction::read(bytes) else { continue };
            function.indirect |= instruction.code == Instruction::CALL_POINTER;
            match (instruction.code, references.symbol((section, at))) {
                (Instruction::CALL, None) if instruction.source == 0 => {
                    function.helpers.insert(instruction.immediate.cast_unsigned());
                }
                (Instruction::CALL, None) if instruction.calls_function() => {
                    let to = at.checked_add_signed(instruction.distance());
                    function.callees.extend(to.and_then(|to| self.at(section, to)));
                }
                (Instruction::CALL | Instruction::LOAD64, Some(symbol)) => {
                    match references.external((section, at)) {
                        Some(name) => _ = function.externs.insert(name.to_owned()),
                        None => {
                            let section = usize::from(symbol.st_shndx);
                            let to = symbol.st_value.checked_add_signed(instruction.distance());
                            function.callees.extend(to.and_then(|to| self.at(section, to)));
                            function.constants |= elf
                                .sections
                                .get(section)
                                .is_some_and(|section| section.name.starts_with(".rodata"));
                        }
                    }
                }
                _ => {}
            }
            if instruction.code == Instruction::LOAD64 {
                places.next();
            }
        }
        function
    }

    /// Returns the index of the function that contains this byte of a section.
    pub fn at(&self, section: usize, offset: u64) -> Option<usize> {
        let after = self.functions.partition_point(|function| {
            (function.section, function.range.start) <= (section, offset)
        });
        let index = after.checked_sub(1)?;
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

impl Function {
    /// Returns the offset in its section of the instruction with this number.
    pub(super) fn offset(&self, instruction: usize) -> u64 {
        self.range.start.saturating_add((instruction as u64).saturating_mul(INSTRUCTION as u64))
    }

    /// Returns the bytes of its instructions.
    pub(super) fn bytes<'o>(&self, object: &'o [u8], elf: &Elf) -> Result<&'o [u8], ObjectError> {
        let bytes = elf.sections.get(self.section).and_then(|section| {
            let at = usize::try_from(section.offset?.checked_add(self.range.start)?).ok()?;
            let size = usize::try_from(self.range.end - self.range.start).ok()?;
            object.get(at..at.checked_add(size)?)
        });
        bytes.ok_or_else(|| {
            let what =
                format!("broken ELF file: function `{}` ends after the end of the file", self.name);
            (what, BROKEN)
        })
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
