//! The references of instructions and tables, checked as in libbpf's `bpf_object__collect_relos`.

use std::collections::{BTreeMap, HashMap, HashSet};

use elf::abi::{
    SHF_EXECINSTR, SHN_LORESERVE, SHT_NOBITS, SHT_PROGBITS, SHT_REL, STB_GLOBAL, STB_LOCAL,
    STB_WEAK, STT_FUNC, STT_SECTION,
};
use elf::symbol::Symbol;

use super::{Subject, creation::INNER_MAP, is_extern, types::is_typed};
use crate::{
    error::{Diagnostic, Found},
    object::{Kind, MapDef, MapKind, maps::is_tables},
};

const CALL: u8 = 0x85;
const LOAD64: u8 = 0x18;

/// The names of the maps or programs that a map initially holds, by map.
pub(crate) type Held<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// Checks all references, and returns what the maps initially hold.
pub(crate) fn check<'a>(subject: &'a Subject<'a>, diagnostics: &mut Found) -> Held<'a> {
    let Subject { checked, raw, .. } = subject;
    // Programs by section and offset. Relocations outside of them belong to replaced functions, and
    // libbpf skips them.
    let mut programs = BTreeMap::new();
    for symbol in raw.functions() {
        programs.insert(
            (usize::from(symbol.st_shndx), symbol.st_value),
            (symbol.st_size, raw.name(symbol)),
        );
    }
    let program = |section: usize, offset: u64| {
        let (_, (_, name)) = programs
            .range(..=(section, offset))
            .next_back()
            .filter(|((of, start), (size, _))| *of == section && offset - start < *size)?;
        Some(*name)
    };
    let place = Places::new(subject);
    let (mut in_tables, mut held) = (HashSet::new(), Held::new());
    // A broken table could refer to the same section many times.
    let mut budget = checked.skeleton.object.as_ref().map_or(0, Vec::len);
    for header in raw.headers.iter().filter(|header| header.sh_type == SHT_REL) {
        let section = header.sh_info as usize;
        let Some(target) = raw.headers.get(section) else { continue };
        let name = raw.section(section);
        let executable = target.sh_flags & u64::from(SHF_EXECINSTR) != 0;
        let is_table = is_tables(name);
        if !executable && !is_table && name != ".maps" {
            continue;
        }
        let Ok(relocations) = raw.file.section_data_as_rels(header) else { continue };
        let bytes = if executable {
            raw.file.section_data(target).map_or(&[][..], |(bytes, _)| bytes)
        } else {
            &[]
        };
        for relocation in relocations {
            let Some(left) = budget.checked_sub(1) else { return held };
            budget = left;
            let Some(symbol) = raw.symbols.get(relocation.r_sym as usize) else { continue };
            let diagnostic = if is_table {
                let named = program(symbol.st_shndx.into(), symbol.st_value);
                in_tables.extend(named);
                named.and_then(|name| place.table_fault(symbol, name))
            } else if executable {
                let Some(program) = program(section, relocation.r_offset) else { continue };
                let at = usize::try_from(relocation.r_offset).unwrap_or(usize::MAX);
                let Some(&code) = bytes.get(at) else { continue };
                let source = bytes.get(at.saturating_add(1)).map_or(0, |registers| registers >> 4);
                place.instruction_fault(code, source, symbol).map(|(what, todo)| {
                    let what =
                        format!("program `{program}` refers to `{}`, {what}", place.symbol(symbol));
                    Diagnostic::new(subject.program(program), what, todo)
                })
            } else {
                if let Some((_, map)) = place.maps.range(..=relocation.r_offset).next_back() {
                    held.entry(*map).or_default().push(place.symbol(symbol));
                }
                place.map_fault(relocation.r_offset, symbol)
            };
            if let Some(diagnostic) = diagnostic
                && !diagnostics.contains(&diagnostic)
            {
                diagnostics.push(diagnostic);
            }
            if diagnostics.len() > crate::error::SHOWN {
                return held;
            }
        }
    }
    // Hash tables use the positions of values as keys, so that only their number counts
    // (`alloc_htab_elem`).
    for (map, values) in &held {
        let Some(def) = place.defs.get(map) else { continue };
        let most = usize::try_from(def.max_entries).unwrap_or(usize::MAX);
        if def.kind == MapKind::HASH_OF_MAPS && most != 0 && values.len() > most {
            let what =
                format!("max_entries of map `{map}` is {most}, but it has {} values", values.len());
            diagnostics.push(Diagnostic::new(subject.map(map), what, "increase `max_entries`"));
        }
    }
    // `libbpf_prepare_prog_load`: the position in a table determines the kernel function that the
    // program implements.
    let is_function =
        |section: &str| matches!(section.split('/').next(), Some("struct_ops" | "struct_ops.s"));
    for (name, _) in subject
        .checked
        .programs
        .iter()
        .filter(|(name, section)| is_function(section) && !in_tables.contains(name.as_str()))
    {
        let what = format!("program `{name}` is for a struct_ops table, but no table refers to it");
        diagnostics.push(Diagnostic::new(
            subject.program(name),
            what,
            "put it into a table in SEC(\".struct_ops\"), or remove it",
        ));
    }
    held
}

