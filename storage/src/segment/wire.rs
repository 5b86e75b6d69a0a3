//! From a chunk back to batches: columns straight to the wire's encoding, blocks as they are.

use std::ops::Range;

use bytes::Bytes;
use strom_protocol::record::{HEADER_BYTES, RecordFields, crc_of_parts, encode_record};

use super::SegmentError;
use super::batch_table::{BatchEntry, BatchTable};
use super::chunk::{Chunk, ChunkKind};
use super::columns::Buffer;
use super::fetch::Loaded;
use crate::partition::StoredBatch;

/// Appends the batches to `out`, those before the first damaged one if there is one.
pub(super) fn batches(
    chunk: &Chunk,
    loaded: &Loaded,
    entries: &[BatchEntry],
    out: &mut Vec<StoredBatch>,
) -> Result<(), SegmentError> {
    match chunk.kind {
        ChunkKind::Plain => encode_all(chunk, loaded, entries, out),
        ChunkKind::Block => slice_all(chunk, loaded, entries, out),
    }
}

/// Block batches: the heads are written into one buffer, the bodies are slices of what was read.
fn slice_all(
    chunk: &Chunk,
    loaded: &Loaded,
    entries: &[BatchEntry],
    out: &mut Vec<StoredBatch>,
) -> Result<(), SegmentError> {
    let mut heads = Vec::with_capacity(HEADER_BYTES * entries.len());
    for entry in entries {
        heads.extend_from_slice(&entry.header.encode());
    }
    let heads = Bytes::from(heads);
    out.reserve(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let body = block_of(chunk, loaded, entry)?;
        let header = entry.header;
        let head = heads.slice(index * HEADER_BYTES..(index + 1) * HEADER_BYTES);
        out.push(StoredBatch { header, head, body });
    }
    Ok(())
}

/// The body of a batch that is kept as a block, checked.
pub(super) fn block_of(
    chunk: &Chunk,
    loaded: &Loaded,
    entry: &BatchEntry,
) -> Result<Bytes, SegmentError> {
    let position = entry.block_position as usize;
    let body = loaded.blocks.slice(position..position + entry.body_bytes());
    if crc_of_parts(&entry.header.encode(), &body) != entry.header.crc {
        let reason = "its block has another CRC than was produced";
        return Err(damaged_block(chunk, entry, reason));
    }
    Ok(body)
}

/// What is wrong with a block.
pub(super) fn damaged_block(chunk: &Chunk, entry: &BatchEntry, reason: &str) -> SegmentError {
    damaged(entry, chunk.blocks().start + u64::from(entry.block_position), reason)
}

/// Plain batches, encoded one behind the other into one buffer.
fn encode_all(
    chunk: &Chunk,
    loaded: &Loaded,
    entries: &[BatchEntry],
    out: &mut Vec<StoredBatch>,
) -> Result<(), SegmentError> {
    let rows = Rows::of(chunk, loaded);
    // `is_of` has checked that the columns can fill this.
    let bytes: usize = entries.iter().map(|entry| entry.header.total_bytes()).sum();
    // A record that would exceed its batch may be written before that is seen; grow only then.
    let mut encoded = Vec::with_capacity(bytes + 64);
    let mut whole = 0;
    let mut fault = None;
    for entry in entries {
        if let Err(reason) = encode_one(&rows, &loaded.table, entry, &mut encoded) {
            fault = Some(damaged(entry, chunk.body_position(), reason));
            break;
        }
        whole += 1;
    }
    let encoded = Bytes::from(encoded);
    out.reserve(whole);
    let mut at = 0;
    for entry in &entries[..whole] {
        let end = at + entry.header.total_bytes();
        out.push(StoredBatch {
            header: entry.header,
            head: encoded.slice(at..at + HEADER_BYTES),
            body: encoded.slice(at + HEADER_BYTES..end),
        });
        at = end;
    }
    fault.map_or(Ok(()), Err)
}

fn encode_one(
    rows: &Rows<'_>,
    table: &BatchTable,
    entry: &BatchEntry,
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    let header = &entry.header;
    let head = header.encode();
    let body_at = out.len() + HEADER_BYTES;
    let end = out.len() + header.total_bytes();
    out.extend_from_slice(&head);
    for index in 0..entry.rows {
        let row = (entry.first_row + index) as usize;
        let fields = RecordFields {
            offset_delta: table.offset_delta(entry, index),
            timestamp_delta: rows.timestamp(row).wrapping_sub(header.base_timestamp),
            key: rows.key.get(row),
            value: rows.value.get(row),
        };
        encode_record(out, &fields, rows.headers(row));
        if out.len() > end {
            return Err("its columns encode to more than was produced");
        }
    }
    if out.len() != end || crc_of_parts(&head, &out[body_at..]) != header.crc {
        return Err("its columns do not encode to the CRC that was produced");
    }
    Ok(())
}

fn damaged(entry: &BatchEntry, position: u64, reason: &str) -> SegmentError {
    SegmentError::corrupt(entry.header.base_offset..entry.next_offset(), position, reason)
}

