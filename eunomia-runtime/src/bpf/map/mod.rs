//! Handles of maps in the kernel, one for each kind of map.

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

use super::sys::pin::pin;
use crate::{
    Error, Result,
    bpf::ON_STACK,
    host::{
        messages::refused,
        privilege::{map_type_name, map_type_names},
    },
    sample::Plain,
};
use calls::Calls;

pub use array::Array;
pub use deltas::{Change, Deltas};
pub use fds::{FdMap, Storage};
pub use hash::{HashMap, LpmTrie};
pub use in_place::InPlace;
pub use nested::MapOfMaps;
pub(super) use nested::{Inner, InnerDef};
pub use percpu::{PerCpuArray, PerCpuHashMap, PerCpuValues};
pub use queue::{BloomFilter, Queue};
pub(super) use sampler::Records;
pub use sampler::{
    ByteEntries, ByteSampler, Entries, PerCpu, PerCpuEntries, PerCpuEntriesIter, PerCpuIter,
    PerCpuSampler, Sampler,
};
pub use stack_trace::StackTraces;
pub use stream::{PerfEventArray, RingBuffer};
pub use struct_ops::StructOps;
pub use user_ring::{Producer, Reserved, UserRingBuffer};

/// An untyped handle of a map of any type.
///
/// [`Self::into_typed`] makes a typed handle of it.
///
/// ```
/// use eunomia_runtime::bpf::{HashMap, Map};
///
/// fn count(pid: u32) -> eunomia_runtime::Result<Option<u64>> {
///     let counts = Map::open("/sys/fs/bpf/counts")?.into_typed::<HashMap<'_, u32, u64>>()?;
///     counts.get(&pid)
/// }
/// ```
#[derive(Debug)]
pub struct Map<'a> {
    held: Held<'a>,
    /// How to create its inner maps, for a map of maps.
    inner: Option<Inner<'a>>,
    trust: Trust,
}

/// The answer to a map that does not match its typed handle.
#[derive(Debug)]
enum Trust {
    /// Making the typed handle fails.
    Strict,
    /// The typed handle is made and refuses each call, so the object's other handles are made.
    Lenient,
    /// The map has another type or other sizes: the typed handle is made and refuses each call.
    Mismatched(String),
    /// The map is not in the kernel: the typed handle is made and refuses each call.
    NotLoaded(String),
}

/// The map that a handle refers to, by what owns its descriptor.
#[derive(Debug)]
enum Held<'a> {
    /// A map of a loaded object.
    Object(libbpf_rs::Map<'a>),
    /// A map with a descriptor of its own.
    Own(MapHandle),
}

