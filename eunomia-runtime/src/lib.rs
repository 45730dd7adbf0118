#![doc = include_str!("../README.md")]

#[cfg(any(feature = "clap", feature = "dynamic"))]
pub mod args;
#[cfg(feature = "load")]
pub mod bpf;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "columns")]
pub mod columns;
#[cfg(feature = "load")]
mod cpus;
#[cfg(feature = "load")]
mod diagnosis;
#[cfg(all(feature = "dynamic", feature = "load"))]
pub mod doctor;
#[cfg(all(feature = "dynamic", feature = "load"))]
pub mod dynamic;
#[cfg(feature = "load")]
mod environment;
mod error;
#[cfg(feature = "dynamic")]
pub mod fault;
mod hint;
pub mod histogram;
#[cfg(feature = "dynamic")]
pub mod object;
#[cfg(feature = "dynamic")]
pub mod output;
#[cfg(feature = "load")]
mod perf_event;
#[cfg(any(feature = "clap", feature = "dynamic"))]
mod plain;
#[cfg(feature = "load")]
pub mod reader;
pub mod recording;
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
#[cfg(all(feature = "load", feature = "tokio"))]
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
