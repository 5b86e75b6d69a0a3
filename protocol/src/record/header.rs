//! The 61 bytes at the head of a batch: parsing, encoding, the CRC, and the two rewrites that a broker
//! makes: base offset and leader epoch (outside the CRC), and the timestamps (inside, so with a new CRC).

use crc_fast::{CrcAlgorithm, Digest};

use super::{Compression, CompressionError, RecordFault};

/// The size of a batch's head; the records begin behind it.
pub const HEADER_BYTES: usize = 61;

/// What precedes the bytes that the batch length counts: base offset and the length itself.
const LENGTH_OVERHEAD: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;

/// Why bytes are not a readable batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the head or the batch length asks for.
    #[error("record batch is cut off: {needed} bytes needed, {available} present")]
    Truncated {
        /// The bytes that the batch says it has.
        needed: usize,
        /// The bytes that are there.
        available: usize,
    },
    /// A message format other than 2.
    #[error("record batch has magic {0}, only message format 2 is supported")]
    Magic(i8),
    /// A batch length that leaves no room for the head.
    #[error("record batch has length {0}, smaller than its own header")]
    Length(i32),
    /// A codec number that no Kafka version assigns (5, 6, 7).
    #[error("record batch has the unknown compression codec {0}")]
    UnknownCompression(u8),
    /// A body that its codec cannot decompress, or not within the limit.
    #[error("record batch cannot be decompressed: {0}")]
    Decompress(CompressionError),
    /// A negative number of records.
    #[error("record batch has the record count {0}")]
    RecordCount(i32),
    /// A record that cannot be read.
    #[error("record {index} of the batch is malformed: {fault}")]
    Record {
        /// The record's position in the batch.
        index: i32,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// Bytes behind the last record.
    #[error("record batch has {0} bytes behind its last record")]
    TrailingBytes(usize),
}

/// The attribute bits of a batch: `0-2` codec, `3` LogAppendTime, `4` transactional, `5` control, `6` delete
/// horizon; the others are unused and kept as they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const COMPRESSION: i16 = 0x07;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// The codec of the body; an error for the numbers that no codec has.
    pub fn compression(self) -> Result<Compression, BatchError> {
        match self.0 & Self::COMPRESSION {
            0 => Ok(Compression::None),
            1 => Ok(Compression::Gzip),
            2 => Ok(Compression::Snappy),
            3 => Ok(Compression::Lz4),
            4 => Ok(Compression::Zstd),
            unknown => Err(BatchError::UnknownCompression(unknown as u8)),
        }
    }

    /// Whether every record's timestamp is the batch's max timestamp, set by the broker.
    pub fn is_log_append_time(self) -> bool {
        self.0 & Self::LOG_APPEND_TIME != 0
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the records are control records (transaction markers), which consumers do not see.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is the time after which compaction drops tombstones (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// The same attributes with another codec.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Attributes {
        Attributes(self.0 & !Self::COMPRESSION | compression.code())
    }

    /// The same attributes with the LogAppendTime bit set or cleared.
    #[must_use]
    pub fn with_log_append_time(self, on: bool) -> Attributes {
        self.with(Self::LOG_APPEND_TIME, on)
    }

    /// The same attributes with the transactional bit set or cleared.
    #[must_use]
    pub fn with_transactional(self, on: bool) -> Attributes {
        self.with(Self::TRANSACTIONAL, on)
    }

    /// The same attributes with the control bit set or cleared.
    #[must_use]
    pub fn with_control(self, on: bool) -> Attributes {
        self.with(Self::CONTROL, on)
    }

    fn with(self, bit: i16, on: bool) -> Attributes {
        Attributes(if on { self.0 | bit } else { self.0 & !bit })
    }
}

