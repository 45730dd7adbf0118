//! What BPF wants of a process, and which of that this one has not.

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

use super::{running, token};
use crate::{Hint, hint::Advice};

/// By what they are called.
const NAMES: [(CapabilitySet, &str); 4] = [
    (CapabilitySet::BPF, "CAP_BPF"),
    (CapabilitySet::PERFMON, "CAP_PERFMON"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
    (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN"),
];

/// What something needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) capabilities: CapabilitySet,
    /// What it is: `programs of the type xdp`.
    of: String,
}

impl Need {
    pub(crate) fn new(capabilities: CapabilitySet, of: impl Into<String>) -> Self {
        Self { capabilities, of: of.into() }
    }

    /// Of anything.
    pub(crate) fn any() -> Self {
        Self::new(CapabilitySet::BPF, "")
    }

    /// Of mounting file systems.
    pub(crate) fn of_mounts() -> Self {
        Self::new(CapabilitySet::SYS_ADMIN, "mounting")
    }

    /// Of uprobes that the kernel has as perf events.
    pub(crate) fn of_uprobes() -> Self {
        Self::new(CapabilitySet::SYS_ADMIN, "probes of programs and libraries, but for `uprobe.multi`")
    }

    /// Of what finds things of BPF by their numbers.
    pub(crate) fn by_number(of: &str) -> Self {
        Self::new(CapabilitySet::SYS_ADMIN, of)
    }

    /// Of programs of a type, to load and attach them.
    pub(crate) fn of_program(ty: ProgramType) -> Self {
        Self::new(of_type(ty), format!("programs of the type {}", type_name(ty as u32)))
    }

    /// Of maps of a type.
    pub(crate) fn of_map(ty: MapType) -> Self {
        use MapType::{Devmap, DevmapHash, Sockhash, Sockmap, Xskmap};
        let net = matches!(ty, Devmap | DevmapHash | Sockhash | Sockmap | Xskmap);
        let capabilities = if net { CapabilitySet::BPF | CapabilitySet::NET_ADMIN } else { CapabilitySet::BPF };
        Self::new(capabilities, format!("maps of the type {}", map_type_name(ty as u32)))
    }
}

/// As the kernel's `is_net_admin_prog_type` and `is_perfmon_prog_type` have it, but for `CgroupSkb`: those are loaded with CAP_BPF alone, and
/// attached with more.
fn of_type(ty: ProgramType) -> CapabilitySet {
    use ProgramType::{
        CgroupDevice, CgroupSkb, CgroupSock, CgroupSockAddr, CgroupSockopt, CgroupSysctl, Ext, FlowDissector, Kprobe, LircMode2, Lsm,
        LwtIn, LwtOut, LwtSeg6local, LwtXmit, Netfilter, PerfEvent, RawTracepoint, RawTracepointWritable, SchedAct, SchedCls, SkMsg, SkSkb,
        SockOps, StructOps, Tracepoint, Tracing, Xdp,
    };
    let (bpf, net, perfmon) = (CapabilitySet::BPF, CapabilitySet::NET_ADMIN, CapabilitySet::PERFMON);
    match ty {
        CgroupDevice | CgroupSkb | CgroupSock | CgroupSockAddr | CgroupSockopt | CgroupSysctl | FlowDissector | LircMode2 | LwtIn
        | LwtOut | LwtSeg6local | LwtXmit | Netfilter | SchedAct | SchedCls | SkMsg | SkSkb | SockOps | Xdp => bpf | net,
        Kprobe | Lsm | PerfEvent | RawTracepoint | RawTracepointWritable | StructOps | Tracepoint | Tracing => bpf | perfmon,
        Ext => bpf | net | perfmon,
        _ => bpf,
    }
}

/// The name of a type of programs as C has it.
pub(crate) fn type_name(ty: u32) -> String {
    // SAFETY: the call takes any number and returns null or a text of libbpf's own.
    text(unsafe { libbpf_sys::libbpf_bpf_prog_type_str(ty) })
}

/// As [`type_name`], of maps.
pub(crate) fn map_type_name(ty: u32) -> String {
    // SAFETY: the call takes any number and returns null or a text of libbpf's own.
    text(unsafe { libbpf_sys::libbpf_bpf_map_type_str(ty) })
}

/// `hash or lru_hash`.
pub(crate) fn map_type_names(types: &[MapType]) -> String {
    types.iter().map(|ty| map_type_name(*ty as u32)).collect::<Vec<_>>().join(" or ")
}

/// `xdp or sched_cls`.
pub(crate) fn type_names(types: &[ProgramType]) -> String {
    types.iter().map(|ty| type_name(*ty as u32)).collect::<Vec<_>>().join(" or ")
}

/// A name that libbpf has for a number.
fn text(name: *const c_char) -> String {
    if name.is_null() {
        return "unknown".to_owned();
    }
    // SAFETY: libbpf's names are literals that end with a NUL.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// What is to be said to those who may not look where the numbers of tracepoints stand.
pub(crate) fn closed_tracefs() -> Hint {
    "this user may not read /sys/kernel/tracing, where the numbers of tracepoints stand: run it as root or with CAP_DAC_READ_SEARCH, or open it \
     to a group of this user with `mount -o remount,mode=750,gid=GROUP /sys/kernel/tracing`; raw tracepoints (`raw_tp/..`, `tp_btf/..`) need none \
     of it"
        .into()
}

/// What this thread has. CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON wherever they are asked for, and for CAP_NET_ADMIN where programs
/// are loaded.
pub(crate) fn held() -> CapabilitySet {
    let effective = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let implied =
        if effective.contains(CapabilitySet::SYS_ADMIN) { CapabilitySet::BPF | CapabilitySet::PERFMON } else { CapabilitySet::empty() };
    effective | implied
}

/// The names of those that BPF asks for.
pub(crate) fn names(set: CapabilitySet) -> Vec<&'static str> {
    NAMES.iter().filter(|(one, _)| set.contains(*one)).map(|(_, name)| *name).collect()
}

/// `a, b and c`.
fn list(words: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match &words[..] {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Why this process does not get what needs this, where the kernel says EPERM or EACCES; none where nothing is known that keeps it from it.
pub(crate) fn lacking(needs: &[Need]) -> Option<Hint> {
    missing(needs).or_else(|| in_namespace().or_else(memlock).or_else(lockdown).map(Hint::from))
}

/// The capabilities that this process has not.
pub(crate) fn missing(needs: &[Need]) -> Option<Hint> {
    let all = needs.iter().fold(CapabilitySet::empty(), |all, need| all | need.capabilities);
    let missing = all.difference(held());
    if missing.is_empty() {
        return None;
    }
    let each = NAMES.iter().filter(|(one, _)| missing.contains(*one)).map(|&(one, name)| format!("{name} ({})", reason(one, needs)));
    // The command takes the place of what the file had.
    let whole: Vec<String> = names(all).into_iter().map(str::to_lowercase).collect();
    let token = if token::own().is_some() { "; its BPF token does not stand in for that" } else { "" };
    let each = list(&each.collect::<Vec<_>>());
    Some(Hint::of(format_args!("this process lacks {each}{token}"), Advice::Capabilities { setcap: &whole.join(",") }))
}

/// What a capability is needed for.
fn reason(one: CapabilitySet, needs: &[Need]) -> String {
    if one == CapabilitySet::BPF {
        return match unprivileged() {
            Some(level) if level > 0 => format!("kernel.unprivileged_bpf_disabled is {level}"),
            _ => "without it the kernel permits socket filters at most".to_owned(),
        };
    }
    let of: BTreeSet<&str> = needs.iter().filter(|need| need.capabilities.contains(one)).map(|need| need.of.as_str()).collect();
    format!("for {}", list(&of.into_iter().collect::<Vec<_>>()))
}

/// `kernel.unprivileged_bpf_disabled`: whether processes without CAP_BPF may use BPF at all.
fn unprivileged() -> Option<u32> {
    fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled").ok()?.trim().parse().ok()
}

/// Whether the capabilities of this process count in its user namespace alone.
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
            "this process is in a user namespace, and the BPF token of {} does not permit this: whoever mounted that bpffs must delegate more \
             (delegate_cmds, delegate_maps, delegate_progs, delegate_attachs). Perf events, for tracepoints, kprobes and uprobes, and opening \
             maps by their numbers no token permits",
            place.display()
        ),
        None => format!(
            "the capabilities of this process count in its user namespace alone, and BPF asks for those of the machine: run it outside, or, \
             on Linux 6.9 and later, with a BPF token, from a bpffs that root mounts with delegate_cmds=any and its kin on /sys/fs/bpf of the \
             namespace, or elsewhere and named by {}",
            token::VARIABLE
        ),
    })
}

