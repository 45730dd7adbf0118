//! What programs of a kind are attached to, where the section does not say it.

mod attached;
mod clsact;
mod group;
mod interface;
mod iter;
mod multi;
mod perf_event;
mod probe;
mod socket;

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use libbpf_rs::{AsRawLibbpf as _, libbpf_sys};

use super::{
    Program,
    link::{Held, Link, owned},
};
use crate::{Result, diagnosis, refusal::refusal};

pub use attached::{AttachedXdp, attached_xdp};
pub(super) use clsact::Filter;
pub use group::NetfilterHook;
pub(crate) use interface::name_of;
pub use interface::{Direction, End, Interface, Rank, XdpMode};
pub use multi::Functions;
pub use perf_event::{Every, Sampling};
pub use probe::ProbePoint;
pub(super) use socket::OnMap;

/// What `attach` attaches a program to whose section does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An XDP program on an interface.
    Xdp {
        /// The interface's number.
        interface: u32,
        /// `XDP_FLAGS_*`; only those of the mode count, as no program ever takes the place of another.
        flags: u32,
    },
    /// A tc program on an interface.
    Tc {
        /// The interface's number.
        interface: u32,
        /// Which packets it sees.
        direction: Direction,
        /// Where it stands on kernels without tcx.
        rank: Rank,
    },
}

impl<K> Program<'_, K> {
    /// Attaches the program to a target of `attach`.
    pub(super) fn attach_target(&self, target: Target) -> Result<Link> {
        match target {
            Target::Xdp { interface, flags } => {
                let flags = flags & libbpf_sys::XDP_FLAGS_MODES;
                let tried = self.tried(&format!("the interface {interface} with the flags {flags:#x}"));
                self.link_to(tried, interface, libbpf_sys::BPF_XDP, flags)
            }
            Target::Tc { interface, direction, rank } => self.on_interface(interface, &interface.to_string(), direction, rank),
        }
    }

    /// Makes a link of the kernel's own.
    fn link_to(&self, tried: String, target: u32, attach_type: libbpf_sys::bpf_attach_type, flags: u32) -> Result<Link> {
        let opts = libbpf_sys::bpf_link_create_opts {
            sz: size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t,
            flags,
            ..Default::default()
        };
        let program = self.fd()?.as_raw_fd();
        // SAFETY: the options live through the call, which only reads them.
        let fd = unsafe { libbpf_sys::bpf_link_create(program, target.cast_signed(), attach_type, &raw const opts) };
        if fd < 0 {
            let name = self.name().to_string_lossy();
            let error = self.explain(refusal(tried, io::Error::from_raw_os_error(-fd)));
            return Err(error.with_hint(|| diagnosis::interface::reason(&name, target, attach_type, flags, Some(-fd))));
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(self.held(Held::Kernel(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    /// Attaches through a call of libbpf that libbpf-rs does not have. It is given the program, which lives through the call.
    fn linked_by(&self, tried: String, attach: impl FnOnce(*const libbpf_sys::bpf_program) -> *mut libbpf_sys::bpf_link) -> Result<Link> {
        self.linked(tried, |program| owned(attach(program.as_libbpf_object().as_ptr())))
    }

    /// Whether its section asks for the returns of functions (`kretprobe`, `uretprobe`, `kretsyscall`), not their entries.
    fn returns(&self) -> bool {
        let section = self.section().as_encoded_bytes();
        section.starts_with(b"kret") || section.starts_with(b"uret")
    }

    fn tried(&self, to: &str) -> String {
        format!("attach the {} to {to}", self.describe())
    }
}

/// A process, or all of them.
fn any_or(pid: Option<u32>) -> i32 {
    pid.map_or(-1, u32::cast_signed)
}
