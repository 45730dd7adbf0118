//! The types of records that nobody names, found in the object. The maps of `bpf/found.bpf.c` are
//! the cases.

use eunomia_runtime::{
    Skeleton,
    checked::{Checked, Payload},
};

fn skeleton() -> Skeleton {
    Skeleton::from_file("bpf/found.json").unwrap()
}

/// Returns the type of a map's records and how it was found, or why they are bytes.
fn records(checked: &Checked, map: &str) -> (Option<String>, String) {
    let stream = checked.streams.iter().find(|stream| stream.map == map).unwrap();
    match (&stream.payload, &stream.found) {
        (Payload::Type(id), how) => {
            (Some(checked.layouts.c_name(*id)), how.clone().unwrap_or_default())
        }
        (Payload::Bytes { why }, None) => (None, why.clone()),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn is_found(map: &str, ty: &str, how: &str) {
    let found = records(&skeleton().check().unwrap(), map);
    assert_eq!(found, (Some(ty.to_owned()), how.to_owned()), "{map}");
}

#[track_caller]
fn is_not_found(map: &str, why: &str) {
    let (ty, reason) = records(&skeleton().check().unwrap(), map);
    assert_eq!(ty, None, "{map}: {reason}");
    assert!(reason.ends_with(&format!(", and {why}")), "{map}: {reason}");
}

#[test]
fn unused_variable_names_the_only_struct_of_the_size() {
    for (map, ty, how) in [
        ("starts", "struct start", "reserve 40 bytes, and the unused variable `brings_start`"),
        ("stops", "stop_t", "send 16 bytes, and the unused variable `unused_stop`"),
        ("pauses", "struct pause", "reserve 56 bytes, and the unused variable `_pause`"),
    ] {
        is_found(map, ty, &format!("the programs {how} names the only struct of that size"));
    }
}

#[test]
fn source_line_names_the_type() {
    for (map, ty) in
        [("lines", "struct named"), ("reserves", "struct named"), ("typedefs", "other_t")]
    {
        let how = format!("the programs reserve 64 bytes, and their source line names `{ty}`");
        is_found(map, ty, &how);
    }
}

#[test]
fn records_have_the_type_that_they_are_copied_from() {
    let run_time = "a number of bytes that is known only at run time";
    for (map, ty, size, from) in [
        ("copies", "struct copy", "24 bytes", "values of the map `of_copy`"),
        ("inners", "struct inner", "12 bytes", "values of the map `of_copy`"),
        ("tails", "struct tail", run_time, "values of the map `of_tail`"),
        ("wholes", "struct tail", "264 bytes", "values of the map `of_padded`"),
        ("variables", "struct kept", "88 bytes", "the variable `kept`"),
    ] {
        is_found(map, ty, &format!("the programs send {size}, copied from {from}"));
    }
}

/// Each call of a function is followed with its own arguments.
#[test]
fn calls_of_functions_are_followed() {
    let how = "the programs send 96 bytes, and the unused variable `brings_through` names the only struct of that size";
    is_found("firsts", "struct through", how);
    is_not_found("seconds", "the programs send 95 bytes, a size that no struct of the object has");
}

#[test]
fn doubtful_types_are_not_found() {
    let run_time = "the programs send a number of bytes that is known only at run time";
    for (map, why) in [
        ("twins", "the programs reserve 104 bytes, the size of `struct one` or `struct two`"),
        ("kernels", "the programs reserve 112 bytes, a size that no struct of the object has"),
        ("sizes", "the programs reserve 104 or 120 bytes"),
        ("branches", run_time),
        ("paddeds", run_time),
        (
            "unlikes",
            "the programs reserve 128 bytes, and their source line names `struct hidden`, which is no struct of that size in BTF",
        ),
        ("packets", run_time),
        (
            "useds",
            "the programs reserve 144 bytes, the size of `struct used`, which need not be their type",
        ),
        ("alone", "the programs reserve 152 bytes, a size that no struct of the object has"),
        ("silent", "no program sends records through the map"),
    ] {
        is_not_found(map, why);
    }
}

#[test]
fn named_types_come_first() {
    let checked = skeleton().with_event("starts", "struct pause").check().unwrap();
    assert_eq!(records(&checked, "starts"), (Some("struct pause".to_owned()), String::new()));
}

/// A document that declares types says that there are no others.
#[test]
fn found_types_are_those_that_the_document_declares() {
    let mut skeleton = skeleton();
    let declared =
        Skeleton::from_file("bpf/found.json").unwrap().with_event("lines", "struct named");
    skeleton.exports = ["struct named", "struct pause"]
        .map(|ty| {
            let named = declared.clone().with_event("starts", ty).check().unwrap();
            let stream = named.streams.iter().find(|stream| stream.map == "starts").unwrap();
            let Payload::Type(id) = stream.payload else { panic!("{stream:?}") };
            eunomia_runtime::skeleton::model::Export {
                name: ty.trim_start_matches("struct ").to_owned(),
                type_id: Some(id.0),
                size: None,
                members: None,
                other: Default::default(),
            }
        })
        .to_vec();
    let checked = skeleton.check().unwrap();
    let only =
        "the programs reserve 56 bytes, and the document declares only one type of that size";
    assert_eq!(records(&checked, "pauses"), (Some("struct pause".to_owned()), only.to_owned()));
    assert_eq!(records(&checked, "lines").0.as_deref(), Some("struct named"));
    for map in ["typedefs", "starts", "copies", "tails"] {
        assert_eq!(records(&checked, map).0, None, "{map}");
    }
}
