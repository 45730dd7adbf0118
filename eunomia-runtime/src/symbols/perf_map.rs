//! What programs that compile as they run say of their functions.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
};

use super::{Symbol, demangle::demangled};

/// Start, size and name of functions, by their start.
pub(super) struct PerfMap(Vec<(u64, u64, String)>);

const MOST: u64 = 32 << 20;

impl PerfMap {
    pub(super) fn new(file: File) -> Self {
        let lines = BufReader::new(file.take(MOST)).split(b'\n').map_while(Result::ok);
        let mut functions: Vec<_> = lines.filter_map(|line| function(&line)).collect();
        functions.sort_by_key(|(start, ..)| *start);
        Self(functions)
    }

    /// What it takes of memory, at most.
    pub(super) fn bytes() -> u64 {
        2 * MOST
    }

    pub(super) fn symbol(&self, address: u64) -> Option<Symbol> {
        let after = self.0.partition_point(|(start, ..)| *start <= address);
        let (start, size, name) = self.0.get(after.checked_sub(1)?)?;
        let offset = address - start;
        let symbol = Symbol { name: demangled(name), offset: Some(offset), module: None, file: None, line: None };
        (offset < *size).then_some(symbol)
    }
}

fn function(line: &[u8]) -> Option<(u64, u64, String)> {
    let line = std::str::from_utf8(line).ok()?;
    let (start, rest) = line.split_once(' ')?;
    let (size, name) = rest.split_once(' ')?;
    let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    Some((hex(start)?, hex(size)?, name.to_owned()))
}
