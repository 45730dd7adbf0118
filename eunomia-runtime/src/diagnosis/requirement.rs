//! Requirements of sections beyond what every supported kernel offers: versions and options.

use crate::host::running;

/// A kind of program or struct_ops map that not every kernel supports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    /// The whole section, or its part before a `/`; for a struct_ops map the section or the type.
    pub(crate) section: &'static str,
    /// The first version with support; `(0, 0)` if every supported version has it.
    since: (u32, u32),
    /// A constant of the kernel that was introduced with it. Kernels with a backport have it, too.
    pub(crate) constant: Option<&'static str>,
    /// An option that the kernel must be built with.
    option: Option<&'static str>,
}

const fn requirement(
    section: &'static str,
    since: (u32, u32),
    constant: &'static str,
    option: &'static str,
) -> Requirement {
    let constant = if constant.is_empty() { None } else { Some(constant) };
    let option = if option.is_empty() { None } else { Some(option) };
    Requirement { section, since, constant, option }
}

/// Requirements by section of programs, taken from the kernel's history; `tests/every` compares
/// them with kernels. The first match counts.
const PROGRAMS: &[Requirement] = &[
    requirement("kprobe", (0, 0), "", "CONFIG_KPROBE_EVENTS"),
    requirement("kretprobe", (0, 0), "", "CONFIG_KPROBE_EVENTS"),
    requirement("ksyscall", (0, 0), "", "CONFIG_KPROBE_EVENTS"),
    requirement("kretsyscall", (0, 0), "", "CONFIG_KPROBE_EVENTS"),
    requirement("kprobe.multi", (5, 18), "BPF_TRACE_KPROBE_MULTI", "CONFIG_FPROBE"),
    requirement("kretprobe.multi", (5, 18), "BPF_TRACE_KPROBE_MULTI", "CONFIG_FPROBE"),
    requirement("kprobe.session", (6, 10), "BPF_TRACE_KPROBE_SESSION", "CONFIG_FPROBE"),
    requirement("uprobe", (0, 0), "", "CONFIG_UPROBE_EVENTS"),
    requirement("uretprobe", (0, 0), "", "CONFIG_UPROBE_EVENTS"),
    requirement("usdt", (0, 0), "", "CONFIG_UPROBE_EVENTS"),
    // These have no constants of their own, so a helper of the same version stands in.
    requirement("uprobe.s", (6, 0), "BPF_FUNC_tcp_raw_gen_syncookie_ipv4", "CONFIG_UPROBE_EVENTS"),
    requirement(
        "uretprobe.s",
        (6, 0),
        "BPF_FUNC_tcp_raw_gen_syncookie_ipv4",
        "CONFIG_UPROBE_EVENTS",
    ),
    requirement("usdt.s", (6, 0), "BPF_FUNC_tcp_raw_gen_syncookie_ipv4", "CONFIG_UPROBE_EVENTS"),
    requirement("uprobe.multi", (6, 6), "BPF_TRACE_UPROBE_MULTI", "CONFIG_UPROBES"),
    requirement("uretprobe.multi", (6, 6), "BPF_TRACE_UPROBE_MULTI", "CONFIG_UPROBES"),
    requirement("uprobe.multi.s", (6, 6), "BPF_TRACE_UPROBE_MULTI", "CONFIG_UPROBES"),
    requirement("uretprobe.multi.s", (6, 6), "BPF_TRACE_UPROBE_MULTI", "CONFIG_UPROBES"),
    requirement("uprobe.session", (6, 13), "BPF_TRACE_UPROBE_SESSION", "CONFIG_UPROBES"),
    requirement("uprobe.session.s", (6, 13), "BPF_TRACE_UPROBE_SESSION", "CONFIG_UPROBES"),
    requirement("fsession", (7, 0), "BPF_TRACE_FSESSION", ""),
    requirement("fsession.s", (7, 0), "BPF_TRACE_FSESSION", ""),
    requirement("lsm", (0, 0), "", "CONFIG_BPF_LSM"),
    requirement("lsm.s", (0, 0), "", "CONFIG_BPF_LSM"),
    requirement("lsm_cgroup", (6, 0), "BPF_LSM_CGROUP", "CONFIG_BPF_LSM"),
    requirement("xdp.frags", (5, 18), "BPF_FUNC_xdp_get_buff_len", ""),
    requirement("netkit", (6, 7), "BPF_NETKIT_PRIMARY", "CONFIG_NETKIT"),
    requirement("netfilter", (6, 4), "BPF_NETFILTER", "CONFIG_NETFILTER_BPF_LINK"),
    requirement("sk_reuseport/migrate", (5, 14), "BPF_SK_REUSEPORT_SELECT_OR_MIGRATE", ""),
    requirement("sk_skb/verdict", (5, 13), "BPF_SK_SKB_VERDICT", ""),
    requirement("cgroup/connect_unix", (6, 7), "BPF_CGROUP_UNIX_CONNECT", "CONFIG_CGROUP_BPF"),
    requirement("cgroup/sendmsg_unix", (6, 7), "BPF_CGROUP_UNIX_SENDMSG", "CONFIG_CGROUP_BPF"),
    requirement("cgroup/recvmsg_unix", (6, 7), "BPF_CGROUP_UNIX_RECVMSG", "CONFIG_CGROUP_BPF"),
    requirement(
        "cgroup/getpeername_unix",
        (6, 7),
        "BPF_CGROUP_UNIX_GETPEERNAME",
        "CONFIG_CGROUP_BPF",
    ),
    requirement(
        "cgroup/getsockname_unix",
        (6, 7),
        "BPF_CGROUP_UNIX_GETSOCKNAME",
        "CONFIG_CGROUP_BPF",
    ),
    requirement("cgroup", (0, 0), "", "CONFIG_CGROUP_BPF"),
    requirement("cgroup_skb", (0, 0), "", "CONFIG_CGROUP_BPF"),
    requirement("sockops", (0, 0), "", "CONFIG_CGROUP_BPF"),
    requirement("iter.s", (5, 18), "BPF_FUNC_copy_from_user_task", ""),
    requirement("syscall", (5, 14), "BPF_PROG_TYPE_SYSCALL", ""),
];