type Wrong = (String, &'static str);

/// What the places that hold a reference belong to.
struct Places<'a> {
    subject: &'a Subject<'a>,
    has_arena: bool,
    /// The maps by offset of their definition.
    maps: BTreeMap<u64, &'a str>,
    defs: HashMap<&'a str, &'a MapDef>,
    programs: HashSet<&'a str>,
}

impl<'a> Places<'a> {
    fn new(subject: &'a Subject<'a>) -> Self {
        let Subject { checked, raw, .. } = subject;
        let defs: HashMap<&str, &MapDef> =
            checked.maps.iter().map(|def| (def.name.as_str(), def)).collect();
        let in_maps = raw.symbols.iter().filter(|symbol| {
            raw.section(symbol.st_shndx.into()) == ".maps" && defs.contains_key(raw.name(symbol))
        });
        let maps = in_maps.map(|symbol| (symbol.st_value, raw.name(symbol))).collect();
        let has_arena = checked.maps.iter().any(|def| def.kind == MapKind::ARENA);
        let programs = checked.programs.iter().map(|(name, _)| name.as_str()).collect();
        Self { subject, has_arena, maps, defs, programs }
    }

    /// Returns the name of a symbol; for a section symbol, the name of the section.
    fn symbol(&self, symbol: &Symbol) -> &'a str {
        match symbol.st_name {
            0 if symbol.st_symtype() == STT_SECTION => {
                self.subject.raw.section(symbol.st_shndx.into())
            }
            _ => self.subject.raw.name(symbol),
        }
    }

    /// Checks the reference of an instruction: `bpf_program__record_reloc`.
    fn instruction_fault(&self, code: u8, source: u8, symbol: &Symbol) -> Option<Wrong> {
        const MOVE: &str = "put it into .data, .rodata, .bss or a section with such a prefix (SEC(\".data.name\")), or define it as a map";
        let section = usize::from(symbol.st_shndx);
        let name = self.subject.raw.section(section);
        if !matches!(code, CALL | LOAD64) {
            return Some((
                "by an instruction that is neither a call nor a load of an address".to_owned(),
                "compile it with `-mcpu=v3`",
            ));
        }
        // Undefined symbols are checked by `externs`.
        if is_extern(symbol) {
            return None;
        }
        if code == CALL {
            return match name {
                _ if source != 1 => {
                    Some(("by a helper call".to_owned(), "compile the object again"))
                }
                ".text" => None,
                _ => Some((
                    format!("a function in section `{name}`"),
                    "remove SEC(..) from functions that programs call",
                )),
            };
        }
        if symbol.st_shndx == 0 || symbol.st_shndx >= SHN_LORESERVE {
            return Some((
                "which is in no section".to_owned(),
                "initialize the variable, and compile without `-fcommon`",
            ));
        }
        let header = self.subject.raw.headers.get(section)?;
        let is_function = match symbol.st_bind() {
            STB_LOCAL => symbol.st_symtype() == STT_SECTION,
            STB_GLOBAL | STB_WEAK => symbol.st_symtype() == STT_FUNC,
            _ => false,
        };
        let is_kind = |kind: &str| {
            name == kind || name.strip_prefix(kind).is_some_and(|rest| rest.starts_with('.'))
        };
        let is_data = match header.sh_type {
            SHT_PROGBITS => header.sh_size > 0 && (is_kind(".data") || is_kind(".rodata")),
            SHT_NOBITS => is_kind(".bss"),
            _ => false,
        };
        match name {
            ".text" if is_function => None,
            ".addr_space.1" if header.sh_type == SHT_PROGBITS && header.sh_size > 0 => {
                (!self.has_arena).then(|| {
                    (
                        "an arena variable, but the object has no arena map".to_owned(),
                        "define a map of type BPF_MAP_TYPE_ARENA",
                    )
                })
            }
            // The section `maps` is reported as a fault of its own.
            ".jumptables" | "maps" => None,
            ".maps" if self.maps.contains_key(&symbol.st_value) => None,
            ".maps" => Some((
                "which is not the start of a map".to_owned(),
                "refer only to maps in SEC(\".maps\")",
            )),
            _ if is_data => None,
            _ if name.starts_with("maps/") => Some((
                format!("which is in section `{name}`, as loaders before libbpf had maps"),
                "define it as a struct in SEC(\".maps\"), with `__uint(type, ..)` and the like",
            )),
            _ => Some((
                format!("which is in section `{name}`, for which libbpf creates no map"),
                MOVE,
            )),
        }
    }

    /// Checks the initial values of maps of maps and program arrays:
    /// `bpf_object__collect_map_relos`.
    fn map_fault(&self, offset: u64, symbol: &Symbol) -> Option<Diagnostic> {
        let (start, map) = self.maps.range(..=offset).next_back()?;
        let def = *self.defs.get(map)?;
        let (section, name) =
            (self.subject.raw.section(symbol.st_shndx.into()), self.symbol(symbol));
        let wrong = match def.kind {
            MapKind::ARRAY_OF_MAPS | MapKind::HASH_OF_MAPS => {
                match self.defs.get(name).filter(|_| section == ".maps") {
                    Some(held) => {
                        def.inner.as_deref().and_then(|inner| mismatch(inner, held)).map(|what| {
                            (
                                format!("holds `{name}`, which {what}"),
                                "use the same type, sizes and flags for all maps of a map of maps",
                            )
                        })
                    }
                    None => Some((
                        format!("holds `{name}`, which is not a map"),
                        "list only maps from SEC(\".maps\")",
                    )),
                }
            }
            MapKind::PROG_ARRAY if section != ".text" && self.programs.contains(name) => None,
            MapKind::PROG_ARRAY => Some((
                format!("holds `{name}`, which is not a program"),
                "list only functions with SEC(..)",
            )),
            _ => return None,
        };
        let place = self.subject.map(map);
        if let Some((what, todo)) = wrong {
            return Some(Diagnostic::new(place, format!("map `{map}` {what}"), todo));
        }
        let slot = self
            .first_slot(map)
            .and_then(|first| (offset - start).checked_sub(first))
            .map(|bytes| bytes / 8)?;
        let full = def.max_entries != 0
            && def.kind != MapKind::HASH_OF_MAPS
            && slot >= def.max_entries.into();
        full.then(|| {
            let what = format!(
                "max_entries of map `{map}` is {}, but it has a value at index {slot}",
                def.max_entries
            );
            Diagnostic::new(place, what, "increase `max_entries`")
        })
    }

    /// Returns the offset of the list of values in a map definition.
    fn first_slot(&self, map: &str) -> Option<u64> {
        let btf = &self.subject.checked.layouts.btf;
        let ty = self.subject.checked.layouts.own_types().find_map(|(_, ty)| match ty.kind {
            Kind::Variable { ty: of, .. } if ty.name == map => Some(of),
            _ => None,
        })?;
        let Kind::Struct { members, .. } = &btf.resolve(ty).1.kind else { return None };
        members
            .iter()
            .find(|member| member.name == "values")
            .map(|member| u64::from(member.bit_offset) / 8)
    }

    /// Checks a struct_ops table: `bpf_object__collect_st_ops_relos`.
    fn table_fault(&self, symbol: &Symbol, name: &str) -> Option<Diagnostic> {
        if symbol.st_shndx >= SHN_LORESERVE {
            return None;
        }
        let section = self.subject.raw.section(symbol.st_shndx.into());
        let bare = section.strip_prefix('?').unwrap_or(section);
        let is_one =
            is_typed(bare) && matches!(bare.split('/').next(), Some("struct_ops" | "struct_ops.s"));
        let what =
            format!("program `{name}` is in a struct_ops table, but its section is `{section}`");
        (!is_one)
            .then(|| Diagnostic::new(self.subject.program(name), what, "write SEC(\"struct_ops\")"))
    }
}

