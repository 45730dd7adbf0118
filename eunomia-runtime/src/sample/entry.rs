use std::fmt;

use super::{Line, Plain, Short, with_event};

/// An entry of a map that is read at intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a, K, V> {
    /// The key.
    pub key: &'a K,
    /// Its value.
    pub value: &'a V,
}

/// `key=1 value={count=2}`
impl<K: Line, V: Line> fmt::Display for Entry<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("key=")?;
        self.key.line(f)?;
        f.write_str(" value=")?;
        self.value.line(f)
    }
}

/// Where the value of an entry starts in its record.
pub(crate) const fn value_offset(key_size: usize) -> usize {
    key_size.next_multiple_of(8)
}

/// Hands the record of an entry to `f`; see [`with_event`]. `key_size` is that of the map.
///
/// # Errors
/// [`Short`] where the record has fewer bytes than the types; `f` was not called.
pub fn with_entry<K: Plain, V: Plain, R>(record: &[u8], key_size: usize, f: impl FnOnce(Entry<'_, K, V>) -> R) -> Result<R, Short> {
    let value = record.get(value_offset(key_size)..).unwrap_or_default();
    // The kernel gives whole ones.
    let short = |bytes: &[u8], size| (bytes.len() < size).then_some(Short { len: bytes.len(), size });
    match short(record, size_of::<K>()).or_else(|| short(value, size_of::<V>())) {
        Some(short) => Err(short),
        None => with_event(record, |key| with_event(value, |value| f(Entry { key, value })))?,
    }
}
