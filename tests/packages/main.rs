//! The committed packages match their C sources: compiled again with clang 19, they are the same to
//! the byte.
//!
//! A package that differs is rewritten and the test fails: look at `git diff` and run it again.
//! `EUNOMIA_CLANG` selects another clang, whose code differs.

use std::{env, fs, path::Path};

use eunomia_build::{Config, Skeleton};
use eunomia_runtime::{
    object::Kind,
    skeleton::model::{CmdArg, Doc, ExportConfig, Interpreter, Other, Sample, SampleKind},
};

#[test]
fn packages_are_current() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut stale = Vec::new();
    for (folder, name) in [
        ("tests", "arena"),
        ("tests", "args"),
        ("tests", "choices"),
        ("tests", "congestion"),
        ("tests", "doctor"),
        ("tests", "every"),
        ("tests", "faults"),
        ("tests", "flood"),
        ("tests", "found"),
        ("tests", "given"),
        ("tests", "header"),
        ("tests", "hooks"),
        ("tests", "kinds"),
        ("tests", "lacking"),
        ("tests", "maps"),
        ("tests", "names"),
        ("tests", "newer"),
        ("tests", "pinned"),
        ("tests", "placed"),
        ("tests", "poisoned"),
        ("tests", "profile"),
        ("tests", "programs"),
        ("tests", "refused"),
        ("tests", "samples"),
        ("tests", "settings"),
        ("tests", "streams"),
        ("tests", "shapes"),
        ("tests", "tables"),
        ("tests", "tagged"),
        ("tests", "tails"),
        ("examples/bootstrap", "bootstrap"),
        ("examples/runqlat", "runqlat"),
        ("eunomia-build/templates/histogram/src", "histogram"),
        ("eunomia-build/templates/profiler/src", "profiler"),
        ("eunomia-build/templates/tracer/src", "tracer"),
        ("eunomia-build/templates/xdp/src", "xdp"),
    ] {
        // BTF holds the names of sources relative to the working directory.
        env::set_current_dir(workspace.join(folder)).unwrap();
        let fresh = compile(name);
        let fresh = match name {
            "args" => with_options(fresh),
            "faults" => with_sample(fresh),
            "profile" => with_views(&fresh),
            "programs" => with_targets(fresh),
            "tails" => {
                let of_lines = [("lines", "line"), ("places", "place"), ("events", "line")];
                let of_tails = [
                    ("blobs", "blob"),
                    ("pairs", "pairs"),
                    ("tables", "table"),
                    ("digests", "digest"),
                    ("labels", "labels"),
                ];
                typed(&fresh, name, &[&of_lines[..], &of_tails].concat()).to_json()
            }
            "streams" => {
                typed(&fresh, name, &[("rb", "sample"), ("events", "sample"), ("notes", "note")])
                    .to_json()
            }
            _ => fresh,
        };
        if fs::read_to_string(format!("bpf/{name}.json")).ok().as_ref() != Some(&fresh) {
            fs::write(format!("bpf/{name}.json"), fresh).unwrap();
            stale.push(format!("{folder}/bpf/{name}.json"));
        }
    }
    let copy = workspace.join("examples/bootstrap-build/bpf/bootstrap.json");
    let original = fs::read(workspace.join("examples/bootstrap/bpf/bootstrap.json")).unwrap();
    if fs::read(&copy).ok().as_ref() != Some(&original) {
        fs::write(&copy, original).unwrap();
        stale.push("examples/bootstrap-build/bpf/bootstrap.json".to_owned());
    }
    assert!(stale.is_empty(), "rewritten, look at the difference: {stale:?}");
}

/// Compiles `bpf/<name>.bpf.c` to a package without the list of its sources. With that list, a
/// package older than its source would fail the build, also that of this test, which rebuilds the
/// package.
fn compile(name: &str) -> String {
    let clang = env::var_os("EUNOMIA_CLANG").unwrap_or_else(|| "clang-19".into());
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.json"));
    Config::new().source(format!("bpf/{name}.bpf.c")).clang(clang).package(&package).unwrap();
    let mut skeleton = Skeleton::from_file(package).unwrap();
    assert!(
        skeleton
            .other
            .remove("sources")
            .is_some_and(|sources| sources[format!("{name}.bpf.c")].is_string())
    );
    skeleton.to_json()
}

