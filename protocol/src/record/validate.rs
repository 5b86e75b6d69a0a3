//! The judgement over a produced record set, before it gets an offset.
//!
//! The cheap and decisive checks come first (framing, magic, CRC, the head's own consistency), then one pass
//! over the records. What the topic's configuration decides is passed in as [`ProduceRules`].

use super::compression::lz4_blocks_are_linked;
use super::reader::visit_plain;
use super::{
    BatchError, BatchHeader, Compression, HEADER_BYTES, Record, Scratch, VisitError, crc_of,
};

/// How many records a fault lists at most; a batch of a million bad timestamps gets a short answer.
pub const MAX_RECORD_ERRORS: usize = 100;

/// What the topic and the request's version ask of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProduceRules {
    /// The least timestamp that is accepted, in milliseconds; records without a timestamp (-1) pass.
    pub timestamp_min: i64,
    /// The greatest timestamp that is accepted.
    pub timestamp_max: i64,
    /// Whether null keys are faults: compacted topics.
    pub require_keys: bool,
    /// Whether zstd is accepted: Produce 7 and later.
    pub zstd_allowed: bool,
    /// Whether control batches are accepted: the broker's own appends.
    pub control_allowed: bool,
}

impl ProduceRules {
    /// Everything that is well-formed and not a control batch.
    pub const ANY: ProduceRules = ProduceRules {
        timestamp_min: i64::MIN,
        timestamp_max: i64::MAX,
        require_keys: false,
        zstd_allowed: true,
        control_allowed: false,
    };
}

/// A batch that may be appended, and what the pass over its records found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidBatch {
    /// The head as it came.
    pub header: BatchHeader,
    /// The least timestamp of the records; -1 when one has none.
    pub min_timestamp: i64,
    /// The greatest timestamp of the records; -1 when none has one.
    pub max_timestamp: i64,
    /// The offset delta of the first record with the greatest timestamp.
    pub max_timestamp_delta: i32,
    /// Whether a record has no key.
    pub has_null_key: bool,
    /// The size of the records after decompression.
    pub record_bytes: usize,
}

impl ValidBatch {
    /// Whether the sequencer must correct the head's max timestamp, see
    /// [`set_max_timestamp`](super::set_max_timestamp).
    pub fn max_timestamp_is_wrong(&self) -> bool {
        self.header.max_timestamp != self.max_timestamp
    }
}

/// Why a record set may not be appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchFault {
    /// A record set without a batch.
    #[error("the record set is empty, exactly one record batch is expected")]
    Empty,
    /// Bytes behind the first batch: a second one, or rubbish.
    #[error("{0} bytes follow the record batch, exactly one batch per partition is accepted")]
    MoreThanOneBatch(usize),
    /// The batch cannot be read.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The bytes are not those that the producer summed.
    #[error("record batch has CRC {stored:#010x}, but its bytes have {computed:#010x}")]
    Crc {
        /// The CRC in the head.
        stored: u32,
        /// The CRC of the bytes.
        computed: u32,
    },
    /// zstd in a request whose version does not have it.
    #[error("zstd needs Produce version 7 or later")]
    ZstdNotAllowed,
    /// LZ4 blocks that refer to each other, which Kafka and its Java consumers cannot read.
    #[error("lz4 frames with linked blocks are not supported, write independent blocks")]
    Lz4LinkedBlocks,
    /// A compressed batch with a base offset other than 0.
    #[error("compressed record batch has base offset {0}, producers send 0")]
    BaseOffset(i64),
    /// A control batch from a client.
    #[error("clients may not write control batches")]
    Control,
    /// LogAppendTime claimed by a producer.
    #[error("producers may not set the timestamp type LogAppendTime")]
    LogAppendTime,
    /// A transactional batch that names no producer.
    #[error("transactional record batch has no producer id")]
    TransactionalWithoutProducerId,
    /// A producer id with a negative epoch.
    #[error("record batch of producer {producer_id} has epoch {epoch}")]
    ProducerEpoch {
        /// The producer id.
        producer_id: i64,
        /// Its epoch.
        epoch: i16,
    },
    /// A producer id with a negative sequence number.
    #[error("record batch of producer {producer_id} has base sequence {base_sequence}")]
    BaseSequence {
        /// The producer id.
        producer_id: i64,
        /// The sequence number.
        base_sequence: i32,
    },
    /// A record count below one, or one that does not fit the offsets.
    #[error(
        "record batch has record count {record_count} and last offset delta {last_offset_delta}"
    )]
    Count {
        /// The number of records.
        record_count: i32,
        /// The last offset minus the first.
        last_offset_delta: i32,
    },
    /// Records whose offsets are not consecutive.
    #[error("record {index} of the batch has offset delta {offset_delta}")]
    OffsetDelta {
        /// The record's position.
        index: i32,
        /// The delta that should equal it.
        offset_delta: i32,
    },
    /// A timestamp delta that leaves the range of timestamps.
    #[error("record {index} of the batch has a timestamp beyond the 64-bit range")]
    TimestampOverflow {
        /// The record's position.
        index: i32,
    },
    /// Null keys in a compacted topic: the positions of the first ones.
    #[error("compacted topics do not accept records without a key")]
    NullKeys(Vec<i32>),
    /// Timestamps outside the topic's bounds: positions and timestamps of the first ones.
    #[error("a timestamp is out of range, it should be within [{min}, {max}]")]
    Timestamps {
        /// The lower bound.
        min: i64,
        /// The upper bound.
        max: i64,
        /// The records outside.
        records: Vec<(i32, i64)>,
    },
}

