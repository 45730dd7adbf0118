//! libbpf's static linker, with libbpf's messages as errors.
//!
//! The linker of libbpf-rs (0.27) is not used: it panics in builds with debug assertions, because
//! it takes libbpf's negative errno for a positive one.

use std::{
    ffi::CString,
    io,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    ptr::{self, NonNull},
};

use elf::{
    ElfBytes, ParseError,
    abi::{SHF_EXECINSTR, SHT_NOBITS, SHT_REL, STT_SECTION},
    endian::AnyEndian,
};
use libbpf_rs::libbpf_sys::{
    bpf_linker, bpf_linker__add_file, bpf_linker__finalize, bpf_linker__free, bpf_linker__new,
};

use crate::{file, host::messages::listen};

/// Links BPF objects into one, without their DWARF. libbpf decides about symbols that are defined
/// twice, or used and never defined.
///
/// # Errors
/// The index of the object that was refused (`None` for all together), and libbpf's messages, or
/// its errno if it printed none.
pub fn link(objects: &[&Path], output: &Path) -> Result<(), (Option<usize>, String)> {
    let refused = |index: Option<usize>, code: i32, messages: String| {
        let messages: Vec<&str> = messages
            .lines()
            .map(|line| line.trim_start_matches("libbpf: ").trim())
            .filter(|line| !line.is_empty())
            .collect();
        let why = if messages.is_empty() {
            io::Error::from_raw_os_error(code.saturating_abs()).to_string()
        } else {
            messages.join("\n")
        };
        (index, why)
    };
    let (linker, messages) = listen(|| Linker::new(output));
    let mut linker = linker.map_err(|code| refused(None, code, messages))?;
    for (index, object) in objects.iter().enumerate() {
        check(object).map_err(|why| (Some(index), why))?;
        let (added, messages) = listen(|| linker.add(object));
        added.map_err(|code| refused(Some(index), code, messages))?;
    }
    let (linked, messages) = listen(|| linker.finish());
    linked.map_err(|code| refused(None, code, messages))
}

/// Refuses an object in which libbpf (1.7) would read and write outside of what it has read: it
/// changes the instructions at relocations without a look at their offsets, and takes the section of
/// a section's symbol without a look at its number.
fn check(object: &Path) -> Result<(), String> {
    let bytes = file::read(object, file::MOST).map_err(|error| error.to_string())?;
    match is_inside(&bytes) {
        Ok(true) => Ok(()),
        Ok(false) => Err("a relocation or a symbol is outside of the sections".to_owned()),
        Err(error) => Err(format!("broken ELF file: {error}")),
    }
}

fn is_inside(bytes: &[u8]) -> Result<bool, ParseError> {
    /// An instruction.
    const SIZE: u64 = 8;
    let file = ElfBytes::<AnyEndian>::minimal_parse(bytes)?;
    let Some(headers) = file.section_headers() else { return Ok(true) };
    for header in headers.iter().filter(|header| header.sh_type == SHT_REL) {
        let Ok(target) = headers.get(header.sh_info as usize) else { return Ok(false) };
        if target.sh_flags & u64::from(SHF_EXECINSTR) == 0 {
            continue;
        }
        // It has not read what is not in the file.
        let size = if target.sh_type == SHT_NOBITS { 0 } else { target.sh_size };
        let is_in = |offset: u64| offset.checked_add(SIZE).is_some_and(|end| end <= size);
        if !file.section_data_as_rels(&header)?.all(|relocation| is_in(relocation.r_offset)) {
            return Ok(false);
        }
    }
    let symbols = file.symbol_table()?.map(|(symbols, _)| symbols);
    let is_known = |section: u16| (1..headers.len()).contains(&usize::from(section));
    Ok(symbols.is_none_or(|symbols| {
        let mut sections = symbols.iter().filter(|symbol| symbol.st_symtype() == STT_SECTION);
        sections.all(|symbol| is_known(symbol.st_shndx))
    }))
}

