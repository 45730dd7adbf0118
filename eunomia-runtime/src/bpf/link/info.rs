use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use libbpf_rs::libbpf_sys;

use super::Link;
use crate::{Error, Result, refusal::refusal};

/// What the kernel says of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkInfo {
    /// Its number, which no other link has.
    pub id: u32,
    /// What it is: `BPF_LINK_TYPE_*`.
    pub kind: u32,
    /// The number of the program that runs, see [`Program::id`](crate::bpf::Program::id); of a table of struct_ops 0.
    pub program: u32,
    /// The number of the interface that it is attached to (XDP, tcx, netkit), 0 where that is gone.
    pub interface: Option<u32>,
}

impl LinkInfo {
    /// The kind in a word: `xdp`, `perf_event`; `None` for those that this libbpf does not know.
    pub fn kind_name(&self) -> Option<&'static str> {
        // SAFETY: any number may be asked for.
        let name = unsafe { libbpf_sys::libbpf_bpf_link_type_str(self.kind) };
        // SAFETY: where it is not null, it is a constant of libbpf's that ends with a NUL.
        let name = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) });
        name.and_then(|name| name.to_str().ok())
    }
}

impl Link {
    /// What the kernel says of the link.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EINVAL for those through perf events before 5.15. [`Error::Value`] for what the kernel has no link for, see
    /// [`Self::pin`].
    pub fn info(&self) -> Result<LinkInfo> {
        let tried = "ask the kernel about a link";
        let fd = self.fd().ok_or_else(|| Error::Value { name: tried.to_owned(), why: "it has none for this".to_owned() })?;
        info(fd).map_err(|error| refusal(tried, error))
    }
}

fn info(fd: BorrowedFd<'_>) -> io::Result<LinkInfo> {
    let mut info = libbpf_sys::bpf_link_info::default();
    let mut size = size_of_val(&info) as u32;
    // SAFETY: the call writes so many bytes at most, and the descriptor lives through it.
    let error = unsafe { libbpf_sys::bpf_link_get_info_by_fd(fd.as_raw_fd(), &raw mut info, &raw mut size) };
    if error < 0 {
        return Err(io::Error::from_raw_os_error(-error));
    }
    let interface = match info.type_ {
        // SAFETY: any bytes are a number.
        libbpf_sys::BPF_LINK_TYPE_XDP => Some(unsafe { info.__bindgen_anon_1.xdp.ifindex }),
        // SAFETY: as above.
        libbpf_sys::BPF_LINK_TYPE_TCX => Some(unsafe { info.__bindgen_anon_1.tcx.ifindex }),
        // SAFETY: as above.
        libbpf_sys::BPF_LINK_TYPE_NETKIT => Some(unsafe { info.__bindgen_anon_1.netkit.ifindex }),
        _ => None,
    };
    Ok(LinkInfo { id: info.id, kind: info.type_, program: info.prog_id, interface })
}
