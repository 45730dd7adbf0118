//! Names of functions in the vDSO, the code that the kernel maps into every process, read from this
//! process's vDSO.

use std::path::Path;

use blazesym::{
    Pid,
    symbolize::{
        Input, Symbolizer,
        source::{Process, Source},
    },
};

use super::{Symbol, symbols};

/// The vDSO of this process, whose code every process has.
pub(super) struct Vdso {
    symbolizer: Symbolizer,
    /// The start of the vDSO in this process.
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
        let found = address.and_then(|address| {
            self.symbolizer.symbolize_single(&Source::Process(own), Input::AbsAddr(address)).ok()
        });
        found.map(|found| symbols(found, Some(Path::new("[vdso]")))).unwrap_or_default()
    }
}
