//! The ELF file of a BPF object: sections and symbols, parsed by the `elf` crate.

use std::collections::{BTreeMap, HashMap};

use elf::{
    ElfBytes,
    abi::{
        EM_BPF, ET_REL, SHF_ALLOC, SHF_COMPRESSED, SHF_EXECINSTR, SHN_LORESERVE, SHT_NOBITS,
        SHT_PROGBITS, SHT_STRTAB, STB_LOCAL, STT_FUNC, STV_HIDDEN, STV_INTERNAL,
    },
    endian::AnyEndian,
    file::Class,
};

use super::{decode::MAX_NAME, foreign::foreign};

/// The sections and symbols of an ELF file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elf {
    /// Sections by index.
    pub sections: Vec<Section>,
    /// Symbols that are defined in a section.
    pub symbols: Vec<Symbol>,
}

/// An ELF section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The name of the section.
    pub name: String,
    /// The size in bytes, which is also set if the file holds no bytes of the section (`.bss`).
    pub size: u64,
    /// The offset of its bytes in the file, or `None` if the file holds none and all of them are
    /// zero.
    pub offset: Option<u64>,
    /// True if it holds instructions.
    pub executable: bool,
}

impl Section {
    /// Returns the bytes of the section in the object, or `None` if the file holds none.
    pub fn bytes<'o>(&self, object: &'o [u8]) -> Option<&'o [u8]> {
        let at = usize::try_from(self.offset?).ok()?;
        object.get(at..at.checked_add(usize::try_from(self.size).ok()?)?)
    }
}

/// A symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// The name of the symbol.
    pub name: String,
    /// The index of its section.
    pub section: usize,
    /// Bytes from the start of the section.
    pub offset: u64,
    /// True if it is a function.
    pub function: bool,
    /// True if other files and user space can see it.
    pub visible: bool,
}

