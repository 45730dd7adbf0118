//! The contents of a compiled object, read without the code under test.

use std::{env, path::Path, process::Command, thread};

use elf::{ElfBytes, endian::LittleEndian};

use super::c::PROBES;

#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) file: Vec<u8>,
    /// The results of the probes.
    pub(crate) probes: Vec<u64>,
    /// The bytes of the variable `value`.
    pub(crate) value: Vec<u8>,
}

impl Object {
    pub(crate) fn read(file: Vec<u8>) -> Self {
        let elf = ElfBytes::<LittleEndian>::minimal_parse(&file).unwrap();
        let header = elf.section_header_by_name(PROBES).unwrap().unwrap();
        let (probes, _) = elf.section_data(&header).unwrap();
        let (symbols, names) = elf.symbol_table().unwrap().unwrap();
        let symbol = symbols
            .iter()
            .find(|symbol| names.get(symbol.st_name as usize).unwrap() == "value")
            .unwrap();
        let section = elf.section_headers().unwrap().get(symbol.st_shndx.into()).unwrap();
        let (data, _) = elf.section_data(&section).unwrap();
        let start = symbol.st_value as usize;
        let probes = probes
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
            .collect();
        let value = data[start..start + symbol.st_size as usize].to_vec();
        Self { probes, value, file }
    }
}

/// Compiles C files in `folder`, each `x.bpf.c` to `x.bpf.o` in the same folder.
pub(crate) fn compile(folder: &Path, sources: &[String]) {
    let clang = env::var_os("EUNOMIA_CLANG").unwrap_or_else(|| "clang-19".into());
    let compile = |sources: &[String]| {
        let mut command = Command::new(&clang);
        command.args(["-target", "bpf", "-g", "-O2", "-c", "-w"]).args(sources).current_dir(folder);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for sources in sources.chunks(sources.len().div_ceil(threads).max(1)) {
            // One process compiles many files, but the length of its arguments is limited.
            scope.spawn(move || sources.chunks(500).for_each(compile));
        }
    });
}
