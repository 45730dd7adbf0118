//! The machine that the process runs on: its kernel, CPUs, mounts, interfaces, and the privileges
//! of the process. Errors of the kernel are made here, because their hints say what this machine
//! lacks.

mod advice;
pub(crate) mod cpus;
#[allow(unsafe_code, reason = "asks libc for AT_SECURE")]
pub(crate) mod environment;
#[allow(unsafe_code, reason = "asks libc and libbpf about interfaces")]
pub(crate) mod interface;
#[allow(unsafe_code, reason = "asks libbpf for the texts of its errors")]
mod kernel_error;
#[allow(unsafe_code, reason = "receives the messages of libbpf")]
pub(crate) mod messages;
pub mod mount;
#[allow(unsafe_code, reason = "calls perf_event_open, which has no wrapper")]
pub(crate) mod perf_event;
#[allow(unsafe_code, reason = "asks libbpf for the names of types")]
pub(crate) mod privilege;
pub(crate) mod running;
pub(crate) mod search;
#[allow(unsafe_code, reason = "opens objects with a token of our choice")]
pub(crate) mod token;

pub(crate) use advice::Advice;
pub(crate) use kernel_error::{kernel_error, refused_by};
