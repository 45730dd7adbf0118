//! Programs on groups of processes and on networks: cgroups, network namespaces, netfilter.

use std::{
    fmt,
    fs::File,
    os::fd::{AsFd, AsRawFd as _},
    path::Path,
};

use libbpf_rs::libbpf_sys;

use super::Order;
use crate::{
    Error, Result,
    bpf::{
        Link, Program,
        kind::{Cgroup, Netfilter, Netns},
    },
    diagnosis::{busy, mount::OF_CGROUPS, requirement},
    refusal::refusal,
};

impl Program<'_, Cgroup> {
    /// Attaches the program to a cgroup (of version 2), given by its folder, beside others that are there. It sees the processes in it and
    /// in those below.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel); ENOENT where there is no such folder, EBADF where it is no cgroup: see
    /// [`mount::cgroup2`](crate::diagnosis::mount::cgroup2).
    pub fn attach_to(&self, cgroup: impl AsRef<Path>) -> Result<Link> {
        self.attach_at(cgroup, &Order::Last, None)
    }

    /// As [`Self::attach_to`], at a place among the programs of the cgroup itself; those of the cgroups above run after them. All but
    /// [`Order::Last`] needs Linux 6.17, as does a `revision`, with which the program is attached only if it is still that of the cgroup.
    ///
    /// # Errors
    /// Those of [`Self::attach_to`]; ENOENT if the anchor is not there, ESTALE if the revision is another.
    pub fn attach_at(&self, cgroup: impl AsRef<Path>, order: &Order, revision: Option<u64>) -> Result<Link> {
        let cgroup = cgroup.as_ref();
        let tried = self.tried(&format!("the cgroup {}", cgroup.display()));
        let none = || OF_CGROUPS.mounted().is_none();
        let folder = File::open(cgroup).map_err(|error| refusal(tried.clone(), error).with_hint(|| none().then(|| OF_CGROUPS.absent())))?;
        let elsewhere = || OF_CGROUPS.holds(cgroup) == Some(false);
        let link = if *order == Order::Last && revision.is_none() {
            self.linked(tried, |program| program.attach_cgroup(folder.as_raw_fd()))
        } else {
            let position = order.position(revision)?;
            let link = self.link_to(tried, folder.as_raw_fd().cast_unsigned(), self.attach_type(), &position);
            link.map_err(|error| error.with_hint(|| requirement::CGROUP_ORDER.lacking()))
        };
        link.map_err(|error| error.with_hint(|| elsewhere().then(|| OF_CGROUPS.absent())))
    }
}

impl Program<'_, Netns> {
    /// Attaches the program to a network namespace, given by its descriptor (`/proc/self/ns/net`).
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel); EEXIST where there is a program already and there can be one only.
    pub fn attach_to(&self, namespace: impl AsFd) -> Result<Link> {
        self.linked(self.tried("a network namespace"), |program| program.attach_netns(namespace.as_fd().as_raw_fd()))
    }
}

/// A hook of netfilter, in the network namespace of the thread that attaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetfilterHook {
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    pub family: i32,
    /// `NF_INET_PRE_ROUTING` and its kin.
    pub hook: i32,
    /// Lower ones run first; `i32::MIN` and `i32::MAX` are refused.
    pub priority: i32,
    /// Whether packets come with their fragments put together.
    pub defragmented: bool,
}

/// In the words of messages.
impl fmt::Display for NetfilterHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, hook, priority, .. } = self;
        match *family {
            libc::NFPROTO_IPV4 => f.write_str("the IPv4 ")?,
            libc::NFPROTO_IPV6 => f.write_str("the IPv6 ")?,
            other => write!(f, "family {other}, ")?,
        }
        write!(f, "hook {hook} of netfilter with the priority {priority}")
    }
}

impl NetfilterHook {
    /// Who is there with the same priority: in this network namespace or in another one, which the kernel does not tell.
    fn taken(&self) -> Option<String> {
        let links = busy::links(|info| {
            // SAFETY: the numbers are those of netfilter if the type of the link says so, and numbers all the same if it does not.
            let there = unsafe { info.__bindgen_anon_1.netfilter };
            info.type_ == libbpf_sys::BPF_LINK_TYPE_NETFILTER
                && (there.pf.cast_signed(), there.hooknum.cast_signed(), there.priority) == (self.family, self.hook, self.priority)
        });
        let there: Vec<String> = links.into_iter().map(|(link, program)| busy::program_of(link, program)).collect();
        (!there.is_empty()).then(|| format!("{} is there with this priority; give another priority", there.join(" or ")))
    }
}

impl Program<'_, Netfilter> {
    /// Attaches the program to a hook of netfilter (kernel 6.4 and later).
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel); EBUSY where there is one of this priority.
    pub fn attach_to(&self, hook: NetfilterHook) -> Result<Link> {
        let opts = libbpf_sys::bpf_netfilter_opts {
            sz: size_of::<libbpf_sys::bpf_netfilter_opts>() as libbpf_sys::size_t,
            pf: hook.family.cast_unsigned(),
            hooknum: hook.hook.cast_unsigned(),
            priority: hook.priority,
            flags: if hook.defragmented { libbpf_sys::BPF_F_NETFILTER_IP_DEFRAG } else { 0 },
        };
        let link = self.linked_by(self.tried(&hook.to_string()), |program| {
            // SAFETY: the program is that of a live object; the options live through the call, which only reads them.
            unsafe { libbpf_sys::bpf_program__attach_netfilter(program, &raw const opts) }
        });
        link.map_err(|error| match &error {
            Error::Kernel(refusal) if refusal.source.raw_os_error() == Some(libc::EBUSY) => error.with_hint(|| hook.taken()),
            _ => error,
        })
    }
}
