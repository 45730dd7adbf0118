//! What programs are attached to.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::{Patient, Program, binary, check, list};
use crate::{
    bpf::{
        Check, name_of,
        preflight::{EVENTS, tracefs},
    },
    object::{Hook, Kind, Target},
};

/// A check for each program whose section or document says what it is attached to.
pub(super) fn examine(patient: &Patient<'_>) -> Vec<Check> {
    let mut checks = mechanisms(patient);
    let mut sections = BTreeMap::<&str, Vec<&Program>>::new();
    patient.programs.iter().for_each(|program| sections.entry(&program.section).or_default().push(program));
    let mut found: Vec<_> =
        sections.into_iter().map(|(section, programs)| (target(patient, section, &Users::of(&programs)), section, programs)).collect();
    let can = |check: &Option<Check>| check.as_ref().is_none_or(|check| check.ok || !check.required);
    // A place that is missing keeps its own programs from being attached, and not the others.
    if !patient.strict && found.iter().any(|(check, _, programs)| can(check) && programs.iter().any(|program| program.attached)) {
        let of_attaching = found.iter_mut().filter(|(_, section, _)| !is_needed_to_load(section));
        of_attaching.filter_map(|(check, ..)| check.as_mut()).filter(|check| !check.ok).for_each(|check| check.required = false);
    }
    checks.extend(found.into_iter().filter_map(|(check, ..)| check));
    let setup = patient.checked.setup(&patient.checked.skeleton.name);
    checks.extend(setup.iter().flat_map(|setup| &setup.targets).map(|target| interface(patient, target)));
    checks
}

/// The programs of one section.
struct Users {
    names: String,
    /// Whether one of them is loaded, and so needs its target.
    loaded: bool,
    /// Whether one of them is attached with all others.
    attached: bool,
}

impl Users {
    fn of(programs: &[&Program]) -> Self {
        Self {
            names: list(programs.iter().map(|program| program.name.as_str())),
            loaded: programs.iter().any(|program| program.autoload),
            attached: programs.iter().any(|program| program.attached),
        }
    }
}

/// What a kind of probes needs of the kernel, whatever the target.
fn mechanisms(patient: &Patient<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    let any = |kinds: &[&str]| {
        let mut of_kind = patient.programs.iter().filter(|program| kinds.contains(&kind(program))).peekable();
        of_kind.peek().is_some().then(|| of_kind.any(|program| program.attached && program.section.contains('/')))
    };
    for (name, option, kinds) in [
        ("kprobe", "CONFIG_KPROBE_EVENTS", &["kprobe", "kretprobe", "ksyscall", "kretsyscall"][..]),
        ("uprobe", "CONFIG_UPROBE_EVENTS", &["uprobe", "uretprobe", "uprobe.s", "uretprobe.s", "usdt", "usdt.s"][..]),
    ] {
        let Some(required) = any(kinds) else { continue };
        // Programs of other kinds run without.
        let alone = || patient.programs.iter().filter(|program| program.attached).all(|program| kinds.contains(&kind(program)));
        let required = required && (patient.strict || alone());
        let unit = format!("/sys/bus/event_source/devices/{name}");
        let events = EVENTS.iter().map(|events| events.replace("/events", &format!("/{name}_events")));
        let place = std::iter::once(unit.clone()).chain(events).find(|place| Path::new(place).exists());
        checks.push(match place {
            Some(place) => check::found(format!("{name}s"), place),
            None => {
                let todo = format!("the kernel needs {option}; programs on tracepoints or fentry may do in place of probes");
                check::missing(format!("{name}s"), required, format!("this kernel has none: {unit} is missing"), todo)
            }
        });
    }
    checks
}

/// Whether the verifier looks at the place that a section names.
fn is_needed_to_load(section: &str) -> bool {
    let kind = section.split(['/', '.']).next().unwrap_or_default();
    matches!(kind, "tp_btf" | "fentry" | "fexit" | "fmod_ret" | "fsession" | "lsm" | "lsm_cgroup" | "iter")
}

/// The first part of a section's name.
fn kind(program: &Program) -> &str {
    program.section.split_once('/').map_or(program.section.as_str(), |(kind, _)| kind)
}

