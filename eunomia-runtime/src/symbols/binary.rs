//! Symbols of one executable or library.

use std::{
    fs::File,
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use blazesym::symbolize::{
    Input, Symbolizer,
    source::{Elf, Source},
};

use super::{
    Symbol,
    copy::{Copy, Load},
    file, symbols,
};
use crate::file::{is_private, reopen};

/// The directory where distributions keep debug information by build id.
const DEBUG: &str = "/usr/lib/debug/.build-id";
const NO_FOLDERS: [&str; 0] = [];

/// A copy of a file, and a copy of the file with its debug information.
pub(super) struct Binary {
    own: Names,
    debug: Option<Names>,
    loads: Vec<Load>,
}

/// A copy of a file, and its symbols.
struct Names {
    symbolizer: Symbolizer,
    /// Held open, because blazesym reads the file by its descriptor number.
    file: File,
    bytes: u64,
    has_debug: bool,
}

impl Binary {
    /// Copies a file. `with_debug` is true only for files of root and of this user, because debug
    /// information can take much time and memory to read.
    pub(super) fn new(file: &File, with_debug: bool) -> Option<Self> {
        let copy = Copy::new(file, with_debug).ok()?;
        let debug = copy.build_id.as_deref().filter(|_| !copy.has_debug).and_then(Names::of_build);
        Some(Self {
            debug,
            own: Names::new(copy.file, copy.bytes, copy.has_debug),
            loads: copy.loads,
        })
    }

    /// Returns the memory that the copies take.
    pub(super) fn bytes(&self) -> u64 {
        self.own.bytes + self.debug.as_ref().map_or(0, |debug| debug.bytes)
    }

    /// Returns the function at an offset in the file, and the functions inlined there.
    pub(super) fn symbols(&self, offset: u64, path: &Path) -> Vec<Symbol> {
        let Some(address) = self.loads.iter().find_map(|load| load.address(offset)) else {
            return Vec::new();
        };
        let found = self
            .debug
            .as_ref()
            .map(|debug| debug.symbols(address, path))
            .filter(|symbols| !symbols.is_empty());
        found.unwrap_or_else(|| self.own.symbols(address, path))
    }
}

#[cfg(feature = "fuzz")]
impl Binary {
    /// Looks up offsets in the file and addresses of its symbols.
    pub(super) fn every_symbol(&self) {
        let path = Path::new("executable");
        [0, 1, 64, 4096, 1 << 20, u64::MAX]
            .iter()
            .for_each(|offset| drop(self.symbols(*offset, path)));
        (0..512).for_each(|address| drop(self.own.symbols(8 * address, path)));
    }
}

impl Names {
    fn new(file: File, bytes: u64, has_debug: bool) -> Self {
        let builder = Symbolizer::builder().enable_auto_reload(false).enable_demangling(false);
        // The copy has no links to other files anyway; an empty list of directories makes blazesym
        // follow none.
        let symbolizer = builder.set_debug_dirs(Some(NO_FOLDERS)).build();
        Self { symbolizer, file, bytes, has_debug }
    }

    /// Opens the debug information of a build id, from a package of the distribution.
    fn of_build(id: &[u8]) -> Option<Self> {
        let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let (first, rest) = digits.split_at_checked(2)?;
        let opened = file::open(
            rustix::fs::CWD,
            Path::new(DEBUG).join(first).join(format!("{rest}.debug")).as_os_str().as_bytes(),
        )
        .ok()?;
        let about = opened.as_fd();
        let trusted = is_private(&rustix::fs::fstat(about).ok()?);
        let copy = Copy::new(&reopen(about).ok()?, trusted).ok()?;
        Some(Self::new(copy.file, copy.bytes, copy.has_debug))
    }

    fn symbols(&self, address: u64, path: &Path) -> Vec<Symbol> {
        let mut elf = Elf::new(format!("/proc/thread-self/fd/{}", self.file.as_raw_fd()));
        // If the debug information is damaged, the symbol table may still be usable.
        for debug_syms in [true, false].into_iter().filter(|debug| self.has_debug || !debug) {
            elf.debug_syms = debug_syms;
            let found = self
                .symbolizer
                .symbolize_single(&Source::Elf(elf.clone()), Input::VirtOffset(address));
            let found = found.map(|found| symbols(found, Some(path))).unwrap_or_default();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }
}
