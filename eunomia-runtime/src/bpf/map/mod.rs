//! Maps, by kind.

mod array;
mod fds;
mod hash;
mod in_place;
mod nested;
mod percpu;
mod queue;
mod stack_trace;
mod stream;

use std::{
    ffi::{OsStr, c_void},
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
    ptr,
};

use libbpf_rs::{MapCore, MapHandle, MapType, libbpf_sys};

use crate::{Error, Result, refusal::refusal, sample::Plain};

pub use array::Array;
pub use fds::{FdMap, Storage};
pub use hash::HashMap;
pub use in_place::InPlace;
pub(super) use nested::InnerDef;
pub use nested::MapOfMaps;
pub use percpu::{PerCpuArray, PerCpuHashMap};
pub use queue::{BloomFilter, Queue};
pub use stack_trace::StackTraces;
pub use stream::{PerfEventArray, RingBuffer};

/// A map of any kind.
#[derive(Debug)]
pub struct Map<'a> {
    held: Held<'a>,
    /// What the maps in it are.
    inner: Option<InnerDef>,
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
    pub(super) fn new(map: libbpf_rs::Map<'a>, inner: Option<InnerDef>) -> Self {
        Self { held: Held::Object(map), inner }
    }

    fn own(map: MapHandle) -> Self {
        Self { held: Held::Own(map), inner: None }
    }

    fn as_core(&self) -> &dyn MapCore {
        match &self.held {
            Held::Object(map) => map,
            Held::Own(map) => map,
        }
    }

    /// The map with types: `map.into_typed::<HashMap<u32, u64>>()`.
    ///
    /// # Errors
    /// As [`FromMap::from_map`].
    pub fn into_typed<T: FromMap<'a>>(self) -> Result<T> {
        T::from_map(self)
    }

    /// Its name; for an internal map the one that libbpf made.
    pub fn name(&self) -> &OsStr {
        self.as_core().name()
    }

    /// Its kind.
    pub fn kind(&self) -> MapType {
        self.as_core().map_type()
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

    /// Its descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.as_core().as_fd()
    }

    /// Refuses a handle whose kind or sizes are not those of the map; key and value have `None` bytes where the handle does not ask.
    fn expect(self, kinds: &[MapType], key: Option<usize>, value: Option<usize>) -> Result<Self> {
        let why = if !kinds.contains(&self.kind()) {
            format!("the map is of type {:?}, not {:?}", self.kind(), kinds)
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
        Err(Error::Value { name: self.describe(), why })
    }

    fn describe(&self) -> String {
        format!("map `{}`", self.name().to_string_lossy())
    }

    /// The value of `key`; the types were held against the map's sizes when its typed handle was made.
    fn lookup<K: Plain, V: Plain>(&self, key: &K) -> Result<Option<V>> {
        let mut value = V::zeroed();
        let found = self.lookup_bytes(ptr::from_ref(key).cast(), value.bytes_mut())?;
        Ok(found.then_some(value))
    }

    /// Reads the value of the key at `key`, which has the map's size, or is null for a kind without keys.
    pub(super) fn lookup_bytes(&self, key: *const c_void, value: &mut [u8]) -> Result<bool> {
        // SAFETY: key and value have the map's sizes, as every caller has checked, and live through the call.
        let error = unsafe { libbpf_sys::bpf_map_lookup_elem(self.fd().as_raw_fd(), key, value.as_mut_ptr().cast()) };
        self.found(error, "look up a key in")
    }

    fn update<K: Plain, V: Plain>(&self, key: &K, value: &V, flags: u32) -> Result<()> {
        self.update_bytes(ptr::from_ref(key).cast(), value.bytes(), flags)
    }

    /// Writes the value of the key at `key`, which has the map's size, or is null for a kind without keys.
    pub(super) fn update_bytes(&self, key: *const c_void, value: &[u8], flags: u32) -> Result<()> {
        // SAFETY: as in `lookup_bytes`; the kernel only reads both.
        let error = unsafe { libbpf_sys::bpf_map_update_elem(self.fd().as_raw_fd(), key, value.as_ptr().cast(), flags.into()) };
        if error < 0 { Err(self.refused(error, "write to")) } else { Ok(()) }
    }

    fn delete<K: Plain>(&self, key: &K) -> Result<bool> {
        // SAFETY: the key has the map's size and lives through the call, which only reads it.
        let error = unsafe { libbpf_sys::bpf_map_delete_elem(self.fd().as_raw_fd(), ptr::from_ref(key).cast()) };
        self.found(error, "remove a key from")
    }

    /// The key behind `last`, or the first.
    fn next_key<K: Plain>(&self, last: Option<&K>) -> Result<Option<K>> {
        let mut next = K::zeroed();
        let last = last.map_or(ptr::null(), |last| ptr::from_ref(last).cast());
        let (fd, next_at) = (self.fd().as_raw_fd(), (&raw mut next).cast());
        // SAFETY: both keys have the map's size and live through the call; null asks for the first.
        let error = unsafe { libbpf_sys::bpf_map_get_next_key(fd, last, next_at) };
        self.found(error, "walk the keys of").map(|found| found.then_some(next))
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
                None => {
                    let why = "it changes faster than it can be walked, entries may be missing".to_owned();
                    Err(Error::Value { name: self.describe(), why })
                }
            };
            Some(Ok(key))
        })
    }

    /// Whether there was a key, from the result of a call that says ENOENT where there is none.
    fn found(&self, error: i32, tried: &str) -> Result<bool> {
        match error {
            0.. => Ok(true),
            error if error == -libc::ENOENT => Ok(false),
            error => Err(self.refused(error, tried)),
        }
    }

    fn refused(&self, error: i32, tried: &str) -> Error {
        refusal(format!("{tried} the {}", self.describe()), io::Error::from_raw_os_error(-error))
    }
}
