//! Functions and static probes (USDT) of programs and libraries, looked up as in libbpf (its elf.c
//! and usdt.c).
//!
//! The object names the file, and objects are untrusted: only regular files on disk are opened.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use elf::{
    ElfBytes,
    abi::{STB_WEAK, STT_FUNC, STT_GNU_IFUNC},
    endian::AnyEndian,
    parse::ParseError,
    string_table::StringTable,
    symbol::{Symbol, SymbolTable},
};

use super::similar::similar;
use crate::{file, host::search::Search};

/// The result of a lookup in a file.
pub(crate) enum Answer {
    /// Found; the path of the file.
    There(String),
    /// No such file, or one without functions.
    NoFile(String),
    /// Not in the file: the closest names, or all names if they are few.
    Missing {
        why: String,
        near: Vec<String>,
        all: Vec<String>,
    },
    Untold(String),
}

/// A program or library.
pub(crate) struct Binary {
    /// The path at which it was found.
    place: String,
    bytes: Vec<u8>,
}

type File64<'a> = ElfBytes<'a, AnyEndian>;

impl Binary {
    /// Reads a file. libbpf searches the directories of programs and libraries for a name without a
    /// slash.
    pub(crate) fn read(path: &str) -> Result<Self, Answer> {
        if path.contains("!/") {
            return Err(Answer::Untold(format!("{path} is in an archive, which is not searched")));
        }
        let place = if path.contains('/') { path.to_owned() } else { found(path)? };
        match contents(Path::new(&place)) {
            Ok(bytes) => Ok(Self { place, bytes }),
            Err(Unreadable::NoFile(why)) => Err(Answer::NoFile(format!("{place}: {why}"))),
            Err(Unreadable::Untold(why)) => Err(Answer::Untold(format!("{place}: {why}"))),
        }
    }

