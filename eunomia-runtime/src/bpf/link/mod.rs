//! Links: handles that keep programs attached.

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
        pin::{pin, pinned},
    },
};
use crate::{
    Error, Result,
    host::{kernel_error, messages::listen},
};

pub use info::{LinkInfo, LinkKind};
pub(super) use many::attach;
pub use many::{Attached, Links};

/// A link, which keeps one program attached. Dropping it detaches the program, unless the link was
/// pinned.
///
/// When the process ends for any reason, the kernel drops its links. Attachments without a link
/// outlive the process:
/// - a filter of an interface (a tc program before 6.6) stays until the interface or its network
///   namespace is gone;
/// - a program on a map of sockets stays until the map is gone;
/// - a struct_ops map of the section `.struct_ops` stays attached. One of the section
///   `.struct_ops.link` (6.4 and later) is detached with the process.
#[derive(Debug)]
#[must_use = "the program is detached when its link is dropped"]
pub struct Link {
    /// `None` only while the link is dropped or leaves libbpf.
    held: Option<Held>,
    /// The object of the program. Dropping links of some kinds (USDT) uses the object, whose other
    /// owners may drop it earlier. `None` for a link that was opened from its pin.
    object: Option<Arc<Object>>,
}

/// What keeps the program attached. It owns its descriptors, if it has any, and dropping it
/// detaches the program.
#[derive(Debug)]
pub(super) enum Held {
    /// A link of libbpf.
    Libbpf(libbpf_rs::Link),
    /// The probes of a USDT, attached by libbpf.
    Usdt(libbpf_rs::Link),
    /// A struct_ops map with a kernel link, attached by libbpf.
    Table(libbpf_rs::Link),
    /// A struct_ops map without a kernel link, attached by libbpf.
    PlainTable(#[expect(dead_code, reason = "dropping it is all that it is for")] libbpf_rs::Link),
    /// A kernel link.
    Kernel(OwnedFd),
    /// A filter of an interface.
    Filter(Filter),
    /// A program on a map of sockets.
    OnMap(OnMap),
    /// A socket that was opened for its filter.
    Socket(#[expect(dead_code, reason = "closing it is all that it is for")] OwnedFd),
}

/// A lock that is held while libbpf attaches or detaches a USDT. libbpf records USDTs in the object
/// without locking, and several threads may share the object.
static USDT_BOOKS: Mutex<()> = Mutex::new(());

/// Calls `attach` while no other USDT is attached or detached.
pub(super) fn alone<T>(attach: impl FnOnce() -> T) -> T {
    let _alone = USDT_BOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    attach()
}

/// Takes over a link that libbpf returned. libbpf returns NULL and sets errno if it made no link.
pub(super) fn owned(link: *mut libbpf_sys::bpf_link) -> libbpf_rs::Result<libbpf_rs::Link> {
    let link = NonNull::new(link).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: every caller has just received the pointer from libbpf and hands it to nobody else.
    Ok(unsafe { libbpf_rs::Link::from_ptr(link) })
}

impl Link {
    pub(super) fn new(held: Held, object: &Arc<Object>) -> Self {
        Self { held: Some(held), object: Some(Arc::clone(object)) }
    }

    /// Opens the link that is pinned to a path in a BPF file system. It does not need the object
    /// that made the link. The program stays attached until this link is dropped and the file is
    /// removed. The link can be replaced and pinned like any other.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the kernel refuses; ENOENT if the file is missing, EACCES if it is not
    /// a file of a BPF file system. [`Error::Mismatch`] if something other than a link is pinned
    /// there, a map for example.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let fd = pinned(path, "a link")?;
        // The kernel opens whatever is pinned there, and libbpf does not check it.
        let info = fdinfo(fd.as_fd()).map_err(|error| {
            kernel_error(format!("identify the object that is pinned to {}", path.display()), error)
        })?;
        if !info.lines().any(|line| line.starts_with("link_type:")) {
            return Err(Error::Mismatch {
                name: path.display().to_string(),
                why: "the object that is pinned there is not a link".to_owned(),
            });
        }
        Ok(Self { held: Some(Held::Kernel(fd)), object: None })
    }

    /// Runs the iterator that the link holds and returns a reader of the text that its program
    /// writes. The text ends when the iterator has visited all objects. Each call starts an
    /// independent run.
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
    /// [`Error::Mismatch`] if the program is not an iterator, [`Error::Kernel`] if the kernel
    /// refuses.
    pub fn walk(&self) -> Result<impl Read + use<>> {
        let tried = "run the iterator of a link";
        let Some(fd) = self.fd().filter(|_| self.is_iterator()) else {
            return Err(Error::Mismatch {
                name: tried.to_owned(),
                why: "its program is not an iterator".to_owned(),
            });
        };
        // SAFETY: the call takes no pointers, and the descriptor is open during the call.
        let walk = unsafe { libbpf_sys::bpf_iter_create(fd.as_raw_fd()) };
        if walk < 0 {
            return Err(kernel_error(tried, io::Error::from_raw_os_error(-walk)));
        }
        // SAFETY: the kernel has just opened the descriptor, and nobody else owns it.
        Ok(File::from(unsafe { OwnedFd::from_raw_fd(walk) }))
    }

    /// Returns true if the program is an iterator, see [`Self::walk`].
    pub fn is_iterator(&self) -> bool {
        self.info().is_ok_and(|info| info.kind == LinkKind::Iter)
    }

    /// Returns the descriptor of the kernel's link. For links through perf events before 5.15 it is
    /// that of the perf event.
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self.held.as_ref()? {
            Held::Libbpf(link) | Held::Table(link) => Some(link.as_fd()),
            Held::Kernel(fd) => Some(fd.as_fd()),
            // The descriptors that libbpf returns for the first two are not those of links.
            Held::Usdt(_)
            | Held::PlainTable(_)
            | Held::Filter(_)
            | Held::OnMap(_)
            | Held::Socket(_) => None,
        }
    }

