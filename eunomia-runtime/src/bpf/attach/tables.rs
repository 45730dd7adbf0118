//! The tables of executables and libraries that libbpf walks to find functions and static probes.
//!
//! libbpf (1.7) divides by the size that a file names for its symbols, follows its versions
//! wherever they lead, reads the arguments of a static probe up to a NUL, and has libelf decompress
//! names. A file of another user could thus end the process or keep it busy for ever.

use std::{fs::File, io, os::unix::fs::FileExt as _};

/// More than any executable has: bytes of symbols and of their names, of other tables, and
/// segments.
const MOST_SYMBOLS: u64 = 1 << 30;
const MOST_BYTES: u64 = 16 << 20;
const MOST_SEGMENTS: u64 = 4096;
/// The steps from version to version, which libbpf repeats for each symbol of a name.
const MOST_STEPS: u64 = 1 << 28;
/// The longest name, and the longest arguments of a static probe.
const LONGEST_NAME: usize = 1 << 16;
const LONGEST_ARGUMENTS: usize = 4096;

// `elf.h`
const SHT_SYMTAB: u64 = 2;
const SHT_STRTAB: u64 = 3;
const SHT_DYNSYM: u64 = 11;
const SHT_GNU_VERDEF: u64 = 0x6fff_fffd;
const SHF_COMPRESSED: u64 = 0x800;
/// The size of a definition of a version, and the offset of the distance to the next one.
const VERDEF: usize = 20;
const VD_NEXT: usize = 16;
const PROBES: &[u8] = b".note.stapsdt\0";

/// Checks the tables of a file. It must not change between the check and the walk. A file that is
/// not an ELF file is left to libbpf.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if libbpf must not walk them; the errors of reading the file.
pub(super) fn check(file: &File) -> io::Result<()> {
    let mut header = [0; 64];
    if file.read_at(&mut header, 0)? < header.len() || !header.starts_with(b"\x7fELF") {
        return Ok(());
    }
    let [_, _, _, _, class, order, ..] = header;
    let native = if cfg!(target_endian = "little") { 1 } else { 2 };
    if !matches!(class, 1 | 2) || order != native {
        return Err(refused("it is for a machine with another byte order"));
    }
    let header = Record { bytes: &header, wide: class == 2 };
    let (segments, count) = (header.number((56, 2), (44, 2)), header.number((60, 2), (48, 2)));
    let (start, size) = (header.number((40, 8), (32, 4)), header.number((58, 2), (46, 2)));
    if segments > MOST_SEGMENTS {
        return Err(refused("it has too many segments"));
    }
    if start == 0 {
        return Ok(());
    }
    if count == 0 || size != if header.wide { 64 } else { 40 } {
        return Err(refused("no linker writes such a table of sections"));
    }
    let table = read(file, start, count * size)?;
    let sections: Vec<Section> = table
        .chunks_exact(usize::try_from(size).unwrap_or(usize::MAX))
        .map(|bytes| Section::of(&Record { bytes, ..header }))
        .collect();
    walk(file, &sections, header.number((62, 2), (50, 2)), header.wide)
}

/// Checks the sections. `names` is the index of the section with their names.
fn walk(file: &File, sections: &[Section], names: u64, wide: bool) -> io::Result<()> {
    let section = |index: u64| usize::try_from(index).ok().and_then(|index| sections.get(index));
    let titles = section(names).map_or(Ok(Vec::new()), |names| names.read(file))?;
    let is_probes = |section: &Section| {
        let title = usize::try_from(section.name).ok().and_then(|name| titles.get(name..));
        title.is_some_and(|title| title.starts_with(PROBES))
    };
    let (mut symbols, mut versions, mut texts) = (0_u64, 0, vec![names]);
    for section in sections {
        match section.kind {
            SHT_SYMTAB | SHT_DYNSYM => {
                if section.entry != if wide { 24 } else { 16 } || section.size > MOST_SYMBOLS {
                    return Err(refused("no linker writes such a table of symbols"));
                }
                // Names in the other table have their versions in them.
                if section.kind == SHT_DYNSYM {
                    symbols += section.size / section.entry;
                }
                texts.push(section.link);
            }
            SHT_GNU_VERDEF => {
                versions += count_versions(&section.read(file)?)?;
                texts.push(section.link);
            }
            _ if is_probes(section)
                && !section.has_ends(file, MOST_BYTES, LONGEST_ARGUMENTS)? =>
            {
                return Err(refused("the arguments of its static probes do not end"));
            }
            _ => {}
        }
    }
    if symbols.saturating_mul(versions) > MOST_STEPS {
        return Err(refused("it has too many versions of symbols"));
    }
    texts.sort_unstable();
    texts.dedup();
    // libelf finds names only in sections of this type.
    for names in texts.into_iter().filter_map(section).filter(|section| section.kind == SHT_STRTAB)
    {
        if names.flags & SHF_COMPRESSED != 0 {
            return Err(refused("its names are compressed"));
        }
        if !names.has_ends(file, MOST_SYMBOLS, LONGEST_NAME)? {
            return Err(refused("its names do not end"));
        }
    }
    Ok(())
}

