//! Tests of the BPF program. Those that load it need root; `README.md` says how to run them.

use std::{
    error::Error,
    process::{self, Command},
};

use clap::Parser as _;

use super::{
    Options,
    bpf::{self, Export},
};

#[test]
fn option_sets_variable() -> Result<(), Box<dyn Error>> {
    let options = Options::try_parse_from(["tracer", "-p", "42"])?;
    let mut open = bpf::open()?.args(&options.args)?;
    assert_eq!(open.rodata()?.parent.get()?, 42);
    Ok(())
}

/// Sees only what this test starts, so that nothing else on the machine matters.
#[test]
#[ignore = "needs root"]
fn child_is_reported() -> Result<(), Box<dyn Error>> {
    let mut open = bpf::open()?;
    open.rodata()?.parent.set(process::id() as i32)?;
    let skel = open.load()?.attach()?;
    let mut child = Command::new("sh").args(["-c", "exit 0"]).spawn()?;
    child.wait()?;

    let mut files = Vec::new();
    let skel = skel.finish(|Export::Events(event)| {
        if event.pid as u32 == child.id() {
            files.push((event.comm.to_string(), event.filename.to_string()));
        }
    })?;
    let [(comm, file)] = files.as_slice() else {
        panic!("one event was expected: {files:?}");
    };
    assert_eq!(comm, "sh");
    assert!(file.ends_with("/sh"), "{file}");
    assert_eq!(skel.stats().events.lost, Some(0));
    Ok(())
}
