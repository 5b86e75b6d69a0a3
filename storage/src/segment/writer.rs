//! Writing an object: runs one after the other, each batch straight into columns.

use std::collections::HashSet;
use std::convert::Infallible;
use std::ops::Range;

use bytes::Bytes;
use strom_protocol::TopicId;
use strom_protocol::record::{
    BatchHeader, Compression, HEADER_BYTES, Scratch, crc_of_parts, visit_plain,
};

use super::arrow_file::{self, ALIGNMENT};
use super::batch_table::{BatchTable, Offsets};
use super::chunk::{Chunk, ChunkKind};
use super::columns::{Columns, Shape};
use super::digest::digest_of_records;
use super::directory::{self, Locator, Section};
use super::{
    FORMAT_VERSION, RunSummary, SegmentCompression, SegmentError, SegmentOptions,
    chunk_builder::{ChunkBuilder, Compressor},
};
use crate::encoding::round_up;
use crate::partition::StoredBatch;

/// Why there is a run: what appends says under "Panics" that it comes after `begin`.
const BEGUN: &str = "batches and chunks are appended between begin and end_run";
/// An uncompressed batch of no more than this goes into a block chunk that is open: a transaction's marker
/// must not end the chunk.
const SMALL_BATCH_BYTES: usize = 4 * 1024;
/// A larger one does so too while the chunk is smaller than this fraction of a full one: chunks that alternate
/// with every batch would cost more than values outside of a column.
const YOUNG_CHUNK: usize = 4;
/// Parts from this size on leave as they are; smaller ones are copied together.
const OWN_PART_BYTES: usize = 16 * 1024;

/// Writes one object.
#[derive(Debug)]
pub struct SegmentWriter {
    options: SegmentOptions,
    output: Output,
    /// Where Arrow's record batches lie: position, message bytes, body bytes.
    record_batches: Vec<(u64, u32, u64)>,
    sections: Vec<Section>,
    begun: HashSet<(TopicId, i32)>,
    run: Option<OpenRun>,
    compressor: Compressor,
    /// The offset deltas of a batch where they are not 0, 1, 2, …
    deltas: Vec<i32>,
}

/// An object, whole but for the parts that were taken before.
#[derive(Clone, Debug)]
pub struct FinishedSegment {
    /// The last parts, to be written in order behind those that were taken.
    pub parts: Vec<Bytes>,
    /// What the runs hold, by topic and partition; runs without a batch are left out.
    pub runs: Vec<RunSummary>,
    /// The size of the object.
    pub bytes: u64,
    /// Where in it the directory is.
    pub directory: Range<u64>,
}

#[derive(Debug)]
struct OpenRun {
    summary: RunSummary,
    compression: SegmentCompression,
    chunk: Option<ChunkBuilder>,
    chunks: Vec<Chunk>,
    /// The size of the last chunk.
    shape: Shape,
}

impl SegmentWriter {
    /// An object without a run.
    pub fn new(options: SegmentOptions) -> SegmentWriter {
        let mut output = Output::default();
        output.put(&arrow_file::start());
        SegmentWriter {
            options,
            output,
            record_batches: Vec::new(),
            sections: Vec::new(),
            begun: HashSet::new(),
            run: None,
            compressor: Compressor::default(),
            deltas: Vec::new(),
        }
    }

    /// Ends the former run and begins the next.
    ///
    /// # Panics
    /// When the object has a run of this partition already.
    pub fn begin(&mut self, topic: TopicId, partition: i32, compression: SegmentCompression) {
        assert!(self.begun.insert((topic, partition)), "one run of {topic}-{partition} an object");
        self.end_run();
        let summary = RunSummary {
            topic,
            partition,
            base_offset: 0,
            next_offset: i64::MIN,
            batches: 0,
            wire_bytes: 0,
            stored_bytes: 0,
            min_timestamp: i64::MAX,
            max_timestamp: i64::MIN,
            leader_epochs: Vec::new(),
        };
        let shape = Shape::default();
        self.run = Some(OpenRun { summary, compression, chunk: None, chunks: Vec::new(), shape });
    }

