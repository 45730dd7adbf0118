//! Filters of the `clsact` queueing discipline, which attach tc programs on kernels before tcx.

use std::os::fd::BorrowedFd;

use libbpf_rs::{ErrorKind, TcAttachPoint, TcHook, TcHookBuilder, libbpf_sys};

use super::interface::{Direction, Rank};
use crate::{
    Error, Result,
    host::messages::{listen, refused},
};

/// A filter of an interface. Dropping it removes the filter, unless it was replaced by another one.
#[derive(Debug)]
pub(in crate::bpf) struct Filter {
    hook: TcHook,
    interface: u32,
    point: TcAttachPoint,
    /// The id of the program.
    program: u32,
}

// SAFETY: the only pointer in it is the name of a queueing discipline of another kind, which is
// NULL here. The rest are numbers.
unsafe impl Send for Filter {}
// SAFETY: as above. A shared reference can only format the hook, which reads it.
unsafe impl Sync for Filter {}

impl Filter {
    pub(super) fn attach(
        tried: String,
        program: BorrowedFd<'_>,
        interface: u32,
        direction: Direction,
        rank: Rank,
    ) -> Result<Self> {
        let point = match direction {
            Direction::Ingress => libbpf_sys::BPF_TC_INGRESS,
            Direction::Egress => libbpf_sys::BPF_TC_EGRESS,
        };
        let mut hook = hook(program, interface, point, rank);
        let (created, messages) = listen(|| hook.create());
        let mut hook = created.map_err(|error| {
            refused(tried.clone(), &error, &messages)
                .with_hint(|| missing_module(&error, "sch_ingress", "CONFIG_NET_SCH_INGRESS"))
        })?;
        let (attached, messages) = listen(|| {
            let mut hook = hook.attach()?;
            let program = hook.query()?;
            Ok(Self { hook, interface, point, program })
        });
        attached.map_err(|error| {
            refused(tried, &error, &messages)
                .with_hint(|| missing_module(&error, "cls_bpf", "CONFIG_NET_CLS_BPF"))
        })
    }

    /// Replaces the program of the filter by another one, atomically. `id` is the id of the new
    /// program.
    pub(in crate::bpf) fn replace(
        &mut self,
        tried: String,
        program: BorrowedFd<'_>,
        id: u32,
    ) -> Result<()> {
        if !listen(|| self.is_attached()).0 {
            let why = "the filter of the link was removed or replaced by another one".to_owned();
            return Err(Error::Mismatch { name: tried, why });
        }
        let rank = Rank { handle: self.hook.get_handle(), priority: self.hook.get_priority() };
        let mut hook = hook(program, self.interface, self.point, rank);
        let (replaced, messages) = listen(|| hook.replace(true).attach());
        self.hook = replaced.map_err(|error| refused(tried, &error, &messages))?;
        self.program = id;
        Ok(())
    }

    /// Returns true if the filter is there and runs the program of this handle.
    fn is_attached(&mut self) -> bool {
        self.hook.query().is_ok_and(|program| program == self.program)
    }
}

fn hook(program: BorrowedFd<'_>, interface: u32, point: TcAttachPoint, rank: Rank) -> TcHook {
    TcHookBuilder::new(program)
        .ifindex(interface.cast_signed())
        .handle(rank.handle)
        .priority(rank.priority)
        .hook(point)
}

/// Returns a hint if the kernel returned ENOENT, which means that it lacks the module.
fn missing_module(error: &libbpf_rs::Error, module: &str, option: &str) -> Option<String> {
    let hint = format!(
        "the kernel module `{module}` ({option}) is missing: `modprobe {module}`; tcx (Linux 6.6 and later) needs no module"
    );
    (error.kind() == ErrorKind::NotFound).then_some(hint)
}

impl Drop for Filter {
    fn drop(&mut self) {
        if self.is_attached() {
            // Detaching fails if the filter was removed in the meantime, which is the wanted state.
            let _ = self.hook.detach();
        }
    }
}
