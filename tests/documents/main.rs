//! Every generation of the format is read into one model, and written in the current form without
//! loss.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use eunomia_runtime::{
    Skeleton,
    checked::Payload,
    skeleton::{
        Format,
        model::{ExportConfig, Interpreter, SampleKind, Settings},
    },
};
use eunomia_tests::fixture;
use serde_json::{Value as Json, json};

fn parse(json: &Json) -> Skeleton {
    Skeleton::parse(&json.to_string(), "x.json").unwrap()
}

/// Writes a skeleton and reads it again; the text must stay the same.
fn survives(skeleton: &Skeleton) -> Skeleton {
    let text = skeleton.to_json();
    let again = Skeleton::parse(&text, "again.json").unwrap();
    assert_eq!(again.to_json(), text);
    again
}

#[test]
fn every_field_of_metadata_is_read_and_written() {
    let text = include_str!("metadata.json");
    let skeleton = Skeleton::parse(text, "metadata.json").unwrap();
    assert_eq!(
        (skeleton.format, skeleton.name.as_str(), skeleton.version.as_deref()),
        (Format::Metadata, "delays_bpf", Some("0.3.4"))
    );
    assert!(skeleton.multiple_exports && skeleton.object.is_none());
    let settings = Settings {
        perf_buffer_pages: Some(8),
        perf_buffer_time_ms: Some(20),
        poll_timeout_ms: Some(-1),
        debug_verbose: Some(false),
        print_header: Some(true),
    };
    assert_eq!(skeleton.settings, settings);
    assert_eq!(skeleton.other["wasm"], json!({"kept": [1, 2.5, null]}));
    assert_eq!(skeleton.skel_other["license"], "GPL");

    let doc = skeleton.doc.as_ref().unwrap();
    let texts = [&doc.version, &doc.brief, &doc.details, &doc.description]
        .map(|text| text.as_deref().unwrap());
    assert_eq!(texts, ["1.2", "Delays", "More.", "All about delays"]);
    assert_eq!(doc.other["author"], "nobody");

    let section = &skeleton.sections[0];
    assert_eq!((section.name.as_str(), &section.other["frozen"]), (".rodata", &json!(true)));
    let [min, verbose] = &section.variables[..] else { panic!("{section:?}") };
    assert_eq!(
        (min.name.as_str(), min.ty.as_str(), min.value.as_ref()),
        ("min_us", "unsigned long long", Some(&json!(100)))
    );
    assert_eq!(min.description.as_deref(), Some("shortest delay to report"));
    assert_eq!((&min.other["size"], &min.other["unit"]), (&json!(4), &json!("us")));
    let arg = min.arg.as_ref().unwrap();
    assert_eq!(
        (arg.default.as_ref(), arg.long.as_deref(), arg.short.as_deref()),
        (Some(&json!(250)), Some("min"), Some("m"))
    );
    assert_eq!((arg.help.as_deref(), arg.hidden), (Some("microseconds"), Some(true)));
    assert_eq!(
        (verbose.value.as_ref(), verbose.arg.as_ref().map(|arg| arg.default.is_none())),
        (None, Some(true))
    );

    let [hists, counts, rb, rb2, rb3, rodata] = &skeleton.maps[..] else {
        panic!("{:?}", skeleton.maps)
    };
    let sample = hists.sample.as_ref().unwrap();
    assert_eq!(
        (sample.interval, sample.kind, sample.unit.as_deref(), sample.clear_map),
        (1000, SampleKind::Log2Hist, Some("us"), true)
    );
    assert_eq!(sample.other["top"], 3);
    let sample = counts.sample.as_ref().unwrap();
    assert_eq!(
        (sample.interval, sample.kind, sample.unit.as_deref(), sample.clear_map),
        (10, SampleKind::KeyValue, None, false)
    );
    assert_eq!(
        (&rb.export, &rb3.export, &rodata.export),
        (&ExportConfig::BtfType(7), &ExportConfig::Default, &ExportConfig::None)
    );
    let ExportConfig::Custom(members) = &rb2.export else { panic!("{rb2:?}") };
    assert_eq!(
        (members[0].name.as_str(), members[0].offset, members[0].type_id),
        ("comm?", 8, 150)
    );
    assert_eq!(members[0].other["shown"], "first");
    let Interpreter::StackTrace { fields, with_symbols, other } = &rb2.interpreter else {
        panic!("{rb2:?}")
    };
    assert_eq!(
        (&fields.as_ref().unwrap()["pid"], with_symbols, &other["depth"]),
        (&json!("tgid"), &Some(false), &json!(9))
    );
    assert!(
        matches!(rb3.interpreter, Interpreter::StackTrace { with_symbols: None, .. }),
        "one spelling is not read"
    );
    assert_eq!(
        (rodata.ident.as_str(), rodata.mmaped, &rodata.other["pinned"]),
        ("rodata", true, &Json::Null)
    );

    let [pass, look] = &skeleton.programs[..] else { panic!("{:?}", skeleton.programs) };
    assert_eq!(
        (pass.name.as_str(), pass.attach.as_deref(), pass.link),
        ("pass", Some("xdp"), true)
    );
    assert_eq!(
        (&pass.other["ifindex"], &pass.other["xdpopts"]["old_prog_fd"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(
        (look.link, &look.other["tchook"]["attach_point"]),
        (false, &json!("BPF_TC_EGRESS"))
    );

    let export = &skeleton.exports[0];
    assert_eq!((export.name.as_str(), export.size, export.type_id), ("delay", Some(4), Some(3)));
    let member = &export.members.as_ref().unwrap()[0];
    assert_eq!(
        (member.name.as_str(), member.ty.as_str(), &member.other["key"], &export.other["since"]),
        ("pid", "int", &json!(true), &json!(1))
    );

    assert_eq!(survives(&skeleton), skeleton);
    // The written document is the same, except that one key gets the format's spelling and defaults
    // are explicit.
    let mut expected: Json = serde_json::from_str(text).unwrap();
    let maps = expected["bpf_skel"]["maps"].as_array_mut().unwrap();
    let interpreter = maps[3].as_object_mut().unwrap().remove("interpreter").unwrap();
    maps[3]["intepreter"] = interpreter;
    maps[1]["sample"]["type"] = "default_kv".into();
    maps[1]["sample"]["clear_map"] = false.into();
    assert_eq!(serde_json::from_str::<Json>(&skeleton.to_json()).unwrap(), expected);
}

#[test]
fn null_and_missing_lists_are_empty() {
    let skeleton = parse(
        &json!({"bpf_skel": {"obj_name": "x", "data_sections": null, "maps": null, "progs": null, "doc": null}}),
    );
    assert_eq!(
        (
            skeleton.maps.len(),
            skeleton.programs.len(),
            skeleton.sections.len(),
            skeleton.exports.len()
        ),
        (0, 0, 0, 0)
    );
    let skeleton = parse(
        &json!({"bpf_skel": {"obj_name": "x", "maps": [], "progs": []}, "export_types": null}),
    );
    assert_eq!(
        (skeleton.sections.len(), skeleton.exports.len(), skeleton.doc.is_none()),
        (0, 0, true)
    );
    survives(&skeleton);
}

#[test]
fn package_keeps_unknown_keys() {
    let mut package: Json = serde_json::from_str(&fixture("names")).unwrap();
    package["signature"] = json!("abc");
    let skeleton = parse(&package);
    assert_eq!(
        (skeleton.format, &skeleton.package_other["signature"]),
        (Format::Package, &json!("abc"))
    );
    assert_eq!(survives(&skeleton), skeleton);
    assert_eq!(serde_json::from_str::<Json>(&skeleton.to_json()).unwrap(), package);
}

/// The form in the README of the format: the object is inside `bpf_skel`, the settings inside
/// `config`.
#[test]
fn object_inside_metadata_is_read() {
    let package: Json = serde_json::from_str(&fixture("names")).unwrap();
    let object = Skeleton::parse(&fixture("names"), "names").unwrap().object.unwrap();
    let mut document = package["meta"].clone();
    document["bpf_skel"]["data"] = STANDARD.encode(&object).into();
    document["config"] = json!({"poll_timeout_ms": 250, "perf_buffer_pages": 2, "theme": "dark"});
    let skeleton = parse(&document);
    assert_eq!((skeleton.format, skeleton.object.as_ref()), (Format::Inline, Some(&object)));
    assert_eq!(
        (skeleton.settings.poll_timeout_ms, &skeleton.other["config"]),
        (Some(250), &json!({"theme": "dark"}))
    );
    assert_eq!(skeleton.settings.perf_buffer_pages, Some(2));
    assert_eq!(skeleton.clone().check().unwrap().streams.len(), 1);
    let again = survives(&skeleton);
    assert_eq!((again.format, again.object), (Format::Package, Some(object)));
}

/// A struct is set member by member; members without a value are zero.
#[test]
fn value_of_struct_sets_members() {
    let mut document: Json = serde_json::from_str(&fixture("kinds")).unwrap();
    let variables = json!([{"name": "ro_point", "type": "struct point", "value": {"y": -7}}]);
    document["meta"]["bpf_skel"]["data_sections"] =
        json!([{"name": ".rodata", "variables": variables}]);
    assert_eq!(parse(&document).open().unwrap().get("ro_point").unwrap(), "x=0 y=-7");
}

/// Documents of early v1 have an object with its own BTF as `export_types`; their programs have no
/// `attach`, and the size is missing.
#[test]
fn early_v1_is_read() {
    let kinds = Skeleton::parse(&fixture("kinds"), "kinds").unwrap();
    let elf = kinds.object.clone().unwrap();
    let start =
        elf.windows(8).position(|window| window == [0x9f, 0xeb, 1, 0, 24, 0, 0, 0]).unwrap();
    let word = |at: usize| {
        u32::from_le_bytes(elf[start + at..start + at + 4].try_into().unwrap()) as usize
    };
    let btf = &elf[start..start + 24 + word(16) + word(20)];
    let names: Json = serde_json::from_str(&fixture("names")).unwrap();
    let skel = &names["meta"]["bpf_skel"];
    let id = kinds.exports[0].type_id.unwrap();
    let document = json!({
        "bpf_object": names["bpf_object"],
        "meta": {
            "bpf_skel": {
                "data_sections": [{"name": ".bss", "variables": [{"name": "loop", "type": "int", "offset": 0, "size": 4, "align": 4}]}],
                "maps": skel["maps"],
                "obj_name": skel["obj_name"],
                "progs": [{"name": "move", "link": true}],
            },
            "export_types": {"export_btf": STANDARD.encode(btf), "structs": [{"id": id, "name": "kinds"}]},
        }
    });
    let skeleton = parse(&document);
    assert_eq!((skeleton.format, skeleton.programs[0].attach.as_deref()), (Format::EarlyV1, None));
    assert_eq!(
        (skeleton.exports[0].name.as_str(), skeleton.exports[0].type_id),
        ("kinds", Some(id))
    );
    assert_eq!(skeleton.export_btf.as_deref(), Some(btf));
    assert_eq!(skeleton.sections[0].variables[0].other["offset"], 0);

    let layout = |skeleton: &Skeleton| {
        let checked = skeleton.clone().check().unwrap();
        let Payload::Type(ty) = checked.streams[0].payload else { panic!("{:?}", checked.streams) };
        (checked.layouts.c_name(ty), checked.layouts.layout(ty).size)
    };
    assert_eq!(layout(&skeleton), ("struct kinds".to_owned(), 528));
    let mut unknown = document;
    unknown["meta"]["export_types"]["structs"][0]["id"] = json!(99_999);
    let refused = parse(&unknown).check().unwrap_err().to_string();
    assert!(
        refused.contains(
            "meta.export_types.structs[0].id: `export_btf` of the document has no type 99999; "
        ),
        "{refused}"
    );
    // As a current package, it lists the members of its types and keeps their BTF.
    let again = survives(&skeleton);
    assert_eq!((again.format, again.exports[0].size), (Format::Package, Some(528)));
    assert_eq!(again.exports[0].members, kinds.exports[0].members);
    assert_eq!((again.export_btf.as_deref(), layout(&again)), (Some(btf), layout(&skeleton)));
}

/// Faults found after the document was read have a line and column, because the skeleton keeps the
/// text.
#[test]
fn opening_reports_line_and_column() {
    let skeleton = || Skeleton::from_file("documents/misfit.json").unwrap();
    let place = "documents/misfit.json:13:24: meta.bpf_skel.data_sections[0].variables[0].value: ";
    let opened = skeleton().open().unwrap_err().to_string();
    assert!(opened.starts_with(place), "{opened}");
    assert_eq!(skeleton().check().unwrap().setup().unwrap_err().to_string(), opened);
    // A skeleton that was changed is not that of the text.
    let mut moved = skeleton();
    let variable = moved.sections[0].variables[0].clone();
    moved.sections[0].variables.insert(0, variable);
    let refused = moved.check().unwrap_err().to_string();
    assert!(
        refused.starts_with("documents/misfit.json: meta.bpf_skel.data_sections[0]"),
        "{refused}"
    );
}

/// The first generation has names, and the object as uncompressed base64 with line breaks.
#[test]
fn legacy_v0_is_read() {
    let object = Skeleton::parse(&fixture("names"), "names").unwrap().object.unwrap();
    let text = STANDARD.encode(&object);
    let wrapped: Vec<&str> =
        text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let document = json!({
        "name": "template",
        "version": "0.1.0",
        "author": "somebody",
        "data": wrapped.join("\n"),
        "data_sz": object.len(),
        "maps": [
            {"name": "use", "type": "BPF_MAP_TYPE_RINGBUF", "export_data_types": {"Struct Name": "type", "Size": 160}},
            {"name": "names.data", "type": "BPF_MAP_TYPE_UNSPEC"},
        ],
        "progs": [{"name": "move"}],
    });
    let skeleton = parse(&document);
    assert_eq!(
        (skeleton.format, skeleton.name.as_str(), skeleton.object.as_ref()),
        (Format::LegacyV0, "names", Some(&object))
    );
    assert_eq!((skeleton.maps[1].ident.as_str(), skeleton.programs[0].link), ("data", true));
    // Its keys are kept apart from those of the current format, since some have the same names.
    let kept = &skeleton.other["legacy_v0"];
    assert_eq!((&kept["author"], &kept["name"]), (&json!("somebody"), &json!("template")));
    assert_eq!(skeleton.maps[0].other["legacy_v0"]["export_data_types"]["Size"], 160);
    // Offsets in the document are ignored; the only dummy pointer of the object gives the type of
    // the only map.
    let checked = skeleton.clone().check().unwrap();
    let Payload::Type(id) = checked.streams[0].payload else { panic!("{:?}", checked.streams) };
    assert_eq!(checked.layouts.c_name(id), "struct type");
    let again = survives(&skeleton);
    assert_eq!(
        (again.format, &again.other, &again.maps),
        (Format::Package, &skeleton.other, &skeleton.maps)
    );
}
