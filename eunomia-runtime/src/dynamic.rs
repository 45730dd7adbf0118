//! Skeletons known only at run time: the same life cycle as a generated module's, with [`Value`]s
//! for types.
//!
//! ```no_run
//! # fn main() -> eunomia_runtime::Result<()> {
//! let mut open = eunomia_runtime::Skeleton::from_file("bootstrap.json")?.open()?;
//! open.set("min_duration_ns", "1000000")?;
//! let skel = open.load()?.attach()?;
//! skel.poll(std::time::Duration::from_millis(100), |event| {
//!     println!("{}: {}", event.map, event.value);
//! })?;
//! # Ok(())
//! # }
//! ```

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    Error, Result, Skeleton,
    bpf::{
        self, Access, Direction, Dropped, Interface, Order, Rank, ReadOnly, ReadWrite, Sample,
        Section, Spec, Target,
    },
    checked::{Checked, DeclaredHook},
    error::Diagnostic,
    object::{DataSection, Variable},
    reader::{Outcome, Stats, Verdict},
    value::{self, Value},
};

pub use crate::value::{Event, Handler, Handlers};

/// An open skeleton that is not yet loaded.
#[derive(Debug)]
pub struct Open {
    inner: bpf::Open,
    checked: Arc<Checked>,
}

/// A loaded skeleton.
///
/// It is polled and attached like a generated module's, and also has [`Handles`].
pub type Loaded = bpf::LoadedSkeleton<Handles>;

/// Access to a loaded skeleton's variables and statistics by name.
#[derive(Debug)]
pub struct Handles {
    inner: bpf::Loaded,
    checked: Arc<Checked>,
}

/// An attached skeleton, whose programs run.
pub type Attached = bpf::Attached<Loaded>;

impl Skeleton {
    /// Checks the skeleton against its object and opens it.
    ///
    /// Sets the variables to which the document gives values.
    ///
    /// # Errors
    /// [`Error::Input`] with every fault of the skeleton, else those of [`Checked::open`].
    pub fn open(self) -> Result<Open> {
        self.check()?.open(None)
    }
}

impl Checked {
    /// Opens the skeleton.
    ///
    /// Fields that differ between kernels are looked up in the BTF file `kernel`, or in the running
    /// kernel's BTF if it is `None`; see [`bpf::kernel_btf`].
    ///
    /// # Errors
    /// [`Error::Input`] with every value of the document that cannot be set. [`Error::Kernel`] with
    /// libbpf's messages if libbpf cannot open the object. [`Error::File`] if `kernel` does not
    /// lead to a regular file, or if the types in it contain themselves. [`Error::Misuse`] if an
    /// arena with variables is declared as pinned (`LIBBPF_PIN_BY_NAME`).
    pub fn open(self, kernel: Option<&Path>) -> Result<Open> {
        Ok(Open { inner: self.opened(kernel)?, checked: Arc::new(self) })
    }

