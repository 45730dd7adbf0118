use std::io;

use crate::{Result, refusal::refusal};

/// How many CPUs the kernel has room for, online or not: maps have a value, and perf event arrays a ring, for each.
pub(crate) fn possible() -> Result<u32> {
    let count = libbpf_rs::num_possible_cpus().map_err(|error| refusal("count the possible CPUs", io::Error::other(error)))?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}
