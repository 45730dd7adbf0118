//! Tests of the texts of targets and orders.

use libbpf_rs::libbpf_sys;

use super::{
    super::{Anchor, Every, Order, Sampling},
    *,
};

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

#[test]
fn parses_targets_of_networks() {
    assert_eq!(
        target("xdp:eth0,generic"),
        Target::Xdp { interface: "eth0".into(), flags: libbpf_sys::XDP_FLAGS_SKB_MODE }
    );
    assert_eq!(target("xdp:eth0,generic"), target("xdp/eth0:generic"));
    let tc = |interface: Interface, direction, order| Target::Tc {
        interface,
        direction,
        rank: Rank::default(),
        order,
    };
    assert_eq!(target("tcx:eth0/egress"), tc("eth0".into(), Direction::Egress, Order::Last));
    assert_eq!(target("tcx/ingress:3,first"), tc(3.into(), Direction::Ingress, Order::First));
    let pinned = Order::Before(Anchor::Pinned("/sys/fs/bpf/a".into()));
    assert_eq!(
        target("tc:lo/ingress,before=/sys/fs/bpf/a"),
        tc("lo".into(), Direction::Ingress, pinned)
    );
    assert_eq!(
        target("tcx:lo/ingress,after=link:7"),
        tc("lo".into(), Direction::Ingress, Order::After(Anchor::Link(7)))
    );
    assert_eq!(
        target("netkit:nk0/peer"),
        Target::Netkit { primary: "nk0".into(), end: End::Peer, order: Order::Last }
    );
    assert_eq!(
        target("cgroup:/sys/fs/cgroup/a,b"),
        Target::Cgroup { path: "/sys/fs/cgroup/a,b".into(), order: Order::Last }
    );
    assert_eq!(target("socket:lo"), Target::Packets("lo".into()));
    let hook = NetfilterHook {
        family: libc::NFPROTO_IPV6,
        hook: libc::NF_INET_FORWARD,
        priority: -128,
        defragmented: true,
    };
    assert_eq!(
        target("netfilter:ipv6/forward,priority=-128,defragmented"),
        Target::Netfilter(hook)
    );
    assert_eq!(
        target("netfilter:ipv6/forward,defragmented,priority=-128"),
        Target::Netfilter(hook)
    );
}

#[test]
fn parses_probes_and_perf_events() {
    let uprobe = |function: Option<&str>, offset, returns, pid| Target::Uprobe {
        binary: "/bin/bash".into(),
        function: function.map(str::to_owned),
        offset,
        returns,
        pid,
    };
    assert_eq!(target("uprobe:/bin/bash:readline"), uprobe(Some("readline"), 0, false, None));
    assert_eq!(
        target("uretprobe//bin/bash:readline+0x10,pid=7"),
        uprobe(Some("readline"), 16, true, Some(7))
    );
    assert_eq!(target("uprobe:/bin/bash:0x40"), uprobe(None, 64, false, None));
    assert_eq!(target("uprobe:/bin/bash:operator+"), uprobe(Some("operator+"), 0, false, None));
    assert_eq!(target("tp/sched/sched_switch"), target("tracepoint:sched:sched_switch"));
    assert_eq!(
        target("kretprobe:vfs_read"),
        Target::Kprobe { function: "vfs_read".to_owned(), returns: true }
    );
    let probe = Target::Usdt {
        binary: "/x".into(),
        provider: "a".to_owned(),
        probe: "b".to_owned(),
        pid: None,
    };
    assert_eq!(target("usdt:/x:a:b"), probe);
    let sampling = Sampling::cpu_clock(Every::Frequency(99));
    assert_eq!(target("cpu-clock:99hz"), Target::PerfEvent(sampling));
    assert_eq!(
        target("perf_event:cpu-clock:99hz,pid=1,cpu=0"),
        Target::PerfEvent(Sampling { pid: Some(1), cpu: Some(0), ..sampling })
    );
    assert_eq!(target("perf:1:0:99hz"), Target::PerfEvent(sampling));
}

#[test]
fn error_says_what_target_was_expected() {
    for (text, expected) in [
        ("eth0", "target `eth0`: expected a target such as xdp:eth0, "),
        (
            "xpd:eth0",
            "target `xpd:eth0`: `xpd` is not a kind of target; expected a target such as xdp:eth0, ",
        ),
        ("tcx:eth0", "target `tcx:eth0`: expected `INTERFACE/ingress` or `INTERFACE/egress`"),
        (
            "tcx:eth0/ingress,before=x",
            "target `tcx:eth0/ingress,before=x`: `x`: expected `program:ID`, `link:ID`, or the path of a ",
        ),
        ("uprobe:/bin/bash", "target `uprobe:/bin/bash`: expected `uprobe:FILE:FUNCTION`, "),
        (
            "uprobe:/bin/bash:f,pid=x",
            "target `uprobe:/bin/bash:f,pid=x`: `pid=x`: expected a number",
        ),
        (
            "cpu-clock:0hz",
            "target `cpu-clock:0hz`: expected an event and a period or frequency, such as cpu-clock:99hz",
        ),
        (
            "perf_event:clock:1hz",
            "target `perf_event:clock:1hz`: expected one of the events cpu-clock, ",
        ),
        ("tp:sched", "target `tp:sched`: expected `tp:CATEGORY/NAME`"),
        (
            "xdp:eth0,pid=1",
            "target `xdp:eth0,pid=1`: the option `pid=1` does not apply to this target or is given twice",
        ),
        ("map:", "target `map:`: expected a target such as "),
    ] {
        let refused = text.parse::<Target>().unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[test]
fn order_is_formatted_as_it_is_parsed() {
    for text in ["first", "last", "before=program:7", "after=/sys/fs/bpf/x"] {
        assert_eq!(text.parse::<Order>().unwrap().to_string(), text);
    }
    for text in ["", "second", "first,last", "before"] {
        assert!(text.parse::<Order>().is_err(), "{text}");
    }
}