/// libbpf's linker. Dropping it frees it.
struct Linker(NonNull<bpf_linker>);

impl Linker {
    fn new(output: &Path) -> Result<Self, i32> {
        let output = c_path(output)?;
        // SAFETY: the path ends with a NUL, and null means no options.
        let linker = unsafe { bpf_linker__new(output.as_ptr(), ptr::null_mut()) };
        NonNull::new(linker).map(Self).ok_or_else(errno)
    }

    fn add(&mut self, object: &Path) -> Result<(), i32> {
        let object = c_path(object)?;
        // SAFETY: the linker is live until `self` is dropped; the path ends with a NUL, and null
        // means no options.
        match unsafe { bpf_linker__add_file(self.0.as_ptr(), object.as_ptr(), ptr::null_mut()) } {
            0 => Ok(()),
            code => Err(code),
        }
    }

    fn finish(&mut self) -> Result<(), i32> {
        // SAFETY: the linker is live until `self` is dropped.
        match unsafe { bpf_linker__finalize(self.0.as_ptr()) } {
            0 => Ok(()),
            code => Err(code),
        }
    }
}

impl Drop for Linker {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `bpf_linker__new`, and nothing uses it after this.
        unsafe { bpf_linker__free(self.0.as_ptr()) }
    }
}

fn c_path(path: &Path) -> Result<CString, i32> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| libc::EINVAL)
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Skeleton;

    /// Changes a word of each relocation of code, or of each symbol of a section.
    fn changed(object: &[u8], is_symbol: bool, value: u16) -> Vec<u8> {
        let mut bytes = object.to_vec();
        let file = ElfBytes::<AnyEndian>::minimal_parse(object).unwrap();
        let headers = file.section_headers().unwrap();
        let (kind, entry) = if is_symbol { (2, 24) } else { (SHT_REL, 16) };
        for header in headers.iter().filter(|header| header.sh_type == kind) {
            let target = headers.get(header.sh_info as usize).unwrap();
            let is_code = target.sh_flags & u64::from(SHF_EXECINSTR) != 0;
            let start = usize::try_from(header.sh_offset).unwrap();
            for at in (start..start + usize::try_from(header.sh_size).unwrap()).step_by(entry) {
                if is_symbol && bytes[at + 4] & 0xf == STT_SECTION {
                    bytes[at + 6..at + 8].copy_from_slice(&value.to_le_bytes());
                } else if !is_symbol && is_code {
                    bytes[at + 2..at + 4].copy_from_slice(&value.to_le_bytes());
                }
            }
        }
        bytes
    }

    #[test]
    fn places_outside_of_sections_are_refused() {
        let text = include_str!("../../../../tests/bpf/kinds.json");
        let object = Skeleton::parse(text, "kinds").unwrap().object.unwrap();
        let folder = std::env::temp_dir().join(format!("eunomia-linker-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let said = |bytes: &[u8]| {
            let (from, to) = (folder.join("from.o"), folder.join("to.o"));
            fs::write(&from, bytes).unwrap();
            link(&[&from], &to)
        };
        assert_eq!(said(&object), Ok(()));
        let outside = "a relocation or a symbol is outside of the sections";
        let mut without_code = object.clone();
        let file = ElfBytes::<AnyEndian>::minimal_parse(&object).unwrap();
        let headers = file.section_headers().unwrap();
        for (index, header) in headers.iter().enumerate() {
            if header.sh_flags & u64::from(SHF_EXECINSTR) != 0 {
                let at = usize::try_from(file.ehdr.e_shoff).unwrap() + 64 * index + 4;
                without_code[at..at + 4].copy_from_slice(&SHT_NOBITS.to_le_bytes());
            }
        }
        for bytes in [
            changed(&object, false, 0x7000),
            changed(&object, true, 0xfff1),
            changed(&object, true, 0),
            without_code,
        ] {
            assert_ne!(bytes, object);
            assert_eq!(said(&bytes), Err((Some(0), outside.to_owned())));
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
