//! What `attach` attaches programs to whose sections do not say it, or say something else.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::PathBuf,
    sync::Arc,
};

use libbpf_rs::{MapCore as _, Object, ProgramType, UprobeOpts, libbpf_sys};

use super::{Direction, End, Functions, Interface, NetfilterHook, Order, Rank, Sampling, XdpMode, any_or};
use crate::{
    Error, Result,
    bpf::{
        Link, Links, Map, Program,
        kind::{
            Any, Cgroup, Iter, Kind, Kprobe, KprobeMulti, Ksyscall, Netfilter, Netkit, Netns, PerfEvent, RawTracepoint, SocketFilter,
            SocketMap, Tc, Tracepoint, Uprobe, UprobeMulti, Usdt, Xdp,
        },
        link::Held,
    },
    diagnosis::{
        map::walked,
        privilege::{type_name, type_names},
    },
    refusal::refusal,
};

/// What a program is attached to, see [`Open::set_target`](crate::bpf::Open::set_target).
///
/// It is read from words like those of sections, as the command does with `--attach`:
///
/// ```
/// use eunomia_runtime::bpf::{Direction, Order, Rank, Target};
///
/// let target: Target = "tcx:eth0/ingress,first".parse()?;
/// assert_eq!(target, Target::Tc { interface: "eth0".into(), direction: Direction::Ingress, rank: Rank::default(), order: Order::First });
/// # Ok::<(), eunomia_runtime::Error>(())
/// ```
///
#[doc = include_str!("targets.md")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// An XDP program on an interface.
    Xdp {
        /// The interface.
        interface: Interface,
        /// `XDP_FLAGS_*`; only those of the mode count, as no program ever takes the place of another.
        flags: u32,
    },
    /// A tc program on an interface.
    Tc {
        /// The interface.
        interface: Interface,
        /// Which packets it sees.
        direction: Direction,
        /// Its place on kernels without tcx.
        rank: Rank,
        /// Its place among those of tcx. Kernels without tcx (before 6.6) take [`Order::Last`], and [`Order::First`] if `rank` has a
        /// priority, which then counts.
        order: Order,
    },
    /// A program on one end of a pair of netkit devices.
    Netkit {
        /// The primary device.
        primary: Interface,
        /// Which end.
        end: End,
        /// Its place among those that are there.
        order: Order,
    },
    /// A program on a cgroup of version 2.
    Cgroup {
        /// The folder of the cgroup.
        path: PathBuf,
        /// Its place among those that are there; all but [`Order::Last`] needs Linux 6.17.
        order: Order,
    },
    /// A program on a network namespace, given by a file as `/proc/self/ns/net` or `/run/netns/NAME`.
    Netns(PathBuf),
    /// A program at a hook of netfilter.
    Netfilter(NetfilterHook),
    /// A socket filter on a packet socket of its own, which sees all that passes an interface for as long as the link is there.
    Packets(Interface),
    /// A map of the same object: of sockets for `sk_skb` and `sk_msg`, or the one that an iterator walks over.
    Map(String),
    /// A function or tracepoint of the kernel, for `fentry`, `fexit`, `fmod_ret`, `lsm` and `tp_btf` programs in place of the one that
    /// their section names.
    Function(String),
    /// A kernel function. For `kprobe.multi` and its kin a pattern: `*` stands for any characters, `?` for one.
    Kprobe {
        /// The function.
        function: String,
        /// Whether the program runs when the function returns; the program's section must say the same.
        returns: bool,
    },
    /// A system call by its name (`unlinkat`).
    Ksyscall(String),
    /// A tracepoint.
    Tracepoint {
        /// Its category, `sched` for example.
        category: String,
        /// Its name, `sched_switch` for example.
        name: String,
    },
    /// A tracepoint with its arguments as they are.
    RawTracepoint(String),
    /// A place in a program or library. For `uprobe.multi` and its kin all functions that match the pattern.
    Uprobe {
        /// The file; a library may be given by its name (`libc.so.6`).
        binary: PathBuf,
        /// The function; `None` if `offset` counts from the start of the file.
        function: Option<String>,
        /// Bytes from the start of the function or file.
        offset: usize,
        /// Whether the program runs when the function returns; the program's section must say the same.
        returns: bool,
        /// One process, or all (`None`).
        pid: Option<u32>,
    },
    /// A static probe of a program or library.
    Usdt {
        /// The file.
        binary: PathBuf,
        /// Who declares it.
        provider: String,
        /// Its name.
        probe: String,
        /// One process, or all (`None`).
        pid: Option<u32>,
    },
    /// Samples of a perf event.
    PerfEvent(Sampling),
}

