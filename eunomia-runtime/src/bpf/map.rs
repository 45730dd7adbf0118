//! Maps, by kind.

use std::{
    ffi::OsStr,
    io,
    marker::PhantomData,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
    ptr,
};

use libbpf_rs::{MapCore as _, MapType, libbpf_sys};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{Error, Result, refusal::refusal};

/// A map of any kind.
#[derive(Debug)]
pub struct Map<'a>(libbpf_rs::Map<'a>);

impl<'a> Map<'a> {
    pub(super) fn new(map: libbpf_rs::Map<'a>) -> Self {
        Self(map)
    }

    /// Its name; for an internal map the one that libbpf made.
    pub fn name(&self) -> &OsStr {
        self.0.name()
    }

    /// Its kind.
    pub fn kind(&self) -> MapType {
        self.0.map_type()
    }

    /// Bytes of a key.
    pub fn key_size(&self) -> u32 {
        self.0.key_size()
    }

    /// Bytes of a value.
    pub fn value_size(&self) -> u32 {
        self.0.value_size()
    }

    /// Entries, or bytes of a ring buffer.
    pub fn max_entries(&self) -> u32 {
        self.0.max_entries()
    }

    /// Its descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// The map as a hash table of `K` and `V`.
    ///
    /// # Errors
    /// [`Error::Value`] where the map is no hash table or has keys or values of another size.
    pub fn into_hash_map<K, V>(self) -> Result<HashMap<'a, K, V>> {
        self.typed::<K, V>(&[MapType::Hash, MapType::LruHash]).map(|map| HashMap { map, types: PhantomData })
    }

    /// The map as an array of `V`.
    ///
    /// # Errors
    /// [`Error::Value`] where the map is no array or has values of another size.
    pub fn into_array<V>(self) -> Result<Array<'a, V>> {
        self.typed::<u32, V>(&[MapType::Array]).map(|map| Array { map, types: PhantomData })
    }

    fn typed<K, V>(self, kinds: &[MapType]) -> Result<Self> {
        let why = if !kinds.contains(&self.kind()) {
            format!("the map is of type {:?}, not {:?}", self.kind(), kinds)
        } else if self.key_size() as usize != size_of::<K>() || self.value_size() as usize != size_of::<V>() {
            format!(
                "the map has keys of {} and values of {} bytes, the types have {} and {}",
                self.key_size(),
                self.value_size(),
                size_of::<K>(),
                size_of::<V>()
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
    fn lookup<K: IntoBytes + Immutable, V: FromBytes + IntoBytes>(&self, key: &K) -> Result<Option<V>> {
        let mut value = V::new_zeroed();
        let (fd, value_at) = (self.fd().as_raw_fd(), (&raw mut value).cast());
        // SAFETY: key and value have the map's sizes and live through the call.
        let error = unsafe { libbpf_sys::bpf_map_lookup_elem(fd, ptr::from_ref(key).cast(), value_at) };
        self.found(error, "look up a key in").map(|found| found.then_some(value))
    }

    fn update<K: IntoBytes + Immutable, V: IntoBytes + Immutable>(&self, key: &K, value: &V, flags: u32) -> Result<()> {
        // SAFETY: as in `lookup`; the kernel only reads both.
        let error = unsafe {
            libbpf_sys::bpf_map_update_elem(self.fd().as_raw_fd(), ptr::from_ref(key).cast(), ptr::from_ref(value).cast(), flags.into())
        };
        if error < 0 { Err(self.refused(error, "write to")) } else { Ok(()) }
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

/// A hash table in the kernel.
#[derive(Debug)]
pub struct HashMap<'a, K, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> HashMap<'_, K, V>
where
    K: Copy + FromBytes + IntoBytes + Immutable,
    V: FromBytes + IntoBytes + Immutable,
{
    /// The value of a key.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn get(&self, key: &K) -> Result<Option<V>> {
        self.map.lookup(key)
    }

    /// Sets the value of a key, new or not.
    ///
    /// # Errors
    /// [`Error::Kernel`]; E2BIG where the map is full.
    pub fn insert(&self, key: &K, value: &V) -> Result<()> {
        self.map.update(key, value, libbpf_sys::BPF_ANY)
    }

    /// Removes a key; whether it was there.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn remove(&self, key: &K) -> Result<bool> {
        // SAFETY: the key has the map's size and lives through the call, which only reads it.
        let error = unsafe { libbpf_sys::bpf_map_delete_elem(self.map.fd().as_raw_fd(), ptr::from_ref(key).cast()) };
        self.map.found(error, "remove a key from")
    }

    /// Every entry, one lookup for each. Keys that go while we read are left out; where the BPF side removes the very key that the walk
    /// stands on, the kernel starts over and entries can come twice (`htab_map_get_next_key`). A map that changes faster than it is
    /// walked ends the walk with an error, after twice as many steps as it has room for.
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, V)>> {
        let mut steps = self.map.max_entries().saturating_mul(2);
        let mut next = self.next_key(None);
        std::iter::from_fn(move || {
            loop {
                let key = match std::mem::replace(&mut next, Ok(None)) {
                    Ok(key) => key?,
                    Err(error) => return Some(Err(error)),
                };
                let value = self.map.lookup(&key);
                next = match steps.checked_sub(1) {
                    Some(left) => {
                        steps = left;
                        self.next_key(Some(&key))
                    }
                    None => Err(Error::Value {
                        name: self.map.describe(),
                        why: "it changes faster than it can be walked, entries may be missing".to_owned(),
                    }),
                };
                if let Some(value) = value.transpose() {
                    return Some(value.map(|value| (key, value)));
                }
            }
        })
    }

    fn next_key(&self, last: Option<&K>) -> Result<Option<K>> {
        let mut next = K::new_zeroed();
        let last = last.map_or(ptr::null(), |last| ptr::from_ref(last).cast());
        let (fd, next_at) = (self.map.fd().as_raw_fd(), (&raw mut next).cast());
        // SAFETY: both keys have the map's size and live through the call; null asks for the first.
        let error = unsafe { libbpf_sys::bpf_map_get_next_key(fd, last, next_at) };
        self.map.found(error, "walk the keys of").map(|found| found.then_some(next))
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'_> {
        &self.map
    }
}

/// An array in the kernel; all its entries always exist.
#[derive(Debug)]
pub struct Array<'a, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> V>,
}

impl<V: FromBytes + IntoBytes + Immutable> Array<'_, V> {
    /// The value of an entry; `None` behind the end.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn get(&self, index: u32) -> Result<Option<V>> {
        self.map.lookup(&index)
    }

    /// Sets an entry.
    ///
    /// # Errors
    /// [`Error::Kernel`]; E2BIG behind the end.
    pub fn set(&self, index: u32, value: &V) -> Result<()> {
        self.map.update(&index, value, libbpf_sys::BPF_ANY)
    }

    /// The number of entries.
    #[allow(clippy::len_without_is_empty, reason = "the kernel makes no empty arrays")]
    pub fn len(&self) -> u32 {
        self.map.max_entries()
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'_> {
        &self.map
    }
}
