//! Can this kernel run this object, and if not, why?
//!
//! [`preflight`](crate::preflight()) says what this process may do with BPF at all; [`examine`] says what one object needs beyond that:
//! types of programs and maps, helpers, the kernel's functions, types and configuration, and the places that its programs are attached to.
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
//! # What the answers mean
//! - `ok` is there.
//! - `FAIL` is not there, and the object as it is will not load, not attach, or never run. A helper that is missing fails the check unless
//!   all programs that call it ask the kernel what it has, or read constants that may keep them from it: which instructions are never
//!   reached is known to the verifier alone. If nothing else fails, it is asked: the object is loaded, and removed.
//! - `warn` is not there and may not be needed: of programs that are not loaded unless asked for (`SEC("?..")`), weak symbols, and fields
//!   whose absence libbpf leaves to the verifier; or it cannot be told from here, and then the text says so (`not told`).
//!
//! A function that several programs call counts for each of them, as the verifier looks at it for each of them.

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
    Error,
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
    /// Its section, without the `?` of a program that is not loaded unless asked for.
    section: String,
    ty: ProgramType,
    autoload: bool,
    /// Whether it is to be attached with all others.
    link: bool,
    /// Whether it is: something says what to.
    attached: bool,
    /// What it was given to be attached to, by the document or by whoever opened the object, in place of what its section says.
    targets: Vec<Target>,
    /// Indices of the functions that it reaches, itself among them.
    functions: Vec<usize>,
    /// Whether it asks what the kernel has or reads constants, and so may never reach an instruction that cannot be here.
    asks: bool,
}

/// What is to be looked at.
struct Asked<'a> {
    /// These programs and tables alone.
    only: Option<&'a [&'a str]>,
    /// Whether all programs must be attached, or those that can be are enough.
    strict: bool,
    /// Whether the object is set up as it will be loaded.
    whole: bool,
}

impl Asked<'_> {
    /// Whether programs are named that are then switched on, and attached, by somebody who knows what to.
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
    /// What is looked at, as if it were switched on; all of the object where there is nothing.
    only: Option<&'a [&'a str]>,
    /// Whether all programs must be attached, or those that can be are enough.
    strict: bool,
    /// Whether programs are given what they need by somebody who named them.
    by_name: bool,
    /// Whether this process may use BPF at all.
    permitted: bool,
    /// Types of programs that the kernel was asked for.
    supported: RefCell<BTreeMap<u32, Support>>,
}

/// Looks at what an object needs of this kernel. Small maps and programs that do nothing are made for it and removed. The
/// object itself is loaded and removed if nothing is found that keeps it from that, since the verifier alone knows what it refuses; nothing
/// is attached or pinned.
///
/// What cannot be examined, for lack of permission for example, is not [`ok`](Check::ok) and says why; there is no other error.
pub fn examine(checked: &Checked) -> Preflight {
    Doctor::new(None).examine(checked)
}

/// Looks at several objects, or several times at one, and reads the kernel's types once.
pub struct Doctor {
    kernel: Kernel,
}

impl fmt::Debug for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not tens of thousands of types.
        f.debug_struct("Doctor").field("file", &self.kernel.file()).finish_non_exhaustive()
    }
}

impl Doctor {
    /// For objects that are opened with the kernel's own BTF, or with a file of it ([`Checked::open`], [`kernel_btf`](crate::bpf::open::kernel_btf)).
    /// Fields of the kernel's structs are looked up in such a file, and nowhere else; all other types come from the running kernel, as in
    /// libbpf.
    pub fn new(btf: Option<&Path>) -> Self {
        Self { kernel: Kernel::with_file(btf) }
    }

    /// As [`examine`].
    pub fn examine(&self, checked: &Checked) -> Preflight {
        self.examine_parts(checked, None)
    }

    /// As [`examine`], of these programs and tables of functions (struct_ops) of an object alone, as if they were switched on; the programs
    /// of a table are looked at where they are named too. One that the
    /// object has not is an answer that is not [`ok`](Check::ok).
    pub fn examine_only(&self, checked: &Checked, names: &[&str]) -> Preflight {
        self.examine_parts(checked, Some(names))
    }

    /// As [`examine`], of an object that is open: with the programs that are switched on and off, the sizes of maps and the targets that it
    /// will be loaded and attached with. With `only`, nothing else is spoken of.
    ///
    /// A place that is missing keeps a program from being attached, and not the others; with `strict` all must be there.
    pub fn examine_open(&self, open: dynamic::Open, only: Option<&[&str]>, strict: bool) -> Preflight {
        let (open, checked) = open.into_parts();
        self.examine_opened(open, &checked, &Asked { only, strict, whole: true }, Self::begin())
    }

