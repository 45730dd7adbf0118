//! BPF tokens, which let a process without capabilities use BPF (kernel 6.9 and later).
//!
//! libbpf creates its own token when it loads an object. The tokens here serve preflight and hints,
//! to find out what they permit.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::PathBuf,
    ptr::{self, NonNull},
};

use libbpf_rs::{AsRawLibbpf as _, ObjectBuilder, OpenObject, libbpf_sys};

use crate::host::{environment, messages::listen, mount::BPFFS};

/// The environment variable of libbpf that names the bpffs of the token.
pub(crate) const VARIABLE: &str = "LIBBPF_BPF_TOKEN_PATH";

/// Opens an object as [`ObjectBuilder::open_memory`] does. libbpf reads the variable on its own; if
/// the variable must be ignored, the object is loaded without a token.
pub(crate) fn open(builder: &mut ObjectBuilder, bytes: &[u8]) -> libbpf_rs::Result<OpenObject> {
    if environment::hides(VARIABLE) { without(builder, bytes) } else { builder.open_memory(bytes) }
}

/// Opens an object that is loaded without a token, whatever the variable holds.
fn without(builder: &ObjectBuilder, bytes: &[u8]) -> libbpf_rs::Result<OpenObject> {
    // SAFETY: the options belong to the builder, which is borrowed; this is a copy of them.
    let mut opts = unsafe { builder.as_libbpf_object().read() };
    // An empty path disables tokens in libbpf.
    opts.bpf_token_path = c"".as_ptr();
    // SAFETY: the bytes, the options and the strings of the builder live through the call, which
    // keeps none of them.
    let object = unsafe {
        libbpf_sys::bpf_object__open_mem(
            bytes.as_ptr().cast(),
            bytes.len() as libbpf_sys::size_t,
            &raw const opts,
        )
    };
    let object = NonNull::new(object).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: libbpf has just created the object, and nothing else owns it.
    Ok(unsafe { OpenObject::from_ptr(object) })
}

/// Returns the token of this process and the BPF file system that it was created from: the one that
/// the variable names, otherwise the usual one. `None` if that file system delegates nothing, or if
/// the variable is empty, with which users disable tokens.
pub(crate) fn own() -> Option<(PathBuf, OwnedFd)> {
    let place = match environment::variable(VARIABLE) {
        Some(named) if named.is_empty() => return None,
        Some(named) => PathBuf::from(named),
        None => PathBuf::from(BPFFS),
    };
    let folder = File::open(&place).ok()?;
    // SAFETY: the descriptor lives through the call, and null stands for no options.
    let (token, _) =
        listen(|| unsafe { libbpf_sys::bpf_token_create(folder.as_raw_fd(), ptr::null_mut()) });
    // SAFETY: the descriptor is new, and nothing else owns it.
    (token >= 0).then(|| (place, unsafe { OwnedFd::from_raw_fd(token) }))
}
