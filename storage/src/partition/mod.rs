//! A partition. Skeleton: bodies follow.

mod batch;
mod settings;

use std::sync::Arc;

use bytes::Bytes;
use strom_protocol::TopicId;
use strom_protocol::record::Scratch;
use tokio::sync::Notify;

use crate::error::{AppendError, ReadError, StorageFailed};
use crate::metadata::MetadataTicket;
use crate::ticket::AppendTicket;

pub use batch::{Isolation, Offsets, Read, ReadLimits, StoredBatch, TimestampOffset};
pub use settings::PartitionSettings;

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client: everything is checked.
    Client,
    /// The broker itself, to its internal topics.
    Internal,
}

/// One batch to append.
#[derive(Debug)]
pub struct AppendRequest<'a> {
    /// The partition's record set as it came: one batch, a slice of the request's frame.
    pub records: Bytes,
    /// The size of the allocation that `records` keeps alive.
    pub frame_bytes: usize,
    /// Whether zstd is allowed (Produce v7 and later).
    pub zstd_allowed: bool,
    /// Who appends.
    pub origin: Origin,
    /// The time in milliseconds.
    pub now_ms: i64,
    /// Reusable buffers for decompression.
    pub scratch: &'a mut Scratch,
}

/// An append that was sequenced.
#[derive(Clone, Debug)]
pub struct Appended {
    /// The first record's offset; the original's if it is a duplicate.
    pub base_offset: i64,
    /// The last record's offset.
    pub last_offset: i64,
    /// The time that the records got under LogAppendTime, else -1.
    pub log_append_time_ms: i64,
    /// The log start offset at the moment of the append.
    pub log_start_offset: i64,
    /// Whether the batch was there already.
    pub duplicate: bool,
    /// Resolves when it is written, and durable.
    pub ticket: AppendTicket,
}

/// One partition of a topic.
#[derive(Debug)]
pub struct Partition {}

/// Keeps a [`Notify`] subscribed to a partition until it is dropped.
#[derive(Debug)]
pub struct Subscription {}

#[allow(clippy::unimplemented, unused_variables)]
impl Partition {
    /// The topic.
    pub fn topic_id(&self) -> TopicId {
        unimplemented!()
    }

    /// The partition's index in its topic.
    pub fn index(&self) -> i32 {
        unimplemented!()
    }

    /// The leader epoch of new batches.
    pub fn leader_epoch(&self) -> i32 {
        unimplemented!()
    }

    /// The bytes of the batches from the log start on.
    pub fn size_bytes(&self) -> u64 {
        unimplemented!()
    }

    /// The offsets at this moment.
    pub fn offsets(&self) -> Offsets {
        unimplemented!()
    }

    /// The first offset that is read from memory.
    pub fn tail_start(&self) -> i64 {
        unimplemented!()
    }

    /// Validates, sequences and queues one batch. Does no I/O.
    pub fn append(&self, request: AppendRequest<'_>) -> Result<Appended, AppendError> {
        unimplemented!()
    }

    /// Reads whole batches from the one that contains `from`, never past the end that `isolation` allows.
    /// Blocks on the disk unless `from` is at or above [`tail_start`](Self::tail_start).
    pub fn read(
        &self,
        from: i64,
        isolation: Isolation,
        limits: ReadLimits,
    ) -> Result<Read, ReadError> {
        unimplemented!()
    }

    /// The first record whose timestamp is at or above `timestamp_ms`.
    pub fn offset_for_timestamp(
        &self,
        timestamp_ms: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        unimplemented!()
    }

    /// The record with the greatest timestamp.
    pub fn max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        unimplemented!()
    }

    /// Moves the log start up to `to` (at most to the high watermark; never back).
    pub fn advance_log_start(&self, to: i64) -> Result<MetadataTicket, StorageFailed> {
        unimplemented!()
    }

    /// Notifies when the high watermark or the log start advances, on deletion and on shutdown.
    pub fn subscribe(self: &Arc<Self>, notify: &Arc<Notify>) -> Subscription {
        unimplemented!()
    }

    /// Retention removes nothing at or above this offset; `None` lifts it.
    pub fn set_retention_guard(&self, guard: Option<i64>) {
        unimplemented!()
    }
}
