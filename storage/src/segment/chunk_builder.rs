//! A chunk under construction, and its end: statistics, compression, layout.

use arrow::ipc::CompressionType;
use bytes::Bytes;
use strom_protocol::record::{self, BatchHeader, Compression};

use super::SegmentCompression;
use super::arrow_file::{
    self, ALIGNMENT, PREFIX_BYTES, RAW_PREFIX, RecordBatchLayout, record_batch_message,
};
use super::batch_table::{Offsets, TableBuilder};
use super::chunk::{
    BufferLayout, Chunk, ChunkFlags, ChunkKind, KEY_PREFIX_BYTES, KeyBounds, PART_BYTES_MAX,
};
use super::columns::{BUFFERS, BinaryColumn, Buffer, BufferSet, Columns, Shape};
use crate::encoding::{checksum, round_up};
use crate::partition::StoredBatch;

/// The level of zstd: the fastest one with entropy coding.
const ZSTD_LEVEL: i32 = 1;
/// Buffers below this are not worth a codec.
const COMPRESSED_BYTES_MIN: usize = 128;
/// Buffers of zeros are compressed even in chunks that are not, from this size on.
const ZEROS_BYTES_MIN: usize = 4096;

/// Arrow's buffers in Arrow's order; those without a number are always empty.
const ARROW_ORDER: [Option<Buffer>; 17] = [
    None,
    Some(Buffer::Timestamp),
    Some(Buffer::KeyValidity),
    Some(Buffer::KeyEnds),
    Some(Buffer::KeyBytes),
    Some(Buffer::ValueValidity),
    Some(Buffer::ValueEnds),
    Some(Buffer::ValueBytes),
    None,
    Some(Buffer::HeaderEnds),
    None,
    None,
    Some(Buffer::HeaderKeyEnds),
    Some(Buffer::HeaderKeyBytes),
    Some(Buffer::HeaderValueValidity),
    Some(Buffer::HeaderValueEnds),
    Some(Buffer::HeaderValueBytes),
];

