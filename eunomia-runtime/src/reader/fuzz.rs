//! Fuzz targets of the readers, over memory that the input writes. Only for the tests of this
//! workspace.

pub use super::{perf::fuzz::perf, ring::fuzz::ring};

/// An input, taken piece by piece. After its end there are no more steps, and all numbers are 0.
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Returns the next step.
    pub(super) fn step(&mut self) -> Option<u8> {
        let (step, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*step)
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let (taken, rest) = self.0.split_at(N.min(self.0.len()));
        bytes[..taken.len()].copy_from_slice(taken);
        self.0 = rest;
        bytes
    }

    pub(super) fn u8(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
