//! BPF tokens: what a process without capabilities is given to use BPF all the same (kernel 6.9 and later).
//!
//! libbpf takes one by itself when it loads an object; here it is taken to say beforehand, or behind a refusal, what it permits.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::PathBuf,
    ptr::{self, NonNull},
};

use libbpf_rs::{AsRawLibbpf as _, ObjectBuilder, OpenObject, libbpf_sys};

use super::mount::BPFFS;
use crate::{bpf::sys::messages::listen, environment};

/// Of libbpf's own.
pub(crate) const VARIABLE: &str = "LIBBPF_BPF_TOKEN_PATH";

/// Opens an object as [`ObjectBuilder::open_memory`] does. libbpf reads the variable by itself; if it is to be ignored, the object is
/// loaded without a token.
pub(crate) fn open(builder: &mut ObjectBuilder, bytes: &[u8]) -> libbpf_rs::Result<OpenObject> {
    if environment::hides(VARIABLE) { without(builder, bytes) } else { builder.open_memory(bytes) }
}

/// Opens an object that is loaded without a token, whatever the variable says.
fn without(builder: &ObjectBuilder, bytes: &[u8]) -> libbpf_rs::Result<OpenObject> {
    // SAFETY: the options are those of the builder, which is borrowed; this is a copy of them.
    let mut opts = unsafe { builder.as_libbpf_object().read() };
    // An empty path is libbpf's word for it.
    opts.bpf_token_path = c"".as_ptr();
    // SAFETY: the bytes and the options, with the texts that belong to the builder, live through the call, which keeps none of them.
    let object = unsafe { libbpf_sys::bpf_object__open_mem(bytes.as_ptr().cast(), bytes.len() as libbpf_sys::size_t, &raw const opts) };
    let object = NonNull::new(object).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: libbpf has made it just now, and nobody else has it.
    Ok(unsafe { OpenObject::from_ptr(object) })
}

/// The token of this process, and the BPF file system that it is made from: the one that the variable names, else the usual one. None where
/// that delegates nothing, and where the variable is empty, which is how users switch tokens off.
pub(crate) fn own() -> Option<(PathBuf, OwnedFd)> {
    let place = match environment::variable(VARIABLE) {
        Some(named) if named.is_empty() => return None,
        Some(named) => PathBuf::from(named),
        None => PathBuf::from(BPFFS),
    };
    let folder = File::open(&place).ok()?;
    // SAFETY: the descriptor lives through the call, and there are no options.
    let (token, _) = listen(|| unsafe { libbpf_sys::bpf_token_create(folder.as_raw_fd(), ptr::null_mut()) });
    // SAFETY: the descriptor is new and nobody else's.
    (token >= 0).then(|| (place, unsafe { OwnedFd::from_raw_fd(token) }))
}
