//! Work that libbpf repeats for each part of an object. libbpf (1.7) bounds neither its time nor
//! its memory nor its recursion, so an object of a few compressed kilobytes could keep it busy for
//! hours, make it allocate hundreds of gigabytes, or overflow the stack. No compiler writes an
//! object that comes near these limits.

use std::collections::HashSet;

use elf::{abi::SHT_REL, section::SectionHeader};

use super::{Raw, Subject, is_data, memory::tables};
use crate::{
    error::{Diagnostic, Found, JsonPath},
    glob,
    object::{Kind, RelocationKind, relocations},
};

/// libbpf visits the functions that programs call recursively. The kernel accepts 256 in a program.
const MOST_FUNCTIONS: u64 = 4096;
/// The bytes that libbpf copies: each function once, then the functions of `.text` into each
/// program. The kernel accepts 8 MB of instructions in a program.
const MOST_COPIED: u64 = 512 << 20;
/// The steps of a search that is repeated for each element of another list; some take 5 ns.
const MOST_STEPS: u64 = 1 << 28;
/// The records of functions and lines that libbpf walks over, once for each program and each
/// function that it may call. One takes 1 ns.
const MOST_RECORDS: u64 = 1 << 32;
/// Types that CO-RE relocations refer to. libbpf searches all types of the kernel for each.
const MOST_TYPES: usize = 4096;
/// CO-RE relocations. For each, libbpf walks the members of all types of a name. Large objects have
/// some thousand.
const MOST_RELOCATIONS: usize = 1 << 16;
/// Relocations that compare types. For each, libbpf looks for each member of a type in the kernel's,
/// and for the members of its members.
const MOST_MATCHES: usize = 256;
/// The members of a kernel type that has a struct_ops table, for each of which libbpf looks by name.
const MEMBERS: u64 = 64;

const NO_OBJECT: &str = "no compiler writes such an object";

