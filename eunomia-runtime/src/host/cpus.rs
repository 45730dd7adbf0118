//! The CPUs of the machine.

use std::{fs, io};

use crate::{Result, host::kernel_error};

/// Returns the number of possible CPUs, online or not. Per-CPU maps have a value for each.
pub(crate) fn possible() -> Result<u32> {
    let count = libbpf_rs::num_possible_cpus()
        .map_err(|error| kernel_error("count the possible CPUs", io::Error::other(error)))?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Returns the ids of the possible CPUs, in order. Some machines have gaps between them.
pub(crate) fn ids() -> Result<Vec<u32>> {
    const LIST: &str = "/sys/devices/system/cpu/possible";
    let listed = fs::read_to_string(LIST).and_then(|text| {
        parse(&text).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{text:?} is no list of CPUs"))
        })
    });
    listed.map_err(|error| kernel_error(format!("list the possible CPUs: read {LIST}"), error))
}

/// Parses a list of the kernel, for example `0-3,8`.
fn parse(text: &str) -> Option<Vec<u32>> {
    /// More than any kernel supports.
    const MOST: u32 = 1 << 16;
    let mut ids = Vec::new();
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        if last >= MOST || ids.last().is_some_and(|before| *before >= first) {
            return None;
        }
        ids.extend(first..=last);
    }
    Some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_may_have_gaps() {
        assert_eq!(parse("0\n"), Some(vec![0]));
        assert_eq!(parse("0-3\n"), Some(vec![0, 1, 2, 3]));
        assert_eq!(parse("0-1,4,8-9\n"), Some(vec![0, 1, 4, 8, 9]));
        for text in ["", "0-", "a", "1,0", "0-4294967295", "0,,1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn count_and_list_agree() {
        assert_eq!(ids().unwrap().len(), possible().unwrap() as usize);
    }
}
