//! A thread that looks into other processes and their files, for as long as somebody waits.
//!
//! Files are copied, and never waited for on purpose. But whoever is looked at decides how large and how strange they are, and may hold locks
//! of the kernel that /proc needs. A thread can be left behind; the reader of events cannot.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use rustix::fs::fstat;

use super::{
    Frame, Symbol,
    binary::Binary,
    file::{Key, is_trusted, readable},
    perf_map::PerfMap,
    process::{Mounts, mappings, own_vdso, perf_map},
    vdso::Vdso,
};

/// Addresses of a process, each with the file that it lies in; see [`super::Symbols::locate`].
#[derive(Debug)]
pub struct Located(pub(super) Vec<(u64, Place)>);

#[derive(Debug)]
pub(super) enum Place {
    Unknown,
    File { id: Id, path: Arc<Path>, offset: u64 },
    Vdso(u64),
}

/// A file and what is read of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id {
    key: Key,
    content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Content {
    Symbols,
    DebugInformation,
    PerfMap,
}

pub(super) enum Job {
    Locate { pid: u32, addresses: Vec<u64>, perf_maps: bool },
    Name(Located),
}

pub(super) enum Answer {
    Located(Located),
    Named(Vec<Frame>),
}

/// The end that asks. The thread ends with it.
pub(super) struct Worker {
    jobs: Sender<Job>,
    answers: Receiver<Answer>,
}

impl Worker {
    /// `running` is held by the thread until it ends.
    pub(super) fn start(running: Arc<()>) -> Option<Self> {
        let ((jobs, todo), (done, answers)) = (channel(), channel());
        let work = move || {
            let _running = running;
            let mut files = Files::default();
            for job in todo {
                let answer = match job {
                    Job::Locate { pid, addresses, perf_maps } => Answer::Located(files.locate(pid, &addresses, perf_maps)),
                    Job::Name(located) => Answer::Named(files.name(located)),
                };
                if done.send(answer).is_err() {
                    break;
                }
            }
        };
        // Names of C++ are read by functions that call themselves.
        thread::Builder::new().name("symbols".to_owned()).stack_size(8 << 20).spawn(work).ok()?;
        Some(Self { jobs, answers })
    }

