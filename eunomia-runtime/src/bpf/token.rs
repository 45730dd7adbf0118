//! BPF tokens: what a process without capabilities is given to use BPF all the same (kernel 6.9 and later).
//!
//! libbpf takes one by itself when it loads an object; here it is taken to say beforehand, or behind a refusal, what it permits.

use std::{
    env,
    fs::File,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::PathBuf,
    ptr,
};

use libbpf_rs::libbpf_sys;

use super::{messages::listen, mount::BPFFS};

/// Of libbpf's own.
pub(super) const VARIABLE: &str = "LIBBPF_BPF_TOKEN_PATH";

/// The token of this process, and the BPF file system that it is made from: the one that the variable names, else the usual one. None where
/// that delegates nothing, and where the variable is empty, which is how users switch tokens off.
pub(crate) fn own() -> Option<(PathBuf, OwnedFd)> {
    let place = match env::var_os(VARIABLE) {
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