/// Required for cookies of raw tracepoints.
pub(crate) const COOKIES: Requirement = requirement("cookies of raw tracepoints", (6, 10), "", "");

/// Required for an order among tc programs.
pub(crate) const TCX: Requirement =
    requirement("an order among tc programs (tcx)", (6, 6), "BPF_TCX_INGRESS", "CONFIG_NET_XGRESS");

/// Required for an order among the programs of a cgroup.
pub(crate) const CGROUP_ORDER: Requirement =
    requirement("an order among the programs of a cgroup", (6, 17), "", "");

/// Said of struct_ops types that exist only for the kernel's own tests.
pub(crate) const UNATTACHED: &str =
    "the kernel attaches no tables of this type: their programs are for test runs alone";

/// Requirements by section of struct_ops maps.
const TABLES: &[Requirement] = &[requirement(".struct_ops.link", (6, 4), "BPF_STRUCT_OPS", "")];

/// Requirements by type of struct_ops maps.
const TYPES: &[Requirement] = &[
    requirement("sched_ext_ops", (6, 12), "", "CONFIG_SCHED_CLASS_EXT"),
    requirement("hid_bpf_ops", (6, 11), "", "CONFIG_HID_BPF"),
    requirement("Qdisc_ops", (6, 16), "", "CONFIG_NET_SCH_BPF"),
];

fn find(among: &'static [Requirement], name: &str) -> Option<&'static Requirement> {
    let name = name.trim_start_matches('?');
    among.iter().find(|known| {
        name.strip_prefix(known.section)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Returns the requirement of programs in a section.
pub(crate) fn of_programs(section: &str) -> Option<&'static Requirement> {
    find(PROGRAMS, section)
}

/// Returns the requirement of struct_ops maps in a section.
pub(crate) fn of_tables(section: &str) -> Option<&'static Requirement> {
    find(TABLES, section)
}

/// Returns the requirement of struct_ops maps of a type.
pub(crate) fn of_type(name: &str) -> Option<&'static Requirement> {
    find(TYPES, name)
}

impl Requirement {
    /// Returns what the running kernel lacks, to explain what it refused.
    pub(crate) fn lacking(&self) -> Option<String> {
        let known = || self.constant.and_then(running::has_constant);
        if self.is_before() && known() != Some(true) { Some(self.too_old()) } else { self.unset() }
    }

    /// Returns true if the running kernel is older than the first version with support.
    pub(crate) fn is_before(&self) -> bool {
        running::version().is_some_and(|version| version < self.since)
    }

    /// Returns the message for a kernel that is too old.
    pub(crate) fn too_old(&self) -> String {
        let (major, minor) = self.since;
        format!("{} came with Linux {major}.{minor}, this is {}", self.section, running::release())
    }

    /// Returns a message if the kernel was built without the option, or `None` if its configuration
    /// cannot be read.
    pub(crate) fn unset(&self) -> Option<String> {
        let option = self.option?;
        let (path, text) = running::configuration().ok()?;
        let set = text
            .lines()
            .any(|line| line.strip_prefix(option).is_some_and(|rest| rest.starts_with('=')));
        (!set).then(|| {
            format!("{} needs {option}, which this kernel was built without ({path})", self.section)
        })
    }
}

/// Used by the doctor only.
#[cfg(feature = "dynamic")]
impl Requirement {
    /// Returns true if programs load on a kernel that lacks it, and only attaching fails or has no
    /// effect.
    pub(crate) fn is_of_attaching(&self) -> bool {
        let probes =
            ["kprobe", "kretprobe", "ksyscall", "kretsyscall", "uprobe", "uretprobe", "usdt"];
        let sleepable = self.section.ends_with(".s")
            && !self.section.contains(".multi")
            && !self.section.contains(".session");
        let others = ["netkit", "sk_skb/verdict", "sk_reuseport/migrate"];
        (!sleepable && probes.contains(&self.section.split('.').next().unwrap_or_default()))
            || others.contains(&self.section)
    }

    /// Returns true if only probes through perf events are required, which the doctor checks in
    /// sysfs and tracefs.
    pub(crate) fn is_of_events(&self) -> bool {
        self.constant.is_none()
            && self.option.is_some_and(|option| option.ends_with("PROBE_EVENTS"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_have_requirements() {
        let found = |section: &str| of_programs(section).map(|requirement| requirement.section);
        assert_eq!(found("kprobe/vfs_unlink"), Some("kprobe"));
        assert_eq!(found("?kprobe.multi/vfs_*"), Some("kprobe.multi"));
        assert_eq!(found("uprobe.s//bin/sh:main"), Some("uprobe.s"));
        assert_eq!(found("cgroup/connect_unix"), Some("cgroup/connect_unix"));
        assert_eq!(found("cgroup/connect4"), Some("cgroup"));
        assert_eq!(found("netkit/peer"), Some("netkit"));
        for section in
            ["xdp", "tp/sched/sched_switch", "kprobes", "iter/task", "sk_skb/stream_verdict"]
        {
            assert_eq!(found(section), None);
        }
    }
}
