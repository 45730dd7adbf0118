//! Files, with the path in every error.

use std::{fs, path::Path};

use crate::Error;

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File { tried: "read", path: path.to_owned(), source })
}

/// Writes a file through a temporary one beside it, so that a failure leaves no half of it; leaves it alone where it is up to date.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        // It may not even exist; the first error is the one that counts.
        let _ = fs::remove_file(&temporary);
        Error::File { tried: "write", path: path.to_owned(), source }
    })
}
