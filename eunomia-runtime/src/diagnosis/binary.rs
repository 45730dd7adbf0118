//! Functions and static probes (USDT) of programs and libraries, looked up as in libbpf (its elf.c
//! and usdt.c).
//!
//! The object names the file, and objects are untrusted: only regular files on disk are opened.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, io,
    path::Path,
};

use elf::{
    ElfBytes,
    abi::{STB_WEAK, STT_FUNC, STT_GNU_IFUNC},
    endian::AnyEndian,
    string_table::StringTable,
    symbol::{Symbol, SymbolTable},
};
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::similar::similar;
use crate::file;

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
            Err(Refused::Not(why)) => Err(Answer::NoFile(format!("{place}: {why}"))),
            Err(Refused::Untold(why)) => Err(Answer::Untold(format!("{place}: {why}"))),
        }
    }

    fn parse(&self) -> Result<File64<'_>, Answer> {
        ElfBytes::minimal_parse(&self.bytes).map_err(|_| Answer::NoFile(format!("{} is not an ELF file", self.place)))
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
        for (dynamic, symbols, strings) in tables(&file) {
            // Keyed by the file offset as libbpf computes it; true if a symbol there is not weak.
            let mut offsets = BTreeMap::<u64, bool>::new();
            for (index, symbol) in symbols.iter().enumerate() {
                let Ok(known) = strings.get(symbol.st_name as usize) else { continue };
                let (short, own) = known.split_once('@').map_or((known, None), |(short, _)| (short, Some(known)));
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
                        let found = version_of(&file, index);
                        let same = found.as_deref() == Some(version);
                        versions.extend(found);
                        same
                    }
                    // Symbols of the other table have their version in their names.
                    Some(_) => own == Some(requested),
                };
                if let Some(offset) = matches.then(|| offset(&file, &symbol)).flatten().filter(|offset| *offset != 0) {
                    *offsets.entry(offset).or_default() |= symbol.st_bind() != STB_WEAK;
                }
            }
            if offsets.values().filter(|strong| **strong).count() > 1 {
                let why = format!("{} has several functions of this name, and libbpf accepts none of them", self.place);
                return Answer::Missing { why, near: Vec::new(), all: Vec::new() };
            }
            if !offsets.is_empty() {
                return Answer::There(self.place.clone());
            }
        }
        if !versions.is_empty() {
            let near = versions.iter().map(|version| format!("{name}@{version}")).collect();
            return Answer::Missing { why: format!("{} has no such version of the function", self.place), near, all: Vec::new() };
        }
        let why = match (chosen, names.is_empty()) {
            (true, _) => format!("{} chooses its implementation when it is loaded (IFUNC), which libbpf does not follow", self.place),
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
        let found = tables(&file).into_iter().any(|(_, symbols, strings)| {
            let functions = symbols.iter().filter(|symbol| symbol.st_symtype() == STT_FUNC && !symbol.is_undefined());
            let mut names = functions.filter_map(|symbol| strings.get(symbol.st_name as usize).ok());
            names.any(&is)
        });
        if found {
            return Answer::There(self.place.clone());
        }
        Answer::Missing { why: format!("not a symbol of {}, which may be stripped", self.place), near: Vec::new(), all: Vec::new() }
    }

    /// Looks up a static probe.
    pub(crate) fn probe(&self, provider: &str, probe: &str) -> Answer {
        let file = match self.parse() {
            Ok(file) => file,
            Err(answer) => return answer,
        };
        let section = match file.section_header_by_name(".note.stapsdt") {
            Ok(Some(section)) => section,
            Ok(None) => return Answer::NoFile(format!("{} has no static probes", self.place)),
            Err(_) => return Answer::Untold(format!("cannot read the sections of {}", self.place)),
        };
        let Ok(notes) = file.section_data_as_notes(&section) else {
            return Answer::Untold(format!("cannot read the notes of {}", self.place));
        };
        let mut all = BTreeSet::new();
        for note in notes {
            let elf::note::Note::Unknown(note) = note else { continue };
            // Three addresses of the file's class, then strings: provider, name, arguments.
            let addresses = if file.ehdr.class == elf::file::Class::ELF64 { 24 } else { 12 };
            let mut texts = note.desc.get(addresses..).unwrap_or_default().split(|byte| *byte == 0).map(String::from_utf8_lossy);
            let (Some(owner), Some(name)) = (texts.next(), texts.next()) else { continue };
            if owner == provider && name == probe {
                return Answer::There(self.place.clone());
            }
            all.insert(format!("{owner}:{name}"));
        }
        let requested = format!("{provider}:{probe}");
        let near = similar(&requested, all.iter().map(String::as_str)).into_iter().map(str::to_owned).collect();
        Answer::Missing { why: format!("not a static probe of {}", self.place), near, all: all.into_iter().collect() }
    }
}

