//! Objects that libbpf does not open or no kernel loads, found when an application is built instead
//! of when it runs.
//!
//! The rules are those of libbpf 1.7 (`libbpf.c`) and of the kernel's `map_alloc_check` functions.
//! A rule is only included if a loader does not usually compensate for it: sizes and entries of 0
//! are left to the loader, since tools size their maps at run time.

mod costs;
mod creation;
mod definitions;
mod externs;
mod licence;
mod memory;
mod programs;
mod references;
mod types;

use std::collections::{HashMap, HashSet};

use elf::{
    ElfBytes,
    abi::{SHF_EXECINSTR, SHT_PROGBITS, STB_GLOBAL, STB_LOCAL, STB_WEAK, STT_FUNC, STT_NOTYPE},
    endian::AnyEndian,
    section::SectionHeader,
    string_table::StringTable,
    symbol::Symbol,
};

use super::Checked;
use crate::{
    error::{Diagnostic, Diagnostics, Found, JsonPath},
    object::{
        MapDef,
        elf::{ObjectError, broken},
    },
    skeleton::Format,
};

impl Checked {
    /// Checks the object for [`Self::refusals`].
    ///
    /// # Errors
    /// [`Diagnostics`] with every refusal.
    pub fn loadable(&self) -> Result<(), Diagnostics> {
        self.skeleton.verdict(self.found())
    }

    /// Returns the reasons why libbpf does not open the object, or why no kernel loads it: faults
    /// of the C source that only users would see otherwise. Empty for an object that libbpf opens,
    /// and whose maps and programs have sizes and types that a kernel may accept.
    ///
    /// Conditions that depend on the kernel are checked by the module `doctor`.
    #[doc(hidden)]
    pub fn refusals(&self) -> Vec<Diagnostic> {
        self.found().into_shown()
    }

    /// Checks that libbpf can open the object without crashing, and without taking time or memory
    /// out of proportion to its size.
    ///
    /// # Errors
    /// [`Diagnostics`] with each limit that the object exceeds.
    #[cfg(feature = "load")]
    pub(crate) fn bounded(&self) -> Result<(), Diagnostics> {
        let object = self.skeleton.object.as_deref().unwrap_or_default();
        let mut diagnostics = Found::default();
        // libbpf refuses what cannot be read.
        if let Ok(raw) = Raw::read(object) {
            let subject = Subject::new(self, raw);
            costs::check(&subject, &mut diagnostics);
            memory::check(&subject, &mut diagnostics);
        }
        self.skeleton.verdict(diagnostics)
    }

    fn found(&self) -> Found {
        let object = self.skeleton.object.as_deref().unwrap_or_default();
        let raw = match Raw::read(object) {
            Ok(raw) => raw,
            Err((what, todo)) => return Diagnostic::new(JsonPath::default(), what, todo).into(),
        };
        let subject = Subject::new(self, raw);
        let mut diagnostics = Found::default();
        costs::check(&subject, &mut diagnostics);
        memory::check(&subject, &mut diagnostics);
        sections(&subject, &mut diagnostics);
        externs::check(&subject, &mut diagnostics);
        definitions::check(&subject, &mut diagnostics);
        let held = references::check(&subject, &mut diagnostics);
        types::check(&subject, &mut diagnostics);
        programs::check(&subject, &held, &mut diagnostics);
        for def in &self.maps {
            creation::check(def, &self.layouts, &subject.map(&def.name), &mut diagnostics);
        }
        diagnostics
    }
}

/// The object to check, with indices by name.
struct Subject<'a> {
    checked: &'a Checked,
    raw: Raw<'a>,
    maps: HashMap<&'a str, usize>,
    programs: HashMap<&'a str, usize>,
}

impl<'a> Subject<'a> {
    fn new(checked: &'a Checked, raw: Raw<'a>) -> Self {
        // A bare object has no document with places to name.
        let listed = (checked.skeleton.format != Format::Object).then_some(&checked.skeleton);
        let maps = listed.iter().flat_map(|skeleton| {
            skeleton.maps.iter().enumerate().map(|(index, map)| (map.name.as_str(), index))
        });
        let maps = maps.collect();
        let programs = listed.iter().flat_map(|skeleton| skeleton.programs.iter().enumerate());
        let programs = programs.map(|(index, program)| (program.name.as_str(), index)).collect();
        Self { checked, raw, maps, programs }
    }

    /// Returns the place of a map in the document.
    fn map(&self, name: &str) -> JsonPath {
        self.maps.get(name).map_or_else(JsonPath::default, |index| {
            self.checked.skeleton.skel_place().key("maps").index(*index)
        })
    }

    /// Returns the place of a program in the document.
    fn program(&self, name: &str) -> JsonPath {
        self.programs.get(name).map_or_else(JsonPath::default, |index| {
            self.checked.skeleton.skel_place().key("progs").index(*index)
        })
    }
}

/// The ELF tables as libbpf iterates over them, including undefined and local symbols.
struct Raw<'a> {
    file: ElfBytes<'a, AnyEndian>,
    headers: Vec<SectionHeader>,
    section_names: StringTable<'a>,
    symbols: Vec<Symbol>,
    strings: StringTable<'a>,
}

