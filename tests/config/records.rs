//! The types of records that the local variables of a C source tell.

use std::{env, fs, path::Path};

use eunomia_build::{Config, EventType, Skeleton};

use crate::folder;

const HEAD: &str = "\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct event { int pid; char comm[16]; };
struct other { int a; int b[4]; };
typedef struct { long a, b, c; } nameless;
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } rb SEC(\".maps\");
struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } pb SEC(\".maps\");
char LICENSE[] SEC(\"license\") = \"GPL\";
";

/// Builds a package of C that follows [`HEAD`].
fn package(dir: &Path, c: &str) -> Skeleton {
    let (path, json) = (dir.join("x.bpf.c"), dir.join("x.json"));
    fs::write(&path, format!("{HEAD}{c}\n")).unwrap();
    let clang = env::var_os("EUNOMIA_CLANG").unwrap_or_else(|| "clang-19".into());
    Config::new().source(path).clang(clang).package(&json).unwrap();
    Skeleton::from_file(json).unwrap()
}

/// Returns the type of a map's records in the package, and how it was found.
fn records(skeleton: &Skeleton, map: &str) -> Option<(String, String)> {
    let map = skeleton.maps.iter().find(|known| known.name == map).unwrap();
    let Some(EventType::One(c_type)) = map.event.clone() else { return None };
    Some((c_type, map.found.clone().unwrap_or_default()))
}

#[track_caller]
fn is_found(dir: &Path, c: &str, map: &str, c_type: &str, how: &str) {
    let skeleton = package(dir, c);
    assert_eq!(records(&skeleton, map), Some((c_type.to_owned(), how.to_owned())), "{c}");
    // The type is in BTF, with its members.
    let summary = skeleton.check().unwrap().summary().to_string();
    assert!(summary.contains(&format!("{map} ({c_type}; found: {how})")), "{summary}");
}

#[test]
fn variable_tells_type_of_record() {
    let dir = folder("records");
    for (c, map, c_type, how) in [
        (
            "SEC(\"xdp\") int p(void *c) { struct event *e = bpf_ringbuf_reserve(&rb, sizeof(*e), 0);
             if (!e) return 0; e->pid = 1; bpf_ringbuf_submit(e, 0); return 0; }",
            "rb",
            "struct event",
            "the variable `e` of `p` receives it",
        ),
        // In an inlined function, and nameless.
        (
            "static __always_inline nameless *get(void) { nameless *n; n = bpf_ringbuf_reserve(&rb, sizeof(nameless), 0); return n; }
             SEC(\"xdp\") int p(void *c) { nameless *e = get(); if (e) { e->a = 1; bpf_ringbuf_submit(e, 0); } return 0; }",
            "rb",
            "nameless",
            "the variable `e` of `p` receives it",
        ),
        // A call in several lines.
        (
            "SEC(\"raw_tp\") int p(void *c) { struct event event = {}; event.pid = 1;
             bpf_perf_event_output(c, &pb, BPF_F_CURRENT_CPU,
                                   &event, sizeof(event));
             return 0; }",
            "pb",
            "struct event",
            "the variable `event` of `p` holds it",
        ),
        // In a function of its own, which takes a pointer.
        (
            "static __noinline int send(struct other *o) { if (!o) return 0; return bpf_ringbuf_output(&rb, o, sizeof(*o), 0); }
             SEC(\"xdp\") int p(void *c) { struct other o = { .a = 1 }; return send(&o); }",
            "rb",
            "struct other",
            "the variable `o` of `send` holds it",
        ),
        // Into one of two maps.
        (
            "struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } rb2 SEC(\".maps\");
         int which;
         SEC(\"xdp\") int p(void *c) { struct event *e = bpf_ringbuf_reserve(which ? (void *)&rb : &rb2, sizeof(*e), 0);
         if (e) { e->pid = 1; bpf_ringbuf_submit(e, 0); } return 0; }",
            "rb",
            "struct event",
            "the variable `e` of `p` receives it",
        ),
        // In memory that a function wrapped around the call is given, beside a context of its size.
        (
            "static __always_inline long send(struct other *c, void *data, int size)
             { return bpf_perf_event_output(c, &pb, BPF_F_CURRENT_CPU, data, size); }
             SEC(\"raw_tp\") int p(struct other *c) { struct event event = {}; event.pid = c->a; send(c, &event, sizeof(event)); return 0; }",
            "pb",
            "struct event",
            "the variable `event` of `p` holds it",
        ),
        // In memory that a pointer names.
        (
            "struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 24); } heap SEC(\".maps\");
             static __always_inline long send(void *c, void *data, int size)
             { return bpf_perf_event_output(c, &pb, BPF_F_CURRENT_CPU, data, size); }
             SEC(\"raw_tp\") int p(void *c) { int key = 0; nameless *n = bpf_map_lookup_elem(&heap, &key); if (!n) return 0; n->a = 1; send(c, n, sizeof(*n)); return 0; }",
            "pb",
            "nameless",
            "the variable `n` of `p` holds it",
        ),
        // As long as its last array is filled.
        (
            "struct tail { int len; char text[60]; };
             SEC(\"raw_tp\") int p(void *c) { struct tail t = {}; t.len = bpf_get_prandom_u32() & 31;
             bpf_perf_event_output(c, &pb, BPF_F_CURRENT_CPU, &t, 4 + t.len); return 0; }",
            "pb",
            "struct tail",
            "the variable `t` of `p` holds it",
        ),
    ] {
        is_found(&dir, c, map, c_type, how);
    }
}

#[test]
fn doubtful_records_stay_bytes() {
    let dir = folder("records_doubtful");
    for c in [
        // Two types.
        "SEC(\"xdp\") int p(void *c) { struct event *e = bpf_ringbuf_reserve(&rb, sizeof(*e), 0);
         if (e) { e->pid = 1; bpf_ringbuf_submit(e, 0); }
         struct other *o = bpf_ringbuf_reserve(&rb, sizeof(*o), 0); if (o) { o->a = 1; bpf_ringbuf_submit(o, 0); }
         return 0; }",
        // A type that is smaller than the record.
        "SEC(\"xdp\") int p(void *c) { struct event *e = bpf_ringbuf_reserve(&rb, sizeof(*e) + 8, 0);
         if (e) { e->pid = 1; bpf_ringbuf_submit(e, 0); } return 0; }",
        // No type.
        "SEC(\"xdp\") int p(void *c) { char *e = bpf_ringbuf_reserve(&rb, 20, 0);
         if (e) { *e = 1; bpf_ringbuf_submit(e, 0); } return 0; }",
        // A type that only the function has: it cannot be brought into BTF.
        "SEC(\"xdp\") int p(void *c) { struct inside { int x[7]; }; struct inside *e = bpf_ringbuf_reserve(&rb, sizeof(*e), 0);
         if (e) { e->x[0] = 1; bpf_ringbuf_submit(e, 0); } return 0; }",
        // A variable of the same name that is not sent.
        "struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4); __type(key, int); __type(value, struct other); } cache SEC(\".maps\");
         static __always_inline long send(void *c, void *o, int size) { return bpf_ringbuf_output(&rb, o, size, 0); }
         SEC(\"xdp\") int p(void *c) { int key = 0; char text[20] = {}; struct other *o = bpf_map_lookup_elem(&cache, &key);
         if (!o) return 0; o->a++; text[0] = o->a; return send(c, text, sizeof(text)); }",
        // The packet after the record.
        "SEC(\"tc\") int p(struct __sk_buff *c) { struct event event = {}; event.pid = 1;
         bpf_perf_event_output(c, &pb, BPF_F_CURRENT_CPU | (__u64)c->len << 32, &event, sizeof(event)); return 0; }",
        // A member that is all of the variable.
        "struct pair { struct event first; };
         SEC(\"xdp\") int p(void *c) { struct pair pair = {}; pair.first.pid = 1;
         return bpf_ringbuf_output(&rb, &pair.first, sizeof(pair.first), 0); }",
    ] {
        let skeleton = package(&dir, c);
        let typed: Vec<_> = skeleton.maps.iter().filter(|map| map.event.is_some()).collect();
        assert!(typed.is_empty(), "{c}: {typed:?}");
        assert!(skeleton.check().unwrap().summary().to_string().contains("rb (bytes"), "{c}");
    }
}

