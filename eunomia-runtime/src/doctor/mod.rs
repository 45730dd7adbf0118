//! The doctor: whether this kernel can run an object, and if not, why.
//!
//! [`preflight`](crate::preflight()) reports what this process may do with BPF in general;
//! [`examine`] reports what one object needs beyond that: types of programs and maps, helpers,
//! kernel functions, types and configuration, and the targets of its programs.
//!
//! ```no_run
//! # fn main() -> eunomia_runtime::Result<()> {
//! let checked = eunomia_runtime::Skeleton::from_file("bootstrap.json")?.check("bootstrap.json")?;
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
mod maps;
mod programs;
mod relocations;
mod requirements;
mod targets;

use std::{cell::RefCell, collections::BTreeMap, fmt, path::Path};

use libbpf_rs::{AsRawLibbpf as _, MapType, OpenObject, ProgramType, libbpf_sys};

use self::{programs::Support, targets::Places};
#[cfg(feature = "cli")]
pub(crate) use self::{requirements::security_module, targets::TARGET_OF};
use crate::{
    Error, KernelError,
    bpf::{self, Check, Preflight, Target},
    checked::Checked,
    diagnosis::{Kernel, list, preflight, section::says},
    dynamic,
    object::{Calls, Function, Relocation},
    suggestion::near,
};

/// A program and what it needs.
struct Program {
    name: String,
    /// The section, without the `?` of a program that is not loaded by default.
    section: String,
    ty: ProgramType,
    autoload: bool,
    /// True if `attach` includes the program.
    link: bool,
    /// True if `attach` attaches the program, because its target is known.
    attached: bool,
    /// The targets that the skeleton or the caller set in place of the one that the section names.
    targets: Vec<Target>,
    /// The indices of the functions that the program reaches, including its own.
    functions: Vec<usize>,
    /// True if the program checks what the kernel has or reads constants, and so may never reach an
    /// instruction that this kernel does not support.
    asks: bool,
}

/// The scope of an examination.
struct Asked<'a> {
    /// If set, only these programs and struct_ops maps.
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

/// The object and the kernel.
struct Patient<'a> {
    checked: &'a Checked,
    programs: Vec<Program>,
    calls: Calls,
    relocations: Vec<Relocation>,
    kernel: &'a Kernel,
    /// The names that are examined, as if they were switched on; `None` for the whole object.
    only: Option<&'a [&'a str]>,
    /// True if every program must be attached, not only those that can be.
    strict: bool,
    /// True if the caller named the programs and supplies what they need.
    by_name: bool,
    /// True if this process may use BPF.
    permitted: bool,
    /// The program types that the kernel was probed for, by number.
    supported: RefCell<BTreeMap<u32, Support>>,
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
                let hint = if let Error::Kernel(kernel_error) = &error {
                    kernel_error.hint.clone()
                } else {
                    None
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
        checks.extend(programs::examine_maps(object, permitted));
        checks.extend(maps::examine(open));
        checks.extend(programs::examine_tables(&patient, places.must_be()));
        checks.extend(helpers::examine(&patient));
        checks.extend(patient.kernel_types());
        checks.extend(relocations::examine(&patient));
        checks.extend(externs::examine(&patient));
        checks.extend(places.into_checks(&patient));
    }
}

/// Loads the object and removes it, because only the verifier knows what it refuses.
fn loading(open: bpf::Open) -> Check {
    const WHAT: &str = "loading";
    match open.try_load() {
        Ok(()) => check::found(WHAT, "loaded, not attached, and removed"),
        Err(Error::Kernel(kernel_error)) => {
            let log = kernel_error.verifier_log.as_deref().unwrap_or(&kernel_error.messages);
            let lines = log
                .lines()
                .filter(|line| !line.trim().is_empty() && !line.starts_with("processed "));
            let lines: Vec<&str> = lines.map(str::trim).collect();
            let last =
                lines.get(lines.len().saturating_sub(LAST)..).unwrap_or_default().join(" | ");
            let todo = kernel_error
                .hint
                .clone()
                .unwrap_or_else(|| "load the object to see the whole log of the kernel".into());
            check::missing(WHAT, true, format!("{}: {last}", kernel_error.source), todo)
        }
        Err(error) => check::missing(WHAT, true, error.to_string(), ""),
    }
}

/// The number of lines of a verifier log that are shown.
const LAST: usize = 3;

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

