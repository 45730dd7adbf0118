//! Open, load, attach: the life of a BPF object, through libbpf.
//!
//! These types know names and bytes; generated modules and [`crate::dynamic`] put types over them.

mod attach;
#[cfg(feature = "dynamic")]
mod btf_cache;
mod kernel_btf;
pub mod kind;
mod link;
pub(crate) mod linker;
mod load;
mod loaded;
mod map;
mod map_setup;
pub(crate) mod messages;
pub mod mount;
pub(crate) mod named;
mod open;
mod open_table;
mod pin;
mod pinned;
pub(crate) mod preflight;
pub(crate) mod privilege;
mod program;
pub(crate) mod requirement;
pub(crate) mod running;
mod section;
mod test_run;
pub(crate) mod token;
mod typed;
mod wanted;

use std::{
    ffi::CString,
    fs, io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use crate::{Error, Result};

pub(crate) use attach::name_of;
#[cfg(feature = "dynamic")]
pub(crate) use attach::xdp_features;
pub use attach::{
    Anchor, AttachedProgram, AttachedXdp, Direction, End, Every, Functions, Hook, Interface, NetfilterHook, Order, ProbePoint, Rank,
    Sampling, Target, XdpMode, attached_tcx, attached_xdp,
};
#[cfg(feature = "dynamic")]
pub use btf_cache::BtfCache;
pub use kernel_btf::{archived, kernel_btf, named_btf};
pub use libbpf_rs::{MapType, ProgramAttachType, ProgramType};
pub use link::{Attached, Link, LinkInfo, Links};
pub use loaded::Loaded;
pub use map::{
    Array, BloomFilter, ByteEntries, ByteSampler, Change, Deltas, Entries, FdMap, FromMap, HashMap, InPlace, Map, MapOfMaps, MapSpec,
    PerCpu, PerCpuArray, PerCpuEntries, PerCpuHashMap, PerCpuSampler, PerfEventArray, Producer, Queue, Reserved, RingBuffer, Sampler,
    StackTraces, Storage, StructOps, UserRingBuffer,
};
pub use open::{Dropped, Open, OpenProgram, Sample, Spec};
pub use open_table::OpenTable;
pub use preflight::{Check, Preflight, preflight};
pub use program::Program;
pub use section::{Access, ON_STACK, ReadOnly, ReadWrite, Section, SizedSection, Variable};
pub use test_run::{TestInput, TestOutput, TestRun};
pub use typed::{Handles, Typed};

/// What the kernel says of a descriptor: there is a line that begins with `map_type:` for a map, with `link_type:` for a link. The system
/// call for that answers about an object of any kind, and does not say which.
fn fdinfo(fd: BorrowedFd<'_>) -> io::Result<String> {
    fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))
}

/// A text for C.
fn c_string(text: impl Into<Vec<u8>>, tried: impl FnOnce() -> String) -> Result<CString> {
    CString::new(text).map_err(|error| Error::Value { name: tried(), why: error.to_string() })
}
