//! The differences between samples of a map.

use std::{cmp::Ordering, mem};

use crate::sample::Plain;

/// Compares each sample of a map with the one before.
///
/// Entries stay in the map, so no count is lost.
///
/// ```
/// use eunomia_runtime::bpf::{Change, Deltas};
///
/// let mut deltas = Deltas::new();
/// // From a sampler: `sample.iter().map(|(key, value)| (*key, *value))`.
/// deltas.compare([(1u32, 10u64), (2, 20)]);
/// let changes = deltas.compare([(1, 15), (3, 1)]);
/// let changes: Vec<_> = changes.map(|change| change.growth(|count| *count)).collect();
/// assert_eq!(changes, [5, 0, 1]);
/// ```
#[derive(Debug)]
pub struct Deltas<K, V> {
    /// The entries of the previous sample. Both lists are ordered by the bytes of the keys.
    before: Vec<(K, V)>,
    now: Vec<(K, V)>,
}

/// The difference between an entry and the same entry in the previous sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<K, V> {
    /// An entry that is missing from the previous sample.
    New {
        /// The key.
        key: K,
        /// Its value.
        now: V,
    },
    /// An entry with another value than before.
    Changed {
        /// The key.
        key: K,
        /// Its value in the sample before.
        before: V,
        /// Its value.
        now: V,
    },
    /// An entry that is no longer in the map.
    Gone {
        /// The key.
        key: K,
        /// Its value in the sample before.
        before: V,
    },
}

impl<K: Plain, V: Plain> Deltas<K, V> {
    /// Returns a comparison without a previous sample: every entry of the first sample is new.
    pub fn new() -> Self {
        Self { before: Vec::new(), now: Vec::new() }
    }

    /// Compares the entries with those of the previous call and keeps them for the next. Returns
    /// the changes; unchanged entries are left out.
    ///
    /// `entries` has each key once. Keys and values are compared by their bytes. Nothing is
    /// allocated after the buffers have grown to the size of the samples.
    pub fn compare(
        &mut self,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> impl Iterator<Item = Change<K, V>> {
        mem::swap(&mut self.before, &mut self.now);
        self.now.clear();
        self.now.extend(entries);
        self.now.sort_unstable_by(|(a, _), (b, _)| a.bytes().cmp(b.bytes()));
        let (mut old, mut new) =
            (self.before.iter().copied().peekable(), self.now.iter().copied().peekable());
        std::iter::from_fn(move || {
            loop {
                let order = match (old.peek(), new.peek()) {
                    (Some((old, _)), Some((new, _))) => old.bytes().cmp(new.bytes()),
                    (Some(_), None) => Ordering::Less,
                    (None, _) => Ordering::Greater,
                };
                match order {
                    Ordering::Less => {
                        return old.next().map(|(key, before)| Change::Gone { key, before });
                    }
                    Ordering::Greater => {
                        return new.next().map(|(key, now)| Change::New { key, now });
                    }
                    Ordering::Equal => {
                        let ((key, before), (_, now)) = (old.next()?, new.next()?);
                        if before.bytes() != now.bytes() {
                            return Some(Change::Changed { key, before, now });
                        }
                    }
                }
            }
        })
    }
}

impl<K: Plain, V: Plain> Default for Deltas<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Change<K, V> {
    /// Returns the key.
    pub fn key(&self) -> &K {
        let (Self::New { key, .. } | Self::Changed { key, .. } | Self::Gone { key, .. }) = self;
        key
    }

    /// Returns how much a counter in the value has grown.
    ///
    /// A counter that is smaller than before belongs to an entry that was removed and created
    /// again, so all of it counts. An entry that is gone has not grown.
    pub fn growth(&self, number: impl Fn(&V) -> u64) -> u64 {
        match self {
            Self::New { now, .. } => number(now),
            Self::Changed { before, now, .. } => {
                let now = number(now);
                now.checked_sub(number(before)).unwrap_or(now)
            }
            Self::Gone { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compare_finds_every_kind_of_change() {
        let mut deltas = Deltas::new();
        let first: Vec<_> = deltas.compare([(300u32, 1u64), (1, 2), (2, 3)]).collect();
        // Ordered by the bytes of the keys: 300 is 2c 01.
        assert_eq!(
            first,
            [
                Change::New { key: 1, now: 2 },
                Change::New { key: 2, now: 3 },
                Change::New { key: 300, now: 1 }
            ]
        );
        let second: Vec<_> = deltas.compare([(2, 3), (7, 7), (300, 5)]).collect();
        assert_eq!(
            second,
            [
                Change::Gone { key: 1, before: 2 },
                Change::New { key: 7, now: 7 },
                Change::Changed { key: 300, before: 1, now: 5 }
            ]
        );
        assert_eq!(
            second
                .iter()
                .map(|change| (*change.key(), change.growth(|count| *count)))
                .collect::<Vec<_>>(),
            [(1, 0), (7, 7), (300, 4)]
        );
        // The samples are compared even if the changes are not read.
        let _ = deltas.compare([(300, 9)]);
        assert_eq!(
            deltas.compare([(300, 4)]).collect::<Vec<_>>(),
            [Change::Changed { key: 300, before: 9, now: 4 }]
        );
        assert_eq!(
            deltas.compare([(300, 2)]).map(|change| change.growth(|count| *count)).sum::<u64>(),
            2,
            "created again"
        );
        assert_eq!(deltas.compare([(300, 2)]).count(), 0);
        assert_eq!(deltas.compare([]).collect::<Vec<_>>(), [Change::Gone { key: 300, before: 2 }]);
        assert_eq!(deltas.compare([]).count(), 0);
    }
}
