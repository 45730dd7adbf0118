//! Names for places in one executable or library.

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

/// Where distributions keep debug information by build id.
const DEBUG: &str = "/usr/lib/debug/.build-id";
const NO_FOLDERS: [&str; 0] = [];

/// A copy of a file, and one of the file with its debug information.
pub(super) struct Binary {
    own: Names,
    debug: Option<Names>,
    loads: Vec<Load>,
}

struct Names {
    symbolizer: Symbolizer,
    /// Held open, since blazesym knows it by the number of its descriptor.
    file: File,
    bytes: u64,
    has_debug: bool,
}

impl Binary {
    /// `with_debug` is for files of root and of this user: what debug information says can take much time and memory to read.
    pub(super) fn new(file: &File, with_debug: bool) -> Option<Self> {
        let copy = Copy::new(file, with_debug).ok()?;
        let debug = copy.build_id.as_deref().filter(|_| !copy.has_debug).and_then(Names::of_build);
        Some(Self { debug, own: Names::new(copy.file, copy.bytes, copy.has_debug), loads: copy.loads })
    }

    /// What it takes of memory.
    pub(super) fn bytes(&self) -> u64 {
        self.own.bytes + self.debug.as_ref().map_or(0, |debug| debug.bytes)
    }

    /// The function at a place in the file, and those inside of it.
    pub(super) fn symbols(&self, offset: u64, path: &Path) -> Vec<Symbol> {
        let Some(address) = self.loads.iter().find_map(|load| load.address(offset)) else { return Vec::new() };
        let found = self.debug.as_ref().map(|debug| debug.symbols(address, path)).filter(|symbols| !symbols.is_empty());
        found.unwrap_or_else(|| self.own.symbols(address, path))
    }
}

#[cfg(feature = "fuzz")]
impl Binary {
    /// Looks at places in the file and at addresses of its symbols.
    pub(super) fn every_symbol(&self) {
        let path = Path::new("executable");
        [0, 1, 64, 4096, 1 << 20, u64::MAX].iter().for_each(|offset| drop(self.symbols(*offset, path)));
        (0..512).for_each(|address| drop(self.own.symbols(8 * address, path)));
    }
}

impl Names {
    fn new(file: File, bytes: u64, has_debug: bool) -> Self {
        let builder = Symbolizer::builder().enable_auto_reload(false).enable_demangling(false);
        // The copy has no links to other files; this is said twice.
        let symbolizer = builder.set_debug_dirs(Some(NO_FOLDERS)).build();
        Self { symbolizer, file, bytes, has_debug }
    }

    /// What a distribution's package with debug information has of a build.
    fn of_build(id: &[u8]) -> Option<Self> {
        let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let (first, rest) = digits.split_at_checked(2)?;
        let opened = file::open(Path::new(DEBUG).join(first).join(format!("{rest}.debug")).as_os_str().as_bytes()).ok()?;
        let about = opened.as_fd();
        let trusted = file::is_trusted(&rustix::fs::fstat(about).ok()?);
        let copy = Copy::new(&file::readable(about).ok()?, trusted).ok()?;
        Some(Self::new(copy.file, copy.bytes, copy.has_debug))
    }

    fn symbols(&self, address: u64, path: &Path) -> Vec<Symbol> {
        let mut elf = Elf::new(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        // Where debug information is broken, the symbol table may not be.
        for debug_syms in [true, false].into_iter().filter(|debug| self.has_debug || !debug) {
            elf.debug_syms = debug_syms;
            let found = self.symbolizer.symbolize_single(&Source::Elf(elf.clone()), Input::VirtOffset(address));
            let found = found.map(|found| symbols(found, Some(path))).unwrap_or_default();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }
}
