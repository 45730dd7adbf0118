//! Filters of the `clsact` queueing discipline: how programs sat on interfaces before tcx.

use std::os::fd::BorrowedFd;

use libbpf_rs::{ErrorKind, TcHook, TcHookBuilder, libbpf_sys};

use super::interface::{Direction, Rank};
use crate::{
    Result,
    bpf::messages::{listen, refused},
};

/// A filter. Dropping it removes it, unless something else stands in its place.
#[derive(Debug)]
pub(in crate::bpf) struct Filter {
    hook: TcHook,
    /// The kernel's number of the program.
    program: u32,
}

// SAFETY: the one pointer in it is the name of a queueing discipline of another kind, which is NULL here; the rest are numbers.
unsafe impl Send for Filter {}
// SAFETY: as above, and nothing is done with it but to drop it.
unsafe impl Sync for Filter {}

impl Filter {
    pub(super) fn attach(tried: String, program: BorrowedFd<'_>, interface: u32, direction: Direction, rank: Rank) -> Result<Self> {
        let point = match direction {
            Direction::Ingress => libbpf_sys::BPF_TC_INGRESS,
            Direction::Egress => libbpf_sys::BPF_TC_EGRESS,
        };
        let mut hook = TcHookBuilder::new(program).ifindex(interface.cast_signed()).handle(rank.handle).priority(rank.priority).hook(point);
        let (made, said) = listen(|| hook.create());
        let mut hook = made.map_err(|error| {
            refused(tried.clone(), &error, &said).with_hint(|| missing(&error, "sch_ingress", "CONFIG_NET_SCH_INGRESS"))
        })?;
        let (attached, said) = listen(|| {
            let mut hook = hook.attach()?;
            let program = hook.query()?;
            Ok(Self { hook, program })
        });
        attached.map_err(|error| refused(tried, &error, &said).with_hint(|| missing(&error, "cls_bpf", "CONFIG_NET_CLS_BPF")))
    }
}

/// The kernel says ENOENT where it finds no module for what it is asked for.
fn missing(error: &libbpf_rs::Error, module: &str, option: &str) -> Option<String> {
    let why = format!("the kernel's module `{module}` ({option}) is missing: `modprobe {module}`; tcx, of Linux 6.6 and later, needs none");
    (error.kind() == ErrorKind::NotFound).then_some(why)
}

impl Drop for Filter {
    fn drop(&mut self) {
        if self.hook.query().is_ok_and(|program| program == self.program) {
            // One that is gone by now is what was wanted.
            let _ = self.hook.detach();
        }
    }
}