/// The head of a batch, field by field in wire order. Any value is representable; what a produced batch
/// must satisfy is [`validate_produced`](super::validate_produced)'s business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of the first record (of the first position, after compaction).
    pub base_offset: i64,
    /// The bytes behind this field.
    pub batch_length: i32,
    /// The epoch of the leader that appended the batch; outside the CRC.
    pub partition_leader_epoch: i32,
    /// The message format; always 2 in a parsed header.
    pub magic: i8,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// The last offset minus the base offset; stays when compaction removes records.
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas are added to, in milliseconds.
    pub base_timestamp: i64,
    /// The greatest timestamp of the records, or the append time, in milliseconds; -1 for none.
    pub max_timestamp: i64,
    /// The idempotent producer, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// The sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// The number of records in the body.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the head of the batch at the start of `bytes`, which may go on with the body and more.
    ///
    /// The magic is judged first, since older formats have shorter heads. Only that the length covers the
    /// head is checked; neither whether the whole batch is there nor its CRC.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        if let Some(&magic) = bytes.get(MAGIC_AT)
            && magic != 2
        {
            return Err(BatchError::Magic(magic as i8));
        }
        let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Truncated { needed: HEADER_BYTES, available: bytes.len() });
        };
        let header = BatchHeader {
            base_offset: i64::from_be_bytes(field(head, 0)),
            batch_length: i32::from_be_bytes(field(head, 8)),
            partition_leader_epoch: i32::from_be_bytes(field(head, 12)),
            magic: i8::from_be_bytes(field(head, MAGIC_AT)),
            crc: u32::from_be_bytes(field(head, CRC_AT)),
            attributes: Attributes(i16::from_be_bytes(field(head, ATTRIBUTES_AT))),
            last_offset_delta: i32::from_be_bytes(field(head, 23)),
            base_timestamp: i64::from_be_bytes(field(head, 27)),
            max_timestamp: i64::from_be_bytes(field(head, MAX_TIMESTAMP_AT)),
            producer_id: i64::from_be_bytes(field(head, 43)),
            producer_epoch: i16::from_be_bytes(field(head, 51)),
            base_sequence: i32::from_be_bytes(field(head, 53)),
            record_count: i32::from_be_bytes(field(head, 57)),
        };
        if header.batch_length < (HEADER_BYTES - LENGTH_OVERHEAD) as i32 {
            return Err(BatchError::Length(header.batch_length));
        }
        Ok(header)
    }

    /// The head's 61 bytes; the inverse of [`parse`](Self::parse).
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut head = [0; HEADER_BYTES];
        set_field(&mut head, 0, self.base_offset.to_be_bytes());
        set_field(&mut head, 8, self.batch_length.to_be_bytes());
        set_field(&mut head, 12, self.partition_leader_epoch.to_be_bytes());
        set_field(&mut head, MAGIC_AT, self.magic.to_be_bytes());
        set_field(&mut head, CRC_AT, self.crc.to_be_bytes());
        set_field(&mut head, ATTRIBUTES_AT, self.attributes.0.to_be_bytes());
        set_field(&mut head, 23, self.last_offset_delta.to_be_bytes());
        set_field(&mut head, 27, self.base_timestamp.to_be_bytes());
        set_field(&mut head, MAX_TIMESTAMP_AT, self.max_timestamp.to_be_bytes());
        set_field(&mut head, 43, self.producer_id.to_be_bytes());
        set_field(&mut head, 51, self.producer_epoch.to_be_bytes());
        set_field(&mut head, 53, self.base_sequence.to_be_bytes());
        set_field(&mut head, 57, self.record_count.to_be_bytes());
        head
    }

    /// The size of the whole batch, head included.
    pub fn total_bytes(&self) -> usize {
        LENGTH_OVERHEAD + self.batch_length.max(0) as usize
    }

    /// The offset of the last record (of the last position, after compaction).
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// Whether an idempotent or transactional producer wrote the batch.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// A record's timestamp in milliseconds: its own, or the broker's under LogAppendTime. -1 is "none".
    #[inline]
    pub fn timestamp_of(&self, timestamp_delta: i64) -> i64 {
        if self.attributes.is_log_append_time() {
            self.max_timestamp
        } else {
            self.base_timestamp.wrapping_add(timestamp_delta)
        }
    }
}

/// The CRC-32C of a whole batch: over everything from the attributes on.
///
/// Shorter input than that has the CRC of nothing.
pub fn crc_of(batch: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(batch.get(ATTRIBUTES_AT..).unwrap_or_default())
}

/// The CRC-32C of a batch whose head and body lie apart.
pub fn crc_of_parts(head: &[u8; HEADER_BYTES], body: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&head[ATTRIBUTES_AT..]);
    digest.update(body);
    digest.finalize() as u32
}

/// Places a batch in the log: sets the base offset and the leader epoch, which the CRC does not cover.
pub fn set_base(head: &mut [u8; HEADER_BYTES], base_offset: i64, partition_leader_epoch: i32) {
    set_field(head, 0, base_offset.to_be_bytes());
    set_field(head, 12, partition_leader_epoch.to_be_bytes());
}

/// Sets the max timestamp and the LogAppendTime bit, and the CRC that results with `body`.
///
/// With `log_append_time` this makes every record carry `max_timestamp`; without, it corrects a wrong max
/// timestamp. Base timestamp and deltas stay as produced, as Kafka leaves them.
pub fn set_max_timestamp(
    head: &mut [u8; HEADER_BYTES],
    body: &[u8],
    max_timestamp: i64,
    log_append_time: bool,
) {
    let attributes = Attributes(i16::from_be_bytes(field(head, ATTRIBUTES_AT)));
    let attributes = attributes.with_log_append_time(log_append_time);
    set_field(head, ATTRIBUTES_AT, attributes.0.to_be_bytes());
    set_field(head, MAX_TIMESTAMP_AT, max_timestamp.to_be_bytes());
    let crc = crc_of_parts(head, body);
    set_field(head, CRC_AT, crc.to_be_bytes());
}

#[inline(always)]
fn field<const N: usize>(head: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    *head[at..].first_chunk().expect("every field lies inside the head")
}

#[inline(always)]
fn set_field<const N: usize>(head: &mut [u8; HEADER_BYTES], at: usize, value: [u8; N]) {
    head[at..at + N].copy_from_slice(&value);
}

#[cfg(test)]
mod tests;
