//! Samplers, which read a whole map again and again into the same memory.

mod entries;
mod memory;
mod per_cpu;
mod records;
mod typed;

use std::{
    ffi::c_void,
    fmt,
    os::fd::{AsFd as _, AsRawFd as _},
    ptr,
};

use libbpf_rs::{MapCore as _, MapHandle, MapType, libbpf_sys};

use super::{Calls, Map};
use crate::{
    Error, Result,
    host::{cpus, privilege::map_type_name},
};
use memory::Memory;

pub use entries::ByteEntries;
pub use per_cpu::{PerCpu, PerCpuEntries, PerCpuSampler};
pub(in crate::bpf) use records::Records;
pub use typed::{Entries, Sampler};

/// A reader of a whole map as bytes.
///
/// It reads into memory that it keeps: nothing is allocated after that has grown to the size of the
/// map's entries. It has a descriptor of its own, so it may outlive the handle and the object that
/// it was made from. See [`Sampler`] for what a sample holds.
pub struct ByteSampler {
    map: MapHandle,
    key_size: usize,
    /// The number of bytes of a value, for a per-CPU map those of all CPUs.
    value_size: usize,
    keys: Memory,
    values: Memory,
    /// The number of entries that there is memory for.
    room: usize,
    /// The number of entries that were read.
    len: usize,
    /// The position at which the kernel continues: a key, or the number of a bucket.
    mark: Vec<u8>,
}

/// `bpf_map_lookup_batch`, or `bpf_map_lookup_and_delete_batch`.
type Batch = unsafe extern "C" fn(
    i32,
    *mut c_void,
    *mut c_void,
    *mut c_void,
    *mut c_void,
    *mut u32,
    *const libbpf_sys::bpf_map_batch_opts,
) -> i32;

/// The kernel-internal ENOTSUPP, which `bpf` returns if a map does not have the operation.
const ENOTSUPP: i32 = 524;

impl Map<'_> {
    /// Returns a sampler that reads the whole map as bytes.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the map has no keys or values; [`Error::Mismatch`] or
    /// [`Error::NotLoaded`] if the handle refuses calls; [`Error::Kernel`] if
    /// its descriptor cannot be duplicated.
    pub fn sampler(&self) -> Result<ByteSampler> {
        self.usable()?;
        let (key_size, mut value_size) = (self.key_size() as usize, self.value_size() as usize);
        if key_size == 0 || value_size == 0 {
            return Err(Error::Misuse {
                name: self.describe(),
                why: format!(
                    "a map of type {} has no entries to read",
                    map_type_name(self.kind() as u32)
                ),
            });
        }
        const PER_CPU: [MapType; 4] = [
            MapType::PercpuHash,
            MapType::LruPercpuHash,
            MapType::PercpuArray,
            MapType::PercpuCgroupStorage,
        ];
        if PER_CPU.contains(&self.kind()) {
            value_size = value_size.next_multiple_of(8) * cpus::possible()? as usize;
        }
        Ok(ByteSampler {
            map: self.to_handle()?,
            key_size,
            value_size,
            keys: Memory::default(),
            values: Memory::default(),
            room: 0,
            len: 0,
            // The size that `bpf_map_lookup_batch` of libbpf requires.
            mark: vec![0; key_size.max(4)],
        })
    }
}

