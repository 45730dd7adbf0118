//! Checks what sections of programs and struct_ops maps require beyond their types.

use std::{collections::BTreeMap, fs};

use super::{Kernel, Patient, check, list, targets::Places};
use crate::{
    bpf::Check,
    diagnosis::{
        requirement::{Requirement, of_programs},
        running::enum_of,
    },
    object::Kind,
};

/// Returns a check for each section that requires something which this kernel lacks. Probes through
/// perf events are checked with the targets (`targets`).
pub(super) fn examine(patient: &Patient<'_>, places: &Places<'_>) -> Vec<Check> {
    let mut sections = BTreeMap::<&str, (&Requirement, bool, Vec<&str>)>::new();
    for program in &patient.programs {
        if let Some(requirement) = of_programs(&program.section).filter(|requirement| !requirement.is_of_events()) {
            let (_, required, names) = sections.entry(requirement.section).or_insert((requirement, false, Vec::new()));
            *required |= if requirement.is_of_attaching() { program.attached && places.must_be() } else { program.autoload };
            names.push(&program.name);
        }
    }
    let checks = sections.into_values().filter_map(|(requirement, required, names)| {
        let users = format!("programs {}", list(names.into_iter()));
        lacking(patient.kernel, requirement, required, &users)
    });
    checks.chain(security_module(patient)).collect()
}

/// Returns whether programs of a section cannot be attached on this kernel, whatever the target.
pub(super) fn keep_from_attaching(kernel: &Kernel, section: &str) -> bool {
    let requirement = of_programs(section).filter(|requirement| !requirement.is_of_events() && requirement.is_of_attaching());
    requirement.is_some_and(|requirement| lacking(kernel, requirement, true, "").is_some())
}

/// Checks the BPF security module: if it is not active, LSM programs are attached and never run.
fn security_module(patient: &Patient<'_>) -> Option<Check> {
    const ACTIVE: &str = "/sys/kernel/security/lsm";
    let programs =
        patient.programs.iter().filter(|program| matches!(program.section.split('/').next(), Some("lsm" | "lsm.s" | "lsm_cgroup")));
    let names = list(programs.clone().map(|program| program.name.as_str()));
    let required = programs.clone().any(|program| program.attached);
    programs.clone().next()?;
    let what = "security module bpf";
    Some(match fs::read_to_string(ACTIVE) {
        Ok(active) if is_active(&active) => check::found(what, format!("active; used by {names}")),
        Ok(active) => {
            let found = format!("not among the active modules ({}), so programs would never run; used by {names}", active.trim());
            check::missing(what, required, found, "boot with lsm=..,bpf")
        }
        Err(error) => {
            check::untold(what, format!("{ACTIVE}: {error}; used by {names}"), "`mount -t securityfs securityfs /sys/kernel/security`")
        }
    })
}

fn is_active(modules: &str) -> bool {
    modules.trim().split(',').any(|module| module == "bpf")
}

/// Returns the check of a requirement that is not met.
pub(super) fn lacking(kernel: &Kernel, requirement: &Requirement, required: bool, users: &str) -> Option<Check> {
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
    use super::is_active;

    #[test]
    fn bpf_is_found_among_active_modules() {
        assert!(is_active("lockdown,capability,bpf\n"));
        assert!(!is_active("lockdown,capability,yama"));
        assert!(!is_active("bpfx"));
    }
}
