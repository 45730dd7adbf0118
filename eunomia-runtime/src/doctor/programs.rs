//! The types of programs and of maps.

use std::{collections::BTreeMap, ffi::CStr, io};

use libbpf_rs::{MapType, OpenObject, ProgramType, libbpf_sys};

use super::{Patient, Program, check, list};
use crate::{
    bpf::{Check, messages::listen},
    object::MapKind,
};

const UNPERMITTED: &str = "this process may not use BPF";
const AS_ROOT: &str = "run this as root";
const REFUSED: &str = "the kernel does not permit this process to make one (EPERM)";
const PERMIT: &str = "run this as root; where that is not enough, the machine's policy forbids it";

/// What the kernel says of a type of programs or maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    Yes,
    No,
    /// It did not say: who asks may not have one.
    Refused,
    /// libbpf cannot ask.
    Untold,
}

/// The name of a type of programs as C has it.
pub(super) fn type_name(ty: u32) -> String {
    // SAFETY: the call takes any number and returns null or a text of libbpf's own.
    let name = unsafe { libbpf_sys::libbpf_bpf_prog_type_str(ty) };
    if name.is_null() {
        return "unknown".to_owned();
    }
    // SAFETY: the text is a literal that ends with a NUL.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// Whether the kernel loads programs of a type.
pub(super) fn supported(ty: ProgramType) -> Support {
    support(listen(|| (ty.is_supported(), io::Error::last_os_error())).0)
}

/// libbpf takes every refusal for a no, also that of one who may not ask. The errno is that of the kernel still.
fn support((answer, errno): (libbpf_rs::Result<bool>, io::Error)) -> Support {
    match answer {
        Ok(true) => Support::Yes,
        Ok(false) if errno.raw_os_error() == Some(libc::EPERM) => Support::Refused,
        Ok(false) => Support::No,
        Err(_) => Support::Untold,
    }
}

/// A check for each type of programs.
pub(super) fn examine(patient: &Patient<'_>) -> Vec<Check> {
    let mut types = BTreeMap::<u32, Vec<&Program>>::new();
    for program in &patient.programs {
        types.entry(program.ty as u32).or_default().push(program);
    }
    let checks = types.into_iter().map(|(ty, programs)| {
        let what = format!("program type {}", type_name(ty));
        let names = list(programs.iter().map(|program| program.name.as_str()));
        let required = programs.iter().any(|program| program.autoload);
        match (ProgramType::from(ty), patient.permitted) {
            (ProgramType::Unspec, _) => {
                let sections = list(programs.iter().map(|program| program.section.as_str()));
                let found = format!("libbpf knows no type for the sections {sections}; programs {names}");
                check::missing("program type", required, found, "name the sections as libbpf has them, `tp/sched/sched_switch` for example")
            }
            (_, false) => check::untold(what, format!("{UNPERMITTED}; programs {names}"), AS_ROOT),
            (known, true) => match patient.supported(known) {
                Support::Yes => check::found(what, names),
                Support::Refused => check::missing(what, required, format!("{REFUSED}; programs {names}"), PERMIT),
                Support::No => {
                    let todo = "switch these programs off, or run a kernel that was built with their type";
                    check::missing(what, required, format!("this kernel has none; programs {names}"), todo)
                }
                Support::Untold => check::untold(what, format!("libbpf cannot ask; programs {names}"), "load the object to find out"),
            },
        }
    });
    checks.collect()
}

/// A check for each type of maps.
pub(super) fn examine_maps(object: &OpenObject, permitted: bool) -> Vec<Check> {
    let mut types = BTreeMap::<u32, Vec<String>>::new();
    for map in object.maps().filter(|map| map.autocreate()) {
        types.entry(map.map_type() as u32).or_default().push(map.name().to_string_lossy().into_owned());
    }
    let checks = types.into_iter().map(|(ty, names)| {
        let what = format!("map type {}", MapKind(ty).to_string().trim_start_matches("map type "));
        let names = list(names.iter().map(String::as_str));
        if !permitted {
            return check::untold(what, format!("{UNPERMITTED}; maps {names}"), AS_ROOT);
        }
        let answer = listen(|| (MapType::from(ty).is_supported(), io::Error::last_os_error())).0;
        match support(answer) {
            Support::Yes => check::found(what, names),
            Support::Refused => check::missing(what, true, format!("{REFUSED}; maps {names}"), PERMIT),
            Support::No => {
                check::missing(what, true, format!("this kernel has none; maps {names}"), "run a newer kernel, or use another type of map")
            }
            Support::Untold => check::untold(what, format!("libbpf cannot ask; maps {names}"), "load the object to find out"),
        }
    });
    checks.collect()
}
