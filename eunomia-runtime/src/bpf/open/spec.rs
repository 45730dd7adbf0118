//! The parameters for opening an object.

use std::time::Duration;

/// The parameters for opening an object.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct Spec<'a> {
    /// The name that libbpf gives the object. Internal maps are named after it.
    pub name: &'a str,
    /// The ELF file.
    pub object: &'a [u8],
    /// The maps that deliver records, in the order in which
    /// [`Loaded::poll`](crate::bpf::Loaded::poll) numbers them.
    pub streams: &'a [&'a str],
    /// The maps of `streams` that are read at intervals.
    pub samples: &'a [Sample<'a>],
    /// The variables in which programs count the records that found no room.
    pub dropped: &'a [Dropped<'a>],
    /// The number of pages of a perf ring on each CPU, a power of two; see
    /// [`Open::set_perf_buffer`](super::Open::set_perf_buffer).
    pub perf_pages: usize,
}

/// A map that is read at intervals.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct Sample<'a> {
    /// The name of the map.
    pub map: &'a str,
    /// The time between two readings.
    pub every: Duration,
    /// True if reading takes the entries out of the map; see
    /// [`Sampler::take`](crate::bpf::Sampler::take).
    pub clear: bool,
}

/// A global variable in which programs count the records of a map that found no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub struct Dropped<'a> {
    /// The name of the map.
    pub map: &'a str,
    /// The section of the variable.
    pub section: &'a str,
    /// The offset of the variable in the section, in bytes.
    pub offset: usize,
    /// The number of bytes of the variable: 4 for one counter, else 8 for each counter. Several
    /// counters are parts of a sum.
    pub size: usize,
}
