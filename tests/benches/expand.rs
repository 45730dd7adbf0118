//! Benchmarks `include_skeleton!`: reading, checking and generating, as the macro does it.
//!
//! `cargo bench -p eunomia-tests --bench expand` measures a release build; `--profile dev` measures
//! the one that most builds use.

use std::{fs, time::Instant};

use eunomia_build::{Embed, Skeleton, tokens};

const RUNS: usize = 50;

fn main() {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let (median, slowest) = measure("bootstrap");
    let limit = if cfg!(debug_assertions) { 300.0 } else { 50.0 };
    println!(
        "{build}: bootstrap: median {median:.3} ms, slowest {slowest:.3} ms of {RUNS} runs; the target is below {limit} ms"
    );
    let rates = ["bootstrap", "kinds", "maps", "programs", "shapes", "streams"].map(|name| {
        let (median, _) = measure(name);
        let kib = btf_size(name) as f64 / 1024.0;
        println!(
            "{build}: {name}: median {median:.3} ms for {kib:.1} KiB of BTF, {:.3} ms a KiB",
            median / kib
        );
        median / kib
    });
    println!("ratio expand_bootstrap_{build}_vs_target={:.4}", median / limit);
    if !cfg!(debug_assertions) {
        // The target is one millisecond for each KiB of BTF.
        println!("ratio generate_ms_per_kib_btf={:.4}", rates.into_iter().fold(0.0, f64::max));
    }
}

fn path(name: &str) -> String {
    format!("bpf/{name}.json")
}

/// Returns the median and the slowest run in milliseconds.
fn measure(name: &str) -> (f64, f64) {
    let path = path(name);
    let bytes = fs::read(&path).unwrap();
    let mut times = [0.0; RUNS].map(|_| {
        let start = Instant::now();
        let skeleton = Skeleton::from_slice(&bytes, &path).unwrap();
        let module = tokens(skeleton, name, &Embed::Literal).unwrap();
        let time = start.elapsed().as_secs_f64() * 1e3;
        assert!(!module.is_empty());
        time
    });
    times.sort_unstable_by(f64::total_cmp);
    (times[RUNS / 2], times[RUNS - 1])
}

fn btf_size(name: &str) -> u64 {
    let checked = Skeleton::from_file(path(name)).unwrap().check().unwrap();
    checked.layouts.elf.sections.iter().find(|section| section.name == ".BTF").unwrap().size
}
