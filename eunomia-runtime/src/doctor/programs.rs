//! Checks the types of programs and of maps.

use std::{collections::BTreeMap, io};

use libbpf_rs::{AsRawLibbpf as _, OpenObject, ProgramType, libbpf_sys};

use super::{Kernel, Patient, Program, check, list, requirements};
use crate::{
    bpf::Check,
    diagnosis::requirement::{Requirement, UNATTACHED, of_tables, of_type},
    host::{
        messages::listen,
        privilege::{Need, lacking, type_name},
        token,
    },
    object::{Btf, Kind, MapKind, Type, essential, maps::is_tables},
};

const LOAD: &str = "load the object to find out";
const UNPERMITTED: &str = "this process may not use BPF";
const AS_ROOT: &str = "run this as root";
const REFUSED: &str = "the kernel does not permit this process to create one (EPERM)";
const PERMIT: &str = "run this as root; if root is refused, too, the machine's policy forbids it";

/// The kernel's answer about a type of program or map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    Yes,
    No,
    /// Unknown, because this process may not create one.
    Refused,
    /// libbpf cannot probe the type.
    Untold,
}

/// Returns whether the kernel loads programs of a type.
pub(super) fn supported(ty: ProgramType) -> Support {
    let ask = || {
        // SAFETY: the call takes any number, and null stands for no options.
        let answer = unsafe { libbpf_sys::libbpf_probe_bpf_prog_type(ty as u32, std::ptr::null()) };
        (answer, io::Error::last_os_error())
    };
    support(listen(ask).0)
}

/// Interprets a probe. libbpf reports every refusal as "no", also EPERM; errno is still that of the
/// kernel.
fn support((answer, errno): (i32, io::Error)) -> Support {
    match answer {
        1 => Support::Yes,
        // libbpf probes without the token that it loads objects with.
        0 if errno.raw_os_error() == Some(libc::EPERM) => {
            if token::own().is_some() {
                Support::Untold
            } else {
                Support::Refused
            }
        }
        0 => Support::No,
        _ => Support::Untold,
    }
}

/// Returns a check for each program type.
pub(super) fn examine(patient: &Patient<'_>) -> Vec<Check> {
    let mut types = BTreeMap::<(u32, bool), Vec<&Program>>::new();
    for program in &patient.programs {
        // libbpf probes `tracing` with a program on the entry of a function, which some kernels
        // refuse although they load the others.
        let others = program.ty == ProgramType::Tracing && !program.section.starts_with('f');
        types.entry((program.ty as u32, others)).or_default().push(program);
    }
    let checks = types.into_iter().map(|((ty, others), programs)| {
        let what = format!("program type {}", type_name(ty));
        let names = list(programs.iter().map(|program| program.name.as_str()));
        let required = programs.iter().any(|program| program.autoload);
        match (ProgramType::from(ty), patient.permitted) {
            (ProgramType::Unspec, _) => {
                let sections = list(programs.iter().map(|program| program.section.as_str()));
                let found = format!("libbpf has no program type for the sections {sections}; programs {names}");
                check::missing("program type", required, found, "use section names that libbpf knows, such as `tp/sched/sched_switch`")
            }
            (_, false) => check::untold(what, format!("{UNPERMITTED}; programs {names}"), AS_ROOT),
            (known, true) => match patient.supported(known) {
                Support::Yes => check::found(what, names),
                Support::Refused | Support::No if others => {
                    check::untold(what, format!("libbpf probes with an fentry program, which does not load; programs {names}"), LOAD)
                }
                Support::Refused => {
                    let todo = lacking(&[Need::of_program(known)]).unwrap_or_else(|| PERMIT.into());
                    check::missing(what, required, format!("{REFUSED}; programs {names}"), todo)
                }
                Support::No => {
                    let todo = "leave these programs out, or run a kernel that was built with their type";
                    check::missing(what, required, format!("not supported by this kernel; programs {names}"), todo)
                }
                Support::Untold => check::untold(what, format!("libbpf cannot probe it; programs {names}"), LOAD),
            },
        }
    });
    checks.collect()
}