type Table<'a> = (bool, SymbolTable<'a, AnyEndian>, StringTable<'a>);

/// Returns the symbol tables in libbpf's order, each with whether it is that of the dynamic linker.
fn tables<'a>(file: &File64<'a>) -> Vec<Table<'a>> {
    let dynamic = file.dynamic_symbol_table().ok().flatten().map(|(symbols, strings)| (true, symbols, strings));
    let plain = file.symbol_table().ok().flatten().map(|(symbols, strings)| (false, symbols, strings));
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
    let library = name.ends_with(".so") || name.contains(".so.");
    let (variable, places, access) = match library {
        true => ("LD_LIBRARY_PATH", format!("/usr/lib64:/usr/lib:/lib/{0}:/usr/lib/{0}", libraries()), Access::READ_OK),
        false => ("PATH", "/usr/bin:/usr/sbin".to_owned(), Access::READ_OK | Access::EXEC_OK),
    };
    // libbpf searches these whoever started the process, and the result must match libbpf's.
    let places = format!("{}:{places}", env::var(variable).unwrap_or_default());
    let mut files = places.split(':').filter(|folder| !folder.is_empty()).map(|folder| format!("{folder}/{name}"));
    let found = files.find(|file| accessat(CWD, file, access, AtFlags::EACCESS).is_ok());
    found.ok_or_else(|| Answer::NoFile(format!("{name} is not in the directories of {variable}, nor in the default ones")))
}

/// Returns Debian's library directory of this architecture, as libbpf does.
fn libraries() -> String {
    format!("{}-linux-gnu", env::consts::ARCH)
}

/// Why a file was not read.
enum Refused {
    /// It is not a program or library.
    Not(String),
    /// It may be one.
    Untold(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::FileTooLarge => Self::Untold(error.to_string()),
            _ => Self::Not(error.to_string()),
        }
    }
}

/// Reads a file.
fn contents(path: &Path) -> Result<Vec<u8>, Refused> {
    /// More than any program or library has without debug information.
    const MAX: u64 = 512 << 20;
    Ok(file::read(path, MAX)?)
}

#[cfg(test)]
mod tests {
    use std::{fs, fs::File, os::unix::net::UnixListener, process, process::Command};

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
            ("/proc/self/status".to_owned(), "it is made up by the kernel, like those of /proc and /sys, and is not opened"),
            ("/proc/kmsg".to_owned(), "it is made up by the kernel, like those of /proc and /sys, and is not opened"),
            ("/proc/self".to_owned(), "it is a folder"),
            (path("none"), "No such file or directory (os error 2)"),
        ] {
            assert_eq!(why(&path), format!("{path}: {expected}"));
        }
        assert!(matches!(Binary::read(&path("empty")).unwrap_or_else(|_| panic!()).function("main"), Answer::NoFile(_)));
        // A link of procfs to a regular file is accepted.
        assert!(Binary::read("/proc/self/exe").is_ok());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn symbol_versions_are_matched() {
        let Ok(libc) = Binary::read("libc.so.6") else { panic!("the C library is there") };
        let there = |name: &str| matches!(libc.function(name), Answer::There(_));
        let all: Vec<String> = ["GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.2", "GLIBC_2.0"].map(|version| format!("malloc@{version}")).into();
        let version = all.iter().find(|name| there(name)).unwrap_or_else(|| panic!("malloc has a version of those"));
        assert!(there("malloc") && there(&version.replace('@', "@@")), "{version}");
        assert!(!there("malloc@GLIBC_1.0") && !there("mallocs"));
        let Answer::Missing { near, .. } = libc.function("malloc@GLIBC_1.0") else { panic!() };
        assert_eq!(near, std::slice::from_ref(version));
    }
}
