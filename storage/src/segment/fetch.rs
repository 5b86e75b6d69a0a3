//! Getting the wanted parts of chunks into memory, checked and decompressed.

use std::ops::Range;

use bytes::Bytes;
use strom_protocol::record::{HEADER_BYTES, Scratch};

use super::batch_table::BatchTable;
use super::chunk::{BufferLayout, Chunk, ChunkKind};
use super::columns::{BUFFERS, Buffer, BufferSet};
use super::open::read;
use super::{RangeSource, SegmentError};
use crate::encoding::checksum;

/// Wanted ranges that lie no further apart are fetched as one.
const GAP_BYTES_MAX: u64 = 1024;

/// What a read needs of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) buffers: BufferSet,
    pub(super) has_table: bool,
    pub(super) has_blocks: bool,
}

impl Wanted {
    /// What makes batches of a chunk.
    pub(super) fn batches(chunk: &Chunk) -> Wanted {
        match chunk.kind {
            ChunkKind::Plain => {
                Wanted { buffers: BufferSet::ALL, has_table: true, has_blocks: false }
            }
            ChunkKind::Block => {
                Wanted { buffers: BufferSet::NONE, has_table: true, has_blocks: true }
            }
        }
    }

    /// The ranges of a chunk, ascending.
    fn ranges(self, chunk: &Chunk) -> impl Iterator<Item = Range<u64>> {
        let table = self.has_table.then(|| chunk.table());
        let blocks = self.has_blocks.then(|| chunk.blocks());
        let buffers = chunk.layouts(self.buffers).map(|layout| chunk.buffer_range(layout));
        table.into_iter().chain(blocks).chain(buffers).filter(|range| !range.is_empty())
    }
}

/// The parts of a chunk that were wanted.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) table: BatchTable,
    pub(super) blocks: Bytes,
    /// Decompressed; empty where not wanted or nothing to read.
    buffers: [Bytes; BUFFERS],
}

impl Loaded {
    pub(super) fn buffer(&self, buffer: Buffer) -> &Bytes {
        &self.buffers[buffer as usize]
    }

    /// Adds the buffers and blocks of another load of the same chunk.
    pub(super) fn add(&mut self, other: Loaded) {
        self.blocks = other.blocks;
        for (mine, others) in self.buffers.iter_mut().zip(other.buffers) {
            if mine.is_empty() {
                *mine = others;
            }
        }
    }
}

/// Fetches parts of chunks in one go. Damage is each chunk's own; what the source reports is everyone's.
pub(super) fn fetch(
    source: &dyn RangeSource,
    wanted: &[(&Chunk, Wanted)],
    scratch: &mut Scratch,
) -> Result<Vec<Result<Loaded, SegmentError>>, SegmentError> {
    let mut ranges: Vec<Range<u64>> = Vec::with_capacity(4 * wanted.len());
    for (chunk, wanted) in wanted {
        for range in wanted.ranges(chunk) {
            match ranges.last_mut() {
                Some(last) if range.start <= last.end + GAP_BYTES_MAX => {
                    last.end = last.end.max(range.end);
                }
                _ => ranges.push(range),
            }
        }
    }
    let parts = if ranges.is_empty() { Vec::new() } else { read(source, &ranges)? };
    let fetched = Fetched { ranges, parts };
    let load = |(chunk, wanted): &(&Chunk, Wanted)| load(chunk, *wanted, &fetched, scratch);
    Ok(wanted.iter().map(load).collect())
}

/// Fetches all bytes of a chunk and checks its buffers, which are not decompressed; with the parts that have
/// no buffers loaded.
pub(super) fn fetch_whole(
    source: &dyn RangeSource,
    chunk: &Chunk,
) -> Result<(Bytes, Loaded), SegmentError> {
    let whole = chunk.position..chunk.end();
    let ranges = Vec::from([whole.clone()]);
    let fetched = Fetched { parts: read(source, &ranges)?, ranges };
    for layout in &chunk.buffers {
        check_buffer(chunk, layout, &fetched.get(&chunk.buffer_range(layout)))?;
    }
    let table = load_table(chunk, &fetched.get(&chunk.table()))?;
    let loaded = Loaded { table, blocks: fetched.get(&chunk.blocks()), ..Loaded::default() };
    Ok((fetched.get(&whole), loaded))
}

