//! Load diagnosis: what an object requires of the kernel and of this process, to explain why it was
//! refused.

use std::{collections::BTreeMap, os::fd::OwnedFd};

use libbpf_rs::{AsRawLibbpf as _, MapType, OpenObject, ProgramType, libbpf_sys};
use rustix::thread::CapabilitySet;

use super::{
    map::Definition,
    pinned::Pinned,
    place::Place,
    requirement::{Requirement, of_programs, of_tables, of_type},
    section,
};
use crate::{
    Error, Hint,
    diagnosis::configuration,
    host::{
        Advice,
        privilege::{Need, held, lacking, lockdown, lockdown_mode, missing},
    },
};

/// Hints why an object cannot be loaded: what it requires, by the words that libbpf uses for its
/// programs and maps.
pub(crate) struct LoadHints {
    requirements: Vec<(String, &'static Requirement)>,
    needs: Vec<(String, Need)>,
    pinned: Vec<Pinned>,
    maps: Vec<(String, Definition)>,
    /// The name, section and type of each program.
    programs: Vec<(String, String, ProgramType)>,
}

impl LoadHints {
    /// Collects what the object requires; `inner` has the indices of the maps for which
    /// [`crate::bpf::Open::set_inner_map`] was called.
    pub(crate) fn of(object: &OpenObject, inner: &BTreeMap<usize, OwnedFd>) -> Self {
        let loaded = || object.progs().filter(|program| program.autoload());
        let made = || object.maps().filter(|map| map.autocreate());
        let of_program = |name: &std::ffi::OsStr| format!("prog '{}'", name.to_string_lossy());
        let of_map = |name: &std::ffi::OsStr| format!("map '{}'", name.to_string_lossy());
        let programs = loaded().filter_map(|program| {
            let requirement = of_programs(&program.section().to_string_lossy())?;
            Some((of_program(program.name()), requirement))
        });
        let tables = made().filter(|map| map.map_type() == MapType::StructOps).filter_map(|map| {
            // SAFETY: the pointer is that of a map of a live object, and the call only reads a
            // number.
            let flags = unsafe { libbpf_sys::bpf_map__map_flags(map.as_libbpf_object().as_ptr()) };
            // libbpf does not keep the section, but the flag identifies it.
            let section = if flags & libbpf_sys::BPF_F_LINK == 0 {
                ".struct_ops"
            } else {
                ".struct_ops.link"
            };
            Some((of_map(map.name()), of_tables(section)?))
        });
        let of_maps = made().map(|map| (of_map(map.name()), Need::of_map(map.map_type())));
        let needs = loaded()
            .map(|program| (of_program(program.name()), Need::of_program(program.prog_type())))
            .chain(of_maps);
        Self {
            requirements: programs.chain(tables).collect(),
            needs: needs.collect(),
            pinned: made().filter_map(|map| Pinned::of(&map)).collect(),
            maps: object
                .maps()
                .enumerate()
                .filter(|(_, map)| map.autocreate())
                .map(|(index, map)| {
                    (of_map(map.name()), Definition::of(&map, inner.contains_key(&index)))
                })
                .collect(),
            programs: loaded()
                .map(|program| {
                    let section = program.section().to_string_lossy().into_owned();
                    (of_program(program.name()), section, program.prog_type())
                })
                .collect(),
        }
    }

    /// Adds the reason as a hint, if it is known.
    pub(crate) fn explain(&self, error: Error, messages: &str) -> Error {
        let Error::Kernel(kernel_error) = &error else { return error };
        let errno = kernel_error.source.raw_os_error();
        let reason: Option<Hint> = match errno {
            _ if kernel_error.verifier_log.is_some() => untrusted(messages),
            Some(libc::EPERM | libc::EACCES) => lacking(&self.refused(messages)),
            // libbpf reports EOPNOTSUPP if the kernel refuses to load BTF.
            Some(libc::EOPNOTSUPP) => missing(&self.refused(messages)),
            Some(libc::EINVAL) => {
                self.pinned.iter().find_map(|pinned| pinned.unlike(messages)).map(Hint::from)
            }
            _ => None,
        };
        let reason = reason.or_else(|| self.lacking(messages));
        error.with_hint(|| {
            reason
                .or_else(|| self.map(messages, errno))
                .or_else(|| self.program(messages, errno))
                .or_else(|| configuration::reason(messages))
        })
    }

