//! Checks what programs are attached to.

use std::{borrow::Cow, collections::BTreeMap, fs, iter, path::Path};

use libbpf_rs::{OpenObject, ProgramType};

use super::{Kernel, Patient, Program, check, list, requirements::keep_from_attaching};
use crate::{
    Hint,
    bpf::{Check, Interface, Target},
    diagnosis::{
        interface,
        map::unattachable,
        place::{Finding, Place},
        preflight::EVENTS,
        section::says,
    },
    host::{Advice, interface::name_of, mount::OF_CGROUPS},
    object::Kind,
};

/// The targets of all programs: those that their sections name, and those that they were given.
pub(super) struct Places<'a> {
    found: Vec<Found<'a>>,
    /// The mechanisms of probes.
    mechanisms: Vec<Mechanism>,
    /// True if every target is required: no program can be attached, or none may be left out.
    must_be: bool,
}

/// The checks of the target that some programs share.
struct Found<'a> {
    section: Cow<'a, str>,
    programs: Vec<&'a Program>,
    checks: Vec<Check>,
    /// True if the verifier looks at the target.
    of_loading: bool,
}

impl Found<'_> {
    /// Returns whether `attach` attaches any of the programs.
    fn is_attached(&self) -> bool {
        self.programs.iter().any(|program| program.attached)
    }

    /// Returns the first part of the section name.
    fn kind(&self) -> &str {
        self.section.split('/').next().unwrap_or_default()
    }
}

/// The requirements of one kind of probe, whatever its target.
struct Mechanism {
    name: &'static str,
    option: &'static str,
    kinds: &'static [&'static str],
    place: Option<String>,
}

