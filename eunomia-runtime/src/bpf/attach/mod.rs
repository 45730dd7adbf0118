//! Attaching programs to targets that the caller names, one method for each kind of program.

mod attached;
mod binary;
mod clsact;
mod group;
mod interface;
mod iter;
mod multi;
mod order;
mod packets;
mod perf_event;
mod probe;
mod socket;
mod tables;
mod target;
mod words;

use std::{
    io,
    mem::offset_of,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use libbpf_rs::{AsRawLibbpf as _, libbpf_sys};

use super::{
    Map, Program,
    link::{Held, Link, owned},
};
use crate::{Hint, Result, diagnosis, host::kernel_error};

pub use attached::{AttachedProgram, Hook, attached_tcx, attached_xdp};
pub(super) use clsact::Filter;
pub use group::NetfilterHook;
pub use interface::{Direction, End, Interface, Rank};
pub use multi::Functions;
use order::Position;
pub use order::{Anchor, Order};
pub use perf_event::{Every, Sampling};
pub use probe::ProbePoint;
pub(super) use socket::OnMap;
pub use target::Target;

/// The members for tcx, netkit and cgroups are at the same offsets, so that those for tcx stand for
/// all of them.
const _: () = {
    use libbpf_sys::{
        bpf_link_create_opts__bindgen_ty_1__bindgen_ty_6 as Tcx,
        bpf_link_create_opts__bindgen_ty_1__bindgen_ty_7 as Netkit,
        bpf_link_create_opts__bindgen_ty_1__bindgen_ty_8 as Cgroup,
    };

    assert!(
        offset_of!(Tcx, relative_fd) == offset_of!(Netkit, relative_fd)
            && offset_of!(Tcx, relative_id) == offset_of!(Netkit, relative_id)
            && offset_of!(Tcx, expected_revision) == offset_of!(Netkit, expected_revision)
            && offset_of!(Tcx, relative_fd) == offset_of!(Cgroup, relative_fd)
            && offset_of!(Tcx, relative_id) == offset_of!(Cgroup, relative_id)
            && offset_of!(Tcx, expected_revision) == offset_of!(Cgroup, expected_revision)
    );
};

impl<K> Program<'_, K> {
    /// Creates a link with `BPF_LINK_CREATE`.
    fn link_to(
        &self,
        tried: String,
        target: u32,
        attach_type: libbpf_sys::bpf_attach_type,
        position: &Position,
    ) -> Result<Link> {
        let mut opts = libbpf_sys::bpf_link_create_opts {
            sz: size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t,
            flags: position.flags,
            ..Default::default()
        };
        // For other attach types libbpf refuses values other than zero.
        opts.__bindgen_anon_1.tcx = libbpf_sys::bpf_link_create_opts__bindgen_ty_1__bindgen_ty_6 {
            relative_fd: position.raw_fd(),
            relative_id: position.id,
            expected_revision: position.revision,
        };
        let program = self.fd()?.as_raw_fd();
        // SAFETY: the options live through the call, which only reads them.
        let fd = unsafe {
            libbpf_sys::bpf_link_create(program, target.cast_signed(), attach_type, &raw const opts)
        };
        if fd < 0 {
            let name = self.name().to_string_lossy();
            let error = self.explain(kernel_error(tried, io::Error::from_raw_os_error(-fd)));
            let error = error.with_hint(|| position.hint(-fd));
            return Err(error.with_hint(|| {
                diagnosis::interface::reason(&name, target, attach_type, position.flags, Some(-fd))
            }));
        }
        // SAFETY: the kernel has just opened the descriptor, and nobody else owns it.
        Ok(self.held(Held::Kernel(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    /// Attaches through a libbpf function that libbpf-rs does not wrap. `attach` receives the
    /// program, which lives through the call.
    fn linked_by(
        &self,
        tried: String,
        attach: impl FnOnce(*const libbpf_sys::bpf_program) -> *mut libbpf_sys::bpf_link,
    ) -> Result<Link> {
        self.linked(tried, |program| owned(attach(program.as_libbpf_object().as_ptr())))
    }

    /// Returns true if the section is for returns of functions (`kretprobe`, `uretprobe`,
    /// `kretsyscall`) instead of their entries.
    fn returns(&self) -> bool {
        target::returns_of(&self.section().to_string_lossy())
    }

    /// Returns why the program cannot be attached to a map, if the type of the map is the reason.
    fn explain_map(&self, map: &Map<'_>) -> Option<Hint> {
        let (why, todo) =
            diagnosis::map::unattachable(&self.section().to_string_lossy(), map.kind())?;
        Some(todo.after(format_args!("{why}; ")))
    }

    fn tried(&self, to: &str) -> String {
        format!("attach the {} to {to}", self.describe())
    }
}

/// Returns the process id, or -1 for all processes, as libbpf and perf_event_open(2) take it.
fn any_or(pid: Option<u32>) -> i32 {
    pid.map_or(-1, u32::cast_signed)
}
