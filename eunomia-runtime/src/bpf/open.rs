//! The object before it is loaded: maps, programs and variables can be set up.

#[cfg(feature = "dynamic")]
mod btf_cache;
mod kernel_btf;
mod maps;
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

use libbpf_rs::{AsRawLibbpf as _, ObjectBuilder, OpenObject, OpenProgramMut, ProgramAttachType, ProgramType, libbpf_sys};

use super::{
    Loaded, MapSpec, ReadWrite, Section, SizedSection, StructOps, Target,
    loaded::load::load,
    section::SectionMap,
    sys::{
        c_string,
        messages::{listen, refused},
    },
};
#[cfg(feature = "dynamic")]
use crate::diagnosis::pinned::pin_none;
use crate::{
    Error, Result,
    diagnosis::{
        load::Wanted,
        privilege::{Need, lacking},
        token,
    },
    file,
    reader::PerfBuffer,
    refusal::refusal,
};

/// What an object is, for those who open it.
#[derive(Debug, Clone, Copy)]
pub struct Spec<'a> {
    /// What libbpf is to call it; internal maps are named after it.
    pub name: &'a str,
    /// The ELF.
    pub object: &'a [u8],
    /// The maps whose records are delivered, in the order in which [`Loaded::poll`] numbers them.
    pub streams: &'a [&'a str],
    /// Those of them that are read at intervals.
    pub samples: &'a [Sample<'a>],
    /// Where programs count the records that found no room.
    pub dropped: &'a [Dropped<'a>],
    /// Pages of a perf ring on each CPU, a power of two; see [`Open::set_perf_buffer`].
    pub perf_pages: usize,
}

/// A map that is read at intervals.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// The map.
    pub map: &'a str,
    /// The time between two readings.
    pub every: Duration,
    /// Whether its entries are taken out; see [`super::Sampler::take`].
    pub clear: bool,
}

/// A global variable in which the programs count the records of a map that found no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped<'a> {
    /// The map.
    pub map: &'a str,
    /// Its section.
    pub section: &'a str,
    /// Bytes from the start of the section.
    pub offset: usize,
    /// Bytes of the variable, 4 or 8.
    pub size: usize,
}

/// An object that is open and not yet loaded: variables and programs can be set up.
#[derive(Debug)]
#[must_use = "an object that is open does nothing until it is loaded"]
pub struct Open {
    pub(super) object: OpenObject,
    pub(super) settings: Settings,
}

/// What loading needs beside the object.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    /// The names of the maps in libbpf's order: one that another map takes the place of is called like that one by libbpf.
    pub(super) maps: Vec<String>,
    /// What maps in maps are made like, held until the object is loaded.
    pub(super) inner: BTreeMap<usize, OwnedFd>,
    pub(super) streams: Vec<String>,
    /// Those that are read at intervals, whether they are emptied, and what they are declared like.
    pub(super) samples: BTreeMap<String, (Duration, bool, MapSpec)>,
    /// By the map: section, offset and size of the variable.
    pub(super) dropped: BTreeMap<String, (String, usize, usize)>,
    /// The streams whose records are left to another reader.
    pub(super) left: BTreeSet<String>,
    pub(super) perf: PerfBuffer,
    pub(super) targets: BTreeMap<String, Vec<Target>>,
}

impl Open {
    /// Opens the object. Asks nothing of the kernel.
    ///
    /// # Errors
    /// [`Error::Kernel`] with what libbpf says is wrong with the object, [`Error::NotFound`] where it has no such map,
    /// [`Error::Value`] if a map is named twice, since a record has one reader, if an arena with variables is declared to be pinned
    /// (`LIBBPF_PIN_BY_NAME`), see [`Self::set_pin_path`], and if a table of functions (struct_ops) is defined in `SEC(".maps")`.
    pub fn new(spec: &Spec<'_>) -> Result<Self> {
        Self::for_kernel(spec, None)
    }

