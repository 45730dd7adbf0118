//! Committed recordings: today's code writes the same bytes and reads the same text, typed and
//! dynamic, without kernel or root.
//!
//! A recording or text that differs is rewritten and the test fails, as with golden files. A
//! needless difference means that users can no longer replay their recordings.

use std::{fs, io::Write, path::PathBuf};

use eunomia_runtime::{
    Error, Skeleton,
    error::RecordingError,
    recording::{Recorder, Replay, Replayed, Stream},
    sample::{CharArray, Plain as _, Verdict},
    value::Event,
};
use eunomia_tests::{
    built::{
        kinds, picked, sampled, shapes, streams,
        tagged::{self, types::Kind},
    },
    fixture, typed_replay,
};

const NAMES: [&str; 5] = ["kinds", "sampled", "shapes", "streams", "tagged"];

fn path(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/recordings")).join(file)
}

fn committed(name: &str) -> Vec<u8> {
    fs::read(path(&format!("{name}.rec"))).unwrap()
}

fn skeleton(name: &str) -> Skeleton {
    match name {
        "sampled" => Skeleton::from_file(concat!(env!("OUT_DIR"), "/sampled.json")).unwrap(),
        // The settings of the build script.
        "tagged" => {
            let files = [
                ("KIND_OPEN", "struct open_event"),
                ("KIND_READ", "struct data_event"),
                ("3", "struct data_event"),
                ("KIND_CLOSE", "struct unknown"),
            ];
            let balls = [("-1", "struct ping"), ("1", "struct pong")];
            let skeleton = Skeleton::parse(&fixture(name), name).unwrap();
            skeleton.with_tagged_event("files", "kind", files).with_tagged_event(
                "balls",
                "header.kind",
                balls,
            )
        }
        _ => Skeleton::parse(&fixture(name), name).unwrap(),
    }
}

/// Returns records of each kind, with the names of their maps.
fn records(name: &str) -> Vec<(&'static str, Vec<u8>)> {
    match name {
        "kinds" => {
            let mut kinds = kinds::types::Kinds {
                u128: u128::MAX - 5,
                i8: -8,
                text: CharArray::new("a text").unwrap(),
                ..Default::default()
            };
            kinds.markers[1].at.x = -12;
            kinds.color = kinds::types::Color::GREEN;
            vec![("rb", kinds.bytes().to_vec())]
        }
        "shapes" => {
            let mut shapes = shapes::types::Shapes {
                inner: 7,
                kind: shapes::types::ShapesKind::SECOND,
                ..Default::default()
            };
            shapes.flags.set_delta(-33);
            shapes.flags.set_huge(-(1 << 60));
            shapes.from.set_v4(0x0102_0304);
            // The flexible array continues after the struct.
            vec![("rb", shapes.bytes().to_vec()), ("rb", [shapes.bytes(), &[3, 0, 4, 0]].concat())]
        }
        "sampled" => {
            let entry = |key: u32| {
                let value =
                    sampled::types::Total { count: 1 << key, bytes: 2, ..Default::default() };
                [key.bytes(), &[0; 4], value.bytes()].concat()
            };
            vec![
                ("table", entry(1)),
                ("table", entry(40)),
                ("trie", [8u32, 0x0a, 77].map(u32::to_le_bytes).concat()),
            ]
        }
        "tagged" => {
            let open = tagged::types::OpenEvent {
                kind: Kind::KIND_OPEN,
                path: CharArray::new("/etc/passwd").unwrap(),
                ..Default::default()
            };
            let data =
                tagged::types::DataEvent { kind: Kind::KIND_WRITE, size: 2, ..Default::default() };
            let pong = tagged::types::Pong {
                header: tagged::types::Header { version: 1, kind: 1 },
                sum: 5,
                ..Default::default()
            };
            vec![
                ("files", open.bytes().to_vec()),
                ("balls", pong.bytes().to_vec()),
                ("files", [data.bytes(), &[7, 8]].concat()),
                // An unknown tag, and a record too short for a tag.
                ("files", vec![77, 0, 0, 0, 9]),
                ("files", vec![1, 2, 3]),
            ]
        }
        _ => {
            let sample = |seq: u64| streams::types::Sample {
                seq,
                check: !seq,
                producer: 2,
                len: 64,
                payload: [seq as u8; 40],
            };
            let note =
                |code, text| streams::types::Note { code, text: CharArray::new(text).unwrap() };
            let mut records: Vec<_> =
                (0..5).map(|seq| ("rb", sample(seq).bytes().to_vec())).collect();
            records.insert(2, ("notes", note(7, "noted").bytes().to_vec()));
            records.push(("notes", note(8, "with blank").bytes().to_vec()));
            // With the padding of a perf event array.
            records.push(("events", [sample(9).bytes(), &[0; 4]].concat()));
            records
        }
    }
}

