//! Loading and attaching the object of the bootstrap example, beside libbpf-rs.

mod flood;

use std::time::Instant;

use eunomia_tests::included::bootstrap;
use flood::{Ratios, median};
use libbpf_rs::{Link, ObjectBuilder};

const ROUNDS: usize = 15;

fn main() {
    let mut ratios = Ratios::default();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let attached = bootstrap::open().unwrap().load().unwrap().attach().unwrap();
        ours.push(start.elapsed().as_secs_f64() * 1e3);
        drop(attached);

        let start = Instant::now();
        let object = ObjectBuilder::default().open_memory(bootstrap::OBJECT).unwrap().load().unwrap();
        let links: Vec<Link> = object.progs_mut().map(|program| program.attach().unwrap()).collect();
        theirs.push(start.elapsed().as_secs_f64() * 1e3);
        drop(links);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("open, load and attach: {ours:.2} ms, libbpf-rs {theirs:.2} ms");
    ratios.add("load_bootstrap_vs_libbpf_rs", theirs / ours);
    ratios.add("load_bootstrap_ms", ours);
}
