//! Links of several programs: attaching and detaching a whole object.

use std::{
    collections::BTreeMap,
    mem,
    ops::Deref,
    os::fd::BorrowedFd,
    slice,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
    vec,
};

use libbpf_rs::{AsRawLibbpf as _, MapCore as _, Object, ProgramType, libbpf_sys};

use super::Link;
use crate::{
    Result,
    bpf::{Map, Program, Target, kind::Any, map::StructOps},
    reader::{Control, Outcome, Records},
};

/// The number of links that are detached at the same time.
///
/// The kernel waits 20 to 100 milliseconds for RCU readers while it detaches a tracepoint or a
/// probe. Threads that wait at the same time share one wait, but half of the time and more they
/// queue for a lock. 40 tracepoints take 3.0 s one by one and 2.0 s with 16 threads on Linux 6.18
/// (6.1: 3.2 and 1.9, 6.12: 2.6 and 2.0, 7.2: 4.0 and 3.1, but 5.10: 1.1 and 1.4). 40 links of
/// several kinds take 1.9 s and 1.3 s (7.2: 1.8 and 0.9). More threads are faster on the newest
/// kernels only, and slower on the others.
const AT_ONCE: usize = 16;

/// The links of several programs. Dropping them detaches the programs, several at a time and in no
/// particular order, because the kernel takes tens of milliseconds to detach a tracepoint or a
/// probe. The threads that do so end before the drop returns. USDTs are detached one by one,
/// because libbpf records them in the object without locking.
#[derive(Debug, Default)]
#[must_use = "the programs are detached when their links are dropped"]
pub struct Links(pub Vec<Link>);

impl Drop for Links {
    fn drop(&mut self) {
        let links = mem::take(&mut self.0);
        // This thread detaches too.
        let helpers = links.len().min(AT_ONCE).saturating_sub(1);
        let links = Mutex::new(links.into_iter());
        let detach = || {
            while let Some(link) = next(&links) {
                drop(link);
            }
        };
        thread::scope(|scope| {
            for _ in 0..helpers {
                // If no thread can be started, the others detach the rest.
                if thread::Builder::new()
                    .name("eunomia-detach".to_owned())
                    .spawn_scoped(scope, detach)
                    .is_err()
                {
                    break;
                }
            }
            detach();
        });
    }
}

fn next(links: &Mutex<vec::IntoIter<Link>>) -> Option<Link> {
    links.lock().unwrap_or_else(PoisonError::into_inner).next()
}

impl IntoIterator for Links {
    type Item = Link;
    type IntoIter = vec::IntoIter<Link>;

    fn into_iter(mut self) -> Self::IntoIter {
        mem::take(&mut self.0).into_iter()
    }
}

impl<'l> IntoIterator for &'l Links {
    type Item = &'l Link;
    type IntoIter = slice::Iter<'l, Link>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'l> IntoIterator for &'l mut Links {
    type Item = &'l mut Link;
    type IntoIter = slice::IterMut<'l, Link>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}

impl FromIterator<Link> for Links {
    fn from_iter<I: IntoIterator<Item = Link>>(links: I) -> Self {
        Self(links.into_iter().collect())
    }
}

/// A loaded object whose programs are attached. It offers everything that `L` offers, and the
/// links. Dropping it detaches the programs and unloads them.
#[derive(Debug)]
#[must_use = "the programs are detached when it is dropped"]
pub struct Attached<L> {
    // Declared first, so that it is dropped first: programs stop before the readers are gone.
    links: Links,
    loaded: L,
}

impl<L> Attached<L> {
    /// Combines a loaded object and its links.
    pub fn new(loaded: L, links: Links) -> Self {
        Self { links, loaded }
    }

    /// Returns the links of the programs.
    pub fn links(&self) -> &[Link] {
        &self.links.0
    }

    /// Returns the links for changes: to pin them or to replace their programs.
    pub fn links_mut(&mut self) -> &mut [Link] {
        &mut self.links.0
    }

    /// Detaches all programs. Events that they sent before can still be read from the loaded
    /// object.
    pub fn detach(self) -> L {
        drop(self.links);
        self.loaded
    }
}

impl<L: Records> Attached<L> {
    /// Detaches all programs, delivers the events that they sent before, and returns the loaded
    /// object with its statistics and variables. Polling has ended when it returns. Use it to end a
    /// loop that was not stopped, for example after a time or a number of events.
    ///
    /// If a callback returns [`ControlFlow::Break`](std::ops::ControlFlow::Break), the remaining
    /// events are left: `drain` of the returned object delivers them and `unread` counts them. Maps
    /// that are read at intervals are read once more; entries that stay in the map are delivered
    /// again.
    ///
    /// # Errors
    /// Those of [`Records::drain`]. With [`Error::Callback`](crate::Error::Callback)
    /// all records were delivered, too. [`Self::detach`] and `drain` do the same in two steps, for
    /// callers that need the object after an error.
    pub fn finish<R: Outcome>(self, f: impl FnMut(L::Event<'_>) -> R) -> Result<L> {
        let loaded = self.detach();
        let drained = loaded.drain(f);
        loaded.control().stop_now();
        drained.map(|_| loaded)
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

    fn drain<R: Outcome>(&self, f: impl FnMut(L::Event<'_>) -> R) -> Result<u64> {
        self.loaded.drain(f)
    }

    fn control(&self) -> Control {
        self.loaded.control()
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.loaded.descriptor()
    }
}

/// Attaches every program to its targets or as its section says, and every struct_ops map. Yields
/// the link or the error, with the name of the program or map.
pub(in crate::bpf) fn attach<'a>(
    object: &'a Arc<Object>,
    targets: &'a BTreeMap<String, Vec<Target>>,
) -> impl Iterator<Item = (String, Result<Link>)> + 'a {
    let programs = object.progs_mut().filter(|program| {
        // SAFETY: the pointer is to a program of a live object, and the call only reads a flag.
        let autoattach =
            unsafe { libbpf_sys::bpf_program__autoattach(program.as_libbpf_object().as_ptr()) };
        // Programs of struct_ops are attached by their map, and syscall programs are run.
        let elsewhere =
            matches!(program.prog_type(), ProgramType::StructOps | ProgramType::Syscall);
        autoattach && program.autoload() && !elsewhere
    });
    let links = programs.flat_map(move |program| {
        let name = program.name().to_string_lossy().into_owned();
        let links = match targets.get(&name).map(Vec::as_slice) {
            None | Some([]) => vec![Program::<Any>::new(program, object).attach()],
            Some(targets) => {
                targets.iter().flat_map(|target| to_target(target, &name, object)).collect()
            }
        };
        links.into_iter().map(move |link| (name.clone(), link))
    });
    let tables = object.maps().filter_map(move |map| {
        let name = map.name().to_string_lossy().into_owned();
        StructOps::wanted(&map).then(|| {
            (name, StructOps::new(Map::new(map, None), object).and_then(|table| table.attach()))
        })
    });
    links.chain(tables)
}

fn to_target(target: &Target, program: &str, object: &Arc<Object>) -> Vec<Result<Link>> {
    // Each attachment consumes a handle.
    let handle = object
        .progs_mut()
        .find(|known| known.name() == program)
        .map(|known| Program::<Any>::new(known, object));
    match handle.map(|program| target.attach(program, object)) {
        Some(Ok(links)) => links.into_iter().map(Ok).collect(),
        Some(Err(error)) => vec![Err(error)],
        None => Vec::new(),
    }
}
