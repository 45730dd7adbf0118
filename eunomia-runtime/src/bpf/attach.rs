//! What programs of a kind are attached to, where the section does not say it.

use std::{
    ffi::CString,
    io::{self, Read},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, IntoRawFd as _, OwnedFd},
    path::Path,
};

use libbpf_rs::{KprobeOpts, UprobeOpts, UsdtOpts, libbpf_sys};

use super::{
    Program,
    kind::{Cgroup, Iter, Kprobe, Netns, PerfEvent, Tc, Uprobe, Usdt, Xdp},
    link::{Held, Link, Links},
};
use crate::{Error, Result, cpus, perf_event, refusal::refusal};

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

impl Interface {
    fn index(&self) -> Result<u32> {
        match self {
            Self::Index(index) => Ok(*index),
            Self::Name(name) => {
                let tried = || format!("find the interface `{name}`");
                let c_name = CString::new(name.as_str()).map_err(|error| Error::Value { name: tried(), why: error.to_string() })?;
                // SAFETY: the name ends with a NUL and lives through the call, which only reads it.
                match unsafe { libc::if_nametoindex(c_name.as_ptr()) } {
                    0 => Err(refusal(tried(), io::Error::last_os_error())),
                    index => Ok(index),
                }
            }
        }
    }
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
    const fn attach_type(self) -> libbpf_sys::bpf_attach_type {
        match self {
            Self::Ingress => libbpf_sys::BPF_TCX_INGRESS,
            Self::Egress => libbpf_sys::BPF_TCX_EGRESS,
        }
    }
}

/// What `attach` attaches a program to whose section does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An XDP program on an interface.
    Xdp {
        /// The interface's number.
        interface: u32,
        /// `XDP_FLAGS_*`; only those of the mode count, as no program ever takes the place of another.
        flags: u32,
    },
    /// A tc program on an interface, through tcx.
    Tc {
        /// The interface's number.
        interface: u32,
        /// Which packets it sees.
        direction: Direction,
    },
}

