//! Filters of the `clsact` queueing discipline: how programs sat on interfaces before tcx.

use std::os::fd::BorrowedFd;

use libbpf_rs::{ErrorKind, TcAttachPoint, TcHook, TcHookBuilder, libbpf_sys};

use super::interface::{Direction, Rank};
use crate::{
    Error, Result,
    bpf::sys::messages::{listen, refused},
};

/// A filter. Dropping it removes it, unless something else stands in its place.
#[derive(Debug)]
pub(in crate::bpf) struct Filter {
    hook: TcHook,
    interface: u32,
    point: TcAttachPoint,
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
        let mut hook = hook(program, interface, point, rank);
        let (made, said) = listen(|| hook.create());
        let mut hook = made.map_err(|error| {
            refused(tried.clone(), &error, &said).with_hint(|| missing(&error, "sch_ingress", "CONFIG_NET_SCH_INGRESS"))
        })?;
        let (attached, said) = listen(|| {
            let mut hook = hook.attach()?;
            let program = hook.query()?;
            Ok(Self { hook, interface, point, program })
        });
        attached.map_err(|error| refused(tried, &error, &said).with_hint(|| missing(&error, "cls_bpf", "CONFIG_NET_CLS_BPF")))
    }

    /// Puts another program in the place of this one, in one step; `id` is the kernel's number of it.
    pub(in crate::bpf) fn replace(&mut self, tried: String, program: BorrowedFd<'_>, id: u32) -> Result<()> {
        if !listen(|| self.stands()).0 {
            let why = "the filter that the link has put there is gone, or something else stands in its place".to_owned();
            return Err(Error::Value { name: tried, why });
        }
        let rank = Rank { handle: self.hook.get_handle(), priority: self.hook.get_priority() };
        let mut hook = hook(program, self.interface, self.point, rank);
        let (replaced, said) = listen(|| hook.replace(true).attach());
        self.hook = replaced.map_err(|error| refused(tried, &error, &said))?;
        self.program = id;
        Ok(())
    }

    /// Whether it is there, and not something else in its place.
    fn stands(&mut self) -> bool {
        self.hook.query().is_ok_and(|program| program == self.program)
    }
}

fn hook(program: BorrowedFd<'_>, interface: u32, point: TcAttachPoint, rank: Rank) -> TcHook {
    TcHookBuilder::new(program).ifindex(interface.cast_signed()).handle(rank.handle).priority(rank.priority).hook(point)
}

/// The kernel says ENOENT where it finds no module for what it is asked for.
fn missing(error: &libbpf_rs::Error, module: &str, option: &str) -> Option<String> {
    let why = format!("the kernel's module `{module}` ({option}) is missing: `modprobe {module}`; tcx, of Linux 6.6 and later, needs none");
    (error.kind() == ErrorKind::NotFound).then_some(why)
}

impl Drop for Filter {
    fn drop(&mut self) {
        if self.stands() {
            // One that is gone by now is what was wanted.
            let _ = self.hook.detach();
        }
    }
}
