//! What an object that is to be loaded asks of the kernel and of this process, to explain why it was refused.

use std::{collections::BTreeMap, os::fd::OwnedFd};

use libbpf_rs::{AsRawLibbpf as _, MapType, OpenObject, libbpf_sys};
use rustix::thread::CapabilitySet;

use super::{
    pinned::Pinned,
    privilege::{Need, held, lacking, lockdown, lockdown_mode, missing},
    requirement::{Requirement, of_programs, of_tables, of_type},
};
use crate::Error;

/// By the words that libbpf names them with.
pub(super) struct Wanted {
    requirements: Vec<(String, &'static Requirement)>,
    needs: Vec<(String, Need)>,
    pinned: Vec<Pinned>,
    /// Maps of maps of which nobody says what is in them.
    outer: Vec<String>,
}

impl Wanted {
    /// `inner` has the places of the maps that [`super::Open::set_inner_map`] was called for.
    pub(super) fn of(object: &OpenObject, inner: &BTreeMap<usize, OwnedFd>) -> Self {
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
            outer: object
                .maps()
                .enumerate()
                .filter(|(index, map)| {
                    let is_outer = map.autocreate() && matches!(map.map_type(), MapType::ArrayOfMaps | MapType::HashOfMaps);
                    // SAFETY: the pointer is that of a map of a live object; the call returns null or a map of its own.
                    is_outer
                        && !inner.contains_key(index)
                        && unsafe { libbpf_sys::bpf_map__inner_map(map.as_libbpf_object().as_ptr()) }.is_null()
                })
                .map(|(_, map)| map.name().to_string_lossy().into_owned())
                .collect(),
        }
    }

    /// With the reason, where it can be told.
    pub(super) fn explain(&self, error: Error, said: &str) -> Error {
        let Error::Kernel(refusal) = &error else { return error };
        let reason = match refusal.source.raw_os_error() {
            _ if refusal.verifier_log.is_some() => untrusted(said),
            Some(libc::EPERM | libc::EACCES) => lacking(&self.refused(said)),
            // To libbpf a kernel that refuses to load BTF has none.
            Some(libc::EOPNOTSUPP) => missing(&self.refused(said)),
            Some(libc::EINVAL) => self.pinned.iter().find_map(|pinned| pinned.unlike(said)).or_else(|| self.without_inner(said)),
            _ => None,
        };
        error.with_hint(|| reason.or_else(|| self.lacking(said)))
    }

    fn without_inner(&self, said: &str) -> Option<String> {
        let name = self.outer.iter().find(|name| said.contains(&format!("map '{name}': failed to create")))?;
        Some(format!(
            "the object does not say what maps are in `{name}`: declare them in C with `__array(values, struct ..)`, or call `set_inner_map` before \
             loading"
        ))
    }

    /// What those programs and maps need that libbpf says were refused; of all where it names none.
    fn refused(&self, said: &str) -> Vec<Need> {
        let named = self.needs.iter().filter(|(name, _)| said.contains(&format!("{name}: ")));
        let named: Vec<Need> = named.map(|(_, need)| need.clone()).collect();
        if named.is_empty() { self.needs.iter().map(|(_, need)| need.clone()).collect() } else { named }
    }

    /// What the kernel lacks.
    fn lacking(&self, said: &str) -> Option<String> {
        let named = self.requirements.iter().filter(|(name, _)| said.contains(name)).find_map(|(_, requirement)| requirement.lacking());
        named.or_else(|| {
            let (_, name) = said.split_once("struct bpf_struct_ops_")?;
            let (name, _) = name.split_once(" is not found in kernel BTF")?;
            let known = of_type(name).and_then(Requirement::lacking);
            Some(known.unwrap_or_else(|| format!("this kernel takes no tables of the type `{name}`")))
        })
    }
}

/// What the verifier refuses to processes without CAP_PERFMON, or on kernels that are locked down, and to no others.
fn untrusted(said: &str) -> Option<String> {
    /// Words of its log.
    const HELPERS: [&str; 2] = ["cannot use helper", "unknown func"];
    const POINTERS: [&str; 2] = ["leaks addr", "prohibited for !root"];
    let met = |words: [&str; 2]| words.iter().any(|word| said.contains(word));
    let trusted = held().contains(CapabilitySet::PERFMON);
    if !trusted && (met(HELPERS) || met(POINTERS)) {
        let why =
            "this process lacks CAP_PERFMON, without which the verifier refuses pointer arithmetic and some helpers: run it with that";
        return Some(why.to_owned());
    }
    let closed = met(HELPERS) && lockdown_mode().as_deref() == Some("confidentiality");
    closed.then(lockdown).flatten()
}
