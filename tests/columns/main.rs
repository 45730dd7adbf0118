//! Batches of events as columns, and their conversion to Arrow.

mod json;

use std::ptr;

use arrow_array::{
    Array as _, FixedSizeBinaryArray, FixedSizeListArray, LargeBinaryArray, LargeStringArray,
    PrimitiveArray, RecordBatch, types,
};
use eunomia_build::{Embed, tokens};
use eunomia_runtime::{
    Skeleton,
    columns::{Columns, Text},
    object::Kind,
    sample::{CharArray, Event as _, Plain},
    skeleton::model::{CustomMember, ExportConfig, Other},
    value::Value,
};
use eunomia_tests::{
    built::{kinds, names, picked, shapes, streams, tails},
    fixture, struct_id,
};

/// Returns records of pseudo-random bytes, among them enum values, bools and short texts.
fn records<E: Plain>(count: usize) -> Vec<E> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut records = vec![E::zeroed(); count];
    for (index, record) in records.iter_mut().enumerate() {
        record.bytes_mut().iter_mut().for_each(|byte| {
            *byte = if index % 2 == 0 { (random() % 4) as u8 } else { (random() >> 32) as u8 }
        });
    }
    records
}

/// Checks that every column of a batch holds the values that dynamic reading gives.
fn agree<C: Columns>(name: &str) {
    let checked = Skeleton::parse(&fixture(name), name).unwrap().check().unwrap();
    let id = struct_id(&checked.layouts, C::Event::C_NAME);
    let events: Vec<C::Event> = records(300);
    let mut batch = C::default();
    batch.extend(&events[..100]);
    events[100..200].iter().for_each(|event| batch.push(event.into()));
    batch.extend(&events[200..].iter().collect::<Vec<_>>());
    assert_eq!((batch.len(), batch.is_empty()), (300, false));
    let arrow = batch.into_record_batch().unwrap();
    assert_eq!(arrow.schema(), C::schema());
    assert_eq!(arrow.num_rows(), events.len());
    for (row, event) in events.iter().enumerate() {
        let value = Value::new(&checked.layouts, id, event.bytes()).unwrap();
        let expected = json::columns(&serde_json::from_str(&value.to_json()).unwrap());
        // A struct without its record has no items in a flexible array, so JSON shows none to find
        // columns in.
        let is_empty = |name: &str| {
            json::cell(arrow.column_by_name(name).unwrap(), row) == serde_json::json!([])
        };
        let lists = arrow.schema().fields().iter().filter(|field| is_empty(field.name())).count();
        assert_eq!(expected.len() + lists, arrow.num_columns());
        for (path, expected) in expected {
            let name = path.replace('.', "_");
            // `self` and `crate` are not valid identifiers in Rust.
            let column = arrow
                .column_by_name(&name)
                .or_else(|| arrow.column_by_name(&format!("{name}_")))
                .unwrap();
            let expected = json::wide(&expected, column.data_type()).unwrap_or(expected);
            assert_eq!(json::cell(column, row), expected, "{path} of row {row}");
        }
    }
}

#[test]
fn columns_hold_values_of_events() {
    agree::<kinds::types::KindsBatch>("kinds");
    agree::<names::types::TypeBatch>("names");
    agree::<shapes::types::ShapesBatch>("shapes");
    agree::<streams::types::NoteBatch>("streams");
    agree::<streams::types::SampleBatch>("streams");
}

