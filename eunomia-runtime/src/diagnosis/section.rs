//! The targets that section names of programs hold, parsed as in libbpf (`section_defs` and
//! `attach_*` of libbpf.c).

use libbpf_rs::ProgramType;

use super::{map, place::Place};

/// What a section name says about the target of its program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Says<'a> {
    /// The target that the section names.
    pub(crate) place: Option<Place<'a>>,
    /// What the caller must supply because the section does not name it: `an interface`.
    pub(crate) wants: Option<&'static str>,
    /// True if that is needed before the program is loaded, not only before it is attached.
    pub(crate) to_load: bool,
}

const FUNCTION: &str = "a kernel function";
const TRACEPOINT: &str = "a tracepoint";
const CALL: &str = "a function of a program or library";
const CGROUP: &str = "a cgroup";
const INTERFACE: &str = "an interface";
const SOCKET: &str = "a socket";
const SOCKETS: &str = "a socket map";
const NAMESPACE: &str = "a network namespace";
const NETFILTER: &str = "a netfilter hook";
const EVENT: &str = "a perf event";

/// Parses a section name, which may begin with the `?` of a program that is not loaded by default.
/// The type is used for sections that libbpf does not know, whose programs were given one.
pub(crate) fn says(section: &str, ty: ProgramType) -> Says<'_> {
    let section = section.trim_start_matches('?');
    let (kind, target) = section.split_once('/').unwrap_or((section, ""));
    let some = (!target.is_empty()).then_some(target);
    let (place, wants, to_load) = match kind {
        "tp" | "tracepoint" => {
            (some.filter(|target| target.contains('/')).map(Place::Tracepoint), TRACEPOINT, false)
        }
        "raw_tp" | "raw_tracepoint" | "raw_tp.w" | "raw_tracepoint.w" => {
            (some.map(Place::RawTracepoint), TRACEPOINT, false)
        }
        "tp_btf" => (some.map(Place::RawTracepoint), TRACEPOINT, true),
        "kprobe" | "kretprobe" => (some.map(Place::kprobe), FUNCTION, false),
        "kprobe.multi" | "kretprobe.multi" | "kprobe.session" => {
            (some.map(Place::Kprobes), FUNCTION, false)
        }
        "ksyscall" | "kretsyscall" => (some.map(Place::SystemCall), "a system call", false),
        "fentry" | "fexit" | "fmod_ret" | "fsession" | "fentry.s" | "fexit.s" | "fmod_ret.s"
        | "fsession.s" => (some.map(Place::Traced), FUNCTION, true),
        "lsm" | "lsm.s" => (some.map(Place::Hook), "an LSM hook", true),
        "lsm_cgroup" if target.is_empty() => (None, "an LSM hook", true),
        "lsm_cgroup" => {
            return Says { place: some.map(Place::Hook), wants: Some(CGROUP), to_load: false };
        }
        "iter" | "iter.s" if map::walked(section).is_some() => {
            return Says { place: some.map(Place::Iterator), wants: Some("a map"), to_load: false };
        }
        // The kernel needs the cgroup and the order of the walk (`bpf_iter_attach_cgroup`).
        "iter" | "iter.s" if target == "cgroup" => {
            return Says { place: some.map(Place::Iterator), wants: Some(CGROUP), to_load: false };
        }
        "iter" | "iter.s" => (some.map(Place::Iterator), "a kernel iterator", true),
        "uprobe" | "uretprobe" | "uprobe.s" | "uretprobe.s" => {
            (some.and_then(Place::uprobe), CALL, false)
        }
        "uprobe.multi" | "uretprobe.multi" | "uprobe.session" | "uprobe.multi.s"
        | "uretprobe.multi.s" | "uprobe.session.s" => (some.and_then(Place::uprobes), CALL, false),
        "usdt" | "usdt.s" => {
            (some.and_then(Place::usdt), "a static probe of a program or library", false)
        }
        // libbpf needs the descriptor of the program.
        "freplace" => (None, "a function of another program", true),
        "struct_ops" | "struct_ops.s" | "syscall" => {
            return Says { place: None, wants: None, to_load: false };
        }
        _ => (None, target_of_type(ty), false),
    };
    let wants = if place.is_some() { None } else { Some(wants) };
    Says { place, wants, to_load }
}

