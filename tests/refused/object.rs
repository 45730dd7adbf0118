//! Errors of objects, and of documents that disagree with their object.

use eunomia_build::{Embed, Skeleton, tokens};
use serde_json::json;

use super::{Case, edited, elf, of, package, with_object};

const STALE: &str = "; skeleton and object come from different builds; rebuild the package";

#[test]
fn other_elf_files_are_refused() {
    const COMPILE: &str = "; compile it with `clang -g -O2 -target bpf -c`";
    let object = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut object = elf();
        edit(&mut object);
        with_object(&object)
    };
    assert_eq!(
        object(&|elf| elf[0] = 0),
        format!("x.json: meta: not an ELF file{COMPILE}").replace("meta", "bpf_object")
    );
    // e_machine: x86-64.
    assert_eq!(
        object(&|elf| elf[18] = 62),
        format!(
            "x.json: bpf_object: the ELF file is for x86-64 (machine 62), not for BPF (247){COMPILE}"
        )
    );
    // A 32-bit file, whose header has another layout.
    assert!(object(&|elf| elf[4] = 1).starts_with("x.json: bpf_object: "));
    // e_type: executable.
    assert_eq!(
        object(&|elf| elf[16] = 2),
        format!("x.json: bpf_object: the ELF file is not a 64-bit relocatable object{COMPILE}")
    );
    assert_eq!(
        object(&|elf| elf.truncate(40)),
        "x.json: bpf_object: broken ELF file: Could not read bytes in range [0x10, 0x40); copy or compile the object again"
    );
    // The header of a big-endian object, whose fields are big-endian too.
    let mut big = vec![0u8; 64];
    big[..7].copy_from_slice(b"\x7fELF\x02\x02\x01");
    (big[17], big[19], big[23]) = (1, 247, 1);
    assert_eq!(
        with_object(&big),
        "x.json: bpf_object: the object is big-endian; only little-endian targets are supported; compile it with `-target bpfel`"
    );
    let mut empty = elf()[..64].to_vec();
    empty[40..48].fill(0);
    (empty[60], empty[62]) = (0, 0);
    assert_eq!(
        with_object(&empty),
        format!("x.json: bpf_object: the ELF file has no sections{COMPILE}")
    );
}

#[test]
fn object_needs_btf() {
    let mut object = elf();
    let at = object.windows(6).position(|window| window == b"\0.BTF\0").unwrap();
    object[at + 1] = b'_';
    assert_eq!(
        with_object(&object),
        "x.json: bpf_object: the object has no .BTF section, so the layout of its types is unknown; compile it with `-g` (gcc: `-gbtf`), \
         and do not strip it"
    );
}

#[test]
fn names_must_be_in_object() {
    let text = edited(|json| {
        let skel = &mut json["meta"]["bpf_skel"];
        skel["maps"][0]["name"] = json!("exec_begin");
        skel["maps"][2]["name"] = json!("bootstra.rodata.extra");
        skel["progs"][0]["name"] = json!("handle_fork");
        skel["progs"][1]["attach"] = json!("tp/sched/sched_process_fork");
        skel["data_sections"][0]["variables"][0]["name"] = json!("longest");
        skel["data_sections"][1]["name"] = json!(".data");
    });
    let lines = [
        "meta.bpf_skel.maps[0].name: the object has no map `exec_begin`, it has `exec_start`, `rb`",
        "meta.bpf_skel.maps[2].name: the object has no map `bootstra.rodata.extra`, it has `exec_start`, `rb`",
        "meta.bpf_skel.progs[0].name: the object has no program `handle_fork`, it has `handle_exec`, `handle_exit`",
        "meta.bpf_skel.progs[1].attach: program `handle_exit` is in section `tp/sched/sched_process_exit` of the object, but in \
         `tp/sched/sched_process_fork` of the document",
        "meta.bpf_skel.data_sections[0].variables[0].name: section `.rodata` has no variable `longest`, it has `min_duration_ns`",
        "meta.bpf_skel.data_sections[1].name: the object has no section `.data` with variables, it has `.rodata`, `.bss`",
    ];
    assert_eq!(text, lines.map(|line| format!("x.json: {line}{STALE}")).join("\n"));
}

