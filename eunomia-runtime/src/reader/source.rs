use super::{PerfArray, Ring, Sampled};

/// A map that delivers records.
#[derive(Debug)]
pub(crate) enum Source {
    Ring(Ring),
    Perf(PerfArray),
    Sampled(Sampled),
    /// Its memory contradicted itself.
    Damaged,
    /// Its map was not made.
    Absent,
}

impl Source {
    /// Whether a record is there to be read.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Ring(ring) => ring.is_ready(),
            Self::Perf(array) => array.has_more(),
            Self::Sampled(map) => map.is_ready(),
            Self::Damaged | Self::Absent => false,
        }
    }

    /// Whether a record came in, committed or not, after the map was drained; every position is published by then.
    pub(super) fn has_more(&self) -> bool {
        match self {
            Self::Ring(ring) => ring.has_more(),
            Self::Perf(array) => array.has_more(),
            Self::Sampled(map) => map.is_ready(),
            Self::Damaged | Self::Absent => false,
        }
    }
}
