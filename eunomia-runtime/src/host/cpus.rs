//! The CPUs of the machine.

use std::io;

use crate::{Result, host::kernel_error};

/// Returns the number of possible CPUs, online or not. Per-CPU maps have a value for each, and perf
/// event arrays a ring.
pub(crate) fn possible() -> Result<u32> {
    let count = libbpf_rs::num_possible_cpus()
        .map_err(|error| kernel_error("count the possible CPUs", io::Error::other(error)))?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}
