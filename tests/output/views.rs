//! The output of sampled maps, histograms and stack traces.

use eunomia_runtime::{
    output::{Format, Printer},
    sample::Plain,
    skeleton::model::{ExportConfig, Interpreter, Other, Sample, SampleKind},
};
use eunomia_tests::built::profile::types;

use super::{chars, checked, printed};

/// Returns an entry as a sampled map delivers it: the value is at a multiple of 8.
fn entry(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut record = key.to_vec();
    record.resize(key.len().next_multiple_of(8), 0);
    record.extend_from_slice(value);
    record
}

fn times() -> types::Times {
    let mut times = types::Times { total: 5, ..Default::default() };
    (times.slots[0], times.slots[2]) = (1, 4);
    times
}

fn who() -> types::Who {
    types::Who { pid: 42, comm: chars("make") }
}

/// Returns the profile fixture with the exports of one map only.
fn alone(map: &str) -> eunomia_runtime::checked::Checked {
    checked("profile", |skeleton| {
        skeleton
            .maps
            .iter_mut()
            .filter(|known| known.name != map)
            .for_each(|known| known.export = ExportConfig::None);
    })
}

#[test]
fn log2_histogram_is_shown() {
    let record = entry(who().bytes(), times().bytes());
    let table = "     usecs               : count    distribution\n         \
                 0 -> 1          : 1        |**********                              |\n         \
                 2 -> 3          : 0        |                                        |\n         \
                 4 -> 7          : 4        |****************************************|\n";
    let head = "key =  42 make\ntotal = 5\n";
    assert_eq!(
        printed(&alone("latency"), Format::Text, &[("latency", &record)]),
        format!("12:00:00\n{head}{table}")
    );
    let all = checked("profile", |_| ());
    assert_eq!(
        printed(&all, Format::Text, &[("latency", &record)]),
        format!("12:00:00 latency\n{head}{table}")
    );
    assert_eq!(
        printed(&alone("latency"), Format::Json, &[("latency", &record)]),
        "{\"key\":{\"pid\":42,\"comm\":\"make\"},\"value\":{\"slots\":[1,0,4,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],\"total\":5}}\n"
    );
    assert!(
        printed(&all, Format::Json, &[("latency", &record)])
            .starts_with("{\"map\":\"latency\",\"key\":{\"pid\":42,")
    );
}

/// The value is the array of slots itself.
#[test]
fn linear_histogram_is_shown() {
    let record = entry(&[0; 4], [0u64, 3, 0, 6, 0, 0, 0, 0].bytes());
    assert_eq!(
        printed(&alone("depths"), Format::Text, &[("depths", &record)]),
        "12:00:00\nkey =  0\n     usecs               : count    distribution\n         \
         1 -> 1          : 3        |********************                    |\n         \
         2 -> 2          : 0        |                                        |\n         \
         3 -> 3          : 6        |****************************************|\n"
    );
}

#[test]
fn keys_and_values_are_shown_as_columns() {
    let checked = checked("profile", |skeleton| {
        for map in &mut skeleton.maps {
            if map.name == "latency" {
                map.sample = Some(Sample {
                    interval: 1,
                    kind: SampleKind::KeyValue,
                    unit: None,
                    clear_map: false,
                    other: Other::default(),
                });
            } else {
                map.export = ExportConfig::None;
            }
        }
    });
    let text =
        printed(&checked, Format::Text, &[("latency", &entry(who().bytes(), times().bytes()))]);
    assert_eq!(
        text,
        "TIME     PID      COMM             SLOTS  TOTAL\n\
         12:00:00 42       make             [1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] 5\n"
    );
}

fn sample() -> types::Sample {
    let mut sample = types::Sample {
        pid: u32::MAX - 1,
        cpu_id: 3,
        kstack_sz: 16,
        ustack_sz: -14,
        ..Default::default()
    };
    sample.comm = chars("test-comm");
    (sample.kstack[0], sample.kstack[1], sample.ustack[0]) = (1, 2, 3);
    sample
}

