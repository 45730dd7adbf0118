//! Parses targets and orders from text.

use std::{path::PathBuf, str::FromStr};

use libbpf_rs::libbpf_sys;

use super::{
    Anchor, Direction, End, Every, Interface, NetfilterHook, Order, Rank, Sampling, Target,
};
use crate::{Error, Result, host::interface::XdpMode};

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).map_err(|why| Error::Value { name: format!("target `{text}`"), why })
    }
}

const KINDS: &str = "expected a target such as xdp:eth0, tcx:eth0/ingress, netkit:nk0/primary, cgroup:/sys/fs/cgroup, \
                     netns:/proc/self/ns/net, netfilter:ipv4/pre_routing, socket:eth0, map:NAME, kprobe:vfs_read, ksyscall:unlinkat, \
                     fentry:vfs_read, tp:sched/sched_switch, raw_tp:sched_switch, uprobe:/bin/bash:readline, \
                     usdt:/bin/x:PROVIDER:PROBE, cpu-clock:99hz";

fn parse(text: &str) -> Result<Target, String> {
    let (kind, rest) =
        text.split_once([':', '/']).filter(|(_, rest)| !rest.is_empty()).ok_or(KINDS)?;
    let mut words = Words::new(rest);
    let target = match kind {
        "xdp" | "xdp.frags" => {
            let modes = [
                ("generic", XdpMode::Generic),
                ("native", XdpMode::Native),
                ("offload", XdpMode::Offload),
            ];
            // `xdp:eth0:generic` is accepted too, because names of interfaces contain no colon.
            if let Some((name, mode)) = words.rest.rsplit_once(':') {
                words.rest = name;
                words.options.push(mode);
            }
            let mode = modes
                .into_iter()
                .find(|(name, _)| words.flag(name))
                .map_or(XdpMode::Best, |(_, mode)| mode);
            Target::Xdp { interface: interface(words.rest), flags: mode.into() }
        }
        "tc" | "tcx" => {
            let rank = Rank {
                handle: words.number("handle")?.unwrap_or(0),
                priority: words.number("priority")?.unwrap_or(0),
            };
            let order = words.order()?;
            let directions = [("ingress", Direction::Ingress), ("egress", Direction::Egress)];
            let (name, direction) = words.place(&directions)?;
            Target::Tc { interface: interface(name), direction, rank, order }
        }
        "netkit" => {
            let order = words.order()?;
            let (name, end) = words.place(&[("primary", End::Primary), ("peer", End::Peer)])?;
            Target::Netkit { primary: interface(name), end, order }
        }
        "cgroup" | "cgroup_skb" | "sockops" | "lsm_cgroup" => {
            let order = words.order()?;
            Target::Cgroup { path: words.rest.into(), order }
        }
        "netns" | "sk_lookup" | "flow_dissector" => Target::Netns(words.rest.into()),
        "netfilter" => netfilter(&mut words)?,
        "socket" => Target::Packets(interface(words.rest)),
        "map" | "sk_skb" | "sk_msg" | "iter" => Target::Map(words.rest.to_owned()),
        "fentry" | "fexit" | "fmod_ret" | "lsm" | "tp_btf" | "fentry.s" | "fexit.s"
        | "fmod_ret.s" | "lsm.s" => Target::Function(words.rest.to_owned()),
        "kprobe" | "kprobe.multi" | "kprobe.session" => {
            Target::Kprobe { function: words.rest.to_owned(), returns: false }
        }
        "kretprobe" | "kretprobe.multi" => {
            Target::Kprobe { function: words.rest.to_owned(), returns: true }
        }
        "ksyscall" | "kretsyscall" => Target::Ksyscall(words.rest.to_owned()),
        "tp" | "tracepoint" => {
            let (category, name) = words
                .rest
                .split_once(['/', ':'])
                .ok_or("expected `tp:CATEGORY/NAME`, such as tp:sched/sched_switch")?;
            Target::Tracepoint { category: category.to_owned(), name: name.to_owned() }
        }
        "raw_tp" | "raw_tracepoint" | "raw_tp.w" | "raw_tracepoint.w" => {
            Target::RawTracepoint(words.rest.to_owned())
        }
        "uprobe" | "uprobe.s" | "uprobe.multi" | "uprobe.multi.s" | "uprobe.session"
        | "uprobe.session.s" => uprobe(&mut words, false)?,
        "uretprobe" | "uretprobe.s" | "uretprobe.multi" | "uretprobe.multi.s" => {
            uprobe(&mut words, true)?
        }
        "usdt" | "usdt.s" => {
            let pid = words.number("pid")?;
            let mut parts = words.rest.splitn(3, ':');
            let (Some(binary), Some(provider), Some(probe)) =
                (parts.next(), parts.next(), parts.next())
            else {
                return Err("expected `usdt:FILE:PROVIDER:PROBE`".to_owned());
            };
            Target::Usdt {
                binary: binary.into(),
                provider: provider.to_owned(),
                probe: probe.to_owned(),
                pid,
            }
        }
        "perf_event" => {
            let (kind, rest) = words.rest.split_once(':').ok_or(NO_PERIOD)?;
            words.rest = rest;
            perf_event(kind, &mut words)?.ok_or_else(unknown_event)?
        }
        kind => perf_event(kind, &mut words)?
            .ok_or_else(|| format!("`{kind}` is not a kind of target; {KINDS}"))?,
    };
    match words.options.last() {
        Some(option) => {
            Err(format!("the option `{option}` does not apply to this target or is given twice"))
        }
        None => Ok(target),
    }
}

