//! Objects that are open and not yet loaded, whose maps, programs and variables can be set up.

#[cfg(feature = "dynamic")]
mod btf_cache;
mod kernel_btf;
mod maps;
#[doc(hidden)]
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    io,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
    path::Path,
    time::Duration,
};

#[cfg(feature = "dynamic")]
pub use btf_cache::BtfCache;
pub use kernel_btf::{archived, kernel_btf, named_btf};
pub use table::OpenTable;

use libbpf_rs::{
    AsRawLibbpf as _, ObjectBuilder, OpenObject, OpenProgramMut, ProgramAttachType, ProgramType,
    libbpf_sys,
};

use super::{
    Loaded, ReadWrite, Section, SizedSection, StructOps, Target, loaded::load::load,
    section::SectionMap, sys::c_string,
};
#[cfg(feature = "dynamic")]
use crate::diagnosis::pinned::pin_none;
use crate::{
    Error, Result,
    diagnosis::load::Wanted,
    file,
    host::{
        kernel_error,
        messages::{listen, refused},
        privilege::{Need, lacking},
        token,
    },
    map_spec::MapSpec,
    reader::PerfBuffer,
};

/// The parameters for opening an object.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct Spec<'a> {
    /// The name that libbpf gives the object. Internal maps are named after it.
    pub name: &'a str,
    /// The ELF file.
    pub object: &'a [u8],
    /// The maps that deliver records, in the order in which [`Loaded::poll`] numbers them.
    pub streams: &'a [&'a str],
    /// Those of the maps in `streams` that are read at intervals.
    pub samples: &'a [Sample<'a>],
    /// The variables in which programs count the records that found no room.
    pub dropped: &'a [Dropped<'a>],
    /// The number of pages of a perf ring on each CPU, a power of two; see
    /// [`Open::set_perf_buffer`].
    pub perf_pages: usize,
}

/// A map that is read at intervals.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct Sample<'a> {
    /// The name of the map.
    pub map: &'a str,
    /// The time between two readings.
    pub every: Duration,
    /// True if reading takes the entries out of the map; see [`super::Sampler::take`].
    pub clear: bool,
}

/// A global variable in which programs count the records of a map that found no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub struct Dropped<'a> {
    /// The name of the map.
    pub map: &'a str,
    /// The section of the variable.
    pub section: &'a str,
    /// The offset of the variable in the section, in bytes.
    pub offset: usize,
    /// The number of bytes of the variable, 4 or 8.
    pub size: usize,
}

/// An object that is open and not yet loaded: maps, programs and variables can be set up.
#[derive(Debug)]
#[must_use = "an open object does nothing until it is loaded"]
pub struct Open {
    pub(super) object: OpenObject,
    pub(super) settings: Settings,
}

/// The settings for loading, apart from the object.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    /// The names of the maps in libbpf's order. They are kept because libbpf renames a map that
    /// another map replaces.
    pub(super) maps: Vec<String>,
    /// The templates of inner maps, by the index of the map of maps. They are kept open until the
    /// object is loaded.
    pub(super) inner: BTreeMap<usize, OwnedFd>,
    pub(super) streams: Vec<String>,
    /// The maps that are read at intervals: the interval, whether entries are taken out, and the
    /// declaration.
    pub(super) samples: BTreeMap<String, (Duration, bool, MapSpec)>,
    /// The section, offset and size of the variable, by the name of the map.
    pub(super) dropped: BTreeMap<String, (String, usize, usize)>,
    /// The streams whose records are left to another reader.
    pub(super) left: BTreeSet<String>,
    pub(super) perf: PerfBuffer,
    pub(super) targets: BTreeMap<String, Vec<Target>>,
}

impl Open {
    /// Opens an object, without a call to the kernel.
    ///
    /// # Errors
    /// [`Error::Kernel`] with libbpf's messages if libbpf cannot open the object.
    /// [`Error::NotFound`] if it has no map of a given name. [`Error::Value`] if a map is listed
    /// twice, because a record has one reader. [`Error::Misuse`] if an arena with variables is declared as pinned
    /// (`LIBBPF_PIN_BY_NAME`), see [`Self::set_pin_path`]; or if a table of functions (struct_ops)
    /// is defined in `SEC(".maps")`.
    #[doc(hidden)]
    pub fn new(spec: &Spec<'_>) -> Result<Self> {
        Self::for_kernel(spec, None)
    }

