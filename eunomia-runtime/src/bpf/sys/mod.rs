//! Calls that the other rooms of `bpf` share: libbpf's messages, linker and printer of types, pins,
//! file descriptors.

#[cfg(feature = "dynamic")]
pub(crate) mod c_types;
#[cfg(feature = "dynamic")]
pub(crate) mod linker;
pub(crate) mod pin;
#[cfg(feature = "dynamic")]
mod printed;

use std::{
    ffi::CString,
    fs, io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use crate::{Error, Result};

/// Reads what the kernel reports about a file descriptor. A line begins with `map_type:` for a map,
/// and with `link_type:` for a link. The BPF system call for information works on every kind of
/// object, but does not report the kind. A thread may have descriptors of its own (`CLONE_FILES` of
/// unshare(2)), so those of this thread are asked about.
pub(crate) fn fdinfo(fd: BorrowedFd<'_>) -> io::Result<String> {
    fs::read_to_string(format!("/proc/thread-self/fdinfo/{}", fd.as_raw_fd()))
}

/// Converts a string for C. Fails with [`Error::Value`] if it contains a NUL.
pub(crate) fn c_string(
    text: impl Into<Vec<u8>>,
    tried: impl FnOnce() -> String,
) -> Result<CString> {
    CString::new(text).map_err(|error| Error::Value { name: tried(), why: error.to_string() })
}
