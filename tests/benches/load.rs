//! Benchmarks loading and attaching the object of the bootstrap example, compared with libbpf-rs.

mod flood;

use std::time::Instant;

use eunomia_runtime::bpf::BtfCache;
use eunomia_tests::included::bootstrap;
use flood::{Ratios, median};
use libbpf_rs::{Link, ObjectBuilder};

const ROUNDS: usize = 15;

fn main() {
    let mut ratios = Ratios::default();
    let folder = tempfile::tempdir().unwrap();
    let cache = BtfCache::new(folder.path()).unwrap();
    let (mut ours, mut cached, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let attached = bootstrap::open().unwrap().load().unwrap().attach().unwrap();
        ours.push(start.elapsed().as_secs_f64() * 1e3);
        drop(attached);

        let start = Instant::now();
        let btf = cache.file(bootstrap::OBJECT).unwrap();
        let attached =
            bootstrap::open_for(btf.as_deref()).unwrap().load().unwrap().attach().unwrap();
        cached.push(start.elapsed().as_secs_f64() * 1e3);
        drop(attached);

        let start = Instant::now();
        let object =
            ObjectBuilder::default().open_memory(bootstrap::OBJECT).unwrap().load().unwrap();
        let links: Vec<Link> =
            object.progs_mut().map(|program| program.attach().unwrap()).collect();
        theirs.push(start.elapsed().as_secs_f64() * 1e3);
        drop(links);
    }
    let first = cached.first().copied().unwrap_or_default();
    let (ours, cached, theirs) = (median(ours), median(cached), median(theirs));
    println!("open, load and attach: {ours:.2} ms, libbpf-rs {theirs:.2} ms");
    println!(
        "with the kernel's types in a cache: {cached:.2} ms; the first time, which writes the cache, {first:.2} ms"
    );
    ratios.add("load_bootstrap_vs_libbpf_rs", theirs / ours);
    ratios.add("load_bootstrap_ms", ours);
    ratios.add("load_cached_vs_libbpf_rs", theirs / cached);
    ratios.add("load_cached_ms", cached);
}
