//! What the directory says of a chunk: where its parts lie, and statistics that let a read skip it.

use std::ops::Range;

use strom_protocol::record::Compression;

use super::SegmentCompression;
use super::arrow_file::ALIGNMENT;
use super::batch_table::put;
use super::columns::{Buffer, BufferSet};
use crate::encoding::{Input, round_up};

/// How many bytes of the least and the greatest key are kept.
pub(super) const KEY_PREFIX_BYTES: usize = 32;
/// What no part of a chunk reaches: a batch may decompress to 256 MiB, all of it keys.
pub(super) const PART_BYTES_MAX: u64 = 1 << 30;

/// How a chunk keeps its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkKind {
    /// All of it in columns.
    Plain,
    /// Bodies verbatim, beside columns without the values.
    Block,
}

/// What is true of a chunk, so that most scans need not read its batch table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ChunkFlags {
    /// Row i has the offset base + i.
    pub(super) is_dense: bool,
    /// Some records are control records.
    pub(super) has_control: bool,
    /// Some timestamps are not those of the column.
    pub(super) has_log_append_time: bool,
}

/// The first bytes of the least and the greatest key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyBounds {
    pub(super) least: Box<[u8]>,
    pub(super) greatest: Box<[u8]>,
}

/// A buffer of a chunk's Arrow body that holds something worth reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BufferLayout {
    pub(super) buffer: Buffer,
    /// Whether it is compressed, by the chunk's codec.
    pub(super) is_compressed: bool,
    /// Where it begins in the body.
    pub(super) position: u32,
    /// Its size there.
    pub(super) stored_bytes: u32,
    /// Its size decompressed.
    pub(super) raw_bytes: u32,
    /// CRC-32C of what is stored.
    pub(super) crc: u32,
}

/// A chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) kind: ChunkKind,
    pub(super) flags: ChunkFlags,
    /// What the columns were asked to be compressed with; of a block chunk always zstd.
    pub(super) compression: SegmentCompression,
    pub(super) base_offset: i64,
    pub(super) next_offset: i64,
    pub(super) batches: u32,
    pub(super) rows: u32,
    pub(super) wire_bytes: u64,
    /// Of the timestamps that consumers see; least above greatest if there is no row.
    pub(super) min_timestamp: i64,
    pub(super) max_timestamp: i64,
    pub(super) key_nulls: u32,
    pub(super) value_nulls: u32,
    pub(super) headers: u32,
    pub(super) header_value_nulls: u32,
    /// The first bytes of the least and the greatest key; none if all keys are null.
    pub(super) keys: Option<KeyBounds>,
    /// Where the chunk, its batch table first, begins in the object.
    pub(super) position: u64,
    pub(super) table_bytes: u32,
    pub(super) table_crc: u32,
    pub(super) block_bytes: u32,
    pub(super) message_bytes: u32,
    pub(super) body_bytes: u32,
    pub(super) buffers: Box<[BufferLayout]>,
}

impl Chunk {
    pub(super) fn offsets(&self) -> Range<i64> {
        self.base_offset..self.next_offset
    }

    pub(super) fn table(&self) -> Range<u64> {
        self.position..self.position + u64::from(self.table_bytes)
    }

    pub(super) fn blocks(&self) -> Range<u64> {
        let start = self.table().end;
        start..start + u64::from(self.block_bytes)
    }

    /// The codec of buffers that are compressed. Zeros are so even where compression is not asked for.
    pub(super) fn codec(&self) -> Compression {
        match self.compression {
            SegmentCompression::Lz4 => Compression::Lz4,
            SegmentCompression::None | SegmentCompression::Zstd => Compression::Zstd,
        }
    }

    /// How full the chunk is, by the writer's measure: what it holds before compression.
    pub(super) fn held_bytes(&self) -> u64 {
        let raw_bytes = self.buffers.iter().map(|layout| u64::from(layout.raw_bytes)).sum::<u64>();
        raw_bytes + u64::from(self.block_bytes) + u64::from(self.table_bytes)
    }

    /// Where the Arrow message begins.
    pub(super) fn message_position(&self) -> u64 {
        round_up(self.blocks().end, ALIGNMENT)
    }

    pub(super) fn body_position(&self) -> u64 {
        self.message_position() + u64::from(self.message_bytes)
    }