impl<'a> Places<'a> {
    pub(super) fn of(patient: &'a Patient<'_>, object: &OpenObject) -> Self {
        let mut sections = BTreeMap::<(Cow<'_, str>, u32), Vec<&Program>>::new();
        let mut given = Vec::new();
        for program in &patient.programs {
            let ty = program.ty as u32;
            if program.targets.is_empty() {
                sections.entry((program.section.as_str().into(), ty)).or_default().push(program);
            }
            for target in &program.targets {
                match target.section(&program.section) {
                    Some(section) => {
                        sections.entry((section.into(), ty)).or_default().push(program)
                    }
                    None => given.push(Found {
                        section: "".into(),
                        programs: vec![program],
                        checks: given_target(patient.kernel, program, target, object)
                            .into_iter()
                            .collect(),
                        of_loading: false,
                    }),
                }
            }
        }
        let found = sections.into_iter().map(|((section, ty), programs)| {
            target(patient, section, ProgramType::from(ty), programs)
        });
        let mut places =
            Self { found: found.chain(given).collect(), mechanisms: mechanisms(), must_be: true };
        places.must_be = patient.strict
            || !places.found.iter().any(|found| places.can_attach(patient.kernel, found));
        places
    }

    /// Returns whether every target is required: no program can be attached, or none may be left
    /// out.
    pub(super) fn must_be(&self) -> bool {
        self.must_be
    }

    fn can_attach(&self, kernel: &Kernel, found: &Found<'_>) -> bool {
        let lacks = |mechanism: &Mechanism| {
            mechanism.place.is_none() && mechanism.kinds.contains(&found.kind())
        };
        found.is_attached()
            && found.checks.iter().all(|check| check.ok || !check.required)
            && !self.mechanisms.iter().any(lacks)
            && !keep_from_attaching(kernel, &found.section)
    }

    /// Returns a check for each program whose section or skeleton names its target.
    pub(super) fn into_checks(mut self, patient: &Patient<'_>) -> Vec<Check> {
        let mut checks: Vec<Check> = self
            .mechanisms
            .iter()
            .filter_map(|mechanism| self.mechanism_check(mechanism))
            .collect();
        // A missing target prevents only its own programs from being attached.
        if !self.must_be {
            let of_attaching = self
                .found
                .iter_mut()
                .filter(|found| !found.of_loading)
                .flat_map(|found| &mut found.checks);
            of_attaching.filter(|check| !check.ok).for_each(|check| check.required = false);
        }
        let nothing = (!patient.strict && !self.found.iter().any(Found::is_attached))
            .then(|| nothing_is_attached(patient))
            .flatten();
        checks.extend(self.found.into_iter().flat_map(|found| found.checks));
        checks.extend(nothing);
        checks
    }

    fn mechanism_check(&self, mechanism: &Mechanism) -> Option<Check> {
        let Mechanism { name, option, kinds, place } = mechanism;
        let mut of_kind =
            self.found.iter().filter(|found| kinds.contains(&found.kind())).peekable();
        of_kind.peek()?;
        Some(match place {
            Some(place) => check::found(format!("{name}s"), place),
            None => {
                let required = self.must_be && of_kind.any(Found::is_attached);
                let todo = format!(
                    "the kernel needs {option}; tracepoints or fentry may replace the probes"
                );
                let why = format!("not supported by this kernel: {} is missing", unit(name));
                check::missing(format!("{name}s"), required, why, todo)
            }
        })
    }
}

/// The prefix of the title of checks of programs whose section does not name their target.
pub(crate) const TARGET_OF: &str = "target of ";

/// Returns a check if no program has a target and some need one.
fn nothing_is_attached(patient: &Patient<'_>) -> Option<Check> {
    let mut wanting = patient.programs.iter().filter(|program| program.autoload && program.link);
    let program = &wanting.find(|program| says(&program.section, program.ty).wants.is_some())?.name;
    Some(check::missing(
        "attaching",
        true,
        "no program names its target, and none was given one",
        Advice::Target { program },
    ))
}

fn mechanisms() -> Vec<Mechanism> {
    let of = |name, option, kinds| {
        let events =
            EVENTS.iter().map(|events| events.replace("/events", &format!("/{name}_events")));
        let place = iter::once(unit(name)).chain(events).find(|place| Path::new(place).exists());
        Mechanism { name, option, kinds, place }
    };
    vec![
        of("kprobe", "CONFIG_KPROBE_EVENTS", &["kprobe", "kretprobe", "ksyscall", "kretsyscall"]),
        of(
            "uprobe",
            "CONFIG_UPROBE_EVENTS",
            &["uprobe", "uretprobe", "uprobe.s", "uretprobe.s", "usdt", "usdt.s"],
        ),
    ]
}

/// Returns the sysfs path of the perf event source of a kind of probe.
fn unit(name: &str) -> String {
    format!("/sys/bus/event_source/devices/{name}")
}

fn names(programs: &[&Program]) -> String {
    list(programs.iter().map(|program| program.name.as_str()))
}

/// Checks the target that a section names, or returns what its programs must be given.
fn target<'a>(
    patient: &Patient<'_>,
    section: Cow<'a, str>,
    ty: ProgramType,
    programs: Vec<&'a Program>,
) -> Found<'a> {
    let parsed = says(&section, ty);
    // The target of a raw tracepoint is only looked up when the program is attached; that of
    // `tp_btf` is looked up by the verifier.
    let of_loading = parsed
        .place
        .is_some_and(|place: Place<'_>| place.is_of_types() && !section.starts_with("raw_"));
    let required =
        programs.iter().any(|program| if of_loading { program.autoload } else { program.attached });
    let users = names(&programs);
    let place = parsed.place.map(|place| {
        let what = place.to_string();
        match place.find(patient.kernel) {
            Finding::There(None) => check::found(what, users.as_str()),
            Finding::There(Some(file)) => check::found(what, format!("{file}; used by {users}")),
            Finding::Missing(why, todo) => check::missing(
                what,
                required,
                format!("{why}; used by {users}"),
                leave_out(&programs, todo),
            ),
            Finding::Untold(why, todo) => {
                check::untold(what, format!("{why}; used by {users}"), todo)
            }
        }
    });
    let unnamed_target = parsed.wants.and_then(|wants| {
        let programs: Vec<&Program> = programs.iter().copied().filter(|program| program.targets.is_empty()).collect();
        let (first, what) = (&programs.first()?.name, format!("{TARGET_OF}{}", names(&programs)));
        if parsed.to_load {
            let found = format!("the section `{section}` does not name {wants}, which the verifier requires");
            let loaded = !patient.by_name && programs.iter().any(|program| program.autoload);
            Some(check::missing(what, loaded, found, Advice::TargetToLoad { program: first }))
        } else if programs.iter().any(|program| program.autoload && program.link) {
            let found = format!("the section `{section}` does not name {wants}: the program is not attached automatically");
            Some(check::missing(what, false, found, Advice::Target { program: first }))
        } else {
            None
        }
    });
    let checks = place.into_iter().chain(unnamed_target).collect();
    Found { section, programs, checks, of_loading }
}

