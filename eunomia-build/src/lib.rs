#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "compile")]
mod annotations;
mod cargo;
#[cfg(feature = "compile")]
mod clang;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "compile")]
mod comments;
mod config;
#[cfg(feature = "compile")]
mod dwarf;
mod embed;
mod emit;
mod error;
#[cfg(feature = "compile")]
mod exported;
mod files;
#[cfg(feature = "compile")]
mod headers;
#[cfg(feature = "compile")]
mod lexer;
mod module;
#[cfg(feature = "format")]
mod output;
#[cfg(feature = "compile")]
mod records;
#[cfg(feature = "compile")]
mod source;
mod stale;
mod tokens;
#[cfg(feature = "compile")]
mod vmlinux;

pub use config::Config;
#[doc(hidden)]
pub use embed::Embed;
pub use error::Error;
#[doc(hidden)]
pub use eunomia_runtime::__private::near;
#[doc(hidden)]
pub use eunomia_runtime::skeleton::model::EventType;
pub use eunomia_runtime::{Skeleton, error::Diagnostics, skeleton::object_name};
#[doc(hidden)]
pub use files::regular as read;
#[cfg(feature = "format")]
#[doc(hidden)]
pub use output::format;
#[doc(hidden)]
pub use stale::{C_SOURCE, Stale, stale};
#[doc(hidden)]
pub use tokens::{definitions, tokens};
#[cfg(feature = "compile")]
pub use vmlinux::Vmlinux;
