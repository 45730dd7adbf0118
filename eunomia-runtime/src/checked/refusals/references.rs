//! What instructions and tables refer to: `bpf_object__collect_relos` of libbpf.

use std::collections::{BTreeMap, HashMap, HashSet};

use elf::abi::{
    SHF_EXECINSTR, SHN_LORESERVE, SHT_NOBITS, SHT_PROGBITS, SHT_REL, STB_GLOBAL, STB_LOCAL, STB_WEAK, STT_FUNC, STT_NOTYPE, STT_SECTION,
};
use elf::symbol::Symbol;

use super::{Subject, creation::INNER_MAP, types::is_typed};
use crate::{
    fault::{Fault, Found},
    object::{Kind, MapDef, MapKind},
};

const CALL: u8 = 0x85;
const LOAD64: u8 = 0x18;

pub(crate) fn check(subject: &Subject<'_>, faults: &mut Found) {
    let Subject { checked, raw, .. } = subject;
    // Programs by section and place: relocations outside of them, of functions that were replaced, are not read.
    let mut programs = BTreeMap::new();
    for symbol in raw.functions() {
        programs.insert((usize::from(symbol.st_shndx), symbol.st_value), (symbol.st_size, raw.name(symbol)));
    }
    let program = |section: usize, offset: u64| {
        let (_, (_, name)) =
            programs.range(..=(section, offset)).next_back().filter(|((of, start), (size, _))| *of == section && offset - start < *size)?;
        Some(*name)
    };
    let place = Places::new(subject);
    let mut in_tables = HashSet::new();
    // A broken table could name one section many times.
    let mut budget = checked.skeleton.object.as_ref().map_or(0, Vec::len);
    for header in raw.headers.iter().filter(|header| header.sh_type == SHT_REL) {
        let section = header.sh_info as usize;
        let Some(target) = raw.headers.get(section) else { continue };
        let name = raw.section(section);
        let executable = target.sh_flags & u64::from(SHF_EXECINSTR) != 0;
        let is_table = matches!(name.trim_start_matches('?'), ".struct_ops" | ".struct_ops.link");
        if !executable && !is_table && name != ".maps" {
            continue;
        }
        let Ok(relocations) = raw.file.section_data_as_rels(header) else { continue };
        let bytes = if executable { raw.file.section_data(target).map_or(&[][..], |(bytes, _)| bytes) } else { &[] };
        for relocation in relocations {
            let Some(left) = budget.checked_sub(1) else { return };
            budget = left;
            let Some(symbol) = raw.symbols.get(relocation.r_sym as usize) else { continue };
            let fault = if is_table {
                let named = program(symbol.st_shndx.into(), symbol.st_value);
                in_tables.extend(named);
                named.and_then(|name| place.of_table(symbol, name))
            } else if executable {
                let Some(program) = program(section, relocation.r_offset) else { continue };
                let at = usize::try_from(relocation.r_offset).unwrap_or(usize::MAX);
                let Some(&code) = bytes.get(at) else { continue };
                let source = bytes.get(at.saturating_add(1)).map_or(0, |registers| registers >> 4);
                place.of_instruction(code, source, symbol).map(|(what, todo)| {
                    let what = format!("the program `{program}` refers to `{}`, {what}", place.symbol(symbol));
                    Fault::new(subject.program(program), what, todo)
                })
            } else {
                place.of_map(relocation.r_offset, symbol)
            };
            if let Some(fault) = fault
                && !faults.contains(&fault)
            {
                faults.push(fault);
            }
            if faults.len() > crate::fault::SHOWN {
                return;
            }
        }
    }
    // `libbpf_prepare_prog_load`: what it is called for by the kernel is told by its place in a table.
    let is_function = |section: &str| matches!(section.split('/').next(), Some("struct_ops" | "struct_ops.s"));
    for (name, _) in subject.checked.programs.iter().filter(|(name, section)| is_function(section) && !in_tables.contains(name.as_str())) {
        let what = format!("the program `{name}` is for a table of struct_ops, and stands in none");
        faults.push(Fault::new(subject.program(name), what, "put it into a table in SEC(\".struct_ops\"), or remove it"));
    }
}

