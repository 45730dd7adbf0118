//! Files, with the path in every error.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use eunomia_runtime::__private::{MOST, read_file};

use crate::Error;

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    regular(path).map_err(|source| Error::File { tried: "read", path: path.to_owned(), source })
}

/// A regular file of the size that skeletons have: a build does not wait for a pipe.
pub fn regular(path: &Path) -> io::Result<Vec<u8>> {
    read_file(path, MOST)
}

/// Writes files through temporary ones beside them, which take their names once all are complete: a failure leaves no half of a file.
/// Leaves those alone that are up to date.
pub(crate) fn write(files: &[(&Path, &[u8])]) -> Result<(), Error> {
    let staged: Vec<Staged<'_>> =
        files.iter().filter_map(|(path, bytes)| Staged::new(path, bytes).transpose()).collect::<Result<_, _>>()?;
    staged.iter().try_for_each(Staged::rename)
}

/// What an output holds. Only a regular file is read: a FIFO would be waited for, and `/dev/zero` never ends.
pub(crate) fn written(path: &Path) -> io::Result<Vec<u8>> {
    match fs::metadata(path)?.is_file() {
        true => fs::read(path),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// A complete file that does not have its name yet.
struct Staged<'a> {
    path: &'a Path,
    /// What is replaced: behind links the file itself.
    target: PathBuf,
    temporary: PathBuf,
}

impl<'a> Staged<'a> {
    /// `None` if the file is up to date.
    fn new(path: &'a Path, bytes: &[u8]) -> Result<Option<Self>, Error> {
        match written(path) {
            Ok(found) if found == bytes => return Ok(None),
            // A terminal, `/dev/null` and the like would be replaced by a file.
            Err(error) if error.kind() == io::ErrorKind::Other => return Err(failed(path, error)),
            _ => {}
        }
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = target.with_file_name(name);
        // Whoever else may write to the folder may have put a link there by that name, which is not followed.
        let _ = fs::remove_file(&temporary);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary).map_err(|source| failed(path, source))?;
        let staged = Self { path, temporary, target };
        file.write_all(bytes).map_err(|source| failed(path, source))?;
        Ok(Some(staged))
    }

    fn rename(&self) -> Result<(), Error> {
        fs::rename(&self.temporary, &self.target).map_err(|source| failed(self.path, source))
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        // Once renamed it is not there.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::File { tried: "write", path: path.to_owned(), source }
}
