//! What is attached to an interface, by anyone.

use std::{io, mem::offset_of};

use libbpf_rs::libbpf_sys;

use super::interface::{Interface, XdpMode, name_of};
use crate::{Result, refusal::refusal};

/// An XDP program of an interface, ours or that of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachedXdp {
    /// The kernel's number of the program, see [`Program::id`](crate::bpf::Program::id).
    pub program: u32,
    /// Where it runs; never [`XdpMode::Best`].
    pub mode: XdpMode,
}

/// The XDP programs of an interface, in the network namespace of this thread: one at most, but for a card that runs one of its own.
///
/// # Errors
/// [`Error::Kernel`](crate::Error::Kernel); ENODEV where there is no such interface.
pub fn attached_xdp(interface: impl Into<Interface>) -> Result<Vec<AttachedXdp>> {
    let interface = interface.into();
    let tried = || format!("ask for the XDP programs of the interface {interface}");
    let index = interface.index()?;
    // The kernel answers about an interface that is not there as about one without programs.
    name_of(index).map_err(|error| match error.raw_os_error() {
        Some(libc::ENXIO) => refusal(tried(), io::Error::from_raw_os_error(libc::ENODEV)),
        _ => refusal(tried(), error),
    })?;
    let mut opts = libbpf_sys::bpf_xdp_query_opts {
        // What the driver can do is another question, which costs another request.
        sz: offset_of!(libbpf_sys::bpf_xdp_query_opts, feature_flags) as libbpf_sys::size_t,
        ..Default::default()
    };
    // SAFETY: the options live through the call, which writes no more of them than they say.
    let error = unsafe { libbpf_sys::bpf_xdp_query(index.cast_signed(), 0, &raw mut opts) };
    if error < 0 {
        return Err(refusal(tried(), io::Error::from_raw_os_error(-error)));
    }
    let modes = [(opts.skb_prog_id, XdpMode::Generic), (opts.drv_prog_id, XdpMode::Native), (opts.hw_prog_id, XdpMode::Offload)];
    Ok(modes.into_iter().filter(|(program, _)| *program != 0).map(|(program, mode)| AttachedXdp { program, mode }).collect())
}
