use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::fd::{AsRawFd as _, BorrowedFd},
    path::Path,
    time::Duration,
};

use libbpf_rs::{AsRawLibbpf as _, ObjectBuilder, OpenObject, OpenProgramMut};

#[cfg(feature = "dynamic")]
use super::pinned::pin_none;
use super::{
    Loaded, ReadWrite, Section, SizedSection, StructOps, Target,
    load::load,
    messages::{listen, refused},
    privilege::{Need, lacking},
    section::SectionMap,
    token,
    wanted::Wanted,
};
use crate::{Error, Result, reader::PerfBuffer};

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
pub struct Open {
    pub(super) object: OpenObject,
    settings: Settings,
}

/// What loading needs beside the object.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) streams: Vec<String>,
    /// Those that are read at intervals, and whether they are emptied.
    pub(super) samples: BTreeMap<String, (Duration, bool)>,
    /// By the map: section, offset and size of the variable.
    pub(super) dropped: BTreeMap<String, (String, usize, usize)>,
    pub(super) perf: PerfBuffer,
    pub(super) targets: BTreeMap<String, Target>,
}

impl Open {
    /// Opens the object. Asks nothing of the kernel.
    ///
    /// # Errors
    /// [`Error::Kernel`] with what libbpf says is wrong with the object, [`Error::NotFound`] where it has no such map,
    /// [`Error::Value`] where a map is named twice: a record has one reader.
    pub fn new(spec: &Spec<'_>) -> Result<Self> {
        Self::for_kernel(spec, None)
    }

    /// As [`Self::new`], with a file of the kernel's BTF in place of `/sys/kernel/btf/vmlinux`, for kernels that have none; see
    /// [`super::kernel_btf`]. It is read when the object is loaded.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_kernel(spec: &Spec<'_>, btf: Option<&Path>) -> Result<Self> {
        let tried = || format!("open the BPF object `{}`", spec.name);
        let (object, said) = listen(|| {
            let mut builder = ObjectBuilder::default();
            builder.name(spec.name)?;
            if let Some(btf) = btf {
                builder.btf_custom_path(btf)?;
            }
            let mut object = token::open(&mut builder, spec.object)?;
            StructOps::switch_off_optional(&mut object)?;
            Ok(object)
        });
        let object = object.map_err(|error| refused(tried(), &error, &said))?;
        let settings = Settings {
            name: spec.name.to_owned(),
            streams: spec.streams.iter().map(|&map| map.to_owned()).collect(),
            samples: spec.samples.iter().map(|sample| (sample.map.to_owned(), (sample.every, sample.clear))).collect(),
            dropped: spec.dropped.iter().map(|at| (at.map.to_owned(), (at.section.to_owned(), at.offset, at.size))).collect(),
            perf: PerfBuffer { pages: spec.perf_pages, ..PerfBuffer::default() },
            targets: BTreeMap::new(),
        };
        let open = Self { object, settings };
        spec.streams.iter().try_for_each(|map| open.find_map(map))?;
        if let Some(twice) = spec.streams.iter().find(|map| spec.streams.iter().filter(|other| other == map).count() > 1) {
            return Err(Error::Value { name: format!("map `{twice}`"), why: "it is named twice among those to be read".to_owned() });
        }
        Ok(open)
    }

    /// The object as libbpf has it.
    #[cfg(feature = "dynamic")]
    pub(crate) fn opened(&self) -> &OpenObject {
        &self.object
    }

    /// The programs that were given a target.
    #[cfg(feature = "dynamic")]
    pub(crate) fn targets(&self) -> impl Iterator<Item = &str> {
        self.settings.targets.keys().map(String::as_str)
    }

    pub(super) fn find_map(&self, name: &str) -> Result<()> {
        if self.object.maps().any(|map| map.name() == name) {
            return Ok(());
        }
        let known = self.object.maps().map(|map| map.name().to_string_lossy().into_owned()).collect();
        Err(Error::NotFound { what: "map", name: name.to_owned(), known })
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
            known: self.object.maps().map(|map| map.name().to_string_lossy().into_owned()).collect(),
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

    /// Says what `attach` is to attach a program to whose section does not say it.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no program of this name.
    pub fn set_target(&mut self, program: &str, target: Target) -> Result<()> {
        self.program(program)?;
        self.settings.targets.insert(program.to_owned(), target);
        Ok(())
    }

    /// The names of the programs.
    pub fn programs(&self) -> Vec<String> {
        self.object.progs().map(|program| program.name().to_string_lossy().into_owned()).collect()
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
    /// programs and maps. Everything that was loaded before is unloaded.
    pub fn load(self) -> Result<Loaded> {
        let Self { object, settings } = self;
        // libbpf takes the object, and does not give it back where it cannot be loaded.
        let wanted = Wanted::of(&object);
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

    /// Whether `attach` attaches the program; on by default.
    pub fn set_autoattach(&mut self, on: bool) {
        self.0.set_autoattach(on);
    }
}
