//! What programs of a kind are attached to, where the section does not say it.

mod attached;
mod clsact;
mod group;
mod interface;
mod iter;
mod multi;
mod order;
mod perf_event;
mod probe;
mod socket;
mod target;
mod words;

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use libbpf_rs::{AsRawLibbpf as _, libbpf_sys};

use super::{
    Map, Program,
    link::{Held, Link, owned},
};
use crate::{Hint, Result, diagnosis, refusal::refusal};

#[cfg(feature = "dynamic")]
pub(crate) use attached::xdp_features;
pub use attached::{AttachedProgram, AttachedXdp, Hook, attached_tcx, attached_xdp};
pub(super) use clsact::Filter;
pub use group::NetfilterHook;
pub(crate) use interface::name_of;
pub use interface::{Direction, End, Interface, Rank, XdpMode};
pub use multi::Functions;
use order::Position;
pub use order::{Anchor, Order};
pub use perf_event::{Every, Sampling};
pub use probe::ProbePoint;
pub(super) use socket::OnMap;
pub use target::Target;

impl<K> Program<'_, K> {
    /// Makes a link of the kernel's own.
    fn link_to(&self, tried: String, target: u32, attach_type: libbpf_sys::bpf_attach_type, position: &Position) -> Result<Link> {
        let mut opts = libbpf_sys::bpf_link_create_opts {
            sz: size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t,
            flags: position.flags,
            ..Default::default()
        };
        // Of netkit and cgroups they stand at the same place. libbpf refuses what is not zero for other types of attachment.
        opts.__bindgen_anon_1.tcx = libbpf_sys::bpf_link_create_opts__bindgen_ty_1__bindgen_ty_6 {
            relative_fd: position.raw_fd(),
            relative_id: position.id,
            expected_revision: position.revision,
        };
        let program = self.fd()?.as_raw_fd();
        // SAFETY: the options live through the call, which only reads them.
        let fd = unsafe { libbpf_sys::bpf_link_create(program, target.cast_signed(), attach_type, &raw const opts) };
        if fd < 0 {
            let name = self.name().to_string_lossy();
            let error = self.explain(refusal(tried, io::Error::from_raw_os_error(-fd)));
            return Err(error.with_hint(|| diagnosis::interface::reason(&name, target, attach_type, position.flags, Some(-fd))));
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
        target::returns_of(&self.section().to_string_lossy())
    }

    /// Why the program cannot be attached to a map, if that is because of the map's type.
    fn explain_map(&self, map: &Map<'_>) -> Option<Hint> {
        let (why, todo) = diagnosis::map::unattachable(&self.section().to_string_lossy(), map.kind())?;
        Some(todo.after(format_args!("{why}; ")))
    }

    fn tried(&self, to: &str) -> String {
        format!("attach the {} to {to}", self.describe())
    }
}

/// A process, or all of them.
fn any_or(pid: Option<u32>) -> i32 {
    pid.map_or(-1, u32::cast_signed)
}
