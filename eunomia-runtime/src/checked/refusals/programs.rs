//! Programs that the verifier of every kernel refuses. Programs in sections with `?` are not loaded
//! by default, so that only what holds for them in any case is checked.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Subject,
    creation::{RENAME, is_accepted_name},
    licence,
    references::Held,
    types::{Family, family},
};
use crate::{
    error::{Diagnostic, Found},
    object::{Calls, Function, MapKind},
};

/// A program that is loaded by default.
pub(crate) struct Program<'a> {
    pub(crate) name: &'a str,
    /// The type of the program, or `None` if the section does not decide it.
    pub(crate) family: Option<Family>,
    /// The program, and the functions that it calls.
    pub(crate) functions: Vec<&'a Function>,
    /// True if it asks what the kernel has or reads constants, so that it may contain code that it
    /// never reaches.
    pub(crate) asks: bool,
    calls: &'a Calls,
}

impl Program<'_> {
    /// Reports whether a symbol may remain undefined.
    pub(crate) fn is_weak(&self, symbol: &str) -> bool {
        self.calls.weak.contains(symbol)
    }
}

pub(crate) fn check(subject: &Subject<'_>, held: &Held<'_>, diagnostics: &mut Found) {
    let checked = subject.checked;
    arrays(subject, held, diagnostics);
    // Broken tables are reported by what needs them.
    let Ok(calls) = checked.calls() else { return };
    let programs = read(subject, &calls);
    for name in programs.iter().map(|program| program.name).filter(|name| !is_accepted_name(name)) {
        let what = format!("the kernel does not accept the name of program `{name}`");
        diagnostics.push(Diagnostic::new(subject.program(name), what, RENAME));
    }
    pointers(subject, &programs, diagnostics);
    licence::check(subject, &programs, diagnostics);
}

fn read<'a>(subject: &'a Subject<'a>, calls: &'a Calls) -> Vec<Program<'a>> {
    let checked = subject.checked;
    let raw = &subject.raw;
    // libbpf does not load the programs of tables that are not created by default.
    let spared = (0..raw.headers.len()).any(|index| raw.section(index).starts_with("?.struct_ops"));
    let types = checked.program_types();
    let relocations = checked.relocations();
    // By function, whether it asks.
    let questions: Option<BTreeSet<usize>> = relocations.ok().map(|relocations| {
        relocations
            .iter()
            .filter(|relocation| relocation.kind.is_question())
            .filter_map(|relocation| calls.at(relocation.section, relocation.offset.into()))
            .collect()
    });
    let indices: BTreeMap<&str, usize> = calls
        .functions
        .iter()
        .enumerate()
        .filter(|(_, function)| raw.section(function.section) != ".text")
        .map(|(index, function)| (function.name.as_str(), index))
        .collect();
    let programs = checked.programs.iter().filter(|(_, section)| !section.starts_with('?'));
    let programs = programs.filter_map(|(name, section)| {
        let section = types.get(name.as_str()).copied().unwrap_or(section);
        let family = family(section);
        if spared && family == Some(Family::StructOps) {
            return None;
        }
        let reached = calls.reached(*indices.get(name.as_str())?);
        let functions: Vec<&Function> =
            reached.iter().filter_map(|index| calls.functions.get(*index)).collect();
        let asks = questions.as_ref().is_none_or(|asking| !asking.is_disjoint(&reached))
            || functions.iter().any(|function| function.constants || !function.externs.is_empty());
        Some(Program { name, family, functions, asks, calls })
    });
    programs.collect()
}

/// Checks for calls through pointers (`callx`), which no verifier knows: `do_check` accepts calls
/// only of constants ("BPF_CALL uses reserved fields"), and before it, since Linux 4.16,
/// `bpf_opcode_in_insntable` refuses the instruction even if the program does not reach it.
fn pointers(subject: &Subject<'_>, programs: &[Program<'_>], diagnostics: &mut Found) {
    let mut seen = BTreeSet::new();
    for program in programs {
        for function in program.functions.iter().filter(|function| function.indirect) {
            if !seen.insert((function.section, function.range.start)) {
                continue;
            }
            let called = match function.name == program.name {
                true => String::new(),
                false => format!(" in `{}`", function.name),
            };
            let what = format!(
                "program `{}` calls a function through a pointer{called} (callx), which no kernel supports",
                program.name
            );
            let todo = "call the function by its name, or use bpf_tail_call; if the source has no such call, compile with \
                        -O2";
            diagnostics.push(Diagnostic::new(subject.program(program.name), what, todo));
        }
    }
}

/// Checks the programs that a program array initially holds, which must be of one type:
/// `bpf_prog_map_compatible`. The first one decides the type. All of them must be loaded
/// (`bpf_object_init_prog_arrays` of libbpf), also those in sections with `?`.
///
/// Programs that only use an array must be of its type as well, but a loader may load one of them
/// and leave out the others, for example of variants for XDP and tc.
fn arrays(subject: &Subject<'_>, held: &Held<'_>, diagnostics: &mut Found) {
    let checked = subject.checked;
    let types = checked.program_types();
    let of_program: BTreeMap<&str, Family> = checked
        .programs
        .iter()
        .filter_map(|(name, section)| {
            let section = types.get(name.as_str()).copied().unwrap_or(section);
            Some((name.as_str(), family(section.strip_prefix('?').unwrap_or(section))?))
        })
        .collect();
    for def in checked.maps.iter().filter(|def| def.kind == MapKind::PROG_ARRAY) {
        let mut by_type = BTreeMap::<Family, &str>::new();
        for name in held.get(def.name.as_str()).into_iter().flatten() {
            if let Some(family) = of_program.get(name) {
                by_type.entry(*family).or_insert(name);
            }
        }
        let mut by_type = by_type.into_iter();
        if let (Some((one, first)), Some((other, second))) = (by_type.next(), by_type.next()) {
            let what = format!(
                "map `{}` holds programs of different types: `{first}` is of type {one}, `{second}` of type {other}",
                def.name
            );
            diagnostics.push(Diagnostic::new(
                subject.map(&def.name),
                what,
                "use a map for each type",
            ));
        }
    }
}
