//! What holds programs attached.

mod info;
mod many;
mod replace;

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
    path::Path,
    ptr::NonNull,
    sync::{Arc, Mutex, PoisonError},
};

use libbpf_rs::{Object, libbpf_sys};

use super::{
    attach::{Filter, OnMap},
    sys::{
        fdinfo,
        messages::listen,
        pin::{pin, pinned},
    },
};
use crate::{Error, Result, refusal::refusal};

pub use info::LinkInfo;
pub(super) use many::attach;
pub use many::{Attached, Links};

/// What holds one program attached. Dropping it detaches, unless it was pinned.
///
/// When the process ends, however it does, the kernel drops its links. What is no link outlives it: filters of interfaces, which tc programs
/// are before 6.6, for as long as the interface or its network namespace is there; programs on a map of sockets, for as long as the map is;
/// and tables of struct_ops in the section `.struct_ops`, while those of `.struct_ops.link` (6.4 and later) go with the process.
#[derive(Debug)]
#[must_use = "the program is detached when its link is dropped"]
pub struct Link {
    held: Option<Held>,
    /// Links of some kinds (USDT) use the object when they are dropped; it may be dropped before them by its other owners. One that was
    /// opened from its pin has none.
    object: Option<Arc<Object>>,
}

#[derive(Debug)]
pub(super) enum Held {
    /// By libbpf.
    Libbpf(libbpf_rs::Link),
    /// The probes of a USDT, by libbpf.
    Usdt(libbpf_rs::Link),
    /// A table of struct_ops with a link of the kernel, by libbpf.
    Table(libbpf_rs::Link),
    /// A table of struct_ops without one, by libbpf.
    PlainTable(#[expect(dead_code, reason = "dropping it is all that it is for")] libbpf_rs::Link),
    /// By the kernel's own link.
    Kernel(OwnedFd),
    /// As a filter of an interface.
    Filter(Filter),
    /// On a map of sockets.
    OnMap(OnMap),
    /// As the filter of a socket that is there for it.
    Socket(#[expect(dead_code, reason = "closing it is all that it is for")] OwnedFd),
}

/// Held while libbpf attaches or detaches a USDT: it keeps books on them in the object, which many threads may do that with, and locks
/// nothing.
static USDT_BOOKS: Mutex<()> = Mutex::new(());

/// Attaches a USDT while no other one is attached or detached.
pub(super) fn alone<T>(attach: impl FnOnce() -> T) -> T {
    let _alone = USDT_BOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    attach()
}

/// What libbpf returns for a link: NULL and an errno where there is none.
pub(super) fn owned(link: *mut libbpf_sys::bpf_link) -> libbpf_rs::Result<libbpf_rs::Link> {
    let link = NonNull::new(link).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: every caller has it from libbpf just now, and gives it to nobody else.
    Ok(unsafe { libbpf_rs::Link::from_ptr(link) })
}

impl Link {
    pub(super) fn new(held: Held, object: &Arc<Object>) -> Self {
        Self { held: Some(held), object: Some(Arc::clone(object)) }
    }

    /// Opens the link that is pinned to a path in a BPF file system, without the object that made it. It is attached until this link is
    /// dropped and the file removed, and can be replaced and pinned like any other.
    ///
    /// # Errors
    /// [`Error::Kernel`]; ENOENT where there is no such file, EACCES where it is no file of a BPF file system. [`Error::Value`] where
    /// something else is pinned there, a map for example.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let fd = pinned(path, "a link")?;
        // The kernel hands out whatever is pinned, and so would libbpf.
        let about = fdinfo(fd.as_fd()).map_err(|error| refusal(format!("ask what is pinned to {}", path.display()), error))?;
        if !about.lines().any(|line| line.starts_with("link_type:")) {
            return Err(Error::Value { name: path.display().to_string(), why: "what is pinned there is no link".to_owned() });
        }
        Ok(Self { held: Some(Held::Kernel(fd)), object: None })
    }

    /// Starts a walk of the iterator that the link holds; the text that its program writes is read from it, to the end. Each walk
    /// is of its own.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use eunomia_runtime::bpf::Link;
    /// use std::io::Read as _;
    ///
    /// let mut text = String::new();
    /// Link::open("/sys/fs/bpf/tasks")?.walk()?.read_to_string(&mut text)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Value`] if the program is no iterator, [`Error::Kernel`].
    pub fn walk(&self) -> Result<impl Read + use<>> {
        let tried = "walk the iterator of a link";
        let Some(fd) = self.fd().filter(|_| self.is_iterator()) else {
            return Err(Error::Value { name: tried.to_owned(), why: "its program is no iterator".to_owned() });
        };
        // SAFETY: the call takes no pointers, and the descriptor lives through it.
        let walk = unsafe { libbpf_sys::bpf_iter_create(fd.as_raw_fd()) };
        if walk < 0 {
            return Err(refusal(tried, io::Error::from_raw_os_error(-walk)));
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(File::from(unsafe { OwnedFd::from_raw_fd(walk) }))
    }

    /// Whether the program is an iterator, see [`Self::walk`].
    pub fn is_iterator(&self) -> bool {
        self.info().is_ok_and(|info| info.kind == libbpf_sys::BPF_LINK_TYPE_ITER)
    }

    /// The kernel's link; of those through perf events before 5.15 it is the event.
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self.held.as_ref()? {
            Held::Libbpf(link) | Held::Table(link) => Some(link.as_fd()),
            Held::Kernel(fd) => Some(fd.as_fd()),
            // What libbpf has for a descriptor of the first two is none of a link.
            Held::Usdt(_) | Held::PlainTable(_) | Held::Filter(_) | Held::OnMap(_) | Held::Socket(_) => None,
        }
    }

    /// Pins the link to a path in a BPF file system, where it lives on when it is dropped here, and when the process ends: it is detached
    /// a moment after the file is removed ([`std::fs::remove_file`]) and nobody has it open any more. [`Self::open`] opens it again.
    ///
    /// A program on a perf event (tracepoints, probes, samples) costs a descriptor that stays open for as long as this process runs: libbpf
    /// switches the event off where it closes it.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EEXIST where there is a file, EPERM where the path is in no BPF file system, EINVAL for the kinds of link that
    /// cannot be pinned (those through perf events before 5.15). [`Error::Value`] for what the kernel has no link for: filters of an
    /// interface, programs on maps of sockets, USDT, tables of the section `.struct_ops`.
    pub fn pin(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let Some(fd) = self.fd() else {
            let name = format!("pin a link to {}", path.display());
            return Err(Error::Value { name, why: "the kernel has no link for it that could be pinned".to_owned() });
        };
        pin(fd, path, "a link")?;
        // What was pinned, and then switched off when it is dropped here, would run no more in silence. Links of other kinds can do
        // without libbpf as well.
        if self.info().map_or(true, |info| info.kind == libbpf_sys::BPF_LINK_TYPE_PERF_EVENT) {
            self.leave_libbpf();
        }
        Ok(())
    }

    /// Takes the link out of libbpf's hands, which would switch off the perf event below it.
    fn leave_libbpf(&mut self) {
        self.held = match self.held.take() {
            Some(Held::Libbpf(mut link)) => {
                let fd = link.as_fd().as_raw_fd();
                link.disconnect();
                // SAFETY: libbpf leaves the descriptors of a link that is disconnected open and to others. It is nobody else's here.
                Some(Held::Kernel(unsafe { OwnedFd::from_raw_fd(fd) }))
            }
            held => held,
        };
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let detach = |held: Option<Held>| match held {
            Some(Held::Usdt(link)) => alone(|| drop(link)),
            held => drop(held),
        };
        // What libbpf says while it detaches has nobody to go to.
        let _ = listen(|| detach(self.held.take()));
    }
}
