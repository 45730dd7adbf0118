//! Targets that `attach()` attaches programs to if their section names no target or another one.

use std::{
    fs::File,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use libbpf_rs::{MapCore as _, Object, ProgramType, UprobeOpts, libbpf_sys};

use super::{Direction, End, Functions, Interface, NetfilterHook, Order, Rank, Sampling, any_or};
use crate::{
    Error, Result,
    bpf::{
        Link, Links, Map, Program,
        kind::{
            Any, Cgroup, Iter, Kprobe, KprobeMulti, Ksyscall, Netfilter, Netkit, Netns, PerfEvent,
            ProgramKind, RawTracepoint, SocketFilter, SocketMap, Tc, Tracepoint, Uprobe,
            UprobeMulti, Usdt, Xdp,
        },
    },
    diagnosis::map::walked,
    host::{
        kernel_error,
        privilege::{type_name, type_names},
    },
};

/// A target that a program is attached to, see [`Open::set_target`](crate::bpf::Open::set_target).
///
/// A target parses from text that resembles a section name. The option `--attach` of the command
/// takes the same text:
///
/// ```
/// use eunomia_runtime::bpf::{Direction, Order, Rank, Target};
///
/// let target: Target = "tcx:eth0/ingress,first".parse()?;
/// let (interface, direction) = ("eth0".into(), Direction::Ingress);
/// let (rank, order) = (Rank::default(), Order::First);
/// assert_eq!(target, Target::Tc { interface, direction, rank, order });
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
        /// The mode: `XDP_FLAGS_*`. Flags other than those of the mode are ignored, because a
        /// program never replaces another one.
        flags: u32,
    },
    /// A tc program on an interface.
    Tc {
        /// The interface.
        interface: Interface,
        /// The direction of the packets that the program sees.
        direction: Direction,
        /// The rank of the filter on kernels without tcx.
        rank: Rank,
        /// The position among the programs of tcx. Kernels without tcx (before 6.6) support
        /// [`Order::Last`]. They also support [`Order::First`] if `rank` has a priority, which then
        /// decides.
        order: Order,
    },
    /// A program on one end of a pair of netkit devices (kernel 6.7 and later).
    Netkit {
        /// The primary device.
        primary: Interface,
        /// The end of the pair.
        end: End,
        /// The position among the programs of that end.
        order: Order,
    },
    /// A program on a cgroup of version 2.
    Cgroup {
        /// The directory of the cgroup.
        path: PathBuf,
        /// The position among the programs of the cgroup. Orders other than [`Order::Last`] need
        /// Linux 6.17.
        order: Order,
    },
    /// A program on a network namespace, given by a file such as `/proc/self/ns/net` or
    /// `/run/netns/NAME`.
    Netns(PathBuf),
    /// A program at a netfilter hook (kernel 6.4 and later).
    Netfilter(NetfilterHook),
    /// A socket filter on a packet socket that is opened for it. It sees all packets that the
    /// interface sends and receives until the link is dropped.
    Packets(Interface),
    /// A map of the same object: the map of sockets of an `sk_skb` or `sk_msg` program, or the map
    /// whose entries an iterator visits.
    Map(String),
    /// A kernel function, LSM hook or tracepoint for an `fentry`, `fexit`, `fmod_ret`, `fsession`,
    /// `lsm` or `tp_btf` program, instead of the one that its section names.
    Function(String),
    /// A kernel function. For `kprobe.multi`, `kretprobe.multi` and `kprobe.session` programs it is
    /// a pattern: `*` matches any characters, `?` matches one.
    Kprobe {
        /// The name of the function, or the pattern.
        function: String,
        /// True if the program runs at the return of the function. It must agree with the section
        /// of the program.
        returns: bool,
    },
    /// A system call by its name (`unlinkat`).
    Ksyscall(String),
    /// A tracepoint.
    Tracepoint {
        /// The category, `sched` for example.
        category: String,
        /// The name, `sched_switch` for example.
        name: String,
    },
    /// A tracepoint whose raw arguments the program sees.
    RawTracepoint(String),
    /// A place in an executable or library. For `uprobe.multi`, `uretprobe.multi` and
    /// `uprobe.session` programs it is all functions that match a pattern.
    Uprobe {
        /// The file. A library may be given by its name (`libc.so.6`).
        binary: PathBuf,
        /// The function, or the pattern; `None` if `offset` counts from the start of the file.
        function: Option<String>,
        /// The number of bytes from the start of the function or file.
        offset: usize,
        /// True if the program runs at the return of the function. It must agree with the section
        /// of the program.
        returns: bool,
        /// The process; `None` for all processes.
        pid: Option<u32>,
    },
    /// A static probe (USDT) of an executable or library.
    Usdt {
        /// The file.
        binary: PathBuf,
        /// The provider that declares the probe.
        provider: String,
        /// The name of the probe.
        probe: String,
        /// The process; `None` for all processes.
        pid: Option<u32>,
    },
    /// Samples of a perf event.
    PerfEvent(Sampling),
}

