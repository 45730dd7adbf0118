//! Maps, by kind.

mod array;
mod calls;
mod deltas;
mod fds;
mod hash;
mod in_place;
mod nested;
mod own;
mod percpu;
mod queue;
mod sampler;
mod stack_trace;
mod stream;
mod struct_ops;
mod user_ring;

use std::{
    ffi::{OsStr, c_void},
    os::fd::BorrowedFd,
    path::Path,
    ptr,
};

use libbpf_rs::{MapCore, MapHandle, MapInfo, MapType};

use super::sys::{messages::refused, pin::pin};
use crate::{
    Error, Result,
    bpf::ON_STACK,
    diagnosis::privilege::{map_type_name, map_type_names},
    sample::Plain,
};
use calls::Calls;

pub use array::Array;
pub use deltas::{Change, Deltas};
pub use fds::{FdMap, Storage};
pub use hash::HashMap;
pub use in_place::InPlace;
pub use nested::MapOfMaps;
pub(super) use nested::{Inner, InnerDef};
pub use own::MapSpec;
pub(super) use own::map_type;
pub use percpu::{PerCpuArray, PerCpuHashMap};
pub use queue::{BloomFilter, Queue};
pub(super) use sampler::Records;
pub use sampler::{ByteEntries, ByteSampler, Entries, PerCpu, PerCpuEntries, PerCpuSampler, Sampler};
pub use stack_trace::StackTraces;
pub use stream::{PerfEventArray, RingBuffer};
pub use struct_ops::StructOps;
pub use user_ring::{Producer, Reserved, UserRingBuffer};

/// A map of any kind.
#[derive(Debug)]
pub struct Map<'a> {
    held: Held<'a>,
    /// What the maps in it are.
    inner: Option<Inner<'a>>,
    trust: Trust,
}

/// What becomes of a map that is not what its handle takes it for.
#[derive(Debug)]
enum Trust {
    /// The handle is not made.
    Strict,
    /// The handle refuses each call, and the other handles of the object are made.
    Lenient,
    /// Each call is refused: why.
    Refused(String),
}

#[derive(Debug)]
enum Held<'a> {
    /// By the object.
    Object(libbpf_rs::Map<'a>),
    /// By a descriptor of its own.
    Own(MapHandle),
}

/// The handles that a map can be made into.
pub trait FromMap<'a>: Sized {
    /// The map as one of this kind, with these keys and values.
    ///
    /// # Errors
    /// [`Error::Value`] where it is of another kind, or its keys or values have another size.
    fn from_map(map: Map<'a>) -> Result<Self>;
}

impl<'a> FromMap<'a> for Map<'a> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        Ok(map)
    }
}

impl<'a> Map<'a> {
    pub(super) fn new(map: libbpf_rs::Map<'a>, inner: Option<Inner<'a>>) -> Self {
        Self { held: Held::Object(map), inner, trust: Trust::Strict }
    }

    fn own(map: MapHandle) -> Self {
        Self { held: Held::Own(map), inner: None, trust: Trust::Strict }
    }

    /// Has a handle of the wrong kind or size refuse each call.
    pub(super) fn lenient(self) -> Self {
        Self { trust: Trust::Lenient, ..self }
    }

    /// Has its handle refuse each call.
    pub(super) fn refuse(self, why: String) -> Self {
        Self { trust: Trust::Refused(why), ..self }
    }

    /// Whether calls may be made.
    pub(super) fn usable(&self) -> Result<()> {
        match &self.trust {
            Trust::Refused(why) => Err(Error::Value { name: self.describe(), why: why.clone() }),
            Trust::Strict | Trust::Lenient => Ok(()),
        }
    }

    fn as_core(&self) -> &dyn MapCore {
        match &self.held {
            Held::Object(map) => map,
            Held::Own(map) => map,
        }
    }

    /// The map by a descriptor of its own.
    fn to_handle(&self) -> Result<MapHandle> {
        self.usable()?;
        let handle = match &self.held {
            Held::Object(map) => MapHandle::try_from(map),
            Held::Own(map) => MapHandle::try_from(map),
        };
        handle.map_err(|error| refused(format!("duplicate the descriptor of the {}", self.describe()), &error, ""))
    }

