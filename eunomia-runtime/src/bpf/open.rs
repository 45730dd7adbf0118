//! Objects that are open and not yet loaded, whose maps, programs and variables can be set up.

#[cfg(feature = "dynamic")]
mod btf_cache;
pub(in crate::bpf) mod btf_file;
mod kernel_btf;
mod maps;
mod program;
mod settings;
mod spec;
mod strings;
mod table;

use std::path::Path;

#[cfg(feature = "dynamic")]
pub use btf_cache::BtfCache;
use btf_file::BtfFile;
pub use kernel_btf::{archived, kernel_btf, named_btf};
pub use program::OpenProgram;
pub(super) use settings::Settings;
pub use spec::{Dropped, Sample, Spec};
pub use table::OpenTable;

use libbpf_rs::{AsRawLibbpf as _, ObjectBuilder, OpenObject};

use super::{
    Loaded, ReadWrite, Section, SizedSection, StructOps, Target, loaded::load::load,
    section::SectionMap,
};
#[cfg(feature = "dynamic")]
use crate::diagnosis::pinned::pin_none;
use crate::{
    Error, Result,
    diagnosis::{load::LoadHints, pinned::Pins},
    host::{
        messages::{listen, refused},
        token,
    },
    reader::PerfBuffer,
};

/// An object that is open and not yet loaded: maps, programs and variables can be set up.
#[derive(Debug)]
#[must_use = "an open object does nothing until it is loaded"]
pub struct Open {
    pub(super) object: OpenObject,
    pub(super) settings: Settings,
}

impl Open {
    /// Opens an object, without a call to the kernel.
    ///
    /// For a kernel without `/sys/kernel/btf/vmlinux`, `btf` is a file with the kernel's BTF; see
    /// [`super::open::kernel_btf`]. The file is read when the object is loaded.
    ///
    /// # Safety
    /// `Checked::bounded` of the runtime must accept the object, because libbpf reads and writes
    /// without checking that what an object refers to is there. `Checked::open` checks this, and so
    /// does the generator, which embeds the object in the module.
    ///
    /// # Errors
    /// [`Error::Kernel`] with libbpf's messages if libbpf cannot open the object.
    /// [`Error::NotFound`] if it has no map of a given name. [`Error::Value`] if a map is listed
    /// twice, because a record has one reader. [`Error::Misuse`] if an arena with variables is
    /// declared as pinned (`LIBBPF_PIN_BY_NAME`), see [`Self::set_pin_path`]; or if a table of
    /// functions (struct_ops) is defined in `SEC(".maps")`. [`Error::File`] if the path does not
    /// lead to a regular file, or if the types in the file contain themselves.
    #[doc(hidden)]
    pub unsafe fn new(spec: &Spec<'_>, btf: Option<&Path>) -> Result<Self> {
        let btf = btf.map(BtfFile::read).transpose()?;
        let object = open_object(spec, btf.as_ref())?;
        let settings = Settings::new(spec, &object, btf);
        let open = Self { object, settings };
        open.check_streams(spec.streams)?;
        open.refuse_pinned_values()?;
        Ok(open)
    }

    /// Refuses maps to read that the object does not have, or that are listed twice.
    fn check_streams(&self, streams: &[&str]) -> Result<()> {
        streams.iter().try_for_each(|map| self.find_map(map).map(drop))?;
        let is_twice = |map: &&&str| streams.iter().filter(|other| other == map).count() > 1;
        match streams.iter().find(is_twice) {
            Some(twice) => Err(Error::Value {
                name: format!("map `{twice}`"),
                why: "it is listed twice in the maps to read".to_owned(),
            }),
            None => Ok(()),
        }
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
        self.programs_named([name]).map(|[program]| program)
    }

    /// Returns several programs, which can be set up side by side.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the first name that no program of the object has.
    #[doc(hidden)]
    pub fn programs_named<const N: usize>(
        &mut self,
        names: [&str; N],
    ) -> Result<[OpenProgram<'_>; N]> {
        let known = self.programs();
        <[_; N]>::try_from(self.find_programs(&names)).map_err(|_| {
            let is_missing = |name: &&&str| !known.iter().any(|known| known == *name);
            let missing = names.iter().find(is_missing).copied().unwrap_or_default();
            Error::NotFound { what: "program", name: missing.to_owned(), known }
        })
    }

    /// Returns the programs that have one of the names, in the order of the names.
    fn find_programs(&mut self, names: &[&str]) -> Vec<OpenProgram<'_>> {
        let programs = self.object.progs_mut().zip(&mut self.settings.attached_to);
        let mut found: Vec<_> = programs
            .filter_map(|(program, attached_to)| {
                let at = names.iter().position(|name| program.name() == *name)?;
                Some((at, OpenProgram(program, attached_to)))
            })
            .collect();
        found.sort_by_key(|(at, _)| *at);
        // Objects that are linked from several files can have two programs of the same name.
        found.dedup_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, program)| program).collect()
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
    pub(crate) fn targets(&self) -> &std::collections::BTreeMap<String, Vec<Target>> {
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
    /// another object in this process reads a shared map, see [`Self::leave_records`].
    /// [`Error::Misuse`] if another user than root made the pin of a map. After an error nothing
    /// stays loaded.
    pub fn load(self) -> Result<Loaded> {
        let Self { object, settings } = self;
        // libbpf takes the object, and does not return it if loading fails.
        let hints = LoadHints::of(&object, &settings.inner);
        let pins = Pins::of(&object);
        pins.check()?;
        let (object, log) = listen(|| load(object));
        let (object, facts) = object.map_err(|error| {
            let error = refused(format!("load the BPF object `{}`", settings.name), &error, &log);
            hints.explain(error, &log)
        })?;
        // Another user may have made a pin after the first check.
        pins.check_used()?;
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

/// Opens an object with libbpf. Refuses tables of functions (struct_ops) that are defined in
/// `SEC(".maps")`.
fn open_object(spec: &Spec<'_>, btf: Option<&BtfFile>) -> Result<OpenObject> {
    let tried = || format!("open the BPF object `{}`", spec.name);
    let (object, log) = listen(|| {
        let mut builder = ObjectBuilder::default();
        builder.name(spec.name)?;
        if let Some(btf) = btf {
            builder.btf_custom_path(btf.path())?;
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
    Ok(object)
}
