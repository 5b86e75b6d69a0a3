//! Record batches to Arrow columns, without a record type between.
//!
//! [`Columns`] is a set of builders that protocol's record visitor feeds directly; [`convert`]
//! drives one stored batch through it and hands out a `RecordBatch` whenever the builders are
//! full. Duplicates, nulls and empties are kept as they are; control batches carry no rows.
//! Arrow's `Binary` counts bytes in 32 bits, which bounds a `RecordBatch` long before that here.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BinaryBuilder, Int32Array, Int64Array, ListArray, RecordBatch,
    StringBuilder, StructArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use strom_protocol::record::{self, BatchHeader, Record, Scratch, VisitError};

use crate::columns;

/// Builders are handed on once they hold this many bytes of keys, values and headers …
const FULL_BYTES: usize = 4 << 20;
/// … or this many rows.
const FULL_ROWS: usize = 64 * 1024;

/// One stored batch and the part of it that is wanted.
#[derive(Debug)]
pub struct BatchSlice<'a> {
    /// The partition that the batch belongs to.
    pub partition: i32,
    /// The batch's header, base offset as stored.
    pub header: &'a BatchHeader,
    /// Everything after the header's 61 bytes.
    pub body: &'a [u8],
    /// Offsets wanted: records outside are left out.
    pub offsets: Range<i64>,
}

/// Why a batch could not be converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError<E> {
    /// The batch's bytes are not what its header says.
    #[error("batch at offset {offset} of partition {partition} cannot be read: {reason}")]
    Batch {
        /// The partition.
        partition: i32,
        /// The batch's base offset.
        offset: i64,
        /// What protocol's visitor said.
        reason: String,
    },
    /// The sink refused a full set of columns.
    #[error(transparent)]
    Sink(E),
}

/// Arrow builders for the columns of a raw log table.
#[derive(Debug)]
pub struct Columns {
    schema: SchemaRef,
    key: BinaryBuilder,
    value: BinaryBuilder,
    partition: Vec<i32>,
    offset: Vec<i64>,
    timestamp: TimestampMicrosecondBuilder,
    header_ends: Vec<i32>,
    header_key: StringBuilder,
    header_value: BinaryBuilder,
    bytes: usize,
}

impl Default for Columns {
    fn default() -> Self {
        Columns::new()
    }
}

impl Columns {
    /// Empty builders.
    pub fn new() -> Columns {
        Columns {
            schema: columns::arrow_schema(),
            key: BinaryBuilder::new(),
            value: BinaryBuilder::new(),
            partition: Vec::new(),
            offset: Vec::new(),
            timestamp: TimestampMicrosecondBuilder::new().with_data_type(columns::timestamp_type()),
            header_ends: vec![0],
            header_key: StringBuilder::new(),
            header_value: BinaryBuilder::new(),
            bytes: 0,
        }
    }

    /// Rows held.
    pub fn rows(&self) -> usize {
        self.offset.len()
    }

    /// Whether the builders should be handed on before more is appended.
    pub fn is_full(&self) -> bool {
        self.bytes >= FULL_BYTES || self.rows() >= FULL_ROWS
    }

    /// Appends one record. `timestamp_ms` is the record's own or the log append time.
    pub fn append(&mut self, partition: i32, offset: i64, timestamp_ms: i64, r: &Record) {
        self.key.append_option(r.key);
        self.value.append_option(r.value);
        self.partition.push(partition);
        self.offset.push(offset);
        self.timestamp.append_option(micros(timestamp_ms));
        self.bytes += r.key.map_or(0, <[u8]>::len) + r.value.map_or(0, <[u8]>::len);
        for (key, value) in r.headers.iter() {
            match std::str::from_utf8(key) {
                Ok(text) => self.header_key.append_value(text),
                Err(_) => self.header_key.append_value(String::from_utf8_lossy(key)),
            }
            self.header_value.append_option(value);
            self.bytes += 3 * key.len() + value.map_or(0, <[u8]>::len) + 8;
        }
        let headers = i32::try_from(self.header_value.len()).unwrap_or(i32::MAX);
        self.header_ends.push(headers);
    }

    /// Hands out what was appended, in the order of appending, and starts anew.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let ends = std::mem::replace(&mut self.header_ends, vec![0]);
        let header_columns: Vec<ArrayRef> =
            vec![Arc::new(self.header_key.finish()), Arc::new(self.header_value.finish())];
        let headers = StructArray::try_new(columns::header_fields(), header_columns, None)?;
        let headers = ListArray::try_new(
            Arc::new(columns::header_field()),
            OffsetBuffer::new(ScalarBuffer::from(ends)),
            Arc::new(headers),
            None,
        )?;
        self.bytes = 0;
        RecordBatch::try_new(
            Arc::clone(&self.schema),
            vec![
                Arc::new(self.key.finish()),
                Arc::new(self.value.finish()),
                Arc::new(Int32Array::from(std::mem::take(&mut self.partition))),
                Arc::new(Int64Array::from(std::mem::take(&mut self.offset))),
                Arc::new(self.timestamp.finish()),
                Arc::new(headers),
            ],
        )
    }
}

/// Appends the wanted records of one batch; `sink` takes the columns whenever they are full.
/// Returns the number of rows appended.
pub fn convert<E>(
    columns: &mut Columns,
    batch: &BatchSlice<'_>,
    scratch: &mut Scratch,
    mut sink: impl FnMut(&mut Columns) -> Result<(), E>,
) -> Result<u64, ConvertError<E>> {
    let header = batch.header;
    if header.attributes.is_control() {
        return Ok(0);
    }
    let mut rows = 0;
    let visited = record::visit(header, batch.body, scratch, |r| {
        let offset = header.base_offset + i64::from(r.offset_delta);
        if !batch.offsets.contains(&offset) {
            return Ok(());
        }
        let timestamp = header.timestamp_of(r.timestamp_delta);
        columns.append(batch.partition, offset, timestamp, &r);
        rows += 1;
        if columns.is_full() { sink(columns) } else { Ok(()) }
    });
    match visited {
        Ok(()) => Ok(rows),
        Err(VisitError::Visitor(error)) => Err(ConvertError::Sink(error)),
        Err(VisitError::Batch(error)) => Err(ConvertError::Batch {
            partition: batch.partition,
            offset: header.base_offset,
            reason: error.to_string(),
        }),
    }
}

/// Milliseconds to Iceberg's microseconds: no timestamp (-1) and what does not fit are null.
fn micros(ms: i64) -> Option<i64> {
    if ms == -1 { None } else { ms.checked_mul(1000) }
}

#[cfg(test)]
mod tests;