/// A misspelt name is not mistaken for an old object.
#[test]
fn near_names_are_suggested() {
    let text = edited(|json| {
        let skel = &mut json["meta"]["bpf_skel"];
        skel["maps"][0]["name"] = json!("exec_strat");
        skel["progs"][0]["name"] = json!("handle_exce");
        skel["data_sections"][0]["variables"][0]["name"] = json!("max_duration_ns");
        skel["data_sections"][1]["name"] = json!(".bss.");
        json["meta"]["export_types"][0].as_object_mut().unwrap().remove("type_id");
        json["meta"]["export_types"][0]["name"] = json!("evnt");
    });
    let lines = [
        (
            "meta.bpf_skel.maps[0].name: the object has no map `exec_strat`, it has `exec_start`, `rb`",
            "exec_start",
        ),
        (
            "meta.bpf_skel.progs[0].name: the object has no program `handle_exce`, it has `handle_exec`, `handle_exit`",
            "handle_exec",
        ),
        (
            "meta.bpf_skel.data_sections[0].variables[0].name: section `.rodata` has no variable `max_duration_ns`, it has \
             `min_duration_ns`",
            "min_duration_ns",
        ),
        (
            "meta.bpf_skel.data_sections[1].name: the object has no section `.bss.` with variables, it has `.rodata`, `.bss`",
            ".bss",
        ),
        ("meta.export_types[0].name: the object has no `struct evnt`", "event"),
    ];
    let lines = lines.map(|(line, near)| {
        format!(
            "x.json: {line}; did you mean `{near}`? Otherwise,{}",
            STALE.trim_start_matches(';')
        )
    });
    assert_eq!(text, lines.join("\n"));
}

#[test]
fn export_types_must_agree_with_btf() {
    let cases: [Case; 8] = [
        ("[0].type_id: the object has no type 9999, its last type is 48", |export| {
            export["type_id"] = json!(9999)
        }),
        ("[0].type_id: type 2 of the object is `int`, not `struct event`", |export| {
            export["type_id"] = json!(2)
        }),
        ("[0].name: type 13 of the object is `struct event`, not `struct happening`", |export| {
            export["name"] = json!("happening")
        }),
        (
            "[0].size: `struct event` has 176 bytes in the object, but 168 in the document",
            |export| export["size"] = json!(168),
        ),
        (
            "[0].members[1].name: member 1 of `struct event` is `ppid` in the object, but `tgid` in the document",
            |export| {
                export["members"][1]["name"] = json!("tgid");
            },
        ),
        (
            "[0].members[4].type: member `comm` of `struct event` is `char[16]` in the object, but `char[32]` in the document",
            |export| {
                export["members"][4]["type"] = json!("char[32]");
            },
        ),
        (
            "[0].members: `struct event` has 8 members in the object, but 7 in the document",
            |export| {
                drop(export["members"].as_array_mut().unwrap().pop());
            },
        ),
        ("[0].members[8]: `struct event` has only 8 members in the object", |export| {
            export["members"].as_array_mut().unwrap().push(json!({"name": "more", "type": "int"}));
        }),
    ];
    for (expected, edit) in cases {
        assert_eq!(
            edited(|json| edit(&mut json["meta"]["export_types"][0])),
            format!("x.json: meta.export_types{expected}{STALE}")
        );
    }
}

fn say(config: &serde_json::Value) -> String {
    edited(|json| {
        json["meta"]["enable_multiple_export_types"] = json!(true);
        json["meta"]["bpf_skel"]["maps"][1]["export_config"] = config.clone();
    })
}

fn member(name: &str, offset: u32, id: u32) -> serde_json::Value {
    json!({"name": name, "offset": offset, "btf_type_id": id})
}

fn custom(members: &[serde_json::Value]) -> String {
    say(&json!({"custom_members": members}))
}

