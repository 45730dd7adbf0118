//! Files that other users may have made. They are inspected before they are opened, and opened only
//! if reading them cannot block.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat};

use crate::file::Fuse;

/// The identity and the state of a file when it was inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

/// Opens a file below a directory by `O_PATH`, which has no effect on a device and does not wait
/// for the other end of a FIFO.
///
/// # Errors
/// The errors of open(2), and [`io::ErrorKind::InvalidInput`] if it is not a regular file, or if
/// another user decides how long reading it takes and who its owner seems to be (FUSE).
pub(super) fn open(folder: impl AsFd, path: &[u8]) -> io::Result<OwnedFd> {
    let file = openat(folder, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::RegularFile
        && matches!(Fuse::of(&file)?, None | Some(Fuse::Trusted))
    {
        return Ok(file);
    }
    Err(io::ErrorKind::InvalidInput.into())
}

impl From<&Stat> for Key {
    #[allow(
        clippy::allow_attributes,
        clippy::unnecessary_cast,
        reason = "the types of these members differ between machines"
    )]
    fn from(about: &Stat) -> Self {
        Self {
            device: about.st_dev as u64,
            inode: about.st_ino as u64,
            size: about.st_size as i64,
            modified: (about.st_mtime as i64, about.st_mtime_nsec as u64),
            changed: (about.st_ctime as i64, about.st_ctime_nsec as u64),
        }
    }
}
