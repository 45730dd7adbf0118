#![doc = include_str!("../README.md")]
// docs/unsafe.md lists the modules with unsafe code and the reasons; tests/unsafe.sh compares it
// with the code. Unit tests declare plain types of their own.
#![cfg_attr(not(test), deny(unsafe_code))]

#[cfg(any(feature = "clap", feature = "dynamic"))]
pub mod args;
#[cfg(feature = "load")]
#[allow(unsafe_code, reason = "calls libbpf and the kernel")]
pub mod bpf;
#[cfg(feature = "dynamic")]
#[doc(hidden)]
pub mod checked;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "columns")]
pub mod columns;
#[cfg(feature = "load")]
#[allow(unsafe_code, reason = "asks libbpf about objects and programs")]
mod diagnosis;
#[cfg(all(feature = "dynamic", feature = "load"))]
#[allow(unsafe_code, reason = "asks libbpf for the features of the kernel")]
pub mod doctor;
#[cfg(all(feature = "dynamic", feature = "load"))]
#[allow(unsafe_code, reason = "opens objects that it has checked")]
pub mod dynamic;
pub mod error;
#[cfg(any(feature = "dynamic", feature = "load"))]
mod file;
#[cfg(any(feature = "dynamic", feature = "load"))]
mod glob;
pub mod histogram;
#[cfg(feature = "load")]
mod host;
#[cfg(feature = "load")]
#[allow(unsafe_code, reason = "asks libbpf for the definitions of maps")]
mod map_spec;
#[cfg(feature = "dynamic")]
#[doc(hidden)]
pub mod object;
#[cfg(feature = "dynamic")]
pub mod output;
mod plain;
#[cfg(feature = "load")]
#[allow(unsafe_code, reason = "reads memory that it shares with the kernel")]
pub mod reader;
pub mod recording;
pub mod sample;
#[cfg(any(feature = "clap", feature = "dynamic"))]
mod scalar;
#[cfg(feature = "dynamic")]
#[doc(hidden)]
pub mod skeleton;
#[cfg(feature = "dynamic")]
mod suggestion;
#[cfg(feature = "symbolize")]
pub mod symbols;
#[cfg(feature = "tokio")]
#[allow(unsafe_code, reason = "registers a descriptor of its own")]
pub mod tokio;
#[cfg(feature = "dynamic")]
pub mod value;

// Not public API.
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(feature = "load")]
pub use bpf::preflight;
#[cfg(feature = "dynamic")]
#[doc(inline)]
pub use checked::Checked;
pub use error::{Error, ErrorKind, Hint, KernelError, Result};
#[cfg(feature = "dynamic")]
#[doc(inline)]
pub use skeleton::Skeleton;
