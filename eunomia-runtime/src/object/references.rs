//! The symbols that the instructions of an object refer to, from the relocations of its code.

use std::collections::{BTreeMap, BTreeSet};

use elf::{
    ElfBytes,
    abi::{SHT_REL, STB_WEAK},
    endian::AnyEndian,
    symbol::Symbol,
};

use super::elf::{Elf, ObjectError};

/// The section and offset of an instruction.
pub(super) type Place = (usize, u64);

/// The symbols that instructions refer to.
#[derive(Default)]
pub(super) struct References {
    symbols: BTreeMap<Place, Symbol>,
    /// The names of those that no section of the object defines.
    externs: BTreeMap<Place, String>,
    /// The names of those that may remain undefined.
    pub(super) weak: BTreeSet<String>,
}

pub(super) const BROKEN: &str = "compile the object again";

/// The number of bytes of code and relocations that may still be read.
///
/// Compilers write sections that do not overlap. If sections overlap, a small file could take hours
/// to process.
pub(super) struct Budget(u64);

impl Budget {
    pub(super) fn new(object: &[u8]) -> Self {
        Self(object.len() as u64)
    }

    pub(super) fn spend(&mut self, size: u64) -> Result<(), ObjectError> {
        self.0 = self
            .0
            .checked_sub(size)
            .ok_or_else(|| ("broken ELF file: its sections overlap".to_owned(), BROKEN))?;
        Ok(())
    }
}

impl References {
    /// Reads the relocations of all sections with instructions.
    pub(super) fn read(object: &[u8], elf: &Elf, budget: &mut Budget) -> Result<Self, ObjectError> {
        let mut references = Self::default();
        let broken = |error: elf::ParseError| (format!("broken ELF file: {error}"), BROKEN);
        let file = ElfBytes::<AnyEndian>::minimal_parse(object).map_err(broken)?;
        let (Some(headers), Some((symbols, strings))) =
            (file.section_headers(), file.symbol_table().map_err(broken)?)
        else {
            return Ok(references);
        };
        for header in headers.iter().filter(|header| header.sh_type == SHT_REL) {
            let section = header.sh_info as usize;
            if elf.sections.get(section).is_none_or(|to| !to.executable) {
                continue;
            }
            budget.spend(header.sh_size)?;
            for relocation in file.section_data_as_rels(&header).map_err(broken)? {
                let symbol = symbols.get(relocation.r_sym as usize).map_err(broken)?;
                let place = (section, relocation.r_offset);
                if symbol.st_shndx == 0 {
                    let name = strings.get(symbol.st_name as usize).map_err(broken)?;
                    // The longest name that the kernel accepts; the kernel has no symbol with a
                    // longer name.
                    let name: String = name.chars().take(512).collect();
                    if symbol.st_bind() == STB_WEAK {
                        references.weak.insert(name.clone());
                    }
                    references.externs.insert(place, name);
                }
                references.symbols.insert(place, symbol);
            }
        }
        Ok(references)
    }

    /// Returns the symbol that the instruction at this place refers to.
    pub(super) fn symbol(&self, place: Place) -> Option<&Symbol> {
        self.symbols.get(&place)
    }

    /// Returns the name of that symbol if no section of the object defines it.
    pub(super) fn external(&self, place: Place) -> Option<&str> {
        self.externs.get(&place).map(String::as_str)
    }
}