    fn examine_parts(&self, checked: &Checked, only: Option<&[&str]>) -> Preflight {
        let mut checks = Self::begin();
        match checked.opened(self.kernel.file()) {
            // What is looked at alone is set up in ways that are not known here.
            Ok(open) => self.examine_opened(open, checked, &Asked { only, strict: true, whole: only.is_none() }, checks),
            Err(error) => {
                let hint = if let Error::Kernel(refusal) = &error { refusal.hint.clone() } else { None };
                let todo = hint.unwrap_or_else(|| "compile the object anew".into());
                checks.push(check::missing("object", true, format!("libbpf does not {}", worded(error)), todo));
                Preflight { checks }
            }
        }
    }

    fn examine_opened(&self, open: bpf::Open, checked: &Checked, asked: &Asked<'_>, mut checks: Vec<Check>) -> Preflight {
        let permitted = checks.is_empty();
        self.examine_object(&open, checked, asked, permitted, &mut checks);
        // What is refused already need not be tried.
        let examined = Preflight { checks };
        let tried = (asked.whole && permitted && examined.ok()).then(|| loading(open));
        Preflight { checks: examined.checks.into_iter().chain(tried).collect() }
    }

    /// What nothing works without, where it is not there.
    fn begin() -> Vec<Check> {
        [preflight::create_map(), preflight::load_program()].into_iter().filter(|check| !check.ok).collect()
    }

    fn examine_object(&self, open: &bpf::Open, checked: &Checked, asked: &Asked<'_>, permitted: bool, checks: &mut Vec<Check>) {
        let &Asked { only, strict, .. } = asked;
        let object = open.opened();
        let calls = checked.calls().unwrap_or_else(|fault| {
            checks.push(check::untold("instructions", fault.what, fault.todo));
            Calls::default()
        });
        let relocations = checked.relocations().unwrap_or_else(|fault| {
            checks.push(check::untold("CO-RE relocations", fault.what, fault.todo));
            Vec::new()
        });
        let programs = read_programs(checked, open, &calls, &relocations, asked);
        checks.extend(only.into_iter().flatten().filter_map(|name| unknown(name, object)));
        let supported = RefCell::default();
        let (kernel, by_name) = (&self.kernel, asked.by_name());
        let patient = Patient { checked, programs, calls, relocations, kernel, only, strict, by_name, permitted, supported };
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

/// Loads the object, which is then sure to be loaded or known not to be: what the verifier refuses nobody else can tell.
fn loading(open: bpf::Open) -> Check {
    const WHAT: &str = "loading";
    match open.try_load() {
        Ok(()) => check::found(WHAT, "loaded, not attached, and removed"),
        Err(Error::Kernel(refusal)) => {
            let log = refusal.verifier_log.as_deref().unwrap_or(&refusal.messages);
            let lines = log.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("processed "));
            let lines: Vec<&str> = lines.map(str::trim).collect();
            let last = lines.get(lines.len().saturating_sub(LAST)..).unwrap_or_default().join(" | ");
            let todo = refusal.hint.clone().unwrap_or_else(|| "load the object to see all that the kernel says".into());
            check::missing(WHAT, true, format!("{}: {last}", refusal.source), todo)
        }
        Err(error) => check::missing(WHAT, true, error.to_string(), ""),
    }
}

/// Lines of a verifier's log that are shown.
const LAST: usize = 3;

/// An error without its hint.
fn worded(error: Error) -> String {
    match error {
        Error::Kernel(refusal) => Error::Kernel(Box::new(crate::Refusal { hint: None, ..*refusal })).to_string(),
        error => error.to_string(),
    }
}

/// What is to be said of a name that the object has not.
fn unknown(name: &str, object: &OpenObject) -> Option<Check> {
    let tables = object.maps().filter(|map| map.map_type() == MapType::StructOps).map(|map| map.name().to_string_lossy().into_owned());
    let known: Vec<String> = object.progs().map(|program| program.name().to_string_lossy().into_owned()).chain(tables).collect();
    if known.iter().any(|known| known == name) {
        return None;
    }
    let todo = match near(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", list(known.iter().map(String::as_str))),
    };
    Some(check::missing(format!("program {name}"), true, "the object has no program or table of this name", todo))
}

/// The programs, with what libbpf makes of their sections.
fn read_programs(checked: &Checked, open: &bpf::Open, calls: &Calls, relocations: &[Relocation], asked: &Asked<'_>) -> Vec<Program> {
    let (object, only) = (open.opened(), asked.only);
    let questions = externs::questions(checked, calls);
    let unattached = programs::tables_are_unattached(&checked.layouts.btf);
    let wanted = object.progs().filter(|program| only.is_none_or(|only| only.iter().any(|name| program.name() == *name)));
    let programs = wanted.map(|program| {
        let name = program.name().to_string_lossy().into_owned();
        let index = calls.functions.iter().position(|function| function.name == name);
        let functions: Vec<usize> = index.map(|index| calls.reached(index)).into_iter().flatten().collect();
        let of_functions = |relocation: &&Relocation| {
            calls.at(relocation.section, relocation.offset.into()).is_some_and(|function| functions.contains(&function))
        };
        let reached = functions.iter().filter_map(|index| calls.functions.get(*index));
        let asks = relocations.iter().filter(of_functions).any(|relocation| relocation.kind.is_question())
            || reached.clone().any(|function| function.constants)
            || reached.flat_map(|function| &function.externs).any(|name| questions.contains(name.as_str()));
        // SAFETY: the pointer is that of a program of a live object, and the call only reads a flag.
        let link = unsafe { libbpf_sys::bpf_program__autoattach(program.as_libbpf_object().as_ptr()) };
        // An object that is open is set up as it will be loaded.
        let autoload = asked.by_name() || program.autoload();
        let section = program.section().to_string_lossy().into_owned();
        let targets = open.targets().get(&name).cloned().unwrap_or_default();
        let (ty, link) = (program.prog_type(), link && program.prog_type() != ProgramType::Syscall);
        // They are attached with their tables.
        let link = link && (ty != ProgramType::StructOps || !unattached);
        let targeted = asked.by_name() || !targets.is_empty() || says(&section, ty).wants.is_none();
        Program { section, ty, autoload, link, attached: link && autoload && targeted, targets, name, functions, asks }
    });
    programs.collect()
}

impl Program {
    /// The functions that it reaches.
    fn reached<'a>(&'a self, calls: &'a Calls) -> impl Iterator<Item = &'a Function> {
        self.functions.iter().filter_map(|index| calls.functions.get(*index))
    }
}

impl Patient<'_> {
    /// Whether the kernel loads programs of a type.
    fn supported(&self, ty: ProgramType) -> Support {
        *self.supported.borrow_mut().entry(ty as u32).or_insert_with(|| programs::supported(ty))
    }