impl Target {
    /// Returns the types of programs that can be attached to the target.
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
            Self::Kprobe { .. } | Self::Ksyscall(_) | Self::Uprobe { .. } | Self::Usdt { .. } => {
                Kprobe::TYPES
            }
            Self::Tracepoint { .. } => Tracepoint::TYPES,
            Self::RawTracepoint(_) => RawTracepoint::TYPES,
            Self::PerfEvent(_) => PerfEvent::TYPES,
        }
    }

    /// Returns why a program of this type and section cannot be attached to the target, or `None`
    /// if it can.
    pub(in crate::bpf) fn contradiction(
        &self,
        found: ProgramType,
        section: &str,
    ) -> Option<String> {
        let types = self.types();
        if found != ProgramType::Unspec && !types.contains(&found) {
            let expected = type_names(types);
            return Some(format!(
                "the program is of type {}, but the target is for programs of type {expected}",
                type_name(found as u32)
            ));
        }
        if matches!(self, Self::Map(_))
            && found == ProgramType::Tracing
            && walked(section).is_none()
        {
            return Some(format!(
                "its section `{section}` is not an iterator over the entries of a map"
            ));
        }
        let (Self::Kprobe { returns, .. } | Self::Uprobe { returns, .. }) = self else {
            return None;
        };
        let section_returns = returns_of(section);
        let moment =
            |returns| if returns { "the return of a function" } else { "the entry of a function" };
        (section_returns != *returns).then(|| {
            format!(
                "its section `{section}` runs it at {}, but the target is {}",
                moment(section_returns),
                moment(*returns)
            )
        })
    }

    /// Returns the section name that means the same as this target, for a program whose section is
    /// `own`; `None` if no section name does.
    #[cfg(feature = "dynamic")]
    pub(crate) fn section(&self, own: &str) -> Option<String> {
        let own = own.trim_start_matches('?').split('/').next().unwrap_or_default();
        let head = |kind, returns| match (is_multi(own), returns) {
            (true, _) => own,
            (false, true) if kind == "kprobe" => "kretprobe",
            (false, true) => "uretprobe",
            (false, false) => kind,
        };
        Some(match self {
            Self::Function(name) => format!("{own}/{name}"),
            Self::Kprobe { function, returns } => {
                format!("{}/{function}", head("kprobe", *returns))
            }
            Self::Ksyscall(name) => {
                format!("{}/{name}", if returns_of(own) { "kretsyscall" } else { "ksyscall" })
            }
            Self::Tracepoint { category, name } => format!("tp/{category}/{name}"),
            Self::RawTracepoint(name) => format!("raw_tp/{name}"),
            Self::Uprobe { binary, function: Some(function), returns, .. } => {
                format!("{}/{}:{function}", head("uprobe", *returns), binary.display())
            }
            Self::Usdt { binary, provider, probe, .. } => {
                format!("usdt/{}:{provider}:{probe}", binary.display())
            }
            _ => return None,
        })
    }

    /// Attaches a program to the target: to a perf event by one link for each CPU, to other targets
    /// by one link.
    pub(in crate::bpf) fn attach(
        &self,
        program: Program<'_, Any>,
        object: &Arc<Object>,
    ) -> Result<Links> {
        let multi = program.is_multi();
        let link = match self {
            Self::PerfEvent(sampling) => {
                return program.into_kind::<PerfEvent>()?.attach_to(sampling);
            }
            Self::Xdp { interface, flags } => program
                .into_kind::<Xdp>()?
                .attach_in(interface, flags & libbpf_sys::XDP_FLAGS_MODES),
            Self::Tc { interface, direction, rank, order } => {
                program.into_kind::<Tc>()?.on_interface(interface, *direction, *rank, order, None)
            }
            Self::Netkit { primary, end, order } => {
                program.into_kind::<Netkit>()?.attach_at(primary.clone(), *end, order, None)
            }
            Self::Cgroup { path, order } => {
                program.into_kind::<Cgroup>()?.attach_at(path, order, None)
            }
            Self::Netns(path) => program.into_kind::<Netns>()?.attach_to_file(path),
            Self::Netfilter(hook) => program.into_kind::<Netfilter>()?.attach_to(*hook),
            Self::Packets(interface) => {
                program.into_kind::<SocketFilter>()?.attach_to_packets(interface)
            }
            Self::Map(name) => program.attach_to_map(object, name),
            // The target was set before the program was loaded.
            Self::Function(_) => program.attach(),
            Self::Kprobe { function, .. } if multi => {
                program.into_kind::<KprobeMulti>()?.attach_to(Functions::Matching(function))
            }
            Self::Kprobe { function, .. } => program.into_kind::<Kprobe>()?.attach_to(function, 0),
            Self::Ksyscall(call) => program.into_kind::<Ksyscall>()?.attach_to(call, 0),
            Self::Tracepoint { category, name } => {
                program.into_kind::<Tracepoint>()?.attach_to(category, name, 0)
            }
            Self::RawTracepoint(name) => program.into_kind::<RawTracepoint>()?.attach_to(name, 0),
            Self::Uprobe { binary, function: Some(function), pid, .. } if multi => program
                .into_kind::<UprobeMulti>()?
                .attach_to(binary, Functions::Matching(function), *pid),
            Self::Uprobe { binary, function, offset, pid, returns } => program
                .into_kind::<Uprobe>()?
                .attach_to_place(binary, function.as_deref(), *offset, *returns, *pid),
            Self::Usdt { binary, provider, probe, pid } => {
                program.into_kind::<Usdt>()?.attach_to(binary, provider, probe, *pid, 0)
            }
        };
        Ok(Links(vec![link?]))
    }
}

