//! A chunk's buffers as Arrow arrays, without a copy where they are aligned.
//!
//! Arrow's constructors panic on offsets that do not ascend and on buffers that are too short, so both are
//! checked here first: `None` where buffers do not make the array.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, Int64Array, ListArray, StructArray};
use arrow::buffer::{BooleanBuffer, Buffer as ArrowBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, DataType};
use bytes::Bytes;

use super::arrow_file::header_field;
use super::chunk::Chunk;
use super::columns::Buffer;
use super::fetch::Loaded;
use super::wire::Rows;

/// The timestamps that consumers see.
pub(super) fn timestamps(chunk: &Chunk, loaded: &Loaded) -> Option<ScalarBuffer<i64>> {
    if chunk.flags.has_log_append_time {
        let rows = Rows::of(chunk, loaded);
        let batches = loaded.table.batches.iter();
        let seen: Vec<i64> = batches.flat_map(|entry| rows.timestamps_of(entry)).collect();
        return (seen.len() == chunk.rows as usize).then(|| seen.into());
    }
    numbers(loaded.buffer(Buffer::Timestamp), chunk.rows as usize)
}

/// The rows' offsets.
pub(super) fn offsets(chunk: &Chunk, loaded: &Loaded) -> Vec<i64> {
    if chunk.flags.is_dense {
        return (0..i64::from(chunk.rows)).map(|row| chunk.base_offset.wrapping_add(row)).collect();
    }
    let mut offsets = Vec::with_capacity(chunk.rows as usize);
    for entry in &loaded.table.batches {
        offsets.extend((0..entry.rows).map(|index| {
            let delta = loaded.table.offset_delta(entry, index);
            entry.header.base_offset.wrapping_add(i64::from(delta))
        }));
    }
    offsets
}

pub(super) fn timestamp_array(timestamps: ScalarBuffer<i64>) -> ArrayRef {
    Arc::new(Int64Array::new(timestamps, None))
}

pub(super) fn keys(chunk: &Chunk, loaded: &Loaded) -> Option<ArrayRef> {
    let parts = [Buffer::KeyValidity, Buffer::KeyEnds, Buffer::KeyBytes];
    binary(parts.map(|part| loaded.buffer(part)), chunk.key_nulls, chunk.rows)
}

/// The values of a plain chunk.
pub(super) fn values(chunk: &Chunk, loaded: &Loaded) -> Option<ArrayRef> {
    let parts = [Buffer::ValueValidity, Buffer::ValueEnds, Buffer::ValueBytes];
    binary(parts.map(|part| loaded.buffer(part)), chunk.value_nulls, chunk.rows)
}

pub(super) fn headers(chunk: &Chunk, loaded: &Loaded) -> Option<ArrayRef> {
    let rows = chunk.rows as usize;
    let field = Arc::new(header_field());
    let DataType::Struct(fields) = field.data_type().clone() else { return None };
    let ends = match chunk.headers {
        0 => OffsetBuffer::new_zeroed(rows),
        headers => ends(loaded.buffer(Buffer::HeaderEnds), rows, headers as usize)?,
    };
    let keys = [Buffer::HeaderKeyEnds, Buffer::HeaderKeyEnds, Buffer::HeaderKeyBytes];
    let keys = binary(keys.map(|part| loaded.buffer(part)), 0, chunk.headers)?;
    let values = [Buffer::HeaderValueValidity, Buffer::HeaderValueEnds, Buffer::HeaderValueBytes];
    let values =
        binary(values.map(|part| loaded.buffer(part)), chunk.header_value_nulls, chunk.headers)?;
    let entries = StructArray::try_new(fields, vec![keys, values], None).ok()?;
    let list = ListArray::try_new(field, ends, Arc::new(entries), None).ok()?;
    Some(Arc::new(list))
}

/// A column of bytes from validity, ends and bytes.
fn binary([validity, row_ends, bytes]: [&Bytes; 3], nulls: u32, rows: u32) -> Option<ArrayRef> {
    let rows = rows as usize;
    if nulls as usize == rows {
        return Some(Arc::new(BinaryArray::new_null(rows)));
    }
    let nulls = match nulls {
        0 => None,
        _ if validity.len() != rows.div_ceil(8) => return None,
        _ => Some(NullBuffer::new(BooleanBuffer::new(aligned(validity), 0, rows))),
    };
    let ends = ends(row_ends, rows, bytes.len())?;
    let array = BinaryArray::try_new(ends, ArrowBuffer::from(bytes.clone()), nulls).ok()?;
    debug_assert_eq!(array.len(), rows);
    Some(Arc::new(array))
}

/// Offsets that ascend and do not exceed what they divide.
fn ends(bytes: &Bytes, rows: usize, most: usize) -> Option<OffsetBuffer<i32>> {
    let ends: ScalarBuffer<i32> = numbers(bytes, rows + 1)?;
    let is_sound = ends.first().is_some_and(|first| *first >= 0)
        && ends.last().is_some_and(|last| usize::try_from(*last).is_ok_and(|last| last <= most))
        && ends.is_sorted();
    is_sound.then(|| OffsetBuffer::new(ends))
}

fn numbers<T: ArrowNativeType>(bytes: &Bytes, count: usize) -> Option<ScalarBuffer<T>> {
    (bytes.len() == count * size_of::<T>()).then(|| ScalarBuffer::new(aligned(bytes), 0, count))
}

/// The bytes where Arrow may take them for integers; copied if they lie badly.
fn aligned(bytes: &Bytes) -> ArrowBuffer {
    if bytes.as_ptr().align_offset(align_of::<i64>()) == 0 {
        ArrowBuffer::from(bytes.clone())
    } else {
        ArrowBuffer::from(&bytes[..])
    }
}
