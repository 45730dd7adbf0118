//! Parses targets from text.

mod events;
mod options;

use std::str::FromStr;

use super::{Direction, End, Interface, NetfilterHook, Rank, Target};
use crate::{Error, Result, host::interface::XdpMode};
use events::{NO_PERIOD, perf_event, unknown_event};
use options::Words;

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
        "xdp" | "xdp.frags" => xdp(&mut words),
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
        "fentry" | "fexit" | "fmod_ret" | "fsession" | "lsm" | "tp_btf" | "fentry.s"
        | "fexit.s" | "fmod_ret.s" | "fsession.s" | "lsm.s" => {
            Target::Function(words.rest.to_owned())
        }
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
        "usdt" | "usdt.s" => usdt(&mut words)?,
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

fn interface(name: &str) -> Interface {
    name.parse().map_or_else(|_| Interface::Name(name.to_owned()), Interface::Index)
}

fn xdp(words: &mut Words<'_>) -> Target {
    let modes =
        [("generic", XdpMode::Generic), ("native", XdpMode::Native), ("offload", XdpMode::Offload)];
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

fn usdt(words: &mut Words<'_>) -> Result<Target, String> {
    let pid = words.number("pid")?;
    let mut parts = words.rest.splitn(3, ':');
    let (Some(binary), Some(provider), Some(probe)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err("expected `usdt:FILE:PROVIDER:PROBE`".to_owned());
    };
    Ok(Target::Usdt {
        binary: binary.into(),
        provider: provider.to_owned(),
        probe: probe.to_owned(),
        pid,
    })
}

/// Parses a number of bytes, decimal or hexadecimal.
pub(super) fn offset(text: &str) -> Option<usize> {
    match text.strip_prefix("0x") {
        Some(digits) => usize::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests;