impl<K> Program<'_, K> {
    /// Attaches the program to a target of `attach`.
    pub(super) fn attach_target(&self, target: Target) -> Result<Link> {
        match target {
            Target::Xdp { interface, flags } => {
                let flags = flags & libbpf_sys::XDP_FLAGS_MODES;
                self.link_to(
                    self.tried(&format!("the interface {interface} with the flags {flags:#x}")),
                    interface,
                    libbpf_sys::BPF_XDP,
                    flags,
                )
            }
            Target::Tc { interface, direction } => {
                self.link_tcx(self.tried(&format!("{direction:?} of the interface {interface}")), interface, direction)
            }
        }
    }

    /// Makes a link of the kernel's own.
    fn link_to(&self, tried: String, target: u32, attach_type: libbpf_sys::bpf_attach_type, flags: u32) -> Result<Link> {
        let opts = libbpf_sys::bpf_link_create_opts {
            sz: size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t,
            flags,
            ..Default::default()
        };
        let program = self.fd()?.as_raw_fd();
        // SAFETY: the options live through the call, which only reads them.
        let fd = unsafe { libbpf_sys::bpf_link_create(program, target.cast_signed(), attach_type, &raw const opts) };
        if fd < 0 {
            return Err(refusal(tried, io::Error::from_raw_os_error(-fd)));
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(self.held(Held::Kernel(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    fn link_tcx(&self, tried: String, interface: u32, direction: Direction) -> Result<Link> {
        self.link_to(tried, interface, direction.attach_type(), 0).map_err(|error| match error {
            // An attach type that the kernel does not know.
            Error::Kernel(mut refusal) if refusal.source.raw_os_error() == Some(libc::EINVAL) => {
                refusal.hint = Some("tc programs are attached through tcx, which kernels have from 6.6 on".to_owned());
                Error::Kernel(refusal)
            }
            error => error,
        })
    }

    fn tried(&self, to: &str) -> String {
        format!("attach the {} to {to}", self.describe())
    }
}

impl Program<'_, Xdp> {
    /// Attaches the program to an interface. Never takes the place of another program.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EBUSY where the interface has a program already, EOPNOTSUPP where it cannot run one in this mode.
    pub fn attach_to(&self, interface: impl Into<Interface>, mode: XdpMode) -> Result<Link> {
        let interface = interface.into();
        let flags = match mode {
            XdpMode::Best => 0,
            XdpMode::Generic => libbpf_sys::XDP_FLAGS_SKB_MODE,
            XdpMode::Native => libbpf_sys::XDP_FLAGS_DRV_MODE,
            XdpMode::Offload => libbpf_sys::XDP_FLAGS_HW_MODE,
        };
        self.link_to(self.tried(&format!("the interface {interface:?} in mode {mode:?}")), interface.index()?, libbpf_sys::BPF_XDP, flags)
    }
}

impl Program<'_, Tc> {
    /// Attaches the program to an interface behind those that are there (tcx, kernel 6.6 and later).
    ///
    /// # Errors
    /// [`Error::Kernel`]; EINVAL before 6.6.
    pub fn attach_to(&self, interface: impl Into<Interface>, direction: Direction) -> Result<Link> {
        let interface = interface.into();
        self.link_tcx(self.tried(&format!("{direction:?} of the interface {interface:?}")), interface.index()?, direction)
    }
}

impl Program<'_, Kprobe> {
    /// Attaches the program to a kernel function: its entry, or its return for a `kretprobe`. The program reads `cookie` with
    /// `bpf_get_attach_cookie` (kernel 5.15 and later where it is not 0).
    ///
    /// # Errors
    /// [`Error::Kernel`]; ENOENT where there is no such function.
    pub fn attach_to(&self, function: &str, cookie: u64) -> Result<Link> {
        let returns = self.section().as_encoded_bytes().starts_with(b"kret");
        let opts = KprobeOpts { cookie, ..Default::default() };
        self.linked(self.tried(&format!("the kernel function `{function}`")), |program| {
            program.attach_kprobe_with_opts(returns, function, opts)
        })
    }
}

/// A place in a program or library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbePoint<'a> {
    /// The entry of a function (for a `uretprobe` its return).
    Function(&'a str),
    /// Bytes from the start of the file.
    Offset(usize),
}

impl Program<'_, Uprobe> {
    /// Attaches the program to a place in a binary: in one process, or in all, also later ones (`None`). A library may be given by its
    /// name (`libc.so.6`). The program reads `cookie` with `bpf_get_attach_cookie` (kernel 5.15 and later where it is not 0).
    ///
    /// # Errors
    /// [`Error::Kernel`]; ENOENT where there is no such file or function.
    pub fn attach_to(&self, binary: impl AsRef<Path>, place: &ProbePoint<'_>, pid: Option<u32>, cookie: u64) -> Result<Link> {
        let binary = binary.as_ref();
        let (name, offset) = match place {
            ProbePoint::Function(name) => (Some((*name).to_owned()), 0),
            ProbePoint::Offset(offset) => (None, *offset),
        };
        let retprobe = self.section().as_encoded_bytes().starts_with(b"uret");
        let opts = UprobeOpts { cookie, retprobe, func_name: name, ..Default::default() };
        self.linked(self.tried(&format!("{place:?} of {}", binary.display())), |program| {
            program.attach_uprobe_with_opts(any_or(pid), binary, offset, opts)
        })
    }
}

impl Program<'_, Usdt> {
    /// Attaches the program to a static probe of a binary: in one process, or in all (`None`).
    ///
    /// # Errors
    /// [`Error::Kernel`]; ENOENT where there is no such probe.
    pub fn attach_to(&self, binary: impl AsRef<Path>, provider: &str, probe: &str, pid: Option<u32>, cookie: u64) -> Result<Link> {
        let binary = binary.as_ref();
        let opts = UsdtOpts { cookie, ..Default::default() };
        self.linked(self.tried(&format!("the probe {provider}:{probe} of {}", binary.display())), |program| {
            program.attach_usdt_with_opts(any_or(pid), binary, provider, probe, opts)
        })
    }
}

