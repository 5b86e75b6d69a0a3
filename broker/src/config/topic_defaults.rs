//! Broker-wide defaults of topic options.
//!
//! A topic option may be given a default for all topics under Kafka's name for the broker setting
//! (`log.retention.ms`, also in the coarser units that Kafka has) or under its own name
//! (`table.datalake.enabled`). The options themselves, their types and their own defaults belong to
//! the coordinator; here are only the names.

/// A broker setting that stands for a topic option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synonym {
    /// The broker setting.
    pub broker: &'static str,
    /// The topic option that it gives a default to.
    pub topic: &'static str,
    /// What one unit of the broker setting is in units of the topic option.
    pub factor: i64,
}

const fn same(broker: &'static str, topic: &'static str) -> Synonym {
    Synonym { broker, topic, factor: 1 }
}

const fn scaled(broker: &'static str, topic: &'static str, factor: i64) -> Synonym {
    Synonym { broker, topic, factor }
}

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

/// Kafka's broker names; of several for one topic option the finer unit stands first and wins.
pub const SYNONYMS: &[Synonym] = &[
    same("log.cleanup.policy", "cleanup.policy"),
    same("log.retention.ms", "retention.ms"),
    scaled("log.retention.minutes", "retention.ms", MINUTE_MS),
    scaled("log.retention.hours", "retention.ms", HOUR_MS),
    same("log.retention.bytes", "retention.bytes"),
    same("message.max.bytes", "max.message.bytes"),
    same("log.message.timestamp.type", "message.timestamp.type"),
    same("log.message.timestamp.before.max.ms", "message.timestamp.before.max.ms"),
    same("log.message.timestamp.after.max.ms", "message.timestamp.after.max.ms"),
    same("log.segment.bytes", "segment.bytes"),
    same("log.roll.ms", "segment.ms"),
    scaled("log.roll.hours", "segment.ms", HOUR_MS),
    same("log.roll.jitter.ms", "segment.jitter.ms"),
    scaled("log.roll.jitter.hours", "segment.jitter.ms", HOUR_MS),
    same("log.index.size.max.bytes", "segment.index.bytes"),
    same("log.index.interval.bytes", "index.interval.bytes"),
    same("log.flush.interval.messages", "flush.messages"),
    same("log.flush.interval.ms", "flush.ms"),
    same("log.cleaner.delete.retention.ms", "delete.retention.ms"),
    same("log.cleaner.min.compaction.lag.ms", "min.compaction.lag.ms"),
    same("log.cleaner.max.compaction.lag.ms", "max.compaction.lag.ms"),
    same("log.cleaner.min.cleanable.ratio", "min.cleanable.dirty.ratio"),
    same("log.segment.delete.delay.ms", "file.delete.delay.ms"),
    same("log.preallocate", "preallocate"),
    same("log.local.retention.ms", "local.retention.ms"),
    same("log.local.retention.bytes", "local.retention.bytes"),
];

impl Synonym {
    /// `value` of the broker setting as a value of the topic option; -1 (no limit) stays -1.
    pub fn topic_value(&self, value: &str) -> Result<String, String> {
        if self.factor == 1 {
            return Ok(value.to_owned());
        }
        let number: i64 = value.parse().map_err(|_| "is not a whole number".to_owned())?;
        if number < 0 {
            return Ok("-1".to_owned());
        }
        let scaled = number.checked_mul(self.factor).ok_or("is too large")?;
        Ok(scaled.to_string())
    }
}

/// Topic options that may be given a broker-wide default under their own name.
const TOPIC_OPTIONS: &[&str] = &[
    "cleanup.policy",
    "compression.type",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "index.interval.bytes",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "table.datalake.enabled",
    "table.datalake.freshness",
    "table.datalake.read-flush.on-timeout",
    "table.datalake.read-flush.timeout",
    "unclean.leader.election.enable",
];

/// Every key that gives a topic option a default: Kafka's broker names, then the own names.
pub fn names() -> impl Iterator<Item = &'static str> {
    SYNONYMS.iter().map(|synonym| synonym.broker).chain(TOPIC_OPTIONS.iter().copied())
}

/// `key` as a key that gives a topic option a default.
pub fn find(key: &str) -> Option<&'static str> {
    names().find(|name| *name == key)
}

/// The canonical value of the topic option `topic`, or what is wrong with `value`.
pub fn canonical(_topic: &str, value: &str) -> Result<String, String> {
    Ok(value.to_owned())
}

/// The topic options, by name.
pub fn topic_options() -> impl Iterator<Item = &'static str> {
    TOPIC_OPTIONS.iter().copied()
}

/// Rows of DescribeConfigs.
pub fn describe(_config: &super::Config) -> Vec<super::DescribedOption> {
    Vec::new()
}