struct Fetched {
    ranges: Vec<Range<u64>>,
    parts: Vec<Bytes>,
}

impl Fetched {
    /// The bytes of a range that was wanted.
    fn get(&self, range: &Range<u64>) -> Bytes {
        if range.is_empty() {
            return Bytes::new();
        }
        let index = self.ranges.partition_point(|fetched| fetched.end < range.end);
        let from = (range.start - self.ranges[index].start) as usize;
        self.parts[index].slice(from..from + (range.end - range.start) as usize)
    }
}

fn load(
    chunk: &Chunk,
    wanted: Wanted,
    fetched: &Fetched,
    scratch: &mut Scratch,
) -> Result<Loaded, SegmentError> {
    let mut loaded = Loaded::default();
    if wanted.has_table {
        loaded.table = load_table(chunk, &fetched.get(&chunk.table()))?;
    }
    if wanted.has_blocks {
        loaded.blocks = fetched.get(&chunk.blocks());
    }
    for layout in chunk.layouts(wanted.buffers) {
        let stored = fetched.get(&chunk.buffer_range(layout));
        loaded.buffers[layout.buffer as usize] = load_buffer(chunk, layout, stored, scratch)?;
    }
    Ok(loaded)
}

fn load_buffer(
    chunk: &Chunk,
    layout: &BufferLayout,
    stored: Bytes,
    scratch: &mut Scratch,
) -> Result<Bytes, SegmentError> {
    let damaged = |reason: String| {
        let position = chunk.buffer_range(layout).start;
        SegmentError::corrupt(chunk.offsets(), position, reason)
    };
    check_buffer(chunk, layout, &stored)?;
    if !layout.is_compressed {
        return Ok(stored);
    }
    scratch
        .decompress_exactly(chunk.codec(), &stored, layout.raw_bytes as usize)
        .map(Bytes::from)
        .map_err(|error| damaged(format!("buffer {:?} cannot be read: {error}", layout.buffer)))
}

fn check_buffer(chunk: &Chunk, layout: &BufferLayout, stored: &[u8]) -> Result<(), SegmentError> {
    if checksum(stored) == layout.crc {
        return Ok(());
    }
    let position = chunk.buffer_range(layout).start;
    let reason = format!("buffer {:?} has a wrong checksum", layout.buffer);
    Err(SegmentError::corrupt(chunk.offsets(), position, reason))
}

fn load_table(chunk: &Chunk, bytes: &[u8]) -> Result<BatchTable, SegmentError> {
    let damaged =
        |reason: &str| SegmentError::corrupt(chunk.offsets(), chunk.table().start, reason);
    if checksum(bytes) != chunk.table_crc {
        return Err(damaged("the batch table has a wrong checksum"));
    }
    BatchTable::decode(bytes, chunk.base_offset)
        .filter(|table| is_of(table, chunk))
        .ok_or_else(|| damaged("the batch table does not fit the chunk"))
}

/// Whether a table agrees with what the directory says of its chunk.
fn is_of(table: &BatchTable, chunk: &Chunk) -> bool {
    let Some(last) = table.batches.last() else { return false };
    let wire_bytes: u64 = table.batches.iter().map(|batch| batch.header.total_bytes() as u64).sum();
    let is_backed = match chunk.kind {
        ChunkKind::Block => {
            u64::from(last.block_position) + last.body_bytes() as u64
                == u64::from(chunk.block_bytes)
        }
        // What a batch says that it takes is reserved, so its columns must be able to fill it.
        ChunkKind::Plain => {
            let raw_bytes: u64 =
                chunk.buffers.iter().map(|layout| u64::from(layout.raw_bytes)).sum();
            wire_bytes
                <= raw_bytes
                    + 36 * u64::from(chunk.rows)
                    + 10 * u64::from(chunk.headers)
                    + (HEADER_BYTES * table.batches.len()) as u64
        }
    };
    is_backed
        && table.batches.len() == chunk.batches as usize
        && last.first_row.checked_add(last.rows) == Some(chunk.rows)
        && last.next_offset() == chunk.next_offset
        && wire_bytes == chunk.wire_bytes
}
