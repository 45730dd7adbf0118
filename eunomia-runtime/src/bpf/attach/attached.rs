//! Queries for the programs that anyone has attached to an interface.

use std::{io, mem::offset_of};

use libbpf_rs::libbpf_sys;

use super::interface::{Direction, Interface, XdpMode, name_of};
use crate::{Result, diagnosis::requirement, refusal::refusal};

/// An XDP program that is attached to an interface, by this process or by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachedXdp {
    /// The id of the program, see [`Program::id`](crate::bpf::Program::id).
    pub program: u32,
    /// The mode in which it runs; never [`XdpMode::Best`].
    pub mode: XdpMode,
}

/// Returns the XDP programs of an interface in the network namespace of this thread. There is at
/// most one, unless the network card runs one of its own.
///
/// # Errors
/// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; ENODEV if the interface is not
/// found.
pub fn attached_xdp(interface: impl Into<Interface>) -> Result<Vec<AttachedXdp>> {
    let interface = interface.into();
    let tried = || format!("query the XDP programs of the interface {interface}");
    let index = interface.index()?;
    // For a missing interface the kernel answers as for one without programs.
    name_of(index).map_err(|error| match error.raw_os_error() {
        Some(libc::ENXIO) => refusal(tried(), io::Error::from_raw_os_error(libc::ENODEV)),
        _ => refusal(tried(), error),
    })?;
    // The features of the driver would cost another request, so they are left out.
    let opts = query(index, offset_of!(libbpf_sys::bpf_xdp_query_opts, feature_flags))
        .map_err(|error| refusal(tried(), error))?;
    let modes = [
        (opts.skb_prog_id, XdpMode::Generic),
        (opts.drv_prog_id, XdpMode::Native),
        (opts.hw_prog_id, XdpMode::Offload),
    ];
    Ok(modes
        .into_iter()
        .filter(|(program, _)| *program != 0)
        .map(|(program, mode)| AttachedXdp { program, mode })
        .collect())
}

/// Returns what the driver of an interface supports for XDP (`NETDEV_XDP_ACT_*`, Linux 6.3 and
/// later); 0 on older kernels.
///
/// # Errors
/// Those of libbpf's request.
#[cfg(feature = "dynamic")]
pub(crate) fn xdp_features(index: u32) -> io::Result<u64> {
    query(index, size_of::<libbpf_sys::bpf_xdp_query_opts>()).map(|opts| opts.feature_flags)
}

/// Queries the interface for the members in the first `size` bytes of the options.
fn query(index: u32, size: usize) -> io::Result<libbpf_sys::bpf_xdp_query_opts> {
    let mut opts =
        libbpf_sys::bpf_xdp_query_opts { sz: size as libbpf_sys::size_t, ..Default::default() };
    // SAFETY: the options live through the call, which writes at most the `sz` bytes of them.
    let error = unsafe { libbpf_sys::bpf_xdp_query(index.cast_signed(), 0, &raw mut opts) };
    if error < 0 { Err(io::Error::from_raw_os_error(-error)) } else { Ok(opts) }
}

/// The programs of a hook in the order in which they run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hook {
    /// The revision of the hook. It changes whenever a program is attached or detached; see
    /// [`Program::attach_at`](crate::bpf::Program::attach_at).
    pub revision: u64,
    /// The programs in the order in which they run.
    pub programs: Vec<AttachedProgram>,
}

/// A program of a hook, attached by this process or by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachedProgram {
    /// The id of the program, see [`Program::id`](crate::bpf::Program::id).
    pub program: u32,
    /// The id of its link, see [`LinkInfo`](crate::bpf::LinkInfo); `None` if it was attached
    /// without a link.
    pub link: Option<u32>,
}

/// Returns the tc programs that an interface runs through tcx (Linux 6.6 and later), in the network
/// namespace of this thread.
///
/// # Errors
/// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; ENODEV if the interface is not
/// found, EINVAL if the kernel lacks tcx.
pub fn attached_tcx(interface: impl Into<Interface>, direction: Direction) -> Result<Hook> {
    let interface = interface.into();
    let failed = |error: i32| {
        let error = refusal(
            format!("query the tc programs at {direction} of the interface {interface}"),
            io::Error::from_raw_os_error(-error),
        );
        error.with_hint(|| requirement::TCX.lacking())
    };
    let (index, attach_type) = (interface.index()?.cast_signed(), direction.attach_type());
    // The kernel allows at most 64 programs in one hook (`BPF_MPROG_MAX`).
    let (mut programs, mut links) = ([0_u32; 64], [0_u32; 64]);
    let mut opts = libbpf_sys::bpf_prog_query_opts {
        sz: size_of::<libbpf_sys::bpf_prog_query_opts>() as libbpf_sys::size_t,
        prog_ids: programs.as_mut_ptr(),
        link_ids: links.as_mut_ptr(),
        ..Default::default()
    };
    opts.__bindgen_anon_1.count = programs.len() as u32;
    // SAFETY: the options and the two arrays that they point to live through the call, and `count`
    // is the length of each array.
    let error = unsafe { libbpf_sys::bpf_prog_query_opts(index, attach_type, &raw mut opts) };
    if error < 0 {
        return Err(failed(error));
    }
    // SAFETY: both members of the union are the same number.
    let count = unsafe { opts.__bindgen_anon_1.count } as usize;
    let programs = programs.iter().zip(&links).take(count);
    let programs = programs.map(|(program, link)| AttachedProgram {
        program: *program,
        link: (*link != 0).then_some(*link),
    });
    Ok(Hook { revision: opts.revision, programs: programs.collect() })
}
