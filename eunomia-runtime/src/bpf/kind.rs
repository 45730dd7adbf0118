//! The kinds of programs: marker types that decide what a program can be attached to.

use libbpf_rs::ProgramType;

/// A kind of program: the type parameter of [`Program`](super::Program).
pub trait ProgramKind: private::Sealed {
    /// The program types of the kernel that belong to this kind; empty for any type.
    #[doc(hidden)]
    const TYPES: &'static [ProgramType];
}

mod private {
    pub trait Sealed {}
}

/// Programs of any type. They attach as their section says, and have no other methods to
/// attach.
#[derive(Debug, Clone, Copy)]
pub enum Any {}

/// `xdp`: packets as an interface receives them.
///
/// Programs exist since kernel 4.8; they are attached by a link, since 5.9.
///
/// ```
/// use eunomia_runtime::bpf::{Link, Program, XdpMode, kind::Xdp};
///
/// fn attach(program: &Program<'_, Xdp>) -> eunomia_runtime::Result<Link> {
///     program.attach_to("eth0", XdpMode::Best)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_XDP")]
#[derive(Debug, Clone, Copy)]
pub enum Xdp {}

/// `tc`, `tcx`: packets that enter or leave an interface.
///
/// Filters exist since kernel 4.1, their clsact qdisc since 4.5, tcx since 6.6.
///
/// ```
/// use eunomia_runtime::bpf::{Direction, Link, Program, kind::Tc};
///
/// fn attach(program: &Program<'_, Tc>) -> eunomia_runtime::Result<Link> {
///     program.attach_to("eth0", Direction::Ingress)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_SCHED_CLS")]
#[doc(alias = "BPF_PROG_TYPE_SCHED_ACT")]
#[derive(Debug, Clone, Copy)]
pub enum Tc {}

/// `netkit`: packets between a pair of virtual interfaces.
///
/// Since kernel 6.7.
///
/// ```
/// use eunomia_runtime::bpf::{End, Link, Program, kind::Netkit};
///
/// fn attach(program: &Program<'_, Netkit>) -> eunomia_runtime::Result<Link> {
///     program.attach_to("nk0", End::Primary)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_SCHED_CLS")]
#[derive(Debug, Clone, Copy)]
pub enum Netkit {}

/// `tracepoint`, `tp`: the kernel's tracepoints, whose programs receive their records.
///
/// Since kernel 4.7.
///
/// ```
/// use eunomia_runtime::bpf::{Link, Program, kind::Tracepoint};
///
/// fn attach(program: &Program<'_, Tracepoint>) -> eunomia_runtime::Result<Link> {
///     program.attach_to("sched", "sched_switch", 0)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_TRACEPOINT")]
#[derive(Debug, Clone, Copy)]
pub enum Tracepoint {}

/// `raw_tracepoint`, `raw_tp`: the kernel's tracepoints, whose programs receive their raw
/// arguments.
///
/// Since kernel 4.17, `raw_tracepoint.w` since 5.2.
///
/// ```
/// use eunomia_runtime::bpf::{Link, Program, kind::RawTracepoint};
///
/// fn attach(program: &Program<'_, RawTracepoint>) -> eunomia_runtime::Result<Link> {
///     program.attach_to("sched_switch", 0)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_RAW_TRACEPOINT")]
#[doc(alias = "BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE")]
#[derive(Debug, Clone, Copy)]
pub enum RawTracepoint {}

/// `kprobe`, `kretprobe`: kernel functions.
///
/// Since kernel 4.1.
///
/// ```
/// use eunomia_runtime::bpf::{Link, Program, kind::Kprobe};
///
/// fn attach(program: &Program<'_, Kprobe>) -> eunomia_runtime::Result<Link> {
///     program.attach_to("vfs_unlink", 0)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_KPROBE")]
#[derive(Debug, Clone, Copy)]
pub enum Kprobe {}

/// `kprobe.multi`, `kretprobe.multi`, `kprobe.session`: many kernel functions at once.
///
/// Since kernel 5.18, `kprobe.session` since 6.10.
///
/// ```
/// use eunomia_runtime::bpf::{Functions, Link, Program, kind::KprobeMulti};
///
/// fn attach(program: &Program<'_, KprobeMulti>) -> eunomia_runtime::Result<Link> {
///     program.attach_to(Functions::Matching("vfs_*"))
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_KPROBE")]
#[derive(Debug, Clone, Copy)]
pub enum KprobeMulti {}

