//! The generated text, as it was reviewed. A file that differs is rewritten and the test fails: look at `git diff` and run it again.
//!
//! The same files are compiled in `src/lib.rs` with all warnings denied.

use std::{fs, path::Path};

use eunomia_build::{Embed, Skeleton, tokens};

const FIXTURES: [(&str, &str); 19] = [
    ("arena", "bpf/arena.json"),
    ("args", "bpf/args.json"),
    ("bootstrap", "bpf/bootstrap.json"),
    ("congestion", "bpf/congestion.json"),
    ("doctor", "bpf/doctor.json"),
    ("hooks", "bpf/hooks.json"),
    ("kinds", "bpf/kinds.json"),
    ("maps", "bpf/maps.json"),
    ("names", "bpf/names.json"),
    ("newer", "bpf/newer.json"),
    ("profile", "bpf/profile.json"),
    ("programs", "bpf/programs.json"),
    ("refused", "bpf/refused.json"),
    ("samples", "bpf/samples.json"),
    ("shapes", "bpf/shapes.json"),
    ("streams", "bpf/streams.json"),
    ("tables", "bpf/tables.json"),
    ("tagged", "bpf/tagged.json"),
    ("tails", "bpf/tails.json"),
];

/// The fixture as the build script has it.
fn skeleton(path: &str) -> Skeleton {
    let skeleton = Skeleton::from_file(path).unwrap();
    if path != "bpf/tagged.json" {
        return skeleton;
    }
    let files = [
        ("KIND_OPEN", "struct open_event"),
        ("KIND_READ", "struct data_event"),
        ("3", "struct data_event"),
        ("KIND_CLOSE", "struct unknown"),
    ];
    let balls = [("-1", "struct ping"), ("1", "struct pong")];
    skeleton.with_tagged_event("files", "kind", files).with_tagged_event(
        "balls",
        "header.kind",
        balls,
    )
}

#[test]
fn built_modules_are_the_reviewed_ones() {
    let mut differ = Vec::new();
    for (name, _) in FIXTURES {
        let built =
            fs::read_to_string(Path::new(env!("OUT_DIR")).join(format!("{name}.rs"))).unwrap();
        let golden = format!("{}/golden/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        if fs::read_to_string(&golden).ok().as_ref() != Some(&built) {
            fs::write(&golden, built).unwrap();
            differ.push(golden);
        }
    }
    assert!(differ.is_empty(), "rewritten, look at the difference: {differ:?}");
}

/// The two front ends give one module, but for how the object is embedded.
#[test]
fn macro_and_build_script_agree() {
    for (name, path) in FIXTURES {
        let skeleton = || skeleton(path);
        let object = skeleton().object.unwrap();
        let included = tokens(skeleton(), name, &Embed::Literal).unwrap().to_string();
        let built =
            tokens(skeleton(), name, &Embed::File(format!("{name}.bpf.o"))).unwrap().to_string();
        let literal = proc_macro2::Literal::byte_string(&object).to_string();
        let replaced =
            included.replace(&literal, &format!(":: core :: include_bytes ! (\"{name}.bpf.o\")"));
        assert!(included != replaced, "the object stands in the module as one literal");
        assert!(replaced == built, "{name} differs");
        let file = fs::read(Path::new(env!("OUT_DIR")).join(format!("{name}.bpf.o"))).unwrap();
        assert!(file == object, "the build script writes the very object");
    }
}

/// What the macro really expanded to, written by its `debug` option, is the file of the build script but for the object.
#[test]
fn the_macros_debug_file_is_its_expansion() {
    for name in ["kinds", "tagged"] {
        let built =
            fs::read_to_string(Path::new(env!("OUT_DIR")).join(format!("{name}.rs"))).unwrap();
        let expanded = fs::read_to_string(format!("../target/{name}.expanded.rs")).unwrap();
        let without_object = |text: &str| -> Vec<String> {
            let lines = text
                .lines()
                .filter(|line| !line.starts_with("// ") && !line.trim_start().starts_with('*'));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(
            expanded.lines().filter(|line| line.trim_start().starts_with("*b\"\\x7fELF")).count(),
            1
        );
        assert!(without_object(&built) == without_object(&expanded), "{name} differs");
    }
}

#[test]
fn generation_is_deterministic() {
    for (name, path) in FIXTURES {
        let once = || tokens(skeleton(path), name, &Embed::Literal).unwrap().to_string();
        assert!(once() == once(), "{name} differs");
    }
}