    /// Opens the underlying object and sets the values and targets of the document, as the `open`
    /// of a generated module does.
    pub(crate) fn opened(&self, kernel: Option<&Path>) -> Result<bpf::Open> {
        let checked = self;
        let streams: Vec<&str> = checked.streams.iter().map(|stream| stream.map.as_str()).collect();
        let samples = checked.streams.iter().filter_map(|stream| {
            let sampled = stream.sampled.as_ref()?;
            Some(Sample {
                map: &stream.map,
                every: Duration::from_millis(sampled.interval),
                clear: sampled.clear,
            })
        });
        let samples: Vec<_> = samples.collect();
        let dropped = checked.streams.iter().filter_map(|stream| {
            let at = stream.dropped.as_ref()?;
            let (offset, size) = (usize::try_from(at.offset).ok()?, usize::try_from(at.size).ok()?);
            Some(Dropped { map: &stream.map, section: &at.section, offset, size })
        });
        let dropped: Vec<_> = dropped.collect();
        let setup = checked.setup()?;
        checked.bounded()?;
        let spec = Spec {
            name: &checked.skeleton.name,
            object: checked.skeleton.object.as_deref().unwrap_or_default(),
            streams: &streams,
            samples: &samples,
            dropped: &dropped,
            perf_pages: checked.perf_pages(),
        };
        // libbpf reports what it did not find; the object tells why.
        let why = || {
            checked
                .refusals()
                .into_iter()
                .next()
                .map(|Diagnostic { what, todo, .. }| format!("{what}; {todo}"))
        };
        // SAFETY: `bounded` has accepted the object, and nothing has changed it since.
        let inner = unsafe { bpf::Open::new(&spec, kernel) };
        let mut inner = inner.map_err(|error| error.with_hint(why))?;
        for (program, section) in checked.program_types() {
            inner.program(program)?.set_type_of(section)?;
        }
        for value in setup.values {
            inner.section(&value.section.name)?.write(
                &value.variable.name,
                offset(value.variable),
                &value.bytes,
            )?;
        }
        for target in setup.targets {
            let interface = Interface::Index(target.interface);
            let to = match target.hook {
                DeclaredHook::Xdp(flags) => Target::Xdp { interface, flags },
                DeclaredHook::Tc { ingress, handle, priority, first } => {
                    let order = if first { Order::First } else { Order::Last };
                    let direction = if ingress { Direction::Ingress } else { Direction::Egress };
                    Target::Tc { interface, direction, rank: Rank { handle, priority }, order }
                }
            };
            inner.set_target(target.program, to)?;
        }
        for program in checked.skeleton.programs.iter().filter(|program| !program.link) {
            inner.program(&program.name)?.set_autoattach(false);
        }
        Ok(inner)
    }
}

impl Checked {
    fn variable(&self, name: &str) -> Result<(&DataSection, &Variable)> {
        let all = || {
            self.sections.iter().flat_map(|section| {
                section.variables.iter().map(move |variable| (section, variable))
            })
        };
        all().find(|(_, variable)| variable.name == name).ok_or_else(|| Error::NotFound {
            what: "variable",
            name: name.to_owned(),
            known: all()
                .filter(|(_, variable)| !variable.is_dummy())
                .map(|(_, variable)| variable.name.clone())
                .collect(),
        })
    }
}

fn offset(variable: &Variable) -> usize {
    usize::try_from(variable.offset).unwrap_or(usize::MAX)
}

impl Open {
    /// Sets a variable from text: a number in decimal, `0x`, `0o` or `0b`, `true` or `false`, the
    /// name of an enum constant, or text.
    ///
    /// # Errors
    /// [`Error::NotFound`] with the names of all variables, [`Error::Value`] with the valid range
    /// of the variable's type.
    pub fn set(&mut self, variable: &str, text: &str) -> Result<()> {
        let (section, variable) = self.checked.variable(variable)?;
        if section.is_kconfig() {
            let why = "its value comes from the kernel's configuration".to_owned();
            return Err(Error::Misuse { name: format!("variable `{}`", variable.name), why });
        }
        let bytes = value::parse(&self.checked.layouts, variable.ty, text)
            .map_err(|why| Error::Value { name: format!("variable `{}`", variable.name), why })?;
        self.inner.section(&section.name)?.write(&variable.name, offset(variable), &bytes)
    }

    /// Returns the value with which a variable will be loaded, in its one-line form.
    ///
    /// # Errors
    /// Those of [`Self::set`].
    pub fn get(&mut self, variable: &str) -> Result<String> {
        let checked = Arc::clone(&self.checked);
        let (section, variable) = checked.variable(variable)?;
        let section: Section<'_, ReadWrite> = self.inner.section(&section.name)?;
        show(&checked, variable, &section)
    }

    /// Returns the options of the variables as a clap command.
    ///
    /// The app can add its own, under other names.
    ///
    /// # Errors
    /// None: a document with impossible options is not opened.
    #[cfg(feature = "clap")]
    pub fn command(&self) -> Result<clap::Command> {
        let checked = &self.checked;
        Ok(checked.command(&checked.setup()?.arguments).to_clap())
    }