type Wrong = (String, &'static str);

struct Places<'a> {
    subject: &'a Subject<'a>,
    has_arena: bool,
    /// The maps by the place of their definition.
    maps: BTreeMap<u64, &'a str>,
    defs: HashMap<&'a str, &'a MapDef>,
    programs: HashSet<&'a str>,
}

impl<'a> Places<'a> {
    fn new(subject: &'a Subject<'a>) -> Self {
        let Subject { checked, raw, .. } = subject;
        let defs: HashMap<&str, &MapDef> = checked.maps.iter().map(|def| (def.name.as_str(), def)).collect();
        let in_maps =
            raw.symbols.iter().filter(|symbol| raw.section(symbol.st_shndx.into()) == ".maps" && defs.contains_key(raw.name(symbol)));
        let maps = in_maps.map(|symbol| (symbol.st_value, raw.name(symbol))).collect();
        let has_arena = checked.maps.iter().any(|def| def.kind == MapKind::ARENA);
        let programs = checked.programs.iter().map(|(name, _)| name.as_str()).collect();
        Self { subject, has_arena, maps, defs, programs }
    }

    /// How the symbol is called; one of a section goes by the section's name.
    fn symbol(&self, symbol: &Symbol) -> &'a str {
        match symbol.st_name {
            0 if symbol.st_symtype() == STT_SECTION => self.subject.raw.section(symbol.st_shndx.into()),
            _ => self.subject.raw.name(symbol),
        }
    }

    /// `bpf_program__record_reloc`.
    fn of_instruction(&self, code: u8, source: u8, symbol: &Symbol) -> Option<Wrong> {
        const MOVE: &str =
            "put it into .data, .rodata, .bss or a section whose name begins so (SEC(\".data.name\")), or define it as a map";
        let section = usize::from(symbol.st_shndx);
        let name = self.subject.raw.section(section);
        if !matches!(code, CALL | LOAD64) {
            return Some(("by an instruction that is neither a call nor a load of an address".to_owned(), "compile it with `-mcpu=v3`"));
        }
        // Undefined ones are those of `externs`.
        if symbol.st_shndx == 0 && matches!(symbol.st_bind(), STB_GLOBAL | STB_WEAK) && symbol.st_symtype() == STT_NOTYPE {
            return None;
        }
        if code == CALL {
            return match name {
                _ if source != 1 => Some(("by a call of a helper".to_owned(), "compile the object anew")),
                ".text" => None,
                _ => Some((format!("a function of the section `{name}`"), "leave SEC(..) out at functions that programs call")),
            };
        }
        if symbol.st_shndx == 0 || symbol.st_shndx >= SHN_LORESERVE {
            return Some(("which is in no section".to_owned(), "initialize the variable, and compile without `-fcommon`"));
        }
        let header = self.subject.raw.headers.get(section)?;
        let is_function = match symbol.st_bind() {
            STB_LOCAL => symbol.st_symtype() == STT_SECTION,
            STB_GLOBAL | STB_WEAK => symbol.st_symtype() == STT_FUNC,
            _ => false,
        };
        let is_kind = |kind: &str| name == kind || name.strip_prefix(kind).is_some_and(|rest| rest.starts_with('.'));
        let is_data = match header.sh_type {
            SHT_PROGBITS => header.sh_size > 0 && (is_kind(".data") || is_kind(".rodata")),
            SHT_NOBITS => is_kind(".bss"),
            _ => false,
        };
        match name {
            ".text" if is_function => None,
            ".addr_space.1" if header.sh_type == SHT_PROGBITS && header.sh_size > 0 => (!self.has_arena)
                .then(|| ("a variable of an arena, and the object has no arena".to_owned(), "define a map of the type BPF_MAP_TYPE_ARENA")),
            // The section `maps` is a fault by itself.
            ".jumptables" | "maps" => None,
            ".maps" if self.maps.contains_key(&symbol.st_value) => None,
            ".maps" => Some(("which is not the start of a map".to_owned(), "refer to maps alone in SEC(\".maps\")")),
            _ if is_data => None,
            _ => Some((format!("which is in the section `{name}`, and libbpf makes no map of it"), MOVE)),
        }
    }

    /// `bpf_object__collect_map_relos`: what maps of maps and arrays of programs hold when they are made.
    fn of_map(&self, offset: u64, symbol: &Symbol) -> Option<Fault> {
        let (start, map) = self.maps.range(..=offset).next_back()?;
        let def = *self.defs.get(map)?;
        let (section, name) = (self.subject.raw.section(symbol.st_shndx.into()), self.symbol(symbol));
        let wrong = match def.kind {
            MapKind::ARRAY_OF_MAPS | MapKind::HASH_OF_MAPS => match self.defs.get(name).filter(|_| section == ".maps") {
                Some(held) => def.inner.as_deref().and_then(|inner| unlike(inner, held)).map(|what| {
                    (format!("holds `{name}`, which {what}"), "give all maps of a map of maps one type, with the same sizes and flags")
                }),
                None => Some((format!("holds `{name}`, which is no map"), "list maps of SEC(\".maps\")")),
            },
            MapKind::PROG_ARRAY if section != ".text" && self.programs.contains(name) => None,
            MapKind::PROG_ARRAY => Some((format!("holds `{name}`, which is no program"), "list functions with SEC(..)")),
            _ => return None,
        };
        let place = self.subject.map(map);
        if let Some((what, todo)) = wrong {
            return Some(Fault::new(place, format!("the map `{map}` {what}"), todo));
        }
        // Hash tables have their slot for a key.
        let slot = self.first_slot(map).and_then(|first| (offset - start).checked_sub(first)).map(|behind| behind / 8)?;
        let full = def.max_entries != 0 && def.kind != MapKind::HASH_OF_MAPS && slot >= def.max_entries.into();
        full.then(|| {
            let what = format!("the map `{map}` has {} entries, and a value for the one at {slot}", def.max_entries);
            Fault::new(place, what, "make `max_entries` larger")
        })
    }

    /// Bytes from the start of a map's definition to its list of values.
    fn first_slot(&self, map: &str) -> Option<u64> {
        let btf = &self.subject.checked.layouts.btf;
        let ty = self.subject.checked.layouts.own_types().find_map(|(_, ty)| match ty.kind {
            Kind::Variable { ty: of, .. } if ty.name == map => Some(of),
            _ => None,
        })?;
        let Kind::Struct { members, .. } = &btf.resolve(ty).1.kind else { return None };
        members.iter().find(|member| member.name == "values").map(|member| u64::from(member.bit_offset) / 8)
    }

    /// `bpf_object__collect_st_ops_relos`.
    fn of_table(&self, symbol: &Symbol, name: &str) -> Option<Fault> {
        if symbol.st_shndx >= SHN_LORESERVE {
            return None;
        }
        let section = self.subject.raw.section(symbol.st_shndx.into());
        let bare = section.strip_prefix('?').unwrap_or(section);
        let is_one = is_typed(bare) && matches!(bare.split('/').next(), Some("struct_ops" | "struct_ops.s"));
        let what = format!("the program `{name}` stands in a table of struct_ops, and its section `{section}` is of another kind");
        (!is_one).then(|| Fault::new(self.subject.program(name), what, "write SEC(\"struct_ops\")"))
    }
}

