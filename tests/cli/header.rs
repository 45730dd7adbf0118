//! `eunomia.bpf.h`, and `cargo eunomia headers`.

use std::{fs, path::Path, process::Command};

use eunomia_build::cli::Exit;

use super::{Ran, clang, folder, names, printed, refused, run};

const HEAD: &str = "\
#include <linux/bpf.h>
#include <eunomia.bpf.h>
enum kind { ONE = 1, TWO };
struct one { enum kind kind; int seq; };
struct two { enum kind kind; long long a; };
struct other { int seq; enum kind kind; };
";
const SIZE: &str = "4096";

/// Builds a package of C that follows [`HEAD`].
fn build(path: &str, c: &str) -> Ran {
    let (source, package) = (format!("{path}/x.bpf.c"), format!("{path}/x.json"));
    fs::write(&source, format!("{HEAD}{c}\n")).unwrap();
    run(&["build", &source, "--clang", &clang(), "-o", &package])
}

/// Returns the errors of a source that is refused, without the source's name.
fn errors(path: &str, c: &str) -> Vec<String> {
    let Ran { exit, out, err } = build(path, c);
    assert_eq!((exit, out.as_str()), (Exit::Failed, ""), "{c}: {err}");
    assert_eq!(names(Path::new(path)), ["x.bpf.c"], "a refused source leaves no package");
    err.replace(&format!("{path}/x.bpf.c: "), "").lines().map(str::to_owned).collect()
}

/// Returns the definition of a ring buffer with several types.
fn one_of(cases: &[&str]) -> String {
    let cases: String = cases.iter().map(|case| format!("EUNOMIA_WHEN({case})")).collect();
    format!("EUNOMIA_RINGBUF(rb, {SIZE}, EUNOMIA_ONE_OF({cases}));")
}

#[test]
fn types_that_cannot_be_told_apart_are_refused() {
    let (_, path) = folder("header-one-of");
    for (cases, expected) in [
        (
            &["kind, ONE, struct one", "kind, ONE, struct two"][..],
            "maps.rb.type.1: `1` is the value 1 of `kind`, already used by `1`; give each value one type",
        ),
        (
            &["kind, ONE, struct one", "kind, TWO, struct other"],
            "maps.rb.type.2: `kind` of `struct other` is at byte 4 with size 4, but in `struct one` at byte 0 with size 4; use the same offset and size in all types",
        ),
        (
            &["kind, ONE, struct one", "seq, TWO, struct two"],
            "maps.rb.type: its types are told apart by `kind` and by `seq`; use the same member in every `EUNOMIA_WHEN` of a map",
        ),
        (
            &["kin, ONE, struct one"],
            "maps.rb.type.1: `struct one` has no member `kin`, it has `kind`, `seq`; did you mean `kind`?",
        ),
        (
            &["kind, 1LL << 40, struct one"],
            "maps.rb.type.1099511627776: `1099511627776` is not a value of type `enum kind`; expected a number from 0 to 4294967295, or one of ONE, TWO",
        ),
    ] {
        assert_eq!(errors(&path, &one_of(cases)), [expected]);
    }
    let mixed = format!(
        "EUNOMIA_RINGBUF(rb, {SIZE}, EUNOMIA_ONE_OF(struct one one; EUNOMIA_WHEN(kind, TWO, struct two)));"
    );
    assert_eq!(
        errors(&path, &mixed),
        [
            "maps.rb.type: its types are told apart by `kind` and by nothing; use the same member in every `EUNOMIA_WHEN` of a map"
        ]
    );
}

