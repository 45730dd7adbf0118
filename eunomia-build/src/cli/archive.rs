//! Tar archives with a package and the BTF of many kernels, for machines whose kernels have none.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use eunomia_runtime::{
    __private::{MOST, read_from},
    Skeleton,
};
use lzma_rust2::XzReader;

use crate::{Error, files};

/// The folder of the BTF in the archive. Readers find a kernel's BTF below any folder.
const FOLDER: &str = "btfhub-archive";

/// The most nested folders that are searched: distribution, version, machine.
const DEPTH: usize = 8;

/// The name of a file in btfhub's archive after that of the kernel's BTF: a tar archive that holds
/// it alone.
const PACKED: &str = ".tar.xz";

/// Returns an archive of a package, its object, and the BTF of each kernel in `folder` (`*.btf`, or
/// `*.btf.tar.xz` as btfhub has it), cut down to what the object uses.
///
/// # Errors
/// [`Error::File`] if the folder cannot be read; [`Error::Config`] if it has no BTF.
pub(super) fn pack(package: &str, folder: &Path) -> Result<Vec<u8>, Error> {
    let checked = Skeleton::parse(package, "package.json")?.check()?;
    let mut found = Vec::new();
    find(folder, DEPTH, &mut found)?;
    found.sort();
    if found.is_empty() {
        let message = format!("{} has no BTF (*.btf or *.btf.tar.xz)", folder.display());
        return Err(Error::Config(message));
    }
    let mut archive = tar::Builder::new(Vec::new());
    let name = checked.skeleton.name.clone();
    let object = checked.skeleton.object.clone().unwrap_or_default();
    let mut add = |path: &Path, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        let failed = |source| Error::File { tried: "archive", path: path.to_owned(), source };
        archive.append_data(&mut header, path, bytes).map_err(failed)
    };
    add(Path::new("package.json"), package.as_bytes())?;
    add(Path::new(&name), &object)?;
    for path in found {
        let (whole, path) = read(path)?;
        if !whole.starts_with(&[0x9f, 0xeb]) {
            return Err(Error::Config(format!("{} is not BTF", path.display())));
        }
        let btf = checked.cut_btf(&whole).unwrap_or(whole);
        let below = path.strip_prefix(folder).unwrap_or(&path);
        add(&Path::new(FOLDER).join(below), &btf)?;
    }
    archive.into_inner().map_err(|source| Error::File {
        tried: "archive",
        path: folder.to_owned(),
        source,
    })
}

/// Returns the BTF of a file, and the path of the BTF.
fn read(path: PathBuf) -> Result<(Vec<u8>, PathBuf), Error> {
    let name = path.as_os_str().to_string_lossy();
    let Some(name) = name.strip_suffix(PACKED).map(PathBuf::from) else {
        return Ok((files::read(&path)?, path));
    };
    match unpack(&files::read(&path)?) {
        Ok(btf) => Ok((btf, name)),
        Err(source) => Err(Error::File { tried: "unpack", path, source }),
    }
}

/// Returns the first file of a compressed archive.
fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    // A few kilobytes can stand for any size. The archive's own headers count too.
    let whole = XzReader::new_mem_limit(bytes, false, (MOST >> 10) as u32).take(2 * MOST);
    let mut archive = tar::Archive::new(whole);
    for entry in archive.entries()? {
        let entry = entry?;
        if entry.header().entry_type().is_file() {
            return read_from(entry, MOST);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the archive has no file"))
}

/// Adds the files with BTF below a folder. Links are not followed.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = |source: io::Error| Error::File { tried: "read", path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (kind, path) = (entry.file_type().map_err(failed)?, entry.path());
        if kind.is_dir() && depth > 0 {
            find(&path, depth - 1, found)?;
        } else if kind.is_file() && is_btf(&entry.file_name().to_string_lossy()) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_btf(name: &str) -> bool {
    name.strip_suffix(PACKED).unwrap_or(name).ends_with(".btf")
}
