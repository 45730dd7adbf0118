//! Files whose paths come from users, documents and objects: opened only if they are regular files,
//! unless a user names a pipe, and read up to a limit.

#[cfg(feature = "dynamic")]
use std::io::Read;
use std::{fs::File, io, path::Path};

/// An upper bound for packages, objects and BTF files. A larger file is something else, and must
/// not take up all memory.
pub const MOST: u64 = 256 << 20;

/// Reads a regular file of `most` bytes at most.
///
/// # Errors
/// The error of opening or reading it, an error that names the kind of file if it is not a regular
/// one, and [`io::ErrorKind::FileTooLarge`] if it is larger.
#[cfg(feature = "dynamic")]
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_whole(open(path)?, most)
}

#[cfg(feature = "dynamic")]
fn read_whole(file: File, most: u64) -> io::Result<Vec<u8>> {
    if file.metadata()?.len() > most {
        return Err(too_large(most));
    }
    read_from(file, most)
}

/// Reads any file that a user names, which may be a pipe (`<(..)` of a shell, `/dev/stdin`): `most`
/// bytes at most.
///
/// # Errors
/// The error of opening or reading it, and [`io::ErrorKind::FileTooLarge`] if there are more bytes.
#[cfg(feature = "dynamic")]
pub fn read_any(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_from(File::open(path)?, most)
}

/// Reads to the end, `most` bytes at most.
///
/// # Errors
/// The error of reading, and [`io::ErrorKind::FileTooLarge`] if there are more bytes.
#[cfg(feature = "dynamic")]
pub fn read_from(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large(most)) } else { Ok(bytes) }
}

#[cfg(feature = "dynamic")]
fn too_large(most: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {} MiB", most >> 20))
}

/// Opens a regular file on a disk or in memory, and nothing else. Opening a device or a FIFO has
/// effects of its own, and reading one may block for ever, never end, or have effects. Files that
/// the kernel generates are refused for the same reasons, except for its BTF in `/sys/kernel/btf`.
///
/// # Errors
/// The error of opening it, or an error that names the kind of file that it is.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    return linux::open(path);
    #[cfg(not(target_os = "linux"))]
    return match std::fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("it is not a regular file")),
    };
}

