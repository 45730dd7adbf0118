//! An object under examination, with the kernel that is to run it.

use std::{cell::RefCell, collections::BTreeMap};

use libbpf_rs::ProgramType;

use super::{Program, check, externs, list, programs, programs::Support};
use crate::{
    bpf::Check,
    checked::Checked,
    diagnosis::Kernel,
    object::{Calls, Relocation},
};

/// The object and the kernel.
pub(super) struct Patient<'a> {
    pub(super) checked: &'a Checked,
    pub(super) programs: Vec<Program>,
    pub(super) calls: Calls,
    pub(super) relocations: Vec<Relocation>,
    pub(super) kernel: &'a Kernel,
    /// The names that are examined, as if they were switched on; `None` for the whole object.
    pub(super) only: Option<&'a [&'a str]>,
    /// True if every program must be attached, not only those that can be.
    pub(super) strict: bool,
    /// True if the caller named the programs and supplies what they need.
    pub(super) by_name: bool,
    /// True if this process may use BPF.
    pub(super) permitted: bool,
    /// The program types that the kernel was probed for, by number.
    pub(super) supported: RefCell<BTreeMap<u32, Support>>,
}

impl Patient<'_> {
    /// Returns whether the kernel loads programs of a type.
    pub(super) fn supported(&self, ty: ProgramType) -> Support {
        *self.supported.borrow_mut().entry(ty as u32).or_insert_with(|| programs::supported(ty))
    }

    /// Returns whether a struct_ops map is created, derived from its section, or `None` if it is
    /// not examined.
    pub(super) fn makes(&self, table: &str, section: &str) -> Option<bool> {
        match self.only {
            None => Some(!section.starts_with('?')),
            Some(only) => only.contains(&table).then_some(true),
        }
    }

    /// Returns the programs that reach an offset in a section.
    pub(super) fn programs_at(
        &self,
        section: usize,
        offset: u32,
    ) -> impl Iterator<Item = &Program> {
        let function = self.calls.at(section, offset.into());
        self.programs.iter().filter(move |program| {
            function.is_some_and(|function| program.functions.contains(&function))
        })
    }

    /// Returns the checks of the kernel's types, if the object needs them.
    pub(super) fn kernel_types(&self) -> impl Iterator<Item = Check> {
        [self.types_of_file(), self.types_of_kernel()].into_iter().flatten()
    }

    fn types_of_file(&self) -> Option<Check> {
        const WHAT: &str = "BTF for CO-RE relocations";
        if self.kernel.file().is_none() || self.relocations.is_empty() {
            return None;
        }
        Some(match self.kernel.relocation_types() {
            Ok((path, _)) => {
                check::found(WHAT, format!("{path}; for {} relocations", self.relocations.len()))
            }
            Err(why) => {
                check::missing(WHAT, true, why.as_str(), "name a file with the BTF of this kernel")
            }
        })
    }

    fn types_of_kernel(&self) -> Option<Check> {
        const WHAT: &str = "kernel BTF";
        let of_types = |program: &&Program| {
            matches!(
                program.ty,
                ProgramType::Tracing | ProgramType::Lsm | ProgramType::StructOps | ProgramType::Ext
            )
        };
        let programs = self.programs.iter().filter(of_types).map(|program| program.name.as_str());
        let mut needs = Vec::new();
        if !self.relocations.is_empty() && self.kernel.file().is_none() {
            needs.push(format!("CO-RE relocations ({})", self.relocations.len()));
        }
        if programs.clone().next().is_some() {
            needs.push(format!("the programs {}", list(programs)));
        }
        if externs::typed(self.checked) {
            needs.push("kernel symbols".to_owned());
        }
        if needs.is_empty() {
            return None;
        }
        let needs = needs.join(", ");
        Some(match self.kernel.types() {
            Ok((path, _)) => check::found(WHAT, format!("{path}; for {needs}")),
            Err(why) => {
                let todo = "the kernel needs CONFIG_DEBUG_INFO_BTF, which distributions have set since 2021";
                check::missing(WHAT, true, format!("{why}; for {needs}"), todo)
            }
        })
    }
}