#[test]
fn named_types_come_first() {
    let dir = folder("records_named");
    let program =
        "SEC(\"xdp\") int p(void *c) { struct event *e = bpf_ringbuf_reserve(&rb, sizeof(*e), 0);
         if (e) { e->pid = 1; bpf_ringbuf_submit(e, 0); } return 0; }";
    // An export type by a pointer, and nothing else, is what the package says then.
    let unused = "const struct event *unused __attribute__((unused));\n";
    let skeleton = package(&dir, &format!("{unused}{program}"));
    assert_eq!(records(&skeleton, "rb"), None);
    assert!(skeleton.check().unwrap().summary().to_string().contains("rb (struct event;"));
    // A pointer to another type of the size says less than what is sent.
    let other =
        "struct config { int a[5]; };\nconst struct config *unused __attribute__((unused));\n";
    is_found(
        &dir,
        &format!("{other}{program}"),
        "rb",
        "struct event",
        "the variable `e` of `p` receives it",
    );
    // The sources of the package are the files that were read, each once.
    let found = package(&dir, program);
    let sources: Vec<_> = found.other["sources"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(sources, ["x.bpf.c"]);
}

#[test]
fn function_of_another_source_sends_too() {
    let dir = folder("records_linked");
    let extern_head = HEAD
        .replace(
            "struct { __uint(type, BPF_MAP_TYPE_RINGBUF)",
            "extern struct { __uint(type, BPF_MAP_TYPE_RINGBUF)",
        )
        .lines()
        .filter(|line| !line.contains("PERF_EVENT_ARRAY") && !line.contains("LICENSE"))
        .collect::<Vec<_>>()
        .join("\n");
    let first = format!(
        "{HEAD}extern int send(void);
         SEC(\"xdp\") int p(void *c) {{ struct event *e = bpf_ringbuf_reserve(&rb, sizeof(*e), 0);
         if (!e) return 0; e->pid = 1; bpf_ringbuf_submit(e, 0); return send(); }}\n"
    );
    let second = format!(
        "{extern_head}
         int send(void) {{ struct other *o = bpf_ringbuf_reserve(&rb, sizeof(*o), 0);
         if (!o) return 0; o->a = 1; bpf_ringbuf_submit(o, 0); return 0; }}\n"
    );
    let [a, b] = ["a.bpf.c", "b.bpf.c"].map(|name| dir.join(name));
    fs::write(&a, first).unwrap();
    fs::write(&b, second).unwrap();
    let json = dir.join("linked.json");
    let clang = env::var_os("EUNOMIA_CLANG").unwrap_or_else(|| "clang-19".into());
    Config::new().source(a).source(b).module("linked").clang(clang).package(&json).unwrap();
    assert_eq!(records(&Skeleton::from_file(json).unwrap(), "rb"), None);
}