    /// Opens an object for a kernel without `/sys/kernel/btf/vmlinux`, with the kernel's BTF in a
    /// file; see [`super::open::kernel_btf`]. The file is read when the object is loaded.
    ///
    /// # Errors
    /// Those of [`Self::new`]; [`Error::File`] if the path does not lead to a regular file.
    #[doc(hidden)]
    pub fn for_kernel(spec: &Spec<'_>, btf: Option<&Path>) -> Result<Self> {
        let tried = || format!("open the BPF object `{}`", spec.name);
        // libbpf opens any path, and would wait for a FIFO.
        if let Some(path) = btf {
            file::open(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        }
        let (object, log) = listen(|| {
            let mut builder = ObjectBuilder::default();
            builder.name(spec.name)?;
            if let Some(btf) = btf {
                builder.btf_custom_path(btf)?;
            }
            let mut object = token::open(&mut builder, spec.object)?;
            StructOps::switch_off_optional(&mut object)?;
            let without_table = StructOps::without_table(&object)?;
            Ok((object, without_table))
        });
        let (object, without_table) = object.map_err(|error| refused(tried(), &error, &log))?;
        if let Some(name) = without_table {
            let why = "it is of the type BPF_MAP_TYPE_STRUCT_OPS and defined in SEC(\".maps\"): define a variable of the kernel's type in \
                       SEC(\".struct_ops\")";
            return Err(Error::Misuse {
                name: format!("map `{}`", name.to_string_lossy()),
                why: why.to_owned(),
            });
        }
        let settings = Settings {
            name: spec.name.to_owned(),
            maps: object.maps().map(|map| map.name().to_string_lossy().into_owned()).collect(),
            inner: BTreeMap::new(),
            streams: spec.streams.iter().map(|&map| map.to_owned()).collect(),
            samples: spec
                .samples
                .iter()
                .filter_map(|sample| {
                    let map = object.maps().find(|map| map.name() == sample.map)?;
                    // SAFETY: the map belongs to a live object.
                    let declared = unsafe { MapSpec::declared(map.as_libbpf_object()) };
                    Some((sample.map.to_owned(), (sample.every, sample.clear, declared)))
                })
                .collect(),
            dropped: spec
                .dropped
                .iter()
                .map(|counter| {
                    (
                        counter.map.to_owned(),
                        (counter.section.to_owned(), counter.offset, counter.size),
                    )
                })
                .collect(),
            perf: PerfBuffer { pages: spec.perf_pages, ..PerfBuffer::default() },
            left: BTreeSet::new(),
            targets: BTreeMap::new(),
        };
        let open = Self { object, settings };
        spec.streams.iter().try_for_each(|map| open.find_map(map).map(drop))?;
        open.refuse_pinned_values()?;
        if let Some(twice) = spec
            .streams
            .iter()
            .find(|map| spec.streams.iter().filter(|other| other == map).count() > 1)
        {
            return Err(Error::Value {
                name: format!("map `{twice}`"),
                why: "it is listed twice in the maps to read".to_owned(),
            });
        }
        Ok(open)
    }

    /// Returns the index of a map. A section's map is also found by the name of the section.
    pub(super) fn find_map(&self, name: &str) -> Result<usize> {
        let names = &self.settings.maps;
        let section = || SectionMap::find(self.object.as_libbpf_object(), name);
        let by_section = || {
            section().and_then(|section| {
                self.object.maps().position(|map| section.is(map.as_libbpf_object()))
            })
        };
        let found = names.iter().position(|map| map == name).or_else(by_section);
        found.ok_or_else(|| Error::NotFound {
            what: "map",
            name: name.to_owned(),
            known: names.clone(),
        })
    }

    /// Returns the variables of an ELF section, for example `.rodata`, or `.addr_space.1` for those
    /// of an arena. All variables can be set until the object is loaded.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such section.
    pub fn section(&mut self, name: &str) -> Result<Section<'_, ReadWrite>> {
        let storage =
            SectionMap::find(self.object.as_libbpf_object(), name).and_then(SectionMap::open);
        storage.map(Section::new).ok_or_else(|| Error::NotFound {
            what: "section",
            name: name.to_owned(),
            known: self.settings.maps.clone(),
        })
    }

