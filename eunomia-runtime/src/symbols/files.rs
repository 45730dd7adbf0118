//! A bounded cache of files whose symbols were read.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use super::{
    Symbol,
    binary::Binary,
    file::readable,
    locate::{Content, Id, Place},
    perf_map::PerfMap,
    process::own_vdso,
    vdso::Vdso,
};

#[derive(Default)]
pub(super) struct Files {
    files: HashMap<Id, Known>,
    vdso: Option<Vdso>,
    clock: u64,
}

struct Known {
    names: Names,
    used: u64,
}

enum Names {
    Binary(Box<Binary>),
    PerfMap(PerfMap),
    /// The file cannot be read or has no symbols.
    Nothing,
}

/// The number of cached files; each takes up to four descriptors.
const MOST_FILES: usize = 128;
const MOST_BYTES: u64 = 512 << 20;

/// Returns the functions at each place.
pub(super) fn name(files: &mut Files, places: Vec<Place>) -> Vec<Vec<Symbol>> {
    let symbols = |place| match place {
        Place::Unknown => Vec::new(),
        Place::Vdso(offset) => files.vdso.get_or_insert_with(|| Vdso::new(own_vdso())).symbols(offset),
        // A file that makes blazesym panic must not end the program. What was read of the file is
        // dropped.
        Place::File { id, file, path, offset } => catch_unwind(AssertUnwindSafe(|| files.of_file(id, &file, &path, offset)))
            .unwrap_or_else(|_| {
                files.files.insert(id, Known { names: Names::Nothing, used: files.clock });
                Vec::new()
            }),
    };
    places.into_iter().map(symbols).collect()
}

impl Files {
    fn of_file(&mut self, id: Id, file: &OwnedFd, path: &Path, offset: u64) -> Vec<Symbol> {
        self.clock += 1;
        let used = self.clock;
        self.files.entry(id).or_insert_with(|| Known { names: Names::new(id.content, file), used }).used = used;
        self.forget();
        match self.files.get(&id).map(|known| &known.names) {
            Some(Names::Binary(binary)) => binary.symbols(offset, path),
            Some(Names::PerfMap(map)) => map.symbol(offset).into_iter().collect(),
            Some(Names::Nothing) | None => Vec::new(),
        }
    }

    /// Drops the least recently used files until the rest is within the bounds. The last one used
    /// stays.
    fn forget(&mut self) {
        let mut sum: u64 = self.files.values().map(|known| known.names.bytes()).sum();
        while self.files.len() > 1 && (self.files.len() > MOST_FILES || sum > MOST_BYTES) {
            let oldest = self.files.iter().min_by_key(|(_, known)| known.used).map(|(id, _)| *id);
            let Some(forgotten) = oldest.and_then(|id| self.files.remove(&id)) else { return };
            sum -= forgotten.names.bytes();
        }
    }
}

impl Names {
    fn new(content: Content, file: &OwnedFd) -> Self {
        let Ok(file) = readable(file) else { return Self::Nothing };
        match content {
            Content::PerfMap => Self::PerfMap(PerfMap::new(file)),
            content => Binary::new(&file, content == Content::DebugInformation).map_or(Self::Nothing, |binary| Self::Binary(binary.into())),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Binary(binary) => binary.bytes(),
            Self::PerfMap(map) => map.bytes(),
            Self::Nothing => 0,
        }
    }
}
