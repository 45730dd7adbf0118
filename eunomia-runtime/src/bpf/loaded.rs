//! Loaded objects, whose maps and programs are in the kernel.

pub(crate) mod handles;
pub(crate) mod load;
mod skeleton;
mod source;

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Duration,
};

pub use skeleton::{Handles, LoadedSkeleton};
use source::source;

use libbpf_rs::{AsRawLibbpf, Object, libbpf_sys};

use super::{
    FromMap, Link, Links, Map, PerfEventArray, Program, ReadOnly, RingBuffer, Section,
    SizedSection, StructOps, Target, UserRingBuffer,
    kind::ProgramKind,
    link::attach,
    loaded::load::Facts,
    map::InnerDef,
    open::Settings,
    section::{Access, SectionMap},
};
use crate::{
    Error, Result,
    reader::{Control, Reader, Stats, Verdict, Waiting},
};

/// An object whose maps and programs are in the kernel, with its readers open.
///
/// Dropping it unloads what no link and no pin holds.
#[derive(Debug)]
pub struct Loaded {
    reader: Reader,
    object: Arc<Object>,
    facts: Facts,
    name: String,
    /// The names of the maps, in libbpf's order.
    maps: Vec<String>,
    /// The maps that the reader reads. Their index here is their number in polls and statistics.
    streams: Vec<String>,
    /// The variable in which programs count the records that a map has lost: its section, its
    /// offset and its size in bytes, by the name of the map. See [`super::open::Dropped`].
    dropped: BTreeMap<String, (String, usize, usize)>,
    /// The targets that were set before loading, by the name of the program.
    targets: BTreeMap<String, Vec<Target>>,
}

impl Loaded {
    pub(super) fn new(object: Object, mut facts: Facts, settings: Settings) -> Result<Self> {
        for (&index, inner) in &settings.inner {
            facts.inner.insert(index, InnerDef::like(inner.as_fd())?);
        }
        let sources = settings
            .streams
            .iter()
            .map(|stream| source(&object, stream, &settings))
            .collect::<Result<_>>()?;
        let Settings { name, maps, streams, dropped, targets, .. } = settings;
        Ok(Self {
            reader: Reader::new(sources)?,
            object: Arc::new(object),
            facts,
            name,
            maps,
            streams,
            dropped,
            targets,
        })
    }

    /// Returns the name of the object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Attaches every program that is not switched off with [`super::OpenProgram::set_autoattach`],
    /// to the target that its section names or to those set with [`super::Open::set_target`].
    ///
    /// struct_ops programs are attached through the map that holds them. `syscall` programs are not
    /// attached, because they are run.
    ///
    /// # Errors
    /// [`Error::Kernel`] for the first program that cannot be attached, [`Error::NoTarget`] if it
    /// has no target. Those attached before it are detached.
    pub fn links(&self) -> Result<Links> {
        attach(&self.object, &self.targets).map(|(_, link)| link).collect::<Result<_>>().map(Links)
    }

    /// Attaches like [`Self::links`], and returns the result of each program and struct_ops map
    /// with its name.
    ///
    /// A program that cannot be attached does not prevent the others from being attached. A program
    /// with several targets, or with a perf event on several CPUs, has a result for each.
    pub fn links_each(&self) -> Vec<(String, Result<Link>)> {
        attach(&self.object, &self.targets).collect()
    }

