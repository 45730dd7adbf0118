//! Types that an object names with a pointer that nothing uses, and what its programs send.

use std::fs;

use eunomia_build::cli::Exit;

use super::{clang, folder, printed, run};

const SOURCE: &str = "\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct event { int pid; int more; };
const struct event *unused __attribute__((unused));
struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __type(key, int);
    __type(value, int);
} events SEC(\".maps\");
char LICENSE[] SEC(\"license\") = \"GPL\";
SEC(\"tc\") int f(struct __sk_buff *skb)
{
    struct event e[2] = {};
    SEND
    return 0;
}
";

#[test]
fn pointer_names_type_unless_programs_send_something_else() {
    let (_, path) = folder("pointed");
    let exports = |flags: &str, bytes: &str| {
        let (source, package) = (format!("{path}/x.bpf.c"), format!("{path}/x.json"));
        let send = format!("bpf_perf_event_output(skb, &events, {flags}, e, {bytes});");
        fs::write(&source, SOURCE.replace("SEND", &send)).unwrap();
        // The bare object says the same as the source.
        let build = run(&["build", &source, "--clang", &clang(), "-o", &package, "--separate"]);
        assert_eq!(build.exit, Exit::Done, "{}", build.err);
        let text = printed(&["check", &format!("{path}/x.bpf.o")]);
        let summary = text.lines().next().unwrap();
        assert_eq!(summary.contains("(bytes: "), build.err.starts_with("note: "), "{}", build.err);
        summary.split_once("exports: ").unwrap().1.to_owned()
    };
    assert_eq!(exports("BPF_F_CURRENT_CPU", "8"), "events (struct event)");
    assert_eq!(
        exports("BPF_F_CURRENT_CPU | (__u64)skb->len << 32", "8"),
        "events (bytes: the object declares `struct event`, but the programs append a part of the packet to its records)"
    );
    assert_eq!(
        exports("BPF_F_CURRENT_CPU", "12"),
        "events (bytes: the object declares `struct event`, but the programs send records of 12 bytes)"
    );
}