impl Target {
    /// The types of programs that it takes.
    fn types(&self) -> &'static [ProgramType] {
        match self {
            Self::Xdp { .. } => Xdp::TYPES,
            Self::Tc { .. } => Tc::TYPES,
            Self::Netkit { .. } => Netkit::TYPES,
            Self::Cgroup { .. } => Cgroup::TYPES,
            Self::Netns(_) => Netns::TYPES,
            Self::Netfilter(_) => Netfilter::TYPES,
            Self::Packets(_) => SocketFilter::TYPES,
            Self::Map(_) => &[ProgramType::SkSkb, ProgramType::SkMsg, ProgramType::Tracing],
            Self::Function(_) => &[ProgramType::Tracing, ProgramType::Lsm],
            Self::Kprobe { .. } | Self::Ksyscall(_) | Self::Uprobe { .. } | Self::Usdt { .. } => Kprobe::TYPES,
            Self::Tracepoint { .. } => Tracepoint::TYPES,
            Self::RawTracepoint(_) => RawTracepoint::TYPES,
            Self::PerfEvent(_) => PerfEvent::TYPES,
        }
    }

    /// Why a program of a type and section cannot be attached to it.
    pub(in crate::bpf) fn contradiction(&self, found: ProgramType, section: &str) -> Option<String> {
        let types = self.types();
        if found != ProgramType::Unspec && !types.contains(&found) {
            let wanted = type_names(types);
            return Some(format!("the program is of type {}, and such a target is for {wanted}", type_name(found as u32)));
        }
        if matches!(self, Self::Map(_)) && found == ProgramType::Tracing && walked(section).is_none() {
            return Some(format!("its section `{section}` does not walk over a map"));
        }
        let (Self::Kprobe { returns, .. } | Self::Uprobe { returns, .. }) = self else { return None };
        let of_section = returns_of(section);
        let at = |returns| if returns { "when a function returns" } else { "when a function is called" };
        (of_section != *returns).then(|| format!("its section `{section}` runs it {}, and this {}", at(of_section), at(*returns)))
    }

    /// The section that says the same, for a program of a section; `None` where no section does.
    #[cfg(feature = "dynamic")]
    pub(crate) fn section(&self, own: &str) -> Option<String> {
        let own = own.trim_start_matches('?').split('/').next().unwrap_or_default();
        let of = |kind, returns| match (of_many(own), returns) {
            (true, _) => own,
            (false, true) if kind == "kprobe" => "kretprobe",
            (false, true) => "uretprobe",
            (false, false) => kind,
        };
        Some(match self {
            Self::Function(name) => format!("{own}/{name}"),
            Self::Kprobe { function, returns } => format!("{}/{function}", of("kprobe", *returns)),
            Self::Ksyscall(name) => format!("{}/{name}", if returns_of(own) { "kretsyscall" } else { "ksyscall" }),
            Self::Tracepoint { category, name } => format!("tp/{category}/{name}"),
            Self::RawTracepoint(name) => format!("raw_tp/{name}"),
            Self::Uprobe { binary, function: Some(function), returns, .. } => {
                format!("{}/{}:{function}", of("uprobe", *returns), binary.display())
            }
            Self::Usdt { binary, provider, probe, .. } => format!("usdt/{}:{provider}:{probe}", binary.display()),
            _ => return None,
        })
    }

    /// Attaches a program to it: a perf event by one link for each CPU, all else by one link.
    pub(in crate::bpf) fn attach(&self, program: Program<'_, Any>, object: &Arc<Object>) -> Result<Links> {
        let multi = program.is_multi();
        let link = match self {
            Self::PerfEvent(sampling) => return program.into_kind::<PerfEvent>()?.attach_to(sampling),
            Self::Xdp { interface, flags } => program.into_kind::<Xdp>()?.attach_in(interface, flags & libbpf_sys::XDP_FLAGS_MODES),
            Self::Tc { interface, direction, rank, order } => {
                program.into_kind::<Tc>()?.on_interface(interface, *direction, *rank, order, None)
            }
            Self::Netkit { primary, end, order } => program.into_kind::<Netkit>()?.attach_at(primary.clone(), *end, order, None),
            Self::Cgroup { path, order } => program.into_kind::<Cgroup>()?.attach_at(path, order, None),
            Self::Netns(path) => {
                let program = program.into_kind::<Netns>()?;
                let open =
                    File::open(path).map_err(|error| refusal(program.tried(&format!("the network namespace {}", path.display())), error));
                program.attach_to(open?)
            }
            Self::Netfilter(hook) => program.into_kind::<Netfilter>()?.attach_to(*hook),
            Self::Packets(interface) => program.into_kind::<SocketFilter>()?.attach_to_packets(interface),
            Self::Map(name) => {
                let map = object.maps().find(|map| map.name() == name.as_str()).ok_or_else(|| Error::NotFound {
                    what: "map",
                    name: name.clone(),
                    known: object.maps().map(|map| map.name().to_string_lossy().into_owned()).collect(),
                })?;
                let map = Map::new(map, None);
                match program.is_iterator() {
                    true => program.into_kind::<Iter>()?.attach_to(&map),
                    false => program.into_kind::<SocketMap>()?.attach_to(&map),
                }
            }
            // It was set before loading.
            Self::Function(_) => program.attach(),
            Self::Kprobe { function, .. } if multi => program.into_kind::<KprobeMulti>()?.attach_to(Functions::Matching(function)),
            Self::Kprobe { function, .. } => program.into_kind::<Kprobe>()?.attach_to(function, 0),
            Self::Ksyscall(call) => program.into_kind::<Ksyscall>()?.attach_to(call, 0),
            Self::Tracepoint { category, name } => program.into_kind::<Tracepoint>()?.attach_to(category, name, 0),
            Self::RawTracepoint(name) => program.into_kind::<RawTracepoint>()?.attach_to(name, 0),
            Self::Uprobe { binary, function: Some(function), pid, .. } if multi => {
                program.into_kind::<UprobeMulti>()?.attach_to(binary, Functions::Matching(function), *pid)
            }
            Self::Uprobe { binary, function, offset, pid, returns } => {
                let program = program.into_kind::<Uprobe>()?;
                let opts = UprobeOpts { retprobe: *returns, func_name: function.clone(), ..Default::default() };
                let place = function.as_deref().unwrap_or("the file");
                program.linked(program.tried(&format!("{place}+{offset:#x} of {}", binary.display())), |program| {
                    program.attach_uprobe_with_opts(any_or(*pid), binary, *offset, opts)
                })
            }
            Self::Usdt { binary, provider, probe, pid } => program.into_kind::<Usdt>()?.attach_to(binary, provider, probe, *pid, 0),
        };
        Ok(Links(vec![link?]))
    }
}

