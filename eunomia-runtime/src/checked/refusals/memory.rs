//! What libbpf (1.7) reads and writes without checking that it is there. An object that breaks one
//! of these rules would make it access foreign memory, or take gigabytes.

use std::collections::{HashMap, HashSet};

use elf::{
    abi::{SHT_NOBITS, SHT_REL},
    section::SectionHeader,
};

use super::{Raw, Subject};
use crate::{
    error::{Diagnostic, Found, JsonPath},
    object::{
        Btf, Kind, Member, Slot, TypeId, instruction::Instruction, maps::is_tables, relocations,
    },
};

/// The bytes of all values of the kernel configuration. libbpf adds their sizes in an `int`.
const MOST_SETTINGS: u64 = 1 << 20;
/// The members of a struct in the kernel configuration, and their members. libbpf supports none.
const MOST_PARTS: u64 = 1 << 16;
/// The bytes of the lists of values that maps initially hold. A list reaches from the start of the
/// map's definition to its last value.
const MOST_VALUES: u64 = 256 << 20;

const NO_OBJECT: &str = "no compiler writes such an object";

/// The bytes of all tables of functions (struct_ops), of which libbpf copies each.
const MOST_TABLES: u64 = 64 << 20;

/// Names of sections of which libbpf takes the last one, or which it takes for one.
const ONCE: [&str; 9] = [
    ".text",
    ".maps",
    ".BTF.ext",
    ".addr_space.1",
    ".jumptables",
    ".struct_ops",
    ".struct_ops.link",
    "?.struct_ops",
    "?.struct_ops.link",
];

/// Checks the rules. An object that breaks one must not reach libbpf.
pub(crate) fn check(subject: &Subject<'_>, diagnostics: &mut Found) {
    let mut refuse =
        |what: String| diagnostics.push(Diagnostic::new(JsonPath::default(), what, NO_OBJECT));
    sections(subject, &mut refuse);
    ends_of_functions(&subject.raw, &mut refuse);
    places_in_tables(subject, &mut refuse);
    settings(subject, &mut refuse);
    initial_values(subject, &mut refuse);
    jump_tables(&subject.raw, &mut refuse);
    relocations_of_types(&subject.raw, &mut refuse);
    bit_fields(subject, &mut refuse);
}

/// Checks that no bytes are in two sections, because libbpf copies each, and that no section hides
/// another from these checks.
fn sections(subject: &Subject<'_>, refuse: &mut impl FnMut(String)) {
    let Subject { checked, raw, .. } = subject;
    let with_bytes = raw.headers.iter().filter(|header| header.sh_type != SHT_NOBITS);
    let bytes = with_bytes.map(|header| header.sh_size).fold(0, u64::saturating_add);
    if bytes > checked.skeleton.object.as_ref().map_or(0, Vec::len) as u64 {
        refuse("its sections overlap".to_owned());
    }
    for name in ONCE {
        let same = (0..raw.headers.len()).filter(|index| raw.section(*index) == name);
        if same.count() > 1 {
            refuse(format!("it has several sections `{name}`"));
        }
    }
}

/// Checks that no function ends in the middle of an instruction: relocations write to both slots of
/// a load (`bpf_object__relocate_data`, `bpf_core_patch_insn`), and libbpf copies each function to
/// memory of its size.
fn ends_of_functions(raw: &Raw<'_>, refuse: &mut impl FnMut(String)) {
    for function in raw.functions() {
        let section = raw.headers.get(usize::from(function.st_shndx));
        let bytes = section.and_then(|header| raw.file.section_data(header).ok());
        let last = function
            .st_value
            .checked_add(function.st_size)
            .and_then(|end| usize::try_from(end.checked_sub(Instruction::SIZE as u64)?).ok());
        let code = bytes.zip(last).and_then(|((bytes, _), last)| bytes.get(last));
        if code == Some(&Instruction::LOAD64) {
            refuse(format!(
                "function `{}` ends in the middle of an instruction",
                raw.name(function)
            ));
        }
    }
}

