//! Calls that the other rooms of `bpf` share: libbpf's messages and linker, pins, descriptors.

pub(crate) mod linker;
pub(crate) mod messages;
pub(crate) mod pin;

use std::{
    ffi::CString,
    fs, io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use crate::{Error, Result};

/// What the kernel says of a descriptor: there is a line that begins with `map_type:` for a map, with `link_type:` for a link. The system
/// call for that answers about an object of any kind, and does not say which.
pub(crate) fn fdinfo(fd: BorrowedFd<'_>) -> io::Result<String> {
    fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))
}

/// A text for C.
pub(crate) fn c_string(text: impl Into<Vec<u8>>, tried: impl FnOnce() -> String) -> Result<CString> {
    CString::new(text).map_err(|error| Error::Value { name: tried(), why: error.to_string() })
}
