//! Reading and writing of files, with the path in every error.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use eunomia_runtime::__private::{MOST, read_file, refuse_planted};

use crate::Error;

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    regular(path).map_err(|source| Error::File { tried: "read", path: path.to_owned(), source })
}

/// Reads a regular file of at most the size of a skeleton. Other files are refused, so a build does
/// not wait for a pipe.
pub fn regular(path: &Path) -> io::Result<Vec<u8>> {
    read_file(path, MOST)
}

/// Writes files through temporary files beside them. They are renamed after all are complete, so a
/// failure leaves no partial file. Files that are up to date are not written.
pub(crate) fn write(files: &[(&Path, &[u8])]) -> Result<(), Error> {
    let staged: Vec<Staged<'_>> = files
        .iter()
        .filter_map(|(path, bytes)| Staged::new(path, bytes).transpose())
        .collect::<Result<_, _>>()?;
    staged.into_iter().try_for_each(Staged::rename)
}

/// Reads an existing output. Only a regular file is read, because a FIFO would block and
/// `/dev/zero` never ends.
pub(crate) fn written(path: &Path) -> io::Result<Vec<u8>> {
    match fs::metadata(path)?.is_file() {
        true => fs::read(path),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// Refuses an output that this process wrote from another input. If a build script had two sources
/// with the same stem, the later module would overwrite the earlier one.
pub(crate) fn claim(output: &Path, input: &str, todo: &str) -> Result<(), Error> {
    static WRITTEN: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());

    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let path = std::path::absolute(output).unwrap_or_else(|_| output.to_owned());
    match written.get(&path) {
        Some(other) if other != input => Err(Error::Config(format!(
            "{other} and {input} would both be written to {}; {todo}",
            output.display()
        ))),
        _ => {
            written.insert(path, input.to_owned());
            Ok(())
        }
    }
}

/// A complete file under a temporary name.
struct Staged<'a> {
    path: &'a Path,
    /// The file that is replaced; if `path` is a link, the file that it leads to.
    target: PathBuf,
    /// Empty after the rename.
    temporary: PathBuf,
}

impl<'a> Staged<'a> {
    /// Writes the temporary file. Returns `None` if the file is up to date.
    fn new(path: &'a Path, bytes: &[u8]) -> Result<Option<Self>, Error> {
        refuse_planted(path).map_err(|source| failed(path, source))?;
        match written(path) {
            Ok(found) if found == bytes => return Ok(None),
            // A terminal or a device such as `/dev/null` would be replaced by a file.
            Err(error) if error.kind() == io::ErrorKind::Other => return Err(failed(path, error)),
            _ => {}
        }
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let (temporary, mut file) = create(&target).map_err(|source| failed(path, source))?;
        let staged = Self { path, temporary, target };
        file.write_all(bytes).map_err(|source| failed(path, source))?;
        Ok(Some(staged))
    }

    fn rename(mut self) -> Result<(), Error> {
        fs::rename(&self.temporary, &self.target).map_err(|source| failed(self.path, source))?;
        // A file that has the name now is that of another thread.
        self.temporary.clear();
        Ok(())
    }
}

/// Creates a file beside `target`, with a name that no other file has: the process may write the
/// same file in another thread, and a process of another container may have the same number.
/// Another user with write access to the directory may have put a link there; it is not followed.
fn create(target: &Path) -> io::Result<(PathBuf, File)> {
    let process = std::process::id();
    for attempt in 0u32.. {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{process}-{attempt}.tmp"));
        let temporary = target.with_file_name(name);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("no free name for a temporary file"))
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.temporary.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::File { tried: "write", path: path.to_owned(), source }
}
