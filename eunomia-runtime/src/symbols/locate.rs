//! Finds the files that contain the addresses of a process and holds them, so names can be read
//! after the process has ended.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    path::Path,
    sync::{Arc, Weak},
};

use rustix::fs::{Stat, fstat};

use crate::file::is_private;

use super::{
    file::Key,
    process::{Mounts, Process, perf_map},
};

/// The addresses of a process whose places are asked for.
pub(super) struct Question {
    pub(super) pid: u32,
    pub(super) addresses: Vec<u64>,
    pub(super) perf_maps: bool,
}

/// The place of an address.
#[derive(Clone)]
pub(super) enum Place {
    Unknown,
    File { id: Id, file: Arc<OwnedFd>, path: Arc<Path>, offset: u64 },
    Vdso(u64),
}

/// A file and the part of it that is read.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) key: Key,
    pub(super) content: Content,
}

/// The part of a file that is read.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Content {
    Symbols,
    DebugInformation,
    PerfMap,
}

impl Content {
    /// Reports whether only root and this user can change the file: debug information is read from
    /// no other.
    pub(super) fn is_trusted(self) -> bool {
        self == Self::DebugInformation
    }
}

/// Files that are held open elsewhere, so events of one program share a descriptor.
#[derive(Default)]
pub(super) struct Held(HashMap<Id, Weak<OwnedFd>>);

/// Returns the place of each address.
pub(super) fn locate(
    held: &mut Held,
    Question { pid, addresses, perf_maps }: Question,
) -> Vec<Place> {
    let Ok(process) = Process::new(pid) else { return vec![Place::Unknown; addresses.len()] };
    let mut mounts = Mounts::new(&process);
    let mut places: HashMap<u64, Place> = HashMap::new();
    for mapping in process.mappings(&addresses).unwrap_or_default() {
        let first = if let Some(file) = mapping.file(&process, &mut mounts) {
            let content = |about: &Stat| match is_private(about) && mounts.are_shared() {
                true => Content::DebugInformation,
                false => Content::Symbols,
            };
            held.hold(file, content).map(|(id, file)| Place::File {
                id,
                file,
                path: mapping.path().into(),
                offset: mapping.offset,
            })
        } else if mapping.name == b"[vdso]" {
            Some(Place::Vdso(0))
        } else if perf_maps && mapping.name.is_empty() {
            let held = perf_map(&process).and_then(|file| held.hold(file, |_| Content::PerfMap));
            // The functions of a perf map have absolute addresses, so the offset is the address.
            held.map(|(id, file)| Place::File {
                id,
                file,
                path: Path::new("").into(),
                offset: mapping.range.start,
            })
        } else {
            None
        };
        if let Some(first) = first {
            let inside = addresses.iter().filter(|address| mapping.range.contains(address));
            places
                .extend(inside.map(|address| (*address, first.at(address - mapping.range.start))));
        }
    }
    held.0.retain(|_, file| file.strong_count() > 0);
    addresses.iter().map(|address| places.get(address).cloned().unwrap_or(Place::Unknown)).collect()
}

impl Place {
    /// Returns the place `more` bytes after this one.
    fn at(&self, more: u64) -> Self {
        match self.clone() {
            Self::Unknown => Self::Unknown,
            Self::Vdso(offset) => Self::Vdso(offset.wrapping_add(more)),
            Self::File { id, file, path, offset } => {
                Self::File { id, file, path, offset: offset.wrapping_add(more) }
            }
        }
    }
}

impl Held {
    fn hold(
        &mut self,
        file: OwnedFd,
        content: impl FnOnce(&Stat) -> Content,
    ) -> Option<(Id, Arc<OwnedFd>)> {
        let about = fstat(&file).ok()?;
        let id = Id { key: (&about).into(), content: content(&about) };
        if let Some(held) = self.0.get(&id).and_then(Weak::upgrade) {
            return Some((id, held));
        }
        let file = Arc::new(file);
        self.0.insert(id, Arc::downgrade(&file));
        Some((id, file))
    }
}
