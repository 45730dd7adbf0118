//! Benchmarks draining a full ring buffer: nanoseconds for each event, compared with libbpf-rs, aya
//! and a plain read of the memory.

mod flood;

use std::iter::zip;

use eunomia_tests::included::flood::{Export, Loaded, types};
use flood::{
    Case, Ratios, Read, Reader, drains, fill, load,
    peers::{Aya, Bound, Chain, LibbpfRs},
    sent,
};

const SIZES: [(&str, u32, usize); 3] =
    [("l2", 256 << 10, 200), ("16M", 16 << 20, 20), ("64M", 64 << 20, 9)];

/// Functions that drain in runs and one by one.
type Ways = [fn(&Loaded) -> Read; 2];

/// Our reader, draining in one way.
struct Ours {
    skel: Loaded,
    program: &'static str,
    drain: fn(&Loaded) -> Read,
}

impl Reader for Ours {
    fn fill(&mut self, count: u64) {
        fill(&self.skel, self.program, count);
    }

    fn sent(&self) -> Read {
        sent(&self.skel)
    }

    fn drain(&mut self) -> Read {
        (self.drain)(&self.skel)
    }
}

macro_rules! typed {
    ($map:literal, $event:ident) => {
        [
            |skel| {
                let mut read = Read::default();
                skel.object()
                    .ring_buffer::<types::$event>($map)
                    .unwrap()
                    .for_runs(|run| run.iter().for_each(|event| read.add(event.seq)))
                    .unwrap();
                read
            },
            |skel| {
                let mut read = Read::default();
                skel.object()
                    .ring_buffer::<types::$event>($map)
                    .unwrap()
                    .for_each(|event| read.add(event.seq))
                    .unwrap();
                read
            },
        ]
    };
}

fn main() {
    let mut ratios = Ratios::default();
    println!("ns/event       ours: runs    each    poll   libbpf-rs     aya   bound");
    let kinds: [(_, _, _, Ways); 3] = [
        ("16B", "smalls", "fill_small", typed!("smalls", Small)),
        ("64B", "middles", "fill_middle", typed!("middles", Middle)),
        ("168B", "larges", "fill_large", typed!("larges", Large)),
    ];
    for (kind, map, program, [runs, each]) in kinds {
        for (size, ring, rounds) in SIZES {
            let case = Case { map, program, ring };
            let ours =
                |drain| Box::new(Ours { skel: load(case), program, drain }) as Box<dyn Reader>;
            let mut readers = [
                ours(runs),
                ours(each),
                ours(poll),
                Box::new(LibbpfRs::new(case)),
                Box::new(Aya::new(case)),
                Box::new(Bound::new(case)),
            ];
            let times = drains(&mut readers, rounds);
            row(&format!("{kind} {size}"), &times);
            for (way, time) in zip(["runs", "each"], &times) {
                for (peer, theirs) in zip(["libbpf_rs", "aya", "bound"], times.iter().skip(3)) {
                    ratios.add(format!("ring_{kind}_{size}_{way}_vs_{peer}"), theirs / time);
                }
            }
        }
    }
    for (size, ring, rounds) in SIZES.into_iter().filter(|(size, ..)| *size != "16M") {
        let case = Case { map: "mixed", program: "fill_mixed", ring };
        let ours = Ours { skel: load(case), program: case.program, drain: mixed };
        let mut readers: [Box<dyn Reader>; 3] =
            [Box::new(ours), Box::new(LibbpfRs::new(case)), Box::new(Chain::new(case))];
        let times = drains(&mut readers, rounds);
        println!(
            "{:<14}{:>18.2}{:>18.2}{:>18.2}",
            format!("mixed {size}"),
            times[0],
            times[1],
            times[2]
        );
        ratios.add(format!("ring_mixed_{size}_vs_libbpf_rs"), times[1] / times[0]);
        ratios.add(format!("ring_mixed_{size}_vs_bound"), times[2] / times[0]);
    }
}

fn row(name: &str, times: &[f64]) {
    print!("{name:<14}");
    times.iter().for_each(|time| print!("{time:>9.2}"));
    println!();
}

/// Reads all exports, as an application polls them.
fn poll(skel: &Loaded) -> Read {
    let mut read = Read::default();
    skel.drain(|export| match export {
        Export::Smalls(event) => read.add(event.seq),
        Export::Middles(event) => read.add(event.seq),
        Export::Larges(event) => read.add(event.seq),
        _ => {}
    })
    .unwrap();
    read
}

/// Reads records of several lengths as bytes.
fn mixed(skel: &Loaded) -> Read {
    let mut read = Read::default();
    skel.object()
        .ring_buffer::<[u8]>("mixed")
        .unwrap()
        .for_each(|record| {
            if let Some(seq) = record.first_chunk() {
                read.add(u64::from_ne_bytes(*seq));
            }
        })
        .unwrap();
    read
}
