//! Errors of documents: malformed JSON, missing keys, wrong types, damaged objects, limits.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use eunomia_build::{Diagnostics, Skeleton};
use serde_json::{Value as Json, json};

use super::{Case, edited, elf, package, refusal};

#[test]
fn malformed_json_has_line_and_column() {
    assert_eq!(
        refusal("{\n  \"meta\": {,\n}"),
        "x.json:2:12: malformed JSON: key must be a string"
    );
    assert_eq!(refusal(""), "x.json:1:0: malformed JSON: EOF while parsing a value");
    assert_eq!(
        refusal("{\"bpf_skel\": {\"type\": \"struct {\n int a; }\"}}"),
        "x.json:2:0: malformed JSON: control character (\\u0000-\\u001F) found while parsing a string; some compilers print a global of \
         anonymous struct type with raw line breaks: name that type in the C source"
    );
    let deep = "[".repeat(100_000);
    assert_eq!(refusal(&deep), "x.json:1:128: malformed JSON: recursion limit exceeded");
}

#[test]
fn other_documents_are_refused() {
    assert_eq!(
        refusal("{\"name\": \"package\", \"version\": \"1.0.0\"}"),
        "x.json:1:1: this is not a skeleton: it has none of the keys `meta` (a package), `bpf_skel` (metadata) and `data` (the first \
         generation); pass the .json file that the eunomia-bpf compiler or `eunomia_build::Config::package` wrote"
    );
    assert_eq!(refusal("[]"), "x.json:1:1: expected an object, found a list");
}

/// Some editors write a byte order mark.
#[test]
fn byte_order_mark_is_ignored() {
    let marked = |text: &str| format!("\u{feff}{text}");
    let text = package().to_string();
    assert!(Skeleton::parse(&marked(&text), "x.json") == Skeleton::parse(&text, "x.json"));
    for text in [
        "{\"bpf_skel\": 7}".to_owned(),
        "{\n?}".to_owned(),
        text.replace("\"handle_exec\"", "\"handle_exce\""),
    ] {
        assert_eq!(refusal(&marked(&text)), refusal(&text));
        let checked = |text: String| {
            Skeleton::parse(&text, "x.json").and_then(|skeleton| skeleton.check().map(drop))
        };
        assert_eq!(checked(marked(&text)).unwrap_err(), checked(text).unwrap_err());
    }
}

#[test]
fn line_is_that_of_value() {
    let text = "{\n  \"bpf_skel\": {\n    \"obj_name\": \"x\",\n    \"progs\": [],\n    \"maps\": [\n      {\"name\": \"a\", \"ident\": null}\n    ]\n  }\n}";
    assert_eq!(refusal(text), "x.json:6:30: bpf_skel.maps[0].ident: expected a string, found null");
}

#[test]
fn every_fault_is_reported_at_once() {
    let text = edited(|json| {
        let skel = &mut json["meta"]["bpf_skel"];
        skel["maps"][0]["name"] = json!(null);
        skel["maps"][1]["mmaped"] = json!("yes");
        skel["progs"][1].as_object_mut().unwrap().remove("name");
        skel["obj_name"] = json!(7);
        json["meta"]["export_types"][0]["size"] = json!(-1);
        json["bpf_object_size"] = json!("large");
    });
    assert_eq!(
        text,
        "x.json: bpf_object_size: expected a whole number from 0, found a string\n\
         x.json: meta.export_types[0].size: expected a whole number from 0 to 4294967295, found -1\n\
         x.json: meta.bpf_skel.obj_name: expected a string, found a number\n\
         x.json: meta.bpf_skel.maps[0].name: expected a string, found null\n\
         x.json: meta.bpf_skel.maps[1].mmaped: expected true or false, found a string\n\
         x.json: meta.bpf_skel.progs[1].name: the key is missing"
    );
}

