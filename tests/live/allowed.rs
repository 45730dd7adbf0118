//! What users may do, compared with what is expected of their privileges.

use libtest_mimic::Failed;

use super::{child::Answers, privileges::setting};

/// The operations that are refused, each with a text that the error must contain. All others work.
pub(crate) type Refused<'a> = &'a [(&'a str, &'a str)];

/// Compares the answers of a process with the expected refusals and with its preflight.
pub(crate) fn judge(who: &str, answers: &Answers, refused: Refused<'_>) {
    let answer_to = |name: &str| {
        answers.get(name).unwrap_or_else(|| panic!("{who}: no answer `{name}` in {answers:#?}"))
    };
    for (name, text) in answers.iter().filter(|(name, _)| !name.starts_with("preflight")) {
        match refused.iter().find(|(refused, _)| refused == name) {
            Some((_, expected)) => {
                assert!(text.contains(expected), "{who}, {name}: {text}\nexpected: {expected}")
            }
            None => assert_eq!(text, "ok", "{who}, {name}"),
        }
    }
    let tried = refused
        .iter()
        .filter(|(name, _)| eunomia_vm::kernel().is_some() || !IN_MACHINES.contains(name));
    tried.for_each(|(name, _)| assert_ne!(answer_to(name), "ok", "{who}, {name}"));
    let ok = |name: &str| answer_to(name) == "ok";
    for (check, name) in [
        ("bpf(BPF_MAP_CREATE)", "maps"),
        ("bpf(BPF_PROG_LOAD)", "socket"),
        ("tracing programs", "tracepoint"),
        ("networking and cgroup programs", "xdp"),
    ] {
        let check = format!("preflight: {check}");
        assert_eq!(ok(&check), ok(name), "{who}, {name} and {}", answer_to("preflight"));
        // The error and the preflight name the same missing capability.
        if let (false, Some((_, hint))) = (ok(name), answer_to(name).split_once("\n  hint: ")) {
            assert_eq!(hint, answer_to(&check), "{who}, {name}");
        }
    }
    if let Some(attached) = answers.get("tracepoint, attached") {
        let both = ok("preflight: tracefs") && ok("preflight: perf events");
        assert_eq!(both, attached == "ok", "{who}, {attached} and {}", answer_to("preflight"));
    }
    assert_eq!(
        answer_to("preflight: ok") == "true",
        ok("maps") && ok("socket"),
        "{who}: {}",
        answer_to("preflight")
    );
    assert!(
        !answer_to("preflight").contains("FAIL") || answer_to("preflight: ok") == "false",
        "{who}: {}",
        answer_to("preflight")
    );
}

/// What [`in_a_machine`] tries, as far as it may be refused.
const IN_MACHINES: [&str; 8] = [
    "fentry",
    "kprobe",
    "kprobe, attached",
    "uprobe_multi",
    "uprobe_multi, attached",
    "sk_lookup",
    "replaced",
    "freplace",
];

/// The error if the user may not read the ids of tracepoints.
pub(crate) const CLOSED: &str =
    "this user may not read /sys/kernel/tracing, which holds the ids of tracepoints";
pub(crate) const NUMBERS: (&str, &str) =
    ("numbers", "lacks CAP_SYS_ADMIN (for opening maps by id)");
pub(crate) const UPROBE: (&str, &str) = (
    "uprobe, attached",
    "lacks CAP_SYS_ADMIN (for uprobes other than `uprobe.multi`): run it as root or, if it loads only its own programs, run `setcap",
);

/// The errors without CAP_NET_ADMIN.
pub(crate) const NO_NETWORK: [(&str, &str); 5] = [
    (
        "map of sockets",
        "lacks CAP_NET_ADMIN (for maps of type sockhash): run it as root or, if it loads only its own programs, run `setcap cap_bpf,cap_net_admin+ep`",
    ),
    (
        "xdp",
        "lacks CAP_NET_ADMIN (for programs of type xdp): run it as root or, if it loads only its own programs, run `setcap cap_bpf,cap_net_admin+ep`",
    ),
    ("cgroup_skb, attached", "lacks CAP_NET_ADMIN (for programs of type cgroup_skb)"),
    ("cgroup_sysctl", "lacks CAP_NET_ADMIN (for programs of type cgroup_sysctl)"),
    ("replaced", "lacks CAP_NET_ADMIN (for programs of type sched_cls)"),
];
pub(crate) const NO_TRACING: [(&str, &str); 7] = [
    ("perf event array", "lacks CAP_PERFMON (for programs of type"),
    (
        "tracepoint",
        "lacks CAP_PERFMON (for programs of type tracepoint): run it as root or, if it loads only its own programs, run `setcap cap_bpf,cap_perfmon+ep`",
    ),
    ("raw_tracepoint", "lacks CAP_PERFMON (for programs of type raw_tracepoint)"),
    ("uprobe", "lacks CAP_PERFMON (for programs of type kprobe)"),
    ("uprobe_multi", "lacks CAP_PERFMON (for programs of type kprobe)"),
    ("kprobe", "lacks CAP_PERFMON (for programs of type kprobe)"),
    ("fentry", "lacks CAP_PERFMON (for programs of type tracing)"),
];
pub(crate) const REPLACE: (&str, &str) =
    ("freplace", "lacks CAP_SYS_ADMIN (for finding the functions of another program)");

/// The error of kernels before 6.6, which lack uprobe.multi.
pub(crate) fn multi() -> Option<(&'static str, &'static str)> {
    let lacking = ("uprobe_multi, attached", "uprobe.multi came with Linux 6.6");
    eunomia_vm::kernel()
        .is_some_and(|kernel| ["5.10", "6.1"].contains(&kernel.as_str()))
        .then_some(lacking)
}

/// The operations that need perf events, if the kernel opens these only with CAP_SYS_ADMIN.
pub(crate) fn perf_events() -> Result<Vec<(&'static str, &'static str)>, Failed> {
    let paranoid = setting("perf_event_paranoid")? > 2;
    let all = ["kprobe, attached", "perf event array", "tracepoint, attached"];
    let all = all.map(|name| {
        (name, "kernels of some distributions (Debian, Ubuntu) then reserve perf events")
    });
    Ok(all.into_iter().filter(|_| paranoid).collect())
}
