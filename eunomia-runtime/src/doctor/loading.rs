//! The trial loading of an object.

use super::check;
use crate::{
    Error,
    bpf::{self, Check},
};

/// Loads the object and removes it, because only the verifier knows what it refuses.
pub(super) fn loading(open: bpf::Open) -> Check {
    const WHAT: &str = "loading";
    match open.try_load() {
        Ok(()) => check::found(WHAT, "loaded, not attached, and removed"),
        Err(Error::Kernel(kernel_error)) => {
            let log = kernel_error.verifier_log.as_deref().unwrap_or(&kernel_error.messages);
            let lines = log
                .lines()
                .filter(|line| !line.trim().is_empty() && !line.starts_with("processed "));
            let lines: Vec<&str> = lines.map(str::trim).collect();
            let last =
                lines.get(lines.len().saturating_sub(LAST)..).unwrap_or_default().join(" | ");
            let found = match &*last {
                "" => kernel_error.source.to_string(),
                last => format!("{}: {last}", kernel_error.source),
            };
            let todo = kernel_error
                .hint
                .clone()
                .unwrap_or_else(|| "load the object to see the whole log of the kernel".into());
            check::missing(WHAT, true, found, todo)
        }
        Err(error) => check::missing(WHAT, true, error.to_string(), ""),
    }
}

/// The number of lines of a verifier log that are shown.
const LAST: usize = 3;