/// The items of a flexible array are the same in columns and in JSON, for any length.
#[test]
fn flexible_arrays_become_lists() {
    use tails::{Export, types};

    let checked = Skeleton::parse(&fixture("tails"), "tails").unwrap().check().unwrap();
    let mut blobs = types::BlobBatch::default();
    let (mut pairs, mut tables) = (types::PairsBatch::default(), types::TableBatch::default());
    let (mut digests, mut labels) = (types::DigestBatch::default(), types::LabelsBatch::default());
    let maps = ["blobs", "pairs", "tables", "digests", "labels"];
    let mut expected = maps.map(|_| Vec::new());
    for (seed, bytes) in records::<[u64; 16]>(100).iter().enumerate() {
        let record = &bytes.bytes()[..seed];
        for (map, expected) in maps.iter().zip(&mut expected) {
            let number = checked.stream(map).unwrap();
            Export::deliver(number, record, |event| match event {
                Export::Blobs(event) => blobs.push(event),
                Export::Pairs(event) => pairs.push(event),
                Export::Tables(event) => tables.push(event),
                Export::Digests(event) => digests.push(event),
                Export::Labels(event) => labels.push(event),
                other => panic!("{other}"),
            });
            checked.deliver(number, record, |event| expected.push(event.value.to_json()));
        }
    }
    // The items of the longest record.
    assert_eq!(tables.entries_name.items().iter().count(), tables.entries_at.items().len());
    assert_eq!(tables.entries_at.get(tables.len() - 1).unwrap().len(), (99 - 8) / 32);
    assert_eq!(digests.bytes.iter().map(<[u8]>::len).max(), Some(95));
    let columns = [
        blobs.into_record_batch().unwrap(),
        pairs.into_record_batch().unwrap(),
        tables.into_record_batch().unwrap(),
        digests.into_record_batch().unwrap(),
        labels.into_record_batch().unwrap(),
    ];
    for (columns, expected) in columns.iter().zip(&expected) {
        assert!(expected.len() > 80 && columns.num_rows() == expected.len());
        for (row, expected) in expected.iter().enumerate() {
            let expected = json::columns(&serde_json::from_str(expected).unwrap());
            for column in columns.schema().fields() {
                // JSON shows no columns for an empty list of structs.
                let value =
                    expected.iter().find(|(path, _)| path.replace('.', "_") == *column.name());
                let value = value.map_or(serde_json::json!([]), |(_, value)| value.clone());
                assert_eq!(
                    json::cell(columns.column_by_name(column.name()).unwrap(), row),
                    value,
                    "{} of row {row}",
                    column.name()
                );
            }
        }
    }
}

/// A struct without its record has no items in its flexible array.
#[test]
fn structs_without_their_records_have_empty_lists() {
    const DIGESTS: usize = 6;

    let mut batch = tails::types::DigestBatch::default();
    let digest = tails::types::Digest { len: 4, ..Default::default() };
    batch.extend(&[digest; 2]);
    batch.push((&digest).into());
    let delivered = tails::Export::deliver(DIGESTS, b"\x04\0\0\0abcd", |event| match event {
        tails::Export::Digests(event) => batch.push(event),
        other => panic!("{other}"),
    });
    assert_eq!(format!("{delivered:?}"), "Delivered");
    assert_eq!(
        (batch.len.as_slice(), batch.bytes.offsets(), batch.bytes.get(3)),
        (&[4; 4][..], &[0, 0, 0, 0, 4][..], Some(&b"abcd"[..]))
    );
    let bytes = batch.bytes.items().as_ptr().addr();
    let arrow = batch.into_record_batch().unwrap();
    assert_eq!(
        column::<LargeBinaryArray>(&arrow, "bytes").value_data().as_ptr().addr(),
        bytes,
        "the bytes were copied"
    );
}

#[test]
fn custom_members_have_columns() {
    let mut batch = picked::types::RbBatch::default();
    let record = picked::types::Rb { the_number: 7, payload: [9; 40], ..Default::default() };
    batch.extend(&[record; 3]);
    assert_eq!((batch.the_number, batch.payload), (vec![7; 3], vec![[9; 40]; 3]));
}

/// A type with more than 1024 columns has no batch, but everything else.
#[test]
fn types_with_too_many_columns_have_no_batch() {
    let skeleton = || Skeleton::parse(&fixture("streams"), "streams").unwrap();
    let checked = skeleton().check().unwrap();
    let word = checked
        .layouts
        .btf
        .iter()
        .find(|(_, ty)| matches!(ty.kind, Kind::Int { size: 4, .. }))
        .map(|(id, _)| id.0)
        .unwrap();
    let module = |members: u32| {
        let mut skeleton = skeleton();
        skeleton.multiple_exports = true;
        let member = |i| CustomMember {
            name: format!("m{i}"),
            offset: 4 * i,
            type_id: word,
            other: Other::default(),
        };
        skeleton.maps.iter_mut().find(|map| map.name == "rb").unwrap().export =
            ExportConfig::Custom((0..members).map(member).collect());
        tokens(skeleton, "streams", &Embed::Literal).unwrap().to_string()
    };
    assert!(module(1024).contains("struct RbBatch"));
    let module = module(1025);
    assert!(module.contains("pub struct Rb ") && !module.contains("struct RbBatch"));
}

