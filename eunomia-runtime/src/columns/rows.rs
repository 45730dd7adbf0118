//! [`Rows`]: the rows of a column whose rows have any length.

use std::{ops::Range, slice::Windows};

/// Iterates over the rows of a [`List`](super::List), or over the texts of a
/// [`Text`](super::Text).
#[derive(Debug, Clone)]
pub struct Rows<'c, T> {
    /// The start and the end of each row.
    bounds: Windows<'c, i64>,
    items: &'c [T],
}

impl<'c, T> Rows<'c, T> {
    /// Iterates over the rows between neighbouring offsets.
    pub(super) fn new(offsets: &'c [i64], items: &'c [T]) -> Self {
        Self { bounds: offsets.windows(2), items }
    }
}

impl<'c, T> Iterator for Rows<'c, T> {
    type Item = &'c [T];

    fn next(&mut self) -> Option<&'c [T]> {
        let row = first(self.bounds.next()?);
        Some(row.and_then(|row| self.items.get(row)).unwrap_or_default())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.bounds.size_hint()
    }
}

impl<T> ExactSizeIterator for Rows<'_, T> {}

/// Returns the range of the first row of which these are the offsets.
pub(super) fn first(offsets: &[i64]) -> Option<Range<usize>> {
    match offsets {
        [start, end, ..] => Some(usize::try_from(*start).ok()?..usize::try_from(*end).ok()?),
        _ => None,
    }
}
