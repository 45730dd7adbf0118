//! What holds programs attached.

mod many;

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
    ptr::NonNull,
    sync::Arc,
};

use libbpf_rs::{Object, libbpf_sys};

use super::{
    attach::{Filter, OnMap},
    messages::{listen, refused},
    pin::pin,
};
use crate::{Error, Result};

pub(super) use many::attach;
pub use many::{Attached, Links};

/// What holds one program attached. Dropping it detaches, unless it was pinned.
#[derive(Debug)]
pub struct Link {
    held: Option<Held>,
    /// Links of some kinds (USDT) use the object when they are dropped; it may be dropped before them by its other owners.
    _object: Arc<Object>,
}

#[derive(Debug)]
pub(super) enum Held {
    /// By libbpf.
    Libbpf(libbpf_rs::Link),
    /// By the kernel's own link.
    Kernel(OwnedFd),
    /// As a filter of an interface.
    Filter(#[expect(dead_code, reason = "dropping it is all that it is for")] Filter),
    /// On a map of sockets.
    OnMap(#[expect(dead_code, reason = "dropping it is all that it is for")] OnMap),
}

/// What libbpf returns for a link: NULL and an errno where there is none.
pub(super) fn owned(link: *mut libbpf_sys::bpf_link) -> libbpf_rs::Result<libbpf_rs::Link> {
    let link = NonNull::new(link).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: every caller has it from libbpf just now, and gives it to nobody else.
    Ok(unsafe { libbpf_rs::Link::from_ptr(link) })
}

impl Link {
    pub(super) fn new(held: Held, object: &Arc<Object>) -> Self {
        Self { held: Some(held), _object: Arc::clone(object) }
    }

    /// libbpf's link, which an iterator is made of.
    pub(super) fn as_libbpf(&self) -> Option<&libbpf_rs::Link> {
        match &self.held {
            Some(Held::Libbpf(link)) => Some(link),
            _ => None,
        }
    }

    /// Pins the link to a path in a BPF file system, where it lives on when it is dropped here.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EINVAL for the kinds of link that cannot be pinned (those through perf events before 5.15), [`Error::Value`] for
    /// what the kernel has no link for: filters of an interface, programs on maps of sockets.
    pub fn pin(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match &mut self.held {
            Some(Held::Libbpf(link)) => {
                let (pinned, said) = listen(|| link.pin(path));
                pinned.map_err(|error| refused(format!("pin a link to {}", path.display()), &error, &said))
            }
            Some(Held::Kernel(fd)) => pin(fd.as_fd(), path, "a link"),
            Some(Held::Filter(_) | Held::OnMap(_)) => {
                let name = format!("pin a link to {}", path.display());
                Err(Error::Value { name, why: "the kernel has no link for it that could be pinned".to_owned() })
            }
            None => Ok(()),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // What libbpf says while it detaches has nobody to go to.
        let _ = listen(|| drop(self.held.take()));
    }
}
