//! What an object that is to be loaded asks of the kernel and of this process, to explain why it was refused.

use std::{collections::BTreeMap, os::fd::OwnedFd};

use libbpf_rs::{AsRawLibbpf as _, MapType, OpenObject, ProgramType, libbpf_sys};
use rustix::thread::CapabilitySet;

use super::{
    configuration,
    map::Definition,
    pinned::Pinned,
    place::Place,
    privilege::{Need, held, lacking, lockdown, lockdown_mode, missing},
    requirement::{Requirement, of_programs, of_tables, of_type},
    section,
};
use crate::{Error, Hint, hint::Advice};

/// By the words that libbpf names them with.
pub(crate) struct Wanted {
    requirements: Vec<(String, &'static Requirement)>,
    needs: Vec<(String, Need)>,
    pinned: Vec<Pinned>,
    maps: Vec<(String, Definition)>,
    /// Sections and types.
    programs: Vec<(String, String, ProgramType)>,
}

impl Wanted {
    /// `inner` has the places of the maps that [`crate::bpf::Open::set_inner_map`] was called for.
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
            // SAFETY: the pointer is that of a map of a live object, and the call only reads a number.
            let flags = unsafe { libbpf_sys::bpf_map__map_flags(map.as_libbpf_object().as_ptr()) };
            // libbpf forgets the section, but for this.
            let section = if flags & libbpf_sys::BPF_F_LINK == 0 { ".struct_ops" } else { ".struct_ops.link" };
            Some((of_map(map.name()), of_tables(section)?))
        });
        let of_maps = made().map(|map| (of_map(map.name()), Need::of_map(map.map_type())));
        let needs = loaded().map(|program| (of_program(program.name()), Need::of_program(program.prog_type()))).chain(of_maps);
        Self {
            requirements: programs.chain(tables).collect(),
            needs: needs.collect(),
            pinned: made().filter_map(|map| Pinned::of(&map)).collect(),
            maps: object
                .maps()
                .enumerate()
                .filter(|(_, map)| map.autocreate())
                .map(|(index, map)| (of_map(map.name()), Definition::of(&map, inner.contains_key(&index))))
                .collect(),
            programs: loaded()
                .map(|program| {
                    let section = program.section().to_string_lossy().into_owned();
                    (of_program(program.name()), section, program.prog_type())
                })
                .collect(),
        }
    }

    /// With the reason, where it can be told.
    pub(crate) fn explain(&self, error: Error, said: &str) -> Error {
        let Error::Kernel(refusal) = &error else { return error };
        let errno = refusal.source.raw_os_error();
        let reason: Option<Hint> = match errno {
            _ if refusal.verifier_log.is_some() => untrusted(said),
            Some(libc::EPERM | libc::EACCES) => lacking(&self.refused(said)),
            // To libbpf a kernel that refuses to load BTF has none.
            Some(libc::EOPNOTSUPP) => missing(&self.refused(said)),
            Some(libc::EINVAL) => self.pinned.iter().find_map(|pinned| pinned.unlike(said)).map(Hint::from),
            _ => None,
        };
        let reason = reason.or_else(|| self.lacking(said));
        error.with_hint(|| {
            reason.or_else(|| self.map(said, errno)).or_else(|| self.program(said, errno)).or_else(|| configuration::reason(said))
        })
    }

    /// Why the map was refused that libbpf names.
    fn map(&self, said: &str, errno: Option<i32>) -> Option<Hint> {
        let named = self.maps.iter().find(|(name, _)| said.contains(&format!("{name}: failed to create")))?;
        named.1.reason(errno)
    }

    /// Why the program was refused that libbpf names: its target is not there, its section says too little or nothing that libbpf knows.
    fn program(&self, said: &str, errno: Option<i32>) -> Option<Hint> {
        let (name, section, ty) = self.programs.iter().find(|(name, ..)| said.contains(&format!("{name}: ")))?;
        let program = name.strip_prefix("prog '")?.strip_suffix('\'')?;
        if *ty == ProgramType::Unspec {
            return Some(Hint::of(section::unknown(section), Advice::Type { program }));
        }
        let says = section::says(section, *ty);
        match says.wants.filter(|_| says.to_load) {
            Some(wants) => {
                let why = format!("program `{program}`: its section `{section}` does not name {wants}, which the verifier asks for");
                Some(Hint::of(why, Advice::TargetToLoad { program }))
            }
            // What it is attached to later keeps nothing from being loaded.
            None => says.place.filter(Place::is_of_types)?.reason(errno),
        }
    }

    /// What those programs and maps need that libbpf says were refused; of all where it names none.
    fn refused(&self, said: &str) -> Vec<Need> {
        let named = self.needs.iter().filter(|(name, _)| said.contains(&format!("{name}: ")));
        let named: Vec<Need> = named.map(|(_, need)| need.clone()).collect();
        if named.is_empty() { self.needs.iter().map(|(_, need)| need.clone()).collect() } else { named }
    }

    /// What the kernel lacks.
    fn lacking(&self, said: &str) -> Option<Hint> {
        let named = self.requirements.iter().filter(|(name, _)| said.contains(name));
        let named = named.filter_map(|(name, requirement)| Some((name, requirement.lacking()?))).next();
        if let Some((name, why)) = named {
            return Some(match name.strip_prefix("prog '").and_then(|name| name.strip_suffix('\'')) {
                Some(program) => Hint::from(Advice::Without { program }).after(format_args!("{why}; ")),
                None => why.into(),
            });
        }
        let table = || {
            let (_, name) = said.split_once("struct bpf_struct_ops_")?;
            let (name, _) = name.split_once(" is not found in kernel BTF")?;
            let known = of_type(name).and_then(Requirement::lacking);
            Some(known.unwrap_or_else(|| format!("this kernel takes no tables of the type `{name}`")).into())
        };
        table()
    }
}

/// What the verifier refuses to processes without CAP_PERFMON, or on kernels that are locked down, and to no others.
fn untrusted(said: &str) -> Option<Hint> {
    /// Words of its log.
    const HELPERS: [&str; 2] = ["cannot use helper", "unknown func"];
    const POINTERS: [&str; 2] = ["leaks addr", "prohibited for !root"];
    let met = |words: [&str; 2]| words.iter().any(|word| said.contains(word));
    let trusted = held().contains(CapabilitySet::PERFMON);
    if !trusted && (met(HELPERS) || met(POINTERS)) {
        let why =
            "this process lacks CAP_PERFMON, without which the verifier refuses pointer arithmetic and some helpers: run it with that";
        return Some(why.into());
    }
    let closed = met(HELPERS) && lockdown_mode().as_deref() == Some("confidentiality");
    closed.then(lockdown).flatten().map(Hint::from)
}
