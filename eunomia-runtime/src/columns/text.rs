//! [`Text`]: a column of texts.

use super::{Column, Fill, Rows, rows};
use crate::sample::{CharArray, Flexible, tailed::Items};

/// A column of texts, `N` in each row: their bytes one after the other, and the end of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<const N: usize = 1> {
    /// The start of each text, and then the end of the last one. They are 64-bit, so that no batch
    /// is too long.
    offsets: Vec<i64>,
    bytes: Vec<u8>,
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self { offsets: vec![0], bytes: Vec::new() }
    }
}

impl<const N: usize> Text<N> {
    /// Returns the start of each text in the bytes, and then the end of the last one.
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// Returns the bytes of all texts.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the text number `index`; row `r` begins with number `r * N`.
    ///
    /// The bytes are as the program wrote them, UTF-8 or not.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        self.bytes.get(rows::first(self.offsets.get(index..)?)?)
    }

    /// Iterates over the texts, `N` for each row.
    pub fn iter(&self) -> Rows<'_, u8> {
        Rows::new(&self.offsets, &self.bytes)
    }

    #[inline]
    fn push<const LEN: usize>(&mut self, text: &CharArray<LEN>) {
        let bytes = text.as_bytes();
        if LEN <= COPIED_WHOLE {
            // Copying a fixed number of bytes takes a few instructions; copying any number takes a
            // call.
            let end = self.bytes.len() + bytes.len();
            self.bytes.extend_from_slice(text.raw());
            self.bytes.truncate(end);
        } else {
            self.bytes.extend_from_slice(bytes);
        }
        self.offsets.push(self.bytes.len() as i64);
    }

    /// Moves out the offsets and bytes.
    #[cfg(feature = "arrow")]
    pub(super) fn take(&mut self) -> (Vec<i64>, Vec<u8>) {
        let Self { offsets, bytes } = std::mem::take(self);
        (offsets, bytes)
    }
}

impl<'c, const N: usize> IntoIterator for &'c Text<N> {
    type IntoIter = Rows<'c, u8>;
    type Item = &'c [u8];

    fn into_iter(self) -> Rows<'c, u8> {
        self.iter()
    }
}

/// Arrays up to this length are copied whole, with the bytes after their text.
const COPIED_WHOLE: usize = 64;

/// The texts of one field: a `char` array, or an array of these.
#[doc(hidden)]
pub trait Texts {
    /// Appends the texts to a column.
    fn add_to<const N: usize>(&self, column: &mut Text<N>);
}

impl<const LEN: usize> Texts for CharArray<LEN> {
    #[inline]
    fn add_to<const N: usize>(&self, column: &mut Text<N>) {
        column.push(self);
    }
}

impl<T: Texts, const LEN: usize> Texts for [T; LEN] {
    #[inline]
    fn add_to<const N: usize>(&self, column: &mut Text<N>) {
        self.iter().for_each(|texts| texts.add_to(column));
    }
}

/// The text at the end of a record.
impl<E: Flexible> Texts for Items<'_, E> {
    fn add_to<const N: usize>(&self, column: &mut Text<N>) {
        column.bytes.extend_from_slice(self.text().unwrap_or_default());
        column.offsets.push(column.bytes.len() as i64);
    }
}

impl<T: Texts> Texts for &T {
    #[inline]
    fn add_to<const N: usize>(&self, column: &mut Text<N>) {
        (**self).add_to(column);
    }
}

impl<V: Texts, const N: usize> Fill<V> for Text<N> {
    #[inline]
    fn add(&mut self, value: V) {
        value.add_to(self);
    }

    #[inline]
    fn fill(&mut self, values: impl ExactSizeIterator<Item = V>) {
        self.offsets.reserve(values.len() * N);
        values.for_each(|texts| texts.add_to(self));
    }
}

impl<const N: usize> Column for Text<N> {
    fn rows(&self) -> usize {
        (self.offsets.len() - 1) / N.max(1)
    }

    fn clear(&mut self) {
        self.offsets.truncate(1);
        self.bytes.clear();
    }

    fn reserve(&mut self, rows: usize) {
        self.offsets.reserve(rows * N);
    }

    #[cfg(feature = "arrow")]
    fn data_type(&self) -> arrow_schema::DataType {
        super::arrow::text_type::<N>()
    }

    #[cfg(feature = "arrow")]
    fn take(&mut self) -> Result<arrow_array::ArrayRef, arrow_schema::ArrowError> {
        super::arrow::texts(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_at_nul() {
        let rows = [
            [CharArray::from(*b"sh\0junk!"), CharArray::from(*b"12345678")],
            [CharArray::from([0; 8]), CharArray::from(*b"\xff\0......")],
        ];
        let mut texts = Text::<2>::default();
        texts.fill(rows.iter());
        assert_eq!(
            (texts.rows(), texts.bytes(), texts.offsets()),
            (2, &b"sh12345678\xff"[..], &[0, 2, 10, 10, 11][..])
        );
        assert_eq!(texts.iter().collect::<Vec<_>>(), [&b"sh"[..], b"12345678", b"", b"\xff"]);
        assert_eq!(
            (texts.get(2), texts.get(4), texts.get(usize::MAX)),
            (Some(&b""[..]), None, None)
        );
        let mut lengths = Vec::new();
        for text in &texts {
            lengths.push(text.len());
        }
        assert_eq!((lengths, texts.iter().len()), (vec![2, 8, 0, 1], 4));
        let memory = (texts.offsets.as_ptr(), texts.bytes.as_ptr());
        texts.clear();
        assert_eq!((texts.rows(), texts.iter().count(), texts.offsets()), (0, 0, &[0][..]));
        texts.fill(rows.iter());
        assert_eq!((texts.rows(), memory), (2, (texts.offsets.as_ptr(), texts.bytes.as_ptr())));
    }

    #[test]
    fn long_arrays_are_copied_up_to_nul() {
        let mut long = [b'x'; 4096];
        long[1000] = 0;
        let mut texts = Text::<1>::default();
        texts.fill([CharArray::from(long), CharArray::from([b'y'; 4096])].iter());
        assert_eq!(texts.offsets(), [0, 1000, 5096]);
    }
}