    pub(super) fn end(&self) -> u64 {
        self.body_position() + u64::from(self.body_bytes)
    }

    pub(super) fn buffer_range(&self, layout: &BufferLayout) -> Range<u64> {
        let start = self.body_position() + u64::from(layout.position);
        start..start + u64::from(layout.stored_bytes)
    }

    /// Whether a key from `least` to `greatest`, both inclusive, may be here: false only if it cannot.
    pub(super) fn may_have_key(&self, least: Option<&[u8]>, greatest: Option<&[u8]>) -> bool {
        let Some(keys) = &self.keys else { return false };
        let prefix = |key: &'_ [u8]| key.len().min(KEY_PREFIX_BYTES);
        let is_above = greatest.is_some_and(|key| key[..prefix(key)] < *keys.least);
        let is_below = least.is_some_and(|key| key[..prefix(key)] > *keys.greatest);
        !is_above && !is_below
    }

    /// Which buffers of a set hold something: the others are known from the counts.
    pub(super) fn layouts(&self, set: BufferSet) -> impl Iterator<Item = &BufferLayout> {
        self.buffers.iter().filter(move |layout| set.contains(layout.buffer))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(match self.kind {
            ChunkKind::Plain => 0,
            ChunkKind::Block => 1,
        });
        let flags = self.flags;
        out.push(
            u8::from(flags.is_dense)
                | u8::from(flags.has_control) << 1
                | u8::from(flags.has_log_append_time) << 2
                | u8::from(self.keys.is_some()) << 3
                | compression_code(self.compression) << 4,
        );
        for number in [
            self.base_offset,
            self.next_offset.wrapping_sub(self.base_offset),
            i64::from(self.batches),
            i64::from(self.rows),
            self.wire_bytes as i64,
            self.min_timestamp,
            self.max_timestamp.wrapping_sub(self.min_timestamp),
            i64::from(self.key_nulls),
            i64::from(self.value_nulls),
            i64::from(self.headers),
            i64::from(self.header_value_nulls),
            self.position as i64,
            i64::from(self.table_bytes),
            i64::from(self.block_bytes),
            i64::from(self.message_bytes),
            i64::from(self.body_bytes),
        ] {
            put(out, number);
        }
        out.extend_from_slice(&self.table_crc.to_le_bytes());
        if let Some(keys) = &self.keys {
            for key in [&keys.least, &keys.greatest] {
                out.push(key.len() as u8);
                out.extend_from_slice(key);
            }
        }
        out.push(self.buffers.len() as u8);
        for layout in &self.buffers {
            out.push(layout.buffer as u8 | u8::from(layout.is_compressed) << 7);
            put(out, i64::from(layout.position));
            put(out, i64::from(layout.stored_bytes));
            put(out, i64::from(layout.raw_bytes));
            out.extend_from_slice(&layout.crc.to_le_bytes());
        }
    }

    /// Decodes a chunk of an object whose chunks end before `limit`; `None` if it is none.
    pub(super) fn decode(input: &mut Input<'_>, limit: u64) -> Option<Chunk> {
        let kind = match input.u8()? {
            0 => ChunkKind::Plain,
            1 => ChunkKind::Block,
            _ => return None,
        };
        let bits = input.u8()?;
        let flags = ChunkFlags {
            is_dense: bits & 1 != 0,
            has_control: bits & 2 != 0,
            has_log_append_time: bits & 4 != 0,
        };
        let base_offset = input.varlong()?;
        let next_offset = base_offset.checked_add(input.varlong()?)?;
        let batches = input.varlong()?.try_into().ok()?;
        let rows = input.varlong()?.try_into().ok()?;
        let wire_bytes = input.varlong()?.try_into().ok()?;
        let min_timestamp = input.varlong()?;
        let max_timestamp = min_timestamp.wrapping_add(input.varlong()?);
        let mut chunk = Chunk {
            kind,
            flags,
            compression: compression_of(bits >> 4)?,
            base_offset,
            next_offset,
            batches,
            rows,
            wire_bytes,
            min_timestamp,
            max_timestamp,
            key_nulls: input.varlong()?.try_into().ok()?,
            value_nulls: input.varlong()?.try_into().ok()?,
            headers: input.varlong()?.try_into().ok()?,
            header_value_nulls: input.varlong()?.try_into().ok()?,
            keys: None,
            position: input.varlong()?.try_into().ok()?,
            table_bytes: input.varlong()?.try_into().ok()?,
            block_bytes: input.varlong()?.try_into().ok()?,
            message_bytes: input.varlong()?.try_into().ok()?,
            body_bytes: input.varlong()?.try_into().ok()?,
            table_crc: input.u32()?,
            buffers: Box::default(),
        };
        if bits & 8 != 0 {
            chunk.keys =
                Some(KeyBounds { least: decode_key(input)?, greatest: decode_key(input)? });
        }
        chunk.buffers =
            (0..input.u8()?).map(|_| decode_layout(input)).collect::<Option<Box<[_]>>>()?;
        chunk.is_sound(limit).then_some(chunk)
    }