    /// Returns the size of the file in memory.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn parse(&self) -> Result<File64<'_>, Answer> {
        ElfBytes::minimal_parse(&self.bytes)
            .map_err(|_| Answer::NoFile(format!("{} is not an ELF file", self.place)))
    }

    /// Returns access to the names of the file. Many symbols may share a name, so the names
    /// together may exceed the size of the file.
    fn texts<'a>(&'a self, strings: StringTable<'a>) -> Texts<'a> {
        Texts { strings, left: 2 * self.bytes.len(), place: &self.place }
    }

    /// Looks up a function, `name`, `name@VERSION` or `name@@VERSION`.
    pub(crate) fn function(&self, requested: &str) -> Answer {
        // `@@` marks the default version, which is looked up in the same way.
        let (name, version) = match requested.split_once('@') {
            Some((name, version)) => (name, Some(version.strip_prefix('@').unwrap_or(version))),
            None => (requested, None),
        };
        let file = match self.parse() {
            Ok(file) => file,
            Err(answer) => return answer,
        };
        let (mut names, mut versions, mut chosen) = (BTreeSet::new(), BTreeSet::new(), false);
        let mut looked_up = 0;
        for (dynamic, symbols, strings) in tables(&file) {
            let mut texts = self.texts(strings);
            // Keyed by the file offset as libbpf computes it; true if a symbol there is not weak.
            let mut offsets = BTreeMap::<u64, bool>::new();
            for (index, symbol) in symbols.iter().enumerate() {
                let known = match texts.get(symbol.st_name) {
                    Ok(Some(known)) => known,
                    Ok(None) => continue,
                    Err(answer) => return answer,
                };
                let (short, own) =
                    known.split_once('@').map_or((known, None), |(short, _)| (short, Some(known)));
                if short == name {
                    chosen |= symbol.st_symtype() == STT_GNU_IFUNC;
                }
                if symbol.st_symtype() != STT_FUNC || symbol.is_undefined() {
                    continue;
                }
                names.insert(short);
                if short != name {
                    continue;
                }
                let matches = match version {
                    None => true,
                    Some(version) if dynamic => {
                        looked_up += 1;
                        if looked_up > MOST_VERSIONS {
                            return Answer::Untold(format!(
                                "{} has more than {MOST_VERSIONS} functions of this name",
                                self.place
                            ));
                        }
                        let found = version_of(&file, index);
                        let same = found.as_deref() == Some(version);
                        versions.extend(found);
                        same
                    }
                    // Symbols of the other table have their version in their names.
                    Some(_) => own == Some(requested),
                };
                if let Some(offset) =
                    matches.then(|| offset(&file, &symbol)).flatten().filter(|offset| *offset != 0)
                {
                    *offsets.entry(offset).or_default() |= symbol.st_bind() != STB_WEAK;
                }
            }
            if offsets.values().filter(|strong| **strong).count() > 1 {
                let why = format!(
                    "{} has several functions of this name, and libbpf accepts none of them",
                    self.place
                );
                return Answer::Missing { why, near: Vec::new(), all: Vec::new() };
            }
            if !offsets.is_empty() {
                return Answer::There(self.place.clone());
            }
        }
        if !versions.is_empty() {
            let near = versions.iter().map(|version| format!("{name}@{version}")).collect();
            return Answer::Missing {
                why: format!("{} has no such version of the function", self.place),
                near,
                all: Vec::new(),
            };
        }
        let why = match (chosen, names.is_empty()) {
            (true, _) => format!(
                "{} chooses its implementation when it is loaded (IFUNC), which libbpf does not follow",
                self.place
            ),
            (false, true) => format!("not a symbol of {}, which is stripped", self.place),
            (false, false) => format!("not a symbol of {}, which may be stripped", self.place),
        };
        let near = similar(name, names.iter().copied()).into_iter().map(str::to_owned).collect();
        Answer::Missing { why, near, all: Vec::new() }
    }

    /// Returns whether the file has a function whose name satisfies the predicate.
    pub(crate) fn functions(&self, is: impl Fn(&str) -> bool) -> Answer {
        let file = match self.parse() {
            Ok(file) => file,
            Err(answer) => return answer,
        };
        for (_, symbols, strings) in tables(&file) {
            let mut texts = self.texts(strings);
            for symbol in symbols
                .iter()
                .filter(|symbol| symbol.st_symtype() == STT_FUNC && !symbol.is_undefined())
            {
                match texts.get(symbol.st_name) {
                    Ok(Some(name)) if is(name) => return Answer::There(self.place.clone()),
                    Ok(_) => {}
                    Err(answer) => return answer,
                }
            }
        }
        Answer::Missing {
            why: format!("not a symbol of {}, which may be stripped", self.place),
            near: Vec::new(),
            all: Vec::new(),
        }
    }

    /// Looks up a static probe.
    pub(crate) fn probe(&self, provider: &str, probe: &str) -> Answer {
        let file = match self.parse() {
            Ok(file) => file,
            Err(answer) => return answer,
        };
        let Ok((Some(sections), Some(strings))) = file.section_headers_with_strtab() else {
            return Answer::Untold(format!("cannot read the sections of {}", self.place));
        };
        let mut texts = self.texts(strings);
        let mut named = None;
        for section in sections.iter() {
            match texts.get(section.sh_name) {
                Ok(Some(".note.stapsdt")) => {
                    named = Some(section);
                    break;
                }
                Ok(_) => {}
                Err(answer) => return answer,
            }
        }
        let Some(section) = named else {
            return Answer::NoFile(format!("{} has no static probes", self.place));
        };
        let Ok(notes) = file.section_data_as_notes(&section) else {
            return Answer::Untold(format!("cannot read the notes of {}", self.place));
        };
        let (mut all, mut left) = (BTreeSet::new(), MOST_SHOWN);
        for note in notes {
            let elf::note::Note::Unknown(note) = note else { continue };
            // Three addresses of the file's class, then strings: provider, name, arguments.
            let addresses = if file.ehdr.class == elf::file::Class::ELF64 { 24 } else { 12 };
            let mut texts = note.desc.get(addresses..).unwrap_or_default().split(|byte| *byte == 0);
            let (Some(owner), Some(name)) = (texts.next(), texts.next()) else { continue };
            if owner == provider.as_bytes() && name == probe.as_bytes() {
                return Answer::There(self.place.clone());
            }
            left = left.saturating_sub(owner.len() + name.len() + 1);
            if left > 0 {
                all.insert(format!(
                    "{}:{}",
                    String::from_utf8_lossy(owner),
                    String::from_utf8_lossy(name)
                ));
            }
        }
        let requested = format!("{provider}:{probe}");
        let near = similar(&requested, all.iter().map(String::as_str))
            .into_iter()
            .map(str::to_owned)
            .collect();
        Answer::Missing {
            why: format!("not a static probe of {}", self.place),
            near,
            all: all.into_iter().collect(),
        }
    }
}

