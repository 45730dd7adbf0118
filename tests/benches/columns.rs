//! Benchmarks columns: events of 168 bytes in runs, as a ring delivers them, compared with a push
//! to each field of each event.

mod flood;

use std::{hint::black_box, time::Instant};

use eunomia_runtime::{columns::Columns as _, sample::CharArray};
use eunomia_tests::included::flood::types::{Large, LargeBatch};
use flood::{Ratios, median};

/// Names, numbers of events and rounds: one size fits in a cache, the other in none.
const SIZES: [(&str, usize, usize); 2] = [("l2", 1500, 400), ("64M", 400_000, 9)];

/// Columns written by hand.
#[derive(Default)]
struct ByHand {
    seq: Vec<u64>,
    pid: Vec<u32>,
    ppid: Vec<u32>,
    start: Vec<u64>,
    comm: Texts,
    filename: Texts,
}

#[derive(Default)]
struct Texts {
    ends: Vec<i64>,
    bytes: Vec<u8>,
}

impl Texts {
    fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as i64);
    }

    fn clear(&mut self) {
        self.ends.clear();
        self.bytes.clear();
    }
}

impl ByHand {
    fn push(&mut self, event: &Large) {
        self.seq.push(event.seq);
        self.pid.push(event.pid);
        self.ppid.push(event.ppid);
        self.start.push(event.start);
        self.comm.push(event.comm.as_bytes());
        self.filename.push(event.filename.as_bytes());
    }

    fn clear(&mut self) {
        let Self { seq, pid, ppid, start, comm, filename } = self;
        seq.clear();
        pid.clear();
        ppid.clear();
        start.clear();
        comm.clear();
        filename.clear();
    }
}

/// Returns events with typical names of processes and files.
fn events(count: usize) -> Vec<Large> {
    let names = ["sh", "cargo", "kworker/u8:2-ev", "systemd-journal", "cc1"];
    let files = [
        "/bin/sh",
        "/usr/bin/cargo",
        "/usr/lib/x86_64-linux-gnu/libexec/a/longer/path/that/some/programs/have",
        "",
    ];
    let event = |seq: usize| Large {
        seq: seq as u64,
        pid: seq as u32,
        comm: CharArray::new(names[seq * 7 % names.len()]).unwrap(),
        filename: CharArray::new(files[seq * 5 % files.len()]).unwrap(),
        ..Large::default()
    };
    (0..count).map(event).collect()
}

fn main() {
    let mut ratios = Ratios::default();
    println!("ns/event      columns   one by one   pushed by hand");
    for (size, count, rounds) in SIZES {
        let events = events(count);
        let (mut batch, mut single, mut by_hand) =
            (LargeBatch::default(), LargeBatch::default(), ByHand::default());
        let mut times = [const { Vec::new() }; 3];
        for round in 0..rounds {
            let mut time = |way: usize, f: &mut dyn FnMut()| {
                let start = Instant::now();
                f();
                if round >= 2 {
                    times[way].push(start.elapsed().as_secs_f64() * 1e9 / count as f64);
                }
            };
            time(0, &mut || events.chunks(16).for_each(|run| batch.extend(black_box(run))));
            time(1, &mut || events.iter().for_each(|event| single.push(black_box(event))));
            time(2, &mut || events.iter().for_each(|event| by_hand.push(black_box(event))));
            assert!(
                batch.seq == by_hand.seq
                    && batch.filename.bytes() == by_hand.filename.bytes
                    && batch.comm.bytes() == by_hand.comm.bytes
            );
            assert!(
                batch.comm.offsets()[1..] == by_hand.comm.ends
                    && single.ppid == by_hand.ppid
                    && batch.start == by_hand.start
            );
            batch.clear();
            single.clear();
            by_hand.clear();
        }
        let [columns, single, by_hand] = times.map(median);
        println!("{size:<10}{columns:>10.2}{single:>13.2}{by_hand:>17.2}");
        let name = if size == "l2" { String::new() } else { format!("_{size}") };
        ratios.add(format!("columns_168B{name}_vs_push_per_field"), by_hand / columns);
    }
}
