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
    /// `kprobe`, `kretprobe`: kernel functions.
    Kprobe: Kprobe;
    /// `uprobe`, `uretprobe`: functions of programs and libraries.
    Uprobe: Kprobe;
    /// `usdt`: the static probes of programs and libraries.
    Usdt: Kprobe;
    /// `perf_event`: samples of counters and clocks.
    PerfEvent: PerfEvent;
    /// Programs on a cgroup: `cgroup_skb`, `cgroup/..`, `sockops`.
    Cgroup: CgroupSkb CgroupSock CgroupSockAddr CgroupSockopt CgroupSysctl CgroupDevice SockOps;
    /// `flow_dissector`, `sk_lookup`: a network namespace.
    Netns: FlowDissector SkLookup;
    /// `iter`: walks over the kernel's objects.
    Iter: Tracing;
}