#[test]
fn exports_of_multiple_mode_are_checked() {
    let at = "x.json: meta.bpf_skel.maps[1].export_config";
    assert_eq!(
        say(&json!("default")),
        format!(
            "{at}: `default` is the value type of a sampled map, but a ring buffer or perf event array has none; name the type: \
             {{\"btf_type_id\": N}}"
        )
    );
    assert_eq!(
        say(&json!({"btf_type_id": 0})),
        format!(
            "{at}.btf_type_id: type 0 of the object (`void`) is not a complete data type; take the id from \
             `bpftool btf dump file <object>`"
        )
    );
    assert_eq!(
        custom(&[
            member("b", 2, 2),
            member("a", 0, 2),
            member("c", 12_345_678, 2),
            member("d", 8, 777)
        ]),
        format!(
            "{at}.custom_members[3].btf_type_id: the object has no type 777, its last type is 48\n\
             {at}.custom_members[0].offset: `b` overlaps `a`\n\
             {at}.custom_members[2].offset: `c` does not fit into a record of at most 1048576 bytes"
        )
    );
}

#[test]
fn values_must_fit_their_variable() {
    let say = |value: serde_json::Value| {
        edited(|json| json["meta"]["bpf_skel"]["data_sections"][0]["variables"][0]["value"] = value)
    };
    let at = "x.json: meta.bpf_skel.data_sections[0].variables[0].value";
    let ty = "not a value of type `const volatile unsigned long long`";
    assert_eq!(
        say(json!(-1)),
        format!("{at}: `-1` is {ty}; expected a number from 0 to 18446744073709551615")
    );
    assert_eq!(
        say(json!(1.5)),
        format!("{at}: `1.5` is {ty}; expected a number from 0 to 18446744073709551615")
    );
    assert_eq!(say(json!(true)), format!("{at}: true is {ty}"));
}

#[test]
fn values_of_members_must_fit() {
    let say = |value: serde_json::Value| {
        let mut json: serde_json::Value =
            serde_json::from_str(&eunomia_tests::fixture("kinds")).unwrap();
        let variables = json!([{"name": "ro_point", "type": "struct point", "value": value}]);
        json["meta"]["bpf_skel"]["data_sections"] =
            json!([{"name": ".rodata", "variables": variables}]);
        of(&json)
    };
    let at = "x.json: meta.bpf_skel.data_sections[0].variables[0].value";
    assert_eq!(
        say(json!({"x": 1, "z": 2})),
        format!("{at}: `struct point` has no member `z`, it has `x`, `y`")
    );
    assert_eq!(
        say(json!({"x": 40_000})),
        format!(
            "{at}: `x` of `struct point`: `40000` is not a value of type `short`; expected a number from -32768 to 32767"
        )
    );
    assert_eq!(
        say(json!([1, 2])),
        format!("{at}: [1,2] is not a value of type `const volatile struct point`")
    );
}

#[test]
fn everything_is_listed_once() {
    assert_eq!(
        edited(|json| {
            let skel = &mut json["meta"]["bpf_skel"];
            let twice = |list: &mut serde_json::Value, index: usize| {
                let again = list[index].clone();
                list.as_array_mut().unwrap().push(again);
            };
            twice(&mut skel["maps"], 1);
            twice(&mut skel["progs"], 0);
            twice(&mut skel["data_sections"][0]["variables"], 0);
            twice(&mut skel["data_sections"], 1);
        }),
        "x.json: meta.bpf_skel.maps[4].name: map `rb` is listed twice; list each map once\n\
         x.json: meta.bpf_skel.progs[2].name: program `handle_exec` is listed twice; list each program once\n\
         x.json: meta.bpf_skel.data_sections[2].name: section `.bss` is listed twice; list each section once\n\
         x.json: meta.bpf_skel.data_sections[0].variables[1].name: variable `min_duration_ns` is listed twice; list each variable once"
    );
    assert_eq!(
        custom(&[member("a", 0, 2), member("a", 8, 2)]),
        "x.json: meta.bpf_skel.maps[1].export_config.custom_members[1].name: member `a` is listed twice; list each member once"
    );
}