/// A table of functions (struct_ops).
pub(super) struct Table<'a> {
    slot: &'a Slot,
    name: &'a str,
    /// The id, name, size and members of its type.
    id: TypeId,
    ty: &'a str,
    size: u32,
    pub(super) members: &'a [Member],
}

/// Returns the tables as libbpf finds them.
pub(super) fn tables<'a>(subject: &Subject<'a>) -> impl Iterator<Item = Table<'a>> {
    let checked = subject.checked;
    let btf = &checked.layouts.btf;
    checked.layouts.slots(is_tables).filter_map(|slot| {
        let (mut id, mut ty) = (slot.variable, btf.get(slot.variable));
        let name = &ty.name;
        // libbpf follows variables like typedefs (`btf__resolve_type`).
        while let Kind::Variable { ty: of, .. } = ty.kind {
            (id, ty) = btf.resolve(of);
        }
        let Kind::Struct { size, members } = &ty.kind else { return None };
        Some(Table { slot, name, id, ty: &ty.name, size: *size, members })
    })
}

/// Checks the tables. libbpf adds the offset and the size of a table in 32 bits
/// (`init_struct_ops_maps`). It takes the upper bits of a bit field's offset, which are the width,
/// for a part of the offset (`bpf_map__init_kern_struct_ops`).
fn places_in_tables(subject: &Subject<'_>, refuse: &mut impl FnMut(String)) {
    let mut sizes = HashMap::<&str, u32>::new();
    let (mut seen, mut too_far) = (HashSet::new(), false);
    let mut bytes = 0_u64;
    for table in tables(subject) {
        bytes = bytes.saturating_add(table.size.into());
        too_far |= table.slot.offset.checked_add(table.size).is_none();
        let largest = sizes.entry(table.name).or_default();
        *largest = table.size.max(*largest);
        let mut members = table.members.iter();
        if seen.insert(table.id)
            && let Some(member) = members.find(|member| member.bits.is_some())
        {
            refuse(format!(
                "`{}` is a bit field in the type `{}` of a struct_ops table",
                member.name, table.ty
            ));
        }
    }
    // If the compiler has written no offsets, libbpf takes the lower bits of a symbol's
    // (`btf_fixup_datasec`).
    let raw = &subject.raw;
    too_far |= raw.symbols.iter().any(|symbol| {
        let size = sizes.get(raw.name(symbol));
        size.is_some_and(|size| (symbol.st_value as u32).checked_add(*size).is_none())
    });
    if too_far {
        refuse("a struct_ops table is outside of its section".to_owned());
    }
    if bytes > MOST_TABLES {
        refuse(format!("its struct_ops tables have more than {} MiB", MOST_TABLES >> 20));
    }
}

/// Checks the map `.kconfig`, which has a value for each symbol that refers to one: its size, and
/// its types. libbpf refuses structs only after it has aligned them, member by member of their
/// members (`btf__align_of`).
fn settings(subject: &Subject<'_>, refuse: &mut impl FnMut(String)) {
    let Subject { checked, raw, .. } = subject;
    let layouts = &checked.layouts;
    let slots = layouts.slots(|section| section == ".kconfig");
    let ids: HashSet<TypeId> = slots.map(|slot| slot.variable).collect();
    // The alignment of a value is at most 8.
    let mut sizes = HashMap::<&str, u64>::new();
    for id in ids {
        let variable = layouts.btf.get(id);
        if let Kind::Variable { ty, .. } = variable.kind
            && is_composite(&layouts.btf, ty)
            && layouts.layout(ty).parts > MOST_PARTS
        {
            refuse(format!(
                "`{}` is a value of the kernel configuration, but has too many members",
                variable.name
            ));
        }
        let largest = sizes.entry(variable.name.as_str()).or_default();
        *largest = layouts.layout(id).size.next_multiple_of(8).max(*largest);
    }
    let bytes = raw
        .externs()
        .filter_map(|symbol| sizes.get(raw.name(symbol)))
        .fold(0_u64, |sum, size| sum.saturating_add(*size));
    if bytes > MOST_SETTINGS {
        refuse(format!(
            "its values of the kernel configuration need {bytes} bytes, at most {MOST_SETTINGS} are supported"
        ));
    }
}