/// The target of the programs of a section, where it names one.
fn target(patient: &Patient<'_>, section: &str, users: &Users) -> Option<Check> {
    let (kind, target) = section.split_once('/')?;
    let function = |kind: &Kind| *kind == Kind::Function;
    let typedef = |kind: &Kind| matches!(kind, Kind::Typedef { .. });
    Some(match kind {
        "tp" | "tracepoint" => tracepoint(users, target),
        "raw_tp" | "raw_tracepoint" | "raw_tp.w" | "raw_tracepoint.w" => {
            let what = format!("raw tracepoint {target}");
            in_types(patient, users, what, &format!("btf_trace_{target}"), typedef, users.attached)
        }
        "tp_btf" => {
            let what = format!("raw tracepoint {target}");
            in_types(patient, users, what, &format!("btf_trace_{target}"), typedef, users.loaded)
        }
        "kprobe" | "kretprobe" => symbols(patient, users, "kernel function", target, |name| name == until(target, '+')),
        "kprobe.multi" | "kretprobe.multi" | "kprobe.session" => {
            symbols(patient, users, "kernel functions", target, |name| matches_pattern(name, target))
        }
        "ksyscall" | "kretsyscall" => {
            let names =
                ["__x64_sys_", "__arm64_sys_", "__riscv_sys_", "__s390x_sys_", "__se_sys_"].map(|prefix| format!("{prefix}{target}"));
            symbols(patient, users, "system call", target, |name| names.iter().any(|known| known == name))
        }
        "fentry" | "fexit" | "fmod_ret" | "fsession" | "fentry.s" | "fexit.s" | "fmod_ret.s" | "fsession.s" => {
            // A module may stand before the function.
            let name = target.split_once(':').map_or(target, |(_, name)| name);
            in_types(patient, users, format!("kernel function {target}"), name, function, users.loaded)
        }
        "lsm" | "lsm.s" | "lsm_cgroup" => {
            in_types(patient, users, format!("LSM hook {target}"), &format!("bpf_lsm_{target}"), function, users.loaded)
        }
        "iter" | "iter.s" => in_types(patient, users, format!("iterator {target}"), &format!("bpf_iter_{target}"), function, users.loaded),
        "uprobe" | "uretprobe" | "uprobe.s" | "uretprobe.s" | "uprobe.multi" | "uretprobe.multi" | "uprobe.session" | "uprobe.multi.s"
        | "uretprobe.multi.s" | "uprobe.session.s" => {
            let Some((path, function)) = target.split_once(':') else {
                let found = format!("the section names no function; used by {}", users.names);
                return Some(check::missing(format!("function of {target}"), users.attached, found, "name it: `uprobe/<file>:<function>`"));
            };
            let function = until(function, '+');
            let pattern = kind.contains("multi") || kind.contains("session");
            let is = |name: &str| name == function || (pattern && matches_pattern(name, function));
            let what = format!("function {function} of {path}");
            answer(users, what, binary::function(path, function, is))
        }
        "usdt" | "usdt.s" => {
            let mut parts = target.split(':');
            let (path, provider, probe) = (parts.next()?, parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            answer(users, format!("static probe {provider}:{probe} of {path}"), binary::probe(path, provider, probe))
        }
        _ => return None,
    })
}

/// What stands before a letter.
fn until(text: &str, end: char) -> &str {
    text.split_once(end).map_or(text, |(before, _)| before)
}

const OTHER_TARGET: &str = "name a target that this kernel has in the section of the program, or switch it off";

/// A tracepoint has a folder.
fn tracepoint(users: &Users, target: &str) -> Check {
    let what = format!("tracepoint {target}");
    let root = tracefs();
    if !root.ok {
        return match root.found.contains("not readable") {
            true => check::untold(what, format!("tracefs is {}; used by {}", root.found, users.names), root.todo),
            false => check::missing(what, users.attached, format!("tracefs is {}; used by {}", root.found, users.names), root.todo),
        };
    }
    let place = Path::new(&root.found).join(target).join("id");
    match fs::metadata(&place) {
        Ok(_) => check::found(what, users.names.as_str()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            check::untold(what, format!("{}: {error}; used by {}", place.display(), users.names), "run this as root")
        }
        Err(_) => {
            let found = format!("not in {}; used by {}", root.found, users.names);
            check::missing(what, users.attached, found, OTHER_TARGET)
        }
    }
}

/// A target that has a type in the kernel.
fn in_types(patient: &Patient<'_>, users: &Users, what: String, name: &str, is: impl Fn(&Kind) -> bool, required: bool) -> Check {
    match patient.kernel.has(name, is) {
        Some(true) => check::found(what, users.names.as_str()),
        Some(false) => check::missing(what, required, format!("not in the kernel's BTF; used by {}", users.names), OTHER_TARGET),
        None => check::untold(what, format!("the kernel's BTF cannot be read; used by {}", users.names), "look at the kernel BTF above"),
    }
}

/// A target that is a symbol of the kernel.
fn symbols(patient: &Patient<'_>, users: &Users, kind: &str, target: &str, is: impl Fn(&str) -> bool) -> Check {
    let what = format!("{kind} {target}");
    match patient.kernel.symbols() {
        Ok(symbols) if symbols.iter().any(|name| is(name)) => check::found(what, users.names.as_str()),
        Ok(_) => {
            let found = format!("not in /proc/kallsyms; used by {}", users.names);
            check::missing(what, users.attached, found, OTHER_TARGET)
        }
        Err(error) => check::untold(what, format!("/proc/kallsyms: {error}; used by {}", users.names), "run this as root"),
    }
}

/// A target in a file.
fn answer(users: &Users, what: String, found: binary::Answer) -> Check {
    match found {
        binary::Answer::There(path) => check::found(what, format!("{path}; used by {}", users.names)),
        binary::Answer::Missing(why) => {
            let todo = "install the file, or name another in the section of the program";
            check::missing(what, users.attached, format!("{why}; used by {}", users.names), todo)
        }
        binary::Answer::Untold(why) => check::untold(what, format!("{why}; used by {}", users.names), "attach the programs to find out"),
    }
}

/// The interface that the document gives.
fn interface(patient: &Patient<'_>, target: &Target<'_>) -> Check {
    let hook = match target.hook {
        Hook::Xdp(_) => "XDP",
        Hook::Tc { .. } => "tc",
    };
    let what = format!("{hook} interface {}", target.interface);
    match name_of(target.interface) {
        Ok(name) => check::found(what, format!("{name}; used by {}", target.program)),
        Err(error) => {
            let required = patient.programs.iter().any(|program| program.name == target.program && program.attached);
            let found = format!("{error}; used by {}", target.program);
            check::missing(what, required, found, "give the number of an interface that `ip link` lists")
        }
    }
}

/// Whether a name is one of a pattern with `*` and `?`, as libbpf has it.
fn matches_pattern(name: &str, pattern: &str) -> bool {
    let (name, pattern) = (name.as_bytes(), pattern.as_bytes());
    // Where to go on after a mismatch: behind the last star, with one letter more under it.
    let (mut at, mut in_pattern, mut star) = (0, 0, None);
    while let Some(letter) = name.get(at) {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                star = Some((in_pattern, at));
                in_pattern += 1;
            }
            Some(known) if known == letter || *known == b'?' => (at, in_pattern) = (at + 1, in_pattern + 1),
            _ => match star {
                Some((behind, from)) => {
                    star = Some((behind, from + 1));
                    (at, in_pattern) = (from + 1, behind + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(in_pattern..).is_some_and(|rest| rest.iter().all(|letter| *letter == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (name, pattern) in [("vfs_read", "vfs_*"), ("vfs_read", "*read"), ("a", "?"), ("abcabd", "*ab?"), ("x", "x**"), ("", "*")] {
            assert!(matches_pattern(name, pattern), "{name} {pattern}");
        }
        for (name, pattern) in [("vfs_read", "vfs"), ("vfs_read", "*write"), ("", "?"), ("abc", "*b"), ("x", "")] {
            assert!(!matches_pattern(name, pattern), "{name} {pattern}");
        }
    }
}
