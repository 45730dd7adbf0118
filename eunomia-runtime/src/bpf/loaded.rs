use std::{
    collections::BTreeMap,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Duration,
};

use libbpf_rs::{AsRawLibbpf, MapCore as _, MapType, Object, libbpf_sys};

use super::{
    FromMap, Link, Links, Map, PerfEventArray, Program, ReadOnly, RingBuffer, Section, SizedSection, StructOps, Target, UserRingBuffer,
    kind::Kind,
    link::attach,
    load::Facts,
    map::{Claims, Inner, Records},
    messages::refused,
    open::Settings,
    privilege::{map_type_name, no_perf_events},
    section::{Access, SectionMap},
};
use crate::{
    Error, Result,
    reader::{Control, PerfArray, Reader, Ring, Sampled, Source, Stats, Verdict, Waiting},
};

/// An object whose maps and programs are in the kernel, with its readers open. Dropping it unloads them.
#[derive(Debug)]
pub struct Loaded {
    reader: Reader,
    object: Arc<Object>,
    facts: Facts,
    name: String,
    streams: Vec<String>,
    dropped: BTreeMap<String, (String, usize, usize)>,
    targets: BTreeMap<String, Target>,
    producers: Claims,
}

impl Loaded {
    pub(super) fn new(object: Object, facts: Facts, settings: Settings) -> Result<Self> {
        let sources = settings.streams.iter().map(|stream| source(&object, stream, &settings)).collect::<Result<_>>()?;
        let Settings { name, streams, dropped, targets, .. } = settings;
        let (reader, producers) = (Reader::new(sources)?, Claims::default());
        Ok(Self { reader, object: Arc::new(object), facts, name, streams, dropped, targets, producers })
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Attaches every program that is not switched off with [`super::OpenProgram::set_autoattach`], as its section
    /// says, or to its target ([`super::Open::set_target`]); programs of struct_ops through the map that holds them, `syscall` programs not
    /// at all: they are run.
    ///
    /// # Errors
    /// [`Error::Kernel`] for the first program that cannot be attached. Those attached before it are detached.
    pub fn links(&self) -> Result<Links> {
        attach(&self.object, &self.targets).map(|(_, link)| link).collect::<Result<_>>().map(Links)
    }

    /// As [`Self::links`], with the result of each program and map of struct_ops by its name; one that cannot be attached keeps none of the others from it.
    pub fn links_each(&self) -> Vec<(String, Result<Link>)> {
        attach(&self.object, &self.targets).collect()
    }

    /// A map.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no map of this name.
    pub fn map(&self, name: &str) -> Result<Map<'_>> {
        let map = find_map(&self.object, name)?;
        let inner = self.facts.inner.get(map.name()).map(|def| Inner { def: *def, btf: self.btf() });
        Ok(Map::new(map, inner))
    }

    /// A map as the handle of its kind.
    ///
    /// # Errors
    /// Those of [`Self::map`] and [`Map::into_typed`].
    pub fn typed_map<'a, T: FromMap<'a>>(&'a self, name: &str) -> Result<T> {
        self.map(name)?.into_typed()
    }

    /// The object's BTF in the kernel, where it has any.
    fn btf(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: the object is live, and the call reads a number.
        let fd = unsafe { libbpf_sys::bpf_object__btf_fd(self.object.as_libbpf_object().as_ptr()) };
        // SAFETY: libbpf holds the descriptor as long as the object, which is borrowed.
        (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// A ring buffer whose records are delivered, by itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] where no map of this name was named as a stream when the object was opened.
    pub fn ring_buffer<E: ?Sized>(&self, name: &str) -> Result<RingBuffer<'_, E>> {
        Ok(RingBuffer::new(self.map(name)?, &self.reader, self.stream(name)?))
    }

    /// A perf event array whose records are delivered, by itself.
    ///
    /// # Errors
    /// As [`Self::ring_buffer`].
    pub fn perf_event_array<E: ?Sized>(&self, name: &str) -> Result<PerfEventArray<'_, E>> {
        Ok(PerfEventArray::new(self.map(name)?, &self.reader, self.stream(name)?))
    }

    fn stream(&self, name: &str) -> Result<usize> {
        let found = self.streams.iter().position(|stream| stream == name);
        found.ok_or_else(|| Error::NotFound { what: "stream", name: name.to_owned(), known: self.streams.clone() })
    }

