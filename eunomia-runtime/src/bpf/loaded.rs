use std::{
    collections::BTreeMap,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Duration,
};

use libbpf_rs::{AsRawLibbpf, MapCore as _, MapType, Object};

use super::{
    Link, Links, Map, Program, Section, Target,
    link::attach,
    messages::refused,
    section::{Access, Memory},
};
use crate::{
    Error, Result,
    reader::{PerfRing, Reader, Ring, Source, Stats, Stop, Verdict},
};

/// An object whose maps and programs are in the kernel, with its readers open. Dropping it unloads them.
#[derive(Debug)]
pub struct Loaded {
    reader: Reader,
    object: Arc<Object>,
    name: String,
    targets: BTreeMap<String, Target>,
}

impl Loaded {
    pub(super) fn new(
        object: Object,
        name: String,
        streams: &[String],
        perf_pages: usize,
        targets: BTreeMap<String, Target>,
    ) -> Result<Self> {
        let sources = streams.iter().map(|stream| sources(&object, stream, perf_pages)).collect::<Result<_>>()?;
        Ok(Self { reader: Reader::new(sources)?, object: Arc::new(object), name, targets })
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Attaches every program that is not switched off with [`super::OpenProgram::set_autoattach`], as its section
    /// says, or to its target ([`super::Open::set_target`]).
    ///
    /// # Errors
    /// [`Error::Kernel`] for the first program that cannot be attached. Those attached before it are detached.
    pub fn links(&self) -> Result<Links> {
        attach(&self.object, &self.targets).map(|(_, link)| link).collect::<Result<_>>().map(Links)
    }

    /// As [`Self::links`], with the result of each program by its name; one that cannot be attached keeps none of the others from it.
    pub fn links_each(&self) -> Vec<(String, Result<Link>)> {
        attach(&self.object, &self.targets).collect()
    }

    /// A map.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no map of this name.
    pub fn map(&self, name: &str) -> Result<Map<'_>> {
        find_map(&self.object, name).map(Map::new)
    }

    /// A program.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no program of this name.
    pub fn program(&self, name: &str) -> Result<Program<'_>> {
        self.object.progs_mut().find(|program| program.name() == name).map(|program| Program::new(program, &self.object)).ok_or_else(|| {
            Error::NotFound {
                what: "program",
                name: name.to_owned(),
                known: self.object.progs().map(|program| program.name().to_string_lossy().into_owned()).collect(),
            }
        })
    }

    /// The variables of an ELF section. Ask for [`super::ReadOnly`] access to `.rodata`, which the kernel has frozen.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such section, or the kernel (before 5.5) cannot map it; [`Error::Value`] where it
    /// is read-only and `A` is not.
    pub fn section<A: Access>(&self, name: &str) -> Result<Section<'_, A>> {
        let Some(memory) = Memory::of_section(self.object.as_libbpf_object(), name) else {
            let known = self.object.maps().map(|map| map.name().to_string_lossy().into_owned()).collect();
            return Err(Error::NotFound { what: "mapped section", name: name.to_owned(), known });
        };
        if memory.freezes && A::WRITES {
            let why = "the kernel has frozen the section; set it before the object is loaded".to_owned();
            return Err(Error::Value { name: name.to_owned(), why });
        }
        Ok(Section::new(memory))
    }

    /// Delivers records with the number of their map, see [`Reader::poll`].
    ///
    /// # Errors
    /// Those of [`Reader::poll`].
    pub fn poll(&self, timeout: Duration, deliver: impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        self.reader.poll(timeout, deliver)
    }

    /// Delivers what is there, see [`Reader::drain`].
    ///
    /// # Errors
    /// Those of [`Reader::poll`].
    pub fn drain(&self, deliver: impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        self.reader.drain(deliver)
    }

    /// What became of the records of each map, by its number.
    pub fn stats(&self) -> Vec<Stats> {
        self.reader.stats().collect()
    }

    /// A handle that ends polling from any thread.
    pub fn stop_handle(&self) -> Stop {
        self.reader.stop_handle()
    }
}

/// Readable when a record may be there: for an event loop of one's own, which then polls with a timeout of zero.
impl AsFd for Loaded {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

fn find_map<'a>(object: &'a Object, name: &str) -> Result<libbpf_rs::Map<'a>> {
    object.maps().find(|map| map.name() == name).ok_or_else(|| Error::NotFound {
        what: "map",
        name: name.to_owned(),
        known: object.maps().map(|map| map.name().to_string_lossy().into_owned()).collect(),
    })
}

/// The rings of the map `name`: one of a ring buffer, one for each CPU of a perf event array.
fn sources(object: &Object, name: &str, perf_pages: usize) -> Result<Vec<Source>> {
    let map = find_map(object, name)?;
    match map.map_type() {
        MapType::RingBuf => {
            let info = map.info().map_err(|error| refused(format!("ask the kernel about the map `{name}`"), &error, ""))?;
            Ring::new(name, map.as_fd(), map.max_entries(), info.info.map_flags).map(|ring| vec![Source::Ring(ring)])
        }
        MapType::PerfEventArray => {
            let rings = PerfRing::open_all(name, map.as_fd(), map.max_entries(), perf_pages)?;
            Ok(rings.into_iter().map(Source::Perf).collect())
        }
        other => Err(Error::Value { name: name.to_owned(), why: format!("a map of type {other:?} delivers no records") }),
    }
}
