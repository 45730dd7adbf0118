//! The input of a command: a skeleton from a file or from standard input, and the BTF of a tar
//! archive.

use std::{
    env::consts::ARCH,
    fs,
    io::{self, Read, Write as _},
    os::fd::{AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use clap::error::ErrorKind;

use super::{
    CommandError,
    args::{Source, usage},
};
use crate::{
    Error, Skeleton, bpf,
    checked::Checked,
    error::Diagnostics,
    file::{self, MOST},
    skeleton::Format,
};

/// The input of a command.
pub(super) struct Input {
    pub(super) skeleton: Skeleton,
    /// BTF of the running kernel from the archive.
    btf: Option<Unnamed>,
}

/// A file that exists only in memory.
struct Unnamed(OwnedFd);

impl Input {
    /// Reads a skeleton or an object; the first bytes tell which it is.
    pub(super) fn read(source: &Source, stdin: &mut dyn Read) -> Result<Self, CommandError> {
        read_once(&source.paths())?;
        let (bytes, file) = read(&source.file, stdin)?;
        let (bytes, btf) = if is_tar(&bytes) { unpack(&bytes, &file)? } else { (bytes, None) };
        let mut skeleton = Skeleton::from_input(&bytes, &file, ARCH)?;
        if let Some(object) = &source.object {
            if skeleton.format == Format::Object {
                return Err(usage(
                    ErrorKind::ArgumentConflict,
                    "`--object` belongs to a skeleton, but the input is an object",
                ));
            }
            skeleton =
                skeleton.with_object(read(object, stdin)?.0, &object.display().to_string())?;
        }
        Ok(Self { skeleton, btf })
    }

    /// Checks the skeleton against its object, including all values and targets that it sets.
    pub(super) fn check(&self) -> Result<Checked, Diagnostics> {
        let checked = self.skeleton.clone().check()?;
        checked.setup()?;
        Ok(checked)
    }

    /// Returns the BTF file to open the object with, or `None` for the kernel's own. A file that
    /// the user named (`asked`) comes before that of the archive.
    pub(super) fn kernel_btf(&self, asked: Option<&Path>) -> Result<Option<PathBuf>, Error> {
        if let Some(asked) = asked {
            return bpf::named_btf(asked).map(Some);
        }
        let packed = self
            .btf
            .as_ref()
            .map(|btf| PathBuf::from(format!("/proc/self/fd/{}", btf.0.as_raw_fd())));
        bpf::kernel_btf(packed.as_deref())
    }
}

/// Refuses to read standard input more than once.
pub(super) fn read_once(inputs: &[&Path]) -> Result<(), CommandError> {
    if inputs.iter().filter(|path| is_stream(path)).count() > 1 {
        return Err(usage(
            ErrorKind::ArgumentConflict,
            "`-` is standard input and can be read only once",
        ));
    }
    Ok(())
}

/// Reports whether the path means standard input or output.
pub(super) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Returns the bytes of a file and its name for messages.
fn read(path: &Path, stdin: &mut dyn Read) -> Result<(Vec<u8>, String), Error> {
    if !is_stream(path) {
        let bytes = file::read_any(path, MOST)
            .map_err(|source| Error::File { path: path.to_owned(), source })?;
        return Ok((bytes, path.display().to_string()));
    }
    let file = "<stdin>";
    let bytes =
        file::read_from(stdin, MOST).map_err(|source| Error::File { path: file.into(), source })?;
    Ok((bytes, file.to_owned()))
}

/// Reports whether the bytes have the magic of tar(5).
fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// Returns the package of an archive and its BTF of the running kernel. The BTF lies at the path of
/// [`bpf::archived`], below any directory.
fn unpack(bytes: &[u8], file: &str) -> Result<(Vec<u8>, Option<Unnamed>), Error> {
    let failed = |source| Error::File { path: file.into(), source };
    let btf_path = bpf::archived();
    let (mut package, mut btf) = (None, None);
    for entry in tar::Archive::new(bytes).entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        // A sparse file of kilobytes can have any size, and links have no contents.
        let is_file = entry.header().entry_type().is_file();
        let mut contents = || match is_file {
            true => file::read_from(&mut entry, MOST).map_err(failed),
            false => Err(failed(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "{} is a link, sparse, or no regular file; archive it as it is",
                    path.display()
                ),
            ))),
        };
        if path.file_name().is_some_and(|name| name == "package.json") {
            once(&mut package, contents()?, &path).map_err(failed)?;
        } else if path.ends_with(&btf_path) {
            let contents = Unnamed::new(&contents()?).map_err(failed)?;
            once(&mut btf, contents, &path).map_err(failed)?;
        }
    }
    let package = package.ok_or_else(|| {
        failed(io::Error::new(io::ErrorKind::NotFound, "the archive has no package.json"))
    })?;
    Ok((package, btf))
}

/// Refuses a second file of the same role: the user may have inspected only the first one.
fn once<T>(slot: &mut Option<T>, contents: T, path: &Path) -> io::Result<()> {
    match slot.replace(contents) {
        None => Ok(()),
        Some(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the archive has a second {}", path.display()),
        )),
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
    fn unpack_finds_package_and_btf_of_this_kernel() {
        let (own, other) =
            (Path::new("btf").join(bpf::archived()), Path::new("btf/other/1/x86_64/1.2.3.btf"));
        let package: (&Path, &[u8]) = (Path::new("x/package.json"), b"{}");
        let bytes = archive(&[(other, b"other"), (&own, b"own"), package]);
        assert!(is_tar(&bytes));
        let (unpacked, btf) = unpack(&bytes, "x.tar").unwrap();
        assert_eq!(unpacked, b"{}");
        let fd = btf.unwrap().0;
        assert_eq!(fs::read(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap(), b"own");
        let second: (&Path, &[u8]) = (Path::new("y/package.json"), b"[]");
        let Err(refused) = unpack(&archive(&[package, second]), "x.tar") else {
            panic!("a second package was accepted")
        };
        assert_eq!(refused.to_string(), "x.tar: the archive has a second y/package.json");
        let (_, none) = unpack(&archive(&[(other, b"other"), package]), "x.tar").unwrap();
        assert!(none.is_none());
    }

    #[test]
    fn unpack_refuses_files_without_contents_of_their_own() {
        for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Fifo] {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_entry_type(kind);
            let mut archive = tar::Builder::new(Vec::new());
            archive.append_data(&mut header, "package.json", &b""[..]).unwrap();
            let Err(refused) = unpack(&archive.into_inner().unwrap(), "x.tar") else {
                panic!("{kind:?} was accepted")
            };
            assert_eq!(
                refused.to_string(),
                "x.tar: package.json is a link, sparse, or no regular file; archive it as it is"
            );
        }
    }
}