/// Returns a check for each map type.
pub(super) fn examine_maps(object: &OpenObject, kernel: &Kernel, permitted: bool) -> Vec<Check> {
    let mut types = BTreeMap::<u32, Vec<String>>::new();
    for map in object.maps().filter(|map| map.autocreate()) {
        // libbpf-rs does not know all types.
        // SAFETY: the pointer is that of a map of a live object, and the call only reads a number.
        let ty = unsafe { libbpf_sys::bpf_map__type(map.as_libbpf_object().as_ptr()) };
        types.entry(ty).or_default().push(map.name().to_string_lossy().into_owned());
    }
    let checks = types.into_iter().map(|(ty, names)| {
        let what = format!("map type {}", MapKind(ty).to_string().trim_start_matches("map type "));
        let names = list(names.iter().map(String::as_str));
        let unsupported = || {
            check::missing(
                what.clone(),
                true,
                format!("not supported by this kernel; maps {names}"),
                "run a newer kernel, or use another map type",
            )
        };
        // A newer libbpf and kernel may have types that this libbpf does not know.
        if ty > LAST_TYPE && has_type(kernel, ty) == Some(false) {
            return unsupported();
        }
        if !permitted {
            return check::untold(what, format!("{UNPERMITTED}; maps {names}"), AS_ROOT);
        }
        let ask = || {
            // SAFETY: the call takes any number, and null stands for no options.
            let answer = unsafe { libbpf_sys::libbpf_probe_bpf_map_type(ty, std::ptr::null()) };
            (answer, io::Error::last_os_error())
        };
        match support(listen(ask).0) {
            Support::Yes => check::found(what, names),
            Support::Refused => {
                check::missing(what, true, format!("{REFUSED}; maps {names}"), PERMIT)
            }
            Support::No => unsupported(),
            Support::Untold => {
                check::untold(what, format!("libbpf cannot probe it; maps {names}"), LOAD)
            }
        }
    });
    checks.collect()
}

/// The last map type that libbpf can probe.
const LAST_TYPE: u32 = libbpf_sys::BPF_MAP_TYPE_ARENA;

/// Returns whether the kernel has a map type with this number, or `None` if its types cannot be
/// read.
fn has_type(kernel: &Kernel, ty: u32) -> Option<bool> {
    let (_, types) = kernel.types().ok()?;
    let of_kernel = types.named("bpf_map_type");
    let numbers = of_kernel.iter().find_map(|(_, ty)| match &ty.kind {
        Kind::Enum { values, .. } => Some(values),
        _ => None,
    })?;
    // `__MAX_BPF_MAP_TYPE` is the number of types.
    Some(numbers.iter().any(|(name, number)| *number == i128::from(ty) && !name.starts_with("__")))
}

/// Returns a check for each struct_ops map: whether the kernel has a type that accepts it.
pub(super) fn examine_tables(patient: &Patient<'_>, must_be: bool) -> Vec<Check> {
    let btf = &patient.checked.layouts.btf;
    let checks = tables(btf).flat_map(|(section, variable)| {
        let name = &variable.name;
        let Some(required) = patient.makes(name, section) else { return None.into_iter().chain(None) };
        let of_section =
            of_tables(section).and_then(|requirement| requirements::lacking(patient.kernel, requirement, required, &format!("of {name}")));
        let Kind::Variable { ty, .. } = variable.kind else { return of_section.into_iter().chain(None) };
        let ty = essential(&btf.resolve(ty).1.name);
        let what = format!("struct_ops {ty}");
        let of_type = match patient.kernel.has(&format!("bpf_struct_ops_{ty}"), |kind| matches!(kind, Kind::Struct { .. })) {
            Some(true) if is_unattached(ty) => {
                check::missing(what, required && must_be, format!("{UNATTACHED}; of {name}"), "leave the table out")
            }
            Some(true) => check::found(what, name.as_str()),
            Some(false) => {
                let why = of_type(ty).and_then(Requirement::lacking).unwrap_or_else(|| "not supported by this kernel".to_owned());
                let todo = "libbpf does not load the object: run a kernel, or load a module, that supports this struct_ops type";
                check::missing(what, required, format!("{why}; of {name}"), todo)
            }
            None => check::untold(what, format!("cannot read the kernel's BTF; of {name}"), "see `kernel BTF` above"),
        };
        of_section.into_iter().chain(Some(of_type))
    });
    checks.collect()
}

/// The tables of functions, each with its section.
fn tables(btf: &Btf) -> impl Iterator<Item = (&str, &Type)> {
    let sections = btf.iter().filter_map(|(_, section)| match &section.kind {
        Kind::Section { variables } if is_tables(&section.name) => {
            Some((section.name.as_str(), variables))
        }
        _ => None,
    });
    sections.flat_map(move |(section, slots)| {
        slots.iter().map(move |slot| (section, btf.get(slot.variable)))
    })
}

/// Reports whether a struct_ops type exists only for test runs, so that the kernel attaches its
/// maps to nothing.
fn is_unattached(ty: &str) -> bool {
    // `bpf_dummy_reg`.
    ty == "bpf_dummy_ops"
}

/// Reports whether the kernel attaches none of the object's struct_ops maps.
pub(super) fn tables_are_unattached(btf: &Btf) -> bool {
    let of_type = |variable: &Type| match variable.kind {
        Kind::Variable { ty, .. } => is_unattached(essential(&btf.resolve(ty).1.name)),
        _ => false,
    };
    tables(btf).all(|(_, variable)| of_type(variable))
}