/// Reports whether a type is a struct or union, or an array of them.
fn is_composite(btf: &Btf, ty: TypeId) -> bool {
    match btf.resolve(ty).1.kind {
        Kind::Array { element, .. } => is_composite(btf, element),
        Kind::Struct { .. } | Kind::Union { .. } => true,
        _ => false,
    }
}

/// Checks the lists of maps or programs that maps initially hold (`bpf_object__collect_map_relos`).
fn initial_values(subject: &Subject<'_>, refuse: &mut impl FnMut(String)) {
    let Subject { checked, raw, .. } = subject;
    // Sections could overlap.
    let mut left = checked.skeleton.object.as_ref().map_or(0, Vec::len);
    let (mut values, mut last) = (0_u64, 0_u64);
    let of_maps = |header: &&SectionHeader| {
        header.sh_type == SHT_REL && raw.section(header.sh_info as usize) == ".maps"
    };
    for header in raw.headers.iter().filter(of_maps) {
        let Ok(relocations) = raw.file.section_data_as_rels(header) else { continue };
        for relocation in relocations {
            let Some(rest) = left.checked_sub(1) else {
                return refuse("its sections overlap".to_owned());
            };
            left = rest;
            values += 1;
            last = last.max(relocation.r_offset);
        }
    }
    let maps = checked.maps.len() as u64;
    if last.saturating_mul(values.min(maps)) > MOST_VALUES {
        refuse(format!("the lists of values of its maps need more than {} MiB", MOST_VALUES >> 20));
    }
}

/// Checks the symbols of jump tables, whose range libbpf adds in 32 bits (`create_jt_map`).
fn jump_tables(raw: &Raw<'_>, refuse: &mut impl FnMut(String)) {
    for symbol in &raw.symbols {
        let section = usize::from(symbol.st_shndx);
        if raw.section(section) != ".jumptables" {
            continue;
        }
        let size = raw.headers.get(section).map_or(0, |header| header.sh_size);
        let end = symbol.st_value.checked_add(symbol.st_size);
        if end.is_none_or(|end| end > size.min(i32::MAX as u64)) {
            return refuse("a jump table is outside of its section".to_owned());
        }
    }
}

/// Checks CO-RE relocations. libbpf takes a negative index for one that is not past the end
/// (`bpf_core_parse_spec`). It also reads a section in the other byte order, so it would see other
/// records than those that are checked.
fn relocations_of_types(raw: &Raw<'_>, refuse: &mut impl FnMut(String)) {
    let bytes = |wanted: &'static str| {
        let named = raw.headers.iter().enumerate();
        named
            .filter(move |(index, _)| raw.section(*index) == wanted)
            .filter_map(|(_, header)| Some(raw.file.section_data(header).ok()?.0))
    };
    let strings = bytes(".BTF").next().and_then(relocations::strings).unwrap_or_default();
    for ext in bytes(".BTF.ext") {
        if ext.starts_with(&[0xeb, 0x9f]) {
            refuse("its section `.BTF.ext` is big-endian".to_owned());
        }
        if relocations::has_wrong_path(ext, strings) {
            refuse(
                "a CO-RE relocation has an access path that is not a list of indices".to_owned(),
            );
        }
    }
}

/// Checks the types of bit fields, by whose size libbpf divides (`bpf_core_calc_field_relo`).
fn bit_fields(subject: &Subject<'_>, refuse: &mut impl FnMut(String)) {
    let layouts = &subject.checked.layouts;
    for (_, ty) in layouts.own_types() {
        let (Kind::Struct { members, .. } | Kind::Union { members, .. }) = &ty.kind else {
            continue;
        };
        let is_wrong = |member: &&Member| {
            let kind = &layouts.btf.resolve(member.ty).1.kind;
            member.bits.is_some()
                && !matches!(kind, Kind::Int { size: 1.., .. } | Kind::Enum { size: 1.., .. })
        };
        if let Some(member) = members.iter().find(is_wrong) {
            refuse(format!(
                "the bit field `{}` of the type `{}` is neither an integer nor an enum",
                member.name, ty.name
            ));
        }
    }
}
