//! The BPF object: what its ELF and its BTF say, and whether a skeleton agrees with them.

mod args;
mod btf;
mod check;
mod elf;
mod exports;
mod layout;
mod maps;
mod names;
mod sections;
mod setup;
mod support;

pub use self::{
    args::Argument,
    btf::{Btf, BtfError, Kind, Linkage, Member, Slot, Type, TypeId},
    check::Checked,
    elf::{Elf, Section, Symbol},
    exports::{CustomField, Payload, Stream},
    layout::{Layout, Layouts},
    maps::{MapDef, MapKind},
    sections::{DataSection, Variable},
    setup::InitialValue,
};
