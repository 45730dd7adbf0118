//! Maps of stack traces.

use std::ptr;

use libbpf_rs::MapType;

use super::{FromMap, Map};
use crate::{Result, sample::Plain};

/// Stack traces by the ids that `bpf_get_stackid` returns: `BPF_MAP_TYPE_STACK_TRACE`, since kernel
/// 4.6.
///
/// ```
/// use eunomia_runtime::bpf::StackTraces;
///
/// fn print(stacks: &StackTraces<'_>, id: u32) -> eunomia_runtime::Result<()> {
///     for address in stacks.get(id)?.unwrap_or_default() {
///         println!("{address:#x}");
///     }
///     Ok(())
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_STACK_TRACE")]
#[derive(Debug)]
pub struct StackTraces<'a>(Map<'a>);

impl<'a> FromMap<'a> for StackTraces<'a> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        map.expect(&[MapType::StackTrace], Some(size_of::<u32>()), None).map(Self)
    }
}

impl<'a> StackTraces<'a> {
    /// Returns the addresses of a trace, the innermost first, or `None` if there is no trace with
    /// this id.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails.
    pub fn get(&self, id: u32) -> Result<Option<Vec<u64>>> {
        let mut bytes = vec![0; self.0.value_size() as usize];
        if !self.0.lookup_bytes(ptr::from_ref(&id).cast(), &mut bytes)? {
            return Ok(None);
        }
        // The kernel fills the unused end of a trace with zeros.
        let addresses = bytes.chunks_exact(size_of::<u64>()).filter_map(u64::read);
        Ok(Some(addresses.take_while(|address| *address != 0).collect()))
    }

    /// Removes a trace; returns false if it is missing.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails.
    pub fn remove(&self, id: u32) -> Result<bool> {
        self.0.delete(&id)
    }

    /// Iterates over the ids of the traces. It walks the map as [`super::HashMap::keys`] does.
    pub fn ids(&self) -> impl Iterator<Item = Result<u32>> {
        self.0.walk()
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.0
    }
}