#[test]
fn sections_must_agree_with_object() {
    let section = |name: &str, variable: serde_json::Value| {
        edited(|json| {
            json["meta"]["bpf_skel"]["data_sections"][0] =
                json!({"name": name, "variables": [variable]})
        })
    };
    let at = "x.json: meta.bpf_skel.data_sections[0]";
    assert_eq!(
        section(".rodta", json!({"name": "min_duration_ns", "type": "unsigned long long"})),
        format!(
            "{at}.name: the object has no section `.rodta` with variables, it has `.rodata`, `.bss`; did you mean `.rodata`? Otherwise, {}",
            &STALE[2..]
        )
    );
    let refused =
        section("license", json!({"name": "LICENSE", "type": "char[13]", "value": "GPL"}));
    assert!(
        refused
            .starts_with(&format!("{at}.name: the object has no section `license` with variables")),
        "{refused}"
    );
    let kinds = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut json: serde_json::Value =
            serde_json::from_str(&eunomia_tests::fixture("kinds")).unwrap();
        edit(&mut json["meta"]["bpf_skel"]);
        of(&json)
    };
    assert_eq!(
        kinds(&|skel| {
            let variable = json!({"name": "CONFIG_HZ", "type": "int", "value": 5});
            let sections = skel["data_sections"].as_array_mut().unwrap();
            sections.retain(|section| section["name"] != ".kconfig");
            sections.insert(0, json!({"name": ".kconfig", "variables": [variable]}));
        }),
        format!(
            "{at}.variables[0].value: variable `CONFIG_HZ` cannot be set; remove the key: the value comes from the kernel configuration"
        )
    );
}

#[test]
fn members_of_sampled_map_are_inside_its_values() {
    assert_eq!(
        edited(|json| {
            json["meta"]["enable_multiple_export_types"] = json!(true);
            let map = &mut json["meta"]["bpf_skel"]["maps"][0];
            map["sample"] = json!({"interval": 100});
            map["export_config"] = json!({"custom_members": [member("late", 6, 2)]});
        }),
        "x.json: meta.bpf_skel.maps[0].export_config.custom_members[0].offset: `late` does not fit into a record of at most 8 bytes"
    );
}

#[test]
fn variables_are_not_sampled() {
    assert_eq!(
        edited(|json| json["meta"]["bpf_skel"]["maps"][3]["sample"] = json!({"interval": 100})),
        "x.json: meta.bpf_skel.maps[3].sample: map `bootstra.bss` holds the variables of a section, which cannot be sampled; remove the \
         key, and put the data to sample into a separate map"
    );
}

#[test]
fn object_name_has_no_nul() {
    assert_eq!(
        edited(|json| json["meta"]["bpf_skel"]["obj_name"] = json!("boot\0strap")),
        "x.json: meta.bpf_skel.obj_name: object name \"boot\\0strap\" contains a NUL byte, which libbpf does not accept; rename the object"
    );
}

#[test]
fn number_of_perf_pages_is_limited() {
    for pages in [0u64, 65_537] {
        assert_eq!(
            edited(|json| json["meta"]["perf_buffer_pages"] = pages.into()),
            format!(
                "x.json: meta.perf_buffer_pages: expected 1 to 65536 pages on each CPU, found {pages}"
            )
        );
    }
}

