//! Checks the externs of an object: kernel functions and variables (`.ksyms`), and kernel
//! configuration (`.kconfig`).

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

/// The kind of an extern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extern {
    /// A function that programs call.
    Function,
    /// A kernel variable with its type.
    Variable,
    /// An address without a type.
    Address,
    /// A configuration option, with the type of its declaration.
    Setting(TypeId),
}

/// Returns the names that the object does not define.
fn externs(btf: &Btf) -> impl Iterator<Item = (&str, Extern)> {
    let slots = btf.iter().filter_map(|(_, section)| match &section.kind {
        Kind::Section { variables } if matches!(section.name.as_str(), ".ksyms" | ".kconfig") => {
            Some((section, variables))
        }
        _ => None,
    });
    slots.flat_map(|(section, slots)| slots.iter().map(move |slot| (section, slot))).filter_map(
        |(section, slot)| {
            let ty = btf.get(slot.variable);
            let what = match ty.kind {
                Kind::Function => Extern::Function,
                Kind::Variable { linkage: Linkage::Extern, ty } if section.name == ".kconfig" => {
                    Extern::Setting(ty)
                }
                Kind::Variable { linkage: Linkage::Extern, ty }
                    if btf.resolve(ty).1.kind == Kind::Void =>
                {
                    Extern::Address
                }
                Kind::Variable { linkage: Linkage::Extern, .. } => Extern::Variable,
                _ => return None,
            };
            Some((ty.name.as_str(), what))
        },
    )
}

/// Returns whether any extern is looked up in the kernel's types.
pub(super) fn typed(checked: &Checked) -> bool {
    externs(&checked.layouts.btf)
        .any(|(_, what)| matches!(what, Extern::Function | Extern::Variable))
}

/// Returns the externs by which programs find out what the kernel has: configuration options, and
/// weak symbols.
pub(super) fn questions<'a>(checked: &'a Checked, calls: &Calls) -> HashSet<&'a str> {
    let questions = externs(&checked.layouts.btf)
        .filter(|(name, what)| matches!(what, Extern::Setting(_)) || calls.weak.contains(*name));
    questions.map(|(name, _)| name).collect()
}

/// Returns one check for all functions and variables that are found, one for each that is not, and
/// one for the configuration.
pub(super) fn examine(patient: &Patient<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut there = Vec::new();
    for (name, what) in externs(&patient.checked.layouts.btf) {
        let essential = crate::object::essential(name);
        let (kind, has) = match what {
            Extern::Function => {
                ("kfunc", patient.kernel.has(essential, |kind| *kind == Kind::Function))
            }
            Extern::Variable => (
                "kernel variable",
                patient.kernel.has(name, |kind| matches!(kind, Kind::Variable { .. })),
            ),
            Extern::Address => (
                "kernel symbol",
                patient.kernel.symbols.all().ok().map(|symbols| symbols.contains_key(name)),
            ),
            Extern::Setting(_) => continue,
        };
        let weak = patient.calls.weak.contains(name);
        let users = patient.programs.iter().filter(|program| {
            program.reached(&patient.calls).any(|function| function.externs.contains(name))
        });
        let users = list(users.map(|program| program.name.as_str()));
        let users = if users.is_empty() { "no program".to_owned() } else { users };
        let what = format!("{kind} {name}");
        checks.push(match (has, weak) {
            (Some(true), _) => {
                there.push(name);
                continue;
            }
            (Some(false), true) => {
                let todo = "it is weak, so its address is 0 here; programs must check bpf_ksym_exists before they use it";
                check::missing(what, false, format!("not in this kernel; used by {users}"), todo)
            }
            (Some(false), false) => {
                let todo = "libbpf does not load the object: declare it __weak and check bpf_ksym_exists, or run a kernel that has it";
                check::missing(what, true, format!("not in this kernel or in a loaded module; used by {users}"), todo)
            }
            (None, _) if what.starts_with("kernel symbol") => check::untold(what, "cannot read /proc/kallsyms", "run this as root"),
            (None, _) => check::untold(what, "cannot read the kernel's BTF", "see `kernel BTF` above"),
        });
    }
    if !there.is_empty() {
        checks.insert(0, check::found("kernel functions and variables", list(there.into_iter())));
    }
    checks.extend(examine_settings(patient));
    checks
}

/// Returns what a variable of this type can hold, as `find_kcfg_type`; checking the object rejects
/// all other types.
fn holds(btf: &Btf, id: TypeId) -> Option<Holds> {
    match btf.resolve(id).1.kind {
        Kind::Int { bool: true, .. } => Some(Holds::Switch),
        Kind::Int { size, signed, .. } => Some(Holds::Number { size, signed }),
        Kind::Enum { .. } => Some(Holds::Tristate),
        Kind::Array { .. } => Some(Holds::Text),
        _ => None,
    }
}

/// Checks the configuration. libbpf reads it if an object uses any option, and refuses the object
/// if it cannot.
fn examine_settings(patient: &Patient<'_>) -> Vec<Check> {
    const WHAT: &str = "kernel configuration";
    let btf = &patient.checked.layouts.btf;
    let settings: Vec<Setting<'_>> = externs(btf)
        .filter_map(|(name, what)| match what {
            Extern::Setting(ty) if name.starts_with("CONFIG_") => Some(Setting {
                name,
                weak: patient.calls.weak.contains(name),
                holds: holds(btf, ty),
            }),
            _ => None,
        })
        .collect();
    if settings.is_empty() {
        return Vec::new();
    }
    let names = list(settings.iter().map(|setting| setting.name));
    match configuration::settings(&settings) {
        Finding::There(place) => {
            vec![check::found(WHAT, format!("{}; for {names}", place.unwrap_or_default()))]
        }
        Finding::Missing(why, todo) => {
            vec![check::missing(WHAT, true, format!("{why}; for {names}"), todo)]
        }
        Finding::Untold(why, todo) => vec![check::untold(WHAT, why, todo)],
    }
}