impl<'a> Raw<'a> {
    fn read(object: &'a [u8]) -> Result<Self, ObjectError> {
        let file = ElfBytes::<AnyEndian>::minimal_parse(object).map_err(broken)?;
        let (headers, section_names) = file.section_headers_with_strtab().map_err(broken)?;
        let Some((symbols, strings)) = file.symbol_table().map_err(broken)? else {
            // `bpf_object__elf_collect` needs a symbol table.
            return Err((
                "the object has no symbol table, which libbpf needs".to_owned(),
                "do not strip it",
            ));
        };
        let headers = headers.iter().flat_map(|headers| headers.iter()).collect();
        Ok(Self {
            headers,
            section_names: section_names.unwrap_or_default(),
            symbols: symbols.iter().collect(),
            strings,
            file,
        })
    }

    /// Returns the name of a section, or an empty string if the section does not exist.
    fn section(&self, index: usize) -> &'a str {
        let name = self
            .headers
            .get(index)
            .and_then(|header| self.section_names.get(header.sh_name as usize).ok());
        name.unwrap_or_default()
    }

    fn name(&self, symbol: &Symbol) -> &'a str {
        self.strings.get(symbol.st_name as usize).unwrap_or_default()
    }

    /// Returns the sections whose functions are programs, and `.text`, whose functions are called
    /// by programs.
    fn executable(&self) -> impl Iterator<Item = (usize, &SectionHeader)> {
        let is_code = |header: &SectionHeader| {
            header.sh_type == SHT_PROGBITS
                && header.sh_size > 0
                && header.sh_flags & u64::from(SHF_EXECINSTR) != 0
        };
        self.headers.iter().enumerate().filter(move |(_, header)| is_code(header))
    }

    /// Returns the symbols that libbpf resolves as externs.
    fn externs(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter().filter(|symbol| is_extern(symbol))
    }

    /// Returns the functions for which libbpf creates a program each, including those in `.text`.
    fn functions(&self) -> impl Iterator<Item = &Symbol> {
        let code: HashSet<usize> = self.executable().map(|(index, _)| index).collect();
        self.symbols.iter().filter(move |symbol| {
            symbol.st_symtype() == STT_FUNC && code.contains(&usize::from(symbol.st_shndx))
        })
    }
}

/// Checks sections and functions: `bpf_object__elf_collect` and `bpf_object__add_programs`.
fn sections(subject: &Subject<'_>, diagnostics: &mut Found) {
    let raw = &subject.raw;
    for index in 0..raw.headers.len() {
        if raw.section(index) == "maps" {
            let what =
                "section `maps` has legacy map definitions, which libbpf rejects since version 1.0";
            let todo = "define them in SEC(\".maps\") with __uint(type, ..), __type(key, ..), __type(value, ..)";
            diagnostics.push(Diagnostic::new(JsonPath::default(), what, todo));
        }
        let size = raw.headers.get(index).map_or(0, |header| header.sh_size);
        // `bpf_object__init_kversion`
        if raw.section(index) == "version" && size != 4 {
            let what = format!("section `version` has {size} bytes, expected 4");
            diagnostics.push(Diagnostic::new(
                JsonPath::default(),
                what,
                "remove it, or write `__u32 version SEC(\"version\") = LINUX_VERSION_CODE;`",
            ));
        }
        // The value of an array: `array_map_alloc_check`.
        if is_data(raw.section(index)) && size > i32::MAX as u64 {
            let what = format!(
                "the variables of section `{}` have {size} bytes, more than any kernel accepts for a map",
                raw.section(index)
            );
            diagnostics.push(Diagnostic::new(
                JsonPath::default(),
                what,
                "make them smaller, or put them into maps with several entries",
            ));
        }
    }
    for symbol in raw.functions() {
        let (name, section) = (raw.name(symbol), raw.section(symbol.st_shndx.into()));
        let size = raw.headers.get(usize::from(symbol.st_shndx)).map_or(0, |header| header.sh_size);
        if symbol.st_value.checked_add(symbol.st_size).is_none_or(|end| end > size)
            || symbol.st_size == 0
            || symbol.st_size % 8 != 0
            || symbol.st_value % 8 != 0
        {
            let what =
                format!("function `{name}` has an invalid offset or size in section `{section}`");
            diagnostics.push(Diagnostic::new(
                subject.program(name),
                what,
                "the object is corrupt; compile it again",
            ));
        } else if section != ".text" && symbol.st_bind() == STB_LOCAL {
            let what = format!(
                "program `{name}` in section `{section}` is static, and libbpf rejects static programs"
            );
            let todo = "remove `static`; a function that programs call needs no SEC(..)";
            diagnostics.push(Diagnostic::new(subject.program(name), what, todo));
        }
    }
}

/// Reports whether libbpf resolves the symbol as an extern (`sym_is_extern`).
fn is_extern(symbol: &Symbol) -> bool {
    symbol.st_shndx == 0
        && matches!(symbol.st_bind(), STB_GLOBAL | STB_WEAK)
        && symbol.st_symtype() == STT_NOTYPE
}

/// Reports whether libbpf creates a map for the variables of the section.
fn is_data(section: &str) -> bool {
    [".data", ".rodata", ".bss"].iter().any(|kind| {
        section.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The largest page size of the architecture, since the object may run on a machine that uses it.
const PAGE: u32 =
    if cfg!(any(target_arch = "x86_64", target_arch = "s390x", target_arch = "riscv64")) {
        4096
    } else {
        65536
    };

/// Returns a map definition, and its inner map if it is a map of maps.
fn with_inner(def: &MapDef) -> impl Iterator<Item = &MapDef> {
    std::iter::once(def).chain(def.inner.as_deref())
}