/// Whether a section asks for the returns of functions, not their entries.
pub(super) fn returns_of(section: &str) -> bool {
    let section = section.trim_start_matches('?');
    section.starts_with("kret") || section.starts_with("uret")
}

/// Whether a kind of sections attaches to many functions through one link.
fn of_many(kind: &str) -> bool {
    kind.contains(".multi") || kind.contains(".session")
}

impl<K> Program<'_, K> {
    /// Whether its section is one of those that attach to many functions through one link.
    fn is_multi(&self) -> bool {
        let section = self.section().to_string_lossy();
        of_many(section.split('/').next().unwrap_or_default())
    }

    fn is_iterator(&self) -> bool {
        self.attach_type() == libbpf_sys::BPF_TRACE_ITER
    }
}

impl Program<'_, SocketFilter> {
    /// Attaches the program to a packet socket that is opened for it, on an interface: it sees what the interface sends and receives, with
    /// the headers of the link layer, until the link is dropped. What it passes to the socket is read by nobody.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EPERM without CAP_NET_RAW, ENODEV if there is no such interface.
    pub fn attach_to_packets(&self, interface: &Interface) -> Result<Link> {
        let failed = |error| refusal(self.tried(&format!("the packets of the interface {interface}")), error);
        let index = interface.index()?;
        let socket = packet_socket().map_err(failed)?;
        // Before it is bound, so that no packet passes the program by.
        self.attach_to(&socket)?;
        bind(&socket, index).map_err(failed)?;
        Ok(self.held(Held::Socket(socket)))
    }
}

