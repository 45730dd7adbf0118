use std::{
    collections::BTreeMap,
    io,
    ops::Deref,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
    ptr::NonNull,
    sync::Arc,
    time::Duration,
};

use libbpf_rs::{AsRawLibbpf as _, MapCore as _, Object, ProgramType, libbpf_sys};

use super::{
    Map, Program, Target,
    attach::{Filter, OnMap},
    kind::Any,
    map::StructOps,
    messages::{listen, refused},
    pin::pin,
};
use crate::{
    Error, Result,
    reader::{Control, Outcome, Records},
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

    /// What holds the programs attached.
    pub fn links(&self) -> &[Link] {
        &self.links.0
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

/// Attaches what is to be attached, as its target or its section says, each program and each map of struct_ops with its own result.
pub(super) fn attach<'a>(
    object: &'a Arc<Object>,
    targets: &'a BTreeMap<String, Target>,
) -> impl Iterator<Item = (String, Result<Link>)> + 'a {
    let programs = object.progs_mut().filter_map(move |program| {
        // SAFETY: the pointer is that of a program of a live object, and the call only reads a flag.
        let wanted = unsafe { libbpf_sys::bpf_program__autoattach(program.as_libbpf_object().as_ptr()) };
        // Those of struct_ops are attached by the map that holds them, system call programs are run.
        let elsewhere = matches!(program.prog_type(), ProgramType::StructOps | ProgramType::Syscall);
        if !wanted || !program.autoload() || elsewhere {
            return None;
        }
        let name = program.name().to_string_lossy().into_owned();
        let program = Program::<Any>::new(program, object);
        let link = match targets.get(&name) {
            Some(target) => program.attach_target(*target),
            None => program.attach(),
        };
        Some((name, link))
    });
    let tables = object.maps().filter_map(move |map| {
        let name = map.name().to_string_lossy().into_owned();
        StructOps::wanted(&map).then(|| (name, StructOps::new(Map::new(map, None), object).and_then(|table| table.attach())))
    });
    programs.chain(tables)
}