    /// Whether a table of functions is made, going by its section; none where it is not looked at.
    fn makes(&self, table: &str, section: &str) -> Option<bool> {
        match self.only {
            None => Some(!section.starts_with('?')),
            Some(only) => only.contains(&table).then_some(true),
        }
    }

    /// The programs that reach a byte of a section.
    fn programs_at(&self, section: usize, offset: u32) -> impl Iterator<Item = &Program> {
        let function = self.calls.at(section, offset.into());
        self.programs.iter().filter(move |program| function.is_some_and(|function| program.functions.contains(&function)))
    }

    /// The kernel's types, where the object needs them.
    fn kernel_types(&self) -> impl Iterator<Item = Check> {
        [self.types_of_file(), self.types_of_kernel()].into_iter().flatten()
    }

    fn types_of_file(&self) -> Option<Check> {
        const WHAT: &str = "BTF for CO-RE relocations";
        if self.kernel.file().is_none() || self.relocations.is_empty() {
            return None;
        }
        Some(match self.kernel.relocation_types() {
            Ok((path, _)) => check::found(WHAT, format!("{path}; for {} relocations", self.relocations.len())),
            Err(why) => check::missing(WHAT, true, why.as_str(), "name a file with the BTF of this kernel"),
        })
    }

    fn types_of_kernel(&self) -> Option<Check> {
        const WHAT: &str = "kernel BTF";
        let of_types =
            |program: &&Program| matches!(program.ty, ProgramType::Tracing | ProgramType::Lsm | ProgramType::StructOps | ProgramType::Ext);
        let programs = self.programs.iter().filter(of_types).map(|program| program.name.as_str());
        let mut needs = Vec::new();
        if !self.relocations.is_empty() && self.kernel.file().is_none() {
            needs.push(format!("CO-RE relocations ({})", self.relocations.len()));
        }
        if programs.clone().next().is_some() {
            needs.push(format!("the programs {}", list(programs)));
        }
        if externs::typed(self.checked) {
            needs.push("symbols of the kernel".to_owned());
        }
        if needs.is_empty() {
            return None;
        }
        let needs = needs.join(", ");
        Some(match self.kernel.types() {
            Ok((path, _)) => check::found(WHAT, format!("{path}; for {needs}")),
            Err(why) => {
                let todo = "the kernel needs CONFIG_DEBUG_INFO_BTF, which distributions set since 2021";
                check::missing(WHAT, true, format!("{why}; for {needs}"), todo)
            }
        })
    }
}

/// For the tests of this workspace only.
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz {
    use crate::diagnosis::binary::{Answer, Binary};

    /// Looks for a function and for a static probe in a file; whether the function is there.
    pub fn examined(path: &str, name: &str) -> bool {
        let Ok(file) = Binary::read(path) else { return false };
        file.probe(name, name);
        matches!(file.function(name), Answer::There(_))
    }
}
