use std::ffi::OsStr;

use libbpf_rs::{AsRawLibbpf as _, ObjectBuilder, OpenObject, OpenProgramMut};

use super::{
    Loaded, ReadWrite, Section,
    messages::listen,
    refusal,
    section::{self, Memory},
};
use crate::{Error, Result};

/// What an object is, for those who open it.
#[derive(Debug, Clone, Copy)]
pub struct Spec<'a> {
    /// What libbpf is to call it; internal maps are named after it.
    pub name: &'a str,
    /// The ELF.
    pub object: &'a [u8],
    /// The maps whose records are delivered, in the order in which [`Loaded::poll`] numbers them.
    pub streams: &'a [&'a str],
    /// Pages of a perf ring on each CPU, a power of two.
    pub perf_pages: usize,
}

/// An object that is open and not yet loaded: variables and programs can be set up.
#[derive(Debug)]
pub struct Open {
    object: OpenObject,
    name: String,
    streams: Vec<String>,
    perf_pages: usize,
}

impl Open {
    /// Opens the object. Asks nothing of the kernel.
    ///
    /// # Errors
    /// [`Error::Kernel`] with what libbpf says is wrong with the object, [`Error::NotFound`] where it has no such map.
    pub fn new(spec: &Spec<'_>) -> Result<Self> {
        let tried = || format!("open the BPF object `{}`", spec.name);
        let (object, said) = listen(|| ObjectBuilder::default().name(spec.name)?.open_memory(spec.object));
        let object = object.map_err(|error| refusal::libbpf(tried(), &error, &said))?;
        let streams = spec.streams.iter().map(|&map| map.to_owned()).collect();
        let open = Self { object, name: spec.name.to_owned(), streams, perf_pages: spec.perf_pages };
        open.streams.iter().try_for_each(|map| open.find_map(map))?;
        Ok(open)
    }

    fn find_map(&self, name: &str) -> Result<()> {
        if self.object.maps().any(|map| map.name() == name) {
            return Ok(());
        }
        let known = self.object.maps().map(|map| map.name().to_string_lossy().into_owned()).collect();
        Err(Error::NotFound { what: "map", name: name.to_owned(), known })
    }

    /// The variables of an ELF section, `.rodata` for example. All can be set until the object is loaded.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such section.
    pub fn section(&mut self, name: &str) -> Result<Section<'_, ReadWrite>> {
        let mut known = Vec::new();
        for map in self.object.maps() {
            let map_name = map.name().to_string_lossy();
            if section::is_of(&map_name, name)
                && let Some(memory) = Memory::of_map(map.as_libbpf_object())
            {
                return Ok(Section::new(memory));
            }
            known.push(map_name.into_owned());
        }
        Err(Error::NotFound { what: "section", name: name.to_owned(), known })
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

    /// The names of the programs.
    pub fn programs(&self) -> Vec<String> {
        self.object.progs().map(|program| program.name().to_string_lossy().into_owned()).collect()
    }

    /// Sets the number of entries of a map, for a ring buffer its bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map.
    pub fn set_max_entries(&mut self, map: &str, entries: u32) -> Result<()> {
        self.find_map(map)?;
        for mut found in self.object.maps_mut().filter(|found| found.name() == map) {
            found
                .set_max_entries(entries)
                .map_err(|error| refusal::libbpf(format!("set the entries of map `{map}` to {entries}"), &error, ""))?;
        }
        Ok(())
    }

    /// Loads maps and programs into the kernel and opens the readers, so that no record is missed once programs are attached.
    ///
    /// # Errors
    /// [`Error::Kernel`] with the verifier's log where a program was refused. Everything that was loaded before is unloaded.
    pub fn load(self) -> Result<Loaded> {
        let Self { object, name, streams, perf_pages } = self;
        let (object, said) = listen(|| object.load());
        let object = object.map_err(|error| refusal::libbpf(format!("load the BPF object `{name}`"), &error, &said))?;
        Loaded::new(object, name, &streams, perf_pages)
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

    /// Whether `attach` attaches the program; on by default.
    pub fn set_autoattach(&mut self, on: bool) {
        self.0.set_autoattach(on);
    }
}
