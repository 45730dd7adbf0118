//! Network interfaces, and the XDP, tc and netkit programs that are attached to them.

use std::{fmt, io};

use libbpf_rs::libbpf_sys;

use super::{
    clsact::Filter,
    order::{Order, Position},
};
use crate::{
    Error, Result,
    bpf::{
        Link, Program,
        kind::{Netkit, Tc, Xdp},
        link::Held,
        sys::c_string,
    },
    diagnosis::{interface::absent, requirement},
    host::{interface::XdpMode, kernel_error},
};

/// A network interface in the network namespace of the thread that uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interface {
    /// The index of the interface.
    Index(u32),
    /// The name of the interface, `eth0` for example.
    Name(String),
}

impl From<u32> for Interface {
    fn from(index: u32) -> Self {
        Self::Index(index)
    }
}

impl From<&str> for Interface {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "number {index}"),
            Self::Name(name) => write!(f, "`{name}`"),
        }
    }
}

impl Interface {
    pub(crate) fn index(&self) -> Result<u32> {
        match self {
            Self::Index(index) => Ok(*index),
            Self::Name(name) => {
                let tried = || format!("find the interface `{name}`");
                let c_name = c_string(name.as_str(), tried)?;
                // SAFETY: the name ends with a NUL and lives through the call, which only reads it.
                match unsafe { libc::if_nametoindex(c_name.as_ptr()) } {
                    0 => Err(kernel_error(tried(), io::Error::last_os_error()).with_hint(|| {
                        let (why, todo) = absent(name);
                        Some(todo.after(format_args!("{why}; ")))
                    })),
                    index => Ok(index),
                }
            }
        }
    }
}

impl From<XdpMode> for u32 {
    /// Returns the flags of the mode: `XDP_FLAGS_*`.
    fn from(mode: XdpMode) -> Self {
        match mode {
            XdpMode::Best => 0,
            XdpMode::Generic => libbpf_sys::XDP_FLAGS_SKB_MODE,
            XdpMode::Native => libbpf_sys::XDP_FLAGS_DRV_MODE,
            XdpMode::Offload => libbpf_sys::XDP_FLAGS_HW_MODE,
        }
    }
}

/// The direction of the packets that a tc program sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Packets that enter the interface.
    Ingress,
    /// Packets that leave the interface.
    Egress,
}

impl Direction {
    pub(super) const fn attach_type(self) -> libbpf_sys::bpf_attach_type {
        match self {
            Self::Ingress => libbpf_sys::BPF_TCX_INGRESS,
            Self::Egress => libbpf_sys::BPF_TCX_EGRESS,
        }
    }
}

/// Formats the direction for messages.
impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

impl Program<'_, Xdp> {
    /// Attaches the program to an interface, where it sees the packets that the interface receives.
    /// It does not replace the program of another link, and no other program replaces it.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the kernel refuses; EBUSY if the interface already has a program
    /// ([`attached_xdp`](crate::bpf::attached_xdp) returns it), EEXIST if it has one in another
    /// mode, EOPNOTSUPP if it cannot run one in this mode.
    pub fn attach_to(&self, interface: impl Into<Interface>, mode: XdpMode) -> Result<Link> {
        self.attach_in(&interface.into(), mode.into())
    }

    /// Attaches the program as [`Self::attach_to`] does, with the kernel's flags of the mode.
    pub(super) fn attach_in(&self, interface: &Interface, flags: u32) -> Result<Link> {
        let mode = match flags {
            libbpf_sys::XDP_FLAGS_SKB_MODE => " in generic mode",
            libbpf_sys::XDP_FLAGS_DRV_MODE => " in native mode",
            libbpf_sys::XDP_FLAGS_HW_MODE => " on the card",
            _ => "",
        };
        let position = Position { flags, ..Position::default() };
        self.link_to(
            self.tried(&format!("the interface {interface}{mode}")),
            interface.index()?,
            libbpf_sys::BPF_XDP,
            &position,
        )
    }
}

/// The handle and the priority of the filter that attaches a tc program before kernel 6.6. The
/// kernel chooses those that are 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rank {
    /// The number of the filter among those with its priority.
    pub handle: u32,
    /// The priority. Filters with lower ones run first.
    pub priority: u32,
}

