use std::{
    collections::BTreeSet,
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
    sync::{Mutex, MutexGuard, PoisonError},
};

use libbpf_rs::libbpf_sys;

use crate::{Error, Result, refusal::refusal};

/// The maps that this process has the only other end of, by the kernel's numbers of them.
static CLAIMED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// That nobody else in this process reads a map that has one reader, or writes to one that has one producer, until it is dropped.
///
/// It goes by the map, so objects that share one, by descriptors or by a pin, exclude each other. The owner of a claim keeps the map
/// alive and drops the claim first, so the kernel gives the number to no other map meanwhile. Other processes, and other libraries in this
/// one, are not seen.
#[derive(Debug)]
pub(crate) struct Claim {
    id: u32,
    name: String,
}

impl Claim {
    /// For who reads the map `name`.
    pub(crate) fn reader(name: &str, map: BorrowedFd<'_>) -> Result<Self> {
        Self::new(format!("map `{name}`"), "reader", map)
    }

    /// For who writes to a map, which errors are to call `name`.
    pub(crate) fn producer(name: String, map: BorrowedFd<'_>) -> Result<Self> {
        Self::new(name, "producer", map)
    }

    fn new(name: String, role: &'static str, map: BorrowedFd<'_>) -> Result<Self> {
        let id = id(map).map_err(|error| refusal(format!("ask the kernel for the number of the {name}"), error))?;
        if claimed().insert(id) { Ok(Self { id, name }) } else { Err(Error::InUse { name, role }) }
    }

    /// What errors are to call the map.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        claimed().remove(&self.id);
    }
}

/// Whole after any panic, since each change of it is one call.
fn claimed() -> MutexGuard<'static, BTreeSet<u32>> {
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn id(map: BorrowedFd<'_>) -> io::Result<u32> {
    let mut info = libbpf_sys::bpf_map_info::default();
    let mut len = size_of_val(&info) as u32;
    // SAFETY: the structure lives through the call, which writes no more of it than the length says.
    let error = unsafe { libbpf_sys::bpf_map_get_info_by_fd(map.as_raw_fd(), &raw mut info, &raw mut len) };
    if error < 0 { Err(io::Error::from_raw_os_error(-error)) } else { Ok(info.id) }
}