/// Functions of one name in a file, by their versions; each is looked for among all versions. The C
/// library has three.
const MOST_VERSIONS: usize = 16;
/// Bytes of the names of static probes that are kept to be told.
const MOST_SHOWN: usize = 1 << 20;

/// Names out of a table. Those of a file that was made to keep whoever reads it busy end all in one
/// long name.
struct Texts<'a> {
    strings: StringTable<'a>,
    /// Bytes that are still read.
    left: usize,
    place: &'a str,
}

impl<'a> Texts<'a> {
    /// `None` if there is no such name.
    fn get(&mut self, at: u32) -> Result<Option<&'a str>, Answer> {
        let text = match self.strings.get_raw(at as usize) {
            Ok(text) => text,
            Err(ParseError::StringTableMissingNul(_)) => {
                return Err(Answer::Untold(format!("the names of {} do not end", self.place)));
            }
            Err(_) => return Ok(None),
        };
        match self.left.checked_sub(text.len()) {
            Some(left) => self.left = left,
            None => {
                return Err(Answer::Untold(format!(
                    "the names of {} are longer together than the file",
                    self.place
                )));
            }
        }
        Ok(str::from_utf8(text).ok())
    }
}

type Table<'a> = (bool, SymbolTable<'a, AnyEndian>, StringTable<'a>);

/// Returns the symbol tables in libbpf's order, each with whether it is that of the dynamic linker.
fn tables<'a>(file: &File64<'a>) -> Vec<Table<'a>> {
    let dynamic = file
        .dynamic_symbol_table()
        .ok()
        .flatten()
        .map(|(symbols, strings)| (true, symbols, strings));
    let plain =
        file.symbol_table().ok().flatten().map(|(symbols, strings)| (false, symbols, strings));
    dynamic.into_iter().chain(plain).collect()
}

/// Returns the version of a symbol of the dynamic symbol table.
fn version_of(file: &File64<'_>, index: usize) -> Option<String> {
    let table = file.symbol_version_table().ok()??;
    let mut definition = table.get_definition(index).ok()??;
    definition.names.next()?.ok().map(str::to_owned)
}

/// Returns the file offset of a symbol.
fn offset(file: &File64<'_>, symbol: &Symbol) -> Option<u64> {
    let section = file.section_headers()?.get(symbol.st_shndx.into()).ok()?;
    Some(symbol.st_value.wrapping_sub(section.sh_addr).wrapping_add(section.sh_offset))
}

/// Searches the directories of programs or libraries for a file.
fn found(name: &str) -> Result<String, Answer> {
    let search = Search::of(name);
    search.find().map(|path| path.to_string_lossy().into_owned()).ok_or_else(|| {
        Answer::NoFile(format!(
            "{name} is not in the directories of {}, nor in the default ones",
            search.variable
        ))
    })
}

/// Why a file was not read.
enum Unreadable {
    /// It is not a program or library.
    NoFile(String),
    /// It may be one.
    Untold(String),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::FileTooLarge => {
                Self::Untold(error.to_string())
            }
            _ => Self::NoFile(error.to_string()),
        }
    }
}

