//! Files whose paths come from users, documents and objects: what is read is a file, has an end, and does not keep the reader waiting.

#[cfg(feature = "dynamic")]
use std::io::Read;
use std::{fs::File, io, path::Path};

/// More than any package, object or file of BTF has: what has more is something else, and must not take all memory.
#[cfg(feature = "dynamic")]
pub const MOST: u64 = 256 << 20;

/// The bytes of a [regular file](open), of which there are `most` at most.
///
/// # Errors
/// Those of [`open`]; [`io::ErrorKind::FileTooLarge`].
#[cfg(feature = "dynamic")]
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    if file.metadata()?.len() > most {
        return Err(too_large(most));
    }
    read_from(file, most)
}

/// The bytes of whatever a user names, who may mean a pipe (`<(..)` of a shell, `/dev/stdin`): `most` at most.
///
/// # Errors
/// Those of reading it; [`io::ErrorKind::FileTooLarge`].
#[cfg(feature = "dynamic")]
pub fn read_any(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_from(File::open(path)?, most)
}

/// All that there is to read, `most` bytes at most.
///
/// # Errors
/// Those of reading; [`io::ErrorKind::FileTooLarge`].
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

/// Opens a regular file, of a disk or of memory, and nothing else: opening a device or a FIFO has effects by itself, and reading one may
/// wait for ever, never end, or do something. Files that the kernel makes up are refused for the same reasons, but for its BTF in
/// `/sys/kernel/btf`.
///
/// # Errors
/// Why it cannot be opened, or what it is.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    return linux::open(path);
    #[cfg(not(target_os = "linux"))]
    return match std::fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("it is no regular file")),
    };
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{fs, os::fd::AsRawFd as _};

    use rustix::fs::{FileType, Mode, OFlags, fstat, fstatfs, open as open_at};

    use super::*;

    const SYSFS: i64 = 0x6265_6572;

    /// Types of file systems whose files are no files (`uapi/linux/magic.h`).
    const OF_THE_KERNEL: [i64; 11] = [
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
        // This opens nothing yet.
        let place = open_at(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let kind = match FileType::from_raw_mode(fstat(&place)?.st_mode) {
            FileType::RegularFile => None,
            FileType::Directory => return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory")),
            FileType::Fifo => Some("it is a FIFO, and is not opened"),
            FileType::Socket => Some("it is a socket, and is not opened"),
            FileType::CharacterDevice | FileType::BlockDevice => Some("it is a device, and is not opened"),
            _ => Some("it is no regular file"),
        };
        if let Some(kind) = kind {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, kind));
        }
        #[allow(clippy::unnecessary_cast, reason = "the type differs between machines")]
        let system = fstatfs(&place)?.f_type as i64;
        // The very file that was looked at, whatever has its name by now.
        let very = format!("/proc/self/fd/{}", place.as_raw_fd());
        let is_btf = || fs::read_link(&very).is_ok_and(|path| path.starts_with("/sys/kernel/btf"));
        if OF_THE_KERNEL.contains(&system) || (system == SYSFS && !is_btf()) {
            let why = "it is made up by the kernel, like those of /proc and /sys, and is not opened";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(File::from(open_at(very, flags, Mode::empty())?))
    }
}

#[cfg(all(test, feature = "dynamic"))]
mod tests {
    use std::{fs, os::unix::net::UnixListener, process, process::Command};

    use super::*;

    /// Opening one of them would wait for ever, never end, or do something.
    #[test]
    fn files_that_are_no_files_are_not_opened() {
        let folder = std::env::temp_dir().join(format!("eunomia-file-{}", process::id()));
        fs::create_dir(&folder).unwrap();
        let path = |name: &str| folder.join(name);
        assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        let _socket = UnixListener::bind(path("socket")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("link")).unwrap();
        std::os::unix::fs::symlink(path("fifo"), path("link-to-fifo")).unwrap();
        File::create(path("large")).unwrap().set_len(1 << 40).unwrap();
        fs::write(path("small"), "small").unwrap();
        const KERNEL: &str = "it is made up by the kernel, like those of /proc and /sys, and is not opened";
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
            assert_eq!(read(&path, 1 << 20).unwrap_err().to_string(), expected, "{}", path.display());
        }
        assert_eq!(read(&path("small"), 5).unwrap(), b"small");
        assert_eq!(read(&path("small"), 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_does_not_end_is_left() {
        assert_eq!(read_any(Path::new("/dev/zero"), 1 << 20).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_from(&b"12345"[..], 5).unwrap(), b"12345");
        assert_eq!(read_from(&b"12345"[..], 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