/// Refuses a file, link or FIFO that another user made at `path`, in a folder where everyone can:
/// such a user would read what is written, choose where, or decide when the opening returns. The
/// kernel can refuse them too (`fs.protected_regular` and the like), but does not by default.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] for such a file.
#[cfg(feature = "dynamic")]
pub fn refuse_planted(path: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if linux::is_planted(path) {
        let why =
            "another user made it, in a folder where everyone can; remove it, or name another file";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = path;
    Ok(())
}

#[cfg(feature = "load")]
pub(crate) use linux::is_own;
#[cfg(any(feature = "symbolize", all(feature = "load", feature = "dynamic")))]
pub(crate) use linux::is_private;
#[cfg(all(feature = "load", feature = "dynamic"))]
pub(crate) use linux::read_of_any_user;
#[cfg(any(feature = "symbolize", feature = "load"))]
pub(crate) use linux::{Fuse, reopen};

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs,
        os::fd::{AsFd, AsRawFd as _, OwnedFd},
    };

    #[cfg(any(feature = "symbolize", all(feature = "load", feature = "dynamic")))]
    use rustix::fs::Stat;
    use rustix::fs::{FileType, Mode, OFlags, fstat, fstatfs, open as open_at};

    use super::*;

    const SYSFS: i64 = 0x6265_6572;

    /// Types of file systems whose files the kernel generates (`uapi/linux/magic.h`).
    const GENERATED: [i64; 11] = [
        0x9fa0,      // proc
        0x6462_6720, // debugfs
        0x7472_6163, // tracefs
        0x7363_6673, // securityfs
        0x0027_e0eb, // cgroup
        0x6367_7270, // cgroup2
        0xcafe_4a11, // bpf
        0x6265_6570, // configfs
        0x6165_676c, // pstore
        0xde5e_81e4, // efivarfs
        0x4249_4e4d, // binfmt_misc
    ];

    pub(super) fn open(path: &Path) -> io::Result<File> {
        reopen(inspected(path)?)
    }

    /// Reads a file as [`read`](super::read) does, but refuses a file on another user's FUSE, who decides how long
    /// reading takes: a process that waits for it cannot even be killed.
    ///
    /// # Errors
    /// The same, and [`io::ErrorKind::InvalidInput`].
    #[cfg(all(feature = "load", feature = "dynamic"))]
    pub(crate) fn read_of_any_user(path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let handle = inspected(path)?;
        if matches!(Fuse::of(&handle)?, Some(Fuse::Other | Fuse::Unknown)) {
            let why = "it is on FUSE and another user's, who decides how long reading it takes";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        read_whole(reopen(handle)?, most)
    }

    /// Opens a file by `O_PATH` and checks its kind.
    fn inspected(path: &Path) -> io::Result<OwnedFd> {
        // `O_PATH` does not open the file itself.
        let handle = open_at(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let kind = match FileType::from_raw_mode(fstat(&handle)?.st_mode) {
            FileType::RegularFile => None,
            FileType::Directory => {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
            }
            FileType::Fifo => Some("it is a FIFO, and is not opened"),
            FileType::Socket => Some("it is a socket, and is not opened"),
            FileType::CharacterDevice | FileType::BlockDevice => {
                Some("it is a device, and is not opened")
            }
            _ => Some("it is not a regular file"),
        };
        if let Some(kind) = kind {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, kind));
        }
        #[allow(clippy::unnecessary_cast, reason = "the type differs between machines")]
        let system = fstatfs(&handle)?.f_type as i64;
        let is_btf =
            || fs::read_link(link(&handle)).is_ok_and(|path| path.starts_with("/sys/kernel/btf"));
        if GENERATED.contains(&system) || (system == SYSFS && !is_btf()) {
            let why =
                "it is generated by the kernel, like those of /proc and /sys, and is not opened";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(handle)
    }

    /// Opens the file of an `O_PATH` descriptor for reading: the file that was inspected, even if
    /// its name refers to another one by now. It does not block.
    ///
    /// # Errors
    /// The errors of open(2).
    pub(crate) fn reopen(handle: impl AsFd) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(open_at(link(&handle), flags, Mode::empty())?.into())
    }

    #[cfg(feature = "dynamic")]
    pub(super) fn is_planted(path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;

        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // Nobody can replace a file of this user's if the folder is sticky, as `/tmp` is.
        let is_foreign = || fs::symlink_metadata(path).is_ok_and(|about| !is_own(about.uid()));
        fs::metadata(folder.unwrap_or(Path::new("."))).is_ok_and(|about| about.mode() & 0o002 != 0)
            && is_foreign()
    }

    /// Reports whether a user may decide what this process reads: root and this user may.
    #[cfg(any(feature = "symbolize", feature = "load", feature = "dynamic"))]
    pub(crate) fn is_own(user: u32) -> bool {
        user == 0 || user == rustix::process::geteuid().as_raw()
    }

    /// Reports whether only root and this user can change the contents of a file.
    #[cfg(any(feature = "symbolize", all(feature = "load", feature = "dynamic")))]
    pub(crate) fn is_private(about: &Stat) -> bool {
        is_own(about.st_uid) && about.st_mode & 0o022 == 0
    }

    /// Who answers when a file on FUSE is read, and says who owns it.
    #[cfg(any(feature = "symbolize", feature = "load"))]
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Fuse {
        /// This user, root, or the host of this virtual machine.
        Trusted,
        /// Another user, who decides how long reading takes.
        Other,
        /// Somebody in another mount namespace.
        Unknown,
    }

    #[cfg(any(feature = "symbolize", feature = "load"))]
    impl Fuse {
        /// Returns `None` for a file that is not on FUSE.
        pub(crate) fn of(file: impl AsFd) -> io::Result<Option<Self>> {
            /// `FUSE_SUPER_MAGIC`
            const FUSE: i64 = 0x6573_5546;
            #[allow(
                clippy::allow_attributes,
                clippy::unnecessary_cast,
                reason = "the type differs between machines"
            )]
            if fstatfs(&file)?.f_type as i64 != FUSE {
                return Ok(None);
            }
            let about = format!("/proc/thread-self/fdinfo/{}", file.as_fd().as_raw_fd());
            let about = fs::read_to_string(about).unwrap_or_default();
            let mount = about.lines().find_map(|line| line.strip_prefix("mnt_id:"));
            let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
            let own = rustix::process::geteuid().as_raw();
            Ok(Some(Self::mounted(&mounts, mount.unwrap_or_default().trim(), own)))
        }

        /// Finds who mounted the file system with the id `mount`, from mountinfo.
        fn mounted(mounts: &str, mount: &str, own: u32) -> Self {
            let line = mounts.lines().find(|line| line.split(' ').next() == Some(mount));
            let Some(options) = line.and_then(|line| line.rsplit(' ').next()) else {
                return Self::Unknown;
            };
            // Only root can mount virtiofs, which does not say who did.
            match options.split(',').find_map(|option| option.strip_prefix("user_id=")) {
                Some(user) if user != "0" && user.parse() != Ok(own) => Self::Other,
                _ => Self::Trusted,
            }
        }
    }

    #[cfg(all(test, any(feature = "symbolize", feature = "load")))]
    #[test]
    fn mounter_of_fuse_is_told() {
        let mounts = "22 1 0:5 / /proc rw shared:1 - proc proc rw\n\
                      35 22 0:41 / /tmp/x rw,nosuid - fuse.x x rw,user_id=1000,group_id=1000\n\
                      36 22 0:42 / /mnt rw - virtiofs share rw\n";
        let of = |id, own| Fuse::mounted(mounts, id, own);
        assert_eq!([of("35", 0), of("35", 1000)], [Fuse::Other, Fuse::Trusted]);
        assert_eq!([of("36", 1000), of("3", 0)], [Fuse::Trusted, Fuse::Unknown]);
    }

    fn link(handle: &impl AsFd) -> String {
        format!("/proc/thread-self/fd/{}", handle.as_fd().as_raw_fd())
    }
}