/// What keeps the kernel from taking a map for one of the kind that a map of maps is declared with: `bpf_map_meta_equal`,
/// `array_map_meta_equal`, `xsk_map_meta_equal`. What is 0 is the loader's to set.
fn unlike(inner: &MapDef, held: &MapDef) -> Option<String> {
    let differ = |one: u32, other: u32| one != 0 && other != 0 && one != other;
    Some(match () {
        () if inner.kind != held.kind => format!("is a {} and no {}", held.kind, inner.kind),
        () if differ(inner.key_size, held.key_size) => format!("has keys of {} bytes and not of {}", held.key_size, inner.key_size),
        () if differ(inner.value_size, held.value_size) => {
            format!("has values of {} bytes and not of {}", held.value_size, inner.value_size)
        }
        () if inner.flags != held.flags => format!("has the flags {:#x} and not {:#x}", held.flags, inner.flags),
        () if matches!(inner.kind, MapKind::ARRAY | MapKind::XSKMAP)
            && inner.flags & INNER_MAP == 0
            && differ(inner.max_entries, held.max_entries) =>
        {
            format!(
                "has {} entries and not {} (arrays may differ in it with the flag BPF_F_INNER_MAP)",
                held.max_entries, inner.max_entries
            )
        }
        () => return None,
    })
}
