//! A bounded cache of files whose symbols were read.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use super::{
    Symbol,
    binary::Binary,
    locate::{Content, Id, Place},
    perf_map::PerfMap,
    process::own_vdso,
    vdso::Vdso,
};
use crate::file::reopen;

/// The files whose symbols were read. The least recently used ones are dropped.
#[derive(Default)]
pub(super) struct Files {
    files: HashMap<Id, Known>,
    vdso: Option<Vdso>,
    clock: u64,
    reading: Reading,
}

/// The time that reading files of other users may still take. A user can change a file for each
/// event, so that it is read anew each time.
#[derive(Default)]
struct Reading(Option<(Instant, Duration)>);

impl Reading {
    /// Returns the time that is left now: it grows by a tenth of the time that passes.
    fn left(&mut self, now: Instant) -> Duration {
        let left = match self.0 {
            Some((then, left)) => MOST_READING.min(left + now.duration_since(then) / 10),
            None => MOST_READING,
        };
        self.0 = Some((now, left));
        left
    }

    fn take(&mut self, time: Duration) {
        if let Some((_, left)) = &mut self.0 {
            *left = left.saturating_sub(time);
        }
    }
}

/// A file in the cache.
struct Known {
    names: Names,
    used: u64,
    /// The time that look-ups in the file may still take; `None` before the first look-up, which
    /// reads the file.
    credit: Option<Duration>,
}

impl Known {
    fn new(names: Names, used: u64) -> Self {
        Self { names, used, credit: None }
    }
}

/// The source of the names of a file.
enum Names {
    Binary(Box<Binary>),
    PerfMap(PerfMap),
    /// The file cannot be read or has no symbols.
    Nothing,
}

/// The number of cached files; each takes up to four descriptors.
const MOST_FILES: usize = 128;
/// The bytes of all copies. The indices that blazesym builds take up to half as much again.
const MOST_BYTES: u64 = 256 << 20;

const MOST_READING: Duration = Duration::from_secs(5);

/// The time limit for the names of one stack. The rest of the stack gets no names, because the
/// events of other processes wait as well.
const MOST_TIME: Duration = Duration::from_secs(1);

/// The time that each name may take, and the time that all names of a file may take beyond that. A
/// file of another user can be made so that each look-up is slow, for example with many nested
/// symbols or a name of megabytes.
const MEAN_TIME: Duration = Duration::from_millis(10);
const MOST_CREDIT: Duration = Duration::from_millis(500);

/// Returns the functions at each place.
pub(super) fn name(files: &mut Files, places: Vec<Place>) -> Vec<Vec<Symbol>> {
    let start = Instant::now();
    let symbols = |place| match place {
        _ if start.elapsed() > MOST_TIME => Vec::new(),
        Place::Unknown => Vec::new(),
        Place::Vdso(offset) => {
            files.vdso.get_or_insert_with(|| Vdso::new(own_vdso())).symbols(offset)
        }
        // A file that makes blazesym panic must not end the program. What was read of the file is
        // dropped.
        Place::File { id, file, path, offset } => {
            catch_unwind(AssertUnwindSafe(|| files.of_file(id, &file, &path, offset)))
                .unwrap_or_else(|_| {
                    files.files.insert(id, Known::new(Names::Nothing, files.clock));
                    Vec::new()
                })
        }
    };
    places.into_iter().map(symbols).collect()
}

