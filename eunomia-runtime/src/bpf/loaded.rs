//! The object with its maps and programs in the kernel.

pub(crate) mod handles;
pub(crate) mod load;
mod skeleton;

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Duration,
};

pub use skeleton::{Handles, Typed};

use libbpf_rs::{AsRawLibbpf, MapCore as _, MapType, Object, libbpf_sys};

use super::{
    FromMap, Link, Links, Map, PerfEventArray, Program, ReadOnly, RingBuffer, Section, SizedSection, StructOps, Target, UserRingBuffer,
    kind::Kind,
    link::attach,
    loaded::load::Facts,
    map::{InnerDef, Records},
    open::Settings,
    section::{Access, SectionMap},
    sys::messages::refused,
};
use crate::{
    Error, Result,
    diagnosis::privilege::{map_type_name, no_perf_events},
    reader::{Control, PerfArray, Reader, Ring, Sampled, Source, Stats, Verdict, Waiting},
};

/// An object whose maps and programs are in the kernel, with its readers open. Dropping it unloads them.
#[derive(Debug)]
pub struct Loaded {
    reader: Reader,
    object: Arc<Object>,
    facts: Facts,
    name: String,
    /// The names of the maps in libbpf's order.
    maps: Vec<String>,
    streams: Vec<String>,
    dropped: BTreeMap<String, (String, usize, usize)>,
    targets: BTreeMap<String, Vec<Target>>,
}

impl Loaded {
    pub(super) fn new(object: Object, mut facts: Facts, settings: Settings) -> Result<Self> {
        for (&index, inner) in &settings.inner {
            facts.inner.insert(index, InnerDef::like(inner.as_fd())?);
        }
        let sources = settings.streams.iter().map(|stream| source(&object, stream, &settings)).collect::<Result<_>>()?;
        let Settings { name, maps, streams, dropped, targets, .. } = settings;
        Ok(Self { reader: Reader::new(sources)?, object: Arc::new(object), facts, name, maps, streams, dropped, targets })
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Attaches every program that is not switched off with [`super::OpenProgram::set_autoattach`], as its section
    /// says, or to its targets ([`super::Open::set_target`]); programs of struct_ops through the map that holds them, `syscall` programs
    /// not at all: they are run.
    ///
    /// # Errors
    /// [`Error::Kernel`] for the first program that cannot be attached. Those attached before it are detached.
    pub fn links(&self) -> Result<Links> {
        attach(&self.object, &self.targets).map(|(_, link)| link).collect::<Result<_>>().map(Links)
    }

    /// As [`Self::links`], with the result of each program and map of struct_ops by its name; one that cannot be attached keeps none of the
    /// others from it. A program with several targets, or with a perf event on several CPUs, is there for each.
    pub fn links_each(&self) -> Vec<(String, Result<Link>)> {
        attach(&self.object, &self.targets).collect()
    }

    /// A map.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no map of this name.
    pub fn map(&self, name: &str) -> Result<Map<'_>> {
        let (map, made) = self.find_map(name)?;
        if made { Ok(map) } else { Err(not_made(name)) }
    }

