//! What is attached to an interface, by anyone.

use std::{io, mem::offset_of};

use libbpf_rs::libbpf_sys;

use super::interface::{Direction, Interface, XdpMode, name_of};
use crate::{Result, diagnosis::requirement, refusal::refusal};

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
    // What the driver can do is another question, which costs another request.
    let opts = query(index, offset_of!(libbpf_sys::bpf_xdp_query_opts, feature_flags)).map_err(|error| refusal(tried(), error))?;
    let modes = [(opts.skb_prog_id, XdpMode::Generic), (opts.drv_prog_id, XdpMode::Native), (opts.hw_prog_id, XdpMode::Offload)];
    Ok(modes.into_iter().filter(|(program, _)| *program != 0).map(|(program, mode)| AttachedXdp { program, mode }).collect())
}

/// What the driver of an interface does with XDP programs (`NETDEV_XDP_ACT_*`), which kernels tell from 6.3 on; of older ones 0.
///
/// # Errors
/// Those of libbpf's request.
#[cfg(feature = "dynamic")]
pub(crate) fn xdp_features(index: u32) -> io::Result<u64> {
    query(index, size_of::<libbpf_sys::bpf_xdp_query_opts>()).map(|opts| opts.feature_flags)
}

/// Asks for what fits into so many bytes of the options.
fn query(index: u32, size: usize) -> io::Result<libbpf_sys::bpf_xdp_query_opts> {
    let mut opts = libbpf_sys::bpf_xdp_query_opts { sz: size as libbpf_sys::size_t, ..Default::default() };
    // SAFETY: the options live through the call, which writes no more of them than they say.
    let error = unsafe { libbpf_sys::bpf_xdp_query(index.cast_signed(), 0, &raw mut opts) };
    if error < 0 { Err(io::Error::from_raw_os_error(-error)) } else { Ok(opts) }
}

/// The programs of a hook, in the order in which they run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hook {
    /// A number that changes whenever a program comes or goes; see [`Program::attach_at`](crate::bpf::Program::attach_at).
    pub revision: u64,
    /// The programs.
    pub programs: Vec<AttachedProgram>,
}

/// A program of a hook, ours or that of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachedProgram {
    /// The kernel's number of the program, see [`Program::id`](crate::bpf::Program::id).
    pub program: u32,
    /// The number of its link, see [`LinkInfo`](crate::bpf::LinkInfo); `None` for one that was attached without.
    pub link: Option<u32>,
}

/// The tc programs that an interface runs through tcx (Linux 6.6 and later), in the network namespace of this thread.
///
/// # Errors
/// [`Error::Kernel`](crate::Error::Kernel); ENODEV if there is no such interface, EINVAL on kernels without tcx.
pub fn attached_tcx(interface: impl Into<Interface>, direction: Direction) -> Result<Hook> {
    let interface = interface.into();
    let failed = |error: i32| {
        let error = refusal(format!("ask for the tc programs at {direction:?} of {interface}"), io::Error::from_raw_os_error(-error));
        error.with_hint(|| requirement::TCX.lacking())
    };
    let (index, attach_type) = (interface.index()?.cast_signed(), direction.attach_type());
    // The kernel has room for so many in one hook (`BPF_MPROG_MAX`).
    let (mut programs, mut links) = ([0_u32; 64], [0_u32; 64]);
    let mut opts = libbpf_sys::bpf_prog_query_opts {
        sz: size_of::<libbpf_sys::bpf_prog_query_opts>() as libbpf_sys::size_t,
        prog_ids: programs.as_mut_ptr(),
        link_ids: links.as_mut_ptr(),
        ..Default::default()
    };
    opts.__bindgen_anon_1.count = programs.len() as u32;
    // SAFETY: the options live through the call, as does what they point to, which has room for as many numbers as they say.
    let error = unsafe { libbpf_sys::bpf_prog_query_opts(index, attach_type, &raw mut opts) };
    if error < 0 {
        return Err(failed(error));
    }
    // SAFETY: both members of the union are one number.
    let count = unsafe { opts.__bindgen_anon_1.count } as usize;
    let programs = programs.iter().zip(&links).take(count);
    let programs = programs.map(|(program, link)| AttachedProgram { program: *program, link: (*link != 0).then_some(*link) });
    Ok(Hook { revision: opts.revision, programs: programs.collect() })
}
