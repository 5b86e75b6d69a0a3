//! Scanning: the wanted columns of the wanted rows, as Arrow record batches.
//!
//! Chunks that statistics exclude are not touched; of the others the predicate's columns come first, and the
//! rest only if a row is left. Control records are not data and never come up.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BinaryBuilder, BooleanArray, Int32Array, Int64Array, RecordBatch,
    RecordBatchOptions,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use strom_protocol::record::{BatchHeader, Scratch, visit};

use super::batch_table::BatchEntry;
use super::chunk::{Chunk, ChunkKind};
use super::columns::BufferSet;
use super::fetch::{Loaded, Wanted, fetch};
use super::open::Run;
use super::request::PredicateRows;
use super::wire::{self, Rows};
use super::{Column, ScanRequest, SegmentError, arrays};

/// Values of block chunks are handed on when they reach this, whatever they decompress to altogether.
const PIECE_BYTES: usize = 16 << 20;

/// An iterator over the rows of a run: record batches of a chunk each, or of a part of one. An error is about
/// one chunk, which it names; the iterator may be asked to go on behind it.
#[derive(Debug)]
pub struct Scan {
    run: Run,
    request: ScanRequest,
    schema: SchemaRef,
    next_chunk: usize,
    open: Option<OpenChunk>,
    scratch: Scratch,
}

impl Run {
    /// Scans columns. Fetches nothing yet.
    pub fn scan(&self, request: ScanRequest) -> Scan {
        Scan {
            run: self.clone(),
            schema: request.columns.schema(),
            request,
            next_chunk: 0,
            open: None,
            scratch: Scratch::new(),
        }
    }
}

/// A chunk of which rows are left to hand on.
#[derive(Debug)]
struct OpenChunk {
    index: usize,
    loaded: Loaded,
    /// Of the rows that are wanted, those before are handed on.
    rows: Range<usize>,
    /// Which of all the rows are wanted, unless all in `rows` are.
    marks: Option<Vec<bool>>,
    /// The columns of all rows, but the values of a block chunk.
    columns: Vec<(Column, Option<ArrayRef>)>,
    /// The next batch whose block is to be read.
    next_batch: usize,
}

impl Iterator for Scan {
    type Item = Result<RecordBatch, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(mut open) = self.open.take()
                && !open.rows.is_empty()
            {
                let result = self.next_piece(&mut open);
                self.open = Some(open);
                match result {
                    Ok(batch) if batch.num_rows() == 0 => continue,
                    result => return Some(result),
                }
            }
            let index = self.next_chunk;
            self.next_chunk += 1;
            let run = self.run.clone();
            let chunk = run.chunks().get(index)?;
            if self.may_have_rows(chunk) {
                match self.open_chunk(index, chunk) {
                    Ok(open) => self.open = open,
                    Err(error) => return Some(Err(error)),
                }
            }
        }
    }
}