/// Returns the message for a section for which libbpf has no program type.
pub(crate) fn unknown(section: &str) -> String {
    format!("libbpf has no program type for the section `{section}`")
}

/// Returns the kind of target of a program type that libbpf does not attach automatically.
fn target_of_type(ty: ProgramType) -> &'static str {
    use ProgramType::{
        CgroupDevice, CgroupSkb, CgroupSock, CgroupSockAddr, CgroupSockopt, CgroupSysctl,
        FlowDissector, Kprobe, LircMode2, LwtIn, LwtOut, LwtSeg6local, LwtXmit, Netfilter,
        PerfEvent, RawTracepoint, RawTracepointWritable, SchedAct, SchedCls, SkLookup, SkMsg,
        SkReuseport, SkSkb, SockOps, SocketFilter, Tracepoint, Xdp,
    };
    match ty {
        Xdp | SchedCls | SchedAct => INTERFACE,
        CgroupDevice | CgroupSkb | CgroupSock | CgroupSockAddr | CgroupSockopt | CgroupSysctl
        | SockOps => CGROUP,
        SocketFilter | SkReuseport => SOCKET,
        SkSkb | SkMsg => SOCKETS,
        FlowDissector | SkLookup => NAMESPACE,
        Netfilter => NETFILTER,
        PerfEvent => EVENT,
        Kprobe => "a probe",
        Tracepoint | RawTracepoint | RawTracepointWritable => TRACEPOINT,
        LwtIn | LwtOut | LwtXmit | LwtSeg6local => "a route",
        LircMode2 => "an infrared device",
        _ => "a target",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_name_targets() {
        let says = |section| says(section, ProgramType::Unspec);
        let of = |section| says(section).place;
        let wants = |section| says(section).wants;
        assert_eq!(of("tp/sched/sched_switch"), Some(Place::Tracepoint("sched/sched_switch")));
        assert_eq!(
            of("?kprobe/do_exit+0x3"),
            Some(Place::Kprobe { function: "do_exit", offset: "+0x3" })
        );
        assert_eq!(
            of("uprobe//bin/sh:main"),
            Some(Place::Uprobe { file: "/bin/sh", function: "main" })
        );
        assert_eq!(
            of("uprobe/libc.so.6:malloc@@GLIBC_2.2.5+0x4"),
            Some(Place::Uprobe { file: "libc.so.6", function: "malloc@@GLIBC_2.2.5" })
        );
        assert_eq!(of("usdt/a:b:c"), Some(Place::Usdt { file: "a", provider: "b", probe: "c" }));
        for section in [
            "tp",
            "tp/sched",
            "kprobe",
            "kprobe/",
            "uprobe",
            "uprobe//bin/sh",
            "uprobe/main",
            "usdt/a:b",
            "xdp",
            "cgroup/skb",
        ] {
            let said = says(section);
            assert!(
                said.place.is_none() && said.wants.is_some() && !said.to_load,
                "{section}: {said:?}"
            );
        }
        for section in ["fentry", "tp_btf", "lsm", "freplace/main", "lsm_cgroup", "iter"] {
            assert!(says(section).to_load && wants(section).is_some(), "{section}");
        }
        assert_eq!(wants("lsm_cgroup/socket_bind"), Some(CGROUP));
        assert_eq!(
            [wants("iter/sockmap"), wants("iter.s/bpf_map_elem"), wants("iter/cgroup")],
            [Some("a map"), Some("a map"), Some(CGROUP)]
        );
        for section in
            ["syscall", "struct_ops/x", "struct_ops.s/x", "fentry/x", "lsm/x", "iter/task"]
        {
            assert_eq!(wants(section), None, "{section}");
        }
        let xdp = super::says("mine", ProgramType::Xdp);
        assert_eq!(xdp.wants, Some(INTERFACE));
    }
}