/// The rows of a chunk's columns. What does not fit together reads as empty and never panics: whoever asks
/// compares a checksum of the result.
pub(super) struct Rows<'a> {
    timestamps: &'a [[u8; 8]],
    pub(super) key: BinaryRows<'a>,
    pub(super) value: BinaryRows<'a>,
    header_ends: &'a [[u8; 4]],
    header_key: BinaryRows<'a>,
    header_value: BinaryRows<'a>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(chunk: &Chunk, loaded: &'a Loaded) -> Rows<'a> {
        let get = |buffer: Buffer| &loaded.buffer(buffer)[..];
        Rows {
            timestamps: get(Buffer::Timestamp).as_chunks().0,
            key: BinaryRows {
                nulls: Nulls::of(chunk.key_nulls, chunk.rows, get(Buffer::KeyValidity)),
                ends: get(Buffer::KeyEnds).as_chunks().0,
                bytes: get(Buffer::KeyBytes),
            },
            value: BinaryRows {
                nulls: Nulls::of(chunk.value_nulls, chunk.rows, get(Buffer::ValueValidity)),
                ends: get(Buffer::ValueEnds).as_chunks().0,
                bytes: get(Buffer::ValueBytes),
            },
            header_ends: get(Buffer::HeaderEnds).as_chunks().0,
            header_key: BinaryRows {
                nulls: Nulls::None,
                ends: get(Buffer::HeaderKeyEnds).as_chunks().0,
                bytes: get(Buffer::HeaderKeyBytes),
            },
            header_value: BinaryRows {
                nulls: Nulls::of(
                    chunk.header_value_nulls,
                    chunk.headers,
                    get(Buffer::HeaderValueValidity),
                ),
                ends: get(Buffer::HeaderValueEnds).as_chunks().0,
                bytes: get(Buffer::HeaderValueBytes),
            },
        }
    }

    #[inline]
    pub(super) fn timestamp(&self, row: usize) -> i64 {
        self.timestamps.get(row).map_or(0, |bytes| i64::from_le_bytes(*bytes))
    }

    /// The timestamps of a batch that consumers see.
    pub(super) fn timestamps_of(&self, entry: &BatchEntry) -> impl Iterator<Item = i64> + use<'a> {
        let header = entry.header;
        let from = entry.first_row as usize;
        let rows = self.timestamps.get(from..from + entry.rows as usize).unwrap_or_default();
        rows.iter().map(move |bytes| match header.attributes.is_log_append_time() {
            true => header.max_timestamp,
            false => i64::from_le_bytes(*bytes),
        })
    }

    #[inline]
    pub(super) fn headers(&self, row: usize) -> HeaderRows<'a> {
        let range = span(self.header_ends, row).unwrap_or_default();
        let count = self.header_key.ends.len().saturating_sub(1);
        let range = if range.end <= count { range } else { 0..0 };
        HeaderRows { key: self.header_key, value: self.header_value, range }
    }
}

/// The rows of a column of bytes.
#[derive(Clone, Copy)]
pub(super) struct BinaryRows<'a> {
    nulls: Nulls<'a>,
    ends: &'a [[u8; 4]],
    bytes: &'a [u8],
}

#[derive(Clone, Copy)]
enum Nulls<'a> {
    None,
    /// A bit a row, set where there is a value.
    Some(&'a [u8]),
    All,
}

impl<'a> Nulls<'a> {
    fn of(nulls: u32, rows: u32, validity: &'a [u8]) -> Nulls<'a> {
        if nulls == 0 {
            Nulls::None
        } else if nulls == rows {
            Nulls::All
        } else {
            Nulls::Some(validity)
        }
    }
}

impl<'a> BinaryRows<'a> {
    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<&'a [u8]> {
        match self.nulls {
            Nulls::All => return None,
            Nulls::Some(validity) => {
                if validity.get(row / 8).is_none_or(|bits| bits >> (row % 8) & 1 == 0) {
                    return None;
                }
            }
            Nulls::None => {}
        }
        let bytes = self.bytes;
        Some(span(self.ends, row).and_then(|span| bytes.get(span)).unwrap_or_default())
    }
}

/// A row's part of what the ends divide.
#[inline]
fn span(ends: &[[u8; 4]], row: usize) -> Option<Range<usize>> {
    let [from, to] = ends.get(row..row + 2)? else { return None };
    Some(u32::from_le_bytes(*from) as usize..u32::from_le_bytes(*to) as usize)
}

/// A record's headers.
#[derive(Clone)]
pub(super) struct HeaderRows<'a> {
    key: BinaryRows<'a>,
    value: BinaryRows<'a>,
    range: Range<usize>,
}

impl<'a> Iterator for HeaderRows<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let row = self.range.next()?;
        Some((self.key.get(row).unwrap_or_default(), self.value.get(row)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl ExactSizeIterator for HeaderRows<'_> {}