/// Checks the limits. An object that exceeds one must not reach libbpf.
pub(crate) fn check(subject: &Subject<'_>, diagnostics: &mut Found) {
    for (index, _) in subject.raw.executable() {
        let section = subject.raw.section(index);
        let Some((kind, target)) = section.split_once('/') else { continue };
        let is_many = [".multi", ".session"].iter().any(|many| kind.contains(many));
        let why = target.rsplit(':').next().filter(|_| is_many).and_then(glob::costs);
        if let Some(why) = why {
            let what = format!("section `{section}`: {why}");
            diagnostics.push(Diagnostic::new(JsonPath::default(), what, "use fewer stars"));
        }
    }
    let mut over =
        |what: String| diagnostics.push(Diagnostic::new(JsonPath::default(), what, NO_OBJECT));
    let Subject { checked, raw, .. } = subject;
    let count = |count: usize| count as u64;

    let (mut own, mut shared, mut functions, mut programs) = (0_u64, 0_u64, 0, 0);
    for function in raw.functions() {
        own = own.saturating_add(function.st_size);
        if raw.section(function.st_shndx.into()) == TEXT {
            functions += 1;
            shared = shared.saturating_add(function.st_size);
        } else {
            programs += 1;
        }
    }
    if functions > MOST_FUNCTIONS {
        over(format!(
            "section `{TEXT}` has {functions} functions, at most {MOST_FUNCTIONS} are supported"
        ));
    }
    let relocations = sizes(raw, |_, header| {
        header.sh_type == SHT_REL && raw.section(header.sh_info as usize) == TEXT
    });
    // The functions of `.text` are copied with their relocations, which are larger in memory.
    let shared = shared.saturating_add(relocations.saturating_mul(4));
    let shared = if functions == 0 { 0 } else { shared };
    // A program gets the lines of its own and of its functions.
    let lines = sizes(raw, |section, _| section == ".BTF.ext");
    let lines = lines.saturating_mul(if overlap(raw) { functions + 1 } else { 1 });
    let copied = shared.saturating_add(lines).saturating_mul(programs);
    if own.saturating_add(copied) > MOST_COPIED {
        over(format!(
            "its {programs} programs have more than {} MiB of instructions together with the functions that they may call",
            MOST_COPIED >> 20
        ));
    }

    let exts: Vec<&[u8]> = raw
        .headers
        .iter()
        .enumerate()
        .filter(|(index, _)| raw.section(*index) == ".BTF.ext")
        .filter_map(|(_, header)| Some(raw.file.section_data(header).ok()?.0))
        .collect();
    let (mut records, mut lists) = (0_u64, 0_u64);
    for ext in &exts {
        let counts = relocations::counts(ext);
        records = records.saturating_add(counts.records);
        lists = lists.saturating_add(counts.lists);
    }
    let walks = programs.saturating_mul(functions + 1);
    if records.saturating_mul(walks) > MOST_RECORDS {
        over(format!(
            "its {programs} programs and the {functions} functions that they may call have too many lines: {records}"
        ));
    }

    let types = count(checked.layouts.btf.iter().count());
    let variables: usize = checked
        .layouts
        .own_types()
        .map(|(_, ty)| if let Kind::Section { variables } = &ty.kind { variables.len() } else { 0 })
        .sum();
    let externs = count(raw.externs().count());
    let described = checked.layouts.own_types();
    let described = described.filter(|(_, ty)| matches!(ty.kind, Kind::Section { .. })).count();
    let (symbols, variables) = (count(raw.symbols.len()), count(variables));
    let members = tables(subject).map(|table| table.members.len()).sum();
    let sections = count(raw.headers.len());
    let data = (0..raw.headers.len()).filter(|index| is_data(raw.section(*index))).count();
    let maps = count(checked.maps.len()) + count(data);
    let relocations = sizes(raw, |_, header| header.sh_type == SHT_REL) / 16;
    for (what, each, searched) in [
        (
            "sections with instructions, variables and symbols",
            count(raw.executable().count()) + variables,
            symbols,
        ),
        ("undefined symbols and types", externs, types + variables + externs),
        ("relocations and maps", relocations, maps + externs),
        ("maps", maps, maps + types),
        ("members of struct_ops tables, and programs", count(members), programs + MEMBERS),
        ("descriptions of sections, and sections", count(described) + lists, sections),
    ] {
        if each.saturating_mul(searched) > MOST_STEPS {
            over(format!("it has too many {what}: {each} and {searched}"));
        }
    }

    let relocated: Vec<(u32, u32)> = exts.into_iter().flat_map(relocations::types).collect();
    if relocated.len() > MOST_RELOCATIONS {
        over(format!(
            "it has {} CO-RE relocations, at most {MOST_RELOCATIONS} are supported",
            relocated.len()
        ));
    }
    let matches =
        relocated.iter().filter(|(_, kind)| *kind == RelocationKind::TypeMatches as u32).count();
    if matches > MOST_MATCHES {
        over(format!(
            "{matches} of its CO-RE relocations compare types (bpf_core_type_matches), at most {MOST_MATCHES} are supported"
        ));
    }
    let relocated = relocated.into_iter().map(|(ty, _)| ty).collect::<HashSet<_>>().len();
    if relocated > MOST_TYPES {
        over(format!(
            "its CO-RE relocations refer to {relocated} types, at most {MOST_TYPES} are supported"
        ));
    }
}

const TEXT: &str = ".text";

/// Reports whether an instruction is in several functions.
fn overlap(raw: &Raw<'_>) -> bool {
    let ranges = raw.functions().map(|function| {
        let end = function.st_value.saturating_add(function.st_size);
        (function.st_shndx, function.st_value, end)
    });
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    ranges.windows(2).any(|pair| {
        matches!(pair, [(section, _, end), (other, start, _)] if section == other && start < end)
    })
}

/// Returns the sum of the sizes of the sections that `is` selects by name and header.
fn sizes(raw: &Raw<'_>, is: impl Fn(&str, &SectionHeader) -> bool) -> u64 {
    let headers = raw.headers.iter().enumerate();
    let selected = headers.filter(|(index, header)| is(raw.section(*index), header));
    selected.map(|(_, header)| header.sh_size).fold(0, u64::saturating_add)
}
