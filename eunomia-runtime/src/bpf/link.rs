use std::{
    collections::BTreeMap,
    ffi::CString,
    io,
    ops::Deref,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
    time::Duration,
};

use libbpf_rs::{AsRawLibbpf as _, Object, libbpf_sys};

use super::{
    Program, Target,
    kind::Any,
    messages::{listen, refused},
};
use crate::{
    Error, Result,
    reader::{Control, Outcome, Records},
    refusal::refusal,
};

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
    /// [`Error::Kernel`]; EINVAL for the kinds of link that cannot be pinned (those through perf events before 5.15).
    pub fn pin(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let tried = format!("pin a link to {}", path.display());
        match &mut self.held {
            Some(Held::Libbpf(link)) => {
                let (pinned, said) = listen(|| link.pin(path));
                pinned.map_err(|error| refused(tried, &error, &said))
            }
            Some(Held::Kernel(fd)) => {
                let name = CString::new(path.as_os_str().as_encoded_bytes())
                    .map_err(|error| Error::Value { name: tried.clone(), why: error.to_string() })?;
                // SAFETY: the path ends with a NUL and lives through the call.
                let error = unsafe { libbpf_sys::bpf_obj_pin(fd.as_raw_fd(), name.as_ptr()) };
                if error < 0 { Err(refusal(tried, io::Error::from_raw_os_error(-error))) } else { Ok(()) }
            }
            None => Ok(()),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // What libbpf says while it detaches has nobody to go to.
        let _ = listen(|| self.held.take());
    }
}

/// The links of several programs. Dropping them detaches.
#[derive(Debug, Default)]
pub struct Links(pub Vec<Link>);

/// A loaded object whose programs run: everything that `L` offers, and the links. Dropping it detaches the programs and unloads them.
#[derive(Debug)]
pub struct Attached<L> {
    // Dropped first: programs stop before the readers go.
    links: Links,
    loaded: L,
}

impl<L> Attached<L> {
    /// Joins a loaded object and its links.
    pub fn new(loaded: L, links: Links) -> Self {
        Self { links, loaded }
    }

    /// Detaches all programs. What they sent before can still be read.
    pub fn detach(self) -> L {
        drop(self.links);
        self.loaded
    }
}

impl<L> Deref for Attached<L> {
    type Target = L;

    fn deref(&self) -> &L {
        &self.loaded
    }
}

impl<L: Records> Records for Attached<L> {
    type Event<'a> = L::Event<'a>;

    fn poll<R: Outcome>(&self, timeout: Duration, f: impl FnMut(L::Event<'_>) -> R) -> Result<u64> {
        self.loaded.poll(timeout, f)
    }

    fn control(&self) -> Control {
        self.loaded.control()
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.loaded.descriptor()
    }
}

/// Attaches what is to be attached, as its target or its section says, each program with its own result.
pub(super) fn attach<'a>(
    object: &'a Arc<Object>,
    targets: &'a BTreeMap<String, Target>,
) -> impl Iterator<Item = (String, Result<Link>)> + 'a {
    object.progs_mut().filter_map(move |program| {
        // SAFETY: the pointer is that of a program of a live object, and the call only reads a flag.
        let wanted = unsafe { libbpf_sys::bpf_program__autoattach(program.as_libbpf_object().as_ptr()) };
        let name = program.name().to_string_lossy().into_owned();
        if !wanted || !program.autoload() {
            return None;
        }
        let program = Program::<Any>::new(program, object);
        let link = match targets.get(&name) {
            Some(target) => program.attach_target(*target),
            None => program.attach(),
        };
        Some((name, link))
    })
}
