//! Data sections and their variables. In unlinked objects, BTF has zeros for their offsets and
//! sizes, so offsets come from the symbol table and sizes from the section headers, as in libbpf
//! when it opens an object (`btf_fixup_datasec`).

use std::collections::HashMap;

use super::{
    btf::{Kind, Linkage, Slot, TypeId},
    layout::{Layout, Layouts},
};
use crate::error::{Diagnostic, Found, JsonPath};

/// A section whose variables user space can access. libbpf creates a map for `.rodata`, `.data`,
/// `.bss`, custom sections such as `.data.x`, and `.kconfig`. It puts `.addr_space.1`, which clang
/// names after the address space, into the object's arena. libbpf 1.7 has no section with a value
/// for each CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSection {
    /// The name of the ELF section.
    pub name: String,
    /// The size in bytes.
    pub size: u64,
    /// The variables that user space can see, sorted by offset.
    pub variables: Vec<Variable>,
    /// The static variables, except those that share their name with another.
    pub statics: Vec<Variable>,
}

/// A global variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The C name.
    pub name: String,
    /// The BTF id of the variable.
    pub id: TypeId,
    /// The type of the variable, or one without values if the compiler wrote none (`_Atomic`).
    pub ty: TypeId,
    /// Bytes from the start of the section.
    pub offset: u64,
    /// The size in bytes.
    pub size: u64,
}

impl DataSection {
    /// Reports whether programs only read the section; user space sets it before the object is
    /// loaded.
    pub fn read_only(&self) -> bool {
        self.name.starts_with(".rodata") || self.is_kconfig()
    }

    /// Reports whether libbpf fills the section from the kernel configuration when it loads the
    /// object, so that nothing else can set it.
    pub fn is_kconfig(&self) -> bool {
        self.name == KCONFIG
    }

    /// Reports whether the section holds the variables of the object's arena, which has a map of
    /// its own.
    pub fn is_arena(&self) -> bool {
        self.name == ARENA
    }
}

impl Variable {
    /// Reports whether the variable only exists to add a type to BTF: the compiler's
    /// `__eunomia_dummy_<T>_ptr`.
    pub fn is_dummy(&self) -> bool {
        self.name.starts_with("__eunomia_dummy")
    }
}

/// Externs with values from the kernel configuration.
const KCONFIG: &str = ".kconfig";

/// Variables in address space 1.
const ARENA: &str = ".addr_space.1";

/// Reports whether libbpf has a map for the section, other than `.kconfig`.
pub(crate) fn is_data(section: &str) -> bool {
    section == ARENA
        || [".rodata", ".data", ".bss"].iter().any(|kind| {
            section.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
}

/// Reads every data section that BTF describes.
pub(crate) fn read(layouts: &Layouts, diagnostics: &mut Found) -> Vec<DataSection> {
    let symbols: HashMap<(usize, &str), (u64, bool)> = layouts
        .elf
        .symbols
        .iter()
        .map(|symbol| ((symbol.section, symbol.name.as_str()), (symbol.offset, symbol.visible)))
        .collect();
    let headers: HashMap<&str, (usize, u64)> = layouts
        .elf
        .sections
        .iter()
        .enumerate()
        .map(|(index, section)| (section.name.as_str(), (index, section.size)))
        .collect();
    let mut sections = Vec::new();
    for (_, ty) in layouts.own_types() {
        let Kind::Section { variables: slots } = &ty.kind else { continue };
        if ty.name == KCONFIG {
            sections.push(kconfig(layouts, slots));
            continue;
        }
        if !is_data(&ty.name) {
            continue;
        }
        let Some(&(index, size)) = headers.get(ty.name.as_str()) else {
            diagnostics.push(corrupt(format!(
                "BTF describes section `{}`, which is missing from the object",
                ty.name
            )));
            continue;
        };
        let mut section =
            DataSection { name: ty.name.clone(), size, variables: Vec::new(), statics: Vec::new() };
        for slot in slots {
            let variable = layouts.btf.get(slot.variable);
            let Kind::Variable { ty: id, linkage } = variable.kind else { continue };
            let (list, is_static) = match linkage {
                Linkage::Global => (&mut section.variables, false),
                Linkage::Static => (&mut section.statics, true),
                Linkage::Extern => continue,
            };
            match symbols.get(&(index, variable.name.as_str())) {
                // Hidden variables are static for user space.
                Some((_, false)) if !is_static => {}
                Some((offset, _)) => {
                    let known =
                        if is_whole(layouts, id, slot.size) { id } else { TypeId::default() };
                    let own = if layouts.has_values(known) {
                        layouts.layout(known).size
                    } else {
                        slot.size.into()
                    };
                    if offset.saturating_add(own) <= size {
                        list.push(Variable {
                            name: variable.name.clone(),
                            id: slot.variable,
                            ty: known,
                            offset: *offset,
                            size: own,
                        });
                    } else if !is_static {
                        diagnostics.push(corrupt(format!(
                            "variable `{}` ends after the end of its section `{}`",
                            variable.name, ty.name
                        )));
                    }
                }
                // The symbol of a static variable in a function has another name.
                None if is_static => {}
                None => diagnostics.push(corrupt(format!(
                    "variable `{}` of section `{}` has no symbol",
                    variable.name, ty.name
                ))),
            }
        }
        section.variables.sort_by_key(|variable| variable.offset);
        keep_unique(&mut section.statics);
        sections.push(section);
    }
    sections
}

/// Removes all variables that share their name.
fn keep_unique(variables: &mut Vec<Variable>) {
    let mut counts = HashMap::<String, usize>::new();
    for variable in variables.iter() {
        *counts.entry(variable.name.clone()).or_default() += 1;
    }
    variables.retain(|variable| counts.get(&variable.name) == Some(&1));
}

/// Reports whether the type accounts for the bytes of the variable. A struct may have more bytes,
/// which are its flexible tail. In all other cases the type is not the variable's own: clang writes
/// a different type for the elements of `_Atomic` arrays.
fn is_whole(layouts: &Layouts, id: TypeId, size: u32) -> bool {
    let own = layouts.layout(id).size;
    let size = u64::from(size);
    size == own
        || size == 0
        || (size > own && matches!(layouts.btf.resolve(id).1.kind, Kind::Struct { .. }))
}

/// Lays out `.kconfig`, which only exists in libbpf. libbpf sorts the externs by descending
/// alignment, ascending size, and name (`cmp_externs`).
fn kconfig(layouts: &Layouts, slots: &[Slot]) -> DataSection {
    let externs = slots.iter().filter_map(|slot| {
        let variable = layouts.btf.get(slot.variable);
        let Kind::Variable { ty, linkage: Linkage::Extern } = variable.kind else { return None };
        Some((slot.variable, variable.name.as_str(), ty, layouts.layout(ty)))
    });
    let mut externs: Vec<_> = externs.collect();
    externs
        .sort_by_key(|(_, name, _, layout)| (std::cmp::Reverse(layout.align), layout.size, *name));
    let mut size = 0u64;
    let place = |(id, name, ty, layout): (TypeId, &str, TypeId, Layout)| {
        let offset = size.next_multiple_of(layout.align);
        size = offset.saturating_add(layout.size);
        Variable { name: name.to_owned(), id, ty, offset, size: layout.size }
    };
    let variables = externs.into_iter().map(place).collect();
    DataSection { name: KCONFIG.to_owned(), size, variables, statics: Vec::new() }
}

fn corrupt(what: String) -> Diagnostic {
    Diagnostic::new(JsonPath::default(), what, "the object is corrupt; compile it again")
}