    /// Appends a batch to the run. A body that cannot be decoded is kept as it is; only a batch whose bytes
    /// have another CRC than its head says is refused, and nothing is changed then.
    ///
    /// # Panics
    /// Before [`begin`](Self::begin), when the batch does not lie behind the former one, or when its head and
    /// body do not belong together.
    pub fn append(
        &mut self,
        batch: &StoredBatch,
        scratch: &mut Scratch,
    ) -> Result<(), SegmentError> {
        let header = &batch.header;
        let run = self.run.as_ref().expect(BEGUN);
        assert!(header.base_offset >= run.summary.next_offset, "batches ascend");
        assert!(header.last_offset_delta >= -1, "a batch ends behind its beginning");
        assert_eq!(header.total_bytes(), HEADER_BYTES + batch.body.len());
        let head = header.encode();
        assert_eq!(head[..], batch.head[..], "the parsed head is the head");
        if crc_of_parts(&head, &batch.body) != header.crc {
            let offsets = header.base_offset..header.last_offset().saturating_add(1);
            let reason = "a batch that was to be written has a wrong CRC";
            return Err(SegmentError::corrupt(offsets, self.output.position, reason));
        }
        self.place(batch, scratch);
        scratch.release_excess();
        self.run.as_mut().expect(BEGUN).summary.add(header);
        Ok(())
    }

    /// The bytes of the object that are finished, to be written in order.
    pub fn take_parts(&mut self) -> Vec<Bytes> {
        self.output.take()
    }

    /// The size of what is finished, whether taken or not, and roughly of what is in memory beyond it.
    pub fn bytes(&self) -> u64 {
        let open = self.run.as_ref().and_then(|run| run.chunk.as_ref());
        self.output.position + open.map_or(0, ChunkBuilder::bytes_held) as u64
    }

    /// Ends the object.
    pub fn finish(mut self) -> FinishedSegment {
        self.end_run();
        self.output.put(&arrow_file::END_OF_STREAM);
        let (bytes, index_crc) = directory::encode(&mut self.sections);
        let directory_position = self.output.position;
        let directory_bytes = bytes.len() as u32;
        self.output.put_bytes(Bytes::from(bytes));
        let directory = directory_position..self.output.position;
        let locator = Locator { directory_position, directory_bytes, index_crc };
        self.output.put(&locator.encode());
        let place = format!(
            "format {FORMAT_VERSION}, directory at {directory_position}, {directory_bytes} bytes"
        );
        self.output.put(&arrow_file::footer(&self.record_batches, ("strom.segment", place)));
        FinishedSegment {
            parts: self.output.take(),
            runs: self.sections.into_iter().map(|section| section.summary).collect(),
            bytes: self.output.position,
            directory,
        }
    }

    /// Puts a batch into a chunk.
    fn place(&mut self, batch: &StoredBatch, scratch: &mut Scratch) {
        let header = &batch.header;
        let compression = header.attributes.compression();
        let records = compression.as_ref().ok().and_then(|compression| {
            // The result borrows the scratch, and the body where there is nothing to decompress.
            scratch.decompress(*compression, &batch.body).ok()
        });
        let Some(records) = records else {
            let digest = digest_of_records(header, &batch.body);
            self.chunk_for(ChunkKind::Block, batch).push_opaque(batch, digest);
            return;
        };
        let digest = digest_of_records(header, records);
        let wanted = match compression {
            Ok(Compression::None) => ChunkKind::Plain,
            _ => ChunkKind::Block,
        };
        if self.chunk_for(wanted, batch).kind == ChunkKind::Plain {
            if self.take_records(header, records, ChunkKind::Plain, digest) {
                return;
            }
            self.chunk_for(ChunkKind::Block, batch);
        }
        if self.take_records(header, records, ChunkKind::Block, digest) {
            self.chunk().push_block(batch);
        } else {
            self.chunk().push_opaque(batch, digest);
        }
    }

