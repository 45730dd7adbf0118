//! A skeleton checked against its object: the combined contents of the document and BTF, and every
//! fault.

mod args;
mod check;
mod code;
mod declared;
mod derive;
mod document;
mod exports;
mod fingerprint;
mod refusals;
mod setup;
mod summary;
mod tagged;
mod targets;

pub(crate) use self::exports::pointee;
pub use self::{
    args::Argument,
    check::Checked,
    document::Document,
    exports::{CustomField, Dropped, Payload, Sampled, Stream},
    setup::{InitialValue, Setup},
    tagged::{Tag, Tagged},
    targets::{DeclaredHook, DeclaredTarget},
};