impl Program<'_, Tc> {
    /// Attaches the program to an interface, after the programs that are there: through tcx, or as
    /// [`Self::attach_filter`] does if the kernel lacks tcx (before 6.6).
    ///
    /// The program does not see packets that an earlier program decides about (by `TC_ACT_OK` or
    /// `TC_ACT_REDIRECT`, for example); see [`Self::attach_at`].
    ///
    /// # Errors
    /// [`Error::Kernel`] if the kernel refuses.
    pub fn attach_to(&self, interface: impl Into<Interface>, direction: Direction) -> Result<Link> {
        self.on_interface(&interface.into(), direction, Rank::default(), &Order::Last, None)
    }

    /// Attaches the program as [`Self::attach_to`] does, at a position among the other programs of
    /// tcx. If a `revision` is given, which [`attached_tcx`](crate::bpf::attached_tcx) returns, the
    /// program is attached only if no program was attached or detached since.
    ///
    /// Kernels without tcx (before 6.6) run filters by their [`Rank`] and support only
    /// [`Order::Last`] here.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the kernel refuses; ENOENT if the anchor is not found, ESTALE if the
    /// revision has changed.
    pub fn attach_at(
        &self,
        interface: impl Into<Interface>,
        direction: Direction,
        order: &Order,
        revision: Option<u64>,
    ) -> Result<Link> {
        self.on_interface(&interface.into(), direction, Rank::default(), order, revision)
    }

    /// Attaches the program to an interface as a filter of a `clsact` queueing discipline. The
    /// discipline is created if it is missing, and it stays. The program itself decides about the
    /// packet (`direct-action`).
    ///
    /// The kernel does not remove the filter when the process ends. It is removed when the link is
    /// dropped in a thread of the same network namespace, or when the interface or the namespace
    /// goes. Dropping the link does not remove a filter that others have put in its place.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the kernel refuses; EEXIST if a filter of this rank exists, ENOENT if
    /// the kernel module `sch_ingress` or `cls_bpf` is missing.
    pub fn attach_filter(
        &self,
        interface: impl Into<Interface>,
        direction: Direction,
        rank: Rank,
    ) -> Result<Link> {
        self.filter(&interface.into(), direction, rank)
    }
}

impl<K> Program<'_, K> {
    pub(super) fn on_interface(
        &self,
        interface: &Interface,
        direction: Direction,
        rank: Rank,
        order: &Order,
        revision: Option<u64>,
    ) -> Result<Link> {
        let tried = self.tried(&format!("{direction} of the interface {interface}"));
        // The position of a filter depends on its priority only.
        let anywhere = revision.is_none()
            && (*order == Order::Last || (*order == Order::First && rank.priority > 0));
        match self.link_to(
            tried,
            interface.index()?,
            direction.attach_type(),
            &order.position(revision)?,
        ) {
            // A kernel without tcx returns EINVAL for the unknown attach type. One with tcx never
            // returns it for these arguments.
            Err(Error::Kernel(kernel_error))
                if anywhere && kernel_error.source.raw_os_error() == Some(libc::EINVAL) =>
            {
                self.filter(interface, direction, rank)
            }
            link => link.map_err(|error| error.with_hint(|| requirement::TCX.lacking())),
        }
    }

    fn filter(&self, interface: &Interface, direction: Direction, rank: Rank) -> Result<Link> {
        let tried = self.tried(&format!("{direction} of the interface {interface} as a filter"));
        let filter = Filter::attach(tried, self.fd()?, interface.index()?, direction, rank)
            .map_err(|error| self.explain(error))?;
        Ok(self.held(Held::Filter(filter)))
    }
}

/// An end of a pair of netkit devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The primary device. It created the pair and holds the programs of both ends.
    Primary,
    /// The peer device.
    Peer,
}

/// Formats the end for messages.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary end",
            Self::Peer => "peer",
        })
    }
}

impl Program<'_, Netkit> {
    /// Attaches the program to one end of a pair of netkit devices, given by the primary device
    /// (kernel 6.7 and later). The end must be the one that the section of the program names.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the kernel refuses; EINVAL if the interface is not a primary netkit
    /// device.
    pub fn attach_to(&self, primary: impl Into<Interface>, end: End) -> Result<Link> {
        self.attach_at(primary, end, &Order::Last, None)
    }

    /// Attaches the program as [`Self::attach_to`] does, at a position among the programs of that
    /// end. If a `revision` is given, the program is attached only if the end still has this
    /// revision.
    ///
    /// # Errors
    /// Those of [`Self::attach_to`]; ENOENT if the anchor is not found, ESTALE if the revision has
    /// changed.
    pub fn attach_at(
        &self,
        primary: impl Into<Interface>,
        end: End,
        order: &Order,
        revision: Option<u64>,
    ) -> Result<Link> {
        let primary = primary.into();
        let attach_type = match end {
            End::Primary => libbpf_sys::BPF_NETKIT_PRIMARY,
            End::Peer => libbpf_sys::BPF_NETKIT_PEER,
        };
        let tried = self.tried(&format!("the {end} of the netkit device {primary}"));
        self.link_to(tried, primary.index()?, attach_type, &order.position(revision)?)
    }
}
