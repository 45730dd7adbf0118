use std::{cmp::Ordering, mem};

use crate::sample::Plain;

/// Compares each sample of a map with the one before. Nothing is taken out of the map, so nothing that is counted there is lost.
///
/// ```
/// use eunomia_runtime::bpf::{Change, Deltas};
///
/// let mut deltas = Deltas::new();
/// // Of a sampler: `sample.iter().map(|(key, value)| (*key, *value))`.
/// deltas.compare([(1u32, 10u64), (2, 20)]);
/// let changes: Vec<_> = deltas.compare([(1, 15), (3, 1)]).map(|change| change.growth(|count| *count)).collect();
/// assert_eq!(changes, [5, 0, 1]);
/// ```
#[derive(Debug)]
pub struct Deltas<K, V> {
    /// Both ordered by the bytes of the keys.
    before: Vec<(K, V)>,
    now: Vec<(K, V)>,
}

/// How an entry differs from that of the sample before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<K, V> {
    /// It was not there.
    New {
        /// The key.
        key: K,
        /// Its value.
        now: V,
    },
    /// Its value was another.
    Changed {
        /// The key.
        key: K,
        /// Its value in the sample before.
        before: V,
        /// Its value.
        now: V,
    },
    /// It is no longer there.
    Gone {
        /// The key.
        key: K,
        /// Its value in the sample before.
        before: V,
    },
}

impl<K: Plain, V: Plain> Deltas<K, V> {
    /// With nothing to compare with: in the first sample all is new.
    pub fn new() -> Self {
        Self { before: Vec::new(), now: Vec::new() }
    }

    /// Compares the entries, each key once, with those of the call before, and remembers them for the next; what has not changed is
    /// left out. Keys and values are compared by their bytes. Allocates nothing once it has grown to the samples.
    pub fn compare(&mut self, entries: impl IntoIterator<Item = (K, V)>) -> impl Iterator<Item = Change<K, V>> {
        mem::swap(&mut self.before, &mut self.now);
        self.now.clear();
        self.now.extend(entries);
        self.now.sort_unstable_by(|(a, _), (b, _)| a.bytes().cmp(b.bytes()));
        let (mut old, mut new) = (self.before.iter().copied().peekable(), self.now.iter().copied().peekable());
        std::iter::from_fn(move || {
            loop {
                let order = match (old.peek(), new.peek()) {
                    (Some((old, _)), Some((new, _))) => old.bytes().cmp(new.bytes()),
                    (Some(_), None) => Ordering::Less,
                    (None, _) => Ordering::Greater,
                };
                match order {
                    Ordering::Less => return old.next().map(|(key, before)| Change::Gone { key, before }),
                    Ordering::Greater => return new.next().map(|(key, now)| Change::New { key, now }),
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
    /// The key.
    pub fn key(&self) -> &K {
        let (Self::New { key, .. } | Self::Changed { key, .. } | Self::Gone { key, .. }) = self;
        key
    }

    /// By how much a number in the value has grown that only ever grows. One that is smaller than before belongs to an entry that was
    /// removed and made anew, so all of it is new; one that is gone has not grown.
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
    fn every_kind_of_change() {
        let mut deltas = Deltas::new();
        let first: Vec<_> = deltas.compare([(300u32, 1u64), (1, 2), (2, 3)]).collect();
        // By the bytes of the keys: 300 is 2c 01.
        assert_eq!(first, [Change::New { key: 1, now: 2 }, Change::New { key: 2, now: 3 }, Change::New { key: 300, now: 1 }]);
        let second: Vec<_> = deltas.compare([(2, 3), (7, 7), (300, 5)]).collect();
        assert_eq!(
            second,
            [Change::Gone { key: 1, before: 2 }, Change::New { key: 7, now: 7 }, Change::Changed { key: 300, before: 1, now: 5 }]
        );
        assert_eq!(
            second.iter().map(|change| (*change.key(), change.growth(|count| *count))).collect::<Vec<_>>(),
            [(1, 0), (7, 7), (300, 4)]
        );
        // Compared although nobody looked at the changes before.
        let _ = deltas.compare([(300, 9)]);
        assert_eq!(deltas.compare([(300, 4)]).collect::<Vec<_>>(), [Change::Changed { key: 300, before: 9, now: 4 }]);
        assert_eq!(deltas.compare([(300, 2)]).map(|change| change.growth(|count| *count)).sum::<u64>(), 2, "made anew");
        assert_eq!(deltas.compare([(300, 2)]).count(), 0);
        assert_eq!(deltas.compare([]).collect::<Vec<_>>(), [Change::Gone { key: 300, before: 2 }]);
        assert_eq!(deltas.compare([]).count(), 0);
    }
}
