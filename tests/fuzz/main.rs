//! Fuzz tests of every parser of untrusted bytes: no panic, no hang, no access out of bounds.
//!
//! Here each target gets some thousand mutated inputs, the same ones every time; `SEED=2
//! ROUNDS=1000000` gives others. `make fuzz` runs a target for any time, guided by code coverage
//! (`campaign.rs`).

mod mutator;
mod targets;

use std::env;

use mutator::Mutator;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// Runs a target on mutated seeds; each input that it accepts becomes a seed.
fn run(name: &str, rounds: u64) {
    let target = targets::find(name);
    let mut seeds = (target.seeds)();
    let mut mutator = Mutator::new(number("SEED", 1));
    let (mut good, mut bad) = (0, 0);
    assert!(
        seeds.iter().filter(|seed| (target.run)(seed)).count() > 0,
        "{name}: no seed is accepted"
    );
    for round in 0..number("ROUNDS", rounds) {
        let input = mutator.change(&seeds);
        let before = Dump { name, round, input: &input };
        if (target.run)(&input) {
            good += 1;
            if seeds.len() < 500 {
                seeds.push(input.clone());
            }
        } else {
            bad += 1;
        }
        std::mem::forget(before);
    }
    println!("{name}: {good} inputs accepted, {bad} refused");
    assert!(good > 0, "{name}: no mutated input is accepted");
}

/// Writes the input to a file if a target panics.
struct Dump<'a> {
    name: &'a str,
    round: u64,
    input: &'a [u8],
}

impl Drop for Dump<'_> {
    fn drop(&mut self) {
        let path = format!("{}/{}-{}", env!("CARGO_TARGET_TMPDIR"), self.name, self.round);
        let kept = std::fs::write(&path, self.input);
        eprintln!("round {} of {}: the input is in {path} ({kept:?})", self.round, self.name);
    }
}

#[test]
fn ring() {
    run("ring", 40_000);
}

#[test]
fn perf() {
    run("perf", 40_000);
}

#[test]
fn document() {
    run("document", 1_500);
}

#[test]
fn object() {
    run("object", 600);
}

#[test]
fn libbpf() {
    run("libbpf", 600);
}

#[test]
fn record() {
    run("record", 20_000);
}

#[test]
fn recording() {
    run("recording", 6_000);
}

#[test]
fn tar() {
    run("tar", 3_000);
}

#[test]
fn btf() {
    run("btf", 20_000);
}

#[test]
fn vmlinux() {
    run("vmlinux", 5_000);
}

#[test]
fn binary() {
    run("binary", 5_000);
}

#[test]
fn symbols() {
    run("symbols", 2_000);
}

#[test]
fn arguments() {
    run("arguments", 2_000);
}
