//! Queries for the programs that anyone has attached to an interface.

use std::io;

use libbpf_rs::libbpf_sys;

use super::interface::{Direction, Interface};
use crate::{
    Result,
    diagnosis::requirement,
    host::{
        interface::{AttachedXdp, name_of, xdp_programs},
        kernel_error,
    },
};

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
        Some(libc::ENXIO) => kernel_error(tried(), io::Error::from_raw_os_error(libc::ENODEV)),
        _ => kernel_error(tried(), error),
    })?;
    xdp_programs(index).map_err(|error| kernel_error(tried(), error))
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
        let error = kernel_error(
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