/// What a fault means to the producer: which Kafka error it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// CORRUPT_MESSAGE: damaged on the way, sending it again may help.
    Corrupt,
    /// INVALID_RECORD: sending it again does not help.
    InvalidRecord,
    /// UNSUPPORTED_COMPRESSION_TYPE.
    UnsupportedCompression,
    /// INVALID_TIMESTAMP.
    InvalidTimestamp,
}

impl BatchFault {
    /// What the fault means to the producer.
    pub fn class(&self) -> FaultClass {
        match self {
            BatchFault::Crc { .. }
            | BatchFault::Batch(BatchError::Truncated { .. } | BatchError::Length(_)) => {
                FaultClass::Corrupt
            }
            BatchFault::ZstdNotAllowed | BatchFault::Batch(BatchError::UnknownCompression(_)) => {
                FaultClass::UnsupportedCompression
            }
            BatchFault::LogAppendTime | BatchFault::Timestamps { .. } => {
                FaultClass::InvalidTimestamp
            }
            BatchFault::Empty
            | BatchFault::MoreThanOneBatch(_)
            | BatchFault::Batch(
                BatchError::Magic(_)
                | BatchError::Decompress(_)
                | BatchError::RecordCount(_)
                | BatchError::Record { .. }
                | BatchError::TrailingBytes(_),
            )
            | BatchFault::Lz4LinkedBlocks
            | BatchFault::BaseOffset(_)
            | BatchFault::Control
            | BatchFault::TransactionalWithoutProducerId
            | BatchFault::ProducerEpoch { .. }
            | BatchFault::BaseSequence { .. }
            | BatchFault::Count { .. }
            | BatchFault::OffsetDelta { .. }
            | BatchFault::TimestampOverflow { .. }
            | BatchFault::NullKeys(_) => FaultClass::InvalidRecord,
        }
    }

    /// The faults of single records for a Produce response's `record_errors`; empty for faults of the batch.
    pub fn record_errors(&self) -> Vec<(i32, String)> {
        match self {
            BatchFault::NullKeys(indexes) => {
                indexes.iter().map(|&index| (index, "the record has no key".to_owned())).collect()
            }
            BatchFault::Timestamps { min, max, records } => records
                .iter()
                .map(|&(index, timestamp)| {
                    let message = format!(
                        "timestamp {timestamp} is out of range, it should be within [{min}, {max}]"
                    );
                    (index, message)
                })
                .collect(),
            BatchFault::OffsetDelta { index, .. }
            | BatchFault::TimestampOverflow { index }
            | BatchFault::Batch(BatchError::Record { index, .. }) => {
                vec![(*index, self.to_string())]
            }
            _ => Vec::new(),
        }
    }
}

/// Judges a partition's record set as it came in a Produce request.
pub fn validate_produced(
    records: &[u8],
    rules: &ProduceRules,
    scratch: &mut Scratch,
) -> Result<ValidBatch, BatchFault> {
    let header = check_framing(records)?;
    let compression = check_header(&header, rules)?;
    let body = &records[HEADER_BYTES..];
    if compression == Compression::Lz4 && lz4_blocks_are_linked(body) {
        return Err(BatchFault::Lz4LinkedBlocks);
    }
    let plain = scratch.decompress(compression, body).map_err(BatchError::Decompress)?;
    let result = check_records(header, plain, rules);
    scratch.release_excess();
    result
}

/// Exactly one batch, whole and as the producer sent it.
fn check_framing(records: &[u8]) -> Result<BatchHeader, BatchFault> {
    if records.is_empty() {
        return Err(BatchFault::Empty);
    }
    let header = BatchHeader::parse(records)?;
    let (needed, available) = (header.total_bytes(), records.len());
    if needed > available {
        return Err(BatchError::Truncated { needed, available }.into());
    }
    if needed < available {
        return Err(BatchFault::MoreThanOneBatch(available - needed));
    }
    let computed = crc_of(records);
    if computed != header.crc {
        return Err(BatchFault::Crc { stored: header.crc, computed });
    }
    Ok(header)
}