#[test]
fn event_types_of_application_are_checked() {
    let named = |map: &str, c_type: &str| {
        let skeleton =
            Skeleton::parse(&package().to_string(), "x.json").unwrap().with_event(map, c_type);
        tokens(skeleton, "x", &Embed::Literal).unwrap_err().to_string()
    };
    assert_eq!(
        named("exec_start", "struct event"),
        "x.json: events.exec_start: no map `exec_start` that delivers records (maps that do: `rb`); use one of them"
    );
    assert_eq!(
        named("rb", "struct evnt"),
        "x.json: events.rb: the object has no complete type `struct evnt`; did you mean `struct event`? Otherwise, add \
         `const struct evnt *unused __attribute__((unused));` to the C source: BTF contains the types that globals and maps refer to"
    );
    // The keyword may be missing or wrong.
    for c_type in ["evnt", "event", "union event", "enum evnt"] {
        let what = format!(
            "x.json: events.rb: the object has no complete type `{c_type}`; did you mean `struct event`? Otherwise, add"
        );
        let said = named("rb", c_type);
        assert!(said.starts_with(&what), "{said}");
    }
}

#[test]
fn tagged_events_are_checked() {
    fn named(map: &str, member: &str, types: &[(&'static str, &'static str)]) -> String {
        let skeleton = Skeleton::parse(&eunomia_tests::fixture("tagged"), "x.json").unwrap();
        let skeleton = skeleton.with_tagged_event(map, member, types.iter().copied());
        tokens(skeleton, "x", &Embed::Literal).unwrap_err().to_string()
    }
    let open = ("KIND_OPEN", "struct open_event");
    assert_eq!(
        named("file", "kind", &[open]),
        "x.json: events.file: no map `file` that delivers records (maps that do: `balls`, `files`); did you mean `files`?"
    );
    assert_eq!(
        named("files", "kind", &[]),
        "x.json: events.files: the list of types is empty; name a value and its type"
    );
    // All faults are reported at once.
    assert_eq!(
        named(
            "files",
            "kind",
            &[
                open,
                ("KIND_RAED", "struct dta_event"),
                ("-1", "struct data_event"),
                ("0x1", "struct unknown"),
                ("CLOSE", "struct ping"),
                ("3", "struct untagged"),
                ("4", "int")
            ]
        ),
        "x.json: events.files.KIND_RAED: the object has no complete type `struct dta_event`; did you mean `struct data_event`? Otherwise, \
         add `const struct dta_event *unused __attribute__((unused));` to the C source: BTF contains the types that globals and maps refer \
         to\n\
         x.json: events.files.CLOSE: `struct ping` has no member `kind`, it has `header`, `seq`\n\
         x.json: events.files.4: `int` has no member `kind`, it has none\n\
         x.json: events.files.KIND_RAED: `KIND_RAED` is not a value of type `enum kind`; expected a number from 0 to 4294967295, or \
         one of KIND_OPEN, KIND_READ, KIND_WRITE, KIND_CLOSE; did you mean `KIND_READ`?\n\
         x.json: events.files.-1: `-1` is not a value of type `enum kind`; expected a number from 0 to 4294967295, or one \
         of KIND_OPEN, KIND_READ, KIND_WRITE, KIND_CLOSE\n\
         x.json: events.files.0x1: `0x1` is the value 1 of `kind`, already used by `KIND_OPEN`; give each value one type\n\
         x.json: events.files.CLOSE: `CLOSE` is not a value of type `enum kind`; expected a number from 0 to 4294967295, or \
         one of KIND_OPEN, KIND_READ, KIND_WRITE, KIND_CLOSE; if no type in BTF uses the enum, give the constant as a number\n\
         x.json: events.files.3: `kind` of `struct untagged` is at byte 4 with size 4, but in `struct open_event` at byte 0 with size 4; \
         use the same offset and size in all types"
    );
    let untagged = |member: &str| named("files", member, &[("1", "struct untagged")]);
    let todo = "use an integer or enum of 1, 2, 4 or 8 bytes";
    assert_eq!(
        untagged("bits"),
        format!("x.json: events.files.1: `bits` of `struct untagged` is a bit field; {todo}")
    );
    assert_eq!(
        untagged("text"),
        format!("x.json: events.files.1: `text` of `struct untagged` has type `char[8]`; {todo}")
    );
    assert_eq!(
        untagged("kinds"),
        "x.json: events.files.1: `struct untagged` has no member `kinds`, it has `pid`, `kind`, `bits`, `text`; did you mean `kind`?"
    );
    assert_eq!(
        untagged("kind.of"),
        "x.json: events.files.1: `enum kind` has no member `of`, it has none"
    );
    // A constant of any enum may give a number if it fits.
    assert_eq!(
        named(
            "balls",
            "header.kind",
            &[("KIND_OPEN", "struct ping"), ("KIND_CLOSE", "struct pong"), ("1", "struct pong")]
        ),
        "x.json: events.balls.KIND_CLOSE: `2147483648` is not a value of type `short`; expected a number from -32768 to 32767\n\
         x.json: events.balls.1: `1` is the value 1 of `header.kind`, already used by `KIND_OPEN`; give each value one type"
    );
}

