//! Pins of BPF objects in a BPF file system.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
    path::Path,
};

use libbpf_rs::libbpf_sys;

use super::c_string;
use crate::{
    Result,
    diagnosis::pinned::refuse_foreign,
    host::{kernel_error, mount::OF_PINS},
};

/// Pins a BPF object to a path in a BPF file system. The object then outlives its file descriptors,
/// until the file is removed.
pub(crate) fn pin(fd: BorrowedFd<'_>, path: &Path, what: &str) -> Result<()> {
    let tried = format!("pin {what} to {}", path.display());
    let name = c_string(path.as_os_str().as_encoded_bytes(), || tried.clone())?;
    // SAFETY: the path ends with a NUL and lives through the call, and so does the descriptor.
    let error = unsafe { libbpf_sys::bpf_obj_pin(fd.as_raw_fd(), name.as_ptr()) };
    if error == 0 {
        return Ok(());
    }
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let elsewhere = OF_PINS.holds(folder) == Some(false);
    Err(kernel_error(tried, io::Error::from_raw_os_error(-error))
        .with_hint(|| elsewhere.then(|| OF_PINS.absent())))
}

/// Opens the BPF object that is pinned to a path. Refuses a pin that another user than root made.
pub(crate) fn pinned(path: &Path, what: &str) -> Result<OwnedFd> {
    let tried = format!("open {what} that is pinned to {}", path.display());
    let name = c_string(path.as_os_str().as_encoded_bytes(), || tried.clone())?;
    // SAFETY: the path ends with a NUL and lives through the call.
    let fd = unsafe { libbpf_sys::bpf_obj_get(name.as_ptr()) };
    if fd >= 0 {
        // SAFETY: the descriptor is new, and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        return refuse_foreign(path, || tried).map(|()| fd);
    }
    let denied = "the path is not in a BPF file system (`mount -t bpf -o mode=700 bpf /sys/fs/bpf`), or this process may not read and write it";
    Err(kernel_error(tried, io::Error::from_raw_os_error(-fd))
        .with_hint(|| (-fd == libc::EACCES).then_some(denied)))
}
