//! The programs of an object, and what each of them needs.

use libbpf_rs::{AsRawLibbpf as _, ProgramType, libbpf_sys};

use super::{Asked, externs, programs};
use crate::{
    bpf::{self, Target},
    checked::Checked,
    diagnosis::section::says,
    object::{Calls, Function, Relocation},
};

/// A program and what it needs.
pub(super) struct Program {
    pub(super) name: String,
    /// The section, without the `?` of a program that is not loaded by default.
    pub(super) section: String,
    pub(super) ty: ProgramType,
    pub(super) autoload: bool,
    /// True if `attach` includes the program.
    pub(super) link: bool,
    /// True if `attach` attaches the program, because its target is known.
    pub(super) attached: bool,
    /// The targets that the skeleton or the caller set in place of the one that the section names.
    pub(super) targets: Vec<Target>,
    /// The indices of the functions that the program reaches, including its own.
    pub(super) functions: Vec<usize>,
    /// True if the program checks what the kernel has or reads constants, and so may never reach an
    /// instruction that this kernel does not support.
    pub(super) asks: bool,
}

/// Reads the programs, with what libbpf derives from their sections.
pub(super) fn read_programs(
    checked: &Checked,
    open: &bpf::Open,
    calls: &Calls,
    relocations: &[Relocation],
    asked: &Asked<'_>,
) -> Vec<Program> {
    let (object, only) = (open.opened(), asked.only);
    let questions = externs::questions(checked, calls);
    let unattached = programs::tables_are_unattached(&checked.layouts.btf);
    let selected = object
        .progs()
        .filter(|program| only.is_none_or(|only| only.iter().any(|name| program.name() == *name)));
    let programs = selected.map(|program| {
        let name = program.name().to_string_lossy().into_owned();
        let index = calls.functions.iter().position(|function| function.name == name);
        let functions: Vec<usize> =
            index.map(|index| calls.reached(index)).into_iter().flatten().collect();
        let of_functions = |relocation: &&Relocation| {
            calls
                .at(relocation.section, relocation.offset.into())
                .is_some_and(|function| functions.contains(&function))
        };
        let reached = functions.iter().filter_map(|index| calls.functions.get(*index));
        let asks = relocations
            .iter()
            .filter(of_functions)
            .any(|relocation| relocation.kind.is_existence_check())
            || reached.clone().any(|function| function.constants)
            || reached
                .flat_map(|function| &function.externs)
                .any(|name| questions.contains(name.as_str()));
        // SAFETY: the pointer is that of a program of a live object, and the call only reads a
        // flag.
        let link =
            unsafe { libbpf_sys::bpf_program__autoattach(program.as_libbpf_object().as_ptr()) };
        // An object of the caller is set up as it will be loaded.
        let autoload = asked.by_name() || program.autoload();
        let section = program.section().to_string_lossy().into_owned();
        let targets = open.targets().get(&name).cloned().unwrap_or_default();
        let (ty, link) = (program.prog_type(), link && program.prog_type() != ProgramType::Syscall);
        // They are attached with their tables.
        let link = link && (ty != ProgramType::StructOps || !unattached);
        let targeted = asked.by_name() || !targets.is_empty() || says(&section, ty).wants.is_none();
        Program {
            section,
            ty,
            autoload,
            link,
            attached: link && autoload && targeted,
            targets,
            name,
            functions,
            asks,
        }
    });
    programs.collect()
}

impl Program {
    /// Returns the functions that the program reaches.
    pub(super) fn reached<'a>(&'a self, calls: &'a Calls) -> impl Iterator<Item = &'a Function> {
        self.functions.iter().filter_map(|index| calls.functions.get(*index))
    }
}