fn any_or(pid: Option<u32>) -> i32 {
    pid.map_or(-1, u32::cast_signed)
}

/// What a perf event counts, and when it takes a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// `PERF_TYPE_*`.
    pub kind: u32,
    /// `PERF_COUNT_*`, or what else the type takes.
    pub config: u64,
    /// When a sample is taken.
    pub every: Every,
    /// One process and the CPUs that it runs on, or all (`None`).
    pub pid: Option<u32>,
    /// One CPU, or all that are online (`None`).
    pub cpu: Option<u32>,
}

/// When a perf event takes a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// After so many counts; of a clock, nanoseconds.
    Period(u64),
    /// So many times a second.
    Frequency(u64),
}

impl Sampling {
    /// The clock of each CPU (`PERF_COUNT_SW_CPU_CLOCK`), of all processes: what profilers take.
    pub const fn cpu_clock(every: Every) -> Self {
        let (kind, config) = (libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_CPU_CLOCK as u64);
        Self { kind, config, every, pid: None, cpu: None }
    }
}

impl Program<'_, PerfEvent> {
    /// Opens the event and attaches the program to it, on each of its CPUs.
    ///
    /// # Errors
    /// [`Error::Kernel`] for the first CPU that refuses; nothing stays attached.
    pub fn attach_to(&self, sampling: &Sampling) -> Result<Links> {
        let cpus = match sampling.cpu {
            Some(cpu) => cpu..=cpu,
            None => 0..=cpus::possible()?.saturating_sub(1),
        };
        let mut attr = libbpf_sys::perf_event_attr { type_: sampling.kind, config: sampling.config, ..Default::default() };
        match sampling.every {
            Every::Period(period) => attr.__bindgen_anon_1.sample_period = period,
            Every::Frequency(frequency) => {
                attr.__bindgen_anon_1.sample_freq = frequency;
                attr.set_freq(1);
            }
        }
        let mut links = Links::default();
        for cpu in cpus {
            let tried = self.tried(&format!("the perf event {}:{} on CPU {cpu}", sampling.kind, sampling.config));
            match perf_event::open(attr, any_or(sampling.pid), cpu.cast_signed()) {
                // CPUs that are possible but offline have no event.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) && sampling.cpu.is_none() => {}
                Err(error) => return Err(refusal(tried, error)),
                Ok(event) => {
                    links.0.push(self.linked(tried, |program| program.attach_perf_event(event.as_raw_fd()))?);
                    // The link closes it from now on.
                    let _ = event.into_raw_fd();
                }
            }
        }
        Ok(links)
    }
}

impl Program<'_, Cgroup> {
    /// Attaches the program to a cgroup (of version 2), given by a descriptor of its folder, beside others that are there.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EBADF where it is no cgroup.
    pub fn attach_to(&self, cgroup: BorrowedFd<'_>) -> Result<Link> {
        self.linked(self.tried("a cgroup"), |program| program.attach_cgroup(cgroup.as_raw_fd()))
    }
}

impl Program<'_, Netns> {
    /// Attaches the program to a network namespace, given by its descriptor (`/proc/self/ns/net`).
    ///
    /// # Errors
    /// [`Error::Kernel`]; EEXIST where there is a program already and there can be one only.
    pub fn attach_to(&self, namespace: impl AsFd) -> Result<Link> {
        self.linked(self.tried("a network namespace"), |program| program.attach_netns(namespace.as_fd().as_raw_fd()))
    }
}

impl Program<'_, Iter> {
    /// Attaches the program as its section says and starts a walk, whose text the program writes.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn walk(&self) -> Result<impl Read + use<>> {
        let link = self.attach()?;
        let iter = link.as_libbpf().map(libbpf_rs::Iter::new).transpose();
        let iter = iter.map_err(|error| super::messages::refused(self.tried("a walk"), &error, ""))?;
        iter.ok_or_else(|| Error::Value { name: self.describe(), why: "its link cannot be walked".to_owned() })
    }
}
