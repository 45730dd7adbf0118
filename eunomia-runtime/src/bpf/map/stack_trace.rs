use std::ptr;

use libbpf_rs::MapType;

use super::{FromMap, Map};
use crate::{Result, sample::Plain};

/// Stack traces by the numbers that `bpf_get_stackid` gives.
#[derive(Debug)]
pub struct StackTraces<'a>(Map<'a>);

impl<'a> FromMap<'a> for StackTraces<'a> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        map.expect(&[MapType::StackTrace], Some(size_of::<u32>()), None).map(Self)
    }
}

impl<'a> StackTraces<'a> {
    /// The addresses of a trace, the innermost first; `None` where there is no such trace.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub fn get(&self, id: u32) -> Result<Option<Vec<u64>>> {
        let mut bytes = vec![0; self.0.value_size() as usize];
        if !self.0.lookup_bytes(ptr::from_ref(&id).cast(), &mut bytes)? {
            return Ok(None);
        }
        // The kernel fills what a trace does not need with zeros.
        let addresses = bytes.chunks_exact(size_of::<u64>()).filter_map(u64::read);
        Ok(Some(addresses.take_while(|address| *address != 0).collect()))
    }

    /// Forgets a trace; whether it was there.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub fn remove(&self, id: u32) -> Result<bool> {
        self.0.delete(&id)
    }

    /// The numbers of the traces, by a walk as in [`super::HashMap::keys`].
    pub fn ids(&self) -> impl Iterator<Item = Result<u32>> {
        self.0.walk()
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'a> {
        &self.0
    }
}
