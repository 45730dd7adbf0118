//! Functions and static probes of programs and libraries, found as libbpf finds them (its elf.c and usdt.c).
//!
//! Which file is read says an object, which is anybody's: a file that is none of a disk is not opened at all.

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

/// What a file says.
pub(crate) enum Answer {
    /// It has it: where the file is.
    There(String),
    /// There is no such file, or none that has functions.
    NoFile(String),
    /// It does not have it: what it has that is like it, or all where these are few.
    Missing {
        why: String,
        near: Vec<String>,
        all: Vec<String>,
    },
    Untold(String),
}

/// A program or library.
pub(crate) struct Binary {
    /// Where it was found.
    place: String,
    bytes: Vec<u8>,
}

type File64<'a> = ElfBytes<'a, AnyEndian>;

impl Binary {
    /// Reads a file. libbpf looks for one without a folder where programs and libraries are.
    pub(crate) fn read(path: &str) -> Result<Self, Answer> {
        if path.contains("!/") {
            return Err(Answer::Untold(format!("{path} is in an archive, which is not looked into")));
        }
        let place = if path.contains('/') { path.to_owned() } else { found(path)? };
        match contents(Path::new(&place)) {
            Ok(bytes) => Ok(Self { place, bytes }),
            Err(Refused::Not(why)) => Err(Answer::NoFile(format!("{place}: {why}"))),
            Err(Refused::Untold(why)) => Err(Answer::Untold(format!("{place}: {why}"))),
        }
    }

    fn parse(&self) -> Result<File64<'_>, Answer> {
        ElfBytes::minimal_parse(&self.bytes).map_err(|_| Answer::NoFile(format!("{} is no ELF file", self.place)))
    }

    /// Whether it has a function, `name`, `name@VERSION` or `name@@VERSION`.
    pub(crate) fn function(&self, wanted: &str) -> Answer {
        // `@@` is the version that is taken where none is named, and is looked for in the same way.
        let (name, version) = match wanted.split_once('@') {
            Some((name, version)) => (name, Some(version.strip_prefix('@').unwrap_or(version))),
            None => (wanted, None),
        };
        let file = match self.parse() {
            Ok(file) => file,
            Err(answer) => return answer,
        };
        let (mut names, mut versions, mut chosen) = (BTreeSet::new(), BTreeSet::new(), false);
        for (dynamic, symbols, strings) in tables(&file) {
            // By what libbpf takes for the place in the file: whether one that is not weak is there.
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
                    // Others have their version in their names.
                    Some(_) => own == Some(wanted),
                };
                if let Some(offset) = matches.then(|| offset(&file, &symbol)).flatten().filter(|offset| *offset != 0) {
                    *offsets.entry(offset).or_default() |= symbol.st_bind() != STB_WEAK;
                }
            }
            if offsets.values().filter(|strong| **strong).count() > 1 {
                let why = format!("{} has several functions of this name, and libbpf takes none of them", self.place);
                return Answer::Missing { why, near: Vec::new(), all: Vec::new() };
            }
            if !offsets.is_empty() {
                return Answer::There(self.place.clone());
            }
        }
        if !versions.is_empty() {
            let near = versions.iter().map(|version| format!("{name}@{version}")).collect();
            return Answer::Missing { why: format!("{} has no such version of it", self.place), near, all: Vec::new() };
        }
        let why = match (chosen, names.is_empty()) {
            (true, _) => format!("{} chooses it from several when it is loaded (IFUNC), which libbpf does not follow", self.place),
            (false, true) => format!("no symbol of {}, which is stripped", self.place),
            (false, false) => format!("no symbol of {}, which may be stripped", self.place),
        };
        let near = similar(name, names.iter().copied()).into_iter().map(str::to_owned).collect();
        Answer::Missing { why, near, all: Vec::new() }
    }

    /// Whether it has functions that are wanted.
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
        Answer::Missing { why: format!("no symbol of {}, which may be stripped", self.place), near: Vec::new(), all: Vec::new() }
    }

    /// Whether it has a static probe.
    pub(crate) fn probe(&self, provider: &str, probe: &str) -> Answer {
        let file = match self.parse() {
            Ok(file) => file,
            Err(answer) => return answer,
        };
        let section = match file.section_header_by_name(".note.stapsdt") {
            Ok(Some(section)) => section,
            Ok(None) => return Answer::NoFile(format!("{} has no static probes", self.place)),
            Err(_) => return Answer::Untold(format!("the sections of {} cannot be read", self.place)),
        };
        let Ok(notes) = file.section_data_as_notes(&section) else {
            return Answer::Untold(format!("the notes of {} cannot be read", self.place));
        };
        let mut all = BTreeSet::new();
        for note in notes {
            let elf::note::Note::Unknown(note) = note else { continue };
            // Three addresses of the file's class, then texts: provider, name, arguments.
            let addresses = if file.ehdr.class == elf::file::Class::ELF64 { 24 } else { 12 };
            let mut texts = note.desc.get(addresses..).unwrap_or_default().split(|byte| *byte == 0).map(String::from_utf8_lossy);
            let (Some(of), Some(name)) = (texts.next(), texts.next()) else { continue };
            if of == provider && name == probe {
                return Answer::There(self.place.clone());
            }
            all.insert(format!("{of}:{name}"));
        }
        let wanted = format!("{provider}:{probe}");
        let near = similar(&wanted, all.iter().map(String::as_str)).into_iter().map(str::to_owned).collect();
        Answer::Missing { why: format!("no static probe of {}", self.place), near, all: all.into_iter().collect() }
    }
}

