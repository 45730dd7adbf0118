//! What a command works on: a skeleton from a file or from standard input, and the BTF that a tar archive brings along.

use std::{
    fs,
    io::{self, Read, Write as _},
    os::fd::{AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use clap::error::ErrorKind;

use super::{
    Failure,
    args::{Source, usage},
};
use crate::{
    Error, bpf,
    checked::Document,
    file::{self, MOST},
};

pub(super) struct Input {
    pub(super) document: Document,
    /// BTF of the running kernel out of the archive.
    btf: Option<Unnamed>,
}

/// A file in memory alone.
struct Unnamed(OwnedFd);

impl Input {
    /// Reads a skeleton, or describes an object: the first bytes decide.
    pub(super) fn read(source: &Source, stdin: &mut dyn Read) -> Result<Self, Failure> {
        read_once(&source.paths())?;
        let (bytes, file) = read(&source.file, stdin)?;
        let (bytes, btf) = if is_tar(&bytes) { unpack(&bytes, &file)? } else { (bytes, None) };
        let mut document = Document::new(bytes, &file)?;
        if let Some(object) = &source.object {
            if document.is_object() {
                return Err(usage(ErrorKind::ArgumentConflict, "`--object` completes a skeleton, and the input is an object itself"));
            }
            document = document.with_object(read(object, stdin)?.0, &object.display().to_string())?;
        }
        Ok(Self { document, btf })
    }

    /// The file of the kernel's BTF that the object is to be opened with, where it is not the kernel's own: the one that was asked for
    /// before any other.
    pub(super) fn kernel_btf(&self, asked: Option<&Path>) -> Result<Option<PathBuf>, Error> {
        if let Some(asked) = asked {
            return bpf::named_btf(asked).map(Some);
        }
        let packed = self.btf.as_ref().map(|btf| PathBuf::from(format!("/proc/self/fd/{}", btf.0.as_raw_fd())));
        bpf::kernel_btf(packed.as_deref())
    }
}

/// Refuses to read standard input more than once.
pub(super) fn read_once(inputs: &[&Path]) -> Result<(), Failure> {
    if inputs.iter().filter(|path| is_stream(path)).count() > 1 {
        return Err(usage(ErrorKind::ArgumentConflict, "`-` is standard input, which can be read only once"));
    }
    Ok(())
}

/// Whether the path stands for standard input or output.
pub(super) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The bytes of a file, and what stands for it in messages.
fn read(path: &Path, stdin: &mut dyn Read) -> Result<(Vec<u8>, String), Error> {
    if !is_stream(path) {
        let bytes = file::read_any(path, MOST).map_err(|source| Error::File { path: path.to_owned(), source })?;
        return Ok((bytes, path.display().to_string()));
    }
    let file = "<stdin>";
    let bytes = file::read_from(stdin, MOST).map_err(|source| Error::File { path: file.into(), source })?;
    Ok((bytes, file.to_owned()))
}

/// The mark of tar(5).
fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// The package of an archive, and its BTF of the running kernel, which stands in a tree as [`bpf::archived`] says, below any folder.
fn unpack(bytes: &[u8], file: &str) -> Result<(Vec<u8>, Option<Unnamed>), Error> {
    let failed = |source| Error::File { path: file.into(), source };
    let wanted = bpf::archived();
    let (mut package, mut btf) = (None, None);
    for entry in tar::Archive::new(bytes).entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        let mut contents = || file::read_from(&mut entry, MOST).map_err(failed);
        if path.file_name().is_some_and(|name| name == "package.json") {
            once(&mut package, contents()?, &path).map_err(failed)?;
        } else if path.ends_with(&wanted) {
            let contents = Unnamed::new(&contents()?).map_err(failed)?;
            once(&mut btf, contents, &path).map_err(failed)?;
        }
    }
    let package = package.ok_or_else(|| failed(io::Error::new(io::ErrorKind::NotFound, "the archive has no package.json")))?;
    Ok((package, btf))
}

/// Whoever has looked at the first must not be given another.
fn once<T>(slot: &mut Option<T>, contents: T, path: &Path) -> io::Result<()> {
    match slot.replace(contents) {
        None => Ok(()),
        Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has a second {}", path.display()))),
    }
}

impl Unnamed {
    fn new(bytes: &[u8]) -> io::Result<Self> {
        let fd = rustix::fs::memfd_create("btf", rustix::fs::MemfdFlags::CLOEXEC)?;
        let mut file = fs::File::from(fd);
        file.write_all(bytes)?;
        Ok(Self(file.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&Path, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            archive.append_data(&mut header, path, *bytes).unwrap();
        }
        archive.into_inner().unwrap()
    }

    #[test]
    fn an_archive_brings_the_btf_of_this_kernel_among_others() {
        let (own, other) = (Path::new("btf").join(bpf::archived()), Path::new("btf/other/1/x86_64/1.2.3.btf"));
        let package: (&Path, &[u8]) = (Path::new("x/package.json"), b"{}");
        let bytes = archive(&[(other, b"other"), (&own, b"own"), package]);
        assert!(is_tar(&bytes));
        let (unpacked, btf) = unpack(&bytes, "x.tar").unwrap();
        assert_eq!(unpacked, b"{}");
        let fd = btf.unwrap().0;
        assert_eq!(fs::read(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap(), b"own");
        let second: (&Path, &[u8]) = (Path::new("y/package.json"), b"[]");
        let Err(refused) = unpack(&archive(&[package, second]), "x.tar") else { panic!("it has two packages") };
        assert_eq!(refused.to_string(), "x.tar: it has a second y/package.json");
        let (_, none) = unpack(&archive(&[(other, b"other"), package]), "x.tar").unwrap();
        assert!(none.is_none());
    }
}
