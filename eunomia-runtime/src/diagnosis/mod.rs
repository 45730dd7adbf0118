//! Diagnosis: requirements, pins, targets, and why the kernel refuses an object.
//! The doctor and preflight report a cause beforehand; errors of loading and attaching give it as a
//! hint.
//!
//! Without the feature `dynamic` this module reads no BTF or ELF files, so causes that only they
//! reveal are not reported.

#[cfg(feature = "dynamic")]
mod binaries;
#[cfg(feature = "dynamic")]
pub(crate) mod binary;
pub(crate) mod busy;
pub(crate) mod configuration;
pub(crate) mod interface;
#[cfg(feature = "dynamic")]
pub(crate) mod kernel;
pub(crate) mod load;
pub(crate) mod map;
mod pattern;
pub(crate) mod pinned;
pub(crate) mod place;
pub(crate) mod preflight;
pub(crate) mod requirement;
pub(crate) mod section;
mod similar;
mod symbols;

#[cfg(feature = "dynamic")]
pub(crate) use kernel::Kernel;
#[cfg(feature = "cli")]
pub(crate) use pattern::matches_pattern;
pub(crate) use symbols::Symbols;

/// The symbols of the running kernel; without the feature `dynamic` its types are not read.
#[cfg(not(feature = "dynamic"))]
#[derive(Default)]
pub(crate) struct Kernel {
    pub(crate) symbols: Symbols,
}

#[cfg(not(feature = "dynamic"))]
impl Kernel {
    fn has_function(&self, _: &str) -> Option<bool> {
        None
    }

    fn has_typedef(&self, _: &str) -> Option<bool> {
        None
    }
}

/// Joins names as `a, b`; only the first eight are shown.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
