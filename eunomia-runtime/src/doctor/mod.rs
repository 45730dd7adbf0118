//! The doctor: whether this kernel can run an object, and if not, why.
//!
//! [`preflight`](crate::preflight()) reports what this process may do with BPF in general;
//! [`examine`] reports what one object needs beyond that: types of programs and maps, helpers,
//! kernel functions, types and configuration, and the targets of its programs.
//!
//! ```no_run
//! # fn main() -> eunomia_runtime::Result<()> {
//! let checked = eunomia_runtime::Skeleton::from_file("bootstrap.json")?.check()?;
//! let examined = eunomia_runtime::doctor::examine(&checked);
//! print!("{examined}");
//! if !examined.ok() {
//!     eprintln!("it will not run here");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What the results mean
//! - `ok`: it is available.
//! - `FAIL`: it is missing, and the object as it is will not load, not attach, or never run. A
//!   missing helper fails the check unless all programs that call it check what the kernel has, or
//!   read constants that may skip the call: only the verifier knows which instructions are never
//!   reached. If nothing else fails, the doctor loads the object and removes it.
//! - `warn`: it is missing and may not be needed: by programs that are not loaded by default
//!   (`SEC("?..")`), weak symbols, and fields whose absence libbpf leaves to the verifier; or it
//!   cannot be examined here, and then the text begins with `unknown`.
//!
//! A function that several programs call counts for each of them, because the verifier examines it
//! for each of them.

mod check;
mod core;
mod externs;
mod helpers;
mod loading;
mod maps;
mod patient;
mod program;
mod programs;
mod relocations;
mod requirements;
mod targets;

use std::{cell::RefCell, fmt, path::Path};

use libbpf_rs::{MapType, OpenObject};

use self::{
    loading::loading,
    patient::Patient,
    program::{Program, read_programs},
    targets::Places,
};
#[cfg(feature = "cli")]
pub(crate) use self::{
    requirements::{active_modules, by_active_modules},
    targets::TARGET_OF,
};
use crate::{
    Error, KernelError,
    bpf::{self, Check, Preflight},
    checked::Checked,
    diagnosis::{Kernel, list, preflight},
    dynamic,
    object::Calls,
    suggestion::near,
};

/// The scope of an examination.
struct Asked<'a> {
    /// The only programs and struct_ops maps to examine, if set.
    only: Option<&'a [&'a str]>,
    /// True if every program must be attached, not only those that can be.
    strict: bool,
    /// True if the object is set up as it will be loaded.
    whole: bool,
}

impl Asked<'_> {
    /// Returns true if the caller named programs, which it will then switch on and attach to
    /// targets that it knows.
    fn by_name(&self) -> bool {
        self.only.is_some() && !self.whole
    }
}

/// Examines what an object needs of this kernel. Small maps and programs that do nothing are
/// created for it and removed. If nothing is found that prevents it, the object itself is loaded
/// and removed, because only the verifier knows what it refuses. Nothing is attached or pinned.
///
/// Something that cannot be examined, for lack of permission for example, is not [`ok`](Check::ok)
/// and says why; the function reports no other errors.
pub fn examine(checked: &Checked) -> Preflight {
    Doctor::new(None).examine(checked)
}

/// Examines several objects, or one object several times, and reads the kernel's types once.
pub struct Doctor {
    kernel: Kernel,
}

impl fmt::Debug for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The types are omitted; there are tens of thousands.
        f.debug_struct("Doctor").field("file", &self.kernel.file()).finish_non_exhaustive()
    }
}

impl Doctor {
    /// Creates a doctor for objects that are opened with the kernel's own BTF, or with a BTF file
    /// ([`Checked::open`], [`kernel_btf`](crate::bpf::open::kernel_btf)). Fields of the kernel's
    /// structs are looked up only in such a file; all other types come from the running kernel, as
    /// in libbpf.
    pub fn new(btf: Option<&Path>) -> Self {
        Self { kernel: Kernel::with_file(btf) }
    }

    /// Examines an object as [`examine`] does.
    pub fn examine(&self, checked: &Checked) -> Preflight {
        self.examine_parts(checked, None)
    }

    /// Examines only these programs and struct_ops maps of an object, as if they were switched on.
    /// The programs of a struct_ops map are examined only if they are named, too. A name that the
    /// object does not have yields a check that is not [`ok`](Check::ok).
    pub fn examine_only(&self, checked: &Checked, names: &[&str]) -> Preflight {
        self.examine_parts(checked, Some(names))
    }

    /// Examines an open object as [`examine`] does: with the programs that are switched on and off,
    /// the sizes of maps and the targets that it will be loaded and attached with. With `only`, the
    /// result is limited to these programs and struct_ops maps.
    ///
    /// A missing target prevents only its own program from being attached; with `strict` every
    /// target is required.
    #[doc(hidden)]
    pub fn examine_open(
        &self,
        open: dynamic::Open,
        only: Option<&[&str]>,
        strict: bool,
    ) -> Preflight {
        let (open, checked) = open.into_parts();
        self.examine_opened(open, &checked, &Asked { only, strict, whole: true }, Self::begin())
    }

