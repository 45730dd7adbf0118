//! Columns and values as JSON, for comparison.

use arrow_array::{Array, cast::AsArray as _, types};
use arrow_schema::DataType;
use serde_json::Value;

/// Returns the columns of a struct with their paths. A nested struct adds its own columns, and an
/// array of structs adds a list for each column of its items.
pub(crate) fn columns(value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Object(fields) => {
            let joined = |name: &str, path: String| {
                if path.is_empty() { name.to_owned() } else { format!("{name}.{path}") }
            };
            fields
                .iter()
                .flat_map(|(name, value)| {
                    columns(value).into_iter().map(move |(path, value)| (joined(name, path), value))
                })
                .collect()
        }
        Value::Array(items) => {
            let mut all: Vec<(String, Value)> = Vec::new();
            for (row, item) in items.iter().enumerate() {
                for (column, (path, value)) in columns(item).into_iter().enumerate() {
                    if row == 0 {
                        all.push((path, Value::Array(Vec::new())));
                    }
                    all[column].1.as_array_mut().unwrap().push(value);
                }
            }
            all
        }
        Value::String(text) => {
            vec![(String::new(), constant(text).unwrap_or_else(|| value.clone()))]
        }
        _ => vec![(String::new(), value.clone())],
    }
}

/// Parses the number of an enum value `NAME(number)`.
fn constant(text: &str) -> Option<Value> {
    let (name, number) = text.strip_suffix(')')?.split_once('(')?;
    let is_name = name == "<UNKNOWN_VARIANT>"
        || (!name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    let is_name = is_name || matches!(name, "fn" | "Self");
    number
        .parse::<i128>()
        .ok()
        .filter(|_| is_name)
        .map(|number| serde_json::from_str(&number.to_string()).unwrap())
}

/// Returns the bytes of a 128-bit number, which is a text in JSON and bytes in a column.
pub(crate) fn wide(value: &Value, ty: &DataType) -> Option<Value> {
    let text = value.as_str().filter(|_| matches!(ty, DataType::FixedSizeBinary(16)))?;
    let number =
        text.parse::<i128>().unwrap_or_else(|_| text.parse::<u128>().unwrap().cast_signed());
    Some(number.to_le_bytes().to_vec().into())
}

/// Returns the value in a row of a column.
pub(crate) fn cell(column: &dyn Array, row: usize) -> Value {
    assert!(!column.is_null(row));
    match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Int8 => column.as_primitive::<types::Int8Type>().value(row).into(),
        DataType::Int16 => column.as_primitive::<types::Int16Type>().value(row).into(),
        DataType::Int32 => column.as_primitive::<types::Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<types::Int64Type>().value(row).into(),
        DataType::UInt8 => column.as_primitive::<types::UInt8Type>().value(row).into(),
        DataType::UInt16 => column.as_primitive::<types::UInt16Type>().value(row).into(),
        DataType::UInt32 => column.as_primitive::<types::UInt32Type>().value(row).into(),
        DataType::UInt64 => column.as_primitive::<types::UInt64Type>().value(row).into(),
        // Through text, because JSON shows a float with other digits than the same number as a
        // double.
        DataType::Float32 => {
            serde_json::to_string(&column.as_primitive::<types::Float32Type>().value(row))
                .map(|text| serde_json::from_str(&text).unwrap())
                .unwrap()
        }
        DataType::Float64 => column.as_primitive::<types::Float64Type>().value(row).into(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(row).into(),
        DataType::FixedSizeBinary(_) => column.as_fixed_size_binary().value(row).to_vec().into(),
        DataType::FixedSizeList(..) => {
            let items = column.as_fixed_size_list().value(row);
            (0..items.len()).map(|item| cell(&items, item)).collect()
        }
        DataType::LargeBinary => column.as_binary::<i64>().value(row).to_vec().into(),
        DataType::LargeList(_) => {
            let items = column.as_list::<i64>().value(row);
            (0..items.len()).map(|item| cell(&items, item)).collect()
        }
        other => panic!("no column has type {other}"),
    }
}