    /// The map with types: `map.into_typed::<HashMap<u32, u64>>()`.
    ///
    /// # Errors
    /// As [`FromMap::from_map`].
    pub fn into_typed<T: FromMap<'a>>(self) -> Result<T> {
        T::from_map(self)
    }

    /// Its name in the kernel; for an internal map the one that libbpf made.
    pub fn name(&self) -> &OsStr {
        self.as_core().name()
    }

    /// Its kind.
    pub fn kind(&self) -> MapType {
        match self.as_core().map_type() {
            // libbpf-rs has not kept the number.
            MapType::Unknown => MapInfo::new(self.fd()).map_or(MapType::Unknown, |found| map_type(found.info.type_)),
            known => known,
        }
    }

    /// Bytes of a key.
    pub fn key_size(&self) -> u32 {
        self.as_core().key_size()
    }

    /// Bytes of a value.
    pub fn value_size(&self) -> u32 {
        self.as_core().value_size()
    }

    /// Entries, or bytes of a ring buffer.
    pub fn max_entries(&self) -> u32 {
        self.as_core().max_entries()
    }

    /// Its descriptor. That of a map whose creation was switched off stands for no map.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.as_core().as_fd()
    }

    /// Pins the map to a path in a BPF file system, where it lives on behind this object and [`super::Open::set_pin_path`] finds it;
    /// removing the file ends that.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EEXIST where there is a file, EPERM where the path is in no BPF file system
    /// ([`mount::bpffs`](crate::diagnosis::mount::bpffs)).
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<()> {
        self.usable()?;
        pin(self.fd(), path.as_ref(), &format!("the {}", self.describe()))
    }

    /// Refuses a handle whose kind or sizes are not those of the map; key and value have `None` bytes where the handle does not ask.
    fn expect(self, kinds: &[MapType], key: Option<usize>, value: Option<usize>) -> Result<Self> {
        if matches!(self.trust, Trust::Refused(_)) {
            return Ok(self);
        }
        let why = if !kinds.contains(&self.kind()) {
            format!("the map is of type {}, not {}", map_type_name(self.kind() as u32), map_type_names(kinds))
        } else if key.is_some_and(|size| size != self.key_size() as usize) || value.is_some_and(|size| size != self.value_size() as usize) {
            let asked = |size: Option<usize>| size.map_or("any".to_owned(), |size| size.to_string());
            format!(
                "the map has keys of {} and values of {} bytes, the types have {} and {}",
                self.key_size(),
                self.value_size(),
                asked(key),
                asked(value)
            )
        } else {
            return Ok(self);
        };
        match self.trust {
            Trust::Lenient => Ok(self.refuse(why)),
            Trust::Strict | Trust::Refused(_) => Err(Error::Value { name: self.describe(), why }),
        }
    }

    /// The system calls, where the map is what its handle takes it for.
    fn calls(&self) -> Result<Calls<'_>> {
        self.usable().map(|()| Calls(self.as_core()))
    }

    fn describe(&self) -> String {
        Calls(self.as_core()).describe()
    }

    /// The value of `key`; the types were held against the map's sizes when its typed handle was made.
    fn lookup<K: Plain, V: Plain>(&self, key: &K) -> Result<Option<V>> {
        const { assert!(size_of::<V>() <= ON_STACK, "the value is too large for a stack: use `get_boxed` or `read_into`") };
        let mut value = V::zeroed();
        Ok(self.lookup_into(key, &mut value)?.then_some(value))
    }

    /// As [`Self::lookup`], for values of any size.
    fn lookup_boxed<K: Plain, V: Plain>(&self, key: &K) -> Result<Option<Box<V>>> {
        let mut value = V::zeroed_box();
        Ok(self.lookup_into(key, &mut *value)?.then_some(value))
    }

    /// Reads the value of `key` into a place of the caller's; whether there is one.
    fn lookup_into<K: Plain, V: Plain>(&self, key: &K, value: &mut V) -> Result<bool> {
        self.lookup_bytes(ptr::from_ref(key).cast(), value.bytes_mut())
    }

    /// Reads the value of the key at `key`, which has the map's size, or is null for a kind without keys.
    pub(super) fn lookup_bytes(&self, key: *const c_void, value: &mut [u8]) -> Result<bool> {
        self.calls()?.lookup(key, value)
    }

    fn update<K: Plain, V: Plain>(&self, key: &K, value: &V, flags: u32) -> Result<()> {
        self.update_bytes(ptr::from_ref(key).cast(), value.bytes(), flags)
    }

    /// Writes the value of the key at `key`, which has the map's size, or is null for a kind without keys.
    pub(super) fn update_bytes(&self, key: *const c_void, value: &[u8], flags: u32) -> Result<()> {
        self.calls()?.update(key, value, flags)
    }

    fn delete<K: Plain>(&self, key: &K) -> Result<bool> {
        self.calls()?.delete(ptr::from_ref(key).cast())
    }

    /// The key behind `last`, or the first.
    fn next_key<K: Plain>(&self, last: Option<&K>) -> Result<Option<K>> {
        let mut next = K::zeroed();
        let last = last.map_or(ptr::null(), |last| ptr::from_ref(last).cast());
        let found = self.calls()?.next_key(last, (&raw mut next).cast())?;
        Ok(found.then_some(next))
    }

    /// Every key. Those that go while we read are left out; where the BPF side removes the very key that the walk stands on, the kernel
    /// starts over and keys can come twice (`htab_map_get_next_key`). A map that changes faster than it is walked ends the walk with an
    /// error, after twice as many steps as it has room for.
    fn walk<K: Plain>(&self) -> impl Iterator<Item = Result<K>> {
        let mut steps = self.max_entries().saturating_mul(2);
        let mut next = self.next_key(None);
        std::iter::from_fn(move || {
            let key = match std::mem::replace(&mut next, Ok(None)) {
                Ok(key) => key?,
                Err(error) => return Some(Err(error)),
            };
            // Asked for before the caller has this one, who may remove it.
            next = match steps.checked_sub(1) {
                Some(left) => {
                    steps = left;
                    self.next_key(Some(&key))
                }
                None => Err(Calls(self.as_core()).too_fast()),
            };
            Some(Ok(key))
        })
    }
}
