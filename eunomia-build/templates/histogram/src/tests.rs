//! Tests of the BPF program. Those that load it need root; `README.md` says how to run them.

use std::{error::Error, process, thread, time::Duration};

use clap::Parser as _;
use eunomia_runtime::histogram::Log2Histogram;

use super::{
    Options,
    bpf::{self, Export},
};

#[test]
fn option_sets_variable() -> Result<(), Box<dyn Error>> {
    let options = Options::try_parse_from(["histogram", "-p", "42"])?;
    let mut open = bpf::open()?.args(&options.args)?;
    assert_eq!(open.rodata()?.pid.get()?, 42);
    Ok(())
}

/// Sees only the system calls of this test, so that nothing else on the machine matters.
#[test]
#[ignore = "needs root"]
fn calls_that_sleep_are_counted() -> Result<(), Box<dyn Error>> {
    let mut open = bpf::open()?;
    open.rodata()?.pid.set(process::id())?;
    let skel = open.load()?.attach()?;
    for _ in 0..10 {
        thread::sleep(Duration::from_millis(5));
    }

    let mut all = Log2Histogram::new();
    skel.finish(|Export::Latency(entry)| {
        all.merge(&Log2Histogram::from_slots(&entry.value.slots));
    })?;
    let slow: u64 = all
        .rows()
        .filter(|(us, _)| *us.start() >= 4096)
        .map(|(_, count)| count)
        .sum();
    assert!(slow >= 10, "{}", all.text("us"));
    Ok(())
}
