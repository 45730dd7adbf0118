//! Environment variables of a process that may have more rights than whoever started it.

use std::{env, ffi::OsString};

/// Returns an environment variable, or `None` if it is not set or this process is in secure-execution mode.
///
/// The kernel sets `AT_SECURE` if the program is set-user-ID, set-group-ID or has file capabilities, see getauxval(3). The environment is
/// then of somebody who has fewer rights than the process, and must not name files, folders or tokens for it. libc's `secure_getenv` is the
/// same rule. Every variable that this crate reads is read here.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    if is_secure() { None } else { env::var_os(name) }
}

/// Whether an environment variable is set that this process must not read, nor the libraries that it calls.
pub(crate) fn hides(name: &str) -> bool {
    is_secure() && env::var_os(name).is_some()
}

/// Whether this process is in secure-execution mode.
fn is_secure() -> bool {
    // SAFETY: `getauxval` reads a table that the kernel made before the program began, and takes no pointer.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_an_ordinary_process() {
        assert_eq!(variable("PATH"), env::var_os("PATH"));
        assert_eq!(variable("EUNOMIA_OF_NOBODY"), None);
    }
}
