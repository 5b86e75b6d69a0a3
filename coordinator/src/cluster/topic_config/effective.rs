//! The values the broker works with, as numbers and enums.

use std::str::FromStr;

use strom_protocol::partitioning::PartitionField;

use super::validate::{FOREVER, parse_duration_ms, words};
use super::{BrokerDefaults, option, parse_partition_by};
use crate::cluster::Topic;

/// What holds for a topic, from its own options, the broker's and the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// `cleanup.policy` has `delete`: retention removes old records.
    pub is_delete: bool,
    /// `cleanup.policy` has `compact`: records need keys.
    pub is_compact: bool,
    /// `retention.ms`, -1 for ever (also without the `delete` policy).
    pub retention_ms: i64,
    /// `retention.bytes` per partition, -1 for no limit (also without the `delete` policy).
    pub retention_bytes: i64,
    /// `max.message.bytes`: of a batch, compressed.
    pub max_message_bytes: usize,
    /// `message.timestamp.type=LogAppendTime`
    pub is_log_append_time: bool,
    /// `message.timestamp.before.max.ms`
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`
    pub timestamp_after_max_ms: i64,
    /// `flush.messages=1`: every batch is synced before it is acknowledged, whatever the broker's
    /// flush policy.
    pub is_synced_each: bool,
    /// The topic is a table of the lake: `table.datalake.enabled`, and neither internal (`__…`)
    /// nor compacted.
    pub is_in_lake: bool,
    /// `table.datalake.freshness`, in milliseconds.
    pub lake_freshness_ms: i64,
    /// `table.datalake.read-flush.timeout`, in milliseconds.
    pub read_flush_timeout_ms: i64,
    /// `table.datalake.read-flush.on-timeout`
    pub on_read_flush_timeout: OnFlushTimeout,
    /// `table.datalake.read-flush.min-interval`, in milliseconds.
    pub read_flush_min_interval_ms: i64,
    /// `table.datalake.partition.by`; empty for none.
    pub lake_partition_by: Vec<PartitionField>,
    /// `table.datalake.retention`, in milliseconds; `None` for ever.
    pub lake_retention_ms: Option<i64>,
    /// `table.datalake.retention.guard`: retention waits for the lake.
    pub is_retention_guarded: bool,
    /// `table.datalake.on-topic-delete=keep`
    pub is_table_kept: bool,
    /// `table.log.compression`
    pub log_compression: LogCompression,
}

/// How segments compress the columns of records that came uncompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogCompression {
    /// Not.
    None,
    /// LZ4
    Lz4,
    /// zstd
    Zstd,
}

/// What a table load gets when the flush it asked for does not end in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFlushTimeout {
    /// The last commit, marked as not fresh.
    Stale,
    /// An error.
    Fail,
}

/// What holds for `topic`.
pub fn effective(topic: &Topic, defaults: &BrokerDefaults) -> Effective {
    let value = |name: &str| -> String {
        let option = option(name).expect("every name here is in the table");
        option.resolve(topic.configs.get(name).map(String::as_str), defaults)
    };
    let policy = value("cleanup.policy");
    let is_delete = words(&policy).any(|w| w == "delete");
    let is_compact = words(&policy).any(|w| w == "compact");
    let duration = |name| parse_duration_ms(&value(name)).expect("durations are checked on entry");
    let wants_lake = is_true(&value("table.datalake.enabled"));
    Effective {
        is_delete,
        is_compact,
        retention_ms: if is_delete { number(&value("retention.ms")) } else { -1 },
        retention_bytes: if is_delete { number(&value("retention.bytes")) } else { -1 },
        max_message_bytes: number::<u32>(&value("max.message.bytes")) as usize,
        is_log_append_time: value("message.timestamp.type") == "LogAppendTime",
        timestamp_before_max_ms: number(&value("message.timestamp.before.max.ms")),
        timestamp_after_max_ms: number(&value("message.timestamp.after.max.ms")),
        is_synced_each: number::<i64>(&value("flush.messages")) == 1,
        is_in_lake: wants_lake && !is_compact && !topic.name.starts_with("__"),
        lake_freshness_ms: duration("table.datalake.freshness"),
        read_flush_timeout_ms: duration("table.datalake.read-flush.timeout"),
        on_read_flush_timeout: match value("table.datalake.read-flush.on-timeout").as_str() {
            "fail" => OnFlushTimeout::Fail,
            _ => OnFlushTimeout::Stale,
        },
        read_flush_min_interval_ms: duration("table.datalake.read-flush.min-interval"),
        lake_partition_by: parse_partition_by(&value("table.datalake.partition.by"))
            .expect("partition fields are checked on entry"),
        lake_retention_ms: Some(value("table.datalake.retention"))
            .filter(|value| value != FOREVER)
            .map(|_| duration("table.datalake.retention")),
        is_retention_guarded: is_true(&value("table.datalake.retention.guard")),
        is_table_kept: value("table.datalake.on-topic-delete") == "keep",
        log_compression: match value("table.log.compression").as_str() {
            "none" => LogCompression::None,
            "zstd" => LogCompression::Zstd,
            _ => LogCompression::Lz4,
        },
    }
}

fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

fn number<T: FromStr>(value: &str) -> T {
    value.parse().unwrap_or_else(|_| panic!("option value {value} was checked on entry"))
}