    fn examine_parts(&self, checked: &Checked, only: Option<&[&str]>) -> Preflight {
        let mut checks = Self::begin();
        match checked.opened(self.kernel.file()) {
            // Parts that are named are set up in ways that are not known here.
            Ok(open) => self.examine_opened(
                open,
                checked,
                &Asked { only, strict: true, whole: only.is_none() },
                checks,
            ),
            Err(error) => {
                let hint = match &error {
                    Error::Kernel(kernel_error) => kernel_error.hint.clone(),
                    // The only file that is read then.
                    Error::File { .. } => Some("name a file with the BTF of this kernel".into()),
                    _ => None,
                };
                let todo = hint.unwrap_or_else(|| "compile the object again".into());
                checks.push(check::missing(
                    "object",
                    true,
                    format!("libbpf refuses it: {}", without_hint(error)),
                    todo,
                ));
                Preflight { checks }
            }
        }
    }

    fn examine_opened(
        &self,
        open: bpf::Open,
        checked: &Checked,
        asked: &Asked<'_>,
        mut checks: Vec<Check>,
    ) -> Preflight {
        let permitted = checks.is_empty();
        self.examine_object(&open, checked, asked, permitted, &mut checks);
        // If a check fails already, loading need not be tried.
        let examined = Preflight { checks };
        let tried = (asked.whole && permitted && examined.ok()).then(|| loading(open));
        Preflight { checks: examined.checks.into_iter().chain(tried).collect() }
    }

    /// Returns the checks without which nothing works, if they fail.
    fn begin() -> Vec<Check> {
        [preflight::create_map(), preflight::load_program()]
            .into_iter()
            .filter(|check| !check.ok)
            .collect()
    }

    fn examine_object(
        &self,
        open: &bpf::Open,
        checked: &Checked,
        asked: &Asked<'_>,
        permitted: bool,
        checks: &mut Vec<Check>,
    ) {
        let &Asked { only, strict, .. } = asked;
        self.kernel.binaries.begin();
        let object = open.opened();
        let calls = checked.calls().unwrap_or_else(|diagnostic| {
            checks.push(check::untold("instructions", diagnostic.what, diagnostic.todo));
            Calls::default()
        });
        let relocations = checked.relocations().unwrap_or_else(|diagnostic| {
            checks.push(check::untold("CO-RE relocations", diagnostic.what, diagnostic.todo));
            Vec::new()
        });
        let programs = read_programs(checked, open, &calls, &relocations, asked);
        checks.extend(only.into_iter().flatten().filter_map(|name| unknown(name, object)));
        let supported = RefCell::default();
        let (kernel, by_name) = (&self.kernel, asked.by_name());
        let patient = Patient {
            checked,
            programs,
            calls,
            relocations,
            kernel,
            only,
            strict,
            by_name,
            permitted,
            supported,
        };
        checks.extend(programs::examine(&patient));
        let places = Places::of(&patient, object);
        checks.extend(requirements::examine(&patient, &places));
        checks.extend(programs::examine_maps(object, kernel, permitted));
        checks.extend(maps::examine(open));
        checks.extend(programs::examine_tables(&patient, places.must_be()));
        checks.extend(helpers::examine(&patient));
        checks.extend(patient.kernel_types());
        checks.extend(relocations::examine(&patient));
        checks.extend(externs::examine(&patient));
        checks.extend(places.into_checks(&patient));
    }
}

/// Formats an error without its hint.
fn without_hint(error: Error) -> String {
    match error {
        Error::Kernel(kernel_error) => {
            Error::Kernel(Box::new(KernelError { hint: None, ..*kernel_error })).to_string()
        }
        error => error.to_string(),
    }
}

/// Returns the check for a name that the object does not have.
fn unknown(name: &str, object: &OpenObject) -> Option<Check> {
    let tables = object
        .maps()
        .filter(|map| map.map_type() == MapType::StructOps)
        .map(|map| map.name().to_string_lossy().into_owned());
    let known: Vec<String> = object
        .progs()
        .map(|program| program.name().to_string_lossy().into_owned())
        .chain(tables)
        .collect();
    if known.iter().any(|known| known == name) {
        return None;
    }
    let todo = match near(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", list(known.iter().map(String::as_str))),
    };
    Some(check::missing(
        format!("program {name}"),
        true,
        "the object has no program or struct_ops map of this name",
        todo,
    ))
}

/// Entry points for the tests of this workspace only.
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz {
    use crate::diagnosis::binary::{Answer, Binary};

    /// Looks up a function and a static probe in a file; returns whether the function was found.
    pub fn examined(path: &str, name: &str) -> bool {
        let Ok(file) = Binary::read(path) else { return false };
        file.probe(name, name);
        matches!(file.function(name), Answer::There(_))
    }
}