    /// As [`Self::new`], with a file of the kernel's BTF in place of `/sys/kernel/btf/vmlinux`, for kernels that have none; see
    /// [`super::open::kernel_btf`]. It is read when the object is loaded.
    ///
    /// # Errors
    /// As [`Self::new`]; [`Error::File`] if the path does not lead to a regular file.
    pub fn for_kernel(spec: &Spec<'_>, btf: Option<&Path>) -> Result<Self> {
        let tried = || format!("open the BPF object `{}`", spec.name);
        // libbpf opens whatever the path leads to, and would wait for a FIFO.
        if let Some(path) = btf {
            file::open(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        }
        let (object, said) = listen(|| {
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
        let (object, without_table) = object.map_err(|error| refused(tried(), &error, &said))?;
        if let Some(name) = without_table {
            let why = "it is of the type BPF_MAP_TYPE_STRUCT_OPS and defined in SEC(\".maps\"): define a variable of the kernel's type in \
                       SEC(\".struct_ops\")";
            return Err(Error::Value { name: format!("map `{}`", name.to_string_lossy()), why: why.to_owned() });
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
                    // SAFETY: the map is that of a live object.
                    let declared = unsafe { MapSpec::declared(map.as_libbpf_object()) };
                    Some((sample.map.to_owned(), (sample.every, sample.clear, declared)))
                })
                .collect(),
            dropped: spec.dropped.iter().map(|at| (at.map.to_owned(), (at.section.to_owned(), at.offset, at.size))).collect(),
            perf: PerfBuffer { pages: spec.perf_pages, ..PerfBuffer::default() },
            left: BTreeSet::new(),
            targets: BTreeMap::new(),
        };
        let open = Self { object, settings };
        spec.streams.iter().try_for_each(|map| open.find_map(map).map(drop))?;
        open.refuse_pinned_values()?;
        if let Some(twice) = spec.streams.iter().find(|map| spec.streams.iter().filter(|other| other == map).count() > 1) {
            return Err(Error::Value { name: format!("map `{twice}`"), why: "it is named twice among those to be read".to_owned() });
        }
        Ok(open)
    }

    /// The place of a map among those of the object. A section's map may go by the name of the section.
    pub(super) fn find_map(&self, name: &str) -> Result<usize> {
        let names = &self.settings.maps;
        let section = || SectionMap::find(self.object.as_libbpf_object(), name);
        let of_section = || section().and_then(|section| self.object.maps().position(|map| section.is(map.as_libbpf_object())));
        let found = names.iter().position(|map| map == name).or_else(of_section);
        found.ok_or_else(|| Error::NotFound { what: "map", name: name.to_owned(), known: names.clone() })
    }

    /// The variables of an ELF section, `.rodata` for example, or `.addr_space.1` for those of an arena. All can be set until the object
    /// is loaded.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such section.
    pub fn section(&mut self, name: &str) -> Result<Section<'_, ReadWrite>> {
        let storage = SectionMap::find(self.object.as_libbpf_object(), name).and_then(SectionMap::open);
        storage.map(Section::new).ok_or_else(|| Error::NotFound {
            what: "section",
            name: name.to_owned(),
            known: self.settings.maps.clone(),
        })
    }

