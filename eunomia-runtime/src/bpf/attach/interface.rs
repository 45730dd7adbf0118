//! Network interfaces, and the programs that run on them.

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
    refusal::refusal,
};

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interface {
    /// By its number.
    Index(u32),
    /// By its name, `eth0` for example.
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
                    0 => Err(refusal(tried(), io::Error::last_os_error()).with_hint(|| {
                        let (why, todo) = absent(name);
                        Some(todo.after(format_args!("{why}; ")))
                    })),
                    index => Ok(index),
                }
            }
        }
    }
}

/// What the interface of a number is called in the network namespace of this thread; ENXIO where there is none.
pub(crate) fn name_of(index: u32) -> io::Result<String> {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the length that the call asks for.
    if unsafe { libc::if_indextoname(index, name.as_mut_ptr()) }.is_null() {
        return Err(io::Error::last_os_error());
    }
    let name: Vec<u8> = name.iter().map(|letter| letter.cast_unsigned()).take_while(|letter| *letter != 0).collect();
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// Where an interface runs an XDP program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum XdpMode {
    /// In the driver where that can, else as [`Self::Generic`].
    #[default]
    Best,
    /// In the network stack, on any interface (`XDP_FLAGS_SKB_MODE`).
    Generic,
    /// In the driver (`XDP_FLAGS_DRV_MODE`).
    Native,
    /// On the card (`XDP_FLAGS_HW_MODE`).
    Offload,
}

/// Which packets a tc program sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Those that enter the interface.
    Ingress,
    /// Those that leave it.
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

/// In the words of messages.
impl fmt::Display for XdpMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Best => "best",
            Self::Generic => "generic",
            Self::Native => "native",
            Self::Offload => "offload",
        })
    }
}

/// In the words of messages.
impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

impl Program<'_, Xdp> {
    /// Attaches the program to an interface. Never takes the place of another program, and never gives its own up to one.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EBUSY where the interface has a program already ([`attached_xdp`](crate::bpf::attached_xdp) tells which), EEXIST
    /// where it has one in another mode, EOPNOTSUPP where it cannot run one in this mode.
    pub fn attach_to(&self, interface: impl Into<Interface>, mode: XdpMode) -> Result<Link> {
        self.attach_in(&interface.into(), mode.into())
    }

    /// As [`Self::attach_to`], with the kernel's flags of the mode.
    pub(super) fn attach_in(&self, interface: &Interface, flags: u32) -> Result<Link> {
        let mode = match flags {
            libbpf_sys::XDP_FLAGS_SKB_MODE => " in generic mode",
            libbpf_sys::XDP_FLAGS_DRV_MODE => " in native mode",
            libbpf_sys::XDP_FLAGS_HW_MODE => " on the card",
            _ => "",
        };
        let position = Position { flags, ..Position::default() };
        self.link_to(self.tried(&format!("the interface {interface}{mode}")), interface.index()?, libbpf_sys::BPF_XDP, &position)
    }
}

/// What the filter of a tc program is called among others, before kernel 6.6. The kernel chooses what is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rank {
    /// Its number among those of a priority.
    pub handle: u32,
    /// Lower ones run first.
    pub priority: u32,
}

impl Program<'_, Tc> {
    /// Attaches the program to an interface after those that are there: through tcx, or as [`Self::attach_filter`] on kernels that have
    /// no tcx (before 6.6).
    ///
    /// A program before it that decides about a packet (`TC_ACT_OK` or `TC_ACT_REDIRECT`, say) keeps it from this one; see
    /// [`Self::attach_at`].
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn attach_to(&self, interface: impl Into<Interface>, direction: Direction) -> Result<Link> {
        self.on_interface(&interface.into(), direction, Rank::default(), &Order::Last, None)
    }

    /// As [`Self::attach_to`], at a place among the other programs of tcx. With a `revision`, which
    /// [`attached_tcx`](crate::bpf::attached_tcx) tells, only if nobody has attached or detached a program since.
    ///
    /// Kernels without tcx (before 6.6) run filters by their [`Rank`], and take [`Order::Last`] alone here.
    ///
    /// # Errors
    /// [`Error::Kernel`]; ENOENT if the anchor is not there, ESTALE if the revision is another.
    pub fn attach_at(&self, interface: impl Into<Interface>, direction: Direction, order: &Order, revision: Option<u64>) -> Result<Link> {
        self.on_interface(&interface.into(), direction, Rank::default(), order, revision)
    }

    /// Attaches the program to an interface as a filter of a `clsact` queueing discipline, which is made where there is none and stays.
    /// The program decides what becomes of the packet (`direct-action`).
    ///
    /// The kernel does not end such a filter with the process: dropping the link does, in a thread of the same network namespace, and the
    /// end of the interface or of the namespace. It leaves alone what others have put in its place meanwhile.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EEXIST where there is a filter of this rank, ENOENT where the kernel's modules
    /// `sch_ingress` or `cls_bpf` are missing.
    pub fn attach_filter(&self, interface: impl Into<Interface>, direction: Direction, rank: Rank) -> Result<Link> {
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
        // A filter has a place among others by its priority alone.
        let anywhere = revision.is_none() && (*order == Order::Last || (*order == Order::First && rank.priority > 0));
        match self.link_to(tried, interface.index()?, direction.attach_type(), &order.position(revision)?) {
            // What a kernel without tcx says to a type of attachment that it does not know; one with tcx never says it to these arguments.
            Err(Error::Kernel(refusal)) if anywhere && refusal.source.raw_os_error() == Some(libc::EINVAL) => {
                self.filter(interface, direction, rank)
            }
            link => link.map_err(|error| error.with_hint(|| requirement::TCX.lacking())),
        }
    }

    fn filter(&self, interface: &Interface, direction: Direction, rank: Rank) -> Result<Link> {
        let tried = self.tried(&format!("{direction} of the interface {interface} as a filter"));
        let filter = Filter::attach(tried, self.fd()?, interface.index()?, direction, rank).map_err(|error| self.explain(error))?;
        Ok(self.held(Held::Filter(filter)))
    }
}

/// Which end of a netkit pair of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The one that made the pair, which holds the programs of both.
    Primary,
    /// The other.
    Peer,
}

/// In the words of messages.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary end",
            Self::Peer => "peer",
        })
    }
}

impl Program<'_, Netkit> {
    /// Attaches the program to one end of a pair of netkit devices, given by the primary one (kernel 6.7 and later). The end must be that
    /// of the program's section.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EINVAL where the interface is no primary netkit device.
    pub fn attach_to(&self, primary: impl Into<Interface>, end: End) -> Result<Link> {
        self.attach_at(primary, end, &Order::Last, None)
    }

    /// As [`Self::attach_to`], at a place among the programs of that end. With a `revision`, only if it is still that of the end.
    ///
    /// # Errors
    /// Those of [`Self::attach_to`]; ENOENT if the anchor is not there, ESTALE if the revision is another.
    pub fn attach_at(&self, primary: impl Into<Interface>, end: End, order: &Order, revision: Option<u64>) -> Result<Link> {
        let primary = primary.into();
        let attach_type = match end {
            End::Primary => libbpf_sys::BPF_NETKIT_PRIMARY,
            End::Peer => libbpf_sys::BPF_NETKIT_PEER,
        };
        let tried = self.tried(&format!("the {end} of the netkit device {primary}"));
        self.link_to(tried, primary.index()?, attach_type, &order.position(revision)?)
    }
}