fn fill<W: Write>(
    mut recorder: Recorder<W>,
    streams: &[Stream<'_>],
    records: &[(&str, Vec<u8>)],
) -> W {
    for (map, record) in records {
        let number = streams.iter().position(|stream| stream.map == *map).unwrap();
        assert!(matches!(recorder.record(number, record), Verdict::Delivered));
    }
    recorder.finish().unwrap()
}

/// Returns the recording that the generated module writes.
fn typed_recording(name: &str) -> Vec<u8> {
    let records = records(name);
    match name {
        "kinds" => fill(kinds::recorder(Vec::new()).unwrap(), kinds::STREAMS, &records),
        "sampled" => fill(sampled::recorder(Vec::new()).unwrap(), sampled::STREAMS, &records),
        "shapes" => fill(shapes::recorder(Vec::new()).unwrap(), shapes::STREAMS, &records),
        "tagged" => fill(tagged::recorder(Vec::new()).unwrap(), tagged::STREAMS, &records),
        _ => fill(streams::recorder(Vec::new()).unwrap(), streams::STREAMS, &records),
    }
}

fn dynamic_replay(name: &str, recording: &[u8]) -> Result<(Vec<String>, Replayed), Error> {
    let mut lines = Vec::new();
    let replayed = skeleton(name).replay(recording, |event| lines.push(line(&event)))?;
    Ok((lines, replayed))
}

fn line(event: &Event<'_>) -> String {
    let braced = |value: &eunomia_runtime::value::Value<'_>| {
        if value.fields().next().is_some() { format!("{{{value}}}") } else { value.to_string() }
    };
    match &event.key {
        Some(key) => format!("key={} value={}", braced(key), braced(&event.value)),
        None => event.value.to_string(),
    }
}

/// The file also has names and layouts, so this checks that every fingerprint stays the same.
#[test]
fn recordings_are_written_as_committed() {
    let mut differ = Vec::new();
    for name in NAMES {
        let recording = typed_recording(name);
        let checked = skeleton(name).check().unwrap();
        let streams = checked.recorded_streams();
        assert!(
            fill(checked.recorder(Vec::new()).unwrap(), &streams, &records(name)) == recording,
            "the two paths write different files"
        );
        if fs::read(path(&format!("{name}.rec"))).ok() != Some(recording.clone()) {
            fs::write(path(&format!("{name}.rec")), recording).unwrap();
            differ.push(name);
        }
    }
    assert!(differ.is_empty(), "rewritten, look at the difference: {differ:?}");
}

#[test]
fn committed_recordings_are_read() {
    let mut differ = Vec::new();
    for name in NAMES {
        let recording = committed(name);
        let (lines, replayed) = typed_replay(name, &recording).unwrap();
        assert_eq!((lines.clone(), replayed), dynamic_replay(name, &recording).unwrap());
        assert_eq!(
            replayed,
            Replayed { records: records(name).len() as u64, short: 0, left_over: 0 }
        );
        let text = lines.join("\n") + "\n";
        if fs::read_to_string(path(&format!("{name}.txt"))).ok().as_ref() != Some(&text) {
            fs::write(path(&format!("{name}.txt")), text).unwrap();
            differ.push(name);
        }
    }
    assert!(differ.is_empty(), "rewritten, look at the difference: {differ:?}");
}

#[test]
fn truncated_record_is_reported() {
    let recording = committed("streams");
    for (cut, records, left_over) in [(1, 7, 79), (80, 7, 0), (81, 6, 31)] {
        let cut = &recording[..recording.len() - cut];
        let (lines, replayed) = typed_replay("streams", cut).unwrap();
        assert_eq!(
            (lines.len() as u64, replayed),
            (records, Replayed { records, short: 0, left_over })
        );
        assert_eq!((lines, replayed), dynamic_replay("streams", cut).unwrap());
    }
}

