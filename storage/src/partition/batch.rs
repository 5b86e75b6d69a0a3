//! What a partition gives to readers: batches as they were produced, offsets, positions in time.

use bytes::Bytes;
use strom_protocol::record::BatchHeader;

/// A batch as it is in the log.
#[derive(Clone, Debug)]
pub struct StoredBatch {
    /// The parsed head.
    pub header: BatchHeader,
    /// The head's 61 bytes with base offset and leader epoch set.
    pub head: Bytes,
    /// The records, compressed as produced.
    pub body: Bytes,
}

/// The offsets of a partition at one moment:
/// log start <= last stable offset <= high watermark <= log end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// The first offset that can be read.
    pub log_start: i64,
    /// The end of what `read_committed` sees.
    pub last_stable: i64,
    /// The end of what readers see: as durable as the topic's policy promises.
    pub high_watermark: i64,
    /// The offset that the next record gets.
    pub log_end: i64,
    /// The leader epoch of new batches.
    pub leader_epoch: i32,
}

/// The isolation of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Up to the high watermark.
    ReadUncommitted,
    /// Up to the last stable offset.
    ReadCommitted,
}

/// How much a read may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Batches stop before this many bytes are exceeded.
    pub max_bytes: usize,
    /// Return the first batch even if it alone exceeds `max_bytes`.
    pub at_least_one: bool,
}

/// The result of a read: whole batches, the first one containing the offset asked for.
#[derive(Clone, Debug)]
pub struct Read {
    /// The batches in offset order; none at the end of the log.
    pub batches: Vec<StoredBatch>,
    /// The size of the batches.
    pub bytes: usize,
    /// The offsets at the moment of the read.
    pub offsets: Offsets,
}

/// A record found by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The record's offset.
    pub offset: i64,
    /// The record's timestamp in milliseconds.
    pub timestamp: i64,
    /// The leader epoch under which the record was appended.
    pub leader_epoch: i32,
}