    /// Visits the records into the columns of the open chunk; takes them back and returns false if they cannot
    /// be read, or if a plain chunk would not give them back bit for bit.
    fn take_records(
        &mut self,
        header: &BatchHeader,
        records: &[u8],
        kind: ChunkKind,
        digest: u64,
    ) -> bool {
        let run = self.run.as_mut().expect(BEGUN);
        let chunk = run.chunk.as_mut().expect("chunk_for has opened one for this batch");
        let first_row = chunk.columns.rows();
        self.deltas.clear();
        let mut taker = Taker {
            columns: &mut chunk.columns,
            deltas: &mut self.deltas,
            base_timestamp: header.base_timestamp,
            rows: 0,
            canonical_bytes: 0,
            attributes: 0,
            is_dense: true,
        };
        let is_taken = match kind {
            ChunkKind::Plain => taker.take_all(header, records, Columns::push),
            ChunkKind::Block => taker.take_all(header, records, Columns::push_without_value),
        };
        let is_canonical = taker.canonical_bytes == records.len() && taker.attributes == 0;
        let is_dense = taker.is_dense;
        if !is_taken || kind == ChunkKind::Plain && !is_canonical {
            chunk.columns.truncate(first_row);
            return false;
        }
        let offsets = if is_dense { Offsets::Dense } else { Offsets::Sparse(&self.deltas) };
        chunk.end_batch(header, first_row, digest, offsets);
        true
    }

    fn chunk(&mut self) -> &mut ChunkBuilder {
        let run = self.run.as_mut().expect(BEGUN);
        run.chunk.as_mut().expect("chunk_for has opened one for this batch")
    }

    /// The chunk that a batch goes to: the open one if it is of that kind and has room.
    fn chunk_for(&mut self, wanted: ChunkKind, batch: &StoredBatch) -> &mut ChunkBuilder {
        let bytes = batch.body.len();
        let full = self.options.chunk_bytes;
        let run = self.run.as_mut().expect(BEGUN);
        let has_room = run.chunk.as_ref().is_some_and(|chunk| {
            let held = chunk.bytes_held();
            let suits = match (chunk.kind, wanted) {
                (ChunkKind::Plain, ChunkKind::Plain) | (ChunkKind::Block, ChunkKind::Block) => true,
                (ChunkKind::Plain, ChunkKind::Block) => false,
                (ChunkKind::Block, ChunkKind::Plain) => {
                    bytes <= SMALL_BATCH_BYTES || held < full / YOUNG_CHUNK
                }
            };
            suits && (held + bytes <= full || chunk.is_empty())
        });
        if !has_room {
            self.end_chunk();
        }
        let run = self.run.as_mut().expect(BEGUN);
        run.chunk
            .get_or_insert_with(|| ChunkBuilder::new(wanted, batch.header.base_offset, &run.shape))
    }

    fn end_chunk(&mut self) {
        let Some(run) = self.run.as_mut() else { return };
        let Some(chunk) = run.chunk.take().filter(|chunk| !chunk.is_empty()) else { return };
        run.shape = chunk.columns.shape();
        let finished = chunk.finish(run.compression, &mut self.compressor);
        self.output.pad();
        let mut chunk = finished.chunk;
        chunk.position = self.output.position;
        self.output.put_bytes(finished.table);
        for block in finished.blocks {
            self.output.put_bytes(block);
        }
        self.output.pad();
        self.output.put(&finished.message);
        for (prefix, buffer) in finished.buffers {
            self.output
                .put(&prefix.map(i64::to_le_bytes).unwrap_or_default()[..prefix_bytes(prefix)]);
            self.output.put_bytes(buffer);
            self.output.pad();
        }
        debug_assert_eq!(chunk.end(), self.output.position);
        self.add_chunk(chunk);
    }

    /// What chunks of the run being written are to be like: their compression and size.
    pub(super) fn target(&self) -> (SegmentCompression, usize) {
        let run = self.run.as_ref().expect(BEGUN);
        (run.compression, self.options.chunk_bytes)
    }