#[test]
fn other_layout_is_refused() {
    let recording = committed("streams");
    let refused = picked::replay(&recording[..], |_| ()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the records of `notes` have another layout in the recording: recorded `struct note`, 24 bytes, has `0 u32 code`, \
         current `custom members`, 24 bytes, has `members 24`; replay it with the skeleton that it was recorded with"
    );
    assert!(
        matches!(refused, Error::Recording(flaw) if matches!(*flaw, RecordingError::Layout { .. }))
    );
    let refused = kinds::replay(&recording[..], |_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "no map that delivers records `notes`; known: rb");
    let dynamic = Skeleton::from_file(concat!(env!("OUT_DIR"), "/picked.json")).unwrap();
    assert!(
        dynamic
            .replay(&recording[..], |_| ())
            .unwrap_err()
            .to_string()
            .starts_with("the records of `notes` have another layout")
    );
}

/// Only the tag of a record gives the length that it needs. So the recorder writes it as it is, and
/// replay counts it as short.
#[test]
fn record_shorter_than_its_tagged_type_is_recorded() {
    let mut recorder = tagged::recorder(Vec::new()).unwrap();
    let files = tagged::STREAMS.iter().position(|stream| stream.map == "files").unwrap();
    assert!(matches!(tagged::Export::deliver(files, &1u32.to_le_bytes(), |_| ()), Verdict::Short));
    assert!(matches!(recorder.record(files, &1u32.to_le_bytes()), Verdict::Delivered));
    let recording = recorder.finish().unwrap();
    assert_eq!(
        typed_replay("tagged", &recording).unwrap(),
        (Vec::new(), Replayed { records: 0, short: 1, left_over: 0 })
    );
    assert_eq!(
        dynamic_replay("tagged", &recording).unwrap(),
        (Vec::new(), Replayed { records: 0, short: 1, left_over: 0 })
    );
}

/// Typed and dynamic replay give the same text or the same error for each damaged byte.
#[test]
fn typed_and_dynamic_replay_agree_on_damage() {
    let checked = skeleton("streams").check().unwrap();
    let recording = committed("streams");
    for at in 0..recording.len() {
        let mut damaged = recording.clone();
        damaged[at] ^= 1 << (at % 8);
        let mut lines = Vec::new();
        let dynamic = checked
            .replay(&damaged[..], |event| lines.push(line(&event)))
            .map(|replayed| (lines, replayed));
        match (typed_replay("streams", &damaged), dynamic) {
            (Ok(typed), Ok(dynamic)) => assert_eq!(typed, dynamic),
            (Err(typed), Err(dynamic)) => {
                assert_eq!(typed.to_string(), dynamic.to_string());
                assert!(matches!(typed, Error::Recording(_) | Error::NotFound { .. }), "{typed}");
            }
            (typed, dynamic) => panic!("{typed:?} {dynamic:?}"),
        }
    }
}

#[test]
fn record_of_unknown_map_fails() {
    let typed = streams::Export::deliver(3, &[0; 64], |_| -> () { panic!("delivered") });
    let dynamic = skeleton("streams")
        .check()
        .unwrap()
        .deliver(3, &[0; 64], |_| -> () { panic!("delivered") });
    for verdict in [typed, dynamic] {
        assert!(
            matches!(verdict, Verdict::Failed(cause) if cause.to_string() == "no map 3 that delivers records")
        );
    }
}

#[test]
fn recording_describes_its_streams() {
    let recording = committed("shapes");
    let mut replay = Replay::new(&recording[..]).unwrap();
    // A recording does not have the minimum lengths of records.
    let recorded: Vec<_> =
        shapes::STREAMS.iter().map(|stream| stream.clone().at_least(stream.size)).collect();
    assert_eq!((replay.name(), replay.streams()), ("shapes", &recorded[..]));
    let lens = std::iter::from_fn(|| {
        replay.read().unwrap().map(|entry| (entry.stream, entry.bytes.len(), entry.time))
    });
    assert_eq!(lens.collect::<Vec<_>>(), [(0, 128, None), (0, 132, None)]);
}