/// The text of a target after its kind, split into the target and its options.
struct Words<'a> {
    rest: &'a str,
    options: Vec<&'a str>,
}

const OPTIONS: &[&str] = &[
    "generic",
    "native",
    "offload",
    "first",
    "last",
    "before",
    "after",
    "priority",
    "handle",
    "defragmented",
    "pid",
    "cpu",
];

impl<'a> Words<'a> {
    /// Splits the known options off the end, so that a path may contain commas.
    fn new(mut rest: &'a str) -> Self {
        let mut options = Vec::new();
        while let Some((before, word)) = rest.rsplit_once(',')
            && OPTIONS.contains(&word.split('=').next().unwrap_or_default())
        {
            options.push(word);
            rest = before;
        }
        Self { rest, options }
    }

    fn option(&mut self, matches: impl Fn(&str) -> bool) -> Option<&'a str> {
        let at = self.options.iter().position(|word| matches(word))?;
        Some(self.options.remove(at))
    }

    fn flag(&mut self, name: &str) -> bool {
        self.option(|word| word == name).is_some()
    }

    fn value(&mut self, name: &str) -> Option<&'a str> {
        let word = self
            .option(|word| word.strip_prefix(name).is_some_and(|value| value.starts_with('=')))?;
        word.split_once('=').map(|(_, value)| value)
    }

    fn number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, String> {
        let parse =
            |value: &str| value.parse().map_err(|_| format!("`{name}={value}`: expected a number"));
        self.value(name).map(parse).transpose()
    }

    fn order(&mut self) -> Result<Order, String> {
        if self.flag("first") {
            return Ok(Order::First);
        }
        if self.flag("last") {
            return Ok(Order::Last);
        }
        match (self.value("before"), self.value("after")) {
            (Some(before), _) => anchor(before).map(Order::Before),
            (None, Some(after)) => anchor(after).map(Order::After),
            (None, None) => Ok(Order::Last),
        }
    }

    /// `eth0/ingress`, or `ingress:eth0` as after the section `tcx/ingress`.
    fn place<T: Copy>(&self, ends: &[(&str, T)]) -> Result<(&'a str, T), String> {
        let find = |name: &str| ends.iter().find(|(known, _)| *known == name).map(|(_, end)| *end);
        let after =
            self.rest.rsplit_once(['/', ':']).and_then(|(name, end)| Some((name, find(end)?)));
        let before =
            || self.rest.split_once(['/', ':']).and_then(|(end, name)| Some((name, find(end)?)));
        after.or_else(before).filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            let ends: Vec<String> =
                ends.iter().map(|(end, _)| format!("`INTERFACE/{end}`")).collect();
            format!("expected {}", ends.join(" or "))
        })
    }
}

impl FromStr for Order {
    type Err = Error;

    /// Parses `first`, `last`, `before=ANCHOR` or `after=ANCHOR`. An anchor is `program:ID`,
    /// `link:ID` or the path of a pinned program or link.
    fn from_str(text: &str) -> Result<Self> {
        let mut words = Words { rest: "", options: vec![text] };
        let order = words.order().and_then(|order| match words.options[..] {
            [] => Ok(order),
            _ => Err("expected first, last, before=ANCHOR or after=ANCHOR".to_owned()),
        });
        order.map_err(|why| Error::Value { name: format!("order `{text}`"), why })
    }
}

fn anchor(text: &str) -> Result<Anchor, String> {
    let expected = || {
        format!(
            "`{text}`: expected `program:ID`, `link:ID`, or the path of a pinned program or link"
        )
    };
    let number = |id: &str| id.parse().ok().filter(|id| *id != 0).ok_or_else(expected);
    match text.split_once(':') {
        Some(("program", id)) => number(id).map(Anchor::Program),
        Some(("link", id)) => number(id).map(Anchor::Link),
        _ if text.starts_with('/') => Ok(Anchor::Pinned(PathBuf::from(text))),
        _ => Err(expected()),
    }
}

fn interface(name: &str) -> Interface {
    name.parse().map_or_else(|_| Interface::Name(name.to_owned()), Interface::Index)
}

