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
#[derive(Debug, Clone, Copy)]
pub enum Xdp {}

/// `tc`, `tcx`: packets that enter or leave an interface.
#[derive(Debug, Clone, Copy)]
pub enum Tc {}

/// `netkit`: packets between a pair of virtual interfaces.
#[derive(Debug, Clone, Copy)]
pub enum Netkit {}

/// `tracepoint`, `tp`: the kernel's tracepoints, whose programs receive their records.
#[derive(Debug, Clone, Copy)]
pub enum Tracepoint {}

/// `raw_tracepoint`, `raw_tp`: the kernel's tracepoints, whose programs receive their raw
/// arguments.
#[derive(Debug, Clone, Copy)]
pub enum RawTracepoint {}

/// `kprobe`, `kretprobe`: kernel functions.
#[derive(Debug, Clone, Copy)]
pub enum Kprobe {}

/// `kprobe.multi`, `kretprobe.multi`, `kprobe.session`: many kernel functions at once.
#[derive(Debug, Clone, Copy)]
pub enum KprobeMulti {}

/// `ksyscall`, `kretsyscall`: system calls.
#[derive(Debug, Clone, Copy)]
pub enum Ksyscall {}

/// `uprobe`, `uretprobe`: functions of programs and libraries.
#[derive(Debug, Clone, Copy)]
pub enum Uprobe {}

/// `uprobe.multi`, `uretprobe.multi`, `uprobe.session`: many functions of programs and
/// libraries at once.
#[derive(Debug, Clone, Copy)]
pub enum UprobeMulti {}

/// `usdt`: the static probes of programs and libraries.
#[derive(Debug, Clone, Copy)]
pub enum Usdt {}

/// `perf_event`: samples of counters and clocks.
#[derive(Debug, Clone, Copy)]
pub enum PerfEvent {}

/// `cgroup_skb`, `cgroup/..`, `sockops`, `lsm_cgroup`: programs on a cgroup.
#[derive(Debug, Clone, Copy)]
pub enum Cgroup {}

/// `flow_dissector`, `sk_lookup`: flow dissection and socket lookups in a network namespace.
#[derive(Debug, Clone, Copy)]
pub enum Netns {}

/// `netfilter`: packets at a hook of netfilter.
#[derive(Debug, Clone, Copy)]
pub enum Netfilter {}

/// `socket`: packets that a socket receives.
#[derive(Debug, Clone, Copy)]
pub enum SocketFilter {}

/// `sk_reuseport`: the choice of the socket that gets a packet, among those that share a port.
#[derive(Debug, Clone, Copy)]
pub enum SkReuseport {}

/// `sk_skb`, `sk_msg`: the traffic of the sockets in a map.
#[derive(Debug, Clone, Copy)]
pub enum SocketMap {}

/// `iter`: walks over objects of the kernel.
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
