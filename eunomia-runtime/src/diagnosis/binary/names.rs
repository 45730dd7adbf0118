//! The symbol tables of a file, and the names in them.

use elf::{endian::AnyEndian, parse::ParseError, string_table::StringTable, symbol::SymbolTable};

use super::{Answer, Binary, File64};

/// Names out of a table. Those of a file that was made to keep whoever reads it busy end all in one
/// long name.
pub(super) struct Texts<'a> {
    strings: StringTable<'a>,
    /// Bytes that are still read.
    left: usize,
    place: &'a str,
}

impl<'a> Texts<'a> {
    /// Returns the names in `strings`. Many symbols may share a name, so the names together may
    /// exceed the size of the file.
    pub(super) fn new(binary: &'a Binary, strings: StringTable<'a>) -> Self {
        Self { strings, left: 2 * binary.bytes.len(), place: &binary.place }
    }

    /// `None` if there is no such name.
    pub(super) fn get(&mut self, at: u32) -> Result<Option<&'a str>, Answer> {
        let text = match self.strings.get_raw(at as usize) {
            Ok(text) => text,
            Err(ParseError::StringTableMissingNul(_)) => {
                return Err(Answer::Untold(format!("the names of {} do not end", self.place)));
            }
            Err(_) => return Ok(None),
        };
        match self.left.checked_sub(text.len()) {
            Some(left) => self.left = left,
            None => {
                return Err(Answer::Untold(format!(
                    "the names of {} are longer together than the file",
                    self.place
                )));
            }
        }
        Ok(str::from_utf8(text).ok())
    }
}

pub(super) type Table<'a> = (bool, SymbolTable<'a, AnyEndian>, StringTable<'a>);

/// Returns the symbol tables in libbpf's order, each with whether it is that of the dynamic linker.
pub(super) fn tables<'a>(file: &File64<'a>) -> Vec<Table<'a>> {
    let dynamic = file
        .dynamic_symbol_table()
        .ok()
        .flatten()
        .map(|(symbols, strings)| (true, symbols, strings));
    let plain =
        file.symbol_table().ok().flatten().map(|(symbols, strings)| (false, symbols, strings));
    dynamic.into_iter().chain(plain).collect()
}

/// Returns the version of a symbol of the dynamic symbol table.
pub(super) fn version_of(file: &File64<'_>, index: usize) -> Option<String> {
    let table = file.symbol_version_table().ok()??;
    let mut definition = table.get_definition(index).ok()??;
    definition.names.next()?.ok().map(str::to_owned)
}
