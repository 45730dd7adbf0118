use std::marker::PhantomData;

use libbpf_rs::{MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{Result, sample::Plain};

/// An array in the kernel; all its entries always exist.
#[derive(Debug)]
pub struct Array<'a, V> {
    map: Map<'a>,
    types: PhantomData<fn() -> V>,
}

impl<'a, V> FromMap<'a> for Array<'a, V> {
    fn from_map(map: Map<'a>) -> Result<Self> {
        let map = map.expect(&[MapType::Array], Some(size_of::<u32>()), Some(size_of::<V>()))?;
        Ok(Self { map, types: PhantomData })
    }
}

impl<'a, V: Plain> Array<'a, V> {
    /// The value of an entry; `None` behind the end. As [`Self::iter`] it compiles for values of up to [`ON_STACK`](crate::bpf::ON_STACK)
    /// bytes.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub fn get(&self, index: u32) -> Result<Option<V>> {
        self.map.lookup(&index)
    }

    /// The value of an entry on the heap, of any size; `None` behind the end.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub fn get_boxed(&self, index: u32) -> Result<Option<Box<V>>> {
        self.map.lookup_boxed(&index)
    }

    /// Reads the value of an entry into a place of the caller's; whether there is such an entry.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub fn read_into(&self, index: u32, value: &mut V) -> Result<bool> {
        self.map.lookup_into(&index, value)
    }

    /// Sets an entry.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`]; E2BIG behind the end.
    pub fn set(&self, index: u32, value: &V) -> Result<()> {
        self.map.update(&index, value, libbpf_sys::BPF_ANY)
    }

    /// Every value in order, one lookup for each.
    pub fn iter(&self) -> impl Iterator<Item = Result<V>> {
        (0..self.len()).filter_map(|index| self.get(index).transpose())
    }

    /// The number of entries.
    #[allow(clippy::len_without_is_empty, reason = "the kernel makes no empty arrays")]
    pub fn len(&self) -> u32 {
        self.map.max_entries()
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}