/// Counts the definitions of versions, of which each names the distance to the next one.
fn count_versions(table: &[u8]) -> io::Result<u64> {
    let (mut at, mut count) = (0, 0);
    loop {
        let Some(bytes) = table.get(at..).filter(|rest| rest.len() >= VERDEF) else {
            return Ok(count);
        };
        count += 1;
        let next = Record { bytes, wide: true }.number((VD_NEXT, 4), (VD_NEXT, 4));
        // libbpf adds it as a number with a sign.
        match usize::try_from(next) {
            Ok(0) => return Ok(count),
            Ok(next) if next <= table.len() => at += next,
            _ => return Err(refused("its versions do not follow each other")),
        }
    }
}

/// The bytes of a header, whose members have other places and sizes in files of 64 and of 32 bits.
#[derive(Clone, Copy)]
struct Record<'a> {
    bytes: &'a [u8],
    wide: bool,
}

impl Record<'_> {
    /// Returns a member, given by its offset and size in both; 0 if it is outside.
    fn number(&self, wide: (usize, usize), narrow: (usize, usize)) -> u64 {
        let (at, size) = if self.wide { wide } else { narrow };
        let bytes = self.bytes.get(at..).and_then(|rest| rest.get(..size)).unwrap_or_default();
        match *bytes {
            [a, b] => u16::from_ne_bytes([a, b]).into(),
            [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]).into(),
            _ => bytes.try_into().map_or(0, u64::from_ne_bytes),
        }
    }
}

/// The header of a section.
struct Section {
    name: u64,
    kind: u64,
    flags: u64,
    start: u64,
    size: u64,
    link: u64,
    entry: u64,
}

impl Section {
    fn of(header: &Record<'_>) -> Self {
        Self {
            name: header.number((0, 4), (0, 4)),
            kind: header.number((4, 4), (4, 4)),
            flags: header.number((8, 8), (8, 4)),
            start: header.number((24, 8), (16, 4)),
            size: header.number((32, 8), (20, 4)),
            link: header.number((40, 4), (24, 4)),
            entry: header.number((56, 8), (36, 4)),
        }
    }

    fn read(&self, file: &File) -> io::Result<Vec<u8>> {
        if self.size > MOST_BYTES {
            return Err(refused("one of its tables is too large"));
        }
        read(file, self.start, self.size)
    }

    /// Reports whether the section has `most` bytes at most, ends with a NUL, and has a NUL after
    /// `longest` other bytes at the latest.
    fn has_ends(&self, file: &File, most: u64, longest: usize) -> io::Result<bool> {
        let (mut at, mut length) = (self.start, 0);
        let end = self.start.saturating_add(self.size);
        while at < end && self.size <= most {
            let part = read(file, at, (end - at).min(1 << 16))?;
            at += part.len() as u64;
            for byte in part {
                length = if byte == 0 { 0 } else { length + 1 };
                if length > longest {
                    return Ok(false);
                }
            }
        }
        Ok(length == 0 && self.size <= most)
    }
}

fn read(file: &File, at: u64, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, at).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => refused("one of its tables is not in the file"),
        _ => error,
    })?;
    Ok(bytes)
}

