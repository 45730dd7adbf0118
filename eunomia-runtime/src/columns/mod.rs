//! Events as columns: a `Vec` for each field, for those who add up, filter and store rather than look at events one by one.
//!
//! A generated module has a batch type beside the struct of each map that delivers records, `types::EventBatch` for `types::Event`. It
//! is filled from the readers, and cleared and filled again it allocates nothing once it has grown:
//!
//! ```ignore
//! use eunomia_runtime::columns::Columns as _;
//!
//! let mut batch = types::EventBatch::default();
//! skel.maps()?.rb.for_runs(|run| batch.extend(run))?;
//! let slowest = batch.duration_ns.iter().max();
//! batch.clear();
//! ```
//!
//! | in C | column |
//! |---|---|
//! | integers, floats | `Vec` of the Rust number |
//! | `bool` | `Vec<bool>` |
//! | enums | `Vec` of their integer |
//! | pointers | `Vec<u64>` |
//! | bit fields | `Vec` of their type's integer |
//! | `char[N]` | [`Text`]: offsets and bytes, each text up to its first NUL |
//! | arrays | `Vec<[T; N]>`, which is the values one behind the other |
//! | structs inside | a column for each of their fields: `at.x` is `at_x` |
//! | arrays of structs | a column of arrays for each of their fields |
//! | members of unions | as members of structs: each reads the bytes in its own way, and which of them means something the program knows |
//! | what has no type | `Vec<[u8; N]>` |
//! | the last array of a record, without a length (`char data[]`, `struct at at[]`) | [`Text`], or a [`List`] for what its items are |
//!
//! Names that meet are numbered, as everywhere. Other members without a size have no column. A type that would have more than 1,024 columns
//! has no batch.
//!
//! Records that go on after their struct come one by one: `skel.maps()?.rb.for_each(|event| batch.push(event))?`.
#![cfg_attr(
    feature = "arrow",
    doc = "
With the feature `arrow` a batch becomes a `RecordBatch`, see [`Columns::into_record_batch`]. No column is nullable. Numbers, arrays of
numbers and offsets are moved there, not copied.

| column | type in Arrow |
|---|---|
| `Vec` of a number of up to 64 bits | `Int8` to `UInt64`, `Float32`, `Float64`; moved |
| `Vec<u128>`, `Vec<i128>` | `FixedSizeBinary(16)`, little-endian: no decimal holds all of them; moved |
| `Vec<[u8; N]>` | `FixedSizeBinary(N)`; moved |
| other arrays | `FixedSizeList` of what their items are; moved as these |
| `Vec<bool>` | `Boolean`, which is packed to bits |
| `List` of bytes | `LargeBinary`; moved |
| other lists | `LargeList` of what their items are; moved as these |
| `Text` | `LargeUtf8`; moved where all of it is UTF-8, else copied with U+FFFD for what is not |
"
)]

#[cfg(feature = "arrow")]
mod arrow;
mod list;
mod text;

use std::borrow::Borrow;

use crate::sample::Event;

pub use list::List;
pub use text::{Text, Texts};

/// A batch of events as columns. Generated types have it, whose fields are the columns.
///
/// The columns may be taken, sorted or cut as those who have the batch like; a batch that is to be filled again is cleared first.
pub trait Columns: Default {
    /// The struct that a row is made of.
    type Event: Event;
    /// What a row is made of: a reference to the struct, or [`Tailed`](crate::sample::Tailed) where records go on after it.
    type Row<'a>: From<&'a Self::Event>;

    /// Appends a row.
    fn push(&mut self, event: Self::Row<'_>);

    /// Appends a row for each event, faster than one by one: of a slice of events, of references to them, or of the records of a run. These
    /// are structs alone: an array without a length at their end is empty in each row.
    fn extend(&mut self, events: &[impl Borrow<Self::Event>]);

    /// The rows.
    fn len(&self) -> usize;

    #[doc(hidden)]
    fn each(&mut self, f: &mut dyn FnMut(&'static str, &mut dyn Column));

    /// Whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all rows and keeps their memory for the next ones.
    fn clear(&mut self) {
        self.each(&mut |_, column| column.clear());
    }

    /// Makes room for as many more rows; what texts need is not known beforehand.
    fn reserve(&mut self, rows: usize) {
        self.each(&mut |_, column| column.reserve(rows));
    }

    /// The names and types of the columns.
    #[cfg(feature = "arrow")]
    fn schema() -> arrow_schema::SchemaRef {
        arrow::schema(&mut Self::default())
    }

    /// The batch for Arrow, its columns moved, see [the module](crate::columns). `std::mem::take` leaves an empty batch to go on with.
    ///
    /// # Errors
    /// Where columns have different lengths, as they can after they were changed by hand.
    #[cfg(feature = "arrow")]
    fn into_record_batch(mut self) -> Result<arrow_array::RecordBatch, arrow_schema::ArrowError> {
        arrow::record_batch(&mut self)
    }
}

/// A column of any type.
pub trait Column {
    /// How many rows it has.
    fn rows(&self) -> usize;

    /// Removes all rows and keeps their memory.
    fn clear(&mut self);

    /// Makes room for more rows.
    fn reserve(&mut self, rows: usize);

    /// Its type in Arrow.
    #[cfg(feature = "arrow")]
    fn data_type(&self) -> arrow_schema::DataType;

    /// Its rows for Arrow; none are left here.
    ///
    /// # Errors
    /// Those of Arrow, which are none for columns of generated types.
    #[cfg(feature = "arrow")]
    fn take(&mut self) -> Result<arrow_array::ArrayRef, arrow_schema::ArrowError>;
}

// What a `Vec` of is a column.
#[cfg(not(feature = "arrow"))]
use Copy as Cell;
#[cfg(feature = "arrow")]
use arrow::Cell;

impl<T: Cell> Column for Vec<T> {
    fn rows(&self) -> usize {
        self.len()
    }

    fn clear(&mut self) {
        self.clear();
    }

    fn reserve(&mut self, rows: usize) {
        self.reserve(rows);
    }

    #[cfg(feature = "arrow")]
    fn data_type(&self) -> arrow_schema::DataType {
        T::data_type()
    }

    #[cfg(feature = "arrow")]
    fn take(&mut self) -> Result<arrow_array::ArrayRef, arrow_schema::ArrowError> {
        T::array(std::mem::take(self))
    }
}

/// A column that takes values of type `V`.
pub trait Fill<V> {
    /// Appends a value.
    fn add(&mut self, value: V);

    /// Appends the values.
    fn fill(&mut self, values: impl ExactSizeIterator<Item = V>);
}

impl<T> Fill<T> for Vec<T> {
    #[inline]
    fn add(&mut self, value: T) {
        self.push(value);
    }

    #[inline]
    fn fill(&mut self, values: impl ExactSizeIterator<Item = T>) {
        self.extend(values);
    }
}

/// Appends to one column what `value` takes from each event: what generated code fills a batch with, column by column, so that each
/// loop runs over one field.
#[inline]
pub fn fill<'a, E: 'a, V, C: Fill<V>>(column: &mut C, events: &'a [impl Borrow<E>], value: impl Fn(&'a E) -> V) {
    column.fill(events.iter().map(|event| value(event.borrow())));
}
