//! Benchmarks events as JSON and as a line of text, through layouts known only at run time,
//! compared with a `serde_json::Value` that is built and written for each event. The first round
//! checks that all outputs are equal.

mod flood;

use std::{hint::black_box, io::Write as _, time::Instant};

use eunomia_runtime::{
    Skeleton,
    checked::Checked,
    object::TypeId,
    output::{Format, Printer},
    sample::{CharArray, Event, Plain as _},
    value::Value,
};
use eunomia_tests::{
    built::kinds::types::Kinds, fixture, included::bootstrap::types::Event as Process,
    included::flood::types::Large, struct_id,
};
use flood::{Ratios, median};
use serde_core::Serialize;
use serde_json::Value as Json;

/// The number of events in a round; they fit in a cache.
const EVENTS: usize = 1000;
const ROUNDS: usize = 60;

fn main() {
    let mut ratios = Ratios::default();
    let names = ["sh", "cargo", "kworker/u8:2-ev", "systemd-journal", "cc1"];
    let files = [
        "/bin/sh",
        "/usr/bin/cargo",
        "/usr/lib/x86_64-linux-gnu/libexec/a/longer/path/that/some/programs/have",
        "",
    ];
    let flat = |seq: usize| Large {
        seq: seq as u64,
        pid: 100_000 + seq as u32,
        ppid: 4242,
        start: 1_700_000_000_000_000_000 + seq as u64,
        comm: CharArray::new(names[seq * 7 % names.len()]).unwrap(),
        filename: CharArray::new(files[seq * 5 % files.len()]).unwrap(),
    };
    let nested = |seq: usize| {
        let mut event = Kinds {
            u32: seq as u32,
            u64: seq as u64 * 1_000_003,
            i64: -(seq as i64),
            ..Kinds::default()
        };
        event.text = CharArray::new("sixteen").unwrap();
        event
    };
    println!("ns/event        JSON       text   serde_json::Value");
    measure("168B", "flood", &(0..EVENTS).map(flat).collect::<Vec<_>>(), &mut ratios);
    measure("nested", "kinds", &(0..EVENTS).map(nested).collect::<Vec<_>>(), &mut ratios);
    println!("\nns/event as `eunomia run` prints them, 176 bytes");
    let process = |seq: usize| Process {
        pid: 100_000 + seq as i32,
        comm: CharArray::new(names[seq * 7 % names.len()]).unwrap(),
        filename: CharArray::new(files[seq * 5 % files.len()]).unwrap(),
        ..Process::default()
    };
    let events: Vec<_> = (0..EVENTS).map(process).collect();
    for (name, format) in [("text", Format::Text), ("json", Format::Json), ("raw", Format::Raw)] {
        let time = print(&events, format);
        println!("{name:<10}{time:>10.0}");
        ratios.add(format!("run_176B_{name}_ns"), time);
    }
}

fn print(events: &[Process], format: Format) -> f64 {
    let checked = Skeleton::parse(&fixture("bootstrap"), "bootstrap").unwrap().check().unwrap();
    let mut printer = Printer::new(&checked, format).unwrap();
    printer.set_time("12:00:00");
    let (mut out, mut times) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        out.clear();
        let start = Instant::now();
        for event in events {
            checked.deliver(0, black_box(event.bytes()), |event| printer.write(&event, &mut out));
        }
        if round >= 2 {
            times.push(start.elapsed().as_secs_f64() * 1e9 / events.len() as f64);
        }
    }
    assert!(out.len() > events.len() * 50, "the events were not printed");
    median(times)
}

fn measure<E: Event + Serialize>(name: &str, skeleton: &str, events: &[E], ratios: &mut Ratios) {
    let checked = Skeleton::parse(&fixture(skeleton), skeleton).unwrap().check().unwrap();
    let ty = struct_id(&checked.layouts, E::C_NAME);
    let mut out = Vec::new();
    let mut times = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        let mut outs = [const { Vec::new() }; 3];
        let mut time = |way: usize, out: &mut Vec<u8>, write: &dyn Fn(&E, &mut Vec<u8>)| {
            out.clear();
            let start = Instant::now();
            for event in events {
                write(black_box(event), out);
                out.push(b'\n');
            }
            if round >= 2 {
                times[way].push(start.elapsed().as_secs_f64() * 1e9 / events.len() as f64);
            }
            if round == 0 {
                outs[way] = out.clone();
            }
        };
        time(0, &mut out, &|event, out| value(&checked, ty, event).write_json(out));
        time(1, &mut out, &|event, out| value(&checked, ty, event).write_line(out));
        time(2, &mut out, &|event, out| {
            serde_json::to_writer(&mut *out, &serde_json::to_value(event).unwrap()).unwrap();
        });
        if round == 0 {
            // `serde_json::Value` sorts keys, so the texts are compared as parsed values.
            let parse = |bytes: &[u8]| -> Vec<Json> {
                bytes
                    .split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty())
                    .map(|line| serde_json::from_slice(line).unwrap())
                    .collect()
            };
            assert!(parse(&outs[0]) == parse(&outs[2]), "they say different things");
            assert_eq!(outs[1].iter().filter(|byte| **byte == b'\n').count(), events.len());
        }
    }
    let [json, text, tree] = times.map(median);
    println!("{name:<10}{json:>10.0}{text:>11.0}{tree:>20.0}");
    ratios.add(format!("json_{name}_ns"), json);
    ratios.add(format!("text_{name}_ns"), text);
    ratios.add(format!("json_{name}_vs_serde_value"), tree / json);
    std::io::stdout().flush().unwrap();
}

fn value<'a, E: Event>(checked: &'a Checked, ty: TypeId, event: &'a E) -> Value<'a> {
    Value::new(&checked.layouts, ty, event.bytes()).unwrap()
}