#[test]
fn schema_has_names_and_types() {
    let fields = |schema: arrow_schema::SchemaRef| -> Vec<String> {
        assert!(schema.fields().iter().all(|field| !field.is_nullable()));
        schema
            .fields()
            .iter()
            .map(|field| format!("{} {}", field.name(), field.data_type()))
            .collect()
    };
    assert_eq!(
        fields(kinds::types::KindsBatch::schema()),
        [
            "u8 UInt8",
            "i8 Int8",
            "u16 UInt16",
            "i16 Int16",
            "u32 UInt32",
            "i32 Int32",
            "u64 UInt64",
            "i64 Int64",
            "u128 FixedSizeBinary(16)",
            "i128 FixedSizeBinary(16)",
            "flag Boolean",
            "flags FixedSizeList(3 x non-null Boolean)",
            "text LargeUtf8",
            "lines FixedSizeList(2 x non-null LargeUtf8)",
            "f32 Float32",
            "f64 Float64",
            "color UInt32",
            "level Int32",
            "wide UInt64",
            "size UInt32",
            "point_x Int16",
            "point_y Int32",
            "markers_id FixedSizeBinary(2)",
            "markers_at_x FixedSizeList(2 x non-null Int16)",
            "markers_at_y FixedSizeList(2 x non-null Int32)",
            "grid FixedSizeList(2 x non-null FixedSizeList(3 x non-null Int32))",
            "numbers FixedSizeList(40 x non-null UInt64)",
            "pointer UInt64",
            "self_ UInt64",
            "function UInt64",
        ]
    );
    assert_eq!(
        fields(tails::types::BlobBatch::schema()),
        ["number UInt64", "kind UInt16", "text LargeUtf8"]
    );
    assert_eq!(fields(tails::types::DigestBatch::schema()), ["len UInt32", "bytes LargeBinary"]);
    assert_eq!(
        fields(tails::types::LabelsBatch::schema()),
        ["count UInt32", "labels LargeList(non-null LargeUtf8)"]
    );
    assert_eq!(
        fields(tails::types::TableBatch::schema()),
        [
            "count UInt32",
            "entries_name LargeList(non-null LargeUtf8)",
            "entries_up LargeList(non-null Boolean)",
            "entries_side LargeList(non-null UInt32)",
            "entries_at LargeList(non-null FixedSizeList(2 x non-null Int16))",
            "entries_from LargeList(non-null UInt64)",
        ]
    );
    // Columns are named without `r#`.
    assert_eq!(
        fields(names::types::TypeBatch::schema()),
        ["self_ Int32", "crate_ Int32", "match Int32", "Camel Int32", "gen UInt32"]
    );
}

fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> &'a T {
    batch.column_by_name(name).unwrap().as_any().downcast_ref().unwrap()
}

#[test]
fn numbers_are_moved_to_arrow() {
    let mut batch = kinds::types::KindsBatch::default();
    batch.extend(&records::<kinds::types::Kinds>(1000));
    let at = |at: *const u8| at.addr();
    let (u64s, f32s, grid) =
        (batch.u64.as_ptr().addr(), batch.f32.as_ptr().addr(), batch.grid.as_ptr().addr());
    let (ids, wide) = (batch.markers_id.as_ptr().addr(), batch.u128.as_ptr().addr());
    let offsets = batch.text.offsets().as_ptr().addr();
    let arrow = batch.into_record_batch().unwrap();
    assert_eq!(
        column::<PrimitiveArray<types::UInt64Type>>(&arrow, "u64").values().as_ptr().addr(),
        u64s
    );
    assert_eq!(
        column::<PrimitiveArray<types::Float32Type>>(&arrow, "f32").values().as_ptr().addr(),
        f32s
    );
    assert_eq!(at(column::<FixedSizeBinaryArray>(&arrow, "markers_id").value_data().as_ptr()), ids);
    assert_eq!(at(column::<FixedSizeBinaryArray>(&arrow, "u128").value_data().as_ptr()), wide);
    let rows: &FixedSizeListArray = column(&arrow, "grid");
    let items: &FixedSizeListArray = rows.values().as_any().downcast_ref().unwrap();
    let numbers: &PrimitiveArray<types::Int32Type> =
        items.values().as_any().downcast_ref().unwrap();
    assert_eq!((numbers.values().as_ptr().addr(), numbers.len()), (grid, 6000));
    // Random texts are not UTF-8, so they are copied and get new offsets.
    assert_ne!(column::<LargeStringArray>(&arrow, "text").offsets().as_ptr().addr(), offsets);
}