    /// Returns the variables of an ELF section of `SIZE` bytes.
    ///
    /// # Errors
    /// Those of [`Self::section`] and [`Section::sized`].
    #[doc(hidden)]
    pub fn sized_section<const SIZE: usize>(
        &mut self,
        name: &str,
    ) -> Result<SizedSection<'_, ReadWrite, SIZE>> {
        self.section(name)?.sized(name)
    }

    /// Sets variables to the bytes of their values. Each is given by its section, name, offset and
    /// bytes.
    ///
    /// # Errors
    /// Those of [`Self::section`] and [`Section::write`].
    #[doc(hidden)]
    pub fn write(&mut self, values: &[(&str, &str, usize, &[u8])]) -> Result<()> {
        values.iter().try_for_each(|(section, variable, offset, bytes)| {
            self.section(section)?.write(variable, *offset, bytes)
        })
    }

    /// Sets variables to the values of command line options.
    ///
    /// Each is given by its section, name and offset, and by three values: that of the option, the
    /// option's default, and the value with which the variable was opened. The default is written
    /// only if it differs from the value with which the variable was opened and the variable still
    /// has that value. So values that the application has set before are kept.
    ///
    /// # Errors
    /// Those of [`Self::write`].
    #[doc(hidden)]
    pub fn write_args(&mut self, args: &[(&str, &str, usize, [&[u8]; 3])]) -> Result<()> {
        for (section, variable, offset, [value, default, opened]) in args {
            let section = self.section(section)?;
            if value != default
                || (default != opened && section.read(variable, *offset, opened.len())? == *opened)
            {
                section.write(variable, *offset, value)?;
            }
        }
        Ok(())
    }

    /// Returns a program.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no program of this name.
    pub fn program(&mut self, name: &str) -> Result<OpenProgram<'_>> {
        let known = self.programs();
        match self.object.progs_mut().find(|program| program.name() == name) {
            Some(program) => Ok(OpenProgram(program)),
            None => Err(Error::NotFound { what: "program", name: name.to_owned(), known }),
        }
    }

    /// Sets the target to which `attach` attaches a program. It replaces the target in the
    /// program's section and all targets that were set before.
    ///
    /// ```no_run
    /// # fn main() -> eunomia_runtime::Result<()> {
    /// let mut open = eunomia_runtime::Skeleton::from_file("profile.json")?.open()?;
    /// open.object().set_target("profile", "cpu-clock:99hz".parse()?)?;
    /// let skel = open.load()?.attach()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no program of this name, or no
    /// such [`Target::Map`]. [`Error::Mismatch`] if programs
    /// of its type or section cannot be attached to such a target. [`Error::Kernel`] with ENOENT or
    /// ESRCH if the function of a [`Target::Function`] is not found.
    pub fn set_target(&mut self, program: &str, target: Target) -> Result<()> {
        self.settings.targets.remove(program);
        self.add_target(program, target)
    }

    /// Adds a target to those that were set before: `attach` attaches the program to each of them.
    ///
    /// # Errors
    /// Those of [`Self::set_target`].
    pub fn add_target(&mut self, program: &str, target: Target) -> Result<()> {
        let target = match target {
            // By its own name, also if it is a section's.
            Target::Map(name) => Target::Map(
                self.find_map(&name)
                    .map(|index| self.settings.maps.get(index).cloned().unwrap_or(name))?,
            ),
            other => other,
        };
        let mut found = self.program(program)?;
        if let Some(why) =
            target.contradiction(found.0.prog_type(), &found.section().to_string_lossy())
        {
            return Err(Error::Mismatch {
                name: format!("target of the program `{program}`"),
                why,
            });
        }
        if let Target::Function(function) = &target {
            // The verifier checks the program against the function, and attaching uses it.
            found.set_attach_target(function, None)?;
        }
        self.settings.targets.entry(program.to_owned()).or_default().push(target);
        Ok(())
    }

    /// Returns the targets that were set, by the names of the programs.
    #[cfg(feature = "dynamic")]
    pub(crate) fn targets(&self) -> &BTreeMap<String, Vec<Target>> {
        &self.settings.targets
    }

    /// Reports whether [`Self::set_inner_map`] was called for the map of maps with this index.
    #[cfg(feature = "dynamic")]
    pub(crate) fn gives_inner(&self, index: usize) -> bool {
        self.settings.inner.contains_key(&index)
    }

    /// Returns the object as it will be loaded.
    #[cfg(feature = "dynamic")]
    pub(crate) fn opened(&self) -> &OpenObject {
        &self.object
    }

    /// Returns the names of the programs.
    pub fn programs(&self) -> Vec<String> {
        self.object.progs().map(|program| program.name().to_string_lossy().into_owned()).collect()
    }

    /// Leaves the records of a map to another reader: an object in this process or another one that
    /// shares the map.
    ///
    /// A map has one reader, so all but one of the objects that share it call this. Polls of this
    /// object deliver no records of the map.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the map was not listed as a stream when the object was opened.
    pub fn leave_records(&mut self, map: &str) -> Result<()> {
        let streams = &self.settings.streams;
        if !streams.iter().any(|stream| stream == map) {
            return Err(Error::NotFound {
                what: "stream",
                name: map.to_owned(),
                known: streams.clone(),
            });
        }
        self.settings.left.insert(map.to_owned());
        Ok(())
    }

    /// Sets the size of the rings of perf event arrays, and when the kernel wakes the reader.
    pub fn set_perf_buffer(&mut self, buffer: PerfBuffer) {
        self.settings.perf = buffer;
    }

    /// Returns the settings of the rings of perf event arrays.
    pub fn perf_buffer(&self) -> PerfBuffer {
        self.settings.perf
    }

    /// Loads maps and programs into the kernel and opens the readers. Readers are open before
    /// programs are attached, so no record is missed.
    ///
    /// In a user namespace, loading uses a BPF token (kernel 6.9 and later). The token comes from
    /// the BPF file system on `/sys/fs/bpf` if that delegates to the namespace, or from the one
    /// that the environment variable `LIBBPF_BPF_TOKEN_PATH` names. No token is used if the
    /// variable is empty.
    ///
    /// # Errors
    /// [`Error::Kernel`] if loading fails, with the verifier's log of a refused program and with
    /// the capabilities that this process lacks for the programs and maps. [`Error::InUse`] if
    /// another object in this process reads a shared map, see [`Self::leave_records`]. After an
    /// error nothing stays loaded.
    pub fn load(self) -> Result<Loaded> {
        let Self { object, settings } = self;
        // libbpf takes the object, and does not return it if loading fails.
        let wanted = Wanted::of(&object, &settings.inner);
        let (object, log) = listen(|| load(object));
        let (object, facts) = object.map_err(|error| {
            let error = refused(format!("load the BPF object `{}`", settings.name), &error, &log);
            wanted.explain(error, &log)
        })?;
        Loaded::new(object, facts, settings)
    }
}