#[test]
fn targets_of_programs_are_checked() {
    let mut json: serde_json::Value =
        serde_json::from_str(&eunomia_tests::fixture("programs")).unwrap();
    let programs = json["meta"]["bpf_skel"]["progs"].as_array_mut().unwrap();
    programs[0]["ifindex"] = json!("lo");
    programs[0]["flags"] = json!(-1);
    programs[0]["xdpopts"]["old_prog_fd"] = json!(3);
    programs[1]["tchook"]["attach_point"] = json!("BPF_TC_CUSTOM");
    let at = "x.json: meta.bpf_skel.progs";
    assert_eq!(
        of(&json),
        format!(
            "{at}[0].flags: expected a whole number from 0 to 4294967295, found -1\n\
             {at}[0].xdpopts.old_prog_fd: 3 is a file descriptor of another process; remove the key; no program is \
             replaced\n\
             {at}[0].ifindex: expected a whole number from 1 to 4294967295, found \"lo\"\n\
             {at}[1].tchook.attach_point: expected \"BPF_TC_INGRESS\" or \"BPF_TC_EGRESS\"; for other attach points, attach the program \
             by its handle"
        )
    );
    let mut json: serde_json::Value =
        serde_json::from_str(&eunomia_tests::fixture("programs")).unwrap();
    json["meta"]["bpf_skel"]["progs"][1]["tchook"]["order"] = json!("second");
    assert_eq!(
        of(&json),
        format!(
            "{at}[1].tchook.order: expected \"first\" or \"last\"; to place it next to another program, attach it by its handle"
        )
    );
}

/// Documents cannot put code into the docs of a module, since rustdoc would run it.
#[test]
fn docs_stay_text() {
    let mut json = package();
    json["meta"]["bpf_skel"]["doc"] =
        json!({"brief": "x\n```\nstd::process::abort()\n```\n    indented()"});
    let module =
        tokens(Skeleton::parse(&json.to_string(), "x.json").unwrap(), "x", &Embed::Literal)
            .unwrap()
            .to_string();
    assert!(
        module.starts_with("# [doc = \" The BPF object `bootstrap`: x \\\\`\\\\`` std::process::abort() `\\\\`\\\\`     indented()\"]"),
        "{}",
        &module[..200]
    );
    json["meta"]["bpf_skel"]["doc"] = json!({"brief": "<script>alert(3)</script> *a* [b](c)"});
    json["meta"]["bpf_skel"]["obj_name"] = json!("a` <b>");
    let module =
        tokens(Skeleton::parse(&json.to_string(), "x.json").unwrap(), "x", &Embed::Literal)
            .unwrap()
            .to_string();
    let title = r"The BPF object `a' <b>`: \\<script\\>alert(3)\\</script\\> \\*a\\* \\[b\\](c)";
    assert!(module.starts_with(&format!("# [doc = \" {title}\"]")), "{}", &module[..200]);
}

/// The generator numbers C names that become the same in Rust, but not names of custom members,
/// which the document chooses.
#[test]
fn names_of_custom_members_must_differ_in_rust() {
    assert_eq!(
        custom(&[member("a-b", 0, 2), member("a_b", 4, 2)]),
        "x.json: meta.bpf_skel.maps[1]: the events of `rb`: member `a_b` becomes `a_b` in Rust, as another one does; rename one of them \
         in the document"
    );
}