impl Scan {
    /// The schema of all its batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn may_have_rows(&self, chunk: &Chunk) -> bool {
        let offsets = &self.request.offsets;
        chunk.rows > 0
            && offsets.start < chunk.next_offset
            && chunk.base_offset < offsets.end
            && self.request.predicate.as_ref().is_none_or(|predicate| predicate.may_match(chunk))
    }

    /// Fetches what is wanted of a chunk; `None` if none of its rows is.
    fn open_chunk(
        &mut self,
        index: usize,
        chunk: &Chunk,
    ) -> Result<Option<OpenChunk>, SegmentError> {
        let predicate = self.request.predicate.as_ref();
        let judged = predicate.map_or(BufferSet::NONE, |predicate| predicate.buffers());
        let has_blocks =
            chunk.kind == ChunkKind::Block && self.request.columns.contains(Column::Value);
        let mut wanted = self.request.columns.buffers();
        if has_blocks {
            wanted = wanted.without(BufferSet::VALUE);
        }
        let seen = wanted.and(judged);
        let has_table = has_blocks
            || !chunk.flags.is_dense
            || chunk.flags.has_control
            || chunk.flags.has_log_append_time && seen.contains_any(BufferSet::TIMESTAMP);
        let all = Wanted { buffers: seen, has_table, has_blocks };
        let is_judged_first = judged != BufferSet::NONE && (judged != seen || has_blocks);
        let first = match is_judged_first {
            true => Wanted { buffers: judged, has_table, has_blocks: false },
            false => all,
        };
        let mut loaded = self.load(chunk, first)?;
        let (rows, marks) = self.select(chunk, &loaded)?;
        if rows.is_empty() {
            return Ok(None);
        }
        if is_judged_first {
            let rest = Wanted { buffers: seen.without(judged), has_table: false, has_blocks };
            loaded.add(self.load(chunk, rest)?);
        }
        let columns = self.columns(chunk, &loaded)?;
        Ok(Some(OpenChunk { index, loaded, rows, marks, columns, next_batch: 0 }))
    }

    fn load(&mut self, chunk: &Chunk, wanted: Wanted) -> Result<Loaded, SegmentError> {
        fetch(&*self.run.shared.source, &[(chunk, wanted)], &mut self.scratch)?.remove(0)
    }

    /// The range of rows that are wanted, and marks if not all in it are.
    fn select(
        &self,
        chunk: &Chunk,
        loaded: &Loaded,
    ) -> Result<(Range<usize>, Option<Vec<bool>>), SegmentError> {
        let wanted = &self.request.offsets;
        let predicate = self.request.predicate.as_ref();
        let count = chunk.rows as usize;
        if chunk.flags.is_dense && !chunk.flags.has_control && predicate.is_none() {
            let row = |offset: i64| {
                let clamped = offset.clamp(chunk.base_offset, chunk.next_offset);
                (clamped - chunk.base_offset) as usize
            };
            return Ok((row(wanted.start)..row(wanted.end).max(row(wanted.start)), None));
        }
        let offsets = arrays::offsets(chunk, loaded);
        let mut marks: Vec<bool> = offsets.iter().map(|offset| wanted.contains(offset)).collect();
        let control = loaded.table.batches.iter().filter(|b| b.header.attributes.is_control());
        for batch in control {
            marks[rows_of(batch)].fill(false);
        }
        if let Some(predicate) = predicate {
            let timestamps = match predicate.buffers().contains_any(BufferSet::TIMESTAMP) {
                true => {
                    arrays::timestamps(chunk, loaded).ok_or_else(|| unfit(chunk, "timestamp"))?
                }
                false => Vec::new().into(),
            };
            let keys = Rows::of(chunk, loaded).key;
            let rows = PredicateRows { offsets: &offsets, timestamps: &timestamps, keys };
            predicate.judge(&rows, &mut marks);
        }
        let first = marks.iter().position(|mark| *mark).unwrap_or(count);
        let last = marks.iter().rposition(|mark| *mark).map_or(first, |last| last + 1);
        let has_gaps = marks[first..last].contains(&false);
        Ok((first..last, has_gaps.then_some(marks)))
    }

    fn columns(
        &self,
        chunk: &Chunk,
        loaded: &Loaded,
    ) -> Result<Vec<(Column, Option<ArrayRef>)>, SegmentError> {
        let rows = chunk.rows as usize;
        let array = |column: Column| {
            let array: Option<ArrayRef> = match column {
                Column::Partition => {
                    let partition = self.run.summary().partition;
                    Some(Arc::new(Int32Array::from_value(partition, rows)))
                }
                Column::Offset => Some(Arc::new(Int64Array::from(arrays::offsets(chunk, loaded)))),
                Column::Timestamp => arrays::timestamps(chunk, loaded).map(arrays::timestamp_array),
                Column::Key => arrays::keys(chunk, loaded),
                Column::Value if chunk.kind == ChunkKind::Block => return Ok((column, None)),
                Column::Value => arrays::values(chunk, loaded),
                Column::Headers => arrays::headers(chunk, loaded),
            };
            let array = array.filter(|array| array.len() == rows);
            Ok((column, Some(array.ok_or_else(|| unfit(chunk, column.name()))?)))
        };
        self.request.columns.iter().map(array).collect()
    }

    /// The next rows of an open chunk: all of them, or as many as their blocks' size allows.
    fn next_piece(&mut self, open: &mut OpenChunk) -> Result<RecordBatch, SegmentError> {
        let run = self.run.clone();
        let chunk = &run.chunks()[open.index];
        let has_blocks = open.columns.iter().any(|(_, array)| array.is_none());
        let (values, rows) = match has_blocks {
            true => {
                let (values, rows) = self.next_values(chunk, open)?;
                (Some(values), rows)
            }
            false => (None, open.rows.clone()),
        };
        open.rows.start = rows.end.max(open.rows.start);
        let arrays = open.columns.iter().map(|(_, array)| match (array, &values) {
            (Some(array), _) => array.slice(rows.start, rows.len()),
            (None, Some(values)) => Arc::clone(values),
            (None, None) => Arc::new(BinaryArray::new_null(rows.len())),
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let schema = Arc::clone(&self.schema);
        let whole = RecordBatch::try_new_with_options(schema, arrays.collect(), &options);
        let batch = whole.and_then(|batch| match &open.marks {
            None => Ok(batch),
            Some(marks) => {
                filter_record_batch(&batch, &BooleanArray::from(marks[rows.clone()].to_vec()))
            }
        });
        batch.map_err(|error| unfit(chunk, &error.to_string()))
    }

    /// The values of some more batches, and whose rows they are.
    fn next_values(
        &mut self,
        chunk: &Chunk,
        open: &mut OpenChunk,
    ) -> Result<(ArrayRef, Range<usize>), SegmentError> {
        let batches = &open.loaded.table.batches;
        let mut values = BinaryBuilder::new();
        let first = open.rows.start;
        let mut end = first;
        while end < open.rows.end && values.values_slice().len() < PIECE_BYTES {
            let batch = &batches[open.next_batch];
            open.next_batch += 1;
            let rows = rows_of(batch);
            let wanted = rows.start.max(open.rows.start)..rows.end.min(open.rows.end);
            if wanted.is_empty() {
                continue;
            }
            let is_wanted =
                open.marks.as_ref().is_none_or(|marks| marks[wanted.clone()].contains(&true));
            if is_wanted {
                let of_batch = wanted.start - rows.start..wanted.end - rows.start;
                let scratch = &mut self.scratch;
                let taken = wire::block_of(chunk, &open.loaded, batch).and_then(|body| {
                    take_values(&batch.header, &body, of_batch, scratch, &mut values)
                        .map_err(|reason| wire::damaged_block(chunk, batch, &reason))
                });
                match taken {
                    Ok(()) => {}
                    Err(error) if end == first => {
                        open.rows.start = wanted.end;
                        return Err(error);
                    }
                    // What was read before the damage is handed on first.
                    Err(_) => {
                        open.next_batch -= 1;
                        break;
                    }
                }
            } else {
                wanted.clone().for_each(|_| values.append_null());
            }
            end = wanted.end;
        }
        Ok((Arc::new(values.finish().slice(0, end - first)), first..end))
    }
}

/// Takes the values of some of a block's rows.
fn take_values(
    header: &BatchHeader,
    body: &[u8],
    wanted: Range<usize>,
    scratch: &mut Scratch,
    values: &mut BinaryBuilder,
) -> Result<(), String> {
    let mut index = 0;
    let visited = visit(header, body, scratch, |record| {
        if wanted.contains(&index) {
            values.append_option(record.value);
        }
        index += 1;
        Ok::<(), Infallible>(())
    });
    visited.map_err(|error| error.to_string())
}

fn rows_of(batch: &BatchEntry) -> Range<usize> {
    let first = batch.first_row as usize;
    first..first + batch.rows as usize
}

fn unfit(chunk: &Chunk, what: &str) -> SegmentError {
    let reason = format!("the buffers of column {what} do not fit together");
    SegmentError::corrupt(chunk.offsets(), chunk.body_position(), reason)
}
