//! Exclusive claims on maps that can have only one reader or one producer.

use std::{
    collections::BTreeSet,
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
    sync::{Mutex, MutexGuard, PoisonError},
};

use libbpf_rs::libbpf_sys;

use crate::{Error, Result, host::kernel_error};

/// The maps of which this process has the only reader or producer, by the kernel's id.
static CLAIMED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Excludes, until it is dropped, any other reader of a map that has one reader, or any other
/// producer of a map that has one producer, in this process.
///
/// A claim is for the map itself, so objects that share a map, through descriptors or a pin,
/// exclude each other. The owner of a claim keeps the map alive and drops the claim before the map,
/// so the kernel cannot give the id to another map while the claim exists. Other processes, and
/// other libraries in this process, are not seen.
#[derive(Debug)]
pub(crate) struct Claim {
    id: u32,
    name: String,
}

impl Claim {
    /// Claims the map `name` for its reader.
    pub(crate) fn reader(name: &str, map: BorrowedFd<'_>) -> Result<Self> {
        Self::new(format!("map `{name}`"), "reader", map)
    }

    /// Claims a map for its producer. Errors call the map `name`.
    pub(crate) fn producer(name: String, map: BorrowedFd<'_>) -> Result<Self> {
        Self::new(name, "producer", map)
    }

    fn new(name: String, role: &'static str, map: BorrowedFd<'_>) -> Result<Self> {
        let id =
            id(map).map_err(|error| kernel_error(format!("get the id of the {name}"), error))?;
        if claimed().insert(id) { Ok(Self { id, name }) } else { Err(Error::InUse { name, role }) }
    }

    /// Returns the name of the map in errors.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        claimed().remove(&self.id);
    }
}

/// Returns the claimed maps. The set is consistent after any panic, since each change of it is one
/// call.
fn claimed() -> MutexGuard<'static, BTreeSet<u32>> {
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the kernel's id of a map.
fn id(map: BorrowedFd<'_>) -> io::Result<u32> {
    let mut info = libbpf_sys::bpf_map_info::default();
    let mut len = size_of_val(&info) as u32;
    // SAFETY: the structure lives through the call, and the kernel writes at most as many bytes to
    // it as the length says.
    let error =
        unsafe { libbpf_sys::bpf_map_get_info_by_fd(map.as_raw_fd(), &raw mut info, &raw mut len) };
    if error < 0 { Err(io::Error::from_raw_os_error(-error)) } else { Ok(info.id) }
}
