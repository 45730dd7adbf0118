//! Copies of the parts of an executable that hold symbols.
//!
//! A file that another user can change must not be mapped: if the file shrinks, reading the mapping
//! ends the process (SIGBUS). The parts are copied with bounds into a sealed file in memory, which
//! is an ELF file of its own. It has no links to other files (`.gnu_debuglink`,
//! `.gnu_debugaltlink`, `.debug_sup`), which an attacker could point at a FIFO, and no compressed
//! sections, which could grow without bound.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use elf::{
    abi,
    compression::CompressionHeader,
    endian::NativeEndian,
    file::{Class, FileHeader, parse_ident},
    parse::ParseAt,
    section::SectionHeader,
    segment::ProgramHeader,
};
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::writer::Writer;

/// A copy, and facts from the headers of the original.
pub(super) struct Copy {
    pub(super) file: File,
    pub(super) bytes: u64,
    /// True if the copy has debug information.
    pub(super) has_debug: bool,
    pub(super) loads: Vec<Load>,
    pub(super) build_id: Option<Vec<u8>>,
}

/// A part of the file that is mapped when the program runs.
pub(super) struct Load {
    offset: u64,
    size: u64,
    address: u64,
}

/// Real executables have fewer than a hundred headers.
const MOST_HEADERS: u64 = 4096;
const MOST_NAMES: u64 = 1 << 20;
const LONGEST_NAME: usize = 64;
/// The symbols of Chrome take less, even with all of its symbols.
const MOST_SYMBOLS: u64 = 64 << 20;
/// A file with more debug information is used with its symbol table only.
const MOST_DEBUG: u64 = 256 << 20;
const MOST_NOTES: u64 = 1 << 16;

const SYMBOLS: [&str; 4] = [".symtab", ".strtab", ".dynsym", ".dynstr"];

impl Copy {
    /// Copies the symbol tables, and the debug information if `with_debug` is set and it is not too
    /// large.
    ///
    /// # Errors
    /// The errors of reading, and [`io::ErrorKind::InvalidData`] if the file is not an ELF file of
    /// this machine's byte order or exceeds the bounds.
    pub(super) fn new(from: &File, with_debug: bool) -> io::Result<Self> {
        let source = Original::new(from)?;
        let sections = source.sections()?;
        let symbols: Vec<_> = select(&sections, |name| SYMBOLS.contains(&name)).collect();
        if symbols.iter().map(|(_, header)| header.sh_size).fold(0, u64::saturating_add)
            > MOST_SYMBOLS
        {
            return Err(invalid());
        }
        let debug: Vec<_> =
            select(&sections, |name| name.starts_with(".debug_") && name != ".debug_sup")
                .filter(|_| with_debug)
                .collect();
        let mut writer = Writer::new(&source.header)?;
        for (name, header) in symbols {
            writer.copy(name, header, from)?;
        }
        // Debug information is copied completely or not, because parts of it are of no use.
        let has_debug = !debug.is_empty() && source.debug(&debug, &mut writer)?;
        let (file, bytes) = writer.finish()?;
        Ok(Self {
            file,
            bytes,
            has_debug,
            loads: source.loads()?,
            build_id: source.build_id(&sections),
        })
    }
}

impl Load {
    /// Returns the address, as the symbol table counts it, of an offset in the file.
    pub(super) fn address(&self, offset: u64) -> Option<u64> {
        let inside = offset.checked_sub(self.offset).filter(|inside| *inside < self.size)?;
        self.address.checked_add(inside)
    }
}

type Section = (String, SectionHeader);

