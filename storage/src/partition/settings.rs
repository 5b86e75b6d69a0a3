//! The topic settings that the storage acts on.

use crate::segment::SegmentCompression;

/// What a partition enforces and how long it keeps records. Plain values: the broker derives them from
/// topic and broker configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionSettings {
    /// `max.message.bytes`: the largest batch, as produced (compressed).
    pub max_message_bytes: usize,
    /// `message.timestamp.type=LogAppendTime`.
    pub log_append_time: bool,
    /// `message.timestamp.before.max.ms`; `i64::MAX` for no bound.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`; `i64::MAX` for no bound.
    pub timestamp_after_max_ms: i64,
    /// Whether records without a key are refused (`cleanup.policy=compact`).
    pub require_keys: bool,
    /// `retention.ms`; -1 for no limit, also while the cleanup policy does not delete.
    pub retention_ms: i64,
    /// `retention.bytes`; -1 for no limit, also while the cleanup policy does not delete.
    pub retention_bytes: i64,
    /// Whether appends wait for the sync whatever the broker's policy (`flush.messages=1`, `flush.ms`).
    pub sync_each: bool,
    /// `table.log.compression`: of the columns of batches that came uncompressed.
    pub segment_compression: SegmentCompression,
    /// Whether the topic is the broker's own: clients' appends leave it a reserve of the journal.
    pub internal: bool,
}

impl Default for PartitionSettings {
    fn default() -> Self {
        PartitionSettings {
            max_message_bytes: 1_048_588,
            log_append_time: false,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            require_keys: false,
            retention_ms: 7 * 24 * 3_600_000,
            retention_bytes: -1,
            sync_each: false,
            segment_compression: SegmentCompression::Lz4,
            internal: false,
        }
    }
}