impl ByteSampler {
    /// Reads every entry, as [`Sampler::sample`] does.
    ///
    /// # Errors
    /// Those of [`Sampler::sample`].
    pub fn sample(&mut self) -> Result<ByteEntries<'_>> {
        self.read()?;
        Ok(self.entries())
    }

    /// Takes every entry out of the map, as [`Sampler::take`] does.
    ///
    /// # Errors
    /// Those of [`Sampler::take`].
    pub fn take(&mut self) -> Result<ByteEntries<'_>> {
        if self.is_array() || !self.read_batches(libbpf_sys::bpf_map_lookup_and_delete_batch)? {
            // Entries that were read before an error are still in the map: nothing was taken.
            self.read().inspect_err(|_| self.len = 0)?;
            self.clear_each()?;
        }
        Ok(self.entries())
    }

    /// Returns the entries that were read last; after an error, those that were read before it.
    pub fn entries(&self) -> ByteEntries<'_> {
        let keys = self.keys.bytes().get(..self.len * self.key_size).unwrap_or_default();
        let values = self.values.bytes().get(..self.len * self.value_size).unwrap_or_default();
        ByteEntries { keys, values, key_size: self.key_size, value_size: self.value_size }
    }

    /// Returns the number of bytes of a key and of a value, for a per-CPU map of the values of all
    /// CPUs.
    pub(in crate::bpf) fn sizes(&self) -> (usize, usize) {
        (self.key_size, self.value_size)
    }

    fn read(&mut self) -> Result<()> {
        let batches = self.read_batches(libbpf_sys::bpf_map_lookup_batch);
        let is_walked = matches!(batches, Ok(false));
        let read = if is_walked { self.walk() } else { batches.map(drop) };
        if is_walked || self.restarts() {
            self.drop_repeated();
        }
        read
    }

    /// Reads the map with as few calls as the memory allows; returns false if the kernel does not
    /// have the call for this map.
    fn read_batches(&mut self, call: Batch) -> Result<bool> {
        self.len = 0;
        let (mut started, mut interrupted) = (false, 0);
        loop {
            self.grow_if_full();
            let (error, count) = self.batch(call, started);
            match error {
                libc::EINVAL | libc::EOPNOTSUPP | ENOTSUPP if !started => return Ok(false),
                // The next bucket has more entries than there is room for.
                libc::ENOSPC => self.grow(),
                // A short read is not the end of the map. Either the next bucket did not fit, or
                // another process got in the way: EINTR if keys are removed while
                // `generic_map_lookup_batch` of kernels before 6.14 reads them, EBUSY of
                // `htab_lock_bucket`.
                0 => self.len += count,
                libc::EINTR | libc::EBUSY if interrupted < 1000 => {
                    self.len += count;
                    interrupted += 1;
                }
                libc::ENOENT => {
                    self.len += count;
                    return Ok(true);
                }
                _ => return Err(self.calls().refused(-error, "read the entries of")),
            }
            // Otherwise the kernel has not stored a position.
            started |= count > 0 || error == libc::ENOSPC;
            if self.restarts() && self.len > 2 * self.max_entries() {
                return Err(self.calls().too_fast());
            }
        }
    }

    /// Calls once, for as many entries as there is room for, from the position or from the start.
    /// Returns the errno and the number of entries that were read.
    fn batch(&mut self, call: Batch, started: bool) -> (i32, usize) {
        let keys = self
            .keys
            .bytes_mut()
            .get_mut(self.len * self.key_size..self.room * self.key_size)
            .unwrap_or_default();
        let values = self
            .values
            .bytes_mut()
            .get_mut(self.len * self.value_size..self.room * self.value_size)
            .unwrap_or_default();
        let room = (keys.len() / self.key_size).min(values.len() / self.value_size);
        let mut count = u32::try_from(room).unwrap_or(u32::MAX);
        let mark = self.mark.as_mut_ptr().cast();
        let from = if started { mark } else { ptr::null_mut() };
        let (fd, keys, values) =
            (self.map.as_fd().as_raw_fd(), keys.as_mut_ptr().cast(), values.as_mut_ptr().cast());
        // SAFETY: `keys` and `values` have room for `count` of the map's sizes, and the mark has
        // room for a key or the number of a bucket. All live through the call, which reads the mark
        // before it writes it.
        let error = unsafe { call(fd, from, mark, keys, values, &raw mut count, ptr::null()) };
        // The kernel sets the count only if it began to read.
        let count = if matches!(-error, 0 | libc::ENOENT | libc::ENOSPC | libc::EINTR | libc::EBUSY)
        {
            count as usize
        } else {
            0
        };
        (-error, count.min(room))
    }

    /// Reads the map key by key. Keys that are removed before their value is read are left out.
    fn walk(&mut self) -> Result<()> {
        self.len = 0;
        let mut last = ptr::null();
        for _ in 0..=2 * self.max_entries() {
            self.grow_if_full();
            let mark = self.mark.as_mut_ptr().cast();
            if !self.calls().next_key(last, mark)? {
                return Ok(());
            }
            last = mark.cast_const();
            let calls = Calls(&self.map);
            let (Some(key), Some(value)) = (
                self.keys.at_mut(self.len, self.key_size),
                self.values.at_mut(self.len, self.value_size),
            ) else {
                break;
            };
            if calls.lookup(last, value)? {
                key.copy_from_slice(self.mark.get(..self.key_size).unwrap_or_default());
                self.len += 1;
            }
        }
        Err(self.calls().too_fast())
    }

    /// Reports whether batches start over if the key at which they are is removed, so that keys can
    /// come again.
    fn restarts(&self) -> bool {
        const IN_ORDER: [MapType; 6] = [
            MapType::Hash,
            MapType::LruHash,
            MapType::PercpuHash,
            MapType::LruPercpuHash,
            MapType::Array,
            MapType::PercpuArray,
        ];
        !IN_ORDER.contains(&self.map.map_type())
    }

    fn drop_repeated(&mut self) {
        let (keys, size) = (self.keys.bytes(), self.key_size);
        let key = |index: usize| keys.get(index * size..(index + 1) * size);
        let mut order: Vec<usize> = (0..self.len).collect();
        order.sort_unstable_by(|a, b| key(*a).cmp(&key(*b)));
        order.dedup_by(|a, b| key(*a) == key(*b));
        order.sort_unstable();
        self.len = 0;
        for index in order {
            self.keep(index);
        }
    }

    /// Clears every entry that was read. Each is read again right before, so that few changes are
    /// lost. Entries that another process has removed are left out.
    fn clear_each(&mut self) -> Result<()> {
        let zero = vec![0; self.value_size];
        let read = std::mem::take(&mut self.len);
        for index in 0..read {
            if self.clear(index, &zero)? {
                self.keep(index);
            }
        }
        Ok(())
    }

    fn clear(&mut self, index: usize, zero: &[u8]) -> Result<bool> {
        let is_array = self.is_array();
        let calls = Calls(&self.map);
        let (Some(key), Some(value)) =
            (self.keys.at_mut(index, self.key_size), self.values.at_mut(index, self.value_size))
        else {
            return Ok(false);
        };
        let key = key.as_ptr().cast();
        if is_array {
            if value != zero {
                calls.lookup(key, value)?;
                calls.update(key, zero, libbpf_sys::BPF_ANY)?;
            }
            return Ok(true);
        }
        Ok(calls.lookup(key, value)? && calls.delete(key)?)
    }

    /// Moves an entry to the end of those that are kept.
    fn keep(&mut self, index: usize) {
        self.keys.copy(index, self.len, self.key_size);
        self.values.copy(index, self.len, self.value_size);
        self.len += 1;
    }

    /// Reports whether the map is an array. Its entries always exist, so they are set to zero
    /// instead of removed.
    fn is_array(&self) -> bool {
        matches!(self.map.map_type(), MapType::Array | MapType::PercpuArray)
    }

    fn grow_if_full(&mut self) {
        if self.len == self.room {
            self.grow();
        }
    }

    fn grow(&mut self) {
        self.room =
            first_room(self.key_size + self.value_size, self.max_entries()).max(self.room * 2);
        self.keys.grow(self.room * self.key_size);
        self.values.grow(self.room * self.value_size);
    }

    fn max_entries(&self) -> usize {
        self.map.max_entries() as usize
    }

    fn calls(&self) -> Calls<'_> {
        Calls(&self.map)
    }
}

/// Returns the number of entries to allocate at first: those of a megabyte, but at least one, and
/// no more than the map can have and the call that finds its end needs.
fn first_room(entry_size: usize, max_entries: usize) -> usize {
    ((1 << 20) / entry_size).clamp(1, max_entries.saturating_add(17))
}

/// Omits the memory.
impl fmt::Debug for ByteSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { map, len, room, .. } = self;
        f.debug_struct("ByteSampler")
            .field("map", map)
            .field("len", len)
            .field("room", room)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::first_room;

    #[test]
    fn first_room_is_limited_by_bytes() {
        assert_eq!(first_room(12, 10_240), 10_257);
        assert_eq!(first_room(12, 1 << 24), (1 << 20) / 12);
        // A single entry of a map can have hundreds of megabytes over all CPUs.
        assert_eq!(first_room(512 << 20, 1), 1);
        assert_eq!(first_room(1, 0), 17);
    }
}