/// Returns the first section with each name that `is_selected` accepts, if it has contents.
fn select(
    sections: &[Section],
    is_selected: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (&str, &SectionHeader)> {
    let mut seen = std::collections::HashSet::new();
    let has_contents = |header: &SectionHeader| {
        header.sh_type != abi::SHT_NOBITS && header.sh_type != abi::SHT_NULL
    };
    let named = sections.iter().map(|(name, header)| (name.as_str(), header));
    named.filter(move |(name, header)| {
        is_selected(name) && has_contents(header) && seen.insert(name.to_owned())
    })
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// The file that is copied.
struct Original<'f> {
    file: &'f File,
    header: FileHeader<NativeEndian>,
}

impl<'f> Original<'f> {
    fn new(file: &'f File) -> io::Result<Self> {
        let ident = read(file, 0, abi::EI_NIDENT as u64)?;
        let ident = parse_ident::<NativeEndian>(&ident).map_err(|_| invalid())?;
        let tail = if ident.1 == Class::ELF32 { 36 } else { 48 };
        let tail = read(file, abi::EI_NIDENT as u64, tail)?;
        let header = FileHeader::parse_tail(ident, &tail).map_err(|_| invalid())?;
        Ok(Self { file, header })
    }

    fn table<T: ParseAt>(&self, at: u64, count: u64) -> io::Result<Vec<T>> {
        if count > MOST_HEADERS {
            return Err(invalid());
        }
        let bytes = read(self.file, at, count * T::size_for(self.header.class) as u64)?;
        let mut offset = 0;
        (0..count)
            .map(|_| {
                T::parse_at(NativeEndian, self.header.class, &mut offset, &bytes)
                    .map_err(|_| invalid())
            })
            .collect()
    }

    fn loads(&self) -> io::Result<Vec<Load>> {
        let headers: Vec<ProgramHeader> =
            self.table(self.header.e_phoff, self.header.e_phnum.into())?;
        let loads = headers.iter().filter(|header| header.p_type == abi::PT_LOAD);
        Ok(loads
            .map(|header| Load {
                offset: header.p_offset,
                size: header.p_filesz,
                address: header.p_vaddr,
            })
            .collect())
    }

    fn sections(&self) -> io::Result<Vec<Section>> {
        let FileHeader { e_shoff, e_shnum, e_shstrndx, .. } = self.header;
        let headers: Vec<SectionHeader> = self.table(e_shoff, e_shnum.into())?;
        let Some(names) = headers.get(usize::from(e_shstrndx)) else { return Ok(Vec::new()) };
        if names.sh_size > MOST_NAMES {
            return Err(invalid());
        }
        let names = read(self.file, names.sh_offset, names.sh_size)?;
        let name = |header: &SectionHeader| {
            let name = names.get(usize::try_from(header.sh_name).ok()?..)?;
            // No section name that is looked up is longer. A file may give every section a name
            // without an end.
            let name = name.get(..LONGEST_NAME).unwrap_or(name);
            let end = name.iter().position(|byte| *byte == 0)?;
            std::str::from_utf8(name.get(..end)?).ok().map(str::to_owned)
        };
        Ok(headers.into_iter().filter_map(|header| Some((name(&header)?, header))).collect())
    }

    /// Copies debug information and inflates compressed sections. Returns false and copies nothing
    /// if it is too large or cannot be inflated.
    fn debug(&self, sections: &[(&str, &SectionHeader)], writer: &mut Writer) -> io::Result<bool> {
        let before = writer.mark()?;
        let mut left = MOST_DEBUG;
        for (name, header) in sections {
            let Some(rest) = left.checked_sub(header.sh_size) else {
                return writer.cut(before).map(|()| false);
            };
            left = rest;
            if header.sh_flags & u64::from(abi::SHF_COMPRESSED) == 0 {
                writer.copy(name, header, self.file)?;
                continue;
            }
            let Some(bytes) = self.inflated(header, left)? else {
                return writer.cut(before).map(|()| false);
            };
            left = left.saturating_sub(bytes.len() as u64);
            writer.section(name, header.sh_type, &bytes)?;
        }
        Ok(true)
    }

    fn inflated(&self, header: &SectionHeader, most: u64) -> io::Result<Option<Vec<u8>>> {
        let bytes = read(self.file, header.sh_offset, header.sh_size)?;
        let mut start = 0;
        let Ok(compression) =
            CompressionHeader::parse_at(NativeEndian, self.header.class, &mut start, &bytes)
        else {
            return Ok(None);
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let deflated = bytes.get(start..).unwrap_or_default();
        Ok((compression.ch_type == abi::ELFCOMPRESS_ZLIB)
            .then(|| decompress_to_vec_zlib_with_limit(deflated, most).ok())
            .flatten())
    }

    /// Returns the build id, which also names the file with the debug information.
    fn build_id(&self, sections: &[Section]) -> Option<Vec<u8>> {
        let (_, header) = select(sections, |name| name == ".note.gnu.build-id").next()?;
        let note = read(self.file, header.sh_offset, header.sh_size.min(MOST_NOTES)).ok()?;
        // The note has the sizes of name and contents, the type, the name `GNU`, then the contents.
        let size = u32::from_ne_bytes(note.get(4..8)?.try_into().ok()?);
        note.get(16..)?
            .get(..usize::try_from(size).ok()?)
            .filter(|id| id.len() > 2)
            .map(<[u8]>::to_vec)
    }
}

/// Reads `size` bytes at an offset; the caller bounds `size`.
fn read(file: &File, at: u64, size: u64) -> io::Result<Vec<u8>> {
    let end = at.checked_add(size).ok_or_else(invalid)?;
    // Checked before memory is allocated for bytes that the file does not have.
    if end > file.metadata()?.len() {
        return Err(invalid());
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(|_| invalid())?];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}
