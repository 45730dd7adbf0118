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
pub mod checked;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "columns")]
pub mod columns;
#[cfg(feature = "load")]
mod cpus;
#[cfg(feature = "load")]
#[allow(unsafe_code, reason = "asks libbpf about objects and programs")]
mod diagnosis;
#[cfg(all(feature = "dynamic", feature = "load"))]
#[allow(unsafe_code, reason = "asks libbpf for the features of the kernel")]
pub mod doctor;
#[cfg(all(feature = "dynamic", feature = "load"))]
pub mod dynamic;
#[cfg(feature = "load")]
#[allow(unsafe_code, reason = "asks libc for AT_SECURE")]
mod environment;
mod error;
#[cfg(feature = "dynamic")]
pub mod fault;
#[cfg(any(feature = "dynamic", feature = "load"))]
mod file;
mod hint;
pub mod histogram;
#[cfg(feature = "dynamic")]
pub mod object;
#[cfg(feature = "dynamic")]
pub mod output;
#[cfg(feature = "load")]
#[allow(unsafe_code, reason = "calls perf_event_open, which has no wrapper")]
mod perf_event;
mod plain;
#[cfg(feature = "load")]
#[allow(unsafe_code, reason = "reads memory that it shares with the kernel")]
pub mod reader;
pub mod recording;
#[allow(unsafe_code, reason = "asks libbpf for the texts of its errors")]
mod refusal;
pub mod sample;
#[cfg(any(feature = "clap", feature = "dynamic"))]
mod scalar;
#[cfg(feature = "dynamic")]
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
pub use error::{Error, Result};
pub use hint::Hint;
pub use refusal::Refusal;
#[cfg(feature = "dynamic")]
pub use skeleton::Skeleton;
