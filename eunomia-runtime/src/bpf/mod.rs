//! Open, load, attach: the life of a BPF object, through libbpf.
//!
//! These types know names and bytes; generated modules and [`crate::dynamic`] put types over them.

mod attach;
pub mod kind;
mod link;
mod load;
mod loaded;
mod map;
mod messages;
mod open;
mod preflight;
mod program;
mod section;

pub use attach::{Direction, Every, Interface, ProbePoint, Sampling, Target, XdpMode};
pub use link::{Attached, Link, Links};
pub use loaded::Loaded;
pub use map::{
    Array, BloomFilter, ByteEntries, ByteSampler, Change, Deltas, Entries, FdMap, FromMap, HashMap, InPlace, Map, MapOfMaps, PerCpu,
    PerCpuArray, PerCpuEntries, PerCpuHashMap, PerCpuSampler, PerfEventArray, Producer, Queue, Reserved, RingBuffer, Sampler, StackTraces,
    Storage, UserRingBuffer,
};
pub use open::{Dropped, Open, OpenProgram, Sample, Spec};
pub use preflight::{Check, Preflight, preflight};
pub use program::{Program, TestRun};
pub use section::{Access, ReadOnly, ReadWrite, Section, SizedSection, Variable};