/// A socket that receives nothing until it is bound (packet(7)).
fn packet_socket() -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd as _;
    // SAFETY: the call takes no pointers.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) };
    // SAFETY: the descriptor is new and nobody else's.
    if socket < 0 { Err(io::Error::last_os_error()) } else { Ok(unsafe { OwnedFd::from_raw_fd(socket) }) }
}

fn bind(socket: &OwnedFd, interface: u32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as libc::c_ushort,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: interface.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let size = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address lives through the call, which reads as many bytes as it has.
    match unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

impl From<XdpMode> for u32 {
    /// `XDP_FLAGS_*`.
    fn from(mode: XdpMode) -> Self {
        match mode {
            XdpMode::Best => 0,
            XdpMode::Generic => libbpf_sys::XDP_FLAGS_SKB_MODE,
            XdpMode::Native => libbpf_sys::XDP_FLAGS_DRV_MODE,
            XdpMode::Offload => libbpf_sys::XDP_FLAGS_HW_MODE,
        }
    }
}

#[cfg(all(test, feature = "dynamic"))]
mod tests {
    use super::Target;

    #[test]
    fn a_target_counts_in_place_of_the_section() {
        let section = |own, words: &str| words.parse::<Target>().unwrap().section(own);
        for (own, words, expected) in [
            ("kprobe", "kprobe:vfs_read", "kprobe/vfs_read"),
            ("kretprobe/vfs_read", "kretprobe:vfs_write", "kretprobe/vfs_write"),
            // Their kind is that of the target.
            ("kprobe", "uprobe:/bin/sh:main", "uprobe//bin/sh:main"),
            ("?kretprobe/dummy", "uretprobe:/bin/sh:main", "uretprobe//bin/sh:main"),
            ("uprobe", "usdt:/bin/sh:provider:probe", "usdt//bin/sh:provider:probe"),
            ("uprobe", "tp:sched/sched_switch", "tp/sched/sched_switch"),
            ("kprobe.multi", "kprobe:vfs_*", "kprobe.multi/vfs_*"),
            ("uprobe.multi//bin/sh:a*", "uprobe:/bin/sh:m*", "uprobe.multi//bin/sh:m*"),
            ("kretsyscall/unlink", "ksyscall:unlinkat", "kretsyscall/unlinkat"),
            ("fexit/vfs_read", "fexit:vfs_write", "fexit/vfs_write"),
            ("tp_btf/sys_enter", "raw_tp:sys_exit", "raw_tp/sys_exit"),
        ] {
            assert_eq!(section(own, words).as_deref(), Some(expected), "{own}, {words}");
        }
        assert_eq!([section("xdp", "xdp:lo"), section("perf_event", "cpu-clock:99hz")], [None, None]);
    }
}