/// A fault of a file, and a hint what to do about it.
pub(crate) type ObjectError = (String, &'static str);

/// Returns the fault of a file whose ELF tables are inconsistent.
pub(crate) fn broken(error: elf::ParseError) -> ObjectError {
    (format!("broken ELF file: {error}"), "copy or compile the object again")
}

/// The longest section name: a program's section names its target, which can be a path and a
/// symbol.
const MAX_SECTION_NAME: usize = 8192;

/// More sections than any BPF object has. Without these limits, an object of a few hundred
/// compressed kilobytes could make the parser allocate gigabytes.
const MAX_SECTIONS: usize = 1 << 16;
const MAX_SYMBOLS: usize = 1 << 17;
/// Total bytes of all names. Any number of records can share one name, and each gets its own copy.
const MAX_NAMES: usize = 8 << 20;

/// The number of bytes of names that may still be copied.
struct Names(usize);

impl Names {
    /// Copies a name of at most `max` bytes.
    fn copy(&mut self, name: &str, max: usize) -> Result<String, ObjectError> {
        self.spend(name.len())?;
        if name.len() > max {
            return Err((
                format!(
                    "broken ELF file: a name has {} bytes, at most {max} are supported",
                    name.len()
                ),
                AGAIN,
            ));
        }
        Ok(name.to_owned())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), ObjectError> {
        let left = self.0.checked_sub(bytes);
        self.0 = left.ok_or_else(|| {
            (format!("section and symbol names exceed {} MiB", MAX_NAMES >> 20), NO_OBJECT)
        })?;
        Ok(())
    }
}

const AGAIN: &str = "compile the object again";
const NO_OBJECT: &str = "no compiler writes such an object";

fn check_count(what: &str, count: usize, most: usize) -> Result<(), ObjectError> {
    if count <= most {
        Ok(())
    } else {
        Err((format!("the object has {count} {what}, at most {most} are supported"), NO_OBJECT))
    }
}

impl Elf {
    /// Parses the tables, and returns them with the bytes of `.BTF`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), ObjectError> {
        const COMPILE: &str = "compile it with `clang -g -O2 -target bpf -c`";
        if !bytes.starts_with(b"\x7fELF") {
            return Err(match foreign(bytes) {
                Some((what, todo)) => (what.to_owned(), todo),
                None if bytes.trim_ascii_start().starts_with(b"{") => {
                    ("this is JSON, not a BPF object".to_owned(), "give it as the skeleton")
                }
                None => ("not an ELF file".to_owned(), COMPILE),
            });
        }
        let file = ElfBytes::<AnyEndian>::minimal_parse(bytes).map_err(broken)?;
        if file.ehdr.e_machine != EM_BPF {
            return Err((
                format!(
                    "the ELF file is for {}, not for BPF ({EM_BPF})",
                    machine(file.ehdr.e_machine)
                ),
                COMPILE,
            ));
        }
        if file.ehdr.endianness != AnyEndian::Little {
            return Err((
                "the object is big-endian; only little-endian targets are supported".to_owned(),
                "compile it with `-target bpfel`",
            ));
        }
        if file.ehdr.class != Class::ELF64 || file.ehdr.e_type != ET_REL {
            return Err(("the ELF file is not a 64-bit relocatable object".to_owned(), COMPILE));
        }
        let (Some(headers), Some(names)) = file.section_headers_with_strtab().map_err(broken)?
        else {
            return Err(("the ELF file has no sections".to_owned(), COMPILE));
        };
        let (mut elf, mut copied) = (Self::default(), Names(MAX_NAMES));
        let mut btf = None;
        check_count("sections", headers.len(), MAX_SECTIONS)?;
        for header in headers.iter() {
            let name = copied
                .copy(names.get(header.sh_name as usize).map_err(broken)?, MAX_SECTION_NAME)?;
            let flags = header.sh_flags;
            // libelf decompresses names and nothing else, so libbpf would see other names and other
            // data than those that are checked here. Compilers compress DWARF.
            if flags & u64::from(SHF_COMPRESSED) != 0
                && (header.sh_type == SHT_STRTAB || !name.starts_with(".debug"))
            {
                return Err((
                    format!("the section `{name}` is compressed, and libbpf cannot read it"),
                    COMPILE,
                ));
            }
            if name == ".BTF" {
                // libbpf skips sections of some other types, so it could read another one.
                if btf.is_some() || header.sh_type != SHT_PROGBITS {
                    let what =
                        "broken ELF file: more than one section `.BTF`, or one of a wrong type";
                    return Err((what.to_owned(), AGAIN));
                }
                btf = Some(file.section_data(&header).map_err(broken)?.0);
            }
            elf.sections.push(Section {
                name,
                size: header.sh_size,
                offset: (header.sh_type != SHT_NOBITS).then_some(header.sh_offset),
                executable: flags & u64::from(SHF_ALLOC) != 0
                    && flags & u64::from(SHF_EXECINSTR) != 0,
            });
        }
        if let Some((symbols, names)) = file.symbol_table().map_err(broken)? {
            check_count("symbols", symbols.len(), MAX_SYMBOLS)?;
            for symbol in symbols.iter() {
                if symbol.st_shndx >= SHN_LORESERVE {
                    continue;
                }
                // The name of an undefined symbol must be valid as well, although it is not used
                // here.
                let name = names.get(symbol.st_name as usize).map_err(broken)?;
                if symbol.st_shndx == 0 {
                    continue;
                }
                let (section, function) =
                    (usize::from(symbol.st_shndx), symbol.st_symtype() == STT_FUNC);
                if function {
                    // Each program is returned with a copy of the name of its section.
                    copied
                        .spend(elf.sections.get(section).map_or(0, |section| section.name.len()))?;
                }
                elf.symbols.push(Symbol {
                    name: copied.copy(name, MAX_NAME)?,
                    section,
                    offset: symbol.st_value,
                    function,
                    visible: symbol.st_bind() != STB_LOCAL
                        && !matches!(symbol.st_vis(), STV_HIDDEN | STV_INTERNAL),
                });
            }
        }
        let Some(btf) = btf else {
            let has = |name: &str| elf.sections.iter().any(|section| section.name == name);
            // A source whose contents the preprocessor left out.
            if has(".symtab") && !elf.symbols.iter().any(|symbol| symbol.visible) {
                return Err((
                    "the object has no .BTF section, and no program, map or variable that could be described there".to_owned(),
                    "compile a source with a program; conditions of the preprocessor may leave out all of it",
                ));
            }
            return Err(match has(".debug_info") {
                // gcc writes DWARF for `-g`.
                true => (
                    "the object has DWARF but no .BTF section, so the layout of its types is unknown".to_owned(),
                    "compile it with `clang -g -target bpf` or `gcc -gbtf`, and do not strip .BTF",
                ),
                false => (
                    "the object has no .BTF section, so the layout of its types is unknown".to_owned(),
                    "compile it with `-g` (gcc: `-gbtf`), and do not strip it",
                ),
            });
        };
        Ok((elf, btf))
    }

    /// Returns the bytes of the first section with this name.
    pub fn bytes<'o>(&self, object: &'o [u8], name: &str) -> Option<&'o [u8]> {
        self.sections.iter().find(|section| section.name == name)?.bytes(object)
    }

    /// Returns the places of maps, each with the number of its name in `names`.
    pub(crate) fn maps(&self, names: &[&str]) -> BTreeMap<(usize, u64), usize> {
        let numbers: HashMap<&str, usize> =
            names.iter().enumerate().map(|(i, name)| (*name, i)).collect();
        let in_maps =
            |section: usize| self.sections.get(section).is_some_and(|it| it.name == ".maps");
        self.symbols
            .iter()
            .filter(|symbol| in_maps(symbol.section))
            .filter_map(|symbol| {
                let number = *numbers.get(symbol.name.as_str())?;
                Some(((symbol.section, symbol.offset), number))
            })
            .collect()
    }

    /// Returns the indices of the sections by their names. Of several with one name it is the last.
    pub(crate) fn indices(&self) -> HashMap<&[u8], usize> {
        self.sections.iter().enumerate().map(|(i, of)| (of.name.as_bytes(), i)).collect()
    }

    /// Returns the programs: functions in executable sections, each with its section. Functions in
    /// `.text` are called by programs and are not returned. Static functions are, although libbpf
    /// does not open an object with a static program.
    pub fn programs(&self) -> impl Iterator<Item = (&Symbol, &Section)> {
        self.symbols.iter().filter(|symbol| symbol.function).filter_map(|symbol| {
            let section = self.sections.get(symbol.section)?;
            (section.executable && section.name != ".text").then_some((symbol, section))
        })
    }
}

/// Returns the name of an ELF machine, or its number if it is an uncommon one.
fn machine(number: u16) -> String {
    let name = match number {
        3 => "x86",
        62 => "x86-64",
        40 => "ARM",
        183 => "AArch64",
        243 => "RISC-V",
        21 => "PowerPC",
        22 => "S/390",
        258 => "LoongArch",
        _ => return format!("machine {number}"),
    };
    format!("{name} (machine {number})")
}
