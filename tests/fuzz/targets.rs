//! The fuzz targets: each is a function of bytes, with inputs to start from.

mod files;
mod objects;

use std::{env::consts::ARCH, fmt::Display, fs, sync::LazyLock};

use eunomia_build::{Embed, Skeleton, tokens};
use eunomia_runtime::{
    __private::to_yaml, Error, checked::Checked, reader::fuzz, recording::Replay, sample::Verdict,
};
use eunomia_tests::{
    built::{kinds, sampled, shapes, streams, tagged},
    fixture, typed_replay,
};

pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Returns true if the target accepts the input. Panics if an invariant is violated.
    pub(crate) run: fn(&[u8]) -> bool,
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
}

const TARGETS: [Target; 13] = [
    Target { name: "ring", run: ring, seeds: steps },
    Target { name: "perf", run: perf, seeds: steps },
    Target { name: "document", run: document, seeds: documents },
    Target { name: "object", run: object, seeds: objects },
    Target { name: "libbpf", run: objects::libbpf, seeds: objects::changes },
    Target { name: "record", run: record, seeds: records },
    Target { name: "recording", run: recording, seeds: recordings },
    Target { name: "tar", run: files::tar, seeds: files::archives },
    Target { name: "btf", run: files::btf, seeds: files::btfs },
    Target { name: "vmlinux", run: files::vmlinux, seeds: files::headers },
    Target { name: "binary", run: files::binary, seeds: files::binaries },
    Target { name: "symbols", run: files::symbols, seeds: files::executables },
    Target { name: "arguments", run: files::arguments, seeds: files::lines },
];

/// Returns the target of this name.
///
/// # Panics
/// If there is no such target.
pub(crate) fn find(name: &str) -> &'static Target {
    static ALL: [Target; 13] = TARGETS;
    ALL.iter().find(|target| target.name == name).unwrap_or_else(|| {
        panic!("no target `{name}`; there are {}", TARGETS.map(|target| target.name).join(", "));
    })
}

const NAMES: [&str; 5] = ["kinds", "sampled", "shapes", "streams", "tagged"];

fn ring(input: &[u8]) -> bool {
    fuzz::ring(input);
    true
}

fn perf(input: &[u8]) -> bool {
    fuzz::perf(input);
    true
}

/// Returns inputs that write, publish and read records in several ways.
fn steps() -> Vec<Vec<u8>> {
    let way = |way: u8| {
        [
            &[way, 0, 16, 0, 0, 24, 0, 8, 40, 0, 3, 5 | (way % 4) << 3, 2][..],
            &[2, 90, 3, 5 | (way % 4) << 3, 200, 6, 3, 4, 7, 1, 5, 9],
        ]
        .concat()
    };
    (0..4).map(way).collect()
}

/// Reports whether the generator accepts a skeleton. The output must be Rust, and the skeleton must
/// survive writing and reading.
fn generate(skeleton: Skeleton) -> bool {
    let again = Skeleton::parse(&skeleton.to_json(), "again").map(|again| again.to_json());
    assert_eq!(again.ok(), Some(skeleton.to_json()), "writing and reading changed the skeleton");
    let yaml = to_yaml(&skeleton.to_json(), "again").expect("the text is JSON");
    let again =
        Skeleton::from_input(yaml.as_bytes(), "again.yaml", ARCH).map(|again| again.to_json());
    assert_eq!(again.ok(), Some(skeleton.to_json()), "YAML changed the skeleton");
    match tokens(skeleton, "x", &Embed::Literal) {
        Ok(module) => {
            eunomia_build::format(module).expect("the generator writes Rust");
            true
        }
        Err(_) => false,
    }
}

/// Reads a document. Seeds have no object, since it would be most of their bytes; a document
/// without one gets that of the fixture.
fn document(input: &[u8]) -> bool {
    static OBJECT: LazyLock<Vec<u8>> =
        LazyLock::new(|| checked("kinds").skeleton.object.clone().unwrap());
    // What is YAML alone is fuzzed too, and most JSON is YAML.
    let file = if input.first() == Some(&b'{') { "x.json" } else { "x.yaml" };
    match Skeleton::from_input(input, file, ARCH) {
        Ok(skeleton) if skeleton.object.is_none() => {
            skeleton.with_object(OBJECT.clone(), "x.bpf.o").is_ok_and(generate)
        }
        Ok(skeleton) => generate(skeleton),
        Err(faults) => {
            assert!(!faults.to_string().is_empty());
            false
        }
    }
}

fn documents() -> Vec<Vec<u8>> {
    let json: serde_json::Value =
        serde_json::from_str(&fixture("kinds")).expect("fixtures are JSON");
    let legacy = fs::read(format!("{}/documents/metadata.json", env!("CARGO_MANIFEST_DIR")))
        .expect("it is committed");
    let yaml = to_yaml(&json["meta"].to_string(), "kinds").expect("fixtures are JSON");
    vec![json["meta"].to_string().into_bytes(), legacy, yaml.into_bytes()]
}

fn object(input: &[u8]) -> bool {
    Skeleton::from_object("x", input.to_vec(), "x.bpf.o").is_ok_and(|skeleton| {
        if let Ok(checked) = skeleton.clone().check() {
            examine(&checked);
        }
        generate(skeleton)
    })
}

/// Reads what only the doctor reads of an object: instructions and CO-RE relocations.
fn examine(checked: &Checked) {
    let calls = checked.calls().unwrap_or_default();
    for (index, function) in calls.functions.iter().enumerate() {
        assert_eq!(calls.at(function.section, function.range.start), Some(index));
        assert!(calls.reached(index).contains(&index));
    }
    for relocation in checked.relocations().unwrap_or_default() {
        assert!(checked.layouts.btf.contains(relocation.ty));
    }
}

