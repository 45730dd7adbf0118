//! Typed and dynamic reading of the same bytes agree, and documents survive being read and written.

use std::{fmt::Display, fs};

use eunomia_runtime::{
    __private::is_shown,
    Skeleton,
    object::{Checked, Kind, Layouts, TypeId},
    sample::Event,
    skeleton::Format,
    value::Value,
};
use eunomia_tests::{built, fixture};
use serde_core::Serialize;

fn checked(name: &str) -> Checked {
    Skeleton::parse(&fixture(name), name).unwrap().check(name).unwrap()
}

/// The struct that C calls so, by its tag or by a typedef.
fn struct_id(layouts: &Layouts, c_name: &str) -> TypeId {
    let is_struct = |id| matches!(layouts.btf.resolve(id).1.kind, Kind::Struct { .. } | Kind::Union { .. });
    layouts.btf.iter().map(|(id, _)| id).find(|&id| layouts.c_name(id) == c_name && is_struct(id)).unwrap()
}

/// Reads pseudo-random bytes both ways, as many times as it takes to meet most enum values, bools and texts.
fn agree<E: Event + Display + Serialize>(checked: &Checked) {
    let id = struct_id(&checked.layouts, E::C_NAME);
    assert_eq!(checked.layouts.layout(id).size, size_of::<E>() as u64);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = vec![0u8; size_of::<E>()];
    for round in 0..2000 {
        for byte in &mut bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Small numbers are enum values and lengths of text; whole bytes are everything else.
            *byte = if round % 2 == 0 { (state % 4) as u8 } else { (state >> 32) as u8 };
        }
        let typed = E::read(&bytes).unwrap();
        let value = Value::new(&checked.layouts, id, &bytes).unwrap();
        assert_eq!(typed.to_string(), value.to_string());
        let json: serde_json::Value = serde_json::from_str(&value.to_json()).unwrap();
        // A serializer writes what JSON lets it; ours nothing that a terminal would obey.
        assert_eq!(serde_json::from_str::<serde_json::Value>(&serde_json::to_string(&value).unwrap()).unwrap(), json);
        assert!(value.to_json().chars().chain(value.to_string().chars()).all(is_shown));
        assert_eq!(json.as_object().unwrap().len(), value.fields().count());
        let serialized = serde_json::to_string(&typed).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&serialized).unwrap(), json);
    }
}

#[test]
fn typed_and_dynamic_text_agree() {
    agree::<built::kinds::types::Kinds>(&checked("kinds"));
    agree::<built::kinds::types::MarkerT>(&checked("kinds"));
    agree::<built::streams::types::Sample>(&checked("streams"));
    agree::<built::streams::types::Note>(&checked("streams"));
    agree::<built::names::types::Type>(&checked("names"));
    agree::<built::profile::types::Sample>(&checked("profile"));
    agree::<built::profile::types::Times>(&checked("profile"));
    agree::<built::shapes::types::Shapes>(&checked("shapes"));
    agree::<built::shapes::types::Address>(&checked("shapes"));
    agree::<built::shapes::types::Tight>(&checked("shapes"));
}

#[test]
fn every_fixture_survives_reading_and_writing() {
    for name in [
        "arena",
        "args",
        "congestion",
        "doctor",
        "hooks",
        "kinds",
        "maps",
        "names",
        "newer",
        "profile",
        "programs",
        "refused",
        "samples",
        "streams",
        "shapes",
        "tables",
        "tagged",
    ] {
        let text = fixture(name);
        let skeleton = Skeleton::parse(&text, name).unwrap();
        assert_eq!(skeleton.format, Format::Package);
        assert_eq!(skeleton.to_json(), text);
    }
    let text = fs::read_to_string("bpf/bootstrap.json").unwrap();
    assert_eq!(Skeleton::parse(&text, "bootstrap").unwrap().to_json(), text);
}
