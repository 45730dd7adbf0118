//! The variables of an object in all its data sections, static ones too.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use super::dummies::{pointed, record};
use crate::object::{Kind, Layouts, Linkage, TypeId, sections::is_data};

/// A variable.
pub(super) struct Global {
    pub(super) name: String,
    pub(super) ty: TypeId,
    /// The index of its section.
    section: usize,
    /// Its bytes in the section.
    range: Range<u64>,
    /// True if no program can write it.
    constant: bool,
}

/// The variables, sorted by section and offset.
pub(super) struct Globals(Vec<Global>);

impl Globals {
    pub(super) fn read(layouts: &Layouts) -> Self {
        let elf = &layouts.elf;
        let sections = elf.indices();
        let starts: HashMap<(usize, &str), u64> = elf
            .symbols
            .iter()
            .map(|symbol| ((symbol.section, symbol.name.as_str()), symbol.offset))
            .collect();
        let mut globals = Vec::new();
        for (_, ty) in layouts.own_types() {
            let Kind::Section { variables } = &ty.kind else { continue };
            let Some(&section) = sections.get(ty.name.as_bytes()).filter(|_| is_data(&ty.name))
            else {
                continue;
            };
            for slot in variables {
                let variable = layouts.btf.get(slot.variable);
                let Kind::Variable { ty: of, linkage } = variable.kind else { continue };
                let Some(&start) = starts.get(&(section, variable.name.as_str())) else { continue };
                if linkage == Linkage::Extern {
                    continue;
                }
                globals.push(Global {
                    name: variable.name.clone(),
                    ty: of,
                    section,
                    range: start..start.saturating_add(slot.size.max(1).into()),
                    constant: ty.name.starts_with(".rodata"),
                });
            }
        }
        globals.sort_by_key(|global| (global.section, global.range.start));
        Self(globals)
    }

    /// Returns the variable with this byte of a section, and the number of bytes before it.
    pub(super) fn at(&self, section: usize, offset: u64) -> Option<(&Global, u64)> {
        let after = self
            .0
            .partition_point(|global| (global.section, global.range.start) <= (section, offset));
        let global = self.0.get(after.checked_sub(1)?)?;
        let is_in = global.section == section && global.range.contains(&offset);
        is_in.then(|| (global, offset - global.range.start))
    }

    /// Returns the variables that are there for their type alone, and the type: structs, and
    /// pointers to structs. `used` are the places that programs use. A constant struct is an option
    /// even if no program reads it any more.
    pub(super) fn unused<'a>(
        &'a self,
        used: &BTreeSet<(usize, u64)>,
        layouts: &'a Layouts,
    ) -> impl Iterator<Item = (&'a str, TypeId)> {
        let unused = self.0.iter().filter(|global| {
            let Range { start, end } = global.range;
            used.range((global.section, start)..(global.section, end)).next().is_none()
        });
        unused.filter_map(|global| {
            let plain = || record(layouts, global.ty).filter(|_| !global.constant);
            let ty = pointed(layouts, global.ty).or_else(plain)?;
            Some((global.name.as_str(), ty))
        })
    }
}