/// Before Linux 5.11 BPF memory counts against a limit, beyond which the kernel says EPERM too. libbpf raises it where it may.
fn memlock() -> Option<String> {
    let limit = getrlimit(Resource::Memlock).current?;
    (running::version()? < (5, 11)).then(|| too_little(limit))
}

fn too_little(limit: u64) -> String {
    format!(
        "before Linux 5.11 BPF memory counts against RLIMIT_MEMLOCK, which is {} KiB here and which this process may not raise: raise it \
         before with `ulimit -l unlimited`, `LimitMEMLOCK=infinity` in systemd's unit, or give the process CAP_SYS_RESOURCE",
        limit >> 10
    )
}

/// What keeps this process from perf events.
pub(crate) fn no_perf_events() -> Option<Hint> {
    let needs = [Need::new(CapabilitySet::PERFMON, "perf events")];
    missing(&needs).or_else(|| paranoid().map(Hint::from)).or_else(|| lacking(&needs))
}

/// What keeps processes with CAP_PERFMON from perf events.
pub(crate) fn paranoid() -> Option<String> {
    let level = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok()?;
    let level: i32 = level.trim().parse().ok()?;
    (level > 2 && !held().contains(CapabilitySet::SYS_ADMIN)).then(|| {
        format!(
            "kernel.perf_event_paranoid is {level}, with which some distributions' kernels (Debian, Ubuntu) open perf events, and so tracepoints \
             and probes, to CAP_SYS_ADMIN alone: run it as root, or `sysctl kernel.perf_event_paranoid=2`; raw tracepoints (`raw_tp/..`, \
             `tp_btf/..`) and fentry need no perf event"
        )
    })
}

