//! Functions and static probes of programs and libraries.

use std::{env, fs, io, path::Path};

use elf::{ElfBytes, endian::AnyEndian, string_table::StringTable, symbol::SymbolTable};

/// What a file says.
pub(super) enum Answer {
    /// It has it: where the file is.
    There(String),
    Missing(String),
    Untold(String),
}

/// Whether a program or library has a function; only whether it is there where the function has no name.
pub(super) fn function(path: &str, name: &str, is: impl Fn(&str) -> bool) -> Answer {
    let (place, bytes) = match read(path) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    if name.is_empty() {
        return Answer::There(place);
    }
    let Ok(file) = ElfBytes::<AnyEndian>::minimal_parse(&bytes) else { return Answer::Missing(format!("{place} is no ELF file")) };
    let tables = [file.symbol_table(), file.dynamic_symbol_table()];
    let (mut broken, mut found) = (false, false);
    for table in tables {
        match table {
            Ok(Some((symbols, strings))) => found |= has(&symbols, &strings, &is),
            Ok(None) => {}
            Err(_) => broken = true,
        }
    }
    match (found, broken) {
        (true, _) => Answer::There(place),
        (false, true) => Answer::Untold(format!("the symbols of {place} cannot be read")),
        (false, false) => Answer::Missing(format!("no symbol of {place}, which may be stripped")),
    }
}

fn has(symbols: &SymbolTable<'_, AnyEndian>, strings: &StringTable<'_>, is: impl Fn(&str) -> bool) -> bool {
    let defined = symbols.iter().filter(|symbol| symbol.st_shndx != 0);
    // A version may stand behind the name.
    let mut names = defined.filter_map(|symbol| strings.get(symbol.st_name as usize).ok());
    names.any(|name| is(name) || name.split_once('@').is_some_and(|(name, _)| is(name)))
}

/// Whether a program or library has a static probe.
pub(super) fn probe(path: &str, provider: &str, name: &str) -> Answer {
    let (place, bytes) = match read(path) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let Ok(file) = ElfBytes::<AnyEndian>::minimal_parse(&bytes) else { return Answer::Missing(format!("{place} is no ELF file")) };
    let section = match file.section_header_by_name(".note.stapsdt") {
        Ok(Some(section)) => file.section_data(&section),
        Ok(None) => return Answer::Missing(format!("{place} has no static probes")),
        Err(error) => Err(error),
    };
    let Ok((notes, _)) = section else { return Answer::Untold(format!("the notes of {place} cannot be read")) };
    // A note ends with three texts: provider, name, arguments.
    let wanted = format!("{provider}\0{name}\0");
    match notes.windows(wanted.len()).any(|window| window == wanted.as_bytes()) {
        true => Answer::There(place),
        false => Answer::Missing(format!("no static probe of {place}")),
    }
}

/// The file, and where it was found: libbpf looks for one without a folder where programs and libraries are.
fn read(path: &str) -> Result<(String, Vec<u8>), Answer> {
    if path.contains("!/") {
        return Err(Answer::Untold(format!("{path} is in an archive, which is not looked into")));
    }
    let place = if path.contains('/') {
        path.to_owned()
    } else {
        let library = path.ends_with(".so") || path.contains(".so.");
        let (variable, places) = match library {
            true => ("LD_LIBRARY_PATH", format!("/usr/lib64:/usr/lib:/lib/{0}:/usr/lib/{0}", libraries())),
            false => ("PATH", "/usr/bin:/usr/sbin".to_owned()),
        };
        let places = format!("{}:{places}", env::var(variable).unwrap_or_default());
        let mut files = places.split(':').filter(|folder| !folder.is_empty()).map(|folder| format!("{folder}/{path}"));
        match files.find(|file| Path::new(file).exists()) {
            Some(file) => file,
            None => {
                return Err(Answer::Missing(format!("there is no {path} in the folders of {variable}, nor where Linux keeps such files")));
            }
        }
    };
    match fs::read(&place) {
        Ok(bytes) => Ok((place, bytes)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Answer::Untold(format!("{place}: {error}"))),
        Err(error) => Err(Answer::Missing(format!("{place}: {error}"))),
    }
}

/// Debian's folder of this architecture, as libbpf has it.
fn libraries() -> String {
    format!("{}-linux-gnu", env::consts::ARCH)
}
