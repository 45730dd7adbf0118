//! The typed core: what generated types are made of. It has no dependency on Linux or libbpf.

mod bool;
mod chars;
mod event;
pub(crate) mod line;
mod padding;
mod pointer;

pub use self::bool::Bool;
#[cfg(any(feature = "clap", feature = "dynamic"))]
pub(crate) use chars::until_nul;
pub use chars::{CharArray, TooLong};
pub use event::{Event, Short, with_event};
pub use line::{Fields, Line};
pub use padding::Padding;
pub use pointer::KernelPtr;