#[test]
fn missing_keys_and_wrong_types_are_named() {
    let cases: [Case; 12] = [
        ("x.json: meta: the key is missing", |json| {
            *json = json!({"bpf_object": "", "data": 1, "meta": null, "x": {}})
        }),
        ("x.json: meta.bpf_skel: the key is missing", |json| {
            drop(json["meta"].as_object_mut().unwrap().remove("bpf_skel"))
        }),
        ("x.json: meta.bpf_skel.maps: the key is missing", |json| {
            drop(json["meta"]["bpf_skel"].as_object_mut().unwrap().remove("maps"));
        }),
        ("x.json: meta.bpf_skel.progs: expected a list, found an object", |json| {
            json["meta"]["bpf_skel"]["progs"] = json!({})
        }),
        ("x.json: meta.bpf_skel.maps[1].sample.interval: the key is missing", |json| {
            json["meta"]["bpf_skel"]["maps"][1]["sample"] = json!({"type": "log2_hist"});
        }),
        (
            "x.json: meta.bpf_skel.maps[1].sample.type: unknown kind of sample `hist`; use log2_hist, linear_hist or default_kv",
            |json| {
                json["meta"]["bpf_skel"]["maps"][1]["sample"] =
                    json!({"type": "hist", "interval": 1})
            },
        ),
        (
            "x.json: meta.bpf_skel.maps[1].sample.type: unknown kind of sample `log2_hits`; did you mean `log2_hist`?",
            |json| {
                json["meta"]["bpf_skel"]["maps"][1]["sample"] =
                    json!({"type": "log2_hits", "interval": 1})
            },
        ),
        (
            "x.json: meta.bpf_skel.maps[1].export_config: unknown export `no-export`; did you mean `no_export`?",
            |json| {
                json["meta"]["bpf_skel"]["maps"][1]["export_config"] = json!("no-export");
            },
        ),
        (
            "x.json: meta.bpf_skel.maps[1].intepreter: unknown interpreter `default`; use \"default_struct\" or {\"stack_trace\": {..}}",
            |json| {
                json["meta"]["bpf_skel"]["maps"][1]["intepreter"] = json!("default");
            },
        ),
        (
            "x.json: meta.bpf_skel.obj_name: the key is missing; is it misspelt as `objname`?",
            |json| {
                let skel = json["meta"]["bpf_skel"].as_object_mut().unwrap();
                let name = skel.remove("obj_name").unwrap();
                skel.insert("objname".to_owned(), name);
            },
        ),
        (
            "x.json: meta.bpf_skel.maps[1].export_config: unknown export; use \"no_export\", \"default\", {\"btf_type_id\": N} or \
             {\"custom_members\": [..]}",
            |json| json["meta"]["bpf_skel"]["maps"][1]["export_config"] = json!({"type": 1}),
        ),
        (
            "x.json: meta.poll_timeout_ms: expected a whole number of milliseconds, found 1.5",
            |json| {
                json["meta"]["poll_timeout_ms"] = json!(1.5);
            },
        ),
    ];
    for (expected, edit) in cases.into_iter().skip(1) {
        assert_eq!(edited(edit), expected);
    }
    assert_eq!(
        edited(cases[0].1),
        "x.json: bpf_object: the compressed object is truncated; copy or rebuild the package\nx.json: meta: expected an object, found null"
    );
}

#[test]
fn damaged_objects_are_refused() {
    let zlib =
        |json: &serde_json::Value| STANDARD.decode(json["bpf_object"].as_str().unwrap()).unwrap();
    assert_eq!(
        edited(|json| json["bpf_object"] = "AAA=B".into()),
        "x.json: bpf_object: malformed base64: Invalid symbol 61, offset 3."
    );
    assert_eq!(
        edited(|json| json["bpf_object"] = STANDARD.encode(&zlib(json)[..1000]).into()),
        "x.json: bpf_object: the compressed object is truncated; copy or rebuild the package"
    );
    assert_eq!(
        edited(|json| {
            let mut bytes = zlib(json);
            *bytes.last_mut().unwrap() ^= 1;
            json["bpf_object"] = STANDARD.encode(bytes).into();
        }),
        "x.json: bpf_object: the compressed object has a wrong checksum; copy or rebuild the package"
    );
    assert_eq!(
        edited(|json| json["bpf_object"] = STANDARD.encode("neither").into()),
        "x.json: bpf_object: this is neither an ELF object nor zlib data"
    );
    let len = elf().len();
    assert_eq!(
        edited(|json| json["bpf_object_size"] = (len + 1).into()),
        format!(
            "x.json: bpf_object: the object has {len} bytes, expected {}; the package is damaged or was edited by hand; rebuild it",
            len + 1
        )
    );
}

/// Decompression stops at the size in the document, and at a fixed limit if the document has no
/// size or a huge one.
#[test]
fn zlib_bombs_are_bounded() {
    let bomb = STANDARD.encode(miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 80 << 20], 6));
    assert!(bomb.len() < 200_000);
    let say = |size: serde_json::Value| {
        edited(|json| {
            json["bpf_object"] = bomb.clone().into();
            json["bpf_object_size"] = size;
        })
    };
    assert_eq!(
        say(json!(1000)),
        "x.json: bpf_object: the object inflates to more than the 1000 bytes in the document; the package is damaged or was edited \
         by hand; rebuild it"
    );
    for size in [json!(null), json!(u64::MAX)] {
        assert_eq!(
            say(size),
            "x.json: bpf_object: the object inflates to more than 64 MiB; it is not a BPF object"
        );
    }
}