/// Reads a file.
fn contents(path: &Path) -> Result<Vec<u8>, Unreadable> {
    /// More than any program or library has without debug information.
    const MAX: u64 = 512 << 20;
    Ok(file::read(path, MAX)?)
}

#[cfg(test)]
mod tests {
    use std::{env, fs, fs::File, iter, os::unix::net::UnixListener, process, process::Command};

    use super::*;

    fn why(path: &str) -> String {
        match Binary::read(path) {
            Err(Answer::NoFile(why) | Answer::Untold(why)) => why,
            _ => panic!("{path} was read"),
        }
    }

    /// Opening one of these would block forever, never end, or have side effects.
    #[test]
    fn irregular_files_are_not_opened() {
        let folder = env::temp_dir().join(format!("eunomia-binary-{}", process::id()));
        fs::create_dir(&folder).unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        let _socket = UnixListener::bind(path("socket")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("link")).unwrap();
        std::os::unix::fs::symlink(path("fifo"), path("link-to-fifo")).unwrap();
        File::create(path("large")).unwrap().set_len(1 << 40).unwrap();
        File::create(path("empty")).unwrap();
        for (path, expected) in [
            ("/dev/zero".to_owned(), "it is a device, and is not opened"),
            (path("link"), "it is a device, and is not opened"),
            (path("fifo"), "it is a FIFO, and is not opened"),
            (path("link-to-fifo"), "it is a FIFO, and is not opened"),
            (path("socket"), "it is a socket, and is not opened"),
            (path("large"), "it has more than 512 MiB"),
            (
                "/proc/self/status".to_owned(),
                "it is generated by the kernel, like those of /proc and /sys, and is not opened",
            ),
            (
                "/proc/kmsg".to_owned(),
                "it is generated by the kernel, like those of /proc and /sys, and is not opened",
            ),
            ("/proc/self".to_owned(), "it is a directory"),
            (path("none"), "No such file or directory (os error 2)"),
        ] {
            assert_eq!(why(&path), format!("{path}: {expected}"));
        }
        assert!(matches!(
            Binary::read(&path("empty")).unwrap_or_else(|_| panic!()).function("main"),
            Answer::NoFile(_)
        ));
        // A link of procfs to a regular file is accepted.
        assert!(Binary::read("/proc/self/exe").is_ok());
        fs::remove_dir_all(folder).unwrap();
    }

    fn binary(sections: &[Part<'_>]) -> Binary {
        Binary { place: "x.so".to_owned(), bytes: file(sections) }
    }

    /// Name, type, linked section, information and contents.
    type Part<'a> = (&'a str, u32, u32, u32, Vec<u8>);

