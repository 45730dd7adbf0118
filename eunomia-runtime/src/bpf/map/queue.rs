//! Maps of values without keys.

use std::{marker::PhantomData, os::fd::AsRawFd as _, ptr};

use libbpf_rs::{MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{Result, bpf::ON_STACK, sample::Plain};

/// A queue (`BPF_MAP_TYPE_QUEUE`, first in, first out) or a stack (`BPF_MAP_TYPE_STACK`, last in, first out).
#[derive(Debug)]
pub struct Queue<'a, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> V>,
}

/// A set that knows surely what is not in it (`BPF_MAP_TYPE_BLOOM_FILTER`).
#[derive(Debug)]
pub struct BloomFilter<'a, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> V>,
}

impl<'a, V> FromMap<'a> for Queue<'a, V> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        let map = map.expect(&[MapType::Queue, MapType::Stack], Some(0), Some(size_of::<V>()))?;
        Ok(Self { map, types: PhantomData })
    }
}

impl<'a, V> FromMap<'a> for BloomFilter<'a, V> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        let map = map.expect(&[MapType::BloomFilter], Some(0), Some(size_of::<V>()))?;
        Ok(Self { map, types: PhantomData })
    }
}

impl<'a, V: Plain> Queue<'a, V> {
    /// Adds a value.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`]; E2BIG where the map is full.
    pub fn push(&self, value: &V) -> Result<()> {
        self.map.update_bytes(ptr::null(), value.bytes(), libbpf_sys::BPF_ANY)
    }

    /// Takes the next value.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub fn pop(&self) -> Result<Option<V>> {
        const { assert!(size_of::<V>() <= ON_STACK, "the value is too large for a stack") };
        let calls = self.map.calls()?;
        let mut value = V::zeroed();
        let (fd, value_at) = (self.map.fd().as_raw_fd(), (&raw mut value).cast());
        // SAFETY: the map has no keys, the value has its size and lives through the call.
        let error = unsafe { libbpf_sys::bpf_map_lookup_and_delete_elem(fd, ptr::null(), value_at) };
        calls.found(error, "take a value from").map(|found| found.then_some(value))
    }

    /// The next value, which stays.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub fn peek(&self) -> Result<Option<V>> {
        const { assert!(size_of::<V>() <= ON_STACK, "the value is too large for a stack") };
        let mut value = V::zeroed();
        let found = self.map.lookup_bytes(ptr::null(), value.bytes_mut())?;
        Ok(found.then_some(value))
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

impl<'a, V: Plain> BloomFilter<'a, V> {
    /// Adds a value.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub fn insert(&self, value: &V) -> Result<()> {
        self.map.update_bytes(ptr::null(), value.bytes(), libbpf_sys::BPF_ANY)
    }

    /// Whether the value may have been added; where it says no, it was not.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub fn may_contain(&self, value: &V) -> Result<bool> {
        // The kernel reads the value that it looks for from the place of the result.
        let mut bytes = value.bytes().to_vec();
        self.map.lookup_bytes(ptr::null(), &mut bytes)
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}
