//! Programs on cgroups, network namespaces and netfilter hooks.

use std::{
    fmt,
    fs::File,
    os::{
        fd::{AsFd, AsRawFd as _},
        unix::fs::OpenOptionsExt as _,
    },
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
    diagnosis::{busy, requirement},
    host::{kernel_error, mount::OF_CGROUPS},
};

impl Program<'_, Cgroup> {
    /// Attaches the program to a cgroup (version 2), given by its directory, after the programs
    /// that are there. The program applies to the processes in the cgroup and in its descendants.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; ENOENT if the directory is
    /// not found, EBADF if it is not a cgroup: see
    /// [`mount::cgroup2`](crate::host::mount::cgroup2).
    pub fn attach_to(&self, cgroup: impl AsRef<Path>) -> Result<Link> {
        self.attach_at(cgroup, &Order::Last, None)
    }

    /// Attaches the program as [`Self::attach_to`] does, at a position among the programs of the
    /// cgroup itself. Programs of the parent cgroups run after those. Orders other than
    /// [`Order::Last`] need Linux 6.17, and so does a `revision`. If it is given, the program is
    /// attached only if the cgroup still has this revision.
    ///
    /// # Errors
    /// Those of [`Self::attach_to`]; ENOENT if the anchor is not found, ESTALE if the revision has
    /// changed.
    pub fn attach_at(
        &self,
        cgroup: impl AsRef<Path>,
        order: &Order,
        revision: Option<u64>,
    ) -> Result<Link> {
        let cgroup = cgroup.as_ref();
        let tried = self.tried(&format!("the cgroup {}", cgroup.display()));
        let none = || OF_CGROUPS.mounted().is_none();
        let folder = File::options()
            .read(true)
            .custom_flags(libc::O_DIRECTORY)
            .open(cgroup)
            .map_err(|error| {
                kernel_error(tried.clone(), error).with_hint(|| none().then(|| OF_CGROUPS.absent()))
            })?;
        let elsewhere = || OF_CGROUPS.holds(cgroup) == Some(false);
        let link = if *order == Order::Last && revision.is_none() {
            self.linked(tried, |program| program.attach_cgroup(folder.as_raw_fd()))
        } else {
            let position = order.position(revision)?;
            let link = self.link_to(
                tried,
                folder.as_raw_fd().cast_unsigned(),
                self.attach_type(),
                &position,
            );
            link.map_err(|error| error.with_hint(|| requirement::CGROUP_ORDER.lacking()))
        };
        link.map_err(|error| error.with_hint(|| elsewhere().then(|| OF_CGROUPS.absent())))
    }
}

impl Program<'_, Netns> {
    /// Attaches the program to a network namespace, given by a file descriptor of it, such as that
    /// of `/proc/self/ns/net`.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; EEXIST if the namespace
    /// already has a program of this type and allows only one.
    pub fn attach_to(&self, namespace: impl AsFd) -> Result<Link> {
        self.linked(self.tried("a network namespace"), |program| {
            program.attach_netns(namespace.as_fd().as_raw_fd())
        })
    }
}

/// A netfilter hook in the network namespace of the thread that attaches (kernel 6.4 and later).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetfilterHook {
    /// The protocol family: `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    pub family: i32,
    /// The hook: `NF_INET_PRE_ROUTING`, `NF_INET_LOCAL_IN` and so on.
    pub hook: i32,
    /// The priority. Programs with lower ones run first. The kernel refuses `i32::MIN` and
    /// `i32::MAX`.
    pub priority: i32,
    /// True if the program sees packets after their fragments were reassembled.
    pub defragmented: bool,
}

/// Formats the hook for messages.
impl fmt::Display for NetfilterHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, hook, priority, .. } = self;
        match *family {
            libc::NFPROTO_IPV4 => f.write_str("the IPv4")?,
            libc::NFPROTO_IPV6 => f.write_str("the IPv6")?,
            other => write!(f, "the family {other}")?,
        }
        write!(f, " netfilter hook {hook} with priority {priority}")
    }
}

impl NetfilterHook {
    /// Returns a hint that names the programs with the same priority. They may be in another
    /// network namespace, because the kernel does not tell the namespace of a link.
    fn taken(&self) -> Option<String> {
        let links = busy::links(|info| {
            // SAFETY: all members of the union are numbers, for which any bytes are valid. They are
            // those of netfilter if the type of the link, compared below, is netfilter.
            let there = unsafe { info.__bindgen_anon_1.netfilter };
            info.type_ == libbpf_sys::BPF_LINK_TYPE_NETFILTER
                && (there.pf.cast_signed(), there.hooknum.cast_signed(), there.priority)
                    == (self.family, self.hook, self.priority)
        });
        let there: Vec<String> =
            links.into_iter().map(|(link, program)| busy::program_of(link, program)).collect();
        (!there.is_empty()).then(|| {
            format!("{} already has this priority; choose another priority", there.join(" or "))
        })
    }
}

impl Program<'_, Netfilter> {
    /// Attaches the program to a netfilter hook (kernel 6.4 and later).
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; EBUSY if the hook already has
    /// a program with this priority.
    pub fn attach_to(&self, hook: NetfilterHook) -> Result<Link> {
        let opts = libbpf_sys::bpf_netfilter_opts {
            sz: size_of::<libbpf_sys::bpf_netfilter_opts>() as libbpf_sys::size_t,
            pf: hook.family.cast_unsigned(),
            hooknum: hook.hook.cast_unsigned(),
            priority: hook.priority,
            flags: if hook.defragmented { libbpf_sys::BPF_F_NETFILTER_IP_DEFRAG } else { 0 },
        };
        let link = self.linked_by(self.tried(&hook.to_string()), |program| {
            // SAFETY: the program is of a live object. The options live through the call, which
            // only reads them.
            unsafe { libbpf_sys::bpf_program__attach_netfilter(program, &raw const opts) }
        });
        link.map_err(|error| match &error {
            Error::Kernel(kernel_error)
                if kernel_error.source.raw_os_error() == Some(libc::EBUSY) =>
            {
                error.with_hint(|| hook.taken())
            }
            _ => error,
        })
    }
}
