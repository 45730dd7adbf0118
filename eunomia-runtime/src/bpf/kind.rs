//! The kinds of programs, by what they are attached to.

use libbpf_rs::ProgramType;

/// A kind of program.
pub trait Kind: private::Sealed {
    /// The types that the kernel knows it by; none for any.
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
    /// Attached as the section says, and in no other way here.
    Any: ;
    /// `xdp`: packets as an interface receives them.
    Xdp: Xdp;
    /// `tc`, `tcx`: packets that enter or leave an interface.
    Tc: SchedCls SchedAct;
    /// `netkit`: packets between a pair of virtual interfaces.
    Netkit: SchedCls;
    /// `tracepoint`, `tp`: the kernel's tracepoints, with their records.
    Tracepoint: Tracepoint;
    /// `raw_tracepoint`, `raw_tp`: the kernel's tracepoints, with their arguments.
    RawTracepoint: RawTracepoint RawTracepointWritable;
    /// `kprobe`, `kretprobe`: kernel functions.
    Kprobe: Kprobe;
    /// `kprobe.multi`, `kretprobe.multi`, `kprobe.session`: many kernel functions at once.
    KprobeMulti: Kprobe;
    /// `ksyscall`, `kretsyscall`: system calls.
    Ksyscall: Kprobe;
    /// `uprobe`, `uretprobe`: functions of programs and libraries.
    Uprobe: Kprobe;
    /// `uprobe.multi`, `uretprobe.multi`, `uprobe.session`: many functions of programs and libraries at once.
    UprobeMulti: Kprobe;
    /// `usdt`: the static probes of programs and libraries.
    Usdt: Kprobe;
    /// `perf_event`: samples of counters and clocks.
    PerfEvent: PerfEvent;
    /// Programs on a cgroup: `cgroup_skb`, `cgroup/..`, `sockops`, `lsm_cgroup`.
    Cgroup: CgroupSkb CgroupSock CgroupSockAddr CgroupSockopt CgroupSysctl CgroupDevice SockOps Lsm;
    /// `flow_dissector`, `sk_lookup`: a network namespace.
    Netns: FlowDissector SkLookup;
    /// `netfilter`: packets at a hook of netfilter.
    Netfilter: Netfilter;
    /// `socket`: packets that a socket receives.
    SocketFilter: SocketFilter;
    /// `sk_reuseport`: which of the sockets of a port gets a packet.
    SkReuseport: SkReuseport;
    /// `sk_skb`, `sk_msg`: the traffic of the sockets in a map.
    SocketMap: SkSkb SkMsg;
    /// `iter`: walks over the kernel's objects.
    Iter: Tracing;
}