#[test]
fn negative_and_wide_values_tell_types_apart() {
    let (_, path) = folder("header-values");
    let c = format!(
        "struct narrow {{ short kind; }};
         struct wide {{ unsigned long long kind; int more; }};
         EUNOMIA_RINGBUF(narrow, {SIZE}, EUNOMIA_ONE_OF(EUNOMIA_WHEN(kind, -1, struct narrow)));
         EUNOMIA_RINGBUF(wide, {SIZE}, EUNOMIA_ONE_OF(EUNOMIA_WHEN(kind, 1ULL << 40, struct wide)));"
    );
    let Ran { exit, err, .. } = build(&path, &c);
    assert_eq!((exit, err.as_str()), (Exit::Done, ""));
    let text = printed(&["check", &format!("{path}/x.json")]);
    for part in ["narrow (by kind: -1 struct narrow)", "wide (by kind: 1099511627776 struct wide)"]
    {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn faulty_tags_are_refused() {
    let (_, path) = folder("header-faults");
    for (c, expected) in [
        (
            "const volatile int a EUNOMIA_SHORT(\"ab\") = 0;",
            "data_sections[0].variables[0].cmdarg.short: \"ab\" is not a valid short option; use one letter or digit",
        ),
        (
            "const volatile int a EUNOMIA_SHORT(\"a\") EUNOMIA_SHORT(\"b\") = 0;",
            "data_sections[0].variables[0].cmdarg.short: `cmdarg.short` is given twice; keep one of them",
        ),
        (
            "const volatile int a EUNOMIA_LONG(\"help\") = 0;",
            "data_sections[0].variables[0].cmdarg.long: option `--help` of variable `a` is already used by every program; set another in `cmdarg.long`",
        ),
        (
            "struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); } m SEC(\".maps\") EUNOMIA_SAMPLE(log3, 5);",
            "maps[0].sample.type: unknown kind of sample `log3`; use log2_hist, linear_hist or default_kv",
        ),
    ] {
        let found = errors(&path, c);
        assert_eq!(found, [expected], "{c}");
    }
}

#[test]
fn two_types_for_one_map_are_refused() {
    let (_, path) = folder("header-two-types");
    let ring = format!("EUNOMIA_RINGBUF(rb, {SIZE}, struct one);");
    assert_eq!(
        errors(&path, &format!("/// @event struct two\n{ring}\nstruct two unused;")),
        [format!(
            "{path}/x.bpf.c:7:5: maps[0].event: the definition of map `rb` in the object gives its records another type; keep one of them"
        )]
    );
    let same = build(&path, &format!("/// @event struct one\n{ring}"));
    assert_eq!((same.exit, same.err.as_str()), (Exit::Done, ""));
}

#[test]
fn records_of_other_sizes_than_their_type_are_refused() {
    let (_, path) = folder("header-sizes");
    let program = |ring: &str, body: &str| {
        format!(
            "struct tailed {{ int len; char text[12]; }};
             struct open {{ int len; char text[]; }};
             {ring}
             SEC(\"xdp\") int f(struct xdp_md *ctx) {{\n{body}\nreturn 0; }}"
        )
    };
    let ring = |ty: &str| format!("EUNOMIA_RINGBUF(rb, {SIZE}, {ty});");
    let one_of = one_of(&["kind, ONE, struct one", "kind, TWO, struct two"]);
    let output =
        |bytes: u32| format!("char x[40] = {{}};\nbpf_ringbuf_output(&rb, x, {bytes}, 0);");
    for (ring, body, what) in [
        (
            ring("struct two"),
            "void *x = bpf_ringbuf_reserve(&rb, sizeof(struct one), 0);\nif (x) bpf_ringbuf_submit(x, 0);".to_owned(),
            "line 11 (`void *x = bpf_ringbuf_reserve(&rb, sizeof(struct one), 0);`) sends a record of 8 bytes through the map, whose definition declares `struct two` (16 bytes)",
        ),
        (ring("struct one"), output(24), "sends a record of 24 bytes through the map, whose definition declares `struct one` (8 bytes)"),
        (ring("struct tailed"), output(17), "declares `struct tailed` (4 to 16 bytes)"),
        (ring("struct open"), output(3), "declares `struct open` (4 bytes or more)"),
        (one_of.clone(), output(12), "declares `struct one` (8 bytes), or `struct two` (16 bytes)"),
    ] {
        let found = errors(&path, &program(&ring, &body));
        assert!(found.len() == 1 && found[0].contains(what), "{found:?}");
        assert!(found[0].ends_with("; send records of that size, or declare the type that the program writes"), "{found:?}");
    }
    for (ring, bytes) in [
        (ring("struct tailed"), 5),
        (ring("struct open"), 39),
        (one_of, 16),
        (ring("struct one"), 8),
    ] {
        let Ran { exit, err, .. } = build(&path, &program(&ring, &output(bytes)));
        assert_eq!((exit, err.as_str()), (Exit::Done, ""));
    }
}

#[test]
fn keys_and_formats_that_mean_nothing_are_warned_of() {
    let (_, path) = folder("header-warnings");
    let c = "
        const volatile int a EUNOMIA(\"cmdargs.help\", \"x\") = 0;
        struct {
            EUNOMIA_RECORDS(BPF_MAP_TYPE_RINGBUF, struct { short port EUNOMIA_FORMAT(ip); int x EUNOMIA_FORMAT(hexa); });
            __uint(max_entries, 4096);
        } rb SEC(\".maps\");";
    let Ran { exit, err, .. } = build(&path, c);
    assert_eq!(exit, Exit::Done, "{err}");
    let err = err.replace(&format!("{path}/x.bpf.c: "), "");
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(
        lines,
        [
            "data_sections[0].variables[0].cmdargs.help: variable `a` has no key `cmdargs`; did you mean `cmdarg`?",
            "the format of `struct {..}.port` is ignored: format `ip` is for 4 or 16 bytes, but the member has 2; correct it, or remove `EUNOMIA_FORMAT`",
            "the format of `struct {..}.x` is ignored: no format `hexa`, known are hex, ip, errno, ksym, ns; correct it, or remove `EUNOMIA_FORMAT`",
        ]
    );
}

#[test]
fn headers_serve_other_build_systems() {
    let (folder, path) = folder("headers");
    assert_eq!(printed(&["headers", "-o", &format!("{path}/include")]), "");
    assert!(folder.join("include/bpf/bpf_helpers.h").is_file());
    fs::copy("bpf/header.bpf.c", folder.join("header.bpf.c")).unwrap();
    fs::copy("bpf/repeat.h", folder.join("repeat.h")).unwrap();
    let status = Command::new(clang())
        .args([
            "-g",
            "-O2",
            "-target",
            "bpf",
            "-Wall",
            "-Wextra",
            "-Wno-unused-parameter",
            "-Werror",
        ])
        .args(["-Iinclude", "-idirafter", "/usr/include/x86_64-linux-gnu"])
        .args(["-c", "header.bpf.c", "-o", "header.bpf.o"])
        .current_dir(&folder)
        .status()
        .unwrap();
    assert!(status.success());
    let of_object = printed(&["check", &format!("{path}/header.bpf.o")]);
    let of_package = printed(&["check", "bpf/header.json"]);
    let tail = |text: &str| text.split_once(": ").unwrap().1.to_owned();
    assert_eq!(tail(&of_object), tail(&of_package), "the bare object says the same");
    assert!(refused(&["headers", "-o", "/proc/none"]).starts_with("cannot write /proc/none/bpf: "));
}
