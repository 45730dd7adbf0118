//! The BPF ELF: sections and symbols, through the `elf` crate.

use elf::{
    ElfBytes,
    abi::{EM_BPF, ET_REL, SHF_ALLOC, SHF_EXECINSTR, SHN_LORESERVE, SHT_NOBITS, STB_LOCAL, STT_FUNC, STV_HIDDEN, STV_INTERNAL},
    endian::AnyEndian,
    file::Class,
};

use super::btf::MAX_NAME;
use super::foreign::foreign;

/// What is needed of an ELF file.
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
    /// Its name.
    pub name: String,
    /// Its size in bytes, also where the file holds none of them (`.bss`).
    pub size: u64,
    /// Where its bytes stand in the file; `None` where the file holds none of them, and they are zero.
    pub offset: Option<u64>,
    /// Whether it holds instructions.
    pub executable: bool,
}

/// A symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Index of its section.
    pub section: usize,
    /// Bytes from the start of the section.
    pub offset: u64,
    /// Whether it is a function.
    pub function: bool,
    /// Whether other files and user space can see it.
    pub visible: bool,
}

/// What is wrong with a file, and what to do.
pub(crate) type Refused = (String, &'static str);

/// What is wrong with a file whose tables do not fit together.
pub(crate) fn broken(error: elf::ParseError) -> Refused {
    (format!("broken ELF file: {error}"), "copy or compile the object anew")
}

/// Room for what a program attaches to: a path and a symbol.
const MAX_SECTION_NAME: usize = 8192;

/// More than any BPF object has. A few hundred kilobytes that inflate could ask for gigabytes otherwise.
const MAX_SECTIONS: usize = 1 << 16;
const MAX_SYMBOLS: usize = 1 << 17;
/// Bytes of all names together: any number of records can share one, and each gets a copy.
const MAX_NAMES: usize = 8 << 20;

/// How many bytes of names may still be copied.
struct Names(usize);

impl Names {
    /// A name of at most `max` bytes.
    fn copy(&mut self, name: &str, max: usize) -> Result<String, Refused> {
        self.spend(name.len())?;
        if name.len() > max {
            return Err((format!("broken ELF file: a name has {} bytes, more than the {max} that are used", name.len()), AGAIN));
        }
        Ok(name.to_owned())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Refused> {
        let left = self.0.checked_sub(bytes);
        self.0 =
            left.ok_or_else(|| (format!("the names of its sections and symbols have more than {} MiB", MAX_NAMES >> 20), NO_OBJECT))?;
        Ok(())
    }
}

const AGAIN: &str = "compile the object anew";
const NO_OBJECT: &str = "this is no object that a compiler wrote";

fn few(what: &str, count: usize, most: usize) -> Result<(), Refused> {
    if count <= most { Ok(()) } else { Err((format!("the object has {count} {what}, more than {most}"), NO_OBJECT)) }
}

impl Elf {
    /// Reads the tables and returns them with the bytes of `.BTF`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Refused> {
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
            return Err((format!("the ELF file is for {}, not for BPF ({EM_BPF})", machine(file.ehdr.e_machine)), COMPILE));
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
        let (Some(headers), Some(names)) = file.section_headers_with_strtab().map_err(broken)? else {
            return Err(("the ELF file has no sections".to_owned(), COMPILE));
        };
        let (mut elf, mut copied) = (Self::default(), Names(MAX_NAMES));
        let mut btf = None;
        few("sections", headers.len(), MAX_SECTIONS)?;
        for header in headers.iter() {
            let name = copied.copy(names.get(header.sh_name as usize).map_err(broken)?, MAX_SECTION_NAME)?;
            if name == ".BTF" {
                let (data, compression) = file.section_data(&header).map_err(broken)?;
                if compression.is_some() {
                    return Err(("the section .BTF is compressed, which libbpf cannot read either".to_owned(), COMPILE));
                }
                btf = Some(data);
            }
            let flags = header.sh_flags;
            elf.sections.push(Section {
                name,
                size: header.sh_size,
                offset: (header.sh_type != SHT_NOBITS).then_some(header.sh_offset),
                executable: flags & u64::from(SHF_ALLOC) != 0 && flags & u64::from(SHF_EXECINSTR) != 0,
            });
        }
        if let Some((symbols, names)) = file.symbol_table().map_err(broken)? {
            few("symbols", symbols.len(), MAX_SYMBOLS)?;
            for symbol in symbols.iter() {
                if symbol.st_shndx >= SHN_LORESERVE {
                    continue;
                }
                // Also that of a symbol which the kernel defines is to be text, although nobody reads it here.
                let name = names.get(symbol.st_name as usize).map_err(broken)?;
                if symbol.st_shndx == 0 {
                    continue;
                }
                let (section, function) = (usize::from(symbol.st_shndx), symbol.st_symtype() == STT_FUNC);
                if function {
                    // A program has the name of its section with it.
                    copied.spend(elf.sections.get(section).map_or(0, |section| section.name.len()))?;
                }
                elf.symbols.push(Symbol {
                    name: copied.copy(name, MAX_NAME)?,
                    section,
                    offset: symbol.st_value,
                    function,
                    visible: symbol.st_bind() != STB_LOCAL && !matches!(symbol.st_vis(), STV_HIDDEN | STV_INTERNAL),
                });
            }
        }
        let Some(btf) = btf else {
            let dwarf = elf.sections.iter().any(|section| section.name == ".debug_info");
            return Err(match dwarf {
                // gcc writes DWARF for `-g`.
                true => (
                    "the object has DWARF and no section .BTF, so the layout of its types is unknown".to_owned(),
                    "compile it with `clang -g -target bpf`, or with `-gbtf` of gcc, and do not take .BTF out",
                ),
                false => (
                    "the object has no section .BTF, so the layout of its types is unknown".to_owned(),
                    "compile it with `-g` (of gcc `-gbtf`), and do not strip it",
                ),
            });
        };
        Ok((elf, btf))
    }

    /// The programs: functions in executable sections, each with its section; libbpf does not open an
    /// object with a static one. `.text` holds functions that programs call.
    pub fn programs(&self) -> impl Iterator<Item = (&Symbol, &Section)> {
        self.symbols.iter().filter(|symbol| symbol.function).filter_map(|symbol| {
            let section = self.sections.get(symbol.section)?;
            (section.executable && section.name != ".text").then_some((symbol, section))
        })
    }
}

/// Returns the name of an ELF machine number if it is in common use.
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
