//! Runs the same tests on other kernels.

use std::path::Path;

use eunomia_vm::{Error, Kernel, Run};

/// Runs this program with its arguments on each kernel, in a virtual machine.
pub(crate) fn on(kernels: &[Kernel]) -> Result<u8, Error> {
    let run = Run::this()?.file(concat!(env!("CARGO_MANIFEST_DIR"), "/bpf"))?;
    let run = ["plain.json", "sampled.json", "streams.bpf.o"]
        .into_iter()
        .try_fold(run, |run, name| run.file(Path::new(env!("OUT_DIR")).join(name)))?;
    run.on(kernels)
}
