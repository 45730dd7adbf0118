//! What the kernel knows about a link.

use std::{
    ffi::CStr,
    io,
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
    /// The type of the link: `BPF_LINK_TYPE_*`.
    pub kind: u32,
    /// The id of the attached program, see [`Program::id`](crate::bpf::Program::id); 0 for a
    /// struct_ops map.
    pub program: u32,
    /// The index of the interface that the link is attached to (XDP, tcx, netkit), 0 if the
    /// interface is gone. `None` for links of other types.
    pub interface: Option<u32>,
}

impl LinkInfo {
    /// Returns the name of the type, `xdp` or `perf_event` for example. It is `None` if this libbpf
    /// does not know the type.
    pub fn kind_name(&self) -> Option<&'static str> {
        // SAFETY: the call takes any number.
        let name = unsafe { libbpf_sys::libbpf_bpf_link_type_str(self.kind) };
        // SAFETY: a pointer that is not null points to a constant of libbpf that ends with a NUL.
        let name = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) });
        name.and_then(|name| name.to_str().ok())
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
    Ok(LinkInfo { id: info.id, kind: info.type_, program: info.prog_id, interface })
}
