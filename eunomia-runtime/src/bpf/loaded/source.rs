//! Opens the readers of a loaded object's maps.

use std::{os::fd::AsFd as _, time::Duration};

use libbpf_rs::{MapCore as _, MapType, Object};

use super::find_map;
use crate::{
    Error, Result,
    bpf::{Map, map::Records, open::Settings},
    host::{
        messages::refused,
        privilege::{map_type_name, no_perf_events},
    },
    map_spec::MapSpec,
    reader::{PerfArray, PerfBuffer, Ring, Sampled, Source},
};

/// Opens the reader of the map `name`.
pub(super) fn source(object: &Object, name: &str, settings: &Settings) -> Result<Source> {
    let (_, map) = find_map(object, &settings.maps, name)?;
    // An unread source keeps the numbers of the other maps the same.
    if !map.autocreate() || settings.left.contains(name) {
        return Ok(Source::Unread);
    }
    match settings.samples.get(name) {
        Some(&(every, clear, declared)) => sampled(name, map, every, clear, declared),
        None => stream(name, &map, settings.perf),
    }
}

/// Opens the reader of a map that is read at intervals.
fn sampled(
    name: &str,
    map: libbpf_rs::Map<'_>,
    every: Duration,
    clear: bool,
    declared: MapSpec,
) -> Result<Source> {
    let sampler = Map::new(map, None).sampler()?;
    let (sizes, declared_sizes) =
        (sampler.sizes(), (declared.key_size as usize, declared.value_size as usize));
    if sizes != declared_sizes {
        let why = format!(
            "its key and value sizes are {} and {} bytes, but {} and {} are declared",
            sizes.0, sizes.1, declared_sizes.0, declared_sizes.1
        );
        return Err(Error::Mismatch { name: format!("map `{name}`"), why });
    }
    let entries = Records::new(sampler, clear);
    Sampled::new(every, Box::new(entries)).map(Source::Sampled)
}

/// Opens the reader of a ring buffer or perf event array.
fn stream(name: &str, map: &libbpf_rs::Map<'_>, perf: PerfBuffer) -> Result<Source> {
    match map.map_type() {
        MapType::RingBuf => {
            let info = map.info().map_err(|error| {
                refused(format!("ask the kernel about the map `{name}`"), &error, "")
            })?;
            Ring::new(name, map.as_fd(), map.max_entries(), info.info.map_flags).map(Source::Ring)
        }
        MapType::PerfEventArray => {
            let opened =
                PerfArray::open(name, map.as_fd(), map.max_entries(), perf).map(Source::Perf);
            opened.map_err(|error| error.without(no_perf_events))
        }
        other => Err(Error::Mismatch {
            name: name.to_owned(),
            why: format!("a map of type {} delivers no records", map_type_name(other as u32)),
        }),
    }
}