    /// The variables of an ELF section of `SIZE` bytes.
    ///
    /// # Errors
    /// Those of [`Self::section`] and [`Section::sized`].
    pub fn sized_section<const SIZE: usize>(&mut self, name: &str) -> Result<SizedSection<'_, ReadWrite, SIZE>> {
        self.section(name)?.sized(name)
    }

    /// Sets variables to the bytes of their values, each with the section that it is in, its name and its offset.
    ///
    /// # Errors
    /// Those of [`Self::section`] and [`Section::write`].
    pub fn write(&mut self, values: &[(&str, &str, usize, &[u8])]) -> Result<()> {
        values.iter().try_for_each(|(section, variable, offset, bytes)| self.section(section)?.write(variable, *offset, bytes))
    }

    /// Sets variables to what a command line says, each with the section that it is in, its name and its offset, and three values: that of
    /// its option, the option's default, and the one that it was opened with. What is the default says nothing: it is written only if the
    /// variable was opened with another value and still has that. So what the application has set before stays.
    ///
    /// # Errors
    /// Those of [`Self::write`].
    #[doc(hidden)]
    pub fn write_args(&mut self, args: &[(&str, &str, usize, [&[u8]; 3])]) -> Result<()> {
        for (section, variable, offset, [value, default, opened]) in args {
            let section = self.section(section)?;
            if value != default || (default != opened && section.read(variable, *offset, opened.len())? == *opened) {
                section.write(variable, *offset, value)?;
            }
        }
        Ok(())
    }

    /// A program.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no program of this name.
    pub fn program(&mut self, name: &str) -> Result<OpenProgram<'_>> {
        let known = self.programs();
        match self.object.progs_mut().find(|program| program.name() == name) {
            Some(program) => Ok(OpenProgram(program)),
            None => Err(Error::NotFound { what: "program", name: name.to_owned(), known }),
        }
    }

    /// Says what `attach` attaches a program to, in place of what its section says, or of targets that were set before.
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
    /// [`Error::NotFound`] if the object has no program of this name, or no such [`Target::Map`]; [`Error::Value`] if programs of its type
    /// or section are not attached to such a target; [`Error::Kernel`] with ENOENT or ESRCH if there is no such [`Target::Function`].
    pub fn set_target(&mut self, program: &str, target: Target) -> Result<()> {
        self.settings.targets.remove(program);
        self.add_target(program, target)
    }

    /// As [`Self::set_target`], beside the targets that were set before: the program is attached to each of them.
    ///
    /// # Errors
    /// Those of [`Self::set_target`].
    pub fn add_target(&mut self, program: &str, target: Target) -> Result<()> {
        let target = match target {
            // By its own name, also if it is a section's.
            Target::Map(name) => Target::Map(self.find_map(&name).map(|index| self.settings.maps.get(index).cloned().unwrap_or(name))?),
            other => other,
        };
        let mut found = self.program(program)?;
        if let Some(why) = target.contradiction(found.0.prog_type(), &found.section().to_string_lossy()) {
            return Err(Error::Value { name: format!("target of the program `{program}`"), why });
        }
        if let Target::Function(function) = &target {
            // The verifier looks at it, and attaching goes by it.
            found.set_attach_target(function, None)?;
        }
        self.settings.targets.entry(program.to_owned()).or_default().push(target);
        Ok(())
    }

    /// The targets that were set, by the programs' names.
    #[cfg(feature = "dynamic")]
    pub(crate) fn targets(&self) -> &BTreeMap<String, Vec<Target>> {
        &self.settings.targets
    }

    /// Whether the maps in a map of maps were given, by its place among the maps.
    #[cfg(feature = "dynamic")]
    pub(crate) fn gives_inner(&self, index: usize) -> bool {
        self.settings.inner.contains_key(&index)
    }

    /// The object as it will be loaded.
    #[cfg(feature = "dynamic")]
    pub(crate) fn opened(&self) -> &OpenObject {
        &self.object
    }

    /// The names of the programs.
    pub fn programs(&self) -> Vec<String> {
        self.object.progs().map(|program| program.name().to_string_lossy().into_owned()).collect()
    }

    /// Leaves the records of a map to another reader: an object that shares the map, of this process or another one. A map has one reader,
    /// so of several objects that share it all but one do this. Polls of this object deliver nothing of it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no map of this name was named as a stream when the object was opened.
    pub fn leave_records(&mut self, map: &str) -> Result<()> {
        let streams = &self.settings.streams;
        if !streams.iter().any(|stream| stream == map) {
            return Err(Error::NotFound { what: "stream", name: map.to_owned(), known: streams.clone() });
        }
        self.settings.left.insert(map.to_owned());
        Ok(())
    }

    /// How the rings of perf event arrays are set up: their size, and when the kernel wakes the reader.
    pub fn set_perf_buffer(&mut self, buffer: PerfBuffer) {
        self.settings.perf = buffer;
    }

    /// How the rings of perf event arrays are set up.
    pub fn perf_buffer(&self) -> PerfBuffer {
        self.settings.perf
    }

    /// Loads maps and programs into the kernel and opens the readers, so that no record is missed once programs are attached.
    ///
    /// A process in a user namespace does this with a BPF token (kernel 6.9 and later), which is taken from the bpffs on `/sys/fs/bpf` where
    /// that delegates to the namespace, or from the one that the environment variable `LIBBPF_BPF_TOKEN_PATH` names; where the variable is
    /// empty no token is taken.
    ///
    /// # Errors
    /// [`Error::Kernel`] with the verifier's log where a program was refused, and with the capabilities that this process lacks for its
    /// programs and maps. [`Error::InUse`] where another object of this process reads a map that is shared with it, see
    /// [`Self::leave_records`]. Everything that was loaded before is unloaded.
    pub fn load(self) -> Result<Loaded> {
        let Self { object, settings } = self;
        // libbpf takes the object, and does not give it back where it cannot be loaded.
        let wanted = Wanted::of(&object, &settings.inner);
        let (object, said) = listen(|| load(object));
        let (object, facts) = object.map_err(|error| {
            let error = refused(format!("load the BPF object `{}`", settings.name), &error, &said);
            wanted.explain(error, &said)
        })?;
        Loaded::new(object, facts, settings)
    }
}

#[cfg(feature = "dynamic")]
impl Open {
    /// Loads as [`Self::load`] does, and unloads. No map is pinned that is not yet.
    pub(crate) fn try_load(mut self) -> Result<()> {
        pin_none(&mut self.object);
        self.load().map(drop)
    }
}

/// A program of an object that is not yet loaded.
#[derive(Debug)]
pub struct OpenProgram<'a>(OpenProgramMut<'a>);