    /// Returns a map.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no map of this name; [`Error::NotLoaded`] if it was
    /// not created.
    pub fn map(&self, name: &str) -> Result<Map<'_>> {
        let (map, created) = self.find_map(name)?;
        if created { Ok(map) } else { Err(not_made(name)) }
    }

    /// Returns a map whose typed handles refuse each call if the map cannot be used.
    pub(super) fn map_or_none(&self, name: &str) -> Result<Map<'_>> {
        let (map, created) = self.find_map(name)?;
        Ok(if created { map.lenient() } else { map.not_loaded(NOT_MADE) })
    }

    /// Returns a map, and true if it was created.
    fn find_map(&self, name: &str) -> Result<(Map<'_>, bool)> {
        let (index, map) = find_map(&self.object, &self.maps, name)?;
        let inner = self.facts.inner.get(&index).map(|def| def.with(self.btf()));
        // libbpf has a descriptor for each map. That of a map that it did not create refers to no
        // map.
        let created = map.autocreate();
        Ok((Map::new(map, inner), created))
    }

    /// Returns a map as a typed handle.
    ///
    /// # Errors
    /// Those of [`Self::map`] and [`Map::into_typed`].
    pub fn typed_map<'a, T: FromMap<'a>>(&'a self, name: &str) -> Result<T> {
        self.map(name)?.into_typed()
    }

    /// Returns a map as a typed handle that refuses each call if the map was not created, or was
    /// created with another type or other sizes.
    pub(super) fn typed_map_or_none<'a, T: FromMap<'a>>(&'a self, name: &str) -> Result<T> {
        self.map_or_none(name)?.into_typed()
    }

    /// Returns the object's BTF in the kernel, if it has any.
    fn btf(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: the object is live, and the call only reads a number.
        let fd = unsafe { libbpf_sys::bpf_object__btf_fd(self.object.as_libbpf_object().as_ptr()) };
        // SAFETY: libbpf keeps the descriptor open as long as the object, which is borrowed.
        (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// Returns a ring buffer that delivers records, to read it apart from the others. The handle
    /// refuses each call if the map was not created.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the map was not listed as a stream when the object was opened.
    pub fn ring_buffer<E: ?Sized>(&self, name: &str) -> Result<RingBuffer<'_, E>> {
        Ok(RingBuffer::new(self.map_or_none(name)?, &self.reader, self.stream(name)?))
    }

    /// Returns a perf event array that delivers records, to read it apart from the others. The
    /// handle refuses each call if the map was not created.
    ///
    /// # Errors
    /// Those of [`Self::ring_buffer`].
    pub fn perf_event_array<E: ?Sized>(&self, name: &str) -> Result<PerfEventArray<'_, E>> {
        Ok(PerfEventArray::new(self.map_or_none(name)?, &self.reader, self.stream(name)?))
    }

    fn stream(&self, name: &str) -> Result<usize> {
        let found = self.streams.iter().position(|stream| stream == name);
        found.ok_or_else(|| Error::NotFound {
            what: "stream",
            name: name.to_owned(),
            known: self.streams.clone(),
        })
    }

    /// Returns a table of kernel functions that programs implement (struct_ops).
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no map of this name; [`Error::Mismatch`] if the map is
    /// of another type.
    pub fn struct_ops(&self, name: &str) -> Result<StructOps<'_>> {
        // A table that was not created has a handle too: tables of `SEC("?.struct_ops")` are not
        // created by default.
        StructOps::new(Map::new(find_map(&self.object, &self.maps, name)?.1, None), &self.object)
    }

    /// Returns a ring buffer that programs read. The handle refuses each call if the map is of
    /// another type or was not created.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no map of this name.
    pub fn user_ring_buffer(&self, name: &str) -> Result<UserRingBuffer<'_>> {
        UserRingBuffer::new(self.map_or_none(name)?)
    }

    /// Returns a program.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no program of this name.
    pub fn program(&self, name: &str) -> Result<Program<'_>> {
        self.object
            .progs_mut()
            .find(|program| program.name() == name)
            .map(|program| Program::new(program, &self.object))
            .ok_or_else(|| Error::NotFound {
                what: "program",
                name: name.to_owned(),
                known: self
                    .object
                    .progs()
                    .map(|program| program.name().to_string_lossy().into_owned())
                    .collect(),
            })
    }

    /// Returns a program as one of the kind `K`.
    ///
    /// # Errors
    /// Those of [`Self::program`] and [`Program::into_kind`].
    pub fn typed_program<K: ProgramKind>(&self, name: &str) -> Result<Program<'_, K>> {
        self.program(name)?.into_kind()
    }

    /// Returns the variables of an ELF section. `.rodata` allows only [`super::ReadOnly`] access,
    /// because the kernel has frozen it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such section. [`Error::Misuse`] if the section is
    /// read-only and `A` is not. [`Error::NotLoaded`] if its map was not created, or if the kernel
    /// has no global variables (before 5.2).
    pub fn section<A: Access>(&self, name: &str) -> Result<Section<'_, A>> {
        let Some(map) = SectionMap::find(self.object.as_libbpf_object(), name) else {
            return Err(Error::NotFound {
                what: "section",
                name: name.to_owned(),
                known: self.maps.clone(),
            });
        };
        if A::WRITES && map.freezes() {
            let why = "the kernel has frozen the section; set it before the object is loaded";
            return Err(Error::Misuse { name: name.to_owned(), why: why.to_owned() });
        }
        // libbpf keeps memory for a section that it did not create, but no program sees it.
        let created = map.is_made().then_some(map);
        created.and_then(|map| map.loaded(self.facts.in_arena)).map(Section::new).ok_or_else(|| {
            let why = "the section is not in the kernel: its creation was switched off, or the kernel (before 5.2) has no global variables";
            Error::NotLoaded { name: name.to_owned(), why: why.to_owned() }
        })
    }

    /// Returns the variables of an ELF section of `SIZE` bytes.
    ///
    /// # Errors
    /// Those of [`Self::section`] and [`Section::sized`].
    #[doc(hidden)]
    pub fn sized_section<A: Access, const SIZE: usize>(
        &self,
        name: &str,
    ) -> Result<SizedSection<'_, A, SIZE>> {
        self.section(name)?.sized(name)
    }

    /// Delivers records as bytes, with the number of their map. It waits, and reports errors, as
    /// [`Records::poll`](crate::reader::Records::poll) does. A recorder takes these bytes.
    ///
    /// # Errors
    /// Those of [`Records::poll`](crate::reader::Records::poll).
    pub fn poll(
        &self,
        timeout: Duration,
        deliver: impl FnMut(usize, &[u8]) -> Verdict,
    ) -> Result<u64> {
        self.reader.poll(timeout, deliver)
    }

    /// Waits until there are records to read, as [`Reader::wait`] does.
    ///
    /// # Errors
    /// Those of [`Reader::wait`].
    #[doc(hidden)]
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        self.reader.wait(timeout)
    }

    /// Delivers the available records like [`Self::poll`], without waiting.
    ///
    /// # Errors
    /// Those of [`Self::poll`].
    pub fn drain(&self, deliver: impl FnMut(usize, &[u8]) -> Verdict) -> Result<u64> {
        self.reader.drain(deliver)
    }

    /// Returns the number of records in the buffers that were not delivered, as [`Reader::unread`]
    /// does.
    ///
    /// # Errors
    /// Those of [`Reader::unread`].
    #[doc(hidden)]
    pub fn unread(&self) -> Result<u64> {
        self.reader.unread()
    }

    /// Returns the statistics of the records of each map, in the order of the map numbers.
    #[doc(hidden)]
    pub fn stats(&self) -> Vec<Stats> {
        let counted = self.reader.stats().zip(&self.streams).map(|(stats, map)| {
            match (stats.lost, self.dropped(map)) {
                _ if self.map(map).is_err() => Stats { absent: true, ..stats },
                (None, lost) => Stats { lost, ..stats },
                // A ring buffer that was set up as a perf event array (`Open::set_perf_for_ring`)
                // can have a variable, too. Its program sees every refusal. The kernel counts those
                // for lack of room, and older kernels miss some of these.
                (Some(known), Some(lost)) if stats.lost_at_least => {
                    Stats { lost: Some(lost.max(known)), lost_at_least: false, ..stats }
                }
                (Some(_), _) => stats,
            }
        });
        counted.collect()
    }

    /// Returns the number of records that the programs counted as lost. `None` if they do not
    /// count, or if the variable cannot be read.
    fn dropped(&self, map: &str) -> Option<u64> {
        let (section, offset, size) = self.dropped.get(map)?;
        let section = self.section::<ReadOnly>(section).ok()?;
        if *size == 4 {
            return section.variable::<u32>(*offset)?.get().ok().map(u64::from);
        }
        (0..size / 8).try_fold(0u64, |sum, index| {
            let part = section.variable::<u64>(offset + 8 * index)?.get().ok()?;
            Some(sum.saturating_add(part))
        })
    }

    /// Returns a handle that pauses, resumes and ends polling from any thread.
    #[doc(hidden)]
    pub fn control(&self) -> Control {
        self.reader.control()
    }

    /// Sets how polls wait for records from now on.
    #[doc(hidden)]
    pub fn set_waiting(&self, waiting: Waiting) {
        self.reader.set_waiting(waiting);
    }
}

/// Returns a descriptor that is readable if a record may be available. It is for an external event
/// loop, which then polls with a timeout of zero.
impl AsFd for Loaded {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

/// Returns the map `name` and its index, from `names` in the order of the object's maps.
fn find_map<'a>(
    object: &'a Object,
    names: &[String],
    name: &str,
) -> Result<(usize, libbpf_rs::Map<'a>)> {
    let found = names
        .iter()
        .position(|map| map == name)
        .and_then(|index| Some((index, object.maps().nth(index)?)));
    found.ok_or_else(|| Error::NotFound {
        what: "map",
        name: name.to_owned(),
        known: names.to_vec(),
    })
}

pub(super) fn not_made(map: &str) -> Error {
    Error::NotLoaded { name: format!("map `{map}`"), why: NOT_MADE.to_owned() }
}

const NOT_MADE: &str = "it is not in the kernel because its creation was switched off";
