//! Converts columns to Arrow arrays.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, LargeBinaryArray,
    LargeListArray, LargeStringArray, PrimitiveArray, RecordBatch, cast::AsArray as _, types,
};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::{Column, Columns, Text};

/// A type `T` for which a `Vec<T>` is a column.
///
/// An array of `T` is one, too.
pub trait Cell: Copy + 'static {
    /// Returns the column's type in Arrow.
    fn data_type() -> DataType;

    /// Converts the values; they are moved if Arrow's layout is the same.
    ///
    /// # Errors
    /// Arrow's own.
    fn array(values: Vec<Self>) -> Result<ArrayRef, ArrowError>;

    /// Returns the type of a row of `len` values.
    fn list_type(len: i32) -> DataType {
        DataType::FixedSizeList(item(Self::data_type()), len)
    }

    /// Converts the values to rows of `len`.
    ///
    /// # Errors
    /// Arrow's own.
    fn list(values: Vec<Self>, len: i32) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(FixedSizeListArray::try_new(
            item(Self::data_type()),
            len,
            Self::array(values)?,
            None,
        )?))
    }
}

fn item(ty: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", ty, false))
}

macro_rules! numbers {
    ($($number:ty: $type:ident, $array:ident $({ $($list:item)* })?;)*) => {$(
        impl Cell for $number {
            fn data_type() -> DataType {
                DataType::$type
            }

            fn array(values: Vec<Self>) -> Result<ArrayRef, ArrowError> {
                Ok(Arc::new(PrimitiveArray::<types::$array>::new(ScalarBuffer::from(values), None)))
            }

            $($($list)*)?
        }
    )*};
}

numbers! {
    i8: Int8, Int8Type;
    i16: Int16, Int16Type;
    i32: Int32, Int32Type;
    i64: Int64, Int64Type;
    u8: UInt8, UInt8Type {
        // Addresses, digests and payloads are bytes rather than lists of numbers.
        fn list_type(len: i32) -> DataType {
            DataType::FixedSizeBinary(len)
        }
        fn list(values: Vec<Self>, len: i32) -> Result<ArrayRef, ArrowError> {
            binary(Buffer::from_vec(values), len)
        }
    };
    u16: UInt16, UInt16Type;
    u32: UInt32, UInt32Type;
    u64: UInt64, UInt64Type;
    f32: Float32, Float32Type;
    f64: Float64, Float64Type;
}

macro_rules! wide_numbers {
    ($($number:ty)*) => {$(
        impl Cell for $number {
            fn data_type() -> DataType {
                DataType::FixedSizeBinary(16)
            }

            fn array(values: Vec<Self>) -> Result<ArrayRef, ArrowError> {
                binary(Buffer::from_vec(values), 16)
            }
        }
    )*};
}

wide_numbers!(i128 u128);

impl Cell for bool {
    fn data_type() -> DataType {
        DataType::Boolean
    }

    fn array(values: Vec<Self>) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(BooleanArray::from(values)))
    }
}

impl<T: Cell, const N: usize> Cell for [T; N] {
    fn data_type() -> DataType {
        T::list_type(length::<N>())
    }

    fn array(values: Vec<Self>) -> Result<ArrayRef, ArrowError> {
        T::list(values.into_flattened(), length::<N>())
    }
}

fn binary(values: Buffer, len: i32) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(FixedSizeBinaryArray::try_new(len, values, None)?))
}

/// Returns the length of an array as Arrow counts it.
const fn length<const N: usize>() -> i32 {
    const { assert!(N <= i32::MAX as usize, "Arrow has no lists of this length") };
    N as i32
}

pub(super) fn text_type<const N: usize>() -> DataType {
    if N == 1 {
        DataType::LargeUtf8
    } else {
        DataType::FixedSizeList(item(DataType::LargeUtf8), length::<N>())
    }
}

pub(super) fn texts<const N: usize>(texts: &mut Text<N>) -> Result<ArrayRef, ArrowError> {
    let (offsets, bytes) = texts.take();
    let (offsets, bytes) =
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(bytes));
    let array =
        LargeStringArray::try_new(offsets.clone(), bytes.clone(), None).unwrap_or_else(|_| {
            let ends = offsets.iter().zip(offsets.iter().skip(1));
            let texts = ends
                .map(|(start, end)| bytes.get(*start as usize..*end as usize).unwrap_or_default());
            LargeStringArray::from_iter_values(texts.map(String::from_utf8_lossy))
        });
    let array: ArrayRef = Arc::new(array);
    if N == 1 {
        Ok(array)
    } else {
        Ok(Arc::new(FixedSizeListArray::try_new(
            item(DataType::LargeUtf8),
            length::<N>(),
            array,
            None,
        )?))
    }
}

/// Returns the type of lists with these items; lists of bytes are binary.
pub(super) fn lists_type(items: &dyn Column) -> DataType {
    match items.data_type() {
        DataType::UInt8 => DataType::LargeBinary,
        other => DataType::LargeList(item(other)),
    }
}

pub(super) fn lists(offsets: Vec<i64>, items: &mut dyn Column) -> Result<ArrayRef, ArrowError> {
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let (ty, items) = (items.data_type(), items.take()?);
    Ok(match items.as_primitive_opt::<types::UInt8Type>() {
        Some(bytes) => {
            Arc::new(LargeBinaryArray::try_new(offsets, bytes.values().inner().clone(), None)?)
        }
        None => Arc::new(LargeListArray::try_new(item(ty), offsets, items, None)?),
    })
}

pub(super) fn schema(columns: &mut impl Columns) -> SchemaRef {
    let mut fields = Vec::new();
    columns.each(&mut |name, column| fields.push(field(name, column)));
    Arc::new(Schema::new(fields))
}

pub(super) fn record_batch(columns: &mut impl Columns) -> Result<RecordBatch, ArrowError> {
    let schema = schema(columns);
    let mut arrays = Vec::new();
    columns.each(&mut |_, column| arrays.push(column.take()));
    RecordBatch::try_new(schema, arrays.into_iter().collect::<Result<_, _>>()?)
}

/// Describes a column.
///
/// Its name is the Rust name without `r#`, and so the C name unless that had to change.
fn field(name: &str, column: &dyn Column) -> Field {
    Field::new(name.trim_start_matches("r#"), column.data_type(), false)
}