type Table<'a> = (bool, SymbolTable<'a, AnyEndian>, StringTable<'a>);

/// The tables of symbols, in the order of libbpf, and whether it is that of the dynamic linker.
fn tables<'a>(file: &File64<'a>) -> Vec<Table<'a>> {
    let dynamic = file.dynamic_symbol_table().ok().flatten().map(|(symbols, strings)| (true, symbols, strings));
    let plain = file.symbol_table().ok().flatten().map(|(symbols, strings)| (false, symbols, strings));
    dynamic.into_iter().chain(plain).collect()
}

/// The version of a symbol of the dynamic linker.
fn version_of(file: &File64<'_>, index: usize) -> Option<String> {
    let table = file.symbol_version_table().ok()??;
    let mut definition = table.get_definition(index).ok()??;
    definition.names.next()?.ok().map(str::to_owned)
}

/// Where in the file a symbol is.
fn offset(file: &File64<'_>, symbol: &Symbol) -> Option<u64> {
    let section = file.section_headers()?.get(symbol.st_shndx.into()).ok()?;
    Some(symbol.st_value.wrapping_sub(section.sh_addr).wrapping_add(section.sh_offset))
}

/// Where a file without a folder is.
fn found(name: &str) -> Result<String, Answer> {
    let library = name.ends_with(".so") || name.contains(".so.");
    let (variable, places, access) = match library {
        true => ("LD_LIBRARY_PATH", format!("/usr/lib64:/usr/lib:/lib/{0}:/usr/lib/{0}", libraries()), Access::READ_OK),
        false => ("PATH", "/usr/bin:/usr/sbin".to_owned(), Access::READ_OK | Access::EXEC_OK),
    };
    // libbpf looks there whoever started the process, and what is to be told is what libbpf does.
    let places = format!("{}:{places}", env::var(variable).unwrap_or_default());
    let mut files = places.split(':').filter(|folder| !folder.is_empty()).map(|folder| format!("{folder}/{name}"));
    let found = files.find(|file| accessat(CWD, file, access, AtFlags::EACCESS).is_ok());
    found.ok_or_else(|| Answer::NoFile(format!("there is no {name} in the folders of {variable}, nor where Linux keeps such files")))
}

/// Debian's folder of this architecture, as libbpf has it.
fn libraries() -> String {
    format!("{}-linux-gnu", env::consts::ARCH)
}

/// Why a file was not read.
enum Refused {
    /// It is no program or library.
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

/// The bytes of a file.
fn contents(path: &Path) -> Result<Vec<u8>, Refused> {
    /// More than programs and libraries have, those with debug information aside.
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

    /// Opening one of them would wait for ever, never end, or do something.
    #[test]
    fn files_that_are_no_files_are_not_opened() {
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
            ("/proc/self/status".to_owned(), "it is generated by the kernel, like those of /proc and /sys, and is not opened"),
            ("/proc/kmsg".to_owned(), "it is generated by the kernel, like those of /proc and /sys, and is not opened"),
            ("/proc/self".to_owned(), "it is a folder"),
            (path("none"), "No such file or directory (os error 2)"),
        ] {
            assert_eq!(why(&path), format!("{path}: {expected}"));
        }
        assert!(matches!(Binary::read(&path("empty")).unwrap_or_else(|_| panic!()).function("main"), Answer::NoFile(_)));
        // What the kernel shows in another place is a file all the same.
        assert!(Binary::read("/proc/self/exe").is_ok());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn versions_of_symbols() {
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
