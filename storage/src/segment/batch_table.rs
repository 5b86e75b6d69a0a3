//! The batch table of a chunk: what the wire needs of each batch beside its records.
//!
//! ```text
//! batch: flags u8 │ [gap] │ record count │ [last offset delta] │ [producer id, epoch, base sequence]
//!        │ [leader epoch] │ [attributes] │ base timestamp, minus the former batch's
//!        │ max timestamp, minus the base │ body bytes │ CRC u32 │ digest u64
//!        │ [each record's offset delta, minus the expected one]
//! ```
//!
//! Numbers are zigzag varlongs. What stands in brackets is there when its flag says that it differs from what
//! the former batch lets expect, so a usual batch takes about twenty bytes.

use strom_protocol::record::{
    Attributes, BatchHeader, HEADER_BYTES, MAX_VARLONG_BYTES, put_varlong, read_varlong,
};

use crate::encoding::Input;

/// The base offset is not the former batch's next offset.
const GAP: u8 = 1;
/// The last offset delta is not the record count minus one.
const LAST_DELTA: u8 = 2;
/// Another producer, or not its next sequence number.
const PRODUCER: u8 = 4;
/// Another leader epoch.
const LEADER_EPOCH: u8 = 8;
/// Other attributes.
const ATTRIBUTES: u8 = 16;
/// The records' offset deltas are not 0, 1, 2, …
const SPARSE: u8 = 32;
/// The body could not be read: the batch has no rows.
const OPAQUE: u8 = 64;

/// The least that a batch takes.
const ENTRY_BYTES_MIN: usize = 1 + 4 + 4 + 8;

/// A batch of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BatchEntry {
    pub(super) header: BatchHeader,
    pub(super) digest: u64,
    /// Its first row in the columns.
    pub(super) first_row: u32,
    /// How many rows it has: its records, or none if its body could not be read.
    pub(super) rows: u32,
    /// The first of its offset deltas in the table, if they are not 0, 1, 2, …
    pub(super) first_delta: Option<u32>,
    /// Where its body begins in the chunk's blocks.
    pub(super) block_position: u32,
}

impl BatchEntry {
    pub(super) fn next_offset(&self) -> i64 {
        self.header.last_offset().wrapping_add(1)
    }

    pub(super) fn body_bytes(&self) -> usize {
        self.header.total_bytes() - HEADER_BYTES
    }
}

/// The batches of a chunk, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BatchTable {
    pub(super) batches: Vec<BatchEntry>,
    /// The offset deltas of the sparse ones, one after the other.
    deltas: Vec<i32>,
}

impl BatchTable {
    /// The offset delta of a batch's record.
    #[inline]
    pub(super) fn offset_delta(&self, batch: &BatchEntry, index: u32) -> i32 {
        match batch.first_delta {
            None => index as i32,
            Some(first) => self.deltas[(first + index) as usize],
        }
    }

    /// Decodes a table; `None` if it is not one.
    pub(super) fn decode(bytes: &[u8], base_offset: i64) -> Option<BatchTable> {
        let mut decoder = Decoder {
            state: State::before(base_offset),
            table: BatchTable::default(),
            row: 0,
            block_position: 0,
        };
        decoder.table.batches.reserve(bytes.len() / (2 * ENTRY_BYTES_MIN));
        let mut rest = bytes;
        while !rest.is_empty() {
            decoder.batch(&mut rest)?;
        }
        Some(decoder.table)
    }
}

/// What the next batch is told apart from.
#[derive(Debug)]
struct State {
    next_offset: i64,
    header: BatchHeader,
}

impl State {
    /// Before the first batch of a chunk, which begins at `base_offset`.
    fn before(base_offset: i64) -> State {
        let header = BatchHeader {
            base_offset: 0,
            batch_length: 0,
            partition_leader_epoch: 0,
            magic: 2,
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: 0,
            base_timestamp: 0,
            max_timestamp: 0,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: 0,
        };
        State { next_offset: base_offset, header }
    }

    fn expected_sequence(&self) -> i32 {
        match self.header.base_sequence {
            -1 => -1,
            base => base.wrapping_add(self.header.record_count),
        }
    }

    fn advance(&mut self, header: &BatchHeader) {
        self.next_offset = header.last_offset().wrapping_add(1);
        self.header = *header;
    }
}

/// A table under construction.
#[derive(Debug)]
pub(super) struct TableBuilder {
    state: State,
    bytes: Vec<u8>,
}

/// What a batch's records turned out to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offsets<'a> {
    /// Their offset deltas are 0, 1, 2, …
    Dense,
    /// Their offset deltas.
    Sparse(&'a [i32]),
    /// They cannot be read.
    Opaque,
}

impl TableBuilder {
    pub(super) fn new(base_offset: i64) -> TableBuilder {
        TableBuilder { state: State::before(base_offset), bytes: Vec::new() }
    }