    /// Appends the chunk of another object, whose bytes have been checked, as it is.
    pub(super) fn append_chunk(&mut self, chunk: &Chunk, table: &BatchTable, bytes: Bytes) {
        self.end_chunk();
        let run = self.run.as_mut().expect(BEGUN);
        assert!(chunk.base_offset >= run.summary.next_offset, "batches ascend");
        for entry in &table.batches {
            run.summary.add(&entry.header);
        }
        self.output.pad();
        let chunk = Chunk { position: self.output.position, ..chunk.clone() };
        self.output.put_bytes(bytes);
        self.add_chunk(chunk);
    }

    /// Enters a chunk whose bytes have been put.
    fn add_chunk(&mut self, chunk: Chunk) {
        let run = self.run.as_mut().expect(BEGUN);
        let message = (chunk.message_position(), chunk.message_bytes, u64::from(chunk.body_bytes));
        self.record_batches.push(message);
        run.summary.stored_bytes += self.output.position - chunk.position;
        run.summary.min_timestamp = run.summary.min_timestamp.min(chunk.min_timestamp);
        run.summary.max_timestamp = run.summary.max_timestamp.max(chunk.max_timestamp);
        run.chunks.push(chunk);
    }

    fn end_run(&mut self) {
        self.end_chunk();
        if let Some(run) = self.run.take()
            && !run.chunks.is_empty()
        {
            self.sections.push(Section { summary: run.summary, chunks: run.chunks });
        }
    }
}

impl RunSummary {
    fn add(&mut self, header: &BatchHeader) {
        if self.batches == 0 {
            self.base_offset = header.base_offset;
        }
        self.next_offset = header.last_offset() + 1;
        self.batches += 1;
        self.wire_bytes += header.total_bytes() as u64;
        let epoch = header.partition_leader_epoch;
        if self.leader_epochs.last().is_none_or(|last| last.0 != epoch) {
            self.leader_epochs.push((epoch, header.base_offset));
        }
    }
}

/// Takes the records of one batch into columns.
struct Taker<'a> {
    columns: &'a mut Columns,
    deltas: &'a mut Vec<i32>,
    base_timestamp: i64,
    rows: i32,
    canonical_bytes: usize,
    attributes: i8,
    is_dense: bool,
}

impl Taker<'_> {
    /// False if a record cannot be read.
    #[inline]
    fn take_all(
        &mut self,
        header: &BatchHeader,
        records: &[u8],
        push: impl Fn(&mut Columns, i64, &strom_protocol::record::Record<'_>),
    ) -> bool {
        let visited = visit_plain(header.record_count, records, |record| {
            if record.offset_delta != self.rows || !self.is_dense {
                self.push_delta(record.offset_delta);
            }
            self.rows += 1;
            self.canonical_bytes += record.canonical_bytes();
            self.attributes |= record.attributes;
            push(self.columns, self.base_timestamp.wrapping_add(record.timestamp_delta), &record);
            Ok::<(), Infallible>(())
        });
        visited.is_ok()
    }

    #[inline(never)]
    fn push_delta(&mut self, delta: i32) {
        if self.is_dense {
            self.is_dense = false;
            self.deltas.extend(0..self.rows);
        }
        self.deltas.push(delta);
    }
}

fn prefix_bytes(prefix: Option<i64>) -> usize {
    if prefix.is_some() { arrow_file::PREFIX_BYTES } else { 0 }
}

/// The object's bytes as parts.
#[derive(Debug, Default)]
struct Output {
    parts: Vec<Bytes>,
    /// The part under construction.
    open: Vec<u8>,
    position: u64,
}

impl Output {
    fn put(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
        self.position += bytes.len() as u64;
    }

    fn put_bytes(&mut self, bytes: Bytes) {
        if bytes.len() < OWN_PART_BYTES {
            return self.put(&bytes);
        }
        self.close();
        self.position += bytes.len() as u64;
        self.parts.push(bytes);
    }

    fn pad(&mut self) {
        let padding = round_up(self.position, ALIGNMENT) - self.position;
        self.put(&[0; ALIGNMENT as usize][..padding as usize]);
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.parts.push(Bytes::from(std::mem::take(&mut self.open)));
        }
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.close();
        std::mem::take(&mut self.parts)
    }
}
