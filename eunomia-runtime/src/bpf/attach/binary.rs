//! Executables and libraries in which libbpf looks for functions.
//!
//! libbpf (1.7) opens the path, which waits for a writer if the path leads to a FIFO, and maps the
//! file, which ends the process (SIGBUS) if the file is truncated meanwhile. Therefore a file that
//! another user can replace or change is opened here and held by a lease: truncating it waits until
//! libbpf has read it.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
};

use rustix::fs::{FileType, Mode, OFlags, fstat, fstatfs, open};

use libbpf_rs::{ProgramMut, UprobeMultiOpts, UprobeOpts, UsdtOpts};

use super::{any_or, tables, words};
use crate::{
    Result,
    bpf::{Link, Program},
    file::{self, Fuse, is_own},
    host::{kernel_error, search::Search},
};

/// A path that libbpf may open.
pub(super) struct Binary {
    path: PathBuf,
    /// The file with the lease, which ends when it is closed.
    _held: Option<File>,
}

/// The separator of an archive's path and the path of a library in the archive.
const INSIDE: &str = "!/";

impl Binary {
    /// Decides whether libbpf may open the file at a path, and holds it if another user can replace
    /// or change it. libbpf searches the directories of the system for a name without a slash.
    ///
    /// # Errors
    /// The errors of opening it; [`io::ErrorKind::InvalidInput`] if it is not a regular file;
    /// EAGAIN if somebody is writing to it; those of [`tables::check`].
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let text = path.to_string_lossy();
        if !text.contains('/') {
            let search = Search::of(&text);
            return match search.find() {
                Some(found) => Self::new(&found),
                None if search.is_hidden() => Err(io::ErrorKind::NotFound.into()),
                None => Ok(Self { path: path.to_owned(), _held: None }),
            };
        }
        let (file, inside) = match text.split_once(INSIDE) {
            Some((archive, inside)) => (Path::new(archive), Some(inside)),
            None => (path, None),
        };
        let whole = |path: PathBuf| match inside {
            Some(inside) => format!("{}{INSIDE}{inside}", path.display()).into(),
            None => path,
        };
        let handle = open(file, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let about = fstat(&handle)?;
        if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        #[allow(
            clippy::allow_attributes,
            clippy::unnecessary_cast,
            reason = "the types differ between machines"
        )]
        let identity = (about.st_dev as u64, about.st_ino as u64);
        // `/proc/PID/root` leads to other files than the path that it is said to be.
        let safe = fs::canonicalize(file).ok().filter(|path| is_safe(path, identity));
        // Whoever mounted FUSE also says who owns its files.
        let fuse = Fuse::of(&handle)?;
        if fuse == Some(Fuse::Other) || fuse == Some(Fuse::Unknown) && safe.is_none() {
            let why = "it is on FUSE and another user's, who decides how long reading it takes";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        if let Some(safe) = safe {
            return Ok(Self { path: whole(safe), _held: None });
        }
        if inside.is_some() {
            let why = "it is another user's, and libraries in such archives are not supported";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let file = file::reopen(handle.as_fd())?;
        hold(&file)?;
        tables::check(&file)?;
        // libbpf opens it in this thread, which may have descriptors of its own.
        let path = format!("/proc/thread-self/fd/{}", file.as_raw_fd()).into();
        Ok(Self { path, _held: Some(file) })
    }

    /// Decides as [`Self::new`]. The error names the attempt `tried`.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel).
    pub(super) fn of(path: &Path, tried: &str) -> Result<Self> {
        Self::new(path).map_err(|error| {
            let busy = error.raw_os_error() == Some(libc::EAGAIN);
            kernel_error(tried, error).with_hint(|| {
                busy.then_some("somebody is writing to the file; wait until it is complete")
            })
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reports whether libbpf may open the path that was given, too.
    pub(super) fn is(&self, path: &Path) -> bool {
        self.path == path
    }
}

impl<K> Program<'_, K> {
    /// Attaches the program to a place in an executable or library, through libbpf.
    pub(super) fn linked_in(
        &self,
        binary: &Path,
        tried: String,
        attach: impl FnOnce(&ProgramMut<'_>, &Path) -> libbpf_rs::Result<libbpf_rs::Link>,
    ) -> Result<Link> {
        let held = Binary::of(binary, &tried)?;
        self.linked(tried, |program| attach(program, held.path()))
    }

    /// Attaches the program to the executable or library that its section names, if libbpf must not
    /// open it by the path there. Returns `None` if libbpf may attach it.
    pub(in crate::bpf) fn attach_held(&self, section: &str, tried: &str) -> Option<Result<Link>> {
        let (kind, place) = section.trim_start_matches('?').split_once('/')?;
        let (path, function) = place.split_once(':')?;
        let head = kind.strip_suffix(".s").unwrap_or(kind);
        if !matches!(
            head,
            "uprobe" | "uretprobe" | "usdt" | "uprobe.multi" | "uretprobe.multi" | "uprobe.session"
        ) {
            return None;
        }
        let path = Path::new(path);
        let held = match Binary::of(path, tried) {
            Ok(held) if held.is(path) => return None,
            Ok(held) => held,
            Err(error) => return Some(Err(error)),
        };
        let (path, tried, retprobe) = (held.path(), tried.to_owned(), head.starts_with("uret"));
        Some(match head {
            "usdt" => {
                let (provider, probe) = function.split_once(':')?;
                self.linked_usdt(tried, |program| {
                    program.attach_usdt_with_opts(
                        any_or(None),
                        path,
                        provider,
                        probe,
                        UsdtOpts::default(),
                    )
                })
            }
            "uprobe" | "uretprobe" => {
                let (function, offset) = function
                    .rsplit_once('+')
                    .and_then(|(name, offset)| Some((name, words::offset(offset)?)))
                    .unwrap_or((function, 0));
                let func_name = Some(function.to_owned());
                let opts = UprobeOpts { retprobe, func_name, ..UprobeOpts::default() };
                self.linked(tried, |program| {
                    program.attach_uprobe_with_opts(any_or(None), path, offset, opts)
                })
            }
            _ => {
                let session = head == "uprobe.session";
                let opts = UprobeMultiOpts { retprobe, session, ..UprobeMultiOpts::default() };
                self.linked(tried, |program| {
                    program.attach_uprobe_multi_with_opts(any_or(None), path, function, opts)
                })
            }
        })
    }
}

/// Reports whether only root and this user can replace the file at a path without links, or change
/// it.
fn is_safe(path: &Path, (device, inode): (u64, u64)) -> bool {
    const STICKY: u32 = 0o1000;
    path.ancestors().all(|part| {
        fs::symlink_metadata(part).is_ok_and(|about| {
            let is_file = part == path;
            let closed = about.mode() & 0o022 == 0 || !is_file && about.mode() & STICKY != 0;
            let is_same = !is_file || (about.dev(), about.ino()) == (device, inode);
            is_own(about.uid()) && closed && is_same
        })
    })
}

/// Takes a lease of the file, see fcntl(2): while it lasts, opening the file for writing and
/// truncating it wait for up to `/proc/sys/fs/lease-break-time` (45 seconds).
fn hold(file: &File) -> io::Result<()> {
    const F_SETSIG: i32 = 10;
    const F_SETLEASE: i32 = 1024;
    // The kernel sends SIGIO if somebody waits, which would end this process. SIGURG is ignored.
    // SAFETY: the call takes numbers, and the descriptor lives through it.
    let set = unsafe { libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGURG) };
    if set < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    if unsafe { libc::fcntl(file.as_raw_fd(), F_SETLEASE, i32::from(libc::F_RDLCK as i16)) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN) if !is_remote(file)? => Err(error),
        // Only root can hold files of others, and some file systems have no leases or none now.
        _ => Ok(()),
    }
}

/// Reports whether a server has the file. The kernel answers EAGAIN unless the server has promised
/// to tell of writers (`nfs4_proc_setlease`, `cifs_setlease`).
fn is_remote(file: &File) -> io::Result<bool> {
    // NFS, CIFS and SMB, from `uapi/linux/magic.h`.
    const REMOTE: [u32; 3] = [0x6969, 0xff53_4d42, 0xfe53_4d42];
    Ok(REMOTE.contains(&(fstatfs(file)?.f_type as u32)))
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, os::unix::fs::PermissionsExt as _, process::Command};

    use super::*;

    #[test]
    fn files_that_others_can_change_are_held() {
        let folder = std::env::temp_dir().join(format!("eunomia-probed-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let path = |name: &str| fs::canonicalize(&folder).unwrap().join(name);
        fs::copy("/proc/self/exe", path("own")).unwrap();
        fs::set_permissions(path("own"), fs::Permissions::from_mode(0o755)).unwrap();
        let own = Binary::new(&path("own")).unwrap();
        assert!(own.is(&path("own")), "{:?}", own.path);

        std::os::unix::fs::symlink(path("own"), path("link")).unwrap();
        assert_eq!(Binary::new(&path("link")).unwrap().path, path("own"));

        fs::set_permissions(path("own"), fs::Permissions::from_mode(0o777)).unwrap();
        let others = Binary::new(&path("own")).unwrap();
        assert!(others.path.starts_with("/proc/thread-self/fd"), "{:?}", others.path);
        // Without the lease, it could be opened for writing, and truncated.
        let write = || {
            let flags = libc::O_NONBLOCK;
            std::os::unix::fs::OpenOptionsExt::custom_flags(OpenOptions::new().write(true), flags)
                .open(path("own"))
        };
        assert_eq!(write().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(others);
        let writer = write().unwrap();
        assert_eq!(Binary::new(&path("own")).err().unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(writer);

        assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        let refused = Binary::new(&path("fifo")).err().unwrap();
        assert_eq!(refused.to_string(), "it is not a regular file");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn names_are_searched_and_missing_files_left_to_libbpf() {
        let shell = Binary::new(Path::new("sh")).unwrap();
        assert!(shell.path.is_absolute(), "{:?}", shell.path);
        assert!(Binary::new(Path::new("none.so")).unwrap().is(Path::new("none.so")));
        assert_eq!(
            Binary::new(Path::new("/none/x")).err().unwrap().kind(),
            io::ErrorKind::NotFound
        );
    }
}
