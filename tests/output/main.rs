//! Events as text, JSON Lines and bytes, as `eunomia run` prints them.

mod handlers;
mod views;

use eunomia_runtime::{
    Skeleton,
    checked::Checked,
    output::{Format, Printer},
    sample::{CharArray, Plain, Verdict},
};
use eunomia_tests::{built, fixture};

/// Returns a fixture after a change.
fn checked(name: &str, change: impl FnOnce(&mut Skeleton)) -> Checked {
    let mut skeleton = Skeleton::parse(&fixture(name), name).unwrap();
    change(&mut skeleton);
    skeleton.check().unwrap()
}

/// Returns the output for records of these maps.
fn printed(checked: &Checked, format: Format, records: &[(&str, &[u8])]) -> String {
    let mut printer = Printer::new(checked, format).unwrap();
    printer.set_time("12:00:00");
    let mut out = Vec::new();
    for (map, record) in records {
        let number = checked.streams.iter().position(|stream| stream.map == *map).unwrap();
        let verdict = checked.deliver(number, record, |event| printer.write(&event, &mut out));
        assert!(matches!(verdict, Verdict::Delivered), "{verdict:?}");
    }
    String::from_utf8(out).unwrap()
}

fn chars<const N: usize>(text: &str) -> CharArray<N> {
    let mut chars = [0; N];
    chars[..text.len()].copy_from_slice(text.as_bytes());
    chars.into()
}

fn event() -> built::bootstrap::types::Event {
    let mut event = built::bootstrap::types::Event {
        pid: 7,
        ppid: 1,
        duration_ns: 1 << 40,
        ..Default::default()
    };
    event.comm = chars("a comm");
    event.et = built::bootstrap::types::EventType::EVENT_TYPE__EXIT;
    event
}

#[test]
fn one_map_is_shown_as_table() {
    let checked = checked("bootstrap", |_| ());
    let (first, mut second) = (event(), event());
    second.ppid = -123_456_789;
    second.filename = chars("/bin/with\nnewline");
    let records = [("rb", first.bytes()), ("rb", second.bytes())];
    assert_eq!(
        printed(&checked, Format::Text, &records),
        "TIME     PID      PPID     EXIT_CODE DURATION_NS  COMM             FILENAME                         EXIT_EVENT ET\n\
         12:00:00 7        1        0         1099511627776 \"a comm\"         \"\"                               false      EVENT_TYPE__EXIT(1)\n\
         12:00:00 7        -123456789 0         1099511627776 \"a comm\"         \"/bin/with\\nnewline\"             false      EVENT_TYPE__EXIT(1)\n"
    );
    assert_eq!(
        printed(&checked, Format::Json, &records[..1]),
        "{\"pid\":7,\"ppid\":1,\"exit_code\":0,\"duration_ns\":1099511627776,\"comm\":\"a comm\",\"filename\":\"\",\"exit_event\":false,\
         \"et\":\"EVENT_TYPE__EXIT(1)\"}\n"
    );
}

/// The raw form includes bytes after the end of the type.
#[test]
fn raw_writes_whole_record() {
    let checked = checked("bootstrap", |_| ());
    let mut long = event().bytes().to_vec();
    long.extend_from_slice(b"tail");
    let mut printer = Printer::new(&checked, Format::Raw).unwrap();
    let mut out = Vec::new();
    checked.deliver(0, &long, |event| printer.write(&event, &mut out));
    checked.deliver(0, &long, |event| printer.write(&event, &mut out));
    assert_eq!(out, [&long[..], &long[..]].concat());
}

#[test]
fn several_maps_are_shown_as_lines_with_names() {
    let checked = checked("streams", |_| ());
    let note = [7u8; 24];
    let sample = built::streams::types::Sample::zeroed();
    let text = printed(&checked, Format::Text, &[("notes", &note), ("rb", sample.bytes())]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("12:00:00 notes  ") && lines[1].starts_with("12:00:00 rb     "),
        "{text}"
    );
    assert!(lines[0].contains('='), "{text}");
    let json = printed(&checked, Format::Json, &[("notes", &note), ("rb", sample.bytes())]);
    let maps = json.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert_eq!(
        maps.map(|line| line["map"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        ["notes", "rb"]
    );
    assert!(json.starts_with("{\"map\":\"notes\",\"event\":{"), "{json}");

    // One map with another format.
    let mut printer = Printer::new(&checked, Format::Text).unwrap();
    printer.set_format("notes", Format::Json).unwrap();
    let mut out = Vec::new();
    let number = checked.streams.iter().position(|stream| stream.map == "notes").unwrap();
    checked.deliver(number, &note, |event| printer.write(&event, &mut out));
    assert_eq!(json.lines().next(), std::str::from_utf8(&out).unwrap().lines().next());
    let refused = printer.set_format("note", Format::Json).unwrap_err().to_string();
    assert_eq!(
        refused,
        "no map that delivers records `note`; known: notes, rb, events; did you mean `notes`?"
    );
}
