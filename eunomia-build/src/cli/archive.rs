//! Tar archives with a package and the BTF of many kernels, for machines whose kernels have none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use eunomia_runtime::Skeleton;

use crate::{Error, files};

/// The folder of the BTF in the archive. Readers find a kernel's BTF below any folder.
const FOLDER: &str = "btfhub-archive";

/// The most nested folders that are searched: distribution, version, machine.
const DEPTH: usize = 8;

/// Returns an archive of a package, its object, and the BTF of each kernel in `folder` (`*.btf`),
/// cut down to what the object uses.
///
/// # Errors
/// [`Error::File`] if the folder cannot be read; [`Error::Config`] if it has no BTF.
pub(super) fn pack(package: &str, folder: &Path) -> Result<Vec<u8>, Error> {
    let checked = Skeleton::parse(package, "package.json")?.check()?;
    let mut found = Vec::new();
    find(folder, DEPTH, &mut found)?;
    found.sort();
    if found.is_empty() {
        let message = format!(
            "{} has no BTF (*.btf); unpack the archives of btfhub (*.btf.tar.xz) in it first",
            folder.display()
        );
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
        let whole = files::read(&path)?;
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

/// Adds the files with BTF below a folder. Links are not followed.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = |source: io::Error| Error::File { tried: "read", path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (kind, path) = (entry.file_type().map_err(failed)?, entry.path());
        if kind.is_dir() && depth > 0 {
            find(&path, depth - 1, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "btf") {
            found.push(path);
        }
    }
    Ok(())
}
