//! The BPF object: what its ELF and its BTF say, and whether a skeleton agrees with them.

mod args;
mod btf;
mod calls;
mod check;
mod counters;
mod declared;
mod elf;
mod exports;
mod fields;
mod fingerprint;
#[cfg(feature = "load")]
mod kernel;
mod layout;
mod maps;
#[cfg(feature = "load")]
mod minimal;
mod names;
mod refusals;
mod relocations;
mod sections;
mod setup;
mod summary;
mod tagged;
mod targets;

pub use self::{
    args::Argument,
    btf::{Btf, BtfError, Kind, Linkage, Member, Slot, Type, TypeId},
    calls::{Calls, Function},
    check::Checked,
    elf::{Elf, Section, Symbol},
    exports::{CustomField, Dropped, Payload, Sampled, Stream},
    fields::Field,
    layout::{Layout, Layouts},
    maps::{MapDef, MapKind},
    relocations::{Relocation, RelocationKind},
    sections::{DataSection, Variable},
    setup::{InitialValue, Setup},
    tagged::{Tag, Tagged},
    targets::{Hook, Target},
};
pub(crate) use self::{check::list, exports::pointee, refusals::TYPE};
#[cfg(feature = "load")]
pub(crate) use self::{
    kernel::{KernelTypes, essential},
    minimal::{is_whole, minimal},
};

/// For the tests of this workspace only.
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz {
    use std::collections::HashSet;

    /// A kernel's BTF cut down to a type.
    pub fn minimal_btf(btf: &[u8], name: &str) -> Option<Vec<u8>> {
        let minimal = super::minimal(btf, &HashSet::from([name]))?;
        assert!(super::is_whole(&minimal));
        Some(minimal)
    }
}
