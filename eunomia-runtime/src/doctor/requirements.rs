//! Checks what sections of programs and struct_ops maps require beyond their types.

use std::{collections::BTreeMap, fs, io};

use super::{Kernel, Patient, Program, check, list, targets::Places};
use crate::{
    bpf::Check,
    diagnosis::requirement::{Requirement, of_programs},
    host::running::enum_of,
    object::Kind,
};

/// Returns a check for each section that requires something which this kernel lacks. Probes through
/// perf events are checked with the targets (`targets`).
pub(super) fn examine(patient: &Patient<'_>, places: &Places<'_>) -> Vec<Check> {
    let mut sections = BTreeMap::<&str, (&Requirement, bool, Vec<&str>)>::new();
    for program in &patient.programs {
        if let Some(requirement) =
            of_programs(&program.section).filter(|requirement| !requirement.is_of_events())
        {
            let (_, required, names) =
                sections.entry(requirement.section).or_insert((requirement, false, Vec::new()));
            *required |= if requirement.is_of_attaching() {
                program.attached && places.must_be()
            } else {
                program.autoload
            };
            names.push(&program.name);
        }
    }
    let checks = sections.into_values().filter_map(|(requirement, required, names)| {
        let users = format!("programs {}", list(names.into_iter()));
        lacking(patient.kernel, requirement, required, &users)
    });
    // Programs that are not attached are named only if no attached program has the requirement.
    let [attached, others] = [true, false].map(|attached| {
        patient.programs.iter().filter(move |program| program.attached == attached)
    });
    let modules = security_module(attached.map(named), true)
        .or_else(|| security_module(others.map(named), false));
    checks.chain(modules).collect()
}

/// Returns whether programs of a section cannot be attached on this kernel, whatever the target.
pub(super) fn keep_from_attaching(kernel: &Kernel, section: &str) -> bool {
    let requirement = of_programs(section)
        .filter(|requirement| !requirement.is_of_events() && requirement.is_of_attaching());
    requirement.is_some_and(|requirement| lacking(kernel, requirement, true, "").is_some())
}

/// Returns the section and the name of a program.
fn named(program: &Program) -> (&str, &str) {
    (&program.section, &program.name)
}

/// Checks the BPF security module for the LSM programs among `programs`, given by section and name;
/// `None` if there are none. If the module is not active, they are attached and never run.
fn security_module<'a>(
    programs: impl Iterator<Item = (&'a str, &'a str)>,
    required: bool,
) -> Option<Check> {
    by_active_modules(active_modules, programs, required)
}

/// Reads the active security modules, separated by commas.
pub(crate) fn active_modules() -> io::Result<String> {
    fs::read_to_string(ACTIVE)
}

/// The same as [`security_module`], for the active modules that `active` reads.
pub(crate) fn by_active_modules<'a>(
    active: impl FnOnce() -> io::Result<String>,
    programs: impl Iterator<Item = (&'a str, &'a str)>,
    required: bool,
) -> Option<Check> {
    let on_hook =
        |section: &str| matches!(section.split('/').next(), Some("lsm" | "lsm.s" | "lsm_cgroup"));
    let names: Vec<&str> = programs
        .filter(|(section, _)| on_hook(section.trim_start_matches('?')))
        .map(|(_, name)| name)
        .collect();
    (!names.is_empty()).then(|| of_users(active(), &list(names.into_iter()), required))
}

const ACTIVE: &str = "/sys/kernel/security/lsm";

fn of_users(active: io::Result<String>, users: &str, required: bool) -> Check {
    let what = "security module bpf";
    match active {
        Ok(active) if active.trim().split(',').any(|module| module == "bpf") => {
            check::found(what, format!("active; used by {users}"))
        }
        Ok(active) => {
            let found = format!(
                "not among the active modules ({}), so programs would never run; used by {users}",
                active.trim()
            );
            check::missing(what, required, found, "boot with lsm=..,bpf")
        }
        Err(error) => check::untold(
            what,
            format!("{ACTIVE}: {error}; used by {users}"),
            "`mount -t securityfs securityfs /sys/kernel/security`",
        ),
    }
}

/// Returns the check of a requirement that is not met.
pub(super) fn lacking(
    kernel: &Kernel,
    requirement: &Requirement,
    required: bool,
    users: &str,
) -> Option<Check> {
    let what = format!("section {}", requirement.section);
    let too_old = match requirement.constant.map(|name| has_constant(kernel, name)) {
        Some(Some(there)) => !there && requirement.is_before(),
        // Without the kernel's types only the version is known.
        Some(None) | None => requirement.is_before(),
    };
    let (found, todo) = if too_old {
        (requirement.too_old(), "run a newer kernel, or leave out what needs it")
    } else {
        (requirement.unset()?, "run another kernel, or leave out what needs it")
    };
    Some(check::missing(what, required, format!("{found}; {users}"), todo))
}

/// Returns whether the kernel has a constant of its user space API. `None` if its types cannot be
/// read.
fn has_constant(kernel: &Kernel, name: &str) -> Option<bool> {
    kernel.has(enum_of(name), |kind| matches!(kind, Kind::Enum { values, .. } if values.iter().any(|(known, _)| known == name)))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{of_users, security_module};

    #[test]
    fn lsm_programs_need_the_active_module() {
        let of = |active: &str| of_users(Ok(active.to_owned()), "hook", true);
        assert!(of("lockdown,capability,bpf\n").ok);
        let missing = of("lockdown,capability,bpfx\n");
        let found = "not among the active modules (lockdown,capability,bpfx), so programs would never run; used by hook";
        assert_eq!(
            (missing.ok, missing.required, missing.found.as_str(), &*missing.todo),
            (false, true, found, "boot with lsm=..,bpf")
        );
        let untold = of_users(Err(io::ErrorKind::NotFound.into()), "hook", true);
        assert!(
            !untold.ok
                && !untold.required
                && untold.found.starts_with("unknown: /sys/kernel/security/lsm: "),
            "{}",
            untold.found
        );
        assert!(
            security_module([("lsmx/file_open", "a"), ("tp_btf/x", "b")].into_iter(), true)
                .is_none()
        );
        let users = security_module(
            [("?lsm.s/file_open", "a"), ("xdp", "b"), ("lsm_cgroup/x", "c")].into_iter(),
            true,
        )
        .unwrap();
        assert!(users.found.ends_with("; used by a, c"), "{}", users.found);
    }
}
