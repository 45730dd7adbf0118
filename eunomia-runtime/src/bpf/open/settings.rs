//! The settings of an open object that libbpf does not keep.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::OwnedFd,
    time::Duration,
};

use libbpf_rs::{AsRawLibbpf as _, OpenObject};

use super::{BtfFile, Spec};
use crate::{bpf::Target, map_spec::MapSpec, reader::PerfBuffer};

/// The settings for loading, apart from the object.
#[derive(Debug)]
pub(in crate::bpf) struct Settings {
    pub(in crate::bpf) name: String,
    /// The names of the maps in libbpf's order. They are kept because libbpf renames a map that
    /// another map replaces.
    pub(in crate::bpf) maps: Vec<String>,
    /// The templates of inner maps, by the index of the map of maps. They are kept open until the
    /// object is loaded.
    pub(in crate::bpf) inner: BTreeMap<usize, OwnedFd>,
    /// The program of which each program replaces or traces a function, in libbpf's order. libbpf
    /// keeps only its number, so it is kept open until the object is loaded.
    pub(super) attached_to: Vec<Option<OwnedFd>>,
    /// The maps whose records this object delivers, in the order of their numbers.
    pub(in crate::bpf) streams: Vec<String>,
    /// The maps that are read at intervals: the interval, whether entries are taken out, and the
    /// declaration.
    pub(in crate::bpf) samples: BTreeMap<String, (Duration, bool, MapSpec)>,
    /// The variable in which programs count the records that a map has lost: its section, its
    /// offset and its size in bytes, by the name of the map.
    pub(in crate::bpf) dropped: BTreeMap<String, (String, usize, usize)>,
    /// The streams whose records are left to another reader.
    pub(in crate::bpf) left: BTreeSet<String>,
    pub(in crate::bpf) perf: PerfBuffer,
    /// The targets that were set, by the name of the program.
    pub(in crate::bpf) targets: BTreeMap<String, Vec<Target>>,
    /// The BTF of the kernel. libbpf reads it by its descriptor when it loads the object.
    _btf: Option<BtfFile>,
}

impl Settings {
    /// Returns the settings with which an object is opened.
    pub(super) fn new(spec: &Spec<'_>, object: &OpenObject, btf: Option<BtfFile>) -> Self {
        Self {
            name: spec.name.to_owned(),
            maps: object.maps().map(|map| map.name().to_string_lossy().into_owned()).collect(),
            inner: BTreeMap::new(),
            attached_to: object.progs().map(|_| None).collect(),
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
            _btf: btf,
        }
    }
}
