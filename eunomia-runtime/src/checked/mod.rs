//! A skeleton checked against its object: the combined contents of the document and BTF, and every
//! fault.

mod args;
mod check;
mod code;
mod custom;
mod declared;
mod derive;
mod dropped;
mod dummies;
mod evidence;
mod exports;
mod fingerprint;
mod found;
mod globals;
mod input;
mod named;
mod options;
mod payload;
mod records;
mod refusals;
mod sampled;
mod setup;
mod sizes;
mod summary;
mod tagged;
mod targets;
mod wording;

pub(crate) use self::dummies::pointee;
pub use self::{
    args::Argument,
    check::{Checked, Contents},
    custom::CustomField,
    dropped::Dropped,
    exports::Stream,
    payload::Payload,
    sampled::Sampled,
    setup::{InitialValue, Setup},
    tagged::{Tag, Tagged},
    targets::{DeclaredHook, DeclaredTarget},
};
