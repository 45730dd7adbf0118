//! The search for a function in the symbol tables of a file.

use std::collections::{BTreeMap, BTreeSet};

use elf::{
    abi::{STB_WEAK, STT_FUNC, STT_GNU_IFUNC},
    symbol::Symbol,
};

use super::{
    super::similar::similar,
    Answer, Binary, File64,
    names::{Table, Texts, tables, version_of},
};

/// Functions of one name in a file, by their versions; each is looked for among all versions. The C
/// library has three.
const MOST_VERSIONS: usize = 16;

/// The search for a function of one name, with or without a version.
pub(super) struct Search<'a> {
    binary: &'a Binary,
    file: &'a File64<'a>,
    /// `name`, `name@VERSION` or `name@@VERSION`.
    requested: &'a str,
    name: &'a str,
    version: Option<&'a str>,
    /// The number of versions that were looked up.
    looked_up: usize,
    /// The names of all functions.
    names: BTreeSet<&'a str>,
    /// The versions of the functions of this name.
    versions: BTreeSet<String>,
    /// True if a function of this name chooses its implementation when the file is loaded.
    chosen: bool,
}

impl<'a> Search<'a> {
    pub(super) fn new(binary: &'a Binary, file: &'a File64<'a>, requested: &'a str) -> Self {
        // `@@` marks the default version, which is looked up in the same way.
        let (name, version) = match requested.split_once('@') {
            Some((name, version)) => (name, Some(version.strip_prefix('@').unwrap_or(version))),
            None => (requested, None),
        };
        Self {
            binary,
            file,
            requested,
            name,
            version,
            looked_up: 0,
            names: BTreeSet::new(),
            versions: BTreeSet::new(),
            chosen: false,
        }
    }

    /// Searches the tables in libbpf's order.
    pub(super) fn run(mut self) -> Answer {
        for table in tables(self.file) {
            let offsets = match self.offsets(table) {
                Ok(offsets) => offsets,
                Err(answer) => return answer,
            };
            if offsets.values().filter(|strong| **strong).count() > 1 {
                let why = format!(
                    "{} has several functions of this name, and libbpf accepts none of them",
                    self.binary.place
                );
                return Answer::Missing { why, near: Vec::new(), all: Vec::new() };
            }
            if !offsets.is_empty() {
                return Answer::There(self.binary.place.clone());
            }
        }
        self.not_found()
    }

    /// Returns the file offsets of the function in a table, as libbpf computes them, each with true
    /// if a symbol there is not weak.
    fn offsets(
        &mut self,
        (dynamic, symbols, strings): Table<'a>,
    ) -> Result<BTreeMap<u64, bool>, Answer> {
        let mut texts = Texts::new(self.binary, strings);
        let mut offsets = BTreeMap::<u64, bool>::new();
        for (index, symbol) in symbols.iter().enumerate() {
            let Some(known) = texts.get(symbol.st_name)? else { continue };
            let (short, own) =
                known.split_once('@').map_or((known, None), |(short, _)| (short, Some(known)));
            if short == self.name {
                self.chosen |= symbol.st_symtype() == STT_GNU_IFUNC;
            }
            if symbol.st_symtype() != STT_FUNC || symbol.is_undefined() {
                continue;
            }
            self.names.insert(short);
            if short != self.name || !self.has_version(dynamic, index, own)? {
                continue;
            }
            if let Some(offset) = offset(self.file, &symbol).filter(|offset| *offset != 0) {
                *offsets.entry(offset).or_default() |= symbol.st_bind() != STB_WEAK;
            }
        }
        Ok(offsets)
    }

    /// Returns whether a symbol has the requested version, if there is one. `own` is its name if
    /// that contains a version.
    fn has_version(
        &mut self,
        dynamic: bool,
        index: usize,
        own: Option<&str>,
    ) -> Result<bool, Answer> {
        match self.version {
            None => Ok(true),
            Some(version) if dynamic => {
                self.looked_up += 1;
                if self.looked_up > MOST_VERSIONS {
                    return Err(Answer::Untold(format!(
                        "{} has more than {MOST_VERSIONS} functions of this name",
                        self.binary.place
                    )));
                }
                let found = version_of(self.file, index);
                let same = found.as_deref() == Some(version);
                self.versions.extend(found);
                Ok(same)
            }
            // Symbols of the other table have their version in their names.
            Some(_) => Ok(own == Some(self.requested)),
        }
    }

    /// Returns the answer if no table has the function.
    fn not_found(self) -> Answer {
        let Self { name, names, versions, chosen, .. } = self;
        let place = &self.binary.place;
        if !versions.is_empty() {
            let near = versions.iter().map(|version| format!("{name}@{version}")).collect();
            return Answer::Missing {
                why: format!("{place} has no such version of the function"),
                near,
                all: Vec::new(),
            };
        }
        let why = match (chosen, names.is_empty()) {
            (true, _) => format!(
                "{place} chooses its implementation when it is loaded (IFUNC), which libbpf does not follow"
            ),
            (false, true) => format!("not a symbol of {place}, which is stripped"),
            (false, false) => format!("not a symbol of {place}, which may be stripped"),
        };
        let near = similar(name, names.iter().copied()).into_iter().map(str::to_owned).collect();
        Answer::Missing { why, near, all: Vec::new() }
    }
}

/// Returns the file offset of a symbol.
fn offset(file: &File64<'_>, symbol: &Symbol) -> Option<u64> {
    let section = file.section_headers()?.get(symbol.st_shndx.into()).ok()?;
    Some(symbol.st_value.wrapping_sub(section.sh_addr).wrapping_add(section.sh_offset))
}
