//! Privileges: the capabilities that BPF requires, and which of them this process lacks.

use std::{
    collections::BTreeSet,
    ffi::{CStr, c_char},
    fs,
};

use libbpf_rs::{MapType, ProgramType, libbpf_sys};
use rustix::{
    process::{Resource, getrlimit},
    thread::{CapabilitySet, capabilities},
};

use crate::{
    Hint,
    host::{Advice, running, token},
};

/// The capabilities that BPF checks, with their names.
const NAMES: [(CapabilitySet, &str); 4] = [
    (CapabilitySet::BPF, "CAP_BPF"),
    (CapabilitySet::PERFMON, "CAP_PERFMON"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
    (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN"),
];

/// The capabilities that an operation needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) capabilities: CapabilitySet,
    /// What needs them: `programs of type xdp`.
    purpose: String,
}

impl Need {
    pub(crate) fn new(capabilities: CapabilitySet, purpose: impl Into<String>) -> Self {
        Self { capabilities, purpose: purpose.into() }
    }

    /// Needed for any use of BPF.
    pub(crate) fn any() -> Self {
        Self::new(CapabilitySet::BPF, "")
    }

    /// Needed to mount file systems.
    pub(crate) fn of_mounts() -> Self {
        Self::new(CapabilitySet::SYS_ADMIN, "mounting")
    }

    /// Needed to attach uprobes through perf events.
    pub(crate) fn of_uprobes() -> Self {
        Self::new(CapabilitySet::SYS_ADMIN, "uprobes other than `uprobe.multi`")
    }

    /// Needed to look up BPF objects by id.
    pub(crate) fn by_number(purpose: &str) -> Self {
        Self::new(CapabilitySet::SYS_ADMIN, purpose)
    }

    /// Needed to load and attach programs of a type.
    pub(crate) fn of_program(ty: ProgramType) -> Self {
        Self::new(capabilities_of_type(ty), format!("programs of type {}", type_name(ty as u32)))
    }

    /// Needed to create maps of a type.
    pub(crate) fn of_map(ty: MapType) -> Self {
        use MapType::{Devmap, DevmapHash, Sockhash, Sockmap, Xskmap};
        let net = matches!(ty, Devmap | DevmapHash | Sockhash | Sockmap | Xskmap);
        let capabilities =
            if net { CapabilitySet::BPF | CapabilitySet::NET_ADMIN } else { CapabilitySet::BPF };
        Self::new(capabilities, format!("maps of type {}", map_type_name(ty as u32)))
    }
}

/// Returns the capabilities for a program type, as in the kernel's `is_net_admin_prog_type` and
/// `is_perfmon_prog_type`. `CgroupSkb` differs: its programs load with CAP_BPF alone, but attaching
/// them needs more.
fn capabilities_of_type(ty: ProgramType) -> CapabilitySet {
    use ProgramType::{
        CgroupDevice, CgroupSkb, CgroupSock, CgroupSockAddr, CgroupSockopt, CgroupSysctl, Ext,
        FlowDissector, Kprobe, LircMode2, Lsm, LwtIn, LwtOut, LwtSeg6local, LwtXmit, Netfilter,
        PerfEvent, RawTracepoint, RawTracepointWritable, SchedAct, SchedCls, SkMsg, SkSkb, SockOps,
        StructOps, Tracepoint, Tracing, Xdp,
    };
    let (bpf, net, perfmon) =
        (CapabilitySet::BPF, CapabilitySet::NET_ADMIN, CapabilitySet::PERFMON);
    match ty {
        CgroupDevice | CgroupSkb | CgroupSock | CgroupSockAddr | CgroupSockopt | CgroupSysctl
        | FlowDissector | LircMode2 | LwtIn | LwtOut | LwtSeg6local | LwtXmit | Netfilter
        | SchedAct | SchedCls | SkMsg | SkSkb | SockOps | Xdp => bpf | net,
        Kprobe
        | Lsm
        | PerfEvent
        | RawTracepoint
        | RawTracepointWritable
        | StructOps
        | Tracepoint
        | Tracing => bpf | perfmon,
        Ext => bpf | net | perfmon,
        _ => bpf,
    }
}

/// Returns libbpf's name for a program type.
pub(crate) fn type_name(ty: u32) -> String {
    // SAFETY: the call takes any number and returns null or a static string of libbpf.
    static_name(unsafe { libbpf_sys::libbpf_bpf_prog_type_str(ty) })
}

/// Returns libbpf's name for a map type.
pub(crate) fn map_type_name(ty: u32) -> String {
    // SAFETY: the call takes any number and returns null or a static string of libbpf.
    static_name(unsafe { libbpf_sys::libbpf_bpf_map_type_str(ty) })
}

/// Joins map types: `hash or lru_hash`.
pub(crate) fn map_type_names(types: &[MapType]) -> String {
    types.iter().map(|ty| map_type_name(*ty as u32)).collect::<Vec<_>>().join(" or ")
}

/// Joins program types: `xdp or sched_cls`.
pub(crate) fn type_names(types: &[ProgramType]) -> String {
    types.iter().map(|ty| type_name(*ty as u32)).collect::<Vec<_>>().join(" or ")
}

/// Converts a static name of libbpf; null becomes `unknown`.
fn static_name(name: *const c_char) -> String {
    if name.is_null() {
        return "unknown".to_owned();
    }
    // SAFETY: libbpf's names are literals that end with a NUL.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// Returns the hint for users who cannot read the ids of tracepoints.
pub(crate) fn closed_tracefs() -> Hint {
    "this user may not read /sys/kernel/tracing, which holds the ids of tracepoints: run it as root or with CAP_DAC_READ_SEARCH, or open \
     it to a group of this user with `mount -o remount,mode=750,gid=GROUP /sys/kernel/tracing`; raw tracepoints (`raw_tp/..`, `tp_btf/..`) \
     do not need it"
        .into()
}

/// Returns the effective capabilities of this thread. CAP_SYS_ADMIN implies CAP_BPF and CAP_PERFMON
/// everywhere, and CAP_NET_ADMIN when programs are loaded; the last is not included.
pub(crate) fn held() -> CapabilitySet {
    let effective = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let implied = if effective.contains(CapabilitySet::SYS_ADMIN) {
        CapabilitySet::BPF | CapabilitySet::PERFMON
    } else {
        CapabilitySet::empty()
    };
    effective | implied
}

/// Returns the names of those capabilities in the set that BPF checks.
pub(crate) fn names(set: CapabilitySet) -> Vec<&'static str> {
    NAMES.iter().filter(|(one, _)| set.contains(*one)).map(|(_, name)| *name).collect()
}

/// Joins words: `a, b and c`.
fn in_words(words: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match &words[..] {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Returns why the kernel refused this process with EPERM or EACCES, or `None` if no cause is
/// known.
pub(crate) fn lacking(needs: &[Need]) -> Option<Hint> {
    missing(needs).or_else(|| in_namespace().or_else(memlock).or_else(lockdown).map(Hint::from))
}

/// Returns a hint that names the capabilities that this process lacks.
pub(crate) fn missing(needs: &[Need]) -> Option<Hint> {
    let all = needs.iter().fold(CapabilitySet::empty(), |all, need| all | need.capabilities);
    let missing = all.difference(held());
    if missing.is_empty() {
        return None;
    }
    let each = NAMES
        .iter()
        .filter(|(one, _)| missing.contains(*one))
        .map(|&(one, name)| format!("{name} ({})", reason(one, needs)));
    // setcap(8) replaces all capabilities of a file, so the command lists the whole set.
    let whole: Vec<String> = names(all).into_iter().map(str::to_lowercase).collect();
    let token = if token::own().is_some() { "; its BPF token does not cover this" } else { "" };
    let each = in_words(&each.collect::<Vec<_>>());
    let advice = Advice::Capabilities { setcap: &whole.join(",") };
    Some(advice.because(format_args!("this process lacks {each}{token}")))
}

/// Returns what a capability is needed for.
fn reason(one: CapabilitySet, needs: &[Need]) -> String {
    if one == CapabilitySet::BPF {
        return match unprivileged() {
            Some(level) if level > 0 => format!("kernel.unprivileged_bpf_disabled is {level}"),
            _ => "without it the kernel permits socket filters at most".to_owned(),
        };
    }
    let purposes: BTreeSet<&str> = needs
        .iter()
        .filter(|need| need.capabilities.contains(one))
        .map(|need| need.purpose.as_str())
        .collect();
    format!("for {}", in_words(&purposes.into_iter().collect::<Vec<_>>()))
}

/// Returns `kernel.unprivileged_bpf_disabled`: whether processes without CAP_BPF may use BPF.
fn unprivileged() -> Option<u32> {
    fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled").ok()?.trim().parse().ok()
}

/// Returns true if the capabilities of this process are valid only in its user namespace.
pub(crate) fn namespaced() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let whole = ["0", "0", "4294967295"];
    !map.is_empty() && !map.split_whitespace().eq(whole)
}

fn in_namespace() -> Option<String> {
    if !namespaced() {
        return None;
    }
    Some(match token::own() {
        Some((place, _)) => format!(
            "this process is in a user namespace, and the BPF token of {} does not permit this: mount that bpffs with more delegated \
             (delegate_cmds, delegate_maps, delegate_progs, delegate_attachs); no token permits perf events (tracepoints, kprobes, \
             uprobes) or opening maps by id",
            place.display()
        ),
        None => format!(
            "the capabilities of this process are valid only in its user namespace, and BPF requires them in the initial one: run it \
             outside, or, on Linux 6.9 and later, with a BPF token, from a bpffs that root mounts with delegate_cmds=any (also \
             delegate_maps, delegate_progs and delegate_attachs) on /sys/fs/bpf of the namespace, or on another path that {} names",
            token::VARIABLE
        ),
    })
}

/// Returns the hint about RLIMIT_MEMLOCK, which limits BPF memory before Linux 5.11: beyond it the
/// kernel fails with EPERM, too. libbpf raises the limit if it may.
fn memlock() -> Option<String> {
    let limit = getrlimit(Resource::Memlock).current?;
    (running::version()? < (5, 11)).then(|| too_little(limit))
}

fn too_little(limit: u64) -> String {
    format!(
        "before Linux 5.11 BPF memory counts against RLIMIT_MEMLOCK, which is {} KiB here, and this process may not raise it: raise it \
         beforehand with `ulimit -l unlimited` or `LimitMEMLOCK=infinity` in the systemd unit, or give the process CAP_SYS_RESOURCE",
        limit >> 10
    )
}

/// Returns what keeps this process from opening perf events.
pub(crate) fn no_perf_events() -> Option<Hint> {
    let needs = [Need::new(CapabilitySet::PERFMON, "perf events")];
    missing(&needs).or_else(|| paranoid().map(Hint::from)).or_else(|| lacking(&needs))
}

/// Returns what keeps a process with CAP_PERFMON from opening perf events.
pub(crate) fn paranoid() -> Option<String> {
    let level = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok()?;
    let level: i32 = level.trim().parse().ok()?;
    (level > 2 && !held().contains(CapabilitySet::SYS_ADMIN)).then(|| {
        format!(
            "kernel.perf_event_paranoid is {level}, and kernels of some distributions (Debian, Ubuntu) then reserve perf events, and so \
             tracepoints and probes, for CAP_SYS_ADMIN: run it as root, or `sysctl kernel.perf_event_paranoid=2`; raw tracepoints \
             (`raw_tp/..`, `tp_btf/..`) and fentry need no perf event"
        )
    })
}

/// Returns the mode of the kernel's lockdown, or `None` if it cannot be read.
pub(crate) fn lockdown_mode() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    Some(text.split('[').nth(1)?.split(']').next()?.to_owned())
}

/// Returns the hint for a kernel that is locked down.
pub(crate) fn lockdown() -> Option<String> {
    let mode = lockdown_mode().filter(|mode| mode != "none")?;
    Some(format!(
        "this process has the capabilities, but the kernel is locked down ({mode}), which forbids some programs and helpers even to root: \
         boot with lockdown=none, or without Secure Boot if that locks the kernel down"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_types_need_capabilities() {
        let needs = |ty| names(capabilities_of_type(ty)).join(" ");
        assert_eq!(needs(ProgramType::Tracepoint), "CAP_BPF CAP_PERFMON");
        assert_eq!(needs(ProgramType::Xdp), "CAP_BPF CAP_NET_ADMIN");
        assert_eq!(needs(ProgramType::SocketFilter), "CAP_BPF");
        assert_eq!(needs(ProgramType::Ext), "CAP_BPF CAP_PERFMON CAP_NET_ADMIN");
        assert_eq!(
            names(Need::of_map(MapType::Sockhash).capabilities),
            ["CAP_BPF", "CAP_NET_ADMIN"]
        );
        assert_eq!(Need::of_program(ProgramType::Xdp).purpose, "programs of type xdp");
    }

    #[test]
    fn words_are_joined() {
        assert_eq!(
            [
                in_words(&[""; 0]),
                in_words(&["a"]),
                in_words(&["a", "b"]),
                in_words(&["a", "b", "c"])
            ],
            ["", "a", "a and b", "a, b and c"]
        );
    }
}
