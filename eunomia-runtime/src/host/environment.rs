//! Environment variables, as far as the process may trust them.

use std::{env, ffi::OsString};

/// Returns an environment variable, or `None` if it is unset or this process is in secure-execution
/// mode.
///
/// The kernel sets `AT_SECURE` if the program is set-user-ID, set-group-ID or has file
/// capabilities, see getauxval(3). The environment then belongs to a user who has fewer rights than
/// the process, and must not name files, folders or tokens for it. libc's `secure_getenv` follows
/// the same rule. Every variable that this crate reads is read here.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    if is_secure() { None } else { env::var_os(name) }
}

/// Reports whether a variable is set that neither this process nor the libraries it calls may read.
pub(crate) fn hides(name: &str) -> bool {
    is_secure() && env::var_os(name).is_some()
}

/// Reports whether this process is in secure-execution mode.
fn is_secure() -> bool {
    // SAFETY: `getauxval` reads a table that the kernel made before the program started, and takes
    // no pointer.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_reads_in_an_ordinary_process() {
        assert_eq!(variable("PATH"), env::var_os("PATH"));
        assert_eq!(variable("EUNOMIA_OF_NOBODY"), None);
    }
}