/// The mode of the kernel's lockdown; none where it does not tell.
pub(crate) fn lockdown_mode() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    Some(text.split('[').nth(1)?.split(']').next()?.to_owned())
}

/// What is to be said where the kernel is locked down.
pub(crate) fn lockdown() -> Option<String> {
    let mode = lockdown_mode().filter(|mode| mode != "none")?;
    Some(format!(
        "this process has the capabilities, but the kernel is locked down ({mode}), which forbids some programs and helpers to root too: boot \
         with lockdown=none, or without Secure Boot where that asks for it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_types_need() {
        let needs = |ty| names(of_type(ty)).join(" ");
        assert_eq!(needs(ProgramType::Tracepoint), "CAP_BPF CAP_PERFMON");
        assert_eq!(needs(ProgramType::Xdp), "CAP_BPF CAP_NET_ADMIN");
        assert_eq!(needs(ProgramType::SocketFilter), "CAP_BPF");
        assert_eq!(needs(ProgramType::Ext), "CAP_BPF CAP_PERFMON CAP_NET_ADMIN");
        assert_eq!(names(Need::of_map(MapType::Sockhash).capabilities), ["CAP_BPF", "CAP_NET_ADMIN"]);
        assert_eq!(Need::of_program(ProgramType::Xdp).of, "programs of the type xdp");
    }

    #[test]
    fn lists() {
        assert_eq!([list(&[""; 0]), list(&["a"]), list(&["a", "b"]), list(&["a", "b", "c"])], ["", "a", "a and b", "a, b and c"]);
    }
}
