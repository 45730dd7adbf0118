//! The lengths of the strings in a file with BTF, before libbpf parses it. libbpf compares the names
//! of all types with each other, and each may be a part of one string of megabytes: that would take
//! hours.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use crate::file::MOST;

/// The longest string. The names of a kernel's types have 511 bytes at most.
const LONGEST: u64 = 4096;

/// Reports whether the strings of a file are short: of a file of BTF, or of every section of an ELF
/// file that begins as BTF does. A file whose sections cannot be told has none.
pub(super) fn are_short(file: &File) -> bool {
    let len = file.metadata().map_or(0, |about| about.len());
    let is_elf = bytes::<4>(file, 0).is_ok_and(|magic| magic == *b"\x7fELF");
    // The smallest header of an ELF file. libelf refuses a shorter file, and so does libbpf.
    const HEADER: u64 = 52;
    if is_elf && len < HEADER {
        return true;
    }
    let parts = if is_elf { sections(file) } else { Ok(vec![(0, len)]) };
    // The sections of an ELF file may overlap.
    let mut left = 2 * MOST;
    parts.is_ok_and(|parts| {
        parts.into_iter().all(|(start, len)| is_short(file, start, len, &mut left).unwrap_or(false))
    })
}

/// Returns the start and the length of each section that begins with the magic number of BTF, in
/// either byte order.
fn sections(file: &File) -> io::Result<Vec<(u64, u64)>> {
    let [.., class, order] = bytes::<6>(file, 0)?;
    let number = |at: u64, size: usize| -> io::Result<u64> {
        let mut bytes = bytes::<8>(file, at).or_else(|_| {
            // The number may be at the end of the file.
            let mut bytes = [0; 8];
            file.read_exact_at(bytes.get_mut(..size).unwrap_or_default(), at)?;
            Ok::<_, io::Error>(bytes)
        })?;
        let number = bytes.get_mut(..size).unwrap_or_default();
        if order == 2 {
            number.reverse();
        }
        Ok(number.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    // `e_shoff`, `e_shentsize`, `e_shnum`; `sizeof(Elf_Shdr)`; `sh_offset`, `sh_size`.
    let (places, header, [offset, size], word) = match class {
        2 => ([0x28, 0x3a, 0x3c], 0x40, [0x18, 0x20], 8),
        _ => ([0x20, 0x2e, 0x30], 0x28, [0x10, 0x14], 4),
    };
    let [table, entry, count] = places;
    let (table, entry, count) = (number(table, word)?, number(entry, 2)?, number(count, 2)?);
    if entry != header {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let at = |index: u64, offset: u64| table.saturating_add(index * header).saturating_add(offset);
    // The first header has the number of sections if there are too many for the file's header.
    let count = if count == 0 && table != 0 { number(at(0, size), word)? } else { count };
    if count > 1 << 17 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut found = Vec::new();
    for index in 0..count {
        let (start, len) = (number(at(index, offset), word)?, number(at(index, size), word)?);
        if bytes::<2>(file, start).is_ok_and(|magic| matches!(magic, [0x9f, 0xeb] | [0xeb, 0x9f])) {
            found.push((start, len));
        }
    }
    Ok(found)
}

/// Reports whether no `LONGEST` bytes of a part follow each other without a zero. Takes its length
/// from `left`, and returns false if that is not enough.
fn is_short(file: &File, start: u64, len: u64, left: &mut u64) -> io::Result<bool> {
    let (mut at, end) = (start, start.saturating_add(len));
    let (mut chunk, mut run) = (vec![0; 1 << 16], 0);
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(chunk.len());
        let read = file.read_at(chunk.get_mut(..wanted).unwrap_or_default(), at)?;
        let Some(rest) = left.checked_sub(read as u64) else { return Ok(false) };
        *left = rest;
        if read == 0 {
            break;
        }
        for byte in chunk.get(..read).unwrap_or_default() {
            run = if *byte == 0 { 0 } else { run + 1 };
            if run > LONGEST {
                return Ok(false);
            }
        }
        at += read as u64;
    }
    Ok(true)
}

fn bytes<const N: usize>(file: &File, at: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    fn said(bytes: &[u8]) -> bool {
        let mut file = File::from(memfd_create("strings", MemfdFlags::CLOEXEC).unwrap());
        file.write_all(bytes).unwrap();
        are_short(&file)
    }

    /// Returns an ELF file with one section.
    fn elf(class: u8, order: u8, contents: &[u8]) -> Vec<u8> {
        let number = |value: u64, size: usize| {
            let mut bytes = value.to_le_bytes()[..size].to_vec();
            if order == 2 {
                bytes.reverse();
            }
            bytes
        };
        let (head, word, header) = if class == 2 { (64, 8, 64) } else { (52, 4, 40) };
        let mut file = [b"\x7fELF", &[class, order][..], &[0; 60]].concat();
        file.truncate(head);
        let mut put =
            |at: usize, bytes: Vec<u8>| file[at..at + bytes.len()].copy_from_slice(&bytes);
        put(if class == 2 { 0x28 } else { 0x20 }, number(head as u64, word));
        put(head - 6, number(header, 2));
        put(head - 4, number(1, 2));
        let mut table = vec![0; usize::try_from(header).unwrap()];
        let at = if class == 2 { 0x18 } else { 0x10 };
        let start = number(head as u64 + header, word);
        table[at..at + word].copy_from_slice(&start);
        table[at + word..at + 2 * word].copy_from_slice(&number(contents.len() as u64, word));
        [&file, &table, contents].concat()
    }

    #[test]
    fn long_strings_are_found() {
        let btf = |len: usize| [b"\x9f\xeb\x01\0", &vec![b'x'; len][..], b"\0"].concat();
        assert!(said(&btf(4000)) && !said(&btf(5000)) && said(b""));
        for (class, order) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let file = |contents: &[u8]| said(&elf(class, order, contents));
            assert!(file(&btf(4000)) && !file(&btf(5000)), "{class} {order}");
            // Code and other sections have no strings of BTF.
            assert!(file(&[b'x'; 5000]), "{class} {order}");
        }
        let mut cut = elf(2, 1, &btf(4000));
        cut.truncate(70);
        assert!(!said(&cut));
    }
}
