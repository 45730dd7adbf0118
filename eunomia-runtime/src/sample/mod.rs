//! The typed core: the building blocks of generated types.
//!
//! It depends on neither Linux nor libbpf.

pub(crate) mod access;
mod bool;
mod chars;
mod delivered;
mod entry;
mod event;
mod format;
pub(crate) mod line;
pub(crate) mod outcome;
mod packed;
mod padding;
#[allow(unsafe_code, reason = "makes references to bytes, for types proved to be plain")]
pub(crate) mod plain;
mod pointer;
mod prefix;
#[cfg(feature = "serde")]
pub(crate) mod serial;
pub(crate) mod tailed;

pub use self::bool::Bool;
pub(crate) use chars::until_nul;
pub use chars::{CharArray, TooLong};
pub use delivered::{Delivered, with_delivered};
#[cfg(any(feature = "dynamic", feature = "load"))]
pub(crate) use entry::value_offset;
pub use entry::{Entry, with_entry};
pub use event::{Event, Short, with_event};
#[doc(hidden)]
pub use format::{Format, Formatted};
pub use line::{Fields, Line};
pub(crate) use outcome::CallbackErrors;
#[doc(hidden)]
pub use outcome::{Cause, Outcome, Verdict};
pub use packed::Packed;
pub use padding::Padding;
pub use plain::Plain;
pub use pointer::KernelPtr;
pub use prefix::{NotPrefix, Prefix};
pub use tailed::{Flexible, Tailed, with_tail};