    /// An ELF file.
    fn file(sections: &[Part<'_>]) -> Vec<u8> {
        let mut names = b"\0.names\0".to_vec();
        let (mut bytes, mut headers) = (vec![0; 64], vec![0; 64]);
        let mut section = |name: usize, kind: u32, link: u32, info: u32, contents: &[u8]| {
            headers.extend([name as u32, kind].map(u32::to_le_bytes).concat());
            headers.extend(
                [0, 0, bytes.len() as u64, contents.len() as u64].map(u64::to_le_bytes).concat(),
            );
            headers.extend([link, info].map(u32::to_le_bytes).concat());
            let size: u64 = match kind {
                2 | 11 => 24,
                0x6fff_ffff => 2,
                _ => 0,
            };
            headers.extend([4, size].map(u64::to_le_bytes).concat());
            bytes.extend(contents);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        };
        for (name, kind, link, info, contents) in sections {
            section(names.len(), *kind, *link, *info, contents);
            names.extend([name.as_bytes(), b"\0"].concat());
        }
        section(1, 3, 0, 0, &names);
        let count = sections.len() as u16 + 2;
        let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
        header.extend([0, 0, bytes.len() as u64].map(u64::to_le_bytes).concat());
        header.extend([0, 0, 64, 56, 0, 64, count, count - 1].map(u16::to_le_bytes).concat());
        bytes.splice(..64, header);
        bytes.extend(headers);
        bytes
    }

    fn symbols(count: u32, name: impl Fn(u32) -> u32) -> Vec<u8> {
        let symbol = |at: u32| {
            [
                &name(at).to_le_bytes()[..],
                &[0x12, 0, 1, 0],
                &u64::from(at + 16).to_le_bytes(),
                &[0; 8],
            ]
            .concat()
        };
        iter::once(vec![0; 24]).chain((0..count).map(symbol)).flatten().collect()
    }

    #[test]
    fn hostile_files_take_linear_time_and_bounded_memory() {
        let long = [b"\0", &b"a".repeat(1 << 20)[..], b"\0"].concat();
        let text = || (".text", 1, 0, 0, vec![0; 64]);
        let overlapping = binary(&[
            text(),
            (".strtab", 3, 0, 0, long.clone()),
            (".symtab", 2, 2, 1, symbols(10_000, |at| 1 + at)),
        ]);
        let untold = |answer| match answer {
            Answer::Untold(why) => why,
            _ => panic!("it is told"),
        };
        let expected = "the names of x.so are longer together than the file";
        assert_eq!(untold(overlapping.function("b")), expected);
        assert_eq!(untold(overlapping.functions(|_| false)), expected);
        let endless = binary(&[
            text(),
            (".strtab", 3, 0, 0, b"a".repeat(1 << 20)),
            (".symtab", 2, 2, 1, symbols(10_000, |at| at)),
        ]);
        assert_eq!(untold(endless.function("b")), "the names of x.so do not end");

        let names = b"\0f\0V\0".to_vec();
        let count = 20_000;
        let of_symbols: Vec<u8> =
            iter::repeat_n(0x7ff0_u16.to_le_bytes(), count + 1).flatten().collect();
        let definition = [1u16, 0, 1, 1].map(u16::to_le_bytes).concat();
        let definition = [definition, [0u32, 20, 28, 3, 0].map(u32::to_le_bytes).concat()].concat();
        let versions = binary(&[
            text(),
            (".dynstr", 3, 0, 0, names),
            (".dynsym", 11, 2, 1, symbols(count as u32, |_| 1)),
            (".gnu.version", 0x6fff_ffff, 3, 0, of_symbols),
            (".gnu.version_d", 0x6fff_fffd, 2, count as u32, definition.repeat(count)),
        ]);
        assert_eq!(
            untold(versions.function("f@W")),
            "x.so has more than 16 functions of this name"
        );

        let note = |at: u32| {
            let head = [8u32, 92, 3].map(u32::to_le_bytes).concat();
            [&head[..], b"stapsdt\0", &[0; 24], format!("p\0{at:064x}\0\0").as_bytes()].concat()
        };
        let notes = binary(&[(".note.stapsdt", 7, 0, 0, (0..20_000).flat_map(note).collect())]);
        assert!(matches!(notes.probe("p", &format!("{:064x}", 19_999)), Answer::There(_)));
        let Answer::Missing { all, .. } = notes.probe("p", "none") else { panic!("it is there") };
        assert!(
            all.len() > 1000 && all.iter().map(String::len).sum::<usize>() <= 1 << 20,
            "{}",
            all.len()
        );
    }

    #[test]
    fn symbol_versions_are_matched() {
        let Ok(libc) = Binary::read("libc.so.6") else { panic!("the C library is there") };
        let there = |name: &str| matches!(libc.function(name), Answer::There(_));
        let all: Vec<String> = ["GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.2", "GLIBC_2.0"]
            .map(|version| format!("malloc@{version}"))
            .into();
        let version = all
            .iter()
            .find(|name| there(name))
            .unwrap_or_else(|| panic!("malloc has a version of those"));
        assert!(there("malloc") && there(&version.replace('@', "@@")), "{version}");
        assert!(!there("malloc@GLIBC_1.0") && !there("mallocs"));
        let Answer::Missing { near, .. } = libc.function("malloc@GLIBC_1.0") else { panic!() };
        assert_eq!(near, std::slice::from_ref(version));
    }
}