/// The codecs, made when first needed.
#[derive(Default)]
pub(super) struct Compressor {
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl Compressor {
    /// The bytes compressed, if that saves a sixteenth at least.
    fn compress(&mut self, codec: Compression, bytes: &[u8]) -> Option<Bytes> {
        let compressed = if codec == Compression::Zstd {
            let zstd = self.zstd.get_or_insert_with(|| {
                zstd::bulk::Compressor::new(ZSTD_LEVEL).expect("the level is one of zstd's")
            });
            zstd.compress(bytes).expect("compressing to memory of the bound's size does not fail")
        } else {
            let mut compressed = Vec::with_capacity(bytes.len() / 2);
            record::compress(codec, bytes, &mut compressed);
            compressed
        };
        (compressed.len() <= bytes.len() - bytes.len() / 16).then(|| Bytes::from(compressed))
    }
}

/// A chunk under construction.
#[derive(Debug)]
pub(super) struct ChunkBuilder {
    pub(super) kind: ChunkKind,
    pub(super) columns: Columns,
    table: TableBuilder,
    blocks: Vec<Bytes>,
    block_bytes: usize,
    wire_bytes: u64,
    batches: u32,
    base_offset: i64,
    next_offset: i64,
    min_timestamp: i64,
    max_timestamp: i64,
    flags: ChunkFlags,
}

/// A chunk's bytes, in their order but for the padding to [`ALIGNMENT`] before the message and behind each
/// buffer; and what the directory says of it once its position is set.
pub(super) struct FinishedChunk {
    pub(super) chunk: Chunk,
    pub(super) table: Bytes,
    pub(super) blocks: Vec<Bytes>,
    pub(super) message: Vec<u8>,
    pub(super) buffers: Vec<(Option<i64>, Bytes)>,
}

impl ChunkBuilder {
    pub(super) fn new(kind: ChunkKind, base_offset: i64, shape: &Shape) -> ChunkBuilder {
        let mut columns = Columns::default();
        columns.reserve(shape);
        ChunkBuilder {
            kind,
            columns,
            table: TableBuilder::new(base_offset),
            blocks: Vec::new(),
            block_bytes: 0,
            wire_bytes: 0,
            batches: 0,
            base_offset,
            next_offset: base_offset,
            min_timestamp: i64::MAX,
            max_timestamp: i64::MIN,
            flags: ChunkFlags { is_dense: true, ..ChunkFlags::default() },
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches == 0
    }

    pub(super) fn bytes_held(&self) -> usize {
        self.columns.bytes_held() + self.table.bytes_held() + self.block_bytes
    }

    /// Enters a batch whose records are in the columns from `first_row` on.
    pub(super) fn end_batch(
        &mut self,
        header: &BatchHeader,
        first_row: usize,
        digest: u64,
        offsets: Offsets<'_>,
    ) {
        let timestamps = &self.columns.timestamp[first_row..];
        let rows = timestamps.len();
        let is_dense = matches!(offsets, Offsets::Dense)
            && header.base_offset.wrapping_sub(self.base_offset) == first_row as i64
            && i64::from(header.last_offset_delta) + 1 == rows as i64;
        self.flags.is_dense &= is_dense;
        self.flags.has_control |= rows > 0 && header.attributes.is_control();
        let (least, greatest) = if rows == 0 {
            (i64::MAX, i64::MIN)
        } else if header.attributes.is_log_append_time() {
            self.flags.has_log_append_time = true;
            (header.max_timestamp, header.max_timestamp)
        } else {
            timestamps.iter().fold((i64::MAX, i64::MIN), |(least, greatest), &timestamp| {
                (least.min(timestamp), greatest.max(timestamp))
            })
        };
        self.min_timestamp = self.min_timestamp.min(least);
        self.max_timestamp = self.max_timestamp.max(greatest);
        self.table.push(header, digest, offsets);
        self.batches += 1;
        self.wire_bytes += header.total_bytes() as u64;
        self.next_offset = header.last_offset() + 1;
    }

    /// Keeps the body of the batch that was entered.
    pub(super) fn push_block(&mut self, batch: &StoredBatch) {
        debug_assert_eq!(self.kind, ChunkKind::Block);
        self.blocks.push(batch.body.clone());
        self.block_bytes += batch.body.len();
    }

    /// Enters a batch whose records cannot be read.
    pub(super) fn push_opaque(&mut self, batch: &StoredBatch, digest: u64) {
        self.end_batch(&batch.header, self.columns.rows(), digest, Offsets::Opaque);
        self.push_block(batch);
    }

    pub(super) fn finish(
        mut self,
        compression: SegmentCompression,
        compressor: &mut Compressor,
    ) -> FinishedChunk {
        if self.kind == ChunkKind::Block {
            self.columns.fill_values_with_nulls();
        }
        let compression = match self.kind {
            ChunkKind::Plain => compression,
            ChunkKind::Block => SegmentCompression::Zstd,
        };
        let columns = &self.columns;
        let (rows, headers) = (columns.rows(), columns.headers());
        let all_null = |column: &BinaryColumn, set: BufferSet| match column.is_all_null() {
            true => set,
            false => BufferSet::NONE,
        };
        let zeros = all_null(&columns.key, BufferSet::KEY)
            .and(all_null(&columns.value, BufferSet::VALUE))
            .and(if headers == 0 { BufferSet::HEADERS } else { BufferSet::NONE });
        let mut chunk = Chunk {
            kind: self.kind,
            flags: self.flags,
            compression,
            base_offset: self.base_offset,
            next_offset: self.next_offset,
            batches: self.batches,
            rows: rows as u32,
            wire_bytes: self.wire_bytes,
            min_timestamp: self.min_timestamp,
            max_timestamp: self.max_timestamp,
            key_nulls: columns.key.nulls(),
            value_nulls: columns.value.nulls(),
            headers: headers as u32,
            header_value_nulls: columns.header_value.nulls(),
            keys: columns.key.bounds().map(|(least, greatest)| KeyBounds {
                least: prefix(least),
                greatest: prefix(greatest),
            }),
            position: 0,
            table_bytes: self.table.bytes_held() as u32,
            table_crc: 0,
            block_bytes: self.block_bytes as u32,
            message_bytes: 0,
            body_bytes: 0,
            buffers: Box::default(),
        };
        let table = Bytes::from(self.table.into_bytes());
        chunk.table_crc = checksum(&table);
        let compresses_all = compression != SegmentCompression::None;
        let policy = Policy { zeros, compresses_all, codec: chunk.codec() };
        let body = Body::lay_out(self.columns.into_buffers(), &policy, compressor);
        assert!(body.bytes <= PART_BYTES_MAX && self.block_bytes as u64 <= PART_BYTES_MAX);
        chunk.body_bytes = body.bytes as u32;
        chunk.buffers = body.layouts.into();
        let message = message_of(&chunk, &body.places, body.codec);
        chunk.message_bytes = message.len() as u32;
        FinishedChunk { chunk, table, blocks: self.blocks, message, buffers: body.buffers }
    }
}

fn prefix(key: &[u8]) -> Box<[u8]> {
    Box::from(&key[..key.len().min(KEY_PREFIX_BYTES)])
}

fn message_of(chunk: &Chunk, places: &[(u64, u64)], codec: Option<Compression>) -> Vec<u8> {
    let (rows, headers) = (chunk.rows as usize, chunk.headers as usize);
    record_batch_message(&RecordBatchLayout {
        rows,
        fields: &[
            (rows, 0),
            (rows, chunk.key_nulls),
            (rows, chunk.value_nulls),
            (rows, 0),
            (headers, 0),
            (headers, 0),
            (headers, chunk.header_value_nulls),
        ],
        buffers: places,
        body_bytes: u64::from(chunk.body_bytes),
        compression: codec.map(|codec| match codec {
            Compression::Lz4 => CompressionType::LZ4_FRAME,
            _ => CompressionType::ZSTD,
        }),
    })
}

/// Which buffers of a chunk are compressed.
struct Policy {
    /// Those that hold zeros only, which our reader never reads.
    zeros: BufferSet,
    compresses_all: bool,
    codec: Compression,
}

/// An Arrow body: the buffers that are not empty, and where they are.
struct Body {
    buffers: Vec<(Option<i64>, Bytes)>,
    /// Of all of Arrow's buffers: position and length, prefix included.
    places: Vec<(u64, u64)>,
    layouts: Vec<BufferLayout>,
    bytes: u64,
    codec: Option<Compression>,
}

impl Body {
    fn lay_out(
        mut buffers: [Bytes; BUFFERS],
        policy: &Policy,
        compressor: &mut Compressor,
    ) -> Body {
        let is_zero = |buffer: Buffer| policy.zeros.contains(buffer);
        let zero_bytes: usize =
            Buffer::ALL.iter().filter(|b| is_zero(**b)).map(|b| buffers[*b as usize].len()).sum();
        let codec =
            (policy.compresses_all || zero_bytes >= ZEROS_BYTES_MIN).then_some(policy.codec);
        let mut body = Body {
            buffers: Vec::with_capacity(BUFFERS),
            places: Vec::with_capacity(ARROW_ORDER.len()),
            layouts: Vec::with_capacity(BUFFERS),
            bytes: 0,
            codec,
        };
        for buffer in ARROW_ORDER {
            let bytes = buffer.map(|buffer| std::mem::take(&mut buffers[buffer as usize]));
            let Some((buffer, bytes)) = buffer.zip(bytes).filter(|(_, bytes)| !bytes.is_empty())
            else {
                body.places.push((body.bytes, 0));
                continue;
            };
            let is_worth_it =
                bytes.len() >= COMPRESSED_BYTES_MIN && (policy.compresses_all || is_zero(buffer));
            let compressed =
                codec.filter(|_| is_worth_it).and_then(|codec| compressor.compress(codec, &bytes));
            body.push(buffer, bytes, compressed, !is_zero(buffer));
        }
        body
    }

    fn push(&mut self, buffer: Buffer, raw: Bytes, compressed: Option<Bytes>, is_listed: bool) {
        let raw_bytes = raw.len();
        let is_compressed = compressed.is_some();
        let stored = compressed.unwrap_or(raw);
        let prefix = self.codec.map(|_| if is_compressed { raw_bytes as i64 } else { RAW_PREFIX });
        let prefix_bytes = if prefix.is_some() { PREFIX_BYTES as u64 } else { 0 };
        if is_listed {
            self.layouts.push(BufferLayout {
                buffer,
                is_compressed,
                position: (self.bytes + prefix_bytes) as u32,
                stored_bytes: stored.len() as u32,
                raw_bytes: raw_bytes as u32,
                crc: checksum(&stored),
            });
        }
        let bytes = prefix_bytes + stored.len() as u64;
        self.places.push((self.bytes, bytes));
        self.bytes = round_up(self.bytes + bytes, ALIGNMENT);
        self.buffers.push((prefix, stored));
    }
}

const _: () = assert!(arrow_file::ALIGNMENT.is_multiple_of(8));
