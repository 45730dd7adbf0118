//! Names of the code that the kernel gives every process (vDSO), from that of this one.

use std::path::Path;

use blazesym::{
    Pid,
    symbolize::{
        Input, Symbolizer,
        source::{Process, Source},
    },
};

use super::{Symbol, symbols};

pub(super) struct Vdso {
    symbolizer: Symbolizer,
    /// Where it is in this process.
    start: Option<u64>,
}

impl Vdso {
    pub(super) fn new(start: Option<u64>) -> Self {
        Self { symbolizer: Symbolizer::builder().enable_demangling(false).build(), start }
    }

    pub(super) fn symbols(&self, offset: u64) -> Vec<Symbol> {
        let mut own = Process::new(Pid::Slf);
        own.perf_map = false;
        let address = self.start.and_then(|start| start.checked_add(offset));
        let found = address.and_then(|address| self.symbolizer.symbolize_single(&Source::Process(own), Input::AbsAddr(address)).ok());
        found.map(|found| symbols(found, Some(Path::new("[vdso]")))).unwrap_or_default()
    }
}
