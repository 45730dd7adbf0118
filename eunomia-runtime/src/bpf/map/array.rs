//! Arrays with one value for each index.

use std::marker::PhantomData;

use libbpf_rs::{MapType, libbpf_sys};

use super::{FromMap, Map};
use crate::{Result, sample::Plain};

/// An array of values in the kernel: `BPF_MAP_TYPE_ARRAY`, since kernel 3.19.
///
/// All entries always exist. They start as zeros and cannot be removed.
///
/// ```
/// use eunomia_runtime::bpf::Array;
///
/// fn switch_on(settings: &Array<'_, u32>) -> eunomia_runtime::Result<()> {
///     settings.set(0, &1)
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_ARRAY")]
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
    /// Returns the value of an entry, or `None` if `index` is past the end. Like [`Self::iter`], it
    /// compiles for values of up to [`ON_STACK`](crate::bpf::ON_STACK) bytes.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails.
    pub fn get(&self, index: u32) -> Result<Option<V>> {
        self.map.lookup(&index)
    }

    /// Returns the value of an entry on the heap, for values of any size, or `None` if `index` is
    /// past the end.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails.
    pub fn get_boxed(&self, index: u32) -> Result<Option<Box<V>>> {
        self.map.lookup_boxed(&index)
    }

    /// Reads the value of an entry into `value`; returns false if `index` is past the end.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails.
    pub fn read_into(&self, index: u32, value: &mut V) -> Result<bool> {
        self.map.lookup_into(&index, value)
    }

    /// Sets the value of an entry.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the system call fails: E2BIG if `index` is past the end.
    pub fn set(&self, index: u32, value: &V) -> Result<()> {
        self.map.update(&index, value, libbpf_sys::BPF_ANY)
    }

    /// Iterates over the values in order, with one lookup each.
    pub fn iter(&self) -> impl Iterator<Item = Result<V>> {
        (0..self.len()).filter_map(|index| self.get(index).transpose())
    }

    /// Returns the number of entries.
    #[allow(clippy::len_without_is_empty, reason = "the kernel refuses empty arrays")]
    pub fn len(&self) -> u32 {
        self.map.max_entries()
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

/// Iterates like [`Array::iter`].
impl<'m, V: Plain> IntoIterator for &'m Array<'_, V> {
    type IntoIter = Box<dyn Iterator<Item = Result<V>> + 'm>;
    type Item = Result<V>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}