    /// Pins the link to a path in a BPF file system. The program stays attached after the link is
    /// dropped and after the process ends. It is detached shortly after the file is removed
    /// ([`std::fs::remove_file`]) and nobody has the link open. [`Self::open`] opens the link
    /// again.
    ///
    /// For a program on a perf event (tracepoints, probes, samples) one descriptor stays open until
    /// this process ends, because libbpf disables the event when it closes it.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the kernel refuses; EEXIST if the file exists, EPERM if the path is not
    /// in a BPF file system, EINVAL if links of this type cannot be pinned (those through perf
    /// events before 5.15). [`Error::Misuse`] if the kernel has no link for the attachment: filters
    /// of an interface, programs on maps of sockets, USDTs, struct_ops maps of the section
    /// `.struct_ops`.
    pub fn pin(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let Some(fd) = self.fd() else {
            let name = format!("pin a link to {}", path.display());
            return Err(Error::Misuse {
                name,
                why: "the kernel has no link for this attachment".to_owned(),
            });
        };
        pin(fd, path, "a link")?;
        // Dropping the link through libbpf would disable its perf event, and the pinned link would
        // silently run no more. Links of other types do not need libbpf either.
        if self.info().map_or(true, |info| info.kind == LinkKind::PerfEvent) {
            self.leave_libbpf();
        }
        Ok(())
    }

    /// Takes the link from libbpf, which would disable the perf event that it belongs to.
    fn leave_libbpf(&mut self) {
        self.held = match self.held.take() {
            Some(Held::Libbpf(mut link)) => {
                let fd = link.as_fd().as_raw_fd();
                link.disconnect();
                // SAFETY: libbpf does not close the descriptors of a disconnected link, and nothing
                // else owns this one.
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
        // Messages of libbpf during detaching are discarded, because drop cannot return them.
        let _ = listen(|| detach(self.held.take()));
    }
}