fn netfilter(words: &mut Words<'_>) -> Result<Target, String> {
    const EXPECTED: &str = "expected `netfilter:FAMILY/HOOK`: ipv4 or ipv6; pre_routing, local_in, forward, local_out or post_routing";
    let defragmented = words.flag("defragmented");
    let priority = words.number("priority")?.unwrap_or(0);
    let (family, hook) = words.rest.split_once(['/', ':']).ok_or(EXPECTED)?;
    let family = match family {
        "ipv4" => libc::NFPROTO_IPV4,
        "ipv6" => libc::NFPROTO_IPV6,
        _ => return Err(EXPECTED.to_owned()),
    };
    let hook = match hook {
        "pre_routing" => libc::NF_INET_PRE_ROUTING,
        "local_in" => libc::NF_INET_LOCAL_IN,
        "forward" => libc::NF_INET_FORWARD,
        "local_out" => libc::NF_INET_LOCAL_OUT,
        "post_routing" => libc::NF_INET_POST_ROUTING,
        _ => return Err(EXPECTED.to_owned()),
    };
    Ok(Target::Netfilter(NetfilterHook { family, hook, priority, defragmented }))
}

fn uprobe(words: &mut Words<'_>, returns: bool) -> Result<Target, String> {
    let pid = words.number("pid")?;
    let expected = || {
        "expected `uprobe:FILE:FUNCTION`, `uprobe:FILE:FUNCTION+OFFSET` or `uprobe:FILE:OFFSET`"
            .to_owned()
    };
    let (binary, place) = words
        .rest
        .split_once(':')
        .filter(|(binary, place)| !binary.is_empty() && !place.is_empty())
        .ok_or_else(expected)?;
    let (function, offset) = match (offset(place), place.rsplit_once('+')) {
        (Some(offset), _) => (None, offset),
        // Names of C++ and Rust functions may contain `+`.
        (None, Some((function, after))) => match offset(after) {
            Some(offset) => (Some(function), offset),
            None => (Some(place), 0),
        },
        (None, None) => (Some(place), 0),
    };
    Ok(Target::Uprobe {
        binary: binary.into(),
        function: function.map(str::to_owned),
        offset,
        returns,
        pid,
    })
}

/// Parses a number of bytes, decimal or hexadecimal.
fn offset(text: &str) -> Option<usize> {
    match text.strip_prefix("0x") {
        Some(digits) => usize::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The generic events of perf_event_open(2).
const EVENTS: &[(&str, u32, u32)] = &[
    ("cpu-clock", libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_CPU_CLOCK),
    ("task-clock", libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_TASK_CLOCK),
    ("page-faults", libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_PAGE_FAULTS),
    ("minor-faults", libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_PAGE_FAULTS_MIN),
    ("major-faults", libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_PAGE_FAULTS_MAJ),
    (
        "context-switches",
        libbpf_sys::PERF_TYPE_SOFTWARE,
        libbpf_sys::PERF_COUNT_SW_CONTEXT_SWITCHES,
    ),
    ("cpu-migrations", libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_CPU_MIGRATIONS),
    ("cycles", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_CPU_CYCLES),
    ("ref-cycles", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_REF_CPU_CYCLES),
    ("bus-cycles", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_BUS_CYCLES),
    ("instructions", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_INSTRUCTIONS),
    (
        "cache-references",
        libbpf_sys::PERF_TYPE_HARDWARE,
        libbpf_sys::PERF_COUNT_HW_CACHE_REFERENCES,
    ),
    ("cache-misses", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_CACHE_MISSES),
    ("branches", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_BRANCH_INSTRUCTIONS),
    ("branch-misses", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_BRANCH_MISSES),
];

const NO_PERIOD: &str = "expected an event and a period or frequency, such as cpu-clock:99hz (99 times a second) or cycles:1000000 \
                         (every million)";

fn unknown_event() -> String {
    let known: Vec<&str> = EVENTS.iter().map(|(name, ..)| *name).collect();
    format!("expected one of the events {}, or perf:TYPE:CONFIG", known.join(", "))
}

/// Parses a perf event. Returns `None` if the event is unknown.
fn perf_event(name: &str, words: &mut Words<'_>) -> Result<Option<Target>, String> {
    let (cpu, pid) = (words.number("cpu")?, words.number("pid")?);
    let (kind, config, every) = match EVENTS.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, config)) => (*kind, u64::from(*config), words.rest),
        None if name == "perf" => {
            let mut parts = words.rest.splitn(3, ':');
            let (kind, config) = (parts.next().and_then(offset), parts.next().and_then(offset));
            let (Some(kind), Some(config), Some(every)) =
                (kind.and_then(|kind| kind.try_into().ok()), config, parts.next())
            else {
                return Err(
                    "expected `perf:TYPE:CONFIG:PERIOD` with the numbers of perf_event_open(2)"
                        .to_owned(),
                );
            };
            (kind, config as u64, every)
        }
        None => return Ok(None),
    };
    let number =
        |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0).ok_or(NO_PERIOD);
    let every = match every.strip_suffix("hz").or_else(|| every.strip_suffix("Hz")) {
        Some(frequency) => Every::Frequency(number(frequency)?),
        None => Every::Period(number(every)?),
    };
    Ok(Some(Target::PerfEvent(Sampling { kind, config, every, pid, cpu })))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
