//! Perf maps, the files in which just-in-time compilers name their functions.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
};

use super::{Symbol, demangle::demangled};

/// Functions sorted by their start, and the memory that they take.
pub(super) struct PerfMap {
    functions: Vec<Function>,
    bytes: u64,
}

/// The start, size and name of a function.
type Function = (u64, u64, String);

const MOST: u64 = 32 << 20;

impl PerfMap {
    pub(super) fn new(file: File) -> Self {
        let lines = BufReader::new(file.take(MOST)).split(b'\n').map_while(Result::ok);
        let mut bytes = 0;
        // A line of five bytes takes eight times as much memory here.
        let fits = |function: &Function| {
            bytes += (size_of::<Function>() + function.2.len()) as u64;
            bytes <= 2 * MOST
        };
        let mut functions: Vec<_> =
            lines.filter_map(|line| function(&line)).take_while(fits).collect();
        functions.sort_by_key(|(start, ..)| *start);
        Self { functions, bytes }
    }

    /// Returns the memory that the map takes, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn symbol(&self, address: u64) -> Option<Symbol> {
        let after = self.functions.partition_point(|(start, ..)| *start <= address);
        let (start, size, name) = self.functions.get(after.checked_sub(1)?)?;
        let offset = address - start;
        let symbol = Symbol {
            name: demangled(name),
            offset: Some(offset),
            module: None,
            file: None,
            line: None,
        };
        (offset < *size).then_some(symbol)
    }
}

fn function(line: &[u8]) -> Option<Function> {
    let line = std::str::from_utf8(line).ok()?;
    let (start, rest) = line.split_once(' ')?;
    let (size, name) = rest.split_once(' ')?;
    let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    Some((hex(start)?, hex(size)?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    #[test]
    fn memory_of_short_lines_is_bounded() {
        let mut file = File::from(memfd_create("map", MemfdFlags::CLOEXEC).unwrap());
        file.write_all(b"10 8 first\n").unwrap();
        file.write_all(&b"1 1 \n".repeat(2 << 20)).unwrap();
        file.write_all(b"20 8 last\n").unwrap();
        file.rewind().unwrap();
        let map = PerfMap::new(file);
        assert!(
            map.functions.len() < 2 << 20 && map.bytes() <= 2 * MOST + 64,
            "{} functions",
            map.functions.len()
        );
        let name = |address| map.symbol(address).map(|symbol| (symbol.name, symbol.offset));
        assert_eq!((name(0x12), name(0x22)), (Some(("first".to_owned(), Some(2))), None));
    }
}
