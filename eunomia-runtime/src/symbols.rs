//! Names for the addresses of stack traces, through blazesym.
//!
//! ```no_run
//! use eunomia_runtime::symbols::Symbols;
//!
//! let symbols = Symbols::new();
//! # let addresses = [0];
//! for frame in symbols.of_process(1234, &addresses) {
//!     println!("{:#x} {}", frame.address, frame.symbols.first().map_or("?", |symbol| &symbol.name));
//! }
//! ```

use std::fmt;

use blazesym::{
    Pid,
    symbolize::{
        CodeInfo, Input, Symbolized, Symbolizer,
        source::{Kernel, Process, Source},
    },
};

use crate::value::Value;

/// Looks up names; keeps what it has read of the kernel and of files, so have one for all.
pub struct Symbols(Symbolizer);

/// An address of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The address.
    pub address: u64,
    /// The function that it lies in, then those that the compiler has put inside of it, the innermost last. Empty where nobody knows:
    /// the process has ended, its file has no symbols, or the kernel does not tell (`kernel.kptr_restrict`).
    pub symbols: Vec<Symbol>,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its name; of C++ and Rust as it is written in the source.
    pub name: String,
    /// Bytes from its start; `None` for one inside of another, which has no start.
    pub offset: Option<u64>,
    /// The file or the kernel module that it is from, where that is told.
    pub module: Option<String>,
    /// The source file, where debug information tells.
    pub file: Option<String>,
    /// The line there.
    pub line: Option<u32>,
}

impl Symbols {
    /// Nothing looked up yet.
    pub fn new() -> Self {
        Self(Symbolizer::new())
    }

    /// Addresses of the running kernel.
    pub fn of_kernel(&self, addresses: &[u64]) -> Vec<Frame> {
        self.frames(&Source::Kernel(Kernel::default()), addresses)
    }

    /// What a pointer of an event leads to in the running kernel, a function mostly; `None` for a value that is no pointer.
    pub fn of_pointer(&self, value: &Value<'_>) -> Option<Frame> {
        let address = value.as_pointer()?;
        self.of_kernel(&[address]).pop()
    }

    /// Addresses of a process that still runs.
    pub fn of_process(&self, pid: u32, addresses: &[u64]) -> Vec<Frame> {
        // 0 would be this process.
        if pid == 0 {
            return addresses.iter().map(|address| Frame { address: *address, symbols: Vec::new() }).collect();
        }
        self.frames(&Source::Process(Process::new(Pid::from(pid))), addresses)
    }

    fn frames(&self, source: &Source<'_>, addresses: &[u64]) -> Vec<Frame> {
        // Without names the addresses are still there.
        let mut found = self.0.symbolize(source, Input::AbsAddr(addresses)).unwrap_or_default().into_iter();
        addresses.iter().map(|address| Frame { address: *address, symbols: found.next().map(symbols).unwrap_or_default() }).collect()
    }
}

fn symbols(found: Symbolized<'_>) -> Vec<Symbol> {
    let Symbolized::Sym(sym) = found else { return Vec::new() };
    let place = |info: Option<&CodeInfo<'_>>| (info.map(|info| info.to_path().display().to_string()), info.and_then(|info| info.line));
    let (file, line) = place(sym.code_info.as_deref());
    let module = sym.module.as_ref().map(|module| module.to_string_lossy().into_owned());
    let outer = Symbol { name: sym.name.into_owned(), offset: Some(sym.offset as u64), module: module.clone(), file, line };
    let inlined = sym.inlined.iter().map(|inlined| {
        let (file, line) = place(inlined.code_info.as_ref());
        Symbol { name: inlined.name.clone().into_owned(), offset: None, module: module.clone(), file, line }
    });
    std::iter::once(outer).chain(inlined).collect()
}

impl Default for Symbols {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbols").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long enough that its second byte is still its own.
    #[inline(never)]
    fn known_function() -> u64 {
        std::hint::black_box(5) * std::hint::black_box(7)
    }

    #[test]
    fn functions_of_this_process_and_of_none() {
        let symbols = Symbols::new();
        let address = known_function as fn() -> u64 as usize as u64;
        let frames = symbols.of_process(std::process::id(), &[address + 1, 8]);
        let [known, unknown] = &frames[..] else { panic!("{frames:?}") };
        let symbol = known.symbols.first().unwrap();
        assert!(symbol.name.ends_with("known_function"), "{symbol:?}");
        assert_eq!((symbol.offset, known.address), (Some(1), address + 1));
        assert_eq!(*unknown, Frame { address: 8, symbols: Vec::new() });
        // No process has this number, and 0 is not taken for this one.
        for pid in [0, u32::MAX - 1] {
            assert_eq!(symbols.of_process(pid, &[address]), [Frame { address, symbols: Vec::new() }]);
        }
    }
}