#[test]
fn metadata_needs_its_object() {
    let metadata = package()["meta"].to_string();
    assert_eq!(
        refusal(&metadata),
        "x.json: the document contains no BPF object; pass the object as well, or use the package that the compiler wrote"
    );
}

/// Returns the text of the package after an edit.
fn changed(edit: impl FnOnce(&mut Json)) -> String {
    let mut json = package();
    edit(&mut json);
    json.to_string()
}

/// Returns the faults of a document whose object disagrees with it.
fn disagreement(text: String) -> Diagnostics {
    Skeleton::parse(&text, "x.json").unwrap().check().unwrap_err()
}

/// The first faults are shown with their lines, the rest are counted.
#[test]
fn many_faults_are_cut() {
    const MANY: usize = 50_000;
    let text = changed(|json| {
        json["meta"]["export_types"] =
            (0..MANY).map(|number| json!({"name": format!("e{number}"), "size": number})).collect();
    });
    let refused = disagreement(text);
    assert_eq!(refused.diagnostics.len(), 101);
    assert_eq!(refused.diagnostics[100].to_string(), format!("and {} more faults", MANY - 100));
    assert!(
        refused.diagnostics[..100]
            .iter()
            .all(|fault| fault.line.is_some_and(|(line, column)| line == 1 && column > 1))
    );
    let columns: Vec<_> = refused.diagnostics[..100].iter().map(|fault| fault.line).collect();
    assert!(columns.is_sorted() && columns[0] < columns[1]);
    // Also faults of the reader, which does not keep faults that are not shown.
    let text = changed(|json| json["meta"]["bpf_skel"]["maps"] = vec![json!(1); MANY].into());
    let refused = Skeleton::parse(&text, "x.json").unwrap_err();
    assert_eq!(
        (refused.diagnostics.len(), refused.diagnostics[100].to_string()),
        (101, format!("and {} more faults", MANY - 100))
    );
    assert!(
        refused.diagnostics[..100].iter().all(|fault| fault.line.is_some())
            && refused.diagnostics[100].line.is_none()
    );
}

/// A value takes a hundred times the memory of its two characters.
#[test]
fn number_of_values_is_limited() {
    const MOST: usize = 1 << 18;
    let list = |count: usize| format!("[0{}]", ",0".repeat(count - 1));
    let said = "the document has more than 262144 values, and no skeleton has so many";
    assert_eq!(refusal(&list(MOST + 1)), format!("x.json:1:{}: {said}", 2 * MOST + 1));
    assert_eq!(refusal(&list(MOST)), "x.json:1:1: expected an object, found a list");
    // Characters in strings do not count.
    assert_eq!(
        refusal(&format!("[\"{}\"]", ",{[".repeat(MOST))),
        "x.json:1:1: expected an object, found a list"
    );
}

/// Faults show only the beginning of long names.
#[test]
fn long_names_are_cut_in_faults() {
    let name = "n".repeat(300_000);
    let cut = format!("{}.. (300000 bytes)", "n".repeat(512));
    let text = changed(|json| json["meta"]["bpf_skel"]["maps"][0]["name"] = json!(name));
    let refused = disagreement(text);
    assert!(
        refused.diagnostics[0]
            .what
            .starts_with(&format!("the object has no map `{cut}`, it has `exec_start`")),
        "{}",
        refused.diagnostics[0].what
    );
    // Also in paths of events that the user names.
    let skeleton = Skeleton::parse(&package().to_string(), "x.json")
        .unwrap()
        .with_event(&*name, "struct event");
    let refused = skeleton.check().unwrap_err().to_string();
    assert!(
        refused
            .starts_with(&format!("x.json: events.{cut}: no map `{cut}` that delivers records (")),
        "{refused}"
    );
    // Also if the name has quotes.
    for part in ["`a", "\" b", "` \""] {
        let text = changed(|json| {
            json["meta"]["bpf_skel"]["progs"][0]["name"] = json!(part.repeat(100_000))
        });
        let refused = disagreement(text).to_string();
        assert!(refused.len() < 10_000, "{} bytes", refused.len());
    }
}