fn refused(why: &str) -> io::Error {
    let why = format!(
        "{why}, and libbpf must not read such a file of another user; copy it to a file of your own"
    );
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;

    /// Name, type, flags, contents, linked section, and size of an entry.
    type Part<'a> = (&'a str, u32, u64, &'a [u8], u32, u64);

    fn said(parts: &[Part<'_>]) -> Option<String> {
        let mut titles = b"\0".to_vec();
        let (mut file, mut headers) = (vec![0; 64], vec![0; 64]);
        for (name, kind, flags, contents, link, entry) in
            parts.iter().copied().chain([(".shstrtab", 3, 0, &b""[..], 0, 0)])
        {
            let title = titles.len() as u32;
            titles.extend(name.bytes().chain([0]));
            let contents = if name == ".shstrtab" { titles.clone() } else { contents.to_vec() };
            headers.extend([title, kind].iter().flat_map(|word| word.to_ne_bytes()));
            let numbers = [flags, 0, file.len() as u64, contents.len() as u64];
            headers.extend(numbers.iter().flat_map(|word| word.to_ne_bytes()));
            headers.extend([link, 0].iter().flat_map(|word| word.to_ne_bytes()));
            headers.extend([8, entry].iter().flat_map(|word| word.to_ne_bytes()));
            file.extend(contents);
        }
        let start = file.len() as u64;
        file.extend(headers);
        let order = if cfg!(target_endian = "little") { 1 } else { 2 };
        let count = parts.len() as u16 + 2;
        let mut header = [b"\x7fELF\x02", &[order, 1][..], &[0; 33]].concat();
        header.extend(start.to_ne_bytes());
        header.extend([0_u16, 0, 64, 56, 1, 64, count, count - 1].map(u16::to_ne_bytes).concat());
        file.splice(..64, header);
        let path = std::env::temp_dir().join(format!("eunomia-tables-{}", std::process::id()));
        File::create(&path).unwrap().write_all(&file).unwrap();
        let said = check(&File::open(&path).unwrap()).err().map(|error| error.to_string());
        fs::remove_file(path).unwrap();
        said.map(|said| said.split(", and libbpf").next().unwrap().to_owned())
    }

    #[test]
    fn tables_that_would_end_the_process_are_refused() {
        let symbols = &[0; 48][..];
        let version = |next: i32| {
            let mut bytes = vec![0; VERDEF];
            bytes.splice(VD_NEXT.., next.to_ne_bytes());
            bytes
        };
        let (forth, back) = (version(20), version(-20));
        let versions = [&forth[..], &version(0)].concat();
        let endless = [&forth[..], &back].concat();
        let long = [&b"a".repeat(LONGEST_NAME + 1)[..], b"\0"].concat();
        let names = (".strtab", 3, 0, &b"\0f\0"[..], 0, 0);
        let functions = (".symtab", 2, 0, symbols, 2, 24);
        for (parts, expected) in [
            (vec![functions, names], None),
            (
                vec![(".symtab", 2, 0, symbols, 2, 0), names],
                Some("no linker writes such a table of symbols"),
            ),
            (
                vec![functions, (".strtab", 3, 0x800, &b"\0f\0"[..], 0, 0)],
                Some("its names are compressed"),
            ),
            (vec![functions, (".strtab", 3, 0, &b"\0f"[..], 0, 0)], Some("its names do not end")),
            (vec![functions, (".strtab", 3, 0, &long, 0, 0)], Some("its names do not end")),
            (vec![(".gnu.version_d", 0x6fff_fffd, 0, &versions, 2, 0), names], None),
            (
                vec![(".gnu.version_d", 0x6fff_fffd, 0, &endless, 2, 0), names],
                Some("its versions do not follow each other"),
            ),
            (vec![(".note.stapsdt", 7, 0, &b"\0%eax\0"[..], 0, 0)], None),
            (vec![(".note.gnu.build-id", 7, 0, &b"\0%eax"[..], 0, 0)], None),
            (
                vec![(".note.stapsdt", 7, 0, &b"\0%eax"[..], 0, 0)],
                Some("the arguments of its static probes do not end"),
            ),
        ] {
            let case: Vec<_> = parts.iter().map(|part| part.0).collect();
            assert_eq!(said(&parts).as_deref(), expected, "{case:?}");
        }
    }

    #[test]
    fn executables_of_the_machine_are_accepted() {
        check(&File::open("/proc/self/exe").unwrap()).unwrap();
        check(&File::open("/bin/sh").unwrap()).unwrap();
    }
}