    /// `None` if there is no answer in time: the worker is to be given up.
    pub(super) fn ask(&self, job: Job, patience: Duration) -> Option<Answer> {
        self.jobs.send(job).ok()?;
        self.answers.recv_timeout(patience).ok()
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// Files that were opened, and what was read of them.
#[derive(Default)]
struct Files {
    files: HashMap<Id, Known>,
    vdso: Option<Vdso>,
    clock: u64,
}

struct Known {
    state: State,
    used: u64,
}

enum State {
    /// Held, so that its names can be read when the process has ended.
    Opened(OwnedFd),
    Binary(Box<Binary>),
    PerfMap(PerfMap),
    /// There is nothing in it.
    Nothing,
}

/// Each takes up to four descriptors.
const MOST_FILES: usize = 128;
const MOST_BYTES: u64 = 512 << 20;

impl Files {
    fn locate(&mut self, pid: u32, addresses: &[u64], perf_maps: bool) -> Located {
        let mut mounts = Mounts::new(pid);
        let mut places: HashMap<u64, Place> = HashMap::new();
        for mapping in mappings(pid, addresses).unwrap_or_default() {
            let place: Box<dyn Fn(u64) -> Place> = if let Some(file) = mapping.file(pid, &mut mounts) {
                let content = |trusted| if trusted && mounts.are_shared() { Content::DebugInformation } else { Content::Symbols };
                let Some(id) = fstat(&file).ok().map(|about| Id { key: (&about).into(), content: content(is_trusted(&about)) }) else {
                    continue;
                };
                self.hold(id, file);
                let (path, start) = (Arc::from(mapping.path()), mapping.range.start.wrapping_sub(mapping.offset));
                Box::new(move |address| Place::File { id, path: Arc::clone(&path), offset: address.wrapping_sub(start) })
            } else if mapping.name == b"[vdso]" {
                let start = mapping.range.start;
                Box::new(move |address| Place::Vdso(address - start))
            } else if perf_maps && mapping.name.is_empty() {
                let Some(file) = perf_map(pid) else { continue };
                let Some(id) = fstat(&file).ok().map(|about| Id { key: (&about).into(), content: Content::PerfMap }) else { continue };
                self.hold(id, file);
                Box::new(move |address| Place::File { id, path: Arc::from(Path::new("")), offset: address })
            } else {
                continue;
            };
            let inside = addresses.iter().filter(|address| mapping.range.contains(address));
            places.extend(inside.map(|address| (*address, place(*address))));
        }
        self.forget();
        Located(addresses.iter().map(|address| (*address, places.remove(address).unwrap_or(Place::Unknown))).collect())
    }

    fn hold(&mut self, id: Id, file: OwnedFd) {
        self.clock += 1;
        self.files.entry(id).or_insert(Known { state: State::Opened(file), used: 0 }).used = self.clock;
    }

    fn name(&mut self, located: Located) -> Vec<Frame> {
        let mut broken = HashSet::new();
        let mut frames = Vec::with_capacity(located.0.len());
        for (address, place) in located.0 {
            let symbols = match place {
                Place::Unknown => Vec::new(),
                Place::Vdso(offset) => self.vdso.get_or_insert_with(|| Vdso::new(own_vdso())).symbols(offset),
                Place::File { id, .. } if broken.contains(&id) => Vec::new(),
                // A file that its reader cannot stand must not end the program; what was read of it is forgotten.
                Place::File { id, path, offset } => {
                    catch_unwind(AssertUnwindSafe(|| self.of_file(id, &path, offset))).unwrap_or_else(|_| {
                        broken.insert(id);
                        self.files.insert(id, Known { state: State::Nothing, used: self.clock });
                        Vec::new()
                    })
                }
            };
            frames.push(Frame { address, symbols });
        }
        frames
    }

    fn of_file(&mut self, id: Id, path: &Path, offset: u64) -> Vec<Symbol> {
        self.clock += 1;
        let Some(known) = self.files.get_mut(&id) else { return Vec::new() };
        known.used = self.clock;
        if let state @ State::Opened(_) = &mut known.state {
            let State::Opened(file) = std::mem::replace(state, State::Nothing) else { return Vec::new() };
            let file = readable(&file).ok();
            *state = match (file, id.content) {
                (None, _) => State::Nothing,
                (Some(file), Content::PerfMap) => State::PerfMap(PerfMap::new(file)),
                (Some(file), content) => match Binary::new(&file, content == Content::DebugInformation) {
                    Some(binary) => State::Binary(Box::new(binary)),
                    None => State::Nothing,
                },
            };
            self.forget();
        }
        match self.files.get(&id).map(|known| &known.state) {
            Some(State::Binary(binary)) => binary.symbols(offset, path),
            Some(State::PerfMap(map)) => map.symbol(offset).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Forgets those that were not used for the longest time, until the others are few and small enough. The last one used stays.
    fn forget(&mut self) {
        let bytes = |known: &Known| match &known.state {
            State::Binary(binary) => binary.bytes(),
            State::PerfMap(_) => PerfMap::bytes(),
            State::Opened(_) | State::Nothing => 0,
        };
        let mut sum: u64 = self.files.values().map(bytes).sum();
        while self.files.len() > 1 && (self.files.len() > MOST_FILES || sum > MOST_BYTES) {
            let Some((oldest, size)) = self.files.iter().min_by_key(|(_, known)| known.used).map(|(id, known)| (*id, bytes(known))) else {
                return;
            };
            self.files.remove(&oldest);
            sum -= size;
        }
    }
}
