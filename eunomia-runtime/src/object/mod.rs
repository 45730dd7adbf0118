//! The BPF object: what its ELF and its BTF say, and whether a skeleton agrees with them.

mod args;
mod btf;
mod check;
mod declared;
mod elf;
mod exports;
mod fields;
mod fingerprint;
mod layout;
mod maps;
mod names;
mod sections;
mod setup;
mod summary;
mod tagged;
mod targets;

pub(crate) use self::exports::pointee;
pub use self::{
    args::Argument,
    btf::{Btf, BtfError, Kind, Linkage, Member, Slot, Type, TypeId},
    check::Checked,
    elf::{Elf, Section, Symbol},
    exports::{CustomField, Dropped, Payload, Sampled, Stream},
    fields::Field,
    layout::{Layout, Layouts},
    maps::{MapDef, MapKind},
    sections::{DataSection, Variable},
    setup::{InitialValue, Setup},
    tagged::{Tag, Tagged},
    targets::{Hook, Target},
};