/// `ksyscall`, `kretsyscall`: system calls.
///
/// Since kernel 4.1.
///
/// ```
/// use eunomia_runtime::bpf::{Link, Program, kind::Ksyscall};
///
/// fn attach(program: &Program<'_, Ksyscall>) -> eunomia_runtime::Result<Link> {
///     program.attach_to("unlinkat", 0)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_KPROBE")]
#[derive(Debug, Clone, Copy)]
pub enum Ksyscall {}

/// `uprobe`, `uretprobe`: functions of programs and libraries.
///
/// Since kernel 4.3.
///
/// ```
/// use eunomia_runtime::bpf::{Link, ProbePoint, Program, kind::Uprobe};
///
/// fn attach(program: &Program<'_, Uprobe>) -> eunomia_runtime::Result<Link> {
///     program.attach_to("libc.so.6", &ProbePoint::Function("malloc"), None, 0)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_KPROBE")]
#[derive(Debug, Clone, Copy)]
pub enum Uprobe {}

/// `uprobe.multi`, `uretprobe.multi`, `uprobe.session`: many functions of programs and
/// libraries at once.
///
/// Since kernel 6.6, `uprobe.session` since 6.13.
///
/// ```
/// use eunomia_runtime::bpf::{Functions, Link, Program, kind::UprobeMulti};
///
/// fn attach(program: &Program<'_, UprobeMulti>) -> eunomia_runtime::Result<Link> {
///     program.attach_to("/usr/bin/bash", Functions::Matching("read*"), None)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_KPROBE")]
#[derive(Debug, Clone, Copy)]
pub enum UprobeMulti {}

/// `usdt`: the static probes of programs and libraries.
///
/// Since kernel 4.3; probes with a semaphore since 4.20.
///
/// ```
/// use eunomia_runtime::bpf::{Link, Program, kind::Usdt};
///
/// fn attach(program: &Program<'_, Usdt>) -> eunomia_runtime::Result<Link> {
///     program.attach_to("libc.so.6", "libc", "setjmp", None, 0)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_KPROBE")]
#[derive(Debug, Clone, Copy)]
pub enum Usdt {}

/// `perf_event`: samples of counters and clocks.
///
/// Since kernel 4.9.
///
/// ```
/// use eunomia_runtime::bpf::{Every, Links, Program, Sampling, kind::PerfEvent};
///
/// fn attach(program: &Program<'_, PerfEvent>) -> eunomia_runtime::Result<Links> {
///     program.attach_to(&Sampling::cpu_clock(Every::Frequency(99)))
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_PERF_EVENT")]
#[derive(Debug, Clone, Copy)]
pub enum PerfEvent {}

/// `cgroup_skb`, `cgroup/..`, `sockops`, `lsm_cgroup`: programs on a cgroup.
///
/// `cgroup_skb` exists since kernel 4.10, `sockops` since 4.13, `cgroup/dev` since 4.15,
/// `cgroup/connect4` and alike since 4.17, `cgroup/sysctl` since 5.2, `cgroup/getsockopt` since
/// 5.3, `lsm_cgroup` since 6.0. They are attached by a link, since 5.7.
///
/// ```
/// use eunomia_runtime::bpf::{Link, Program, kind::Cgroup};
///
/// fn attach(program: &Program<'_, Cgroup>) -> eunomia_runtime::Result<Link> {
///     program.attach_to("/sys/fs/cgroup/system.slice")
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_CGROUP_SKB")]
#[doc(alias = "BPF_PROG_TYPE_CGROUP_SOCK")]
#[doc(alias = "BPF_PROG_TYPE_CGROUP_SOCK_ADDR")]
#[doc(alias = "BPF_PROG_TYPE_CGROUP_SOCKOPT")]
#[doc(alias = "BPF_PROG_TYPE_CGROUP_SYSCTL")]
#[doc(alias = "BPF_PROG_TYPE_CGROUP_DEVICE")]
#[doc(alias = "BPF_PROG_TYPE_SOCK_OPS")]
#[derive(Debug, Clone, Copy)]
pub enum Cgroup {}

/// `flow_dissector`, `sk_lookup`: flow dissection and socket lookups in a network namespace.
///
/// `flow_dissector` exists since kernel 4.20, `sk_lookup` since 5.9. They are attached by a link,
/// since 5.8.
///
/// ```
/// use std::fs::File;
///
/// use eunomia_runtime::bpf::{Link, Program, kind::Netns};
///
/// fn attach(program: &Program<'_, Netns>) -> Result<Link, Box<dyn std::error::Error>> {
///     Ok(program.attach_to(File::open("/proc/self/ns/net")?)?)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_FLOW_DISSECTOR")]
#[doc(alias = "BPF_PROG_TYPE_SK_LOOKUP")]
#[derive(Debug, Clone, Copy)]
pub enum Netns {}