/// A typed handle that a [`Map`] can be turned into.
pub trait FromMap<'a>: Sized {
    /// Turns the map into this handle, with the handle's key and value types.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the map is of another type, or if its key or value size differs.
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

    /// Makes a typed handle of the wrong type or size refuse each call.
    pub(super) fn lenient(self) -> Self {
        Self { trust: Trust::Lenient, ..self }
    }

    /// Makes its typed handle refuse each call, because the map is not in the kernel.
    pub(super) fn not_loaded(self, why: &str) -> Self {
        Self { trust: Trust::NotLoaded(why.to_owned()), ..self }
    }

    /// Fails if calls are refused.
    pub(super) fn usable(&self) -> Result<()> {
        match &self.trust {
            Trust::Mismatched(why) => {
                Err(Error::Mismatch { name: self.describe(), why: why.clone() })
            }
            Trust::NotLoaded(why) => {
                Err(Error::NotLoaded { name: self.describe(), why: why.clone() })
            }
            Trust::Strict | Trust::Lenient => Ok(()),
        }
    }

    fn as_core(&self) -> &dyn MapCore {
        match &self.held {
            Held::Object(map) => map,
            Held::Own(map) => map,
        }
    }

    /// Returns a handle with a descriptor of its own.
    fn to_handle(&self) -> Result<MapHandle> {
        self.usable()?;
        let handle = match &self.held {
            Held::Object(map) => MapHandle::try_from(map),
            Held::Own(map) => MapHandle::try_from(map),
        };
        handle.map_err(|error| {
            refused(format!("duplicate the descriptor of the {}", self.describe()), &error, "")
        })
    }

    /// Turns the map into a typed handle, for example `map.into_typed::<HashMap<u32, u64>>()`.
    ///
    /// # Errors
    /// Those of [`FromMap::from_map`].
    pub fn into_typed<T: FromMap<'a>>(self) -> Result<T> {
        T::from_map(self)
    }

    /// Returns the name in the kernel. libbpf chooses that of an internal map.
    pub fn name(&self) -> &OsStr {
        self.as_core().name()
    }

    /// Returns the map type.
    pub fn kind(&self) -> MapType {
        match self.as_core().map_type() {
            // libbpf-rs has not kept the number.
            MapType::Unknown => MapInfo::new(self.fd())
                .map_or(MapType::Unknown, |found| crate::map_spec::map_type(found.info.type_)),
            known => known,
        }
    }

    /// Returns the number of bytes of a key.
    pub fn key_size(&self) -> u32 {
        self.as_core().key_size()
    }

    /// Returns the number of bytes of a value.
    pub fn value_size(&self) -> u32 {
        self.as_core().value_size()
    }

    /// Returns the maximum number of entries; for a ring buffer, its size in bytes.
    pub fn max_entries(&self) -> u32 {
        self.as_core().max_entries()
    }

    /// Returns the file descriptor. It refers to no map if the creation of the map was switched
    /// off.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.as_core().as_fd()
    }

    /// Pins the map to a path in a BPF file system. A pinned map outlives this object, and
    /// [`super::Open::set_pin_path`] reuses it. Removing the file unpins the map.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the kernel refuses to pin it: EEXIST if the path exists, EPERM if it is
    /// not in a BPF file system ([`mount::bpffs`](crate::host::mount::bpffs)).
    /// [`Error::Mismatch`] or [`Error::NotLoaded`] if the handle refuses calls.
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<()> {
        self.usable()?;
        pin(self.fd(), path.as_ref(), &format!("the {}", self.describe()))
    }

    /// Checks the map's type and sizes against those of a typed handle. A size of `None` matches
    /// any.
    fn expect(self, kinds: &[MapType], key: Option<usize>, value: Option<usize>) -> Result<Self> {
        if matches!(self.trust, Trust::Mismatched(_) | Trust::NotLoaded(_)) {
            return Ok(self);
        }
        let why = if !kinds.contains(&self.kind()) {
            format!(
                "it is of type {}, not {}",
                map_type_name(self.kind() as u32),
                map_type_names(kinds)
            )
        } else if key.is_some_and(|size| size != self.key_size() as usize)
            || value.is_some_and(|size| size != self.value_size() as usize)
        {
            let expected =
                |size: Option<usize>| size.map_or("any".to_owned(), |size| size.to_string());
            format!(
                "its key and value sizes are {} and {} bytes, expected {} and {}",
                self.key_size(),
                self.value_size(),
                expected(key),
                expected(value)
            )
        } else {
            return Ok(self);
        };
        match self.trust {
            Trust::Lenient => Ok(Self { trust: Trust::Mismatched(why), ..self }),
            _ => Err(Error::Mismatch { name: self.describe(), why }),
        }
    }

    /// Returns the system calls on the map, if the map matches its handle.
    fn calls(&self) -> Result<Calls<'_>> {
        self.usable().map(|()| Calls(self.as_core()))
    }

    fn describe(&self) -> String {
        Calls(self.as_core()).describe()
    }

    /// Returns the value of `key`. The sizes of both types were checked when the typed handle was
    /// made.
    fn lookup<K: Plain, V: Plain>(&self, key: &K) -> Result<Option<V>> {
        const {
            assert!(
                size_of::<V>() <= ON_STACK,
                "the value is too large for a stack: use `get_boxed` or `read_into`"
            )
        };
        let mut value = V::zeroed();
        Ok(self.lookup_into(key, &mut value)?.then_some(value))
    }

    /// Returns the value of `key` on the heap, for values of any size.
    fn lookup_boxed<K: Plain, V: Plain>(&self, key: &K) -> Result<Option<Box<V>>> {
        let mut value = V::zeroed_box();
        Ok(self.lookup_into(key, &mut *value)?.then_some(value))
    }

    /// Reads the value of `key` into `value`; returns false if the key is missing.
    fn lookup_into<K: Plain, V: Plain>(&self, key: &K, value: &mut V) -> Result<bool> {
        self.lookup_bytes(ptr::from_ref(key).cast(), value.bytes_mut())
    }

    /// Reads the value of the key at `key`, which has the map's key size, or is null for a map
    /// without keys.
    pub(super) fn lookup_bytes(&self, key: *const c_void, value: &mut [u8]) -> Result<bool> {
        self.calls()?.lookup(key, value)
    }

    fn update<K: Plain, V: Plain>(&self, key: &K, value: &V, flags: u32) -> Result<()> {
        self.update_bytes(ptr::from_ref(key).cast(), value.bytes(), flags)
    }

    /// Writes the value of the key at `key`, which has the map's key size, or is null for a map
    /// without keys.
    pub(super) fn update_bytes(&self, key: *const c_void, value: &[u8], flags: u32) -> Result<()> {
        self.calls()?.update(key, value, flags)
    }

    fn delete<K: Plain>(&self, key: &K) -> Result<bool> {
        self.calls()?.delete(ptr::from_ref(key).cast())
    }

    /// Returns the key after `last`, or the first key.
    fn next_key<K: Plain>(&self, last: Option<&K>) -> Result<Option<K>> {
        let mut next = K::zeroed();
        let last = last.map_or(ptr::null(), |last| ptr::from_ref(last).cast());
        let found = self.calls()?.next_key(last, (&raw mut next).cast())?;
        Ok(found.then_some(next))
    }

    /// Iterates over the keys. Keys that are removed during the walk may be left out. If a program
    /// removes the key at which the walk is, the kernel starts over and keys can come twice
    /// (`htab_map_get_next_key`). The walk ends with an error after twice as many steps as the map
    /// can have entries, because the map then changes faster than it is walked.
    fn walk<K: Plain>(&self) -> impl Iterator<Item = Result<K>> {
        let mut steps = self.max_entries().saturating_mul(2);
        let mut next = self.next_key(None);
        std::iter::from_fn(move || {
            let key = match std::mem::replace(&mut next, Ok(None)) {
                Ok(key) => key?,
                Err(error) => return Some(Err(error)),
            };
            // Ask for the next key first: the caller may remove this one.
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
