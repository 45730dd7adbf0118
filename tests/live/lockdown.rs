//! What root may do on a locked-down kernel.

use std::fs;

use eunomia_tests::built::bootstrap;

use super::{
    Outcome,
    child::{Other, answer, tried},
    privileges::load,
};

/// The lockdown lasts until the machine ends, so this is the last of all tests.
pub(crate) fn lockdown_is_explained() -> Outcome {
    fs::write("/sys/kernel/security/lockdown", "confidentiality")?;
    let answers = Other::start("locked", [])?.end()?;
    const TEXT: &str =
        "hint: this process has the capabilities, but the kernel is locked down (confidentiality)";
    for (name, text) in &answers {
        match name.as_str() {
            "preflight" => {
                assert!(text.contains("warn kernel lockdown: confidentiality"), "{text}")
            }
            // The programs need a helper that reads kernel memory, which lockdown forbids.
            "bootstrap" => {
                assert!(text.contains("bpf_probe_read") && text.contains(TEXT), "{text}")
            }
            "kprobe, attached" => assert!(text.contains(TEXT), "{name}: {text}"),
            _ => assert_eq!(text, "ok", "{name}"),
        }
    }
    Ok(())
}

/// The part of root on a locked-down kernel.
pub(crate) fn locked(_: &str) -> Outcome {
    answer("preflight", eunomia_runtime::preflight());
    tried("socket", load(&["socket"]));
    if let Some(skel) = tried("tracepoint", load(&["tracepoint"])) {
        tried("tracepoint, attached", (|| Ok(skel.progs()?.tracepoint.attach()?))());
    }
    tried("bootstrap", bootstrap::open().and_then(bootstrap::Open::load).map_err(Into::into));
    if let Some(skel) = tried("kprobe", load(&["kprobe"])) {
        tried("kprobe, attached", (|| Ok(skel.progs()?.kprobe.attach()?))());
    }
    if let Some(skel) = tried("fentry", load(&["fentry"])) {
        tried("fentry, attached", (|| Ok(skel.progs()?.fentry.attach()?))());
    }
    Ok(())
}