    pub(super) fn bytes_held(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn push(&mut self, header: &BatchHeader, digest: u64, offsets: Offsets<'_>) {
        let state = &self.state;
        let former = &state.header;
        let producer = (header.producer_id, header.producer_epoch, header.base_sequence);
        let expected = (former.producer_id, former.producer_epoch, state.expected_sequence());
        let flag = |differs: bool, flag: u8| if differs { flag } else { 0 };
        let flags = flag(header.base_offset != state.next_offset, GAP)
            | flag(header.last_offset_delta != header.record_count.wrapping_sub(1), LAST_DELTA)
            | flag(producer != expected, PRODUCER)
            | flag(header.partition_leader_epoch != former.partition_leader_epoch, LEADER_EPOCH)
            | flag(header.attributes != former.attributes, ATTRIBUTES)
            | flag(matches!(offsets, Offsets::Sparse(_)), SPARSE)
            | flag(matches!(offsets, Offsets::Opaque), OPAQUE);
        let out = &mut self.bytes;
        out.push(flags);
        if flags & GAP != 0 {
            put(out, header.base_offset.wrapping_sub(state.next_offset));
        }
        put(out, i64::from(header.record_count));
        if flags & LAST_DELTA != 0 {
            put(out, i64::from(header.last_offset_delta));
        }
        if flags & PRODUCER != 0 {
            put(out, header.producer_id);
            put(out, i64::from(header.producer_epoch));
            put(out, i64::from(header.base_sequence));
        }
        if flags & LEADER_EPOCH != 0 {
            put(out, i64::from(header.partition_leader_epoch));
        }
        if flags & ATTRIBUTES != 0 {
            put(out, i64::from(header.attributes.0));
        }
        put(out, header.base_timestamp.wrapping_sub(former.base_timestamp));
        put(out, header.max_timestamp.wrapping_sub(header.base_timestamp));
        put(out, (header.total_bytes() - HEADER_BYTES) as i64);
        out.extend_from_slice(&header.crc.to_le_bytes());
        out.extend_from_slice(&digest.to_le_bytes());
        if let Offsets::Sparse(deltas) = offsets {
            let mut expected = 0_i32;
            for &delta in deltas {
                put(out, i64::from(delta.wrapping_sub(expected)));
                expected = delta.wrapping_add(1);
            }
        }
        self.state.advance(header);
    }
}

struct Decoder {
    state: State,
    table: BatchTable,
    row: u32,
    block_position: u32,
}

impl Decoder {
    fn batch(&mut self, rest: &mut &[u8]) -> Option<()> {
        let (&flags, after) = rest.split_first()?;
        *rest = after;
        if flags & !(GAP | LAST_DELTA | PRODUCER | LEADER_EPOCH | ATTRIBUTES | SPARSE | OPAQUE) != 0
        {
            return None;
        }
        let header = self.header(flags, rest)?;
        let mut input = Input(rest);
        let header = BatchHeader { crc: input.u32()?, ..header };
        let digest = input.u64()?;
        *rest = input.0;
        let rows = if flags & OPAQUE != 0 { 0 } else { u32::try_from(header.record_count).ok()? };
        let first_delta = if flags & SPARSE != 0 { Some(self.deltas(rows, rest)?) } else { None };
        let entry = BatchEntry {
            header,
            digest,
            first_row: self.row,
            rows,
            first_delta,
            block_position: self.block_position,
        };
        self.row = self.row.checked_add(rows)?;
        let body_bytes = u32::try_from(entry.body_bytes()).ok()?;
        self.block_position = self.block_position.checked_add(body_bytes)?;
        self.state.advance(&header);
        self.table.batches.push(entry);
        Some(())
    }

    fn header(&self, flags: u8, rest: &mut &[u8]) -> Option<BatchHeader> {
        let former = &self.state.header;
        let mut header = BatchHeader { magic: 2, ..*former };
        let gap = if flags & GAP != 0 { take(rest)? } else { 0 };
        header.base_offset = self.state.next_offset.wrapping_add(gap);
        header.record_count = take(rest)?.try_into().ok()?;
        header.last_offset_delta = match flags & LAST_DELTA {
            0 => header.record_count.wrapping_sub(1),
            _ => take(rest)?.try_into().ok()?,
        };
        header.base_sequence = self.state.expected_sequence();
        if flags & PRODUCER != 0 {
            header.producer_id = take(rest)?;
            header.producer_epoch = take(rest)?.try_into().ok()?;
            header.base_sequence = take(rest)?.try_into().ok()?;
        }
        if flags & LEADER_EPOCH != 0 {
            header.partition_leader_epoch = take(rest)?.try_into().ok()?;
        }
        if flags & ATTRIBUTES != 0 {
            header.attributes = Attributes(take(rest)?.try_into().ok()?);
        }
        header.base_timestamp = former.base_timestamp.wrapping_add(take(rest)?);
        header.max_timestamp = header.base_timestamp.wrapping_add(take(rest)?);
        let body_bytes: i32 = take(rest)?.try_into().ok()?;
        let batch_length = body_bytes.checked_add(HEADER_BYTES as i32 - 12)?;
        header.batch_length = (body_bytes >= 0).then_some(batch_length)?;
        // Whatever the flags say, a batch ends behind its beginning and begins behind the former one.
        let is_ordered = gap >= 0
            && header.base_offset >= self.state.next_offset
            && header.last_offset_delta >= -1
            && header.base_offset.checked_add(i64::from(header.last_offset_delta)).is_some();
        is_ordered.then_some(header)
    }

    /// Reads the offset deltas of a sparse batch; returns where they begin.
    fn deltas(&mut self, rows: u32, rest: &mut &[u8]) -> Option<u32> {
        let first = u32::try_from(self.table.deltas.len()).ok()?;
        let mut expected = 0_i32;
        for _ in 0..rows {
            let delta = expected.wrapping_add(take(rest)?.try_into().ok()?);
            self.table.deltas.push(delta);
            expected = delta.wrapping_add(1);
        }
        Some(first)
    }
}

fn take(rest: &mut &[u8]) -> Option<i64> {
    read_varlong(rest).ok()
}

/// Appends a zigzag varlong.
pub(super) fn put(out: &mut Vec<u8>, value: i64) {
    let mut encoded = [0; MAX_VARLONG_BYTES];
    let end = put_varlong(&mut encoded, 0, value);
    out.extend_from_slice(&encoded[..end]);
}