#[cfg(all(test, feature = "dynamic"))]
mod tests {
    use std::{fs, os::unix::net::UnixListener, process, process::Command};

    use super::*;

    /// Opening one of these files would block for ever, never end, or have effects.
    #[test]
    fn special_files_are_not_opened() {
        let folder = std::env::temp_dir().join(format!("eunomia-file-{}", process::id()));
        fs::create_dir(&folder).unwrap();
        let path = |name: &str| folder.join(name);
        assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        let _socket = UnixListener::bind(path("socket")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("link")).unwrap();
        std::os::unix::fs::symlink(path("fifo"), path("link-to-fifo")).unwrap();
        File::create(path("large")).unwrap().set_len(1 << 40).unwrap();
        fs::write(path("small"), "small").unwrap();
        const KERNEL: &str =
            "it is generated by the kernel, like those of /proc and /sys, and is not opened";
        for (path, expected) in [
            ("/dev/zero".into(), "it is a device, and is not opened"),
            (path("link"), "it is a device, and is not opened"),
            (path("fifo"), "it is a FIFO, and is not opened"),
            (path("link-to-fifo"), "it is a FIFO, and is not opened"),
            (path("socket"), "it is a socket, and is not opened"),
            (path("large"), "it has more than 1 MiB"),
            ("/proc/self/status".into(), KERNEL),
            ("/proc/kmsg".into(), KERNEL),
            ("/sys/kernel/profiling".into(), KERNEL),
            ("/proc/self".into(), "it is a directory"),
            (path("none"), "No such file or directory (os error 2)"),
        ] {
            // Not every kernel has every file.
            if path.starts_with("/sys") && !path.exists() {
                continue;
            }
            assert_eq!(
                read(&path, 1 << 20).unwrap_err().to_string(),
                expected,
                "{}",
                path.display()
            );
        }
        assert_eq!(read(&path("small"), 5).unwrap(), b"small");
        assert_eq!(read(&path("small"), 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        fs::remove_dir_all(folder).unwrap();
    }

    /// Only root can give a file to another user.
    #[cfg(target_os = "linux")]
    #[test]
    fn files_of_others_in_shared_folders_are_refused() {
        use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};

        let folder = std::env::temp_dir().join(format!("eunomia-planted-{}", process::id()));
        fs::create_dir(&folder).unwrap();
        let (own, other) = (folder.join("own"), folder.join("other"));
        fs::write(&own, "").unwrap();
        symlink(&own, &other).unwrap();
        let can_give = lchown(&other, Some(65534), None).is_ok();
        for (mode, is_refused) in [(0o755, false), (0o1777, can_give)] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            assert!(refuse_planted(&own).is_ok() && refuse_planted(&folder.join("new")).is_ok());
            assert_eq!(refuse_planted(&other).is_err(), is_refused, "{mode:o}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn endless_input_is_refused() {
        assert_eq!(
            read_any(Path::new("/dev/zero"), 1 << 20).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        assert_eq!(read_from(&b"12345"[..], 5).unwrap(), b"12345");
        assert_eq!(read_from(&b"12345"[..], 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