#[cfg(feature = "dynamic")]
impl Open {
    /// Loads like [`Self::load`], and unloads. It pins no new map.
    pub(crate) fn try_load(mut self) -> Result<()> {
        pin_none(&mut self.object);
        self.load().map(drop)
    }
}

/// A program of an object that is not yet loaded.
#[derive(Debug)]
pub struct OpenProgram<'a>(OpenProgramMut<'a>);

impl OpenProgram<'_> {
    /// Returns the name of the C function.
    pub fn name(&self) -> &OsStr {
        self.0.name()
    }

    /// Returns the ELF section, which names the program's type and target.
    pub fn section(&self) -> &OsStr {
        self.0.section()
    }

    /// Sets whether the program is loaded. It is by default, unless its section starts with `?`.
    pub fn set_autoload(&mut self, on: bool) {
        self.0.set_autoload(on);
    }

    /// Sets the type as which the program is loaded, for a program whose section names no type
    /// (`SEC("ext/hook")`) or another one.
    ///
    /// Its handle is then one of kind [`Any`](super::kind::Any); [`super::Program::into_kind`]
    /// makes it one of the type: `skel.progs()?.hook.into_kind::<kind::Xdp>()?`.
    ///
    /// libbpf then ignores the section, so `attach` does not know the target: attach it with a
    /// method of its kind, or set a target with [`Open::set_target`]. If the type has several
    /// attach types, call [`Self::set_attach_type`] too.
    ///
    /// # Errors
    /// [`Error::Kernel`] from libbpf; none occurs before the object is loaded.
    pub fn set_type(&mut self, ty: ProgramType) -> Result<()> {
        self.set_type_number(ty as u32)
    }

    fn set_type_number(&mut self, ty: libbpf_sys::bpf_prog_type) -> Result<()> {
        // SAFETY: the pointer is that of a program of a live object, and the call writes a number.
        let error =
            unsafe { libbpf_sys::bpf_program__set_type(self.0.as_libbpf_object().as_ptr(), ty) };
        self.check_set(error, "type")
    }

    /// Sets the expected attach type (`expected_attach_type`), which the kernel requires for some
    /// types, for example those of sockets and cgroups. [`Self::set_type`] does not change it.
    ///
    /// # Errors
    /// Those of [`Self::set_type`].
    pub fn set_attach_type(&mut self, ty: ProgramAttachType) -> Result<()> {
        self.set_attach_type_number(ty as u32)
    }

    fn set_attach_type_number(&mut self, ty: libbpf_sys::bpf_attach_type) -> Result<()> {
        // SAFETY: the pointer is that of a program of a live object, and the call writes a number.
        let error = unsafe {
            libbpf_sys::bpf_program__set_expected_attach_type(
                self.0.as_libbpf_object().as_ptr(),
                ty,
            )
        };
        self.check_set(error, "attach type")
    }

    /// Returns the type that the section names or that was set; `Unspec` if libbpf does not know
    /// the section.
    pub fn prog_type(&self) -> ProgramType {
        self.0.prog_type()
    }

    fn check_set(&self, error: i32, property: &str) -> Result<()> {
        let tried =
            || format!("set the {property} of the program `{}`", self.name().to_string_lossy());
        if error < 0 {
            Err(kernel_error(tried(), io::Error::from_raw_os_error(-error)))
        } else {
            Ok(())
        }
    }

    /// Sets the function to which the program attaches.
    ///
    /// For `fentry`, `fexit`, `fmod_ret` and `lsm` it is a function of the kernel. For `freplace`
    /// it is a function of the program `of`, which this program replaces. The kernel checks the
    /// types of the two functions at loading.
    ///
    /// # Errors
    /// [`Error::Kernel`] if libbpf refuses the function: ENOENT (for a function of the kernel also
    /// ESRCH) if it is not found, EINVAL if `of` has no BTF.
    pub fn set_attach_target(&mut self, function: &str, of: Option<BorrowedFd<'_>>) -> Result<()> {
        let tried = format!(
            "set `{function}` as the target of the program `{}`",
            self.name().to_string_lossy()
        );
        let program = of.map_or(0, |program| program.as_raw_fd());
        let (set, log) = listen(|| self.0.set_attach_target(program, Some(function.to_owned())));
        set.map_err(|error| {
            refused(tried, &error, &log)
                .without(|| lacking(&[Need::by_number("finding the functions of another program")]))
        })
    }

    /// Sets the type and the expected attach type to those of programs in `section`, for example
    /// `xdp` or `cgroup/connect4`. The program's own section is then ignored.
    ///
    /// # Errors
    /// [`Error::Value`] if libbpf does not know the section; otherwise those of [`Self::set_type`].
    pub fn set_type_of(&mut self, section: &str) -> Result<()> {
        let name =
            || format!("type `{section}` of the program `{}`", self.name().to_string_lossy());
        let c_section = c_string(section, name)?;
        let (mut ty, mut attach_type) = (0, 0);
        // SAFETY: the string ends with a NUL and lives through the call, as do the two numbers that
        // the call writes.
        let (error, _) = listen(|| unsafe {
            libbpf_sys::libbpf_prog_type_by_name(
                c_section.as_ptr(),
                &raw mut ty,
                &raw mut attach_type,
            )
        });
        if error < 0 {
            return Err(Error::Value {
                name: name(),
                why: "libbpf does not know this section".to_owned(),
            });
        }
        // Set as numbers, because libbpf-rs has no names for some of them.
        self.set_type_number(ty)?;
        self.set_attach_type_number(attach_type)
    }

    /// Sets whether `attach` attaches the program. It does by default.
    pub fn set_autoattach(&mut self, on: bool) {
        self.0.set_autoattach(on);
    }
}
