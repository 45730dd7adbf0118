//! [`Padding`]: bytes between two fields.

use std::fmt;

/// Bytes that C leaves between two fields.
///
/// A named field for them makes all bytes of the struct initialised, so that it can be written to
/// the kernel. Their content has no meaning: any two are equal.
#[derive(Clone, Copy)]
#[repr(transparent)]
#[doc(hidden)]
pub struct Padding<const N: usize>([u8; N]);

impl<const N: usize> Default for Padding<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> PartialEq for Padding<N> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<const N: usize> fmt::Debug for Padding<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}
