//! Objects that the build refuses because no kernel loads them, tried on this kernel.

use eunomia_runtime::bpf::{Open, Spec};

use super::{Outcome, opened};

#[path = "../refused/sources.rs"]
pub(crate) mod sources;

pub(crate) fn kernel_refuses_what_build_refuses() -> Outcome {
    let mut wrong = Vec::new();
    for source in sources::loaded() {
        let object = sources::compile(&source);
        let spec = Spec {
            name: "x",
            object: &object,
            streams: &[],
            samples: &[],
            dropped: &[],
            perf_pages: 1,
        };
        let loaded = opened(&spec).and_then(Open::load);
        if loaded.is_ok() != source.fault.is_empty() {
            wrong.push(format!("{}: {:?}", source.name, loaded.map(drop)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
