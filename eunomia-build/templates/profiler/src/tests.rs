//! Tests of the BPF program. Those that load it need root; `README.md` says how to run them.

use std::{
    error::Error,
    hint, process,
    time::{Duration, Instant},
};

use clap::Parser as _;
use eunomia_runtime::symbols::Symbols;

use super::{
    Options,
    bpf::{self, Export},
    folded, used,
};

#[test]
fn option_sets_variable() -> Result<(), Box<dyn Error>> {
    let options = Options::try_parse_from(["profiler", "-p", "42"])?;
    let mut open = bpf::open()?.args(&options.args)?;
    assert_eq!((open.rodata()?.pid.get()?, options.frequency), (42, 99));
    Ok(())
}

#[test]
fn stack_is_the_used_part() {
    assert_eq!(used(&[1, 2, 3], 16), [1, 2]);
    assert_eq!(used(&[1, 2, 3], -14), [0; 0]);
    assert_eq!(used(&[1, 2, 3], 800), [1, 2, 3]);
}

#[inline(never)]
fn busy_loop() {
    let end = Instant::now() + Duration::from_millis(300);
    while Instant::now() < end {
        hint::spin_loop();
    }
}

/// Sees only this test, so that nothing else on the machine matters.
#[test]
#[ignore = "needs root"]
fn busy_function_is_sampled() -> Result<(), Box<dyn Error>> {
    let mut open = bpf::open()?;
    open.rodata()?.pid.set(process::id())?;
    open.object()
        .set_target("tick", "cpu-clock:99hz".parse()?)?;
    let skel = open.load()?.attach()?;
    busy_loop();

    let (symbols, mut stacks) = (Symbols::new(), Vec::new());
    let skel = skel.finish(|Export::Samples(sample)| stacks.push(folded(&symbols, sample)))?;
    assert!(
        stacks.iter().any(|stack| stack.contains("busy_loop")),
        "{stacks:#?}"
    );
    assert_eq!(skel.stats().samples.lost, Some(0));
    Ok(())
}