/// Returns true if the section is for returns of functions instead of their entries.
pub(super) fn returns_of(section: &str) -> bool {
    let section = section.trim_start_matches('?');
    section.starts_with("kret") || section.starts_with("uret")
}

/// Returns true if sections of this kind attach to many functions through one link.
fn is_multi(kind: &str) -> bool {
    kind.contains(".multi") || kind.contains(".session")
}

impl Program<'_, Any> {
    /// Attaches the program to the map `name` of its object.
    fn attach_to_map(self, object: &Object, name: &str) -> Result<Link> {
        let map = object.maps().find(|map| map.name() == name).ok_or_else(|| Error::NotFound {
            what: "map",
            name: name.to_owned(),
            known: object.maps().map(|map| map.name().to_string_lossy().into_owned()).collect(),
        })?;
        let map = Map::new(map, None);
        match self.is_iterator() {
            true => self.into_kind::<Iter>()?.attach_to(&map),
            false => self.into_kind::<SocketMap>()?.attach_to(&map),
        }
    }
}

impl Program<'_, Netns> {
    /// Attaches the program to the network namespace of a file.
    fn attach_to_file(&self, path: &Path) -> Result<Link> {
        // Opening a FIFO must not wait.
        let open = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let open = open.map_err(|error| {
            kernel_error(self.tried(&format!("the network namespace {}", path.display())), error)
        });
        self.attach_to(open?)
    }
}

impl Program<'_, Uprobe> {
    /// Attaches the program at a number of bytes after a function, or after the start of the file.
    fn attach_to_place(
        &self,
        binary: &Path,
        function: Option<&str>,
        offset: usize,
        returns: bool,
        pid: Option<u32>,
    ) -> Result<Link> {
        let opts = UprobeOpts {
            retprobe: returns,
            func_name: function.map(str::to_owned),
            ..Default::default()
        };
        let place = function.map_or_else(
            || format!("offset {offset:#x}"),
            |name| format!("the function {name}+{offset:#x}"),
        );
        let tried = self.tried(&format!("{place} of {}", binary.display()));
        self.linked_in(binary, tried, |program, path| {
            program.attach_uprobe_with_opts(any_or(pid), path, offset, opts)
        })
    }
}

impl<K> Program<'_, K> {
    /// Returns true if the section of the program attaches to many functions through one link.
    fn is_multi(&self) -> bool {
        let section = self.section().to_string_lossy();
        is_multi(section.split('/').next().unwrap_or_default())
    }

    fn is_iterator(&self) -> bool {
        self.attach_type() == libbpf_sys::BPF_TRACE_ITER
    }
}

#[cfg(all(test, feature = "dynamic"))]
mod tests {
    use super::Target;

    #[test]
    fn target_replaces_section() {
        let section = |own, words: &str| words.parse::<Target>().unwrap().section(own);
        for (own, words, expected) in [
            ("kprobe", "kprobe:vfs_read", "kprobe/vfs_read"),
            ("kretprobe/vfs_read", "kretprobe:vfs_write", "kretprobe/vfs_write"),
            // The target decides the kind of the section.
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
        assert_eq!(
            [section("xdp", "xdp:lo"), section("perf_event", "cpu-clock:99hz")],
            [None, None]
        );
    }
}
