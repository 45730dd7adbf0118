//! Generates a module for each fixture; the macro generates more of them in `src/lib.rs`.

use std::{env, error::Error, fs, path::Path, process::Command};

use eunomia_build::{Config, Skeleton};
use eunomia_runtime::{
    object::{Kind, TypeId},
    skeleton::model::{CustomMember, ExportConfig, Other, Sample, SampleKind},
};

fn main() -> Result<(), Box<dyn Error>> {
    // Set by `fuzz/campaign.sh`.
    println!("cargo::rustc-check-cfg=cfg(campaign)");
    for name in [
        "arena",
        "args",
        "bootstrap",
        "congestion",
        "doctor",
        "every",
        "header",
        "hooks",
        "kinds",
        "maps",
        "names",
        "newer",
        "profile",
        "programs",
        "refused",
        "samples",
        "shapes",
        "streams",
        "tables",
        "tails",
    ] {
        Config::new().skeleton(format!("bpf/{name}.json")).generate()?;
    }
    let given = ["events", "sent", "mixed"];
    given
        .into_iter()
        .fold(Config::new().skeleton("bpf/given.json"), |config, map| {
            config.event(map, "struct event")
        })
        .generate()?;
    let files = [
        ("KIND_OPEN", "struct open_event"),
        ("KIND_READ", "struct data_event"),
        ("3", "struct data_event"),
    ];
    Config::new()
        .skeleton("bpf/tagged.json")
        .tagged_event("files", "kind", files.into_iter().chain([("KIND_CLOSE", "struct unknown")]))
        .tagged_event("balls", "header.kind", [("-1", "struct ping"), ("1", "struct pong")])
        .generate()?;
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    for (name, skeleton) in [("plain", plain()?), ("picked", picked()?), ("sampled", sampled()?)] {
        let path = out.join(format!("{name}.json"));
        fs::write(&path, skeleton)?;
        Config::new().skeleton(&path).generate()?;
    }
    // The macro chooses among architectures.
    let names = fs::read_to_string("bpf/names.json")?;
    let both = ["x86_64", "aarch64"].map(|arch| (arch.to_owned(), names.clone()));
    fs::write(out.join("both.json"), Skeleton::combined(&both)?)?;
    probed(out)
}

/// Compiles a program for probes in each layout: static or dynamic, at a fixed address or not.
fn probed(out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=every/probed.c");
    for way in ["static", "static-pie", "pie", "no-pie"] {
        // Position-independent executables need position-independent code.
        let compiled =
            if way.ends_with("no-pie") || way == "static" { "-fno-pie" } else { "-fpie" };
        let mut compiler = Command::new("cc");
        compiler
            .args(["-O1", compiled, &format!("-{way}"), "every/probed.c", "-o"])
            .arg(out.join(format!("probed-{way}")));
        if !compiler.status()?.success() {
            return Err(format!("{compiler:?} failed").into());
        }
    }
    Ok(())
}

/// Returns the streams object in multiple mode; the export type of each map is not a struct.
fn plain() -> Result<String, Box<dyn Error>> {
    let [number, text, bytes] = parts()?;
    multiple(
        "plain",
        [("rb", number), ("notes", text), ("events", bytes)]
            .map(|(map, ty)| (map, ExportConfig::BtfType(ty))),
    )
}

/// Returns the streams object with custom members, which the document selects and names.
fn picked() -> Result<String, Box<dyn Error>> {
    let [number, text, bytes] = parts()?;
    let member = |name: &str, offset, type_id| CustomMember {
        name: name.to_owned(),
        offset,
        type_id,
        other: Other::default(),
    };
    let sample = [member("the number", 0, number), member("payload", 24, bytes)];
    let note = [member("text", 4, text)];
    multiple(
        "picked",
        [
            ("rb", ExportConfig::Custom(sample.to_vec())),
            ("notes", ExportConfig::Custom(note.to_vec())),
        ],
    )
}

/// Returns the ids of three types of the streams object: a 64-bit number, a text and bytes.
fn parts() -> Result<[u32; 3], Box<dyn Error>> {
    let checked = Skeleton::from_file("bpf/streams.json")?.check()?;
    let btf = &checked.layouts.btf;
    let find = |matches: &dyn Fn(TypeId, &Kind) -> bool| {
        let id = btf.iter().find(|(id, ty)| matches(*id, &ty.kind)).map(|(id, _)| id.0);
        id.ok_or("the object has no such type")
    };
    let number = find(&|_, kind| matches!(kind, Kind::Int { size: 8, signed: false, .. }))?;
    let text = find(&|id, _| checked.layouts.char_array(id) == Some(20))?;
    Ok([number, text, find(&|_, kind| matches!(kind, Kind::Array { len: 40, .. }))?])
}

fn multiple<const N: usize>(
    name: &str,
    exports: [(&str, ExportConfig); N],
) -> Result<String, Box<dyn Error>> {
    let mut skeleton = Skeleton::from_file("bpf/streams.json")?;
    skeleton.name = name.to_owned();
    skeleton.multiple_exports = true;
    for (map, export) in exports {
        let map = skeleton
            .maps
            .iter_mut()
            .find(|known| known.name == map)
            .ok_or("the object has no such map")?;
        map.export = export;
    }
    Ok(skeleton.to_json())
}

/// Returns the samples object in multiple mode, with maps that are read at intervals.
fn sampled() -> Result<String, Box<dyn Error>> {
    let mut skeleton = Skeleton::from_file("bpf/samples.json")?;
    skeleton.name = "sampled".to_owned();
    skeleton.multiple_exports = true;
    for map in &mut skeleton.maps {
        let (interval, clear_map) = match map.name.as_str() {
            "table" => (20, true),
            "trie" => (50, false),
            _ => continue,
        };
        map.sample = Some(Sample {
            interval,
            kind: SampleKind::KeyValue,
            unit: None,
            clear_map,
            other: Default::default(),
        });
        map.export = ExportConfig::Default;
    }
    Ok(skeleton.to_json())
}