impl Files {
    fn of_file(&mut self, id: Id, file: &OwnedFd, path: &Path, offset: u64) -> Vec<Symbol> {
        self.clock += 1;
        let used = self.clock;
        if !self.files.contains_key(&id) {
            let start = Instant::now();
            // The file is not remembered, so that it gets its names when there is time again.
            if !id.content.is_trusted() && self.reading.left(start).is_zero() {
                return Vec::new();
            }
            self.files.insert(id, Known::new(Names::new(id.content, file), used));
            if !id.content.is_trusted() {
                self.reading.take(start.elapsed());
            }
        }
        if let Some(known) = self.files.get_mut(&id) {
            known.used = used;
        }
        self.forget();
        let Some(known) = self.files.get_mut(&id) else { return Vec::new() };
        let start = Instant::now();
        let symbols = match &known.names {
            Names::Binary(binary) => binary.symbols(offset, path),
            Names::PerfMap(map) => map.symbol(offset).into_iter().collect(),
            Names::Nothing => Vec::new(),
        };
        known.credit = match known.credit {
            // blazesym reads the symbols at the first look-up.
            None => {
                if !id.content.is_trusted() {
                    self.reading.take(start.elapsed());
                }
                Some(MOST_CREDIT)
            }
            // Files of root and of this user have no time limit.
            Some(credit) if id.content.is_trusted() => Some(credit),
            Some(credit) => (credit + MEAN_TIME)
                .checked_sub(start.elapsed())
                .map(|credit| credit.min(MOST_CREDIT))
                .or_else(|| {
                    known.names = Names::Nothing;
                    Some(Duration::ZERO)
                }),
        };
        symbols
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
        let Ok(file) = reopen(file) else { return Self::Nothing };
        match content {
            Content::PerfMap => Self::PerfMap(PerfMap::new(file)),
            content => Binary::new(&file, content.is_trusted())
                .map_or(Self::Nothing, |binary| Self::Binary(binary.into())),
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

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write as _, os::unix::fs::FileExt as _, sync::Arc};

    use rustix::fs::{MemfdFlags, fstat, memfd_create};

    use super::{super::locate::Id, *};

    fn numbers(numbers: &[u64]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
    }

    /// Returns a section header with the offset of its name, its type, and the range of its
    /// contents.
    fn section(name: u64, kind: u64, offset: usize, size: usize) -> Vec<u8> {
        numbers(&[name | kind << 32, 0, 0, offset as u64, size as u64, 0, 8, 0])
    }

    /// Returns an ELF file with the symbols, which are all named `f`, and with `more` sections
    /// whose name has no end.
    fn file(symbols: &[u8], names: &[u8], more: usize) -> File {
        let mut file = File::from(memfd_create("executable", MemfdFlags::CLOEXEC).unwrap());
        let at = 64 + 56;
        let end = at + symbols.len() + names.len();
        let headers: Vec<u8> = [
            section(0, 0, 0, 0),
            section(1, 2, at, symbols.len()),
            section(9, 3, at + symbols.len() + 26, 3),
        ]
        .into_iter()
        .chain([section(17, 3, at + symbols.len(), names.len())])
        .chain((0..more).map(|_| section(32, 1, 0, 0)))
        .flatten()
        .collect();
        let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        header.extend(numbers(&[3 | 62 << 16 | 1 << 32, 0, 64, end as u64]));
        let counts = [64_u16, 56, 1, 64, 4 + more as u16, 3];
        header.extend([0; 4]);
        header.extend(counts.iter().flat_map(|number| number.to_ne_bytes()));
        // One segment is mapped as code.
        let load = numbers(&[1 | 5 << 32, 0, 0, 0, 1 << 20, 1 << 20, 4096]);
        [&header, &load, symbols, names].iter().for_each(|part| file.write_all(part).unwrap());
        file.write_all_at(&headers, end as u64).unwrap();
        file
    }

    fn names(end: usize) -> Vec<u8> {
        let mut names = b"\0.symtab\0.strtab\0.shstrtab\0f\0".to_vec();
        names.resize(end, b'x');
        names
    }

    fn place(file: File, offset: u64) -> Place {
        let id = Id { key: (&fstat(&file).unwrap()).into(), content: Content::Symbols };
        Place::File {
            id,
            file: Arc::new(file.into()),
            path: Path::new("executable").into(),
            offset,
        }
    }

    #[test]
    fn endless_section_names_do_not_slow_look_ups() {
        let symbol = numbers(&[1 | 0x12 << 32 | 1 << 48, 0x1000, 0x100]);
        let start = Instant::now();
        let found =
            name(&mut Files::default(), vec![place(file(&symbol, &names(1 << 20), 4000), 0x1010)]);
        assert_eq!(found[0][0].offset, Some(0x10));
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }

    #[test]
    fn reading_is_granted_a_tenth_of_the_time() {
        let (mut reading, now) = (Reading::default(), Instant::now());
        assert_eq!(reading.left(now), MOST_READING);
        reading.take(Duration::from_secs(60));
        assert!(reading.left(now).is_zero());
        assert_eq!(reading.left(now + Duration::from_secs(10)), Duration::from_secs(1));
        assert_eq!(reading.left(now + Duration::from_secs(3600)), MOST_READING);
    }

    #[test]
    fn slow_file_loses_its_names() {
        // Every symbol contains the address that is looked up.
        let symbols = numbers(&[1 | 0x12 << 32 | 1 << 48, 0x1000, 0x100]).repeat(1 << 20);
        let first = place(file(&symbols, &names(64), 0), 0x1010);
        let (mut files, start) = (Files::default(), Instant::now());
        let found = name(&mut files, vec![first; 2000]);
        assert!(found[0][0].offset == Some(0x10) && found[1999].is_empty());
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
}
