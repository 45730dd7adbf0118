use std::{
    collections::BTreeMap,
    mem,
    ops::Deref,
    os::fd::BorrowedFd,
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

/// How many links are detached at once.
///
/// The kernel waits 20 to 100 milliseconds for its readers while it detaches a tracepoint or a probe. Those who wait together wait once,
/// but for half of it and more they queue behind a lock: 40 tracepoints that take 3.0 s one by one take 2.0 with 16 threads on Linux 6.18
/// (6.1: 3.2 and 1.9, 6.12: 2.6 and 2.0, 7.2: 4.0 and 3.1, but 5.10: 1.1 and 1.4), 40 links of several kinds 1.9 and 1.3 (7.2: 1.8 and
/// 0.9). More threads gain on the newest kernels alone, and lose on the others.
const AT_ONCE: usize = 16;

/// The links of several programs. Dropping them detaches, several at once and in no order, in threads of which none is left afterwards:
/// detaching a tracepoint or a probe takes the kernel tens of milliseconds. USDTs go one by one, as libbpf keeps books on them.
#[derive(Debug, Default)]
#[must_use = "the programs are detached when their links are dropped"]
pub struct Links(pub Vec<Link>);

impl Drop for Links {
    fn drop(&mut self) {
        let links = mem::take(&mut self.0);
        // One link needs no thread but this one.
        let helpers = links.len().min(AT_ONCE).saturating_sub(1);
        let links = Mutex::new(links.into_iter());
        let detach = || {
            while let Some(link) = next(&links) {
                drop(link);
            }
        };
        thread::scope(|scope| {
            for _ in 0..helpers {
                // Where there can be no thread, the others have more to do.
                if thread::Builder::new().name("eunomia-detach".to_owned()).spawn_scoped(scope, detach).is_err() {
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

impl FromIterator<Link> for Links {
    fn from_iter<I: IntoIterator<Item = Link>>(links: I) -> Self {
        Self(links.into_iter().collect())
    }
}

/// A loaded object whose programs run: everything that `L` offers, and the links. Dropping it detaches the programs and unloads them.
#[derive(Debug)]
#[must_use = "the programs are detached when it is dropped"]
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

    /// As [`Self::links`], to pin them or to replace their programs.
    pub fn links_mut(&mut self) -> &mut [Link] {
        &mut self.links.0
    }

    /// Detaches all programs. What they sent before can still be read.
    pub fn detach(self) -> L {
        drop(self.links);
        self.loaded
    }
}

impl<L: Records> Attached<L> {
    /// Ends the work: detaches all programs, delivers what they sent before, and returns the loaded object for its statistics and
    /// variables. Polling has ended then. This is how a loop ends that is over before it was stopped, at a time or a number of events for
    /// example.
    ///
    /// A callback that returns [`ControlFlow::Break`](std::ops::ControlFlow::Break) leaves the rest, which `drain` of what is returned
    /// delivers and `unread` counts. Maps that are read at intervals are read once more; if their entries stay in the map, they are
    /// delivered again.
    ///
    /// # Errors
    /// As [`crate::reader::Reader::drain`]: of [`Error::Callback`](crate::Error::Callback) too all records were delivered. [`Self::detach`]
    /// and `drain` are the same in two steps, for those who want the object in any case.
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

/// Attaches what is to be attached, to its targets or as its section says: each link, or why there is none, with the name of its program
/// or map of struct_ops.
pub(in crate::bpf) fn attach<'a>(
    object: &'a Arc<Object>,
    targets: &'a BTreeMap<String, Vec<Target>>,
) -> impl Iterator<Item = (String, Result<Link>)> + 'a {
    let programs = object.progs_mut().filter(|program| {
        // SAFETY: the pointer is that of a program of a live object, and the call only reads a flag.
        let wanted = unsafe { libbpf_sys::bpf_program__autoattach(program.as_libbpf_object().as_ptr()) };
        // Those of struct_ops are attached by the map that holds them, system call programs are run.
        let elsewhere = matches!(program.prog_type(), ProgramType::StructOps | ProgramType::Syscall);
        wanted && program.autoload() && !elsewhere
    });
    let links = programs.flat_map(move |program| {
        let name = program.name().to_string_lossy().into_owned();
        let links = match targets.get(&name).map(Vec::as_slice) {
            None | Some([]) => vec![Program::<Any>::new(program, object).attach()],
            Some(targets) => targets.iter().flat_map(|target| to_target(target, &name, object)).collect(),
        };
        links.into_iter().map(move |link| (name.clone(), link))
    });
    let tables = object.maps().filter_map(move |map| {
        let name = map.name().to_string_lossy().into_owned();
        StructOps::wanted(&map).then(|| (name, StructOps::new(Map::new(map, None), object).and_then(|table| table.attach())))
    });
    links.chain(tables)
}

fn to_target(target: &Target, program: &str, object: &Arc<Object>) -> Vec<Result<Link>> {
    // Each attachment takes a handle of its own.
    let handle = object.progs_mut().find(|known| known.name() == program).map(|known| Program::<Any>::new(known, object));
    match handle.map(|program| target.attach(program, object)) {
        Some(Ok(links)) => links.into_iter().map(Ok).collect(),
        Some(Err(error)) => vec![Err(error)],
        None => Vec::new(),
    }
}