/// Reads the programs, with what libbpf derives from their sections.
fn read_programs(
    checked: &Checked,
    open: &bpf::Open,
    calls: &Calls,
    relocations: &[Relocation],
    asked: &Asked<'_>,
) -> Vec<Program> {
    let (object, only) = (open.opened(), asked.only);
    let questions = externs::questions(checked, calls);
    let unattached = programs::tables_are_unattached(&checked.layouts.btf);
    let selected = object
        .progs()
        .filter(|program| only.is_none_or(|only| only.iter().any(|name| program.name() == *name)));
    let programs = selected.map(|program| {
        let name = program.name().to_string_lossy().into_owned();
        let index = calls.functions.iter().position(|function| function.name == name);
        let functions: Vec<usize> =
            index.map(|index| calls.reached(index)).into_iter().flatten().collect();
        let of_functions = |relocation: &&Relocation| {
            calls
                .at(relocation.section, relocation.offset.into())
                .is_some_and(|function| functions.contains(&function))
        };
        let reached = functions.iter().filter_map(|index| calls.functions.get(*index));
        let asks = relocations
            .iter()
            .filter(of_functions)
            .any(|relocation| relocation.kind.is_existence_check())
            || reached.clone().any(|function| function.constants)
            || reached
                .flat_map(|function| &function.externs)
                .any(|name| questions.contains(name.as_str()));
        // SAFETY: the pointer is that of a program of a live object, and the call only reads a
        // flag.
        let link =
            unsafe { libbpf_sys::bpf_program__autoattach(program.as_libbpf_object().as_ptr()) };
        // An object of the caller is set up as it will be loaded.
        let autoload = asked.by_name() || program.autoload();
        let section = program.section().to_string_lossy().into_owned();
        let targets = open.targets().get(&name).cloned().unwrap_or_default();
        let (ty, link) = (program.prog_type(), link && program.prog_type() != ProgramType::Syscall);
        // They are attached with their tables.
        let link = link && (ty != ProgramType::StructOps || !unattached);
        let targeted = asked.by_name() || !targets.is_empty() || says(&section, ty).wants.is_none();
        Program {
            section,
            ty,
            autoload,
            link,
            attached: link && autoload && targeted,
            targets,
            name,
            functions,
            asks,
        }
    });
    programs.collect()
}

impl Program {
    /// Returns the functions that the program reaches.
    fn reached<'a>(&'a self, calls: &'a Calls) -> impl Iterator<Item = &'a Function> {
        self.functions.iter().filter_map(|index| calls.functions.get(*index))
    }
}

impl Patient<'_> {
    /// Returns whether the kernel loads programs of a type.
    fn supported(&self, ty: ProgramType) -> Support {
        *self.supported.borrow_mut().entry(ty as u32).or_insert_with(|| programs::supported(ty))
    }

    /// Returns whether a struct_ops map is created, derived from its section, or `None` if it is
    /// not examined.
    fn makes(&self, table: &str, section: &str) -> Option<bool> {
        match self.only {
            None => Some(!section.starts_with('?')),
            Some(only) => only.contains(&table).then_some(true),
        }
    }

    /// Returns the programs that reach an offset in a section.
    fn programs_at(&self, section: usize, offset: u32) -> impl Iterator<Item = &Program> {
        let function = self.calls.at(section, offset.into());
        self.programs.iter().filter(move |program| {
            function.is_some_and(|function| program.functions.contains(&function))
        })
    }

    /// Returns the checks of the kernel's types, if the object needs them.
    fn kernel_types(&self) -> impl Iterator<Item = Check> {
        [self.types_of_file(), self.types_of_kernel()].into_iter().flatten()
    }

    fn types_of_file(&self) -> Option<Check> {
        const WHAT: &str = "BTF for CO-RE relocations";
        if self.kernel.file().is_none() || self.relocations.is_empty() {
            return None;
        }
        Some(match self.kernel.relocation_types() {
            Ok((path, _)) => {
                check::found(WHAT, format!("{path}; for {} relocations", self.relocations.len()))
            }
            Err(why) => {
                check::missing(WHAT, true, why.as_str(), "name a file with the BTF of this kernel")
            }
        })
    }

    fn types_of_kernel(&self) -> Option<Check> {
        const WHAT: &str = "kernel BTF";
        let check_types = |program: &&Program| {
            matches!(
                program.ty,
                ProgramType::Tracing | ProgramType::Lsm | ProgramType::StructOps | ProgramType::Ext
            )
        };
        let programs =
            self.programs.iter().filter(check_types).map(|program| program.name.as_str());
        let mut needs = Vec::new();
        if !self.relocations.is_empty() && self.kernel.file().is_none() {
            needs.push(format!("CO-RE relocations ({})", self.relocations.len()));
        }
        if programs.clone().next().is_some() {
            needs.push(format!("the programs {}", list(programs)));
        }
        if externs::typed(self.checked) {
            needs.push("kernel symbols".to_owned());
        }
        if needs.is_empty() {
            return None;
        }
        let needs = needs.join(", ");
        Some(match self.kernel.types() {
            Ok((path, _)) => check::found(WHAT, format!("{path}; for {needs}")),
            Err(why) => {
                let todo = "the kernel needs CONFIG_DEBUG_INFO_BTF, which distributions have set since 2021";
                check::missing(WHAT, true, format!("{why}; for {needs}"), todo)
            }
        })
    }
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