/// `netfilter`: packets at a hook of netfilter.
///
/// Since kernel 6.4.
///
/// ```
/// use eunomia_runtime::bpf::{Link, NetfilterHook, Program, kind::Netfilter};
///
/// fn attach(program: &Program<'_, Netfilter>) -> eunomia_runtime::Result<Link> {
///     // NFPROTO_IPV4 and NF_INET_LOCAL_IN.
///     program.attach_to(NetfilterHook { family: 2, hook: 1, priority: 10, defragmented: false })
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_NETFILTER")]
#[derive(Debug, Clone, Copy)]
pub enum Netfilter {}

/// `socket`: packets that a socket receives.
///
/// Since kernel 3.19.
///
/// ```
/// use std::net::UdpSocket;
///
/// use eunomia_runtime::bpf::{Program, kind::SocketFilter};
///
/// fn attach(program: &Program<'_, SocketFilter>, socket: &UdpSocket) -> eunomia_runtime::Result<()> {
///     program.attach_to(socket)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_SOCKET_FILTER")]
#[derive(Debug, Clone, Copy)]
pub enum SocketFilter {}

/// `sk_reuseport`: the choice of the socket that gets a packet, among those that share a port.
///
/// Since kernel 4.19.
///
/// ```
/// use std::net::UdpSocket;
///
/// use eunomia_runtime::bpf::{Program, kind::SkReuseport};
///
/// fn attach(program: &Program<'_, SkReuseport>, socket: &UdpSocket) -> eunomia_runtime::Result<()> {
///     program.attach_to(socket)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_SK_REUSEPORT")]
#[derive(Debug, Clone, Copy)]
pub enum SkReuseport {}

/// `sk_skb`, `sk_msg`: the traffic of the sockets in a map.
///
/// `sk_skb` since kernel 4.14, `sk_msg` since 4.17.
///
/// ```
/// use eunomia_runtime::bpf::{Link, Map, Program, kind::SocketMap};
///
/// fn attach(program: &Program<'_, SocketMap>, sockets: &Map<'_>) -> eunomia_runtime::Result<Link> {
///     program.attach_to(sockets)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_SK_SKB")]
#[doc(alias = "BPF_PROG_TYPE_SK_MSG")]
#[derive(Debug, Clone, Copy)]
pub enum SocketMap {}

/// `iter`: walks over objects of the kernel.
///
/// Since kernel 5.8.
///
/// ```
/// use std::io::Read as _;
///
/// use eunomia_runtime::bpf::{Program, kind::Iter};
///
/// fn text(program: &Program<'_, Iter>) -> Result<String, Box<dyn std::error::Error>> {
///     let mut text = String::new();
///     program.walk()?.read_to_string(&mut text)?;
///     Ok(text)
/// }
/// ```
#[doc(alias = "BPF_PROG_TYPE_TRACING")]
#[derive(Debug, Clone, Copy)]
pub enum Iter {}

macro_rules! kinds {
    ($($name:ident: $($ty:ident)*;)*) => {$(
        impl private::Sealed for $name {}

        impl ProgramKind for $name {
            const TYPES: &'static [ProgramType] = &[$(ProgramType::$ty),*];
        }
    )*};
}

kinds! {
    Any: ;
    Xdp: Xdp;
    Tc: SchedCls SchedAct;
    Netkit: SchedCls;
    Tracepoint: Tracepoint;
    RawTracepoint: RawTracepoint RawTracepointWritable;
    Kprobe: Kprobe;
    KprobeMulti: Kprobe;
    Ksyscall: Kprobe;
    Uprobe: Kprobe;
    UprobeMulti: Kprobe;
    Usdt: Kprobe;
    PerfEvent: PerfEvent;
    Cgroup: CgroupSkb CgroupSock CgroupSockAddr CgroupSockopt CgroupSysctl CgroupDevice SockOps Lsm;
    Netns: FlowDissector SkLookup;
    Netfilter: Netfilter;
    SocketFilter: SocketFilter;
    SkReuseport: SkReuseport;
    SocketMap: SkSkb SkMsg;
    Iter: Tracing;
}
