//! The kinds of programs: marker types that decide what a program can be attached to.

use libbpf_rs::ProgramType;

/// A kind of program: the type parameter of [`Program`](super::Program).
pub trait Kind: private::Sealed {
    /// The program types of the kernel that belong to this kind; empty for any type.
    #[doc(hidden)]
    const TYPES: &'static [ProgramType];
}

mod private {
    pub trait Sealed {}
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $($ty:ident)*;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub enum $name {}

        impl private::Sealed for $name {}

        impl Kind for $name {
            const TYPES: &'static [ProgramType] = &[$(ProgramType::$ty),*];
        }
    )*};
}

kinds! {
    /// Programs of any type. They attach as their section says, and have no other methods to
    /// attach.
    Any: ;
    /// `xdp`: packets as an interface receives them.
    Xdp: Xdp;
    /// `tc`, `tcx`: packets that enter or leave an interface.
    Tc: SchedCls SchedAct;
    /// `netkit`: packets between a pair of virtual interfaces.
    Netkit: SchedCls;
    /// `tracepoint`, `tp`: the kernel's tracepoints, whose programs receive their records.
    Tracepoint: Tracepoint;
    /// `raw_tracepoint`, `raw_tp`: the kernel's tracepoints, whose programs receive their raw
    /// arguments.
    RawTracepoint: RawTracepoint RawTracepointWritable;
    /// `kprobe`, `kretprobe`: kernel functions.
    Kprobe: Kprobe;
    /// `kprobe.multi`, `kretprobe.multi`, `kprobe.session`: many kernel functions at once.
    KprobeMulti: Kprobe;
    /// `ksyscall`, `kretsyscall`: system calls.
    Ksyscall: Kprobe;
    /// `uprobe`, `uretprobe`: functions of programs and libraries.
    Uprobe: Kprobe;
    /// `uprobe.multi`, `uretprobe.multi`, `uprobe.session`: many functions of programs and
    /// libraries at once.
    UprobeMulti: Kprobe;
    /// `usdt`: the static probes of programs and libraries.
    Usdt: Kprobe;
    /// `perf_event`: samples of counters and clocks.
    PerfEvent: PerfEvent;
    /// `cgroup_skb`, `cgroup/..`, `sockops`, `lsm_cgroup`: programs on a cgroup.
    Cgroup: CgroupSkb CgroupSock CgroupSockAddr CgroupSockopt CgroupSysctl CgroupDevice SockOps Lsm;
    /// `flow_dissector`, `sk_lookup`: flow dissection and socket lookups in a network namespace.
    Netns: FlowDissector SkLookup;
    /// `netfilter`: packets at a hook of netfilter.
    Netfilter: Netfilter;
    /// `socket`: packets that a socket receives.
    SocketFilter: SocketFilter;
    /// `sk_reuseport`: the choice of the socket that gets a packet, among those that share a port.
    SkReuseport: SkReuseport;
    /// `sk_skb`, `sk_msg`: the traffic of the sockets in a map.
    SocketMap: SkSkb SkMsg;
    /// `iter`: walks over objects of the kernel.
    Iter: Tracing;
}