fn objects() -> Vec<Vec<u8>> {
    ["doctor", "kinds", "maps", "refused", "streams"]
        .map(|name| checked(name).skeleton.object.clone().expect("fixtures have one"))
        .to_vec()
}

/// Checks a fixture, with the settings of the build script.
fn checked(name: &str) -> Checked {
    let skeleton = match name {
        "sampled" => Skeleton::from_file(concat!(env!("OUT_DIR"), "/sampled.json"))
            .expect("the build script has written it"),
        _ => Skeleton::parse(&fixture(name), name).expect("fixtures are good"),
    };
    let skeleton = if name == "tagged" {
        let files = [
            ("KIND_OPEN", "struct open_event"),
            ("KIND_READ", "struct data_event"),
            ("3", "struct data_event"),
        ];
        skeleton
            .with_tagged_event(
                "files",
                "kind",
                files.into_iter().chain([("KIND_CLOSE", "struct unknown")]),
            )
            .with_tagged_event(
                "balls",
                "header.kind",
                [("-1", "struct ping"), ("1", "struct pong")],
            )
    } else {
        skeleton
    };
    skeleton.check().expect("fixtures are good")
}

static CHECKED: LazyLock<[Checked; 5]> = LazyLock::new(|| NAMES.map(checked));

/// Delivers a record both ways: the first byte is the fixture, the second its map, the rest the
/// record. Typed and dynamic reading must agree.
fn record(input: &[u8]) -> bool {
    let [fixture, map, record @ ..] = input else { return false };
    let (fixture, map) = (usize::from(*fixture) % NAMES.len(), usize::from(*map));
    let mut typed = None;
    let mut take = |export: &dyn Display| typed = Some(export.to_string());
    let verdict = match NAMES[fixture] {
        "kinds" => kinds::Export::deliver(map, record, |export| take(&export)),
        "sampled" => sampled::Export::deliver(map, record, |export| take(&export)),
        "shapes" => shapes::Export::deliver(map, record, |export| take(&export)),
        "tagged" => tagged::Export::deliver(map, record, |export| take(&export)),
        _ => streams::Export::deliver(map, record, |export| take(&export)),
    };
    let mut dynamic = None;
    let there = CHECKED[fixture].deliver(map, record, |event| dynamic = Some(line(&event)));
    assert_eq!((format!("{verdict:?}"), typed), (format!("{there:?}"), dynamic));
    matches!(verdict, Verdict::Delivered)
}

fn line(event: &eunomia_runtime::value::Event<'_>) -> String {
    let _: serde_json::Value =
        serde_json::from_str(&event.value.to_json()).expect("the text is JSON");
    let braced = |value: &eunomia_runtime::value::Value<'_>| {
        if value.fields().next().is_some() { format!("{{{value}}}") } else { value.to_string() }
    };
    match &event.key {
        Some(key) => format!("key={} value={}", braced(key), braced(&event.value)),
        None => event.value.to_string(),
    }
}

fn records() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (fixture, name) in NAMES.iter().enumerate() {
        let recording = committed(name);
        let mut replay = Replay::new(&recording[..]).expect("it is a recording");
        let maps: Vec<_> = replay.streams().iter().map(|stream| stream.map.to_string()).collect();
        while let Some(entry) = replay.read().expect("it is whole") {
            let map = CHECKED[fixture]
                .streams
                .iter()
                .position(|stream| stream.map == maps[entry.stream])
                .expect("it is there");
            seeds.push([&[fixture as u8, map as u8], entry.bytes].concat());
        }
    }
    seeds.retain(|seed| record(seed));
    seeds
}

fn committed(name: &str) -> Vec<u8> {
    fs::read(format!("{}/recordings/{name}.rec", env!("CARGO_MANIFEST_DIR")))
        .expect("recordings are committed")
}

/// Returns the records of a recording, the number of bytes left over, and whether it is damaged;
/// `None` if it is not a recording.
fn walk(input: &[u8]) -> Option<(Vec<Vec<u8>>, usize, bool)> {
    let mut replay = Replay::new(input).ok()?;
    let mut records = Vec::new();
    let damaged = loop {
        match replay.read() {
            Ok(Some(entry)) => records.push(entry.bytes.to_vec()),
            Ok(None) => break false,
            Err(error) => {
                assert!(matches!(error, Error::Recording(_)), "{error}");
                break true;
            }
        }
    };
    assert!(replay.read().is_ok_and(|entry| entry.is_none()), "a record after the end");
    Some((records, replay.left_over() as usize, damaged))
}

/// Replays a recording. Without the bytes left over it must be complete, and typed and dynamic
/// replay must agree.
fn recording(input: &[u8]) -> bool {
    let Some((records, left_over, damaged)) = walk(input) else { return false };
    if !damaged {
        assert_eq!(walk(&input[..input.len() - left_over]), Some((records, 0, false)));
    }
    for fixture in 0..NAMES.len() {
        let mut lines = Vec::new();
        let dynamic = CHECKED[fixture]
            .replay(input, |event| lines.push(line(&event)))
            .map(|replayed| (lines, replayed));
        match (typed_replay(NAMES[fixture], input), dynamic) {
            (Ok(typed), Ok(dynamic)) => assert_eq!(typed, dynamic),
            (Err(typed), Err(dynamic)) => assert_eq!(typed.to_string(), dynamic.to_string()),
            (typed, dynamic) => panic!("{typed:?} {dynamic:?}"),
        }
    }
    !damaged
}

fn recordings() -> Vec<Vec<u8>> {
    NAMES.map(committed).to_vec()
}