/// What the head says must be consistent, and allowed.
fn check_header(header: &BatchHeader, rules: &ProduceRules) -> Result<Compression, BatchFault> {
    let attributes = header.attributes;
    let compression = attributes.compression()?;
    if compression == Compression::Zstd && !rules.zstd_allowed {
        return Err(BatchFault::ZstdNotAllowed);
    }
    // As in Kafka, whose in-place check of compressed batches expects inner offsets from 0 on; an
    // uncompressed batch may say anything, its offsets are given anew.
    if header.base_offset != 0 && compression != Compression::None {
        return Err(BatchFault::BaseOffset(header.base_offset));
    }
    if attributes.is_control() && !rules.control_allowed {
        return Err(BatchFault::Control);
    }
    if attributes.is_log_append_time() {
        return Err(BatchFault::LogAppendTime);
    }
    let producer_id = header.producer_id;
    if attributes.is_transactional() && !header.has_producer_id() {
        return Err(BatchFault::TransactionalWithoutProducerId);
    }
    // Without a producer id, epoch and sequence mean nothing, and kafkajs sends 0 for both.
    if header.has_producer_id() && header.producer_epoch < 0 {
        return Err(BatchFault::ProducerEpoch { producer_id, epoch: header.producer_epoch });
    }
    if header.has_producer_id() && header.base_sequence < 0 && !attributes.is_control() {
        let base_sequence = header.base_sequence;
        return Err(BatchFault::BaseSequence { producer_id, base_sequence });
    }
    let (record_count, last_offset_delta) = (header.record_count, header.last_offset_delta);
    if record_count < 1 || last_offset_delta != record_count - 1 {
        return Err(BatchFault::Count { record_count, last_offset_delta });
    }
    Ok(compression)
}

/// One pass over the records.
fn check_records(
    header: BatchHeader,
    plain: &[u8],
    rules: &ProduceRules,
) -> Result<ValidBatch, BatchFault> {
    let mut check = RecordCheck {
        base_timestamp: header.base_timestamp,
        rules,
        index: 0,
        min_timestamp: i64::MAX,
        max_timestamp: -1,
        max_timestamp_delta: 0,
        null_keys: Vec::new(),
        has_null_key: false,
        timestamps: Vec::new(),
    };
    let visited = visit_plain(header.record_count, plain, |record| check.record(&record));
    visited.map_err(|error| match error {
        VisitError::Batch(error) => BatchFault::Batch(error),
        VisitError::Visitor(fault) => fault,
    })?;
    if !check.null_keys.is_empty() {
        return Err(BatchFault::NullKeys(check.null_keys));
    }
    if !check.timestamps.is_empty() {
        let (min, max) = (rules.timestamp_min, rules.timestamp_max);
        return Err(BatchFault::Timestamps { min, max, records: check.timestamps });
    }
    Ok(ValidBatch {
        header,
        min_timestamp: check.min_timestamp,
        max_timestamp: check.max_timestamp,
        max_timestamp_delta: check.max_timestamp_delta,
        has_null_key: check.has_null_key,
        record_bytes: plain.len(),
    })
}

struct RecordCheck<'a> {
    base_timestamp: i64,
    rules: &'a ProduceRules,
    index: i32,
    min_timestamp: i64,
    max_timestamp: i64,
    max_timestamp_delta: i32,
    null_keys: Vec<i32>,
    has_null_key: bool,
    timestamps: Vec<(i32, i64)>,
}

impl RecordCheck<'_> {
    #[inline]
    fn record(&mut self, record: &Record<'_>) -> Result<(), BatchFault> {
        let index = self.index;
        self.index += 1;
        if record.offset_delta != index {
            return Err(BatchFault::OffsetDelta { index, offset_delta: record.offset_delta });
        }
        let Some(timestamp) = self.base_timestamp.checked_add(record.timestamp_delta) else {
            return Err(BatchFault::TimestampOverflow { index });
        };
        self.min_timestamp = self.min_timestamp.min(timestamp);
        if timestamp > self.max_timestamp {
            self.max_timestamp = timestamp;
            self.max_timestamp_delta = index;
        }
        let within = self.rules.timestamp_min <= timestamp && timestamp <= self.rules.timestamp_max;
        if !within && timestamp != -1 && self.timestamps.len() < MAX_RECORD_ERRORS {
            self.timestamps.push((index, timestamp));
        }
        if record.key.is_none() {
            self.has_null_key = true;
            if self.rules.require_keys && self.null_keys.len() < MAX_RECORD_ERRORS {
                self.null_keys.push(index);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
