//! The BPF object: the contents of its ELF file and of its BTF. This module does not depend on
//! skeletons.

pub mod annotations;
mod btf;
mod calls;
mod counters;
mod decode;
mod derived;
pub(crate) mod elf;
pub(crate) mod encode;
mod fields;
pub(crate) mod foreign;
pub(crate) mod instruction;
#[cfg(feature = "load")]
mod kernel;
mod layout;
pub(crate) mod lines;
pub(crate) mod maps;
#[cfg(feature = "load")]
mod minimal;
mod names;
mod references;
pub(crate) mod relocations;
pub(crate) mod sections;
pub(crate) mod sends;

pub(crate) use self::derived::Derived;
pub use self::{
    btf::{Btf, BtfError, Kind, Linkage, Member, Slot, Type, TypeId},
    calls::{Calls, Function},
    elf::{Elf, Section, Symbol},
    fields::Field,
    layout::{Layout, Layouts},
    maps::{MapDef, MapKind},
    relocations::{Relocation, RelocationKind},
    sections::{DataSection, Variable},
};
#[cfg(feature = "load")]
pub(crate) use self::{
    kernel::{KernelTypes, essential},
    minimal::{cut, is_whole, minimal},
};

/// Entry points for the fuzz tests of this workspace; not part of the API.
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz {
    use std::collections::HashSet;

    /// Reduces a kernel's BTF to one type and the types that it contains.
    pub fn minimal_btf(btf: &[u8], name: &str) -> Option<Vec<u8>> {
        let minimal = super::minimal(btf, &HashSet::from([name]))?;
        assert!(super::is_whole(&minimal));
        Some(minimal)
    }
}