    /// Sets the variables whose options were given to [`Self::command`].
    ///
    /// Every other variable gets its option's default if it was not opened with it, unless it was
    /// [set](Self::set) before.
    ///
    /// # Errors
    /// [`Error::Value`] if the matches are those of another skeleton's command.
    #[cfg(feature = "clap")]
    pub fn args(mut self, matches: &clap::ArgMatches) -> Result<Self> {
        let given = crate::args::Given::of(matches);
        for argument in self.checked.setup()?.arguments {
            let (section, variable) = (argument.section, argument.variable);
            let bytes = given.bytes(&argument.arg.long);
            if let Some(bytes) = bytes.filter(|bytes| bytes.len() != argument.default.len()) {
                let why = format!(
                    "the matches have {} bytes for it, so they come from the command of another skeleton",
                    bytes.len()
                );
                return Err(Error::Value { name: format!("variable `{}`", variable.name), why });
            }
            match bytes {
                Some(bytes) => self.inner.section(&section.name)?.write(
                    &variable.name,
                    offset(variable),
                    bytes,
                )?,
                None => {
                    let values =
                        [&argument.default, &argument.default, &argument.opened].map(Vec::as_slice);
                    self.inner.write_args(&[(
                        &section.name,
                        &variable.name,
                        offset(variable),
                        values,
                    )])?;
                }
            }
        }
        Ok(self)
    }

    /// Splits the skeleton into the underlying object and its description.
    pub(crate) fn into_parts(self) -> (bpf::Open, Arc<Checked>) {
        (self.inner, self.checked)
    }

    /// Returns the underlying object, for example to turn programs off or resize maps.
    pub fn object(&mut self) -> &mut bpf::Open {
        &mut self.inner
    }

    /// Returns the skeleton together with the content of its object.
    ///
    /// It can outlive this value.
    pub fn checked(&self) -> &Arc<Checked> {
        &self.checked
    }

    /// Loads maps and programs into the kernel.
    ///
    /// # Errors
    /// Those of [`bpf::Open::load`].
    pub fn load(self) -> Result<Loaded> {
        Ok(Loaded::new(Handles { inner: self.inner.load()?, checked: self.checked }))
    }
}

impl bpf::Handles for Handles {
    type Export<'a> = Event<'a>;

    fn object(&self) -> &bpf::Loaded {
        &self.inner
    }

    fn deliver<R: Outcome>(
        &self,
        map: usize,
        record: &[u8],
        f: impl FnOnce(Event<'_>) -> R,
    ) -> Verdict {
        self.checked.deliver(map, record, f)
    }
}

impl Handles {
    /// Returns the statistics of each map: how many records were delivered, discarded or lost.
    pub fn stats(&self) -> Vec<(&str, Stats)> {
        self.checked
            .streams
            .iter()
            .map(|stream| stream.map.as_str())
            .zip(self.inner.stats())
            .collect()
    }

    /// Returns the current value of a variable, in its one-line form.
    ///
    /// # Errors
    /// [`Error::NotFound`] with the names of all variables, [`Error::Kernel`] as for
    /// [`bpf::Variable::get`].
    pub fn get(&self, variable: &str) -> Result<String> {
        let (section, variable) = self.checked.variable(variable)?;
        let section: Section<'_, ReadOnly> = self.inner.section(&section.name)?;
        show(&self.checked, variable, &section)
    }

    /// Returns the skeleton together with the content of its object.
    ///
    /// It can outlive this value.
    pub fn checked(&self) -> &Arc<Checked> {
        &self.checked
    }
}

fn show<A: Access>(
    checked: &Checked,
    variable: &Variable,
    section: &Section<'_, A>,
) -> Result<String> {
    let bytes = section.read(
        &variable.name,
        offset(variable),
        usize::try_from(variable.size).unwrap_or(usize::MAX),
    )?;
    let value = Value::of_variable(&checked.layouts, variable, &bytes).map_err(|short| {
        Error::Value { name: format!("variable `{}`", variable.name), why: short.to_string() }
    })?;
    Ok(value.to_string())
}
