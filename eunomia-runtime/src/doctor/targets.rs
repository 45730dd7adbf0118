//! What programs are attached to.

use std::{collections::BTreeMap, path::Path};

use libbpf_rs::ProgramType;

use super::{Patient, Program, check, list};
use crate::{
    Hint,
    bpf::{Check, name_of, preflight::EVENTS},
    diagnosis::{
        interface,
        place::{Finding, Place},
        section::says,
    },
    hint::Advice,
    object::{Hook, Target},
};

/// A check for each program whose section or document says what it is attached to.
pub(super) fn examine(patient: &Patient<'_>) -> Vec<Check> {
    let mut checks = mechanisms(patient);
    let mut sections = BTreeMap::<(&str, u32), Vec<&Program>>::new();
    patient.programs.iter().for_each(|program| sections.entry((&program.section, program.ty as u32)).or_default().push(program));
    let mut found: Vec<Found> = sections
        .into_iter()
        .map(|((section, ty), programs)| target(patient, section, ProgramType::from(ty), &Users::of(&programs)))
        .collect();
    let can = |found: &Found| found.attached && found.checks.iter().all(|check| check.ok || !check.required);
    // A place that is missing keeps its own programs from being attached, and not the others.
    if !patient.strict && found.iter().any(can) {
        let of_attaching = found.iter_mut().filter(|found| !found.of_loading).flat_map(|found| &mut found.checks);
        of_attaching.filter(|check| !check.ok).for_each(|check| check.required = false);
    }
    let nothing = (!patient.strict && !found.iter().any(|found| found.attached)).then(|| nothing_is_attached(patient)).flatten();
    checks.extend(found.into_iter().flat_map(|found| found.checks));
    checks.extend(nothing);
    let setup = patient.checked.setup(&patient.checked.skeleton.name);
    checks.extend(setup.iter().flat_map(|setup| &setup.targets).map(|target| on_interface(patient, target)));
    checks
}

/// What was found out about the target of the programs of a section.
struct Found {
    checks: Vec<Check>,
    /// Whether the verifier looks at the place.
    of_loading: bool,
    /// Whether one of them is attached with all others.
    attached: bool,
}

/// That no program has a target, if some want one.
fn nothing_is_attached(patient: &Patient<'_>) -> Option<Check> {
    let mut wanting = patient.programs.iter().filter(|program| program.autoload && program.link);
    let program = &wanting.find(|program| says(&program.section, program.ty).wants.is_some())?.name;
    Some(check::missing("attaching", true, "no program says what to attach it to, and none is given a target", Advice::Target { program }))
}

/// The programs of one section.
struct Users<'a> {
    names: String,
    programs: Vec<&'a str>,
    /// Whether one of them is loaded, and so needs its target.
    loaded: bool,
    /// Whether one of them is to be attached with all others.
    linked: bool,
    /// Whether one of them is attached with all others.
    attached: bool,
}

impl<'a> Users<'a> {
    fn of(programs: &[&'a Program]) -> Self {
        Self {
            programs: programs.iter().map(|program| program.name.as_str()).collect(),
            names: list(programs.iter().map(|program| program.name.as_str())),
            loaded: programs.iter().any(|program| program.autoload),
            linked: programs.iter().any(|program| program.autoload && program.link),
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

/// The first part of a section's name.
fn kind(program: &Program) -> &str {
    program.section.split_once('/').map_or(program.section.as_str(), |(kind, _)| kind)
}

/// The target of the programs of a section, if it names one, and what they are to be given if it does not.
fn target(patient: &Patient<'_>, section: &str, ty: ProgramType, users: &Users<'_>) -> Found {
    let said = says(section, ty);
    // The place of a raw tracepoint is asked for when the program is attached, but for `tp_btf`.
    let of_loading = said.place.is_some_and(|place: Place<'_>| place.is_of_types() && !section.starts_with("raw_"));
    let required = if of_loading { users.loaded } else { users.attached };
    let place = said.place.map(|place| {
        let what = place.to_string();
        match place.find(patient.kernel) {
            Finding::There(None) => check::found(what, users.names.as_str()),
            Finding::There(Some(file)) => check::found(what, format!("{file}; used by {}", users.names)),
            Finding::Missing(why, todo) => {
                let todo = leave_out(users, todo);
                check::missing(what, required, format!("{why}; used by {}", users.names), todo)
            }
            Finding::Untold(why, todo) => check::untold(what, format!("{why}; used by {}", users.names), todo),
        }
    });
    let wanted = said.wants.and_then(|wants| {
        let programs: Vec<&str> = users.programs.iter().copied().filter(|program| !patient.targets.contains(*program)).collect();
        let (first, what) = (*programs.first()?, format!("target of {}", list(programs.iter().copied())));
        if said.to_load {
            let found = format!("the section `{section}` does not name {wants}, which the verifier asks for");
            Some(check::missing(what, users.loaded, found, Advice::TargetToLoad { program: first }))
        } else if users.linked {
            let found = format!("the section `{section}` does not name {wants}: the program is not attached with the others");
            Some(check::missing(what, false, found, Advice::Target { program: first }))
        } else {
            None
        }
    });
    Found { checks: place.into_iter().chain(wanted).collect(), of_loading, attached: users.attached }
}

/// What to do, or else to leave the programs out.
fn leave_out(users: &Users<'_>, todo: Hint) -> Hint {
    let or = if todo.ends_with('?') { " Else " } else { "; else " };
    match &users.programs[..] {
        [program] => Hint::from(Advice::Without { program }).after(format_args!("{todo}{or}")),
        _ => Hint::from(Advice::WithoutPrograms).after(format_args!("{todo}{or}")),
    }
}

/// The interface that the document gives.
fn on_interface(patient: &Patient<'_>, target: &Target<'_>) -> Check {
    let hook = match target.hook {
        Hook::Xdp(_) => "XDP",
        Hook::Tc { .. } => "tc",
    };
    let what = format!("{hook} interface {}", target.interface);
    let used = format!("used by {}", target.program);
    let required = patient.programs.iter().any(|program| program.name == target.program && program.attached);
    match name_of(target.interface) {
        Ok(name) => match interface::taken(target.interface).filter(|_| matches!(target.hook, Hook::Xdp(_))) {
            Some((why, todo)) => check::missing(what, required, format!("{name}: {why}; {used}"), todo),
            None => check::found(what, format!("{name}; {used}")),
        },
        Err(_) => {
            let (why, todo) = interface::absent(&target.interface.to_string());
            check::missing(what, required, format!("{why}; {used}"), todo)
        }
    }
}