#[test]
fn texts_are_moved_if_they_are_utf8() {
    let note = |text: &str| streams::types::Note { code: 0, text: CharArray::new(text).unwrap() };
    let cut = streams::types::Note {
        code: 0,
        text: CharArray::from(*b"twenty byte caf\xc3\xa9 \xe2\x82"),
    };
    let mut batch = streams::types::NoteBatch::default();
    batch.extend(&[note("one"), note(""), note("drei\u{20ac}")]);
    assert_eq!(
        batch.text.iter().collect::<Vec<_>>(),
        [&b"one"[..], b"", "drei\u{20ac}".as_bytes()]
    );
    let memory = |text: &Text| (text.offsets().as_ptr().addr(), text.bytes().as_ptr().addr());
    let (offsets, bytes) = memory(&batch.text);
    let arrow = batch.into_record_batch().unwrap();
    let texts: &LargeStringArray = column(&arrow, "text");
    assert_eq!(texts.iter().map(Option::unwrap).collect::<Vec<_>>(), ["one", "", "drei\u{20ac}"]);
    assert_eq!(
        (texts.offsets().as_ptr().addr(), texts.value_data().as_ptr().addr()),
        (offsets, bytes)
    );

    let mut batch = streams::types::NoteBatch::default();
    batch.extend(&[cut, note("whole")]);
    let arrow = batch.into_record_batch().unwrap();
    let texts: &LargeStringArray = column(&arrow, "text");
    assert_eq!(
        texts.iter().map(Option::unwrap).collect::<Vec<_>>(),
        ["twenty byte caf\u{e9} \u{fffd}", "whole"]
    );
}

#[test]
fn grown_batch_does_not_allocate() {
    let events: Vec<kinds::types::Kinds> = records(500);
    let mut batch = kinds::types::KindsBatch::default();
    batch.extend(&events);
    let memory = |batch: &kinds::types::KindsBatch| {
        let numbers =
            (batch.u8.as_ptr(), batch.u128.as_ptr(), batch.numbers.as_ptr(), batch.flags.as_ptr());
        (
            numbers,
            batch.text.offsets().as_ptr(),
            batch.text.bytes().as_ptr(),
            batch.u8.capacity(),
            batch.numbers.capacity(),
        )
    };
    let before = memory(&batch);
    for _ in 0..3 {
        batch.clear();
        assert_eq!((batch.len(), batch.lines.offsets()), (0, &[0][..]));
        events.chunks(16).for_each(|run| batch.extend(run));
        assert_eq!((batch.len(), memory(&batch)), (500, before));
    }
    // Reserved room is enough.
    let mut batch = streams::types::SampleBatch::default();
    batch.reserve(500);
    let before = batch.payload.as_ptr();
    batch.extend(&records::<streams::types::Sample>(500));
    assert!(ptr::eq(batch.payload.as_ptr(), before));
}

#[test]
fn empty_batch_becomes_empty_record_batch() {
    let arrow = kinds::types::KindsBatch::default().into_record_batch().unwrap();
    assert_eq!((arrow.num_rows(), arrow.num_columns()), (0, 30));
}

#[test]
fn columns_of_different_lengths_are_refused() {
    let mut batch = streams::types::SampleBatch::default();
    batch.extend(&records::<streams::types::Sample>(3));
    batch.len.pop();
    let refused = batch.into_record_batch().unwrap_err();
    assert!(
        refused.to_string().contains("all columns in a record batch must have the same length"),
        "{refused}"
    );
}
