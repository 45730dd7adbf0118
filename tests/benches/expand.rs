//! How long `include_skeleton!` takes for the bootstrap skeleton: reading, checking and generating, as the macro does it.
//!
//! `cargo bench -p eunomia-tests --bench expand` measures a release build; with `--profile dev` the one that most builds use.

use std::{
    fs,
    time::{Duration, Instant},
};

use eunomia_build::{Embed, Skeleton, tokens};

const PATH: &str = "bpf/bootstrap.json";
const RUNS: usize = 50;

fn main() {
    let bytes = fs::read(PATH).unwrap();
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let skeleton = Skeleton::from_slice(&bytes, PATH).unwrap();
            let module = tokens(skeleton, PATH, "bootstrap", &Embed::Literal).unwrap();
            let time = start.elapsed();
            assert!(!module.is_empty());
            time
        })
        .collect();
    times.sort_unstable();
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let limit = if cfg!(debug_assertions) { 300.0 } else { 50.0 };
    let milliseconds = |index: usize| times[index].as_secs_f64() * 1e3;
    println!(
        "{build}: median {:.3} ms, slowest {:.3} ms of {RUNS} runs; the target is below {limit} ms",
        milliseconds(RUNS / 2),
        milliseconds(RUNS - 1)
    );
    println!("ratio expand_bootstrap_{build}_vs_target={:.4}", milliseconds(RUNS / 2) / limit);
}
