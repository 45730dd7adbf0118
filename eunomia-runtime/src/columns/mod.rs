//! Events as columns: a `Vec` for each field, for code that sums, filters or stores events rather
//! than looking at each.
//!
//! A generated module has a batch type beside the struct of each map that delivers records,
//! `types::EventBatch` for `types::Event`. The readers fill it. A batch that is cleared and filled
//! again does not allocate once it has grown:
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
//! | arrays | `Vec<[T; N]>`, in memory one value after the other |
//! | structs inside | a column for each of their fields: `at.x` becomes `at_x` |
//! | arrays of structs | a column of arrays for each of their fields |
//! | members of unions | as members of structs: each column reads the bytes in its own way; the program knows which one is valid |
//! | members of unknown type | `Vec<[u8; N]>` |
//! | a flexible array at the end of a record (`char data[]`, `struct at at[]`) | [`Text`], or a [`List`] of its items |
//!
//! Names that collide are numbered, as in all generated code. Other members without a size have no
//! column. A type has no batch if it would have more than 1,024 columns, or if a member that is not
//! text has more than 64 KiB.
//!
//! Records that go on after their struct are pushed one at a time:
//! `skel.maps()?.rb.for_each(|event| batch.push(event))?`.
#![cfg_attr(
    feature = "arrow",
    doc = "
With the feature `arrow` a batch becomes a `RecordBatch`; see [`Columns::into_record_batch`]. No
column is nullable. Numbers, arrays of numbers and offsets are moved, not copied.

| column | type in Arrow |
|---|---|
| `Vec` of a number of up to 64 bits | `Int8` to `UInt64`, `Float32`, `Float64`; moved |
| `Vec<u128>`, `Vec<i128>` | `FixedSizeBinary(16)`, little-endian, because no decimal type holds all values; moved |
| `Vec<[u8; N]>` | `FixedSizeBinary(N)`; moved |
| other arrays | `FixedSizeList` of the type of their items; moved if the items are |
| `Vec<bool>` | `Boolean`, which is packed to bits |
| `List` of bytes | `LargeBinary`; moved |
| other lists | `LargeList` of the type of their items; moved if the items are |
| `Text` | `LargeUtf8`; moved if all of it is UTF-8, else copied with U+FFFD in place of other bytes |
"
)]

#[cfg(feature = "arrow")]
mod arrow;
mod list;
mod rows;
mod text;

use std::borrow::Borrow;

use crate::sample::Event;

pub use list::List;
pub use rows::Rows;
pub use text::{Text, Texts};

/// A batch of events as columns.
///
/// Generated types implement it; their fields are the columns.
///
/// The columns may be taken, sorted or cut in any way. Clear the batch before you fill it again.
pub trait Columns: Default {
    /// The struct that a row is made from.
    type Event: Event;
    /// The type of a row: a reference to the struct, or [`Tailed`](crate::sample::Tailed) if
    /// records go on after it.
    type Row<'a>: From<&'a Self::Event>;

    /// Appends a row.
    fn push(&mut self, event: Self::Row<'_>);

    /// Appends a row for each event, faster than one by one.
    ///
    /// The events are a slice of structs, a slice of references, or the records of a run. They are
    /// bare structs: a flexible array at their end is empty in each row.
    fn extend(&mut self, events: &[impl Borrow<Self::Event>]);

    /// Returns the number of rows.
    fn len(&self) -> usize;

    #[doc(hidden)]
    fn each(&mut self, f: &mut dyn FnMut(&'static str, &mut dyn Column));

    /// Returns true if there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all rows and keeps their memory for the next ones.
    fn clear(&mut self) {
        self.each(&mut |_, column| column.clear());
    }

    /// Reserves space for this many more rows; the space that texts need is not known in advance.
    fn reserve(&mut self, rows: usize) {
        self.each(&mut |_, column| column.reserve(rows));
    }

    /// Returns the names and types of the columns.
    #[cfg(feature = "arrow")]
    fn schema() -> arrow_schema::SchemaRef {
        arrow::schema(&mut Self::default())
    }

    /// Moves the columns into an Arrow batch; see [the module](crate::columns).
    ///
    /// Use `std::mem::take` to go on with an empty batch.
    ///
    /// # Errors
    /// [`ArrowError`](arrow_schema::ArrowError) if the columns have different lengths, which they
    /// can have only after they were changed by hand.
    #[cfg(feature = "arrow")]
    fn into_record_batch(mut self) -> Result<arrow_array::RecordBatch, arrow_schema::ArrowError> {
        arrow::record_batch(&mut self)
    }
}

/// A column of any type.
#[doc(hidden)]
pub trait Column {
    /// Returns the number of rows.
    fn rows(&self) -> usize;

    /// Removes all rows and keeps their memory.
    fn clear(&mut self);

    /// Reserves space for more rows.
    fn reserve(&mut self, rows: usize);

    /// Returns the column's type in Arrow.
    #[cfg(feature = "arrow")]
    fn data_type(&self) -> arrow_schema::DataType;

    /// Moves the rows into an Arrow array, which leaves the column empty.
    ///
    /// # Errors
    /// Arrow's own, of which columns of generated types cause none.
    #[cfg(feature = "arrow")]
    fn take(&mut self) -> Result<arrow_array::ArrayRef, arrow_schema::ArrowError>;
}

// The bound of `T` for which a `Vec<T>` is a column.
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
#[doc(hidden)]
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

/// Appends `value` of each event to one column.
///
/// Generated code fills a batch column by column with it, so that each loop runs over one field.
#[inline]
#[doc(hidden)]
pub fn fill<'a, E: 'a, V, C: Fill<V>>(
    column: &mut C,
    events: &'a [impl Borrow<E>],
    value: impl Fn(&'a E) -> V,
) {
    column.fill(events.iter().map(|event| value(event.borrow())));
}