/// Adds targets of programs whose sections name none, as the format's annotations in the C source
/// would.
fn with_targets(package: String) -> String {
    let mut skeleton = Skeleton::parse(&package, "programs").unwrap();
    for program in &mut skeleton.programs {
        let keys = match program.name.as_str() {
            // XDP_FLAGS_SKB_MODE
            "drop_none" => {
                serde_json::json!({"ifindex": 1, "flags": 2, "xdpopts": {"old_prog_fd": 0}})
            }
            "pass" => {
                let hook = serde_json::json!({"ifindex": 1, "attach_point": "BPF_TC_EGRESS", "order": "first"});
                serde_json::json!({"tchook": hook, "tcopts": {"handle": 1, "priority": 1}})
            }
            _ => continue,
        };
        program.other.extend(keys.as_object().unwrap().clone());
    }
    skeleton.to_json()
}

/// Adds the type of each stream, as the format's annotations in the C source would.
fn typed(package: &str, name: &str, streams: &[(&str, &str)]) -> Skeleton {
    let mut skeleton = Skeleton::parse(package, name).unwrap();
    let btf = skeleton.clone().check().unwrap().layouts.btf.clone();
    let id = |name: &str| {
        btf.iter()
            .find(|(_, ty)| ty.name == name && matches!(ty.kind, Kind::Struct { .. }))
            .unwrap()
            .0
            .0
    };
    skeleton.multiple_exports = true;
    for map in &mut skeleton.maps {
        if let Some((_, ty)) = streams.iter().find(|(stream, _)| *stream == map.name) {
            map.export = ExportConfig::BtfType(id(ty));
            map.interpreter = Interpreter::Struct;
        }
    }
    skeleton
}

/// Samples and clears the table at intervals, as the format's annotations in the C source would;
/// the streams have the only type of the object.
fn with_sample(package: String) -> String {
    let mut skeleton = typed(&package, "faults", &[("rb", "beat"), ("events", "beat")]);
    let table = skeleton.maps.iter_mut().find(|map| map.name == "table").unwrap();
    table.sample = Some(Sample {
        interval: 5,
        kind: SampleKind::KeyValue,
        unit: None,
        clear_map: true,
        other: Other::default(),
    });
    table.export = ExportConfig::Default;
    skeleton.to_json()
}

/// Shows events as a stack trace and as histograms, as the format's annotations in the C source
/// would.
fn with_views(package: &str) -> String {
    let mut skeleton = typed(package, "profile", &[("stacks", "sample")]);
    for map in &mut skeleton.maps {
        let kind = match map.name.as_str() {
            "stacks" => {
                map.interpreter = Interpreter::StackTrace {
                    fields: None,
                    with_symbols: None,
                    other: Other::default(),
                };
                continue;
            }
            "latency" => SampleKind::Log2Hist,
            "depths" => SampleKind::LinearHist,
            _ => continue,
        };
        map.sample = Some(Sample {
            interval: 10,
            kind,
            unit: Some("usecs".to_owned()),
            clear_map: false,
            other: Other::default(),
        });
        map.export = ExportConfig::Default;
    }
    skeleton.to_json()
}

/// Adds descriptions of options, as the format's annotations in the C source would.
fn with_options(package: String) -> String {
    let mut skeleton = Skeleton::parse(&package, "args").unwrap();
    let text = |text: &str| Some(text.to_owned());
    skeleton.doc = Some(Doc {
        version: text("1.2.3"),
        brief: text("Adds up what the command line says."),
        details: text("Values are decimal, 0x, 0o or 0b."),
        ..Doc::default()
    });
    for variable in skeleton.sections.iter_mut().flat_map(|section| &mut section.variables) {
        if matches!(variable.name.as_str(), "in_bss" | "label") {
            variable.arg = Some(CmdArg { help: text("Of the section .bss"), ..CmdArg::default() });
        }
    }
    let rodata = skeleton.sections.iter_mut().find(|section| section.name == ".rodata").unwrap();
    for variable in &mut rodata.variables {
        let arg = |default: serde_json::Value, long, short, help| {
            let default = (!default.is_null()).then_some(default);
            Some(CmdArg { default, long, short, help, ..CmdArg::default() })
        };
        match variable.name.as_str() {
            "i32" => {
                variable.arg = arg(
                    12345.into(),
                    text("cv1"),
                    text("1"),
                    text("This is a help message for i32"),
                )
            }
            "u32" => variable.arg = arg("0xfffffff0".into(), None, text("u"), None),
            "i64" => variable.value = Some((-7).into()),
            "i128" => variable.description = text("Described, not helped"),
            "off" => variable.arg = arg(false.into(), None, None, None),
            "on" => variable.arg = arg(true.into(), text("switch"), text("s"), None),
            "quiet" => variable.arg = arg(().into(), None, text("q"), text("Say less")),
            "level" => variable.arg = arg("HIGH".into(), text("log-level"), None, None),
            "comm" => variable.arg = arg("bash".into(), None, text("c"), None),
            _ => {}
        }
    }
    skeleton.to_json()
}
