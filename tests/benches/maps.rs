//! Benchmarks reading a whole hash table, u32 to 32 bytes: nanoseconds for each entry, compared
//! with a lookup for each key.

mod flood;

use std::{os::fd::BorrowedFd, time::Instant};

use eunomia_tests::included::flood::types::Value;
use flood::{Case, Ratios, fill, load, median};
use libbpf_rs::{MapCore as _, MapFlags, MapHandle, MapInfo};

const CASE: Case = Case { map: "larges", program: "fill_table", ring: 4096 };
const ROUNDS: usize = 15;

fn main() {
    let mut ratios = Ratios::default();
    println!("ns/entry     sampler     take   libbpf-rs keys and lookup");
    for (name, count) in [("10k", 10_000), ("100k", 100_000)] {
        let skel = load(CASE);
        let table = skel.maps().unwrap().table;
        let (mut sampler, mut taker) = (table.sampler().unwrap(), table.sampler().unwrap());
        let peer = peer(table.as_map().fd());
        let (mut sampled, mut taken, mut walked) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            fill(&skel, CASE.program, count);
            let sum = (0..count).sum();
            walked.push(measure(count, sum, || {
                let lookup = |key: Vec<u8>| peer.lookup(&key, MapFlags::ANY).unwrap().unwrap();
                peer.keys()
                    .map(lookup)
                    .map(|value| u64::from_ne_bytes(value[..8].try_into().unwrap()))
                    .sum()
            }));
            sampled.push(measure(count, sum, || total(sampler.sample().unwrap().values())));
            taken.push(measure(count, sum, || total(taker.take().unwrap().values())));
        }
        let [sampled, taken, walked] = [sampled, taken, walked].map(median);
        println!("{name:<10}{sampled:>10.1}{taken:>9.1}{walked:>12.1}");
        ratios.add(format!("maps_{name}_vs_per_key"), walked / sampled);
    }
}

/// Opens the table as a handle of libbpf-rs.
fn peer(map: BorrowedFd<'_>) -> MapHandle {
    MapHandle::from_map_id(MapInfo::new(map).unwrap().info.id).unwrap()
}

fn total(values: &[Value]) -> u64 {
    values.iter().map(|value| value.words[0]).sum()
}

/// Returns nanoseconds for each entry. The sum proves that all entries were read.
fn measure(count: u64, sum: u64, read: impl FnOnce() -> u64) -> f64 {
    let start = Instant::now();
    let found = read();
    let time = start.elapsed();
    assert_eq!(found, sum);
    time.as_secs_f64() * 1e9 / count as f64
}
