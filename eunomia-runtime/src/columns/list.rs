//! [`List`]: a column of lists.

use std::ops::Range;

use super::{Column, Fill, Rows, rows};

/// A column of lists of any length, such as the flexible arrays of records.
///
/// `C` is the column of their items, one list after the other: a `Vec`, or [`Text`](super::Text).
#[derive(Debug, Clone, PartialEq)]
pub struct List<C> {
    /// The start of each list, and then the end of the last one.
    offsets: Vec<i64>,
    items: C,
}

impl<C: Default> Default for List<C> {
    fn default() -> Self {
        Self { offsets: vec![0], items: C::default() }
    }
}

impl<C> List<C> {
    /// Returns the start of each list in the items, and then the end of the last one.
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// Returns the items of all lists.
    pub fn items(&self) -> &C {
        &self.items
    }

    /// Returns the range of a row's items.
    pub fn range(&self, row: usize) -> Option<Range<usize>> {
        rows::first(self.offsets.get(row..)?)
    }
}

impl<T> List<Vec<T>> {
    /// Returns the items of a row.
    pub fn get(&self, row: usize) -> Option<&[T]> {
        self.items.get(self.range(row)?)
    }

    /// Iterates over the items of each row.
    pub fn iter(&self) -> Rows<'_, T> {
        Rows::new(&self.offsets, &self.items)
    }
}

impl<'c, T> IntoIterator for &'c List<Vec<T>> {
    type IntoIter = Rows<'c, T>;
    type Item = &'c [T];

    fn into_iter(self) -> Rows<'c, T> {
        self.iter()
    }
}

impl<V: ExactSizeIterator, C: Column + Fill<V::Item>> Fill<V> for List<C> {
    fn add(&mut self, value: V) {
        self.items.fill(value);
        self.offsets.push(self.items.rows() as i64);
    }

    fn fill(&mut self, values: impl ExactSizeIterator<Item = V>) {
        self.offsets.reserve(values.len());
        values.for_each(|value| self.add(value));
    }
}

impl<C: Column + Default> Column for List<C> {
    fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    fn clear(&mut self) {
        self.offsets.truncate(1);
        self.items.clear();
    }

    fn reserve(&mut self, rows: usize) {
        self.offsets.reserve(rows);
    }

    #[cfg(feature = "arrow")]
    fn data_type(&self) -> arrow_schema::DataType {
        super::arrow::lists_type(&self.items)
    }

    #[cfg(feature = "arrow")]
    fn take(&mut self) -> Result<arrow_array::ArrayRef, arrow_schema::ArrowError> {
        let Self { offsets, mut items } = std::mem::take(self);
        super::arrow::lists(offsets, &mut items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_may_have_any_length() {
        let mut lists = List::<Vec<u16>>::default();
        lists.fill([vec![1, 2], vec![], vec![3]].into_iter().map(Vec::into_iter));
        lists.add([4, 5].into_iter());
        assert_eq!(
            (lists.rows(), lists.offsets(), &lists.items()[..]),
            (4, &[0, 2, 2, 3, 5][..], &[1, 2, 3, 4, 5][..])
        );
        assert_eq!(lists.iter().collect::<Vec<_>>(), [&[1, 2][..], &[], &[3], &[4, 5]]);
        let mut sums = Vec::new();
        for list in &lists {
            sums.push(list.iter().sum::<u16>());
        }
        assert_eq!((sums, lists.iter().len()), (vec![3, 0, 3, 9], 4));
        assert_eq!(
            (lists.get(3), lists.get(4), lists.get(usize::MAX)),
            (Some(&[4, 5][..]), None, None)
        );
        lists.clear();
        assert_eq!((lists.rows(), lists.offsets(), lists.items().len()), (0, &[0][..], 0));
    }
}
