//! The records of batches, the slow and obvious way.

use std::sync::Arc;

use arrow::array::{
    Array, BinaryArray, Int32Array, Int64Array, ListArray, RecordBatch, StructArray,
};
use strom_protocol::record::{Scratch, visit};

use crate::partition::StoredBatch;

/// A row of a scan, or of an Arrow file; what was not asked for is its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// The records of a batch; none if they cannot be read.
pub(super) fn rows_of(batch: &StoredBatch, partition: i32) -> Vec<Row> {
    let header = &batch.header;
    let mut rows = Vec::new();
    let visited = visit(header, &batch.body, &mut Scratch::new(), |record| {
        rows.push(Row {
            partition,
            offset: header.base_offset + i64::from(record.offset_delta),
            timestamp: header.timestamp_of(record.timestamp_delta),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record
                .headers
                .iter()
                .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)))
                .collect(),
        });
        Ok::<(), ()>(())
    });
    if visited.is_ok() { rows } else { Vec::new() }
}

/// The data records of batches.
pub(super) fn data_rows(batches: &[StoredBatch], partition: i32) -> Vec<Row> {
    let data = batches.iter().filter(|batch| !batch.header.attributes.is_control());
    data.flat_map(|batch| rows_of(batch, partition)).collect()
}

fn column<A: Array + Clone + 'static>(batch: &RecordBatch, name: &str) -> Option<A> {
    batch.column_by_name(name).map(|array| array.as_any().downcast_ref::<A>().unwrap().clone())
}

fn cell(array: &BinaryArray, row: usize) -> Option<Vec<u8>> {
    array.is_valid(row).then(|| array.value(row).to_vec())
}

/// The rows of a record batch.
pub(super) fn rows_of_arrow(batch: &RecordBatch) -> Vec<Row> {
    let partition: Option<Int32Array> = column(batch, "partition");
    let offset: Option<Int64Array> = column(batch, "offset");
    let timestamp: Option<Int64Array> = column(batch, "timestamp");
    let key: Option<BinaryArray> = column(batch, "key");
    let value: Option<BinaryArray> = column(batch, "value");
    let headers: Option<ListArray> = column(batch, "headers");
    (0..batch.num_rows())
        .map(|row| Row {
            partition: partition.as_ref().map_or(0, |array| array.value(row)),
            offset: offset.as_ref().map_or(0, |array| array.value(row)),
            timestamp: timestamp.as_ref().map_or(0, |array| array.value(row)),
            key: key.as_ref().and_then(|array| cell(array, row)),
            value: value.as_ref().and_then(|array| cell(array, row)),
            headers: headers.as_ref().map_or(Vec::new(), |array| headers_of(array, row)),
        })
        .collect()
}

fn headers_of(array: &ListArray, row: usize) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let entries = array.value(row);
    let entries = entries.as_any().downcast_ref::<StructArray>().unwrap();
    let columns: Vec<BinaryArray> = entries
        .columns()
        .iter()
        .map(|column| Arc::clone(column).as_any().downcast_ref::<BinaryArray>().unwrap().clone())
        .collect();
    (0..entries.len())
        .map(|entry| (columns[0].value(entry).to_vec(), cell(&columns[1], entry)))
        .collect()
}
