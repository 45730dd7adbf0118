//! Typed and dynamic reading of the same bytes agree, and documents survive reading and writing.

use std::{fmt::Display, fs};

use eunomia_runtime::{
    __private::is_shown,
    Skeleton,
    checked::Checked,
    sample::{Event, Plain as _},
    skeleton::Format,
    value::Value,
};
use eunomia_tests::{built, fixture, struct_id};
use serde_core::Serialize;

fn checked(name: &str) -> Checked {
    Skeleton::parse(&fixture(name), name).unwrap().check().unwrap()
}

/// Reads pseudo-random bytes both ways, in enough rounds to cover most enum values, bools and
/// texts.
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
            // Small numbers give enum values and lengths of text; full bytes give everything else.
            *byte = if round % 2 == 0 { (state % 4) as u8 } else { (state >> 32) as u8 };
        }
        let typed = E::read(&bytes).unwrap();
        let value = Value::new(&checked.layouts, id, &bytes).unwrap();
        assert_eq!(typed.to_string(), value.to_string());
        let json: serde_json::Value = serde_json::from_str(&value.to_json()).unwrap();
        // serde_json writes any character that JSON allows; ours writes none that controls a
        // terminal.
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&serde_json::to_string(&value).unwrap())
                .unwrap(),
            json
        );
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

/// Delivers records of every length, from 0 to more than the types have, to a typed module and to
/// dynamic reading.
macro_rules! agree_at_every_length {
    ($checked:expr, $module:ident, $json:expr) => {{
        use built::$module::Export;
        let checked = $checked;
        for map in 0..checked.streams.len() {
            let mut state = 0x9e37_79b9_7f4a_7c15_u64;
            for len in (0..160).chain(0..160) {
                let mut bytes = vec![0u128; 16];
                let record = u128::slice_bytes_mut(&mut bytes).get_mut(..len).unwrap();
                for byte in &mut *record {
                    state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    *byte = if state >> 60 == 0 { 0 } else { (state >> 33) as u8 & 0x67 };
                }
                let (mut typed, mut dynamic) = (Vec::new(), Vec::new());
                let first = Export::deliver(map, record, |event| {
                    typed.push((event.to_string(), $json(&event)))
                });
                let second = checked.deliver(map, record, |event| {
                    dynamic.push((
                        event.value.to_string(),
                        serde_json::from_str(&event.value.to_json()).unwrap(),
                    ));
                    let serialized = serde_json::to_value(&event.value).unwrap();
                    assert_eq!(serialized, dynamic[0].1);
                });
                assert_eq!(typed, dynamic, "{len} bytes of {}", checked.streams[map].map);
                assert_eq!(format!("{first:?}"), format!("{second:?}"));
            }
        }
    }};
}

#[test]
fn records_of_every_length_agree() {
    let json = |event: &built::tails::Export<'_>| match event {
        built::tails::Export::Lines(event) | built::tails::Export::Events(event) => {
            serde_json::to_value(event)
        }
        built::tails::Export::Places(event) => serde_json::to_value(event),
        built::tails::Export::Blobs(event) => serde_json::to_value(event),
        built::tails::Export::Pairs(event) => serde_json::to_value(event),
        built::tails::Export::Tables(event) => serde_json::to_value(event),
        built::tails::Export::Digests(event) => serde_json::to_value(event),
        built::tails::Export::Labels(event) => serde_json::to_value(event),
    };
    agree_at_every_length!(checked("tails"), tails, |event: &_| json(event).unwrap());
    let json = |event: &built::streams::Export<'_>| match event {
        built::streams::Export::Rb(event) | built::streams::Export::Events(event) => {
            serde_json::to_value(event)
        }
        built::streams::Export::Notes(event) => serde_json::to_value(event),
    };
    agree_at_every_length!(checked("streams"), streams, |event: &_| json(event).unwrap());
}

/// A program may send only a part of a last array, or items of a flexible array.
#[test]
fn last_array_is_shown_as_far_as_it_was_sent() {
    let checked = checked("tails");
    let shown = |map: &str, record: &[u8]| {
        let mut shown = Vec::new();
        let number = checked.stream(map).unwrap();
        let verdict = checked.deliver(number, record, |event| {
            shown.extend([event.value.to_string(), event.value.to_json()])
        });
        (format!("{verdict:?}"), shown.join(" "))
    };
    let delivered = |text: &str| ("Delivered".to_owned(), text.to_owned());
    let short = ("Short".to_owned(), String::new());
    let mut line = [0; 14];
    (line[0], line[8], line[12], line[13]) = (7, 2, b'a', b'b');
    assert_eq!(
        shown("lines", &line),
        delivered(r#"number=7 len=2 text=ab {"number":7,"len":2,"text":"ab"}"#)
    );
    assert_eq!(
        shown("lines", &line[..12]),
        delivered(r#"number=7 len=2 text="" {"number":7,"len":2,"text":""}"#)
    );
    assert_eq!(shown("lines", &line[..11]), short);
    let mut key = vec![0; 24];
    (key[0], key[1]) = (b'/', b'x');
    let text = format!(
        "kind=3 path=/x key={key:?} {{\"kind\":3,\"path\":\"/x\",\"key\":{}}}",
        format!("{key:?}").replace(' ', "")
    );
    assert_eq!(shown("places", b"\x03\0\0\0/x"), delivered(&text));
    let blob = *b"\x01\0\0\0\0\0\0\0\x02\0abcdef\x1bxyz";
    assert_eq!(
        shown("blobs", &blob),
        delivered(
            r#"number=1 kind=2 text="abcdef\u{1b}xyz" {"number":1,"kind":2,"text":"abcdef\u001bxyz"}"#
        )
    );
    assert_eq!(
        shown("blobs", &blob[..12]),
        delivered(r#"number=1 kind=2 text=ab {"number":1,"kind":2,"text":"ab"}"#)
    );
    assert_eq!(shown("blobs", &blob[..9]), short);
    let pairs = *b"\x02\0\0\0\xff\xff\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05";
    assert_eq!(
        shown("pairs", &pairs),
        delivered(
            r#"count=2 pairs=[{a=-1 b=2}, {a=3 b=4}] {"count":2,"pairs":[{"a":-1,"b":2},{"a":3,"b":4}]}"#
        )
    );
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
        "tails",
    ] {
        let text = fixture(name);
        let skeleton = Skeleton::parse(&text, name).unwrap();
        assert_eq!(skeleton.format, Format::Package);
        assert_eq!(skeleton.to_json(), text);
    }
    let text = fs::read_to_string("bpf/bootstrap.json").unwrap();
    assert_eq!(Skeleton::parse(&text, "bootstrap").unwrap().to_json(), text);
}
