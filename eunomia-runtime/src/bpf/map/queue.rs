//! Maps of values without keys.

use std::{marker::PhantomData, os::fd::AsRawFd as _, ptr};

use libbpf_rs::{MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{Result, bpf::ON_STACK, sample::Plain};

/// A queue or a stack of values in the kernel.
///
/// It is the handle of `BPF_MAP_TYPE_QUEUE` (first in, first out) and `BPF_MAP_TYPE_STACK` (last
/// in, first out), both since kernel 4.20.
///
/// ```
/// use eunomia_runtime::bpf::Queue;
///
/// fn take_all(jobs: &Queue<'_, u64>) -> eunomia_runtime::Result<Vec<u64>> {
///     let mut taken = Vec::new();
///     while let Some(job) = jobs.pop()? {
///         taken.push(job);
///     }
///     Ok(taken)
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_QUEUE")]
#[doc(alias = "BPF_MAP_TYPE_STACK")]
#[derive(Debug)]
pub struct Queue<'a, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> V>,
}

/// A Bloom filter in the kernel: `BPF_MAP_TYPE_BLOOM_FILTER`, since kernel 5.16.
///
/// It tells for certain that a value was not added, but not that it was.
///
/// ```
/// use eunomia_runtime::bpf::BloomFilter;
///
/// fn is_new(seen: &BloomFilter<'_, u64>, value: u64) -> eunomia_runtime::Result<bool> {
///     let is_new = !seen.may_contain(&value)?;
///     seen.insert(&value)?;
///     Ok(is_new)
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_BLOOM_FILTER")]
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
    /// [`crate::Error::Kernel`] if the system call fails: E2BIG if the map is full.
    pub fn push(&self, value: &V) -> Result<()> {
        self.map.update_bytes(ptr::null(), value.bytes(), libbpf_sys::BPF_ANY)
    }

    /// Removes and returns the next value.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails.
    pub fn pop(&self) -> Result<Option<V>> {
        const { assert!(size_of::<V>() <= ON_STACK, "the value is too large for a stack") };
        let calls = self.map.calls()?;
        let mut value = V::zeroed();
        let (fd, value_at) = (self.map.fd().as_raw_fd(), (&raw mut value).cast());
        // SAFETY: the map has no keys; the value has the map's value size and lives through the
        // call.
        let error =
            unsafe { libbpf_sys::bpf_map_lookup_and_delete_elem(fd, ptr::null(), value_at) };
        calls.found(error, "take a value from").map(|found| found.then_some(value))
    }

    /// Returns the next value and leaves it in the map.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails.
    pub fn peek(&self) -> Result<Option<V>> {
        const { assert!(size_of::<V>() <= ON_STACK, "the value is too large for a stack") };
        let mut value = V::zeroed();
        let found = self.map.lookup_bytes(ptr::null(), value.bytes_mut())?;
        Ok(found.then_some(value))
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

impl<'a, V: Plain> BloomFilter<'a, V> {
    /// Adds a value.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails.
    pub fn insert(&self, value: &V) -> Result<()> {
        self.map.update_bytes(ptr::null(), value.bytes(), libbpf_sys::BPF_ANY)
    }

    /// Reports whether the value may have been added. If false, it was not.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails.
    pub fn may_contain(&self, value: &V) -> Result<bool> {
        // The kernel reads the value to look for from the buffer of the result.
        let mut bytes = value.bytes().to_vec();
        self.map.lookup_bytes(ptr::null(), &mut bytes)
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}