impl OpenProgram<'_> {
    /// The C function.
    pub fn name(&self) -> &OsStr {
        self.0.name()
    }

    /// The ELF section, which says what the program attaches to.
    pub fn section(&self) -> &OsStr {
        self.0.section()
    }

    /// Whether the program is loaded; on by default, unless its section starts with `?`.
    pub fn set_autoload(&mut self, on: bool) {
        self.0.set_autoload(on);
    }

    /// The type that it is loaded as, for one whose section says none (`SEC("ext/hook")`) or another. Its handle is that of any kind then;
    /// [`super::Program::into_kind`] makes it that of the type: `skel.progs()?.hook.into_kind::<kind::Xdp>()?`.
    ///
    /// libbpf then forgets what the section says, so that `attach` does not know what to attach the program to: call the method of its
    /// kind, or name the target with [`Open::set_target`]; and [`Self::set_attach_type`] is to be set where the type has several.
    ///
    /// # Errors
    /// [`Error::Kernel`]; none before the object is loaded.
    pub fn set_type(&mut self, ty: ProgramType) -> Result<()> {
        self.set_type_number(ty as u32)
    }

    fn set_type_number(&mut self, ty: libbpf_sys::bpf_prog_type) -> Result<()> {
        // SAFETY: the pointer is that of a program of a live object, and the call writes a number.
        let error = unsafe { libbpf_sys::bpf_program__set_type(self.0.as_libbpf_object().as_ptr(), ty) };
        self.was_set(error, "type")
    }

    /// What it is loaded to be attached as (`expected_attach_type`), which the kernel asks for of some types, for example those of sockets
    /// and cgroups. [`Self::set_type`] leaves it as it is.
    ///
    /// # Errors
    /// As [`Self::set_type`].
    pub fn set_attach_type(&mut self, ty: ProgramAttachType) -> Result<()> {
        self.set_attach_type_number(ty as u32)
    }

    fn set_attach_type_number(&mut self, ty: libbpf_sys::bpf_attach_type) -> Result<()> {
        // SAFETY: the pointer is that of a program of a live object, and the call writes a number.
        let error = unsafe { libbpf_sys::bpf_program__set_expected_attach_type(self.0.as_libbpf_object().as_ptr(), ty) };
        self.was_set(error, "attach type")
    }

    /// Its type, as the section says or as it was set; `Unspec` if libbpf does not know the section.
    pub fn prog_type(&self) -> ProgramType {
        self.0.prog_type()
    }

    fn was_set(&self, error: i32, what: &str) -> Result<()> {
        let tried = || format!("set the {what} of the program `{}`", self.name().to_string_lossy());
        if error < 0 { Err(refusal(tried(), io::Error::from_raw_os_error(-error))) } else { Ok(()) }
    }

    /// Says which function the program attaches to: for `fentry`, `fexit`, `fmod_ret` and `lsm` one of the kernel, for `freplace` one of
    /// another program (`of`), which it takes the place of. The kernel decides at loading whether their types agree.
    ///
    /// # Errors
    /// [`Error::Kernel`]; ENOENT or, in the kernel, ESRCH where there is no such function, EINVAL where `of` has no BTF.
    pub fn set_attach_target(&mut self, function: &str, of: Option<BorrowedFd<'_>>) -> Result<()> {
        let tried = format!("make `{function}` the target of the program `{}`", self.name().to_string_lossy());
        let program = of.map_or(0, |program| program.as_raw_fd());
        let (set, said) = listen(|| self.0.set_attach_target(program, Some(function.to_owned())));
        set.map_err(|error| {
            refused(tried, &error, &said).without(|| lacking(&[Need::by_number("finding the functions of another program")]))
        })
    }

    /// Gives it the type, and what it is loaded to be attached as, of programs of a section (`xdp`, `cgroup/connect4`). Its own section
    /// says neither any more.
    ///
    /// # Errors
    /// [`Error::Value`] if libbpf knows no such section, else as [`Self::set_type`].
    pub fn set_type_of(&mut self, section: &str) -> Result<()> {
        let name = || format!("type `{section}` of the program `{}`", self.name().to_string_lossy());
        let c_section = c_string(section, name)?;
        let (mut ty, mut attach_type) = (0, 0);
        // SAFETY: the text ends with a NUL and lives through the call, as do the two numbers that it writes.
        let (error, _) = listen(|| unsafe { libbpf_sys::libbpf_prog_type_by_name(c_section.as_ptr(), &raw mut ty, &raw mut attach_type) });
        if error < 0 {
            return Err(Error::Value { name: name(), why: "libbpf knows no programs of such a section".to_owned() });
        }
        // By number: libbpf-rs has no names for some of them.
        self.set_type_number(ty)?;
        self.set_attach_type_number(attach_type)
    }

    /// Whether `attach` attaches the program; on by default.
    pub fn set_autoattach(&mut self, on: bool) {
        self.0.set_autoattach(on);
    }
}
