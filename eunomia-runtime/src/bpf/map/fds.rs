//! Maps that hold kernel objects by their file descriptors, and maps that are looked up by one.

use std::{
    marker::PhantomData,
    os::fd::{AsFd, AsRawFd as _},
    ptr,
};

use libbpf_rs::{MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{Result, sample::Plain};

/// A map from keys to kernel objects, which are put in by their file descriptors.
///
/// It is the handle of these map types:
///
/// - `BPF_MAP_TYPE_PROG_ARRAY` (since kernel 4.2): programs for tail calls.
/// - `BPF_MAP_TYPE_PERF_EVENT_ARRAY` (4.3): perf events by the CPU that they count on.
/// - `BPF_MAP_TYPE_CGROUP_ARRAY` (4.8): cgroups.
/// - `BPF_MAP_TYPE_SOCKMAP` (4.14) and `BPF_MAP_TYPE_SOCKHASH` (4.18): sockets.
/// - `BPF_MAP_TYPE_XSKMAP` (4.18): AF_XDP sockets.
/// - `BPF_MAP_TYPE_REUSEPORT_SOCKARRAY` (4.19): sockets of a reuseport group.
///
/// The map holds programs, cgroups and perf events, so their descriptors may be closed. A perf
/// event is removed when the map descriptor that it was put in by is closed, unless the map has the
/// flag `BPF_F_PRESERVE_ELEMS`. A socket is removed when it is closed.
///
/// ```
/// use eunomia_runtime::bpf::{FdMap, Program};
///
/// fn set_tail_call(jumps: &FdMap<'_, u32>, program: &Program<'_>) -> eunomia_runtime::Result<()> {
///     jumps.insert(&0, program.fd()?)
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_PROG_ARRAY")]
#[doc(alias = "BPF_MAP_TYPE_PERF_EVENT_ARRAY")]
#[doc(alias = "BPF_MAP_TYPE_CGROUP_ARRAY")]
#[doc(alias = "BPF_MAP_TYPE_SOCKMAP")]
#[doc(alias = "BPF_MAP_TYPE_SOCKHASH")]
#[doc(alias = "BPF_MAP_TYPE_XSKMAP")]
#[doc(alias = "BPF_MAP_TYPE_REUSEPORT_SOCKARRAY")]
#[derive(Debug)]
pub struct FdMap<'a, K> {
    map: Map<'a>,
    types: PhantomData<fn() -> K>,
}

/// A map of values that belong to kernel objects.
///
/// It is the handle of these map types:
///
/// - `BPF_MAP_TYPE_SK_STORAGE` (since kernel 5.2): values of sockets.
/// - `BPF_MAP_TYPE_INODE_STORAGE` (5.10): values of inodes.
/// - `BPF_MAP_TYPE_TASK_STORAGE` (5.11): values of tasks.
/// - `BPF_MAP_TYPE_CGRP_STORAGE` (6.2): values of cgroups.
///
/// User space names a task by a pidfd, and any other object by one of its file descriptors.
///
/// ```
/// use std::net::TcpStream;
///
/// use eunomia_runtime::bpf::Storage;
///
/// fn mark(marks: &Storage<'_, u32>, connection: &TcpStream) -> eunomia_runtime::Result<()> {
///     marks.insert(connection, &7)
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_SK_STORAGE")]
#[doc(alias = "BPF_MAP_TYPE_INODE_STORAGE")]
#[doc(alias = "BPF_MAP_TYPE_TASK_STORAGE")]
#[doc(alias = "BPF_MAP_TYPE_CGRP_STORAGE")]
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
        const KINDS: [MapType; 4] =
            [MapType::TaskStorage, MapType::InodeStorage, MapType::SkStorage, MapType::CGrpStorage];
        let map = map.expect(&KINDS, Some(size_of::<libc::c_int>()), Some(size_of::<V>()))?;
        Ok(Self { map, types: PhantomData })
    }
}

impl<'a, K: Plain> FdMap<'a, K> {
    /// Puts the object of a descriptor under a key.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails: E2BIG if the map is full.
    pub fn insert(&self, key: &K, object: impl AsFd) -> Result<()> {
        // Values of socket maps may have 8 bytes. The lower ones are the descriptor.
        let fd = i64::from(object.as_fd().as_raw_fd()).to_le_bytes();
        let size = (self.map.value_size() as usize).min(fd.len());
        self.map.update_bytes(
            ptr::from_ref(key).cast(),
            fd.get(..size).unwrap_or(&fd),
            libbpf_sys::BPF_ANY,
        )
    }

    /// Removes the object of a key; returns false if the key has none.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails.
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(key)
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

impl<'a, V: Plain> Storage<'a, V> {
    /// Returns the value of an object.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails.
    pub fn get(&self, object: impl AsFd) -> Result<Option<V>> {
        self.map.lookup(&object.as_fd().as_raw_fd())
    }

    /// Sets the value of an object.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails.
    pub fn insert(&self, object: impl AsFd, value: &V) -> Result<()> {
        self.map.update(&object.as_fd().as_raw_fd(), value, libbpf_sys::BPF_ANY)
    }

    /// Removes the value of an object; returns false if the object has none.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails.
    pub fn remove(&self, object: impl AsFd) -> Result<bool> {
        self.map.delete(&object.as_fd().as_raw_fd())
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}
