//! Why something is refused, and what to do: the doctor says it before, the errors of loading and attaching say it afterwards.
//!
//! Without the feature `dynamic` nothing here reads BTF or ELF files, and what only these tell is not told.

#[cfg(feature = "dynamic")]
pub(crate) mod binary;
pub(crate) mod busy;
pub(crate) mod configuration;
pub(crate) mod interface;
#[cfg(feature = "dynamic")]
pub(crate) mod kernel;
pub(crate) mod load;
pub(crate) mod map;
pub mod mount;
mod pattern;
pub(crate) mod pinned;
pub(crate) mod place;
pub(crate) mod preflight;
pub(crate) mod privilege;
pub(crate) mod requirement;
pub(crate) mod running;
pub(crate) mod section;
mod similar;
mod symbols;
pub(crate) mod token;

#[cfg(feature = "dynamic")]
pub(crate) use kernel::Kernel;
#[cfg(feature = "cli")]
pub(crate) use pattern::matches_pattern;
pub(crate) use symbols::Symbols;

/// The running kernel, as far as it is told without its types.
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

/// `a, b`; of many the first.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
