use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use strom_protocol::Bytes;
use strom_protocol::record::{BatchBuilder, Compression, EndTransactionMarker, control_batch};

use super::*;

/// Converts a produced batch placed at `base_offset` of partition 3.
fn converted(batch: &Bytes, base_offset: i64, offsets: Range<i64>) -> RecordBatch {
    let mut header = BatchHeader::parse(batch).unwrap();
    header.base_offset = base_offset;
    let mut columns = Columns::new();
    let slice = BatchSlice { partition: 3, header: &header, body: &batch[61..], offsets };
    let never = |_: &mut Columns| -> Result<(), ArrowError> { unreachable!("too few rows") };
    let rows = convert(&mut columns, &slice, &mut Scratch::default(), never).unwrap();
    assert_eq!(rows as usize, columns.rows());
    columns.finish().unwrap()
}

fn all() -> Range<i64> {
    0..i64::MAX
}

#[test]
fn nulls_empties_duplicates_and_headers_are_kept() {
    let mut builder = BatchBuilder::new(Compression::Lz4);
    builder.append(5, None, None, &[]);
    builder.append(
        6,
        Some(b""),
        Some(b""),
        &[(b"h", None), (b"h", Some(b"")), (b"\xff", Some(b"x"))],
    );
    builder.append(6, Some(b""), Some(b""), &[]);
    let rows = converted(&builder.build(), 40, all());
    assert_eq!(rows.num_rows(), 3);
    let (key, value) = (rows.column(0).as_binary::<i32>(), rows.column(1).as_binary::<i32>());
    assert!(key.is_null(0) && value.is_null(0));
    assert!(!key.is_null(1) && key.value(1).is_empty() && value.value(1).is_empty());
    assert_eq!(rows.column(2).as_primitive::<Int32Type>().values(), &[3, 3, 3]);
    assert_eq!(rows.column(3).as_primitive::<Int64Type>().values(), &[40, 41, 42]);
    let headers = rows.column(5).as_list::<i32>();
    assert_eq!((headers.value_length(0), headers.value_length(1)), (0, 3));
    assert_eq!(headers.null_count(), 0, "no headers is an empty list");
    let second = headers.value(1);
    let second = second.as_struct();
    let keys: Vec<&str> = second.column(0).as_string::<i32>().iter().flatten().collect();
    assert_eq!(keys, ["h", "h", "\u{fffd}"]);
    let values: Vec<Option<&[u8]>> = second.column(1).as_binary::<i32>().iter().collect();
    assert_eq!(values, [None, Some(&b""[..]), Some(&b"x"[..])]);
}

#[test]
fn timestamps_that_do_not_fit_are_null() {
    let rows = [
        (-1, None),
        (0, Some(0)),
        (1_700_000_000_123, Some(1_700_000_000_123_000)),
        (-2, Some(-2_000)),
        (i64::MAX / 1000, Some(i64::MAX / 1000 * 1000)),
        (i64::MAX / 1000 + 1, None),
        (i64::MAX, None),
        (i64::MIN, None),
    ];
    for (ms, expected) in rows {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(ms, None, None, &[]);
        let batch = converted(&builder.build(), 0, all());
        let timestamps = batch.column(4).as_primitive::<TimestampMicrosecondType>();
        assert_eq!(timestamps.iter().next().flatten(), expected, "{ms}");
    }
}

#[test]
fn log_append_time_is_every_records_timestamp() {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(5, None, None, &[]);
    builder.append(9, None, None, &[]);
    let mut batch = builder.build().to_vec();
    batch[22] |= 0b1000;
    let rows = converted(&Bytes::from(batch), 0, all());
    let timestamps = rows.column(4).as_primitive::<TimestampMicrosecondType>();
    assert_eq!(timestamps.values(), &[9_000, 9_000]);
}

#[test]
fn control_batches_have_no_rows() {
    let marker = EndTransactionMarker { committed: true, coordinator_epoch: 0 };
    assert_eq!(converted(&control_batch(marker, 1, 0, 7), 0, all()).num_rows(), 0);
}

#[test]
fn records_outside_the_wanted_offsets_are_left_out() {
    let mut builder = BatchBuilder::new(Compression::Zstd);
    (0..10).for_each(|ms| builder.append(ms, None, Some(b"v"), &[]));
    let rows = converted(&builder.build(), 100, 103..105);
    assert_eq!(rows.column(3).as_primitive::<Int64Type>().values(), &[103, 104]);
}

#[test]
fn full_builders_are_handed_on_and_errors_come_back() {
    let value = vec![7; FULL_BYTES / 2];
    let mut builder = BatchBuilder::new(Compression::None);
    (0..5).for_each(|ms| builder.append(ms, None, Some(&value), &[]));
    let batch = builder.build();
    let header = BatchHeader::parse(&batch).unwrap();
    let slice = BatchSlice { partition: 0, header: &header, body: &batch[61..], offsets: all() };
    let (mut columns, mut taken) = (Columns::new(), Vec::new());
    let sink = |columns: &mut Columns| -> Result<(), ArrowError> {
        taken.push(columns.finish()?.num_rows());
        Ok(())
    };
    convert(&mut columns, &slice, &mut Scratch::default(), sink).unwrap();
    assert_eq!((taken, columns.rows()), (vec![2, 2], 1));

    let refuse = |_: &mut Columns| Err("full");
    let error = convert(&mut Columns::new(), &slice, &mut Scratch::default(), refuse).unwrap_err();
    assert!(matches!(error, ConvertError::Sink("full")));

    let cut = BatchSlice { body: &batch[61..100], ..slice };
    let error = convert(&mut Columns::new(), &cut, &mut Scratch::default(), refuse).unwrap_err();
    assert!(error.to_string().contains("batch at offset 0 of partition 0"), "{error}");
}