    /// A table of the kernel's functions that programs fill.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no map of this name, [`Error::Value`] where it is of another kind.
    pub fn struct_ops(&self, name: &str) -> Result<StructOps<'_>> {
        // One that was not made has a handle too: those of `SEC("?.struct_ops")` are not made unless asked for.
        StructOps::new(Map::new(named_map(&self.object, name)?, None), &self.object)
    }

    /// A ring buffer that programs read.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no map of this name, [`Error::Value`] where it is of another kind.
    pub fn user_ring_buffer(&self, name: &str) -> Result<UserRingBuffer<'_>> {
        UserRingBuffer::new(self.map(name)?, &self.producers)
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

    /// A program as one of a kind.
    ///
    /// # Errors
    /// Those of [`Self::program`] and [`Program::into_kind`].
    pub fn program_of<K: Kind>(&self, name: &str) -> Result<Program<'_, K>> {
        self.program(name)?.into_kind()
    }

    /// The variables of an ELF section. Ask for [`super::ReadOnly`] access to `.rodata`, which the kernel has frozen.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such section; [`Error::Value`] where it is read-only and `A` is not, or the kernel
    /// (before 5.2) has no variables.
    pub fn section<A: Access>(&self, name: &str) -> Result<Section<'_, A>> {
        let Some(map) = SectionMap::find(self.object.as_libbpf_object(), name) else {
            let known = self.object.maps().map(|map| map.name().to_string_lossy().into_owned()).collect();
            return Err(Error::NotFound { what: "section", name: name.to_owned(), known });
        };
        let refused = |why: &str| Error::Value { name: name.to_owned(), why: why.to_owned() };
        if A::WRITES && map.freezes() {
            return Err(refused("the kernel has frozen the section; set it before the object is loaded"));
        }
        map.loaded(self.facts.in_arena)
            .map(Section::new)
            .ok_or_else(|| refused("the kernel has no global variables, so the section was not loaded"))
    }

    /// The variables of an ELF section of `SIZE` bytes.
    ///
    /// # Errors
    /// Those of [`Self::section`] and [`Section::sized`].
    pub fn sized_section<A: Access, const SIZE: usize>(&self, name: &str) -> Result<SizedSection<'_, A, SIZE>> {
        self.section(name)?.sized(name)
    }

    /// Delivers records with the number of their map, see [`Reader::poll`].
    ///
    /// # Errors
    /// Those of [`Reader::poll`].
    pub fn poll(&self, timeout: Duration, deliver: impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        self.reader.poll(timeout, deliver)
    }

    /// Waits until there are records to read, see [`Reader::wait`].
    ///
    /// # Errors
    /// Those of [`Reader::wait`].
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        self.reader.wait(timeout)
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
        let counted = self.reader.stats().zip(&self.streams).map(|(stats, map)| match (stats.lost, self.dropped(map)) {
            (None, lost) => Stats { lost, ..stats },
            // What the kernel has counted is of a perf event array, and a program sees the same refusals.
            (Some(_), _) => stats,
        });
        counted.collect()
    }

    /// What the programs counted for want of room; `None` where they do not, or the variable cannot be read.
    fn dropped(&self, map: &str) -> Option<u64> {
        let (section, offset, size) = self.dropped.get(map)?;
        let section = self.section::<ReadOnly>(section).ok()?;
        match size {
            4 => section.variable::<u32>(*offset)?.get().ok().map(u64::from),
            _ => section.variable::<u64>(*offset)?.get().ok(),
        }
    }

    /// A handle that pauses, resumes and ends polling from any thread.
    pub fn control(&self) -> Control {
        self.reader.control()
    }

    /// How polls wait for records from now on.
    pub fn set_waiting(&self, waiting: Waiting) {
        self.reader.set_waiting(waiting);
    }
}

/// Readable when a record may be there: for an event loop of one's own, which then polls with a timeout of zero.
impl AsFd for Loaded {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

fn named_map<'a>(object: &'a Object, name: &str) -> Result<libbpf_rs::Map<'a>> {
    object.maps().find(|map| map.name() == name).ok_or_else(|| Error::NotFound {
        what: "map",
        name: name.to_owned(),
        known: object.maps().map(|map| map.name().to_string_lossy().into_owned()).collect(),
    })
}

fn find_map<'a>(object: &'a Object, name: &str) -> Result<libbpf_rs::Map<'a>> {
    let found = named_map(object, name)?;
    // libbpf has a descriptor for each, and behind that of one that it did not make there is no map.
    if found.autocreate() { Ok(found) } else { Err(not_made(name)) }
}

pub(super) fn not_made(map: &str) -> Error {
    Error::Value { name: format!("map `{map}`"), why: "its creation was switched off, so it is not in the kernel".to_owned() }
}

/// The reader of the map `name`.
fn source(object: &Object, name: &str, settings: &Settings) -> Result<Source> {
    let map = find_map(object, name)?;
    if let Some(&(every, clear)) = settings.samples.get(name) {
        let entries = Records::new(Map::new(map, None).sampler()?, clear);
        return Sampled::new(every, Box::new(entries)).map(Source::Sampled);
    }
    match map.map_type() {
        MapType::RingBuf => {
            let info = map.info().map_err(|error| refused(format!("ask the kernel about the map `{name}`"), &error, ""))?;
            Ring::new(name, map.as_fd(), map.max_entries(), info.info.map_flags).map(Source::Ring)
        }
        MapType::PerfEventArray => {
            let opened = PerfArray::open(name, map.as_fd(), map.max_entries(), settings.perf).map(Source::Perf);
            opened.map_err(|error| error.without(no_perf_events))
        }
        other => {
            Err(Error::Value { name: name.to_owned(), why: format!("a map of type {} delivers no records", map_type_name(other as u32)) })
        }
    }
}