    /// Whether the parts lie within the object and fit the counts, so that they may be read.
    pub(super) fn is_sound(&self, limit: u64) -> bool {
        let rows = u64::from(self.rows);
        let headers = u64::from(self.headers);
        let fits = |layout: &BufferLayout| {
            let expected = match layout.buffer {
                Buffer::Timestamp => Some(8 * rows),
                Buffer::KeyValidity | Buffer::ValueValidity => Some(rows.div_ceil(8)),
                Buffer::KeyEnds | Buffer::ValueEnds | Buffer::HeaderEnds => Some(4 * (rows + 1)),
                Buffer::HeaderKeyEnds | Buffer::HeaderValueEnds => Some(4 * (headers + 1)),
                Buffer::HeaderValueValidity => Some(headers.div_ceil(8)),
                Buffer::KeyBytes
                | Buffer::ValueBytes
                | Buffer::HeaderKeyBytes
                | Buffer::HeaderValueBytes => None,
            };
            let end = u64::from(layout.position) + u64::from(layout.stored_bytes);
            let raw_bytes = u64::from(layout.raw_bytes);
            end <= u64::from(self.body_bytes)
                && expected.is_none_or(|expected| expected == raw_bytes)
                && raw_bytes <= PART_BYTES_MAX
                && (layout.is_compressed || layout.stored_bytes == layout.raw_bytes)
        };
        let is_ordered = self.buffers.is_sorted_by(|a, b| {
            a.buffer < b.buffer
                && u64::from(a.position) + u64::from(a.stored_bytes) <= u64::from(b.position)
        });
        let offsets = self.next_offset.wrapping_sub(self.base_offset);
        let counts_fit = (!self.flags.is_dense || offsets == i64::from(self.rows))
            && self.key_nulls <= self.rows
            && self.value_nulls <= self.rows
            && self.header_value_nulls <= self.headers
            && self.base_offset <= self.next_offset;
        let lies_within = self.position <= limit && self.end() <= limit;
        let has_timestamps = self.rows == 0
            || self.buffers.first().is_some_and(|layout| layout.buffer == Buffer::Timestamp);
        lies_within && is_ordered && counts_fit && has_timestamps && self.buffers.iter().all(fits)
    }
}

fn compression_code(compression: SegmentCompression) -> u8 {
    match compression {
        SegmentCompression::None => 0,
        SegmentCompression::Lz4 => 1,
        SegmentCompression::Zstd => 2,
    }
}

fn compression_of(code: u8) -> Option<SegmentCompression> {
    [SegmentCompression::None, SegmentCompression::Lz4, SegmentCompression::Zstd]
        .into_iter()
        .find(|compression| compression_code(*compression) == code)
}

fn decode_key(input: &mut Input<'_>) -> Option<Box<[u8]>> {
    let bytes = usize::from(input.u8()?);
    (bytes <= KEY_PREFIX_BYTES).then(|| input.take(bytes).map(Box::from)).flatten()
}

fn decode_layout(input: &mut Input<'_>) -> Option<BufferLayout> {
    let tag = input.u8()?;
    Some(BufferLayout {
        buffer: *Buffer::ALL.get(usize::from(tag & 0x7f))?,
        is_compressed: tag & 0x80 != 0,
        position: input.varlong()?.try_into().ok()?,
        stored_bytes: input.varlong()?.try_into().ok()?,
        raw_bytes: input.varlong()?.try_into().ok()?,
        crc: input.u32()?,
    })
}
