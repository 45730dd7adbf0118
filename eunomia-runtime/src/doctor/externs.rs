//! What the object takes from the kernel by name: its functions and variables (`.ksyms`), its configuration (`.kconfig`).

use std::collections::HashSet;

use super::{Patient, check, list};
use crate::{
    bpf::Check,
    checked::Checked,
    diagnosis::{
        configuration::{self, Holds, Setting},
        place::Finding,
    },
    object::{Btf, Calls, Kind, Linkage, TypeId},
};

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// A function that programs call.
    Function,
    /// A variable of the kernel with its type.
    Variable,
    /// An address alone.
    Address,
    /// A setting of the kernel, and the type that it is declared with.
    Setting(TypeId),
}

/// The names that the object does not define.
fn externs(btf: &Btf) -> impl Iterator<Item = (&str, What)> {
    let slots = btf.iter().filter_map(|(_, section)| match &section.kind {
        Kind::Section { variables } if matches!(section.name.as_str(), ".ksyms" | ".kconfig") => Some((section, variables)),
        _ => None,
    });
    slots.flat_map(|(section, slots)| slots.iter().map(move |slot| (section, slot))).filter_map(|(section, slot)| {
        let ty = btf.get(slot.variable);
        let what = match ty.kind {
            Kind::Function => What::Function,
            Kind::Variable { linkage: Linkage::Extern, ty } if section.name == ".kconfig" => What::Setting(ty),
            Kind::Variable { linkage: Linkage::Extern, ty } if btf.resolve(ty).1.kind == Kind::Void => What::Address,
            Kind::Variable { linkage: Linkage::Extern, .. } => What::Variable,
            _ => return None,
        };
        Some((ty.name.as_str(), what))
    })
}

/// Whether some are looked for in the kernel's types.
pub(super) fn typed(checked: &Checked) -> bool {
    externs(&checked.layouts.btf).any(|(_, what)| matches!(what, What::Function | What::Variable))
}

/// Those by which programs find out what the kernel has: settings, and what may be missing.
pub(super) fn questions<'a>(checked: &'a Checked, calls: &Calls) -> HashSet<&'a str> {
    let questions = externs(&checked.layouts.btf).filter(|(name, what)| matches!(what, What::Setting(_)) || calls.weak.contains(*name));
    questions.map(|(name, _)| name).collect()
}

/// A check for all functions and variables that are there, one for each that is not, and one for the configuration.
pub(super) fn examine(patient: &Patient<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut there = Vec::new();
    for (name, what) in externs(&patient.checked.layouts.btf) {
        let essential = crate::object::essential(name);
        let (kind, has) = match what {
            What::Function => ("kfunc", patient.kernel.has(essential, |kind| *kind == Kind::Function)),
            What::Variable => ("kernel variable", patient.kernel.has(name, |kind| matches!(kind, Kind::Variable { .. }))),
            What::Address => ("kernel symbol", patient.kernel.symbols.all().ok().map(|symbols| symbols.contains_key(name))),
            What::Setting(_) => continue,
        };
        let weak = patient.calls.weak.contains(name);
        let users =
            patient.programs.iter().filter(|program| program.reached(&patient.calls).any(|function| function.externs.contains(name)));
        let users = list(users.map(|program| program.name.as_str()));
        let users = if users.is_empty() { "no program".to_owned() } else { users };
        let what = format!("{kind} {name}");
        checks.push(match (has, weak) {
            (Some(true), _) => {
                there.push(name);
                continue;
            }
            (Some(false), true) => {
                let todo = "it is weak: its address is 0 here, and programs must ask for it (bpf_ksym_exists) before they use it";
                check::missing(what, false, format!("not in this kernel; used by {users}"), todo)
            }
            (Some(false), false) => {
                let todo = "libbpf does not load the object: declare it __weak and ask for it, or run a kernel that has it";
                check::missing(what, true, format!("not in this kernel, nor in a module that is loaded; used by {users}"), todo)
            }
            (None, _) if what.starts_with("kernel symbol") => check::untold(what, "/proc/kallsyms cannot be read", "run this as root"),
            (None, _) => check::untold(what, "the kernel's BTF cannot be read", "look at the kernel BTF above"),
        });
    }
    if !there.is_empty() {
        checks.insert(0, check::found("functions and variables of the kernel", list(there.into_iter())));
    }
    checks.extend(examine_settings(patient));
    checks
}

/// What a variable of this type can hold, `find_kcfg_type`; that others cannot hold anything is found when the object is checked.
fn holds(btf: &Btf, id: TypeId) -> Option<Holds> {
    match btf.resolve(id).1.kind {
        Kind::Int { bool: true, .. } => Some(Holds::Switch),
        Kind::Int { size, signed, .. } => Some(Holds::Number { size, signed }),
        Kind::Enum { .. } => Some(Holds::Tristate),
        Kind::Array { .. } => Some(Holds::Text),
        _ => None,
    }
}

/// libbpf reads the configuration where an object asks for a part of it, and refuses the object where it cannot.
fn examine_settings(patient: &Patient<'_>) -> Vec<Check> {
    const WHAT: &str = "kernel configuration";
    let btf = &patient.checked.layouts.btf;
    let settings: Vec<Setting<'_>> = externs(btf)
        .filter_map(|(name, what)| match what {
            What::Setting(ty) if name.starts_with("CONFIG_") => {
                Some(Setting { name, weak: patient.calls.weak.contains(name), holds: holds(btf, ty) })
            }
            _ => None,
        })
        .collect();
    if settings.is_empty() {
        return Vec::new();
    }
    let wanted = list(settings.iter().map(|setting| setting.name));
    match configuration::settings(&settings) {
        Finding::There(place) => vec![check::found(WHAT, format!("{}; for {wanted}", place.unwrap_or_default()))],
        Finding::Missing(why, todo) => vec![check::missing(WHAT, true, format!("{why}; for {wanted}"), todo)],
        Finding::Untold(why, todo) => vec![check::untold(WHAT, why, todo)],
    }
}