#[test]
fn stack_trace_is_shown() {
    let (sample, checked) = (sample(), alone("stacks"));
    assert_eq!(
        printed(&checked, Format::Text, &[("stacks", sample.bytes())]),
        "12:00:00 COMM: test-comm (pid=4294967294) @ CPU 3\nKernel:\n  0 [<0000000000000001>]\n  1 [<0000000000000002>]\n\
         No Userspace Stack\n\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&printed(&checked, Format::Json, &[("stacks", sample.bytes())]))
            .unwrap();
    assert_eq!(
        (&json["comm"], &json["cpu"], &json["user"]),
        (&"test-comm".into(), &3.into(), &serde_json::json!([]))
    );
    assert_eq!(
        (&json["kernel"][1]["address"], &json["kernel"][1]["symbols"]),
        (&2.into(), &serde_json::json!([]))
    );
}

#[test]
fn names_of_processes_cannot_control_terminal() {
    let checked = alone("stacks");
    let sample = types::Sample { comm: chars("\u{9b}2J\u{202e}a\u{1b}"), ..sample() };
    for format in [Format::Text, Format::Json] {
        let text = printed(&checked, format, &[("stacks", sample.bytes())]);
        assert!(text.chars().all(|letter| matches!(letter, '\n' | ' '..='~')), "{text:?}");
    }
}

/// The document maps other members; a stack without a size ends with a zero.
#[test]
fn members_of_stack_trace_can_be_mapped() {
    let mapped = |fields: serde_json::Value| {
        checked("profile", |skeleton| {
            for map in &mut skeleton.maps {
                map.export =
                    if map.name == "stacks" { map.export.clone() } else { ExportConfig::None };
                if map.name == "stacks" {
                    let fields = fields.as_object().cloned();
                    map.interpreter = Interpreter::StackTrace {
                        fields,
                        with_symbols: Some(false),
                        other: Other::default(),
                    };
                }
            }
        })
    };
    let text = printed(
        &mapped(serde_json::json!({"pid": "cpu_id", "kstack": "ustack"})),
        Format::Text,
        &[("stacks", sample().bytes())],
    );
    assert!(text.contains("(pid=3) @ CPU 3\nKernel:\n  0 [<0000000000000003>]\n"), "{text}");
    let refused = Printer::new(&mapped(serde_json::json!({"kstack": "kstak"})), Format::Json)
        .unwrap_err()
        .to_string();
    assert_eq!(
        refused,
        "map `stacks`, shown as `stack_trace`: `kstack` is mapped to `kstak`, but the records have no such member; did you mean `kstack`?"
    );
    // The raw form needs no members.
    assert!(Printer::new(&mapped(serde_json::json!({"kstack": "kstak"})), Format::Raw).is_ok());
}

#[test]
fn histogram_needs_slots() {
    let checked = checked("profile", |skeleton| {
        let map = skeleton.maps.iter_mut().find(|map| map.name == "latency").unwrap();
        let btf = skeleton
            .object
            .clone()
            .map(|object| eunomia_runtime::object::Layouts::clone(&layouts(&object)))
            .unwrap();
        let id = btf.btf.iter().find(|(_, ty)| ty.name == "who").unwrap().0;
        map.export = ExportConfig::BtfType(id.0);
    });
    let refused = Printer::new(&checked, Format::Text).unwrap_err().to_string();
    assert_eq!(
        refused,
        "map `latency`: cannot show its values as a histogram: they have no member `slots` that is an array of unsigned numbers; rename the array, or sample \
         the map as `default_kv`"
    );
    assert!(Printer::new(&checked, Format::Json).is_ok());
}

fn layouts(object: &[u8]) -> eunomia_runtime::object::Layouts {
    eunomia_runtime::Skeleton::from_object("x", object.to_vec(), "x")
        .unwrap()
        .check()
        .unwrap()
        .layouts
        .clone()
}
