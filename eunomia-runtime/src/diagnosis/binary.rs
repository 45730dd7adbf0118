//! Functions and static probes (USDT) of executables and libraries, looked up as in libbpf (its
//! elf.c and usdt.c).
//!
//! The object names the file, and objects are untrusted: only regular files on disk are opened.

mod function;
mod names;
mod probe;

use std::{io, path::Path};

use elf::{ElfBytes, abi::STT_FUNC, endian::AnyEndian};

use crate::{file, host::search};
use function::Search;
use names::{Texts, tables};

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

/// An executable or library.
pub(crate) struct Binary {
    /// The path at which it was found.
    place: String,
    bytes: Vec<u8>,
}

type File64<'a> = ElfBytes<'a, AnyEndian>;

impl Binary {
    /// Reads a file. libbpf searches the directories of executables and libraries for a name
    /// without a slash.
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

    /// Looks up a function, `name`, `name@VERSION` or `name@@VERSION`.
    pub(crate) fn function(&self, requested: &str) -> Answer {
        match self.parse() {
            Ok(file) => Search::new(self, &file, requested).run(),
            Err(answer) => answer,
        }
    }

    /// Returns whether the file has a function whose name satisfies the predicate.
    pub(crate) fn functions(&self, is: impl Fn(&str) -> bool) -> Answer {
        let file = match self.parse() {
            Ok(file) => file,
            Err(answer) => return answer,
        };
        for (_, symbols, strings) in tables(&file) {
            let mut texts = Texts::new(self, strings);
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
}

/// Searches the directories of programs or libraries for a file.
fn found(name: &str) -> Result<String, Answer> {
    let search = search::Search::of(name);
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
    Ok(file::read_of_any_user(path, MAX)?)
}

#[cfg(test)]
mod tests;
