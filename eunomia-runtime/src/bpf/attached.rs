use std::{ops::Deref, sync::Arc};

use libbpf_rs::{AsRawLibbpf as _, Link, Object, libbpf_sys};

use super::messages::{listen, refused};
use crate::{Error, Result};

/// The links that hold programs attached. Dropping them detaches.
#[derive(Debug)]
pub struct Links {
    links: Vec<Link>,
    /// Links of some kinds (USDT) use the object when they are dropped; it may be dropped before them by its other owners.
    _object: Arc<Object>,
}

impl Drop for Links {
    fn drop(&mut self) {
        // What libbpf says while it detaches has nobody to go to.
        let _ = listen(|| self.links.clear());
    }
}

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

/// Attaches what is to be attached; on the first error the links made so far are dropped, which detaches their programs.
pub(super) fn attach(object: &Arc<Object>) -> Result<Links> {
    let mut links = Links { links: Vec::new(), _object: Arc::clone(object) };
    for program in object.progs_mut() {
        let raw = program.as_libbpf_object();
        // SAFETY: the pointer is that of a program of a live object, and the call only reads a flag.
        let wanted = unsafe { libbpf_sys::bpf_program__autoattach(raw.as_ptr()) };
        if !wanted || !program.autoload() {
            continue;
        }
        let tried = || format!("attach the program `{}` ({})", program.name().to_string_lossy(), program.section().to_string_lossy());
        let (link, said) = listen(|| program.attach());
        match link {
            Ok(link) => links.links.push(link),
            Err(error) => return Err(explain(refused(tried(), &error, &said))),
        }
    }
    Ok(links)
}

/// libbpf attaches a section by itself only where it says all there is to say, and says nothing where it does not.
fn explain(error: Error) -> Error {
    match error {
        Error::Kernel(mut refusal) if refusal.source.raw_os_error() == Some(libc::EOPNOTSUPP) && refusal.messages.is_empty() => {
            refusal.hint = Some(
                "the section does not say what to attach to (an interface, a cgroup, ..), so this program cannot be attached by \
                 `attach`; switch it off with `set_autoattach(false)` while open and attach it through its file descriptor"
                    .to_owned(),
            );
            Error::Kernel(refusal)
        }
        error => error,
    }
}
