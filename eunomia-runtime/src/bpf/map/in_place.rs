//! Arrays that are mapped into this process.

use std::marker::PhantomData;

use libbpf_rs::{MapInfo, libbpf_sys};

use super::Array;
use crate::{
    Error, Result,
    bpf::{ReadWrite, Variable, section::Storage},
    host::{kernel_error, messages::refused},
    reader::Mapping,
    sample::Plain,
};

/// The values of an [`Array`], mapped into this process: reading and writing them takes no system
/// call.
///
/// ```
/// use eunomia_runtime::bpf::Array;
///
/// fn sum(counts: &Array<'_, u64>) -> eunomia_runtime::Result<u64> {
///     counts.in_place()?.iter().map(|count| count.get()).sum()
/// }
/// ```
#[derive(Debug)]
pub struct InPlace<'a, V> {
    storage: Storage,
    entries: u32,
    /// The mapping that the storage is a part of.
    _mapping: Mapping,
    borrow: PhantomData<&'a V>,
}

impl<'a, V: Plain> Array<'a, V> {
    /// Maps the values into this process. Programs see at once what is written to the mapping.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the map was created without `BPF_F_MMAPABLE` (`__uint(map_flags,
    /// BPF_F_MMAPABLE)`, since kernel 5.5). [`Error::Kernel`] if mapping fails: EPERM if user space
    /// may not write to the map.
    pub fn in_place(&self) -> Result<InPlace<'a, V>> {
        let map = self.as_map();
        map.usable()?;
        let info = MapInfo::new(map.fd()).map_err(|error| {
            refused(format!("ask the kernel about the {}", map.describe()), &error, "")
        })?;
        if info.info.map_flags & libbpf_sys::BPF_F_MMAPABLE == 0 {
            let why = "it cannot be mapped; declare it with `__uint(map_flags, BPF_F_MMAPABLE)`"
                .to_owned();
            return Err(Error::Misuse { name: map.describe(), why });
        }
        let len = stride::<V>() * self.len() as usize;
        let mapping = Mapping::new(map.fd(), 0, len, true).map_err(|error| {
            kernel_error(format!("map the values of the {}", map.describe()), error.into())
        })?;
        // SAFETY: the mapping lives as long as the storage, which is kept with it. Only the kernel
        // and this storage write to it, and the storage stays on one thread.
        let storage = unsafe { Storage::memory(mapping.start(), len) };
        let misaligned = || Error::Mismatch {
            name: map.describe(),
            why: "its mapping is misaligned".to_owned(),
        };
        Ok(InPlace {
            storage: storage.ok_or_else(misaligned)?,
            entries: self.len(),
            _mapping: mapping,
            borrow: PhantomData,
        })
    }
}

impl<V: Plain> InPlace<'_, V> {
    /// Returns the value of an entry, or `None` if `index` is past the end.
    pub fn at(&self, index: u32) -> Option<Variable<'_, V, ReadWrite>> {
        (index < self.entries).then(|| Variable::new(self.storage, index as usize * stride::<V>()))
    }

    /// Iterates over the values in order.
    pub fn iter(&self) -> impl Iterator<Item = Variable<'_, V, ReadWrite>> {
        (0..self.entries).filter_map(|index| self.at(index))
    }

    /// Returns the number of entries.
    #[allow(clippy::len_without_is_empty, reason = "the kernel refuses empty arrays")]
    pub fn len(&self) -> u32 {
        self.entries
    }
}

/// The number of bytes from one value to the next (`array_map_alloc`).
const fn stride<V>() -> usize {
    size_of::<V>().next_multiple_of(8)
}
