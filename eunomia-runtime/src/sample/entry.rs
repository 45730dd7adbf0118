//! [`Entry`]: an entry of a map that is read at intervals.

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

/// Writes the entry as `key=1 value={count=2}`.
impl<K: Line, V: Line> fmt::Display for Entry<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("key=")?;
        self.key.line(f)?;
        f.write_str(" value=")?;
        self.value.line(f)
    }
}

/// Returns the offset of the value in the record of an entry.
pub(crate) const fn value_offset(key_size: usize) -> usize {
    key_size.next_multiple_of(8)
}

/// Passes the record of an entry to `f`; see [`with_event`].
///
/// `key_size` is the map's.
///
/// # Errors
/// [`Short`] if the record has fewer bytes than the types; `f` is not called.
#[doc(hidden)]
pub fn with_entry<K: Plain, V: Plain, R>(
    record: &[u8],
    key_size: usize,
    f: impl FnOnce(Entry<'_, K, V>) -> R,
) -> Result<R, Short> {
    let value = record.get(value_offset(key_size)..).unwrap_or_default();
    // The kernel returns whole keys and values, so one that is cut short is not accepted.
    let short =
        |bytes: &[u8], size| (bytes.len() < size).then_some(Short { len: bytes.len(), size });
    match short(record, size_of::<K>()).or_else(|| short(value, size_of::<V>())) {
        Some(short) => Err(short),
        None => with_event(record, |key| with_event(value, |value| f(Entry { key, value })))?,
    }
}
