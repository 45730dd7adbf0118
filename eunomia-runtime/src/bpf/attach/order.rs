//! The order of the programs of a hook, as tcx, netkit and cgroups share it (`kernel/bpf/mprog.c`).

use std::{
    fmt,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    path::PathBuf,
};

use libbpf_rs::libbpf_sys;

use crate::{
    Error, Result,
    bpf::sys::{fdinfo, pin::pinned},
    host::kernel_error,
};

/// The position of a program among the programs of its hook. They run in this order until one of
/// them decides about the packet or call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// The place after all programs that are there.
    #[default]
    Last,
    /// The place before all programs that are there. A program that is attached first later runs
    /// before this one.
    First,
    /// The place directly before the anchor.
    Before(Anchor),
    /// The place directly after the anchor.
    After(Anchor),
}

/// The program that another one is attached before or after.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anchor {
    /// The id of a program, see [`Program::id`](crate::bpf::Program::id).
    Program(u32),
    /// The id of a link, see [`LinkInfo`](crate::bpf::LinkInfo).
    Link(u32),
    /// The path in a BPF file system that a program or link is pinned to.
    Pinned(PathBuf),
}

/// Formats the order as the command and skeletons write it: `first`, `before=/sys/fs/bpf/x`,
/// `after=link:7`.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last => f.write_str("last"),
            Self::First => f.write_str("first"),
            Self::Before(anchor) => write!(f, "before={anchor}"),
            Self::After(anchor) => write!(f, "after={anchor}"),
        }
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(id) => write!(f, "program:{id}"),
            Self::Link(id) => write!(f, "link:{id}"),
            Self::Pinned(path) => write!(f, "{}", path.display()),
        }
    }
}

/// An order in the form that the kernel takes.
#[derive(Debug, Default)]
pub(super) struct Position {
    /// The flags `BPF_F_BEFORE`, `BPF_F_AFTER` and `BPF_F_LINK`, or for XDP those of the mode.
    pub(super) flags: u32,
    /// The id of the anchor, 0 if it is not given by an id.
    pub(super) id: u32,
    /// The anchor, if it is pinned. It is open until the program is attached.
    pub(super) fd: Option<OwnedFd>,
    /// The revision of the hook that the caller has seen; 0 for any.
    pub(super) revision: u64,
}

impl Order {
    pub(super) fn position(&self, revision: Option<u64>) -> Result<Position> {
        let revision = revision.unwrap_or_default();
        let (flag, anchor) = match self {
            Self::Last => return Ok(Position { revision, ..Position::default() }),
            Self::First => {
                return Ok(Position {
                    flags: libbpf_sys::BPF_F_BEFORE,
                    revision,
                    ..Position::default()
                });
            }
            Self::Before(anchor) => (libbpf_sys::BPF_F_BEFORE, anchor),
            Self::After(anchor) => (libbpf_sys::BPF_F_AFTER, anchor),
        };
        let position = Position { flags: flag, revision, ..Position::default() };
        Ok(match anchor {
            // libbpf adds BPF_F_ID.
            Anchor::Program(id) => Position { id: *id, ..position },
            Anchor::Link(id) => {
                Position { id: *id, flags: flag | libbpf_sys::BPF_F_LINK, ..position }
            }
            Anchor::Pinned(path) => {
                let fd = pinned(path, "a program or link")?;
                let info = fdinfo(fd.as_fd()).map_err(|error| {
                    kernel_error(
                        format!("identify the object that is pinned to {}", path.display()),
                        error,
                    )
                })?;
                let has = |key: &str| info.lines().any(|line| line.starts_with(key));
                let flags = match (has("link_type:"), has("prog_type:")) {
                    (true, _) => flag | libbpf_sys::BPF_F_LINK,
                    (false, true) => flag,
                    (false, false) => {
                        let why = "the object that is pinned there is neither a program nor a link"
                            .to_owned();
                        return Err(Error::Mismatch { name: path.display().to_string(), why });
                    }
                };
                Position { flags, fd: Some(fd), ..position }
            }
        })
    }
}

impl Position {
    /// Returns the descriptor of the anchor, 0 if the anchor is not pinned.
    pub(super) fn raw_fd(&self) -> u32 {
        self.fd.as_ref().map_or(0, |fd| fd.as_raw_fd().cast_unsigned())
    }

    /// Returns the hint for a refusal that this position causes.
    pub(super) fn hint(&self, error: i32) -> Option<&'static str> {
        let has_anchor = self.id != 0 || self.fd.is_some();
        (error == libc::ENOENT && has_anchor).then_some(
            "the program or link that the order names is not attached there; `bpftool net` and \
             `bpftool cgroup show` list the ids of those that are",
        )
    }
}