    /// Returns why the map that libbpf names was refused.
    fn map(&self, messages: &str, errno: Option<i32>) -> Option<Hint> {
        let named = self
            .maps
            .iter()
            .find(|(name, _)| messages.contains(&format!("{name}: failed to create")))?;
        named.1.reason(errno)
    }

    /// Returns why the program that libbpf names was refused: its target is missing, or its section
    /// is incomplete or unknown to libbpf.
    fn program(&self, messages: &str, errno: Option<i32>) -> Option<Hint> {
        let (name, section, ty) =
            self.programs.iter().find(|(name, ..)| messages.contains(&format!("{name}: ")))?;
        let program = name.strip_prefix("prog '")?.strip_suffix('\'')?;
        if *ty == ProgramType::Unspec {
            return Some(Advice::Type { program }.because(section::unknown(section)));
        }
        let says = section::says(section, *ty);
        match says.wants.filter(|_| says.to_load) {
            Some(wants) => {
                let why = format!(
                    "program `{program}`: its section `{section}` does not name {wants}, which the verifier requires"
                );
                Some(Advice::TargetToLoad { program }.because(why))
            }
            // A target that is only needed for attaching does not prevent loading.
            None => says.place.filter(Place::is_of_types)?.reason(errno),
        }
    }

    /// Returns what the programs and maps need that libbpf names as refused, or what all need if it
    /// names none.
    fn refused(&self, messages: &str) -> Vec<Need> {
        let named = self.needs.iter().filter(|(name, _)| messages.contains(&format!("{name}: ")));
        let named: Vec<Need> = named.map(|(_, need)| need.clone()).collect();
        if named.is_empty() {
            self.needs.iter().map(|(_, need)| need.clone()).collect()
        } else {
            named
        }
    }

    /// Returns what the kernel lacks.
    fn lacking(&self, messages: &str) -> Option<Hint> {
        let named = self.requirements.iter().filter(|(name, _)| messages.contains(name));
        let named =
            named.filter_map(|(name, requirement)| Some((name, requirement.lacking()?))).next();
        if let Some((name, why)) = named {
            return Some(
                match name.strip_prefix("prog '").and_then(|name| name.strip_suffix('\'')) {
                    Some(program) => {
                        Hint::from(Advice::Without { program }).after(format_args!("{why}; "))
                    }
                    None => why.into(),
                },
            );
        }
        let table = || {
            let (_, name) = messages.split_once("struct bpf_struct_ops_")?;
            let (name, _) = name.split_once(" is not found in kernel BTF")?;
            let known = of_type(name).and_then(Requirement::lacking);
            Some(
                known
                    .unwrap_or_else(|| {
                        format!("this kernel does not support struct_ops of type `{name}`")
                    })
                    .into(),
            )
        };
        table()
    }
}

/// Returns the hint for what the verifier refuses only without CAP_PERFMON, or on kernels that are
/// locked down.
fn untrusted(messages: &str) -> Option<Hint> {
    /// Words of the verifier's log.
    const HELPERS: [&str; 2] = ["cannot use helper", "unknown func"];
    const POINTERS: [&str; 2] = ["leaks addr", "prohibited for !root"];
    let logged = |words: [&str; 2]| words.iter().any(|word| messages.contains(word));
    let trusted = held().contains(CapabilitySet::PERFMON);
    if !trusted && (logged(HELPERS) || logged(POINTERS)) {
        let why = "this process lacks CAP_PERFMON, so the verifier refuses pointer arithmetic and some helpers: run it with CAP_PERFMON";
        return Some(why.into());
    }
    let closed = logged(HELPERS) && lockdown_mode().as_deref() == Some("confidentiality");
    closed.then(lockdown).flatten().map(Hint::from)
}