    /// A map, as one whose handles refuse each call where it cannot be used; others of the object are none the worse.
    pub(super) fn map_or_none(&self, name: &str) -> Result<Map<'_>> {
        let (map, made) = self.find_map(name)?;
        Ok(if made { map.lenient() } else { map.refuse(not_made_why().to_owned()) })
    }

    /// A map, and whether it was made.
    fn find_map(&self, name: &str) -> Result<(Map<'_>, bool)> {
        let (index, map) = find_map(&self.object, &self.maps, name)?;
        let inner = self.facts.inner.get(&index).map(|def| def.with(self.btf()));
        // libbpf has a descriptor for each, and that of one that it did not make stands for no map.
        let made = map.autocreate();
        Ok((Map::new(map, inner), made))
    }

    /// A map as the handle of its kind.
    ///
    /// # Errors
    /// Those of [`Self::map`] and [`Map::into_typed`].
    pub fn typed_map<'a, T: FromMap<'a>>(&'a self, name: &str) -> Result<T> {
        self.map(name)?.into_typed()
    }

    /// As [`Self::typed_map`], as a handle that refuses each call where the map was not made, or made as one of another kind or size.
    pub(super) fn typed_map_or_none<'a, T: FromMap<'a>>(&'a self, name: &str) -> Result<T> {
        self.map_or_none(name)?.into_typed()
    }

    /// The object's BTF in the kernel, where it has any.
    fn btf(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: the object is live, and the call reads a number.
        let fd = unsafe { libbpf_sys::bpf_object__btf_fd(self.object.as_libbpf_object().as_ptr()) };
        // SAFETY: libbpf holds the descriptor as long as the object, which is borrowed.
        (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// A ring buffer whose records are delivered, by itself. One that was not made has a handle too, which refuses each call.
    ///
    /// # Errors
    /// [`Error::NotFound`] where no map of this name was named as a stream when the object was opened.
    pub fn ring_buffer<E: ?Sized>(&self, name: &str) -> Result<RingBuffer<'_, E>> {
        Ok(RingBuffer::new(self.map_or_none(name)?, &self.reader, self.stream(name)?))
    }

    /// A perf event array whose records are delivered, by itself.
    ///
    /// # Errors
    /// As [`Self::ring_buffer`].
    pub fn perf_event_array<E: ?Sized>(&self, name: &str) -> Result<PerfEventArray<'_, E>> {
        Ok(PerfEventArray::new(self.map_or_none(name)?, &self.reader, self.stream(name)?))
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
        StructOps::new(Map::new(find_map(&self.object, &self.maps, name)?.1, None), &self.object)
    }

    /// A ring buffer that programs read. If the map is of another kind, or was not made, each call of the handle is refused.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no map of this name.
    pub fn user_ring_buffer(&self, name: &str) -> Result<UserRingBuffer<'_>> {
        UserRingBuffer::new(self.map_or_none(name)?)
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
            return Err(Error::NotFound { what: "section", name: name.to_owned(), known: self.maps.clone() });
        };
        let refused = |why: &str| Error::Value { name: name.to_owned(), why: why.to_owned() };
        if A::WRITES && map.freezes() {
            return Err(refused("the kernel has frozen the section; set it before the object is loaded"));
        }
        // libbpf keeps its memory of a section that it did not make, which no program sees.
        let made = map.is_made().then_some(map);
        made.and_then(|map| map.loaded(self.facts.in_arena)).map(Section::new).ok_or_else(|| {
            refused("the section is not in the kernel: its creation was switched off, or the kernel (before 5.2) has no global variables")
        })
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

    /// How many records are in the buffers that were not delivered, see [`Reader::unread`].
    ///
    /// # Errors
    /// Those of [`Reader::unread`].
    pub fn unread(&self) -> Result<u64> {
        self.reader.unread()
    }

    /// What became of the records of each map, by its number.
    pub fn stats(&self) -> Vec<Stats> {
        let counted = self.reader.stats().zip(&self.streams).map(|(stats, map)| match (stats.lost, self.dropped(map)) {
            _ if self.map(map).is_err() => Stats { absent: true, ..stats },
            (None, lost) => Stats { lost, ..stats },
            // A program sees all refusals of a perf event array, the kernel those for want of room, and older ones not all of these.
            (Some(known), Some(lost)) if stats.lost_at_least => Stats { lost: Some(lost.max(known)), lost_at_least: false, ..stats },
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

/// The map with this name among those that `names` has in order, and its place.
fn find_map<'a>(object: &'a Object, names: &[String], name: &str) -> Result<(usize, libbpf_rs::Map<'a>)> {
    let found = names.iter().position(|map| map == name).and_then(|index| Some((index, object.maps().nth(index)?)));
    found.ok_or_else(|| Error::NotFound { what: "map", name: name.to_owned(), known: names.to_vec() })
}

pub(super) fn not_made(map: &str) -> Error {
    Error::Value { name: format!("map `{map}`"), why: not_made_why().to_owned() }
}

fn not_made_why() -> &'static str {
    "its creation was switched off, so it is not in the kernel"
}

/// The reader of the map `name`.
fn source(object: &Object, name: &str, settings: &Settings) -> Result<Source> {
    let (_, map) = find_map(object, &settings.maps, name)?;
    // Either keeps the numbers of the others.
    if !map.autocreate() || settings.left.contains(name) {
        return Ok(Source::Unread);
    }
    if let Some(&(every, clear, declared)) = settings.samples.get(name) {
        let sampler = Map::new(map, None).sampler()?;
        let (sizes, known) = (sampler.sizes(), (declared.key_size as usize, declared.value_size as usize));
        if sizes != known {
            let why = format!(
                "its entries are read as declared, with keys of {} and values of {} bytes; they have {} and {}",
                known.0, known.1, sizes.0, sizes.1
            );
            return Err(Error::Value { name: format!("map `{name}`"), why });
        }
        let entries = Records::new(sampler, clear);
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
