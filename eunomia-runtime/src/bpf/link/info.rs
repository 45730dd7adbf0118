//! What the kernel knows about a link.

use std::{
    fmt, io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use libbpf_rs::libbpf_sys;

use super::Link;
use crate::{Error, Result, host::kernel_error};

/// A link as the kernel describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkInfo {
    /// The id of the link. No other link of the kernel has it.
    pub id: u32,
    /// The type of the link.
    pub kind: LinkKind,
    /// The id of the attached program, see [`Program::id`](crate::bpf::Program::id); 0 for a
    /// struct_ops map.
    pub program: u32,
    /// The index of the interface that the link is attached to (XDP, tcx, netkit), 0 if the
    /// interface is gone. `None` for links of other types.
    pub interface: Option<u32>,
}

/// The type of a link: `BPF_LINK_TYPE_*`, named for what the link attaches to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkKind {
    /// A raw tracepoint.
    RawTracepoint,
    /// A function of the kernel (fentry, fexit, fmod_ret, fsession), an LSM hook or an extension.
    Tracing,
    /// A cgroup.
    Cgroup,
    /// An iterator.
    Iter,
    /// A network namespace.
    Netns,
    /// XDP of an interface.
    Xdp,
    /// A perf event: a probe, a tracepoint or a counter.
    PerfEvent,
    /// Many functions of the kernel.
    KprobeMulti,
    /// A struct_ops map.
    StructOps,
    /// A hook of netfilter.
    Netfilter,
    /// Traffic control of an interface.
    Tcx,
    /// Many functions of a program or a library.
    UprobeMulti,
    /// A pair of netkit interfaces.
    Netkit,
    /// A map of sockets.
    Sockmap,
    /// Another type, by its number.
    Other(u32),
}

impl LinkKind {
    fn new(number: u32) -> Self {
        match number {
            libbpf_sys::BPF_LINK_TYPE_RAW_TRACEPOINT => Self::RawTracepoint,
            libbpf_sys::BPF_LINK_TYPE_TRACING => Self::Tracing,
            libbpf_sys::BPF_LINK_TYPE_CGROUP => Self::Cgroup,
            libbpf_sys::BPF_LINK_TYPE_ITER => Self::Iter,
            libbpf_sys::BPF_LINK_TYPE_NETNS => Self::Netns,
            libbpf_sys::BPF_LINK_TYPE_XDP => Self::Xdp,
            libbpf_sys::BPF_LINK_TYPE_PERF_EVENT => Self::PerfEvent,
            libbpf_sys::BPF_LINK_TYPE_KPROBE_MULTI => Self::KprobeMulti,
            libbpf_sys::BPF_LINK_TYPE_STRUCT_OPS => Self::StructOps,
            libbpf_sys::BPF_LINK_TYPE_NETFILTER => Self::Netfilter,
            libbpf_sys::BPF_LINK_TYPE_TCX => Self::Tcx,
            libbpf_sys::BPF_LINK_TYPE_UPROBE_MULTI => Self::UprobeMulti,
            libbpf_sys::BPF_LINK_TYPE_NETKIT => Self::Netkit,
            libbpf_sys::BPF_LINK_TYPE_SOCKMAP => Self::Sockmap,
            other => Self::Other(other),
        }
    }
}

/// Writes the name that `bpftool` shows.
impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RawTracepoint => "raw_tracepoint",
            Self::Tracing => "tracing",
            Self::Cgroup => "cgroup",
            Self::Iter => "iter",
            Self::Netns => "netns",
            Self::Xdp => "xdp",
            Self::PerfEvent => "perf_event",
            Self::KprobeMulti => "kprobe_multi",
            Self::StructOps => "struct_ops",
            Self::Netfilter => "netfilter",
            Self::Tcx => "tcx",
            Self::UprobeMulti => "uprobe_multi",
            Self::Netkit => "netkit",
            Self::Sockmap => "sockmap",
            Self::Other(number) => return write!(f, "unknown ({number})"),
        })
    }
}

impl Link {
    /// Returns what the kernel knows about the link.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the kernel refuses; EINVAL for links through perf events before 5.15.
    /// [`Error::Misuse`] if the kernel has no link for the attachment, see [`Self::pin`].
    pub fn info(&self) -> Result<LinkInfo> {
        let tried = "get the info of a link";
        let fd = self.fd().ok_or_else(|| Error::Misuse {
            name: tried.to_owned(),
            why: "the kernel has no link for this attachment".to_owned(),
        })?;
        info(fd).map_err(|error| kernel_error(tried, error))
    }
}

fn info(fd: BorrowedFd<'_>) -> io::Result<LinkInfo> {
    let mut info = libbpf_sys::bpf_link_info::default();
    let mut size = size_of_val(&info) as u32;
    // SAFETY: the call writes at most `size` bytes, the size of `info`, and the descriptor is open
    // during the call.
    let error = unsafe {
        libbpf_sys::bpf_link_get_info_by_fd(fd.as_raw_fd(), &raw mut info, &raw mut size)
    };
    if error < 0 {
        return Err(io::Error::from_raw_os_error(-error));
    }
    let interface = match info.type_ {
        // SAFETY: the members of the union are numbers, for which any bytes are valid.
        libbpf_sys::BPF_LINK_TYPE_XDP => Some(unsafe { info.__bindgen_anon_1.xdp.ifindex }),
        // SAFETY: as above.
        libbpf_sys::BPF_LINK_TYPE_TCX => Some(unsafe { info.__bindgen_anon_1.tcx.ifindex }),
        // SAFETY: as above.
        libbpf_sys::BPF_LINK_TYPE_NETKIT => Some(unsafe { info.__bindgen_anon_1.netkit.ifindex }),
        _ => None,
    };
    Ok(LinkInfo { id: info.id, kind: LinkKind::new(info.type_), program: info.prog_id, interface })
}
