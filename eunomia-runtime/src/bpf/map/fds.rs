//! Maps that are filled with file descriptors, or are asked by one.

use std::{
    marker::PhantomData,
    os::fd::{AsFd, AsRawFd as _},
    ptr,
};

use libbpf_rs::{MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{Result, sample::Plain};

/// A map from keys to kernel objects, which are given by their descriptors: programs to be tail-called, cgroups, sockets, perf events by
/// the CPU that they count on. The map holds the object from then on, the descriptor may be closed; perf events only as long as the map's
/// descriptor is open that they were put in by (unless it has `BPF_F_PRESERVE_ELEMS`).
#[derive(Debug)]
pub struct FdMap<'a, K> {
    map: Map<'a>,
    types: PhantomData<fn() -> K>,
}

/// Values that hang on kernel objects (`BPF_MAP_TYPE_TASK_STORAGE` and its kin): tasks by a pidfd, inodes, sockets and cgroups by a
/// descriptor of theirs.
#[derive(Debug)]
pub struct Storage<'a, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> V>,
}

impl<'a, K> FromMap<'a> for FdMap<'a, K> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        const KINDS: [MapType; 7] = [
            MapType::ProgArray,
            MapType::PerfEventArray,
            MapType::CgroupArray,
            MapType::Sockmap,
            MapType::Sockhash,
            MapType::Xskmap,
            MapType::ReuseportSockarray,
        ];
        let map = map.expect(&KINDS, Some(size_of::<K>()), None)?;
        Ok(Self { map, types: PhantomData })
    }
}

impl<'a, V> FromMap<'a> for Storage<'a, V> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        const KINDS: [MapType; 4] = [MapType::TaskStorage, MapType::InodeStorage, MapType::SkStorage, MapType::CGrpStorage];
        let map = map.expect(&KINDS, Some(size_of::<libc::c_int>()), Some(size_of::<V>()))?;
        Ok(Self { map, types: PhantomData })
    }
}

impl<'a, K: Plain> FdMap<'a, K> {
    /// Puts the object of a descriptor under a key.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`]; E2BIG where the map is full.
    pub fn insert(&self, key: &K, object: impl AsFd) -> Result<()> {
        // Socket maps may have values of 8 bytes, of which the lower ones are the descriptor.
        let fd = i64::from(object.as_fd().as_raw_fd()).to_le_bytes();
        let size = (self.map.value_size() as usize).min(fd.len());
        self.map.update_bytes(ptr::from_ref(key).cast(), fd.get(..size).unwrap_or(&fd), libbpf_sys::BPF_ANY)
    }

    /// Takes the object of a key out; whether there was one.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(key)
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

impl<'a, V: Plain> Storage<'a, V> {
    /// The value of an object.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub fn get(&self, object: impl AsFd) -> Result<Option<V>> {
        self.map.lookup(&object.as_fd().as_raw_fd())
    }

    /// Sets the value of an object.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub fn insert(&self, object: impl AsFd, value: &V) -> Result<()> {
        self.map.update(&object.as_fd().as_raw_fd(), value, libbpf_sys::BPF_ANY)
    }

    /// Removes the value of an object; whether there was one.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub fn remove(&self, object: impl AsFd) -> Result<bool> {
        self.map.delete(&object.as_fd().as_raw_fd())
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}