/// Returns a hint to follow `todo`, or else to leave the programs out.
fn leave_out(programs: &[&Program], todo: Hint) -> Hint {
    let or = if todo.ends_with('?') { " Otherwise " } else { "; otherwise " };
    match programs {
        [program] => {
            Hint::from(Advice::Without { program: &program.name }).after(format_args!("{todo}{or}"))
        }
        _ => Hint::from(Advice::WithoutPrograms).after(format_args!("{todo}{or}")),
    }
}

/// Checks a target that a program was given, unless it is checked as a section.
fn given_target(
    kernel: &Kernel,
    program: &Program,
    target: &Target,
    object: &OpenObject,
) -> Option<Check> {
    let user = &program.name;
    let of = |what: String, missing: Option<(String, Hint)>, found: String| match missing {
        Some((why, todo)) => check::missing(
            what,
            program.attached,
            format!("{why}; used by {user}"),
            leave_out(&[program], todo),
        ),
        None => check::found(what, format!("{found}used by {user}")),
    };
    let on = |hook: &str, interface: &Interface, flags: u32| {
        let called = match interface {
            Interface::Index(index) => index.to_string(),
            Interface::Name(name) => name.clone(),
        };
        let (what, index) = (format!("{hook} interface {called}"), interface.index().ok());
        let Some((index, name)) = index.and_then(|index| Some((index, name_of(index).ok()?)))
        else {
            return of(what, Some(interface::absent(&called)), String::new());
        };
        if hook != "XDP" {
            return of(what, None, format!("{name}; "));
        }
        let taken = interface::taken(index)
            .map(|(why, todo)| Finding::Missing(format!("{name}: {why}"), todo));
        let tells =
            || kernel.has("netdev_xdp_act", |kind| matches!(kind, Kind::Enum { .. })) == Some(true);
        match taken.or_else(|| interface::incapable(user, index, flags, tells())) {
            Some(Finding::Missing(why, todo)) => of(what, Some((why, todo)), String::new()),
            Some(Finding::Untold(why, todo)) => {
                check::untold(what, format!("{why}; used by {user}"), todo)
            }
            Some(Finding::There(_)) | None => of(what, None, format!("{name}; ")),
        }
    };
    Some(match target {
        Target::Xdp { interface, flags } => on("XDP", interface, *flags),
        Target::Tc { interface, .. } => on("tc", interface, 0),
        Target::Netkit { primary, .. } => on("netkit", primary, 0),
        Target::Packets(interface) => on("socket", interface, 0),
        Target::Cgroup { path, .. } => {
            of(format!("cgroup {}", path.display()), not_a_cgroup(path), String::new())
        }
        Target::Netns(path) => {
            let missing = fs::metadata(path).err().map(|error| {
                (error.to_string(), "name another, such as `/proc/self/ns/net`".into())
            });
            of(format!("network namespace {}", path.display()), missing, String::new())
        }
        Target::Map(name) => {
            // Others are refused as targets.
            let map = object.maps().find(|map| map.name() == name.as_str())?;
            of(
                format!("target map {name}"),
                unattachable(&program.section, map.map_type()),
                String::new(),
            )
        }
        Target::PerfEvent(sampling) => of(
            format!("perf event {}:{}", sampling.kind, sampling.config),
            sampling.refused(),
            String::new(),
        ),
        _ => return None,
    })
}

/// Returns why programs cannot be attached to a path as a cgroup.
fn not_a_cgroup(path: &Path) -> Option<(String, Hint)> {
    match fs::metadata(path) {
        Err(error) => Some((error.to_string(), "name the directory of a cgroup".into())),
        Ok(_) if OF_CGROUPS.holds(path) != Some(true) => {
            Some(("it is not a cgroup of version 2".to_owned(), OF_CGROUPS.absent()))
        }
        Ok(found) if !found.is_dir() => {
            Some(("it is not a directory".to_owned(), "name the directory of a cgroup".into()))
        }
        Ok(_) => None,
    }
}
