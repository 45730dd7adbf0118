//! Generates a module for each fixture, beside the ones that the macro makes in `src/lib.rs`.

use std::{env, error::Error, fs, path::Path};

use eunomia_build::{Config, Skeleton};
use eunomia_runtime::{
    object::{Kind, TypeId},
    skeleton::model::{ExportConfig, Sample, SampleKind},
};

fn main() -> Result<(), Box<dyn Error>> {
    for name in ["arena", "args", "bootstrap", "kinds", "maps", "names", "programs", "refused", "samples", "shapes", "streams"] {
        Config::new().skeleton(format!("bpf/{name}.json")).generate()?;
    }
    let files = [("KIND_OPEN", "struct open_event"), ("KIND_READ", "struct data_event"), ("3", "struct data_event")];
    Config::new()
        .skeleton("bpf/tagged.json")
        .tagged_event("files", "kind", files.into_iter().chain([("KIND_CLOSE", "struct unknown")]))
        .tagged_event("balls", "header.kind", [("-1", "struct ping"), ("1", "struct pong")])
        .generate()?;
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    fs::write(out.join("plain.json"), plain()?)?;
    Config::new().skeleton(out.join("plain.json")).generate()?;
    fs::write(out.join("sampled.json"), sampled()?)?;
    Ok(Config::new().skeleton(out.join("sampled.json")).generate()?)
}

/// The streams object in multiple mode, with an export type for each map that is no struct.
fn plain() -> Result<String, Box<dyn Error>> {
    let checked = Skeleton::from_file("bpf/streams.json")?.check("streams")?;
    let btf = &checked.layouts.btf;
    let find = |wanted: &dyn Fn(TypeId, &Kind) -> bool| {
        let id = btf.iter().find(|(id, ty)| wanted(*id, &ty.kind)).map(|(id, _)| id.0);
        id.map(ExportConfig::BtfType).ok_or("the object has no such type")
    };
    let number = find(&|_, kind| matches!(kind, Kind::Int { size: 8, signed: false, .. }))?;
    let text = find(&|id, _| checked.layouts.char_array(id) == Some(20))?;
    let bytes = find(&|_, kind| matches!(kind, Kind::Array { len: 40, .. }))?;
    let mut skeleton = checked.skeleton.clone();
    skeleton.name = "plain".to_owned();
    skeleton.multiple_exports = true;
    for map in &mut skeleton.maps {
        match map.name.as_str() {
            "rb" => map.export = number.clone(),
            "notes" => map.export = text.clone(),
            "events" => map.export = bytes.clone(),
            _ => {}
        }
    }
    Ok(skeleton.to_json())
}

/// The samples object in multiple mode, with maps that are read at intervals.
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
        map.sample = Some(Sample { interval, kind: SampleKind::KeyValue, unit: None, clear_map, other: Default::default() });
        map.export = ExportConfig::Default;
    }
    Ok(skeleton.to_json())
}
