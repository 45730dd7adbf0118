//! Opens, loads and attaches BPF objects through libbpf.
//!
//! - [`Open`]: an object before it is loaded, whose maps, programs and variables can be set up.
//! - [`Loaded`]: an object in the kernel, with its [`Map`]s, [`Section`]s and [`Program`]s.
//! - [`Target`]: the target to which a program attaches.
//! - [`Link`]: an attached program.
//!
//! These types work with names and bytes. Generated modules and [`crate::dynamic`] add the types.

mod attach;
pub mod kind;
mod link;
pub(crate) mod loaded;
mod map;
pub(crate) mod open;
mod program;
mod section;
pub(crate) mod sys;
mod test_run;

pub use crate::{
    diagnosis::preflight::{Check, Preflight, preflight},
    host::{
        interface::{AttachedXdp, XdpMode},
        mount,
    },
    map_spec::MapSpec,
};
pub use attach::{
    Anchor, AttachedProgram, Direction, End, Every, Functions, Hook, Interface, NetfilterHook,
    Order, ProbePoint, Rank, Sampling, Target, attached_tcx, attached_xdp,
};
pub use libbpf_rs::{MapType, ProgramAttachType, ProgramType};
pub use link::{Attached, Link, LinkInfo, LinkKind, Links};
pub use loaded::Loaded;
pub use loaded::{Handles, LoadedSkeleton};
pub use map::{
    Array, BloomFilter, ByteEntries, ByteSampler, Change, Deltas, Entries, FdMap, FromMap, HashMap,
    InPlace, LpmTrie, Map, MapOfMaps, PerCpu, PerCpuArray, PerCpuEntries, PerCpuEntriesIter,
    PerCpuHashMap, PerCpuIter, PerCpuSampler, PerCpuValues, PerfEventArray, Producer, Queue,
    Reserved, RingBuffer, Sampler, StackTraces, Storage, StructOps, UserRingBuffer,
};
#[cfg(feature = "dynamic")]
pub use open::BtfCache;
#[doc(hidden)]
pub use open::archived;
pub use open::{Dropped, Open, OpenProgram, OpenTable, Sample, Spec};
pub use open::{kernel_btf, named_btf};
pub use program::Program;
pub use section::{Access, ON_STACK, ReadOnly, ReadWrite, Section, SizedSection, Variable};
pub use test_run::{TestInput, TestOutput, TestRun};