/// Returns the reason why the kernel rejects a map as inner map of a map of maps:
/// `bpf_map_meta_equal`, `array_map_meta_equal`, `xsk_map_meta_equal`. A size or number of 0 is
/// left to the loader.
fn mismatch(inner: &MapDef, held: &MapDef) -> Option<String> {
    let differ = |one: u32, other: u32| one != 0 && other != 0 && one != other;
    Some(match () {
        () if inner.kind != held.kind => format!("is a {}, expected {}", held.kind, inner.kind),
        () if differ(inner.key_size, held.key_size) => {
            format!("has key size {}, expected {}", held.key_size, inner.key_size)
        }
        () if differ(inner.value_size, held.value_size) => {
            format!("has value size {}, expected {}", held.value_size, inner.value_size)
        }
        () if inner.flags != held.flags => {
            format!("has flags {:#x}, expected {:#x}", held.flags, inner.flags)
        }
        () if matches!(inner.kind, MapKind::ARRAY | MapKind::XSKMAP)
            && inner.flags & INNER_MAP == 0
            && differ(inner.max_entries, held.max_entries) =>
        {
            format!(
                "has max_entries {}, expected {} (arrays may differ in it with the flag BPF_F_INNER_MAP)",
                held.max_entries, inner.max_entries
            )
        }
        () => return None,
    })
}
