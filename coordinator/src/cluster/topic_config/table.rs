//! The table of topic options. Names, types, ranges, defaults and synonyms are Kafka 4.3's; the
//! texts say what an option does here.

use super::ConfigKind::{Boolean, Double, Int, List, Long, String};
use super::Effect::{Honoured, Stored};
use super::validate::Validator::{
    Any, AtLeast, Between, Duration, DurationOrForever, DurationOrZero, GzipLevel, ListOf, OneOf,
    Only, PartitionBy, Ratio, ThrottledReplicas,
};
use super::{Synonym, TopicOption};

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
const NO_TIERED_STORAGE: &str = "strom keeps all of a topic in one store, without a remote tier";

/// A broker-level option in the same unit, with the option's own default.
macro_rules! synonyms {
    ($($name:literal $(x $factor:expr)? $(, default $default:literal)?);*) => {
        &[$(Synonym {
            name: $name,
            factor: synonyms!(@factor $($factor)?),
            default: synonyms!(@default $($default)?),
        }),*]
    };
    (@factor) => { 1 };
    (@factor $factor:expr) => { $factor };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
}

macro_rules! options {
    ($($name:literal: $kind:ident = $default:literal, $validator:expr, $effect:ident, {$($synonyms:tt)*}, $doc:literal;)*) => {
        /// Every option of a topic, by name.
        pub static TOPIC_OPTIONS: &[TopicOption] = &[$(TopicOption {
            name: $name,
            kind: $kind,
            default: $default,
            validator: $validator,
            effect: $effect,
            synonyms: synonyms!($($synonyms)*),
            doc: $doc,
        }),*];
    };
}

options! {
    "cleanup.policy": List = "delete", ListOf(&["delete", "compact"]), Honoured,
        {"log.cleanup.policy", default "delete"},
        "What happens to old records. delete: removed by retention time and size. compact: a \
         record needs a key, and the last one of each key is what counts. Both can be given. \
         Empty: nothing is ever removed.";
    "compression.gzip.level": Int = "-1", GzipLevel, Stored,
        {"compression.gzip.level", default "-1"},
        "Level for compression.type=gzip. Kept for tools; batches stay as the producer made them.";
    "compression.lz4.level": Int = "9", Between(1, 17), Stored,
        {"compression.lz4.level", default "9"},
        "Level for compression.type=lz4. Kept for tools; batches stay as the producer made them.";
    "compression.type": String = "producer",
        OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), Stored,
        {"compression.type", default "producer"},
        "The codec of stored batches in Kafka. Kept for tools; here a consumer always gets the \
         codec that the producer chose.";
    "compression.zstd.level": Int = "3", Between(-131_072, 22), Stored,
        {"compression.zstd.level", default "3"},
        "Level for compression.type=zstd. Kept for tools; batches stay as the producer made them.";
    "delete.retention.ms": Long = "86400000", AtLeast(0), Stored,
        {"log.cleaner.delete.retention.ms", default "86400000"},
        "How long a compacted topic keeps tombstones, so that slow readers still see deletions.";
    "file.delete.delay.ms": Long = "60000", AtLeast(0), Stored,
        {"log.segment.delete.delay.ms", default "60000"},
        "How long Kafka keeps the file of a deleted segment. Kept for tools.";
    "flush.messages": Long = "9223372036854775807", AtLeast(1), Honoured,
        {"log.flush.interval.messages", default "9223372036854775807"},
        "1: every batch is synced to disk before it is acknowledged, even if the broker's \
         flush.policy is os. Larger values leave it to flush.policy.";
    "flush.ms": Long = "9223372036854775807", AtLeast(0), Stored,
        {"log.flush.interval.ms"; "log.flush.scheduler.interval.ms", default "9223372036854775807"},
        "How often Kafka syncs a log. Kept for tools; flush.policy decides here.";
    "follower.replication.throttled.replicas": List = "", ThrottledReplicas, Stored, {},
        "Replicas whose catching up is throttled, as partition:broker, or *. Kept for tools; there \
         are no followers.";
    "index.interval.bytes": Int = "4096", AtLeast(0), Stored,
        {"log.index.interval.bytes", default "4096"},
        "How densely Kafka indexes offsets. Kept for tools; the index here is per batch.";
    "leader.replication.throttled.replicas": List = "", ThrottledReplicas, Stored, {},
        "Replicas whose reading from the leader is throttled, as partition:broker, or *. Kept for \
         tools; there are no followers.";
    "local.retention.bytes": Long = "-2", AtLeast(-2), Stored,
        {"log.local.retention.bytes", default "-2"},
        "The local part of a topic with Kafka's tiered storage, in bytes. Kept for tools.";
    "local.retention.ms": Long = "-2", AtLeast(-2), Stored,
        {"log.local.retention.ms", default "-2"},
        "The local part of a topic with Kafka's tiered storage, in milliseconds. Kept for tools.";
    "max.compaction.lag.ms": Long = "9223372036854775807", AtLeast(1), Stored,
        {"log.cleaner.max.compaction.lag.ms", default "9223372036854775807"},
        "The longest time a superseded record of a compacted topic may stay.";
    "max.message.bytes": Int = "1048588", AtLeast(0), Honoured,
        {"message.max.bytes", default "1048588"},
        "The largest batch, as compressed by the producer. A larger one is MESSAGE_TOO_LARGE.";
    "message.downconversion.enable": Boolean = "true", Any, Stored,
        {"log.message.downconversion.enable", default "true"},
        "No effect since Kafka 4.0: clients that need old message formats are not served.";
    "message.timestamp.after.max.ms": Long = "3600000", AtLeast(0), Honoured,
        {"log.message.timestamp.after.max.ms", default "3600000"},
        "How far ahead of the broker's clock a record's timestamp may be; beyond it the batch is \
         INVALID_TIMESTAMP. Not used with LogAppendTime.";
    "message.timestamp.before.max.ms": Long = "9223372036854775807", AtLeast(0), Honoured,
        {"log.message.timestamp.before.max.ms", default "9223372036854775807"},
        "How far behind the broker's clock a record's timestamp may be; beyond it the batch is \
         INVALID_TIMESTAMP. Not used with LogAppendTime.";
    "message.timestamp.type": String = "CreateTime", OneOf(&["CreateTime", "LogAppendTime"]),
        Honoured,
        {"log.message.timestamp.type", default "CreateTime"},
        "CreateTime keeps the producer's timestamps; LogAppendTime gives every batch the time at \
         which the broker took it.";
    "min.cleanable.dirty.ratio": Double = "0.5", Ratio, Stored,
        {"log.cleaner.min.cleanable.ratio", default "0.5"},
        "How much of a compacted log may be superseded before Kafka compacts it.";
    "min.compaction.lag.ms": Long = "0", AtLeast(0), Stored,
        {"log.cleaner.min.compaction.lag.ms", default "0"},
        "How long a record of a compacted topic stays at least, even if superseded.";
    "min.insync.replicas": Int = "1", AtLeast(1), Stored,
        {"min.insync.replicas", default "1"},
        "Replicas that Kafka wants for acks=all. Kept for tools; durability is the storage's \
         (flush.policy), and acks=all never waits for other brokers.";
    "preallocate": Boolean = "false", Any, Stored,
        {"log.preallocate", default "false"},
        "Whether Kafka preallocates segment files. Kept for tools.";
    "remote.log.copy.disable": Boolean = "false", Any, Stored, {},
        "Stops copying to the remote tier in Kafka. Kept for tools.";
    "remote.log.delete.on.disable": Boolean = "false", Any, Stored, {},
        "Deletes the remote tier when it is disabled in Kafka. Kept for tools.";
    "remote.storage.enable": Boolean = "false", Only("false", NO_TIERED_STORAGE), Stored, {},
        "Kafka's tiered storage; always false here.";
    "retention.bytes": Long = "-1", AtLeast(-1), Honoured,
        {"log.retention.bytes", default "-1"},
        "Bytes that a partition keeps at most; -1 for no limit. The lake keeps what left the topic.";
    "retention.ms": Long = "604800000", AtLeast(-1), Honoured,
        {"log.retention.ms"; "log.retention.minutes" x MINUTE_MS;
         "log.retention.hours" x HOUR_MS, default "168"},
        "Milliseconds that a record is kept at least in the topic; -1 for ever. The lake keeps \
         what left the topic.";
    "segment.bytes": Int = "1073741824", AtLeast(1_048_576), Stored,
        {"log.segment.bytes", default "1073741824"},
        "Size of Kafka's segment files. Kept for tools.";
    "segment.index.bytes": Int = "10485760", AtLeast(4), Stored,
        {"log.index.size.max.bytes", default "10485760"},
        "Size of Kafka's index files. Kept for tools.";
    "segment.jitter.ms": Long = "0", AtLeast(0), Stored,
        {"log.roll.jitter.ms"; "log.roll.jitter.hours" x HOUR_MS, default "0"},
        "Spread of the times at which Kafka begins new segments. Kept for tools.";
    "segment.ms": Long = "604800000", AtLeast(1), Stored,
        {"log.roll.ms"; "log.roll.hours" x HOUR_MS, default "168"},
        "How long Kafka writes to one segment. Kept for tools.";
    "table.datalake.enabled": Boolean = "true", Any, Honoured,
        {"table.datalake.enabled", default "true"},
        "Whether the topic is an Iceberg table too. Internal topics (__...) and compacted ones are \
         not, whatever this says.";
    "table.datalake.freshness": String = "10min", Duration, Honoured,
        {"table.datalake.freshness", default "10min"},
        "The longest time that records wait for a commit to the lake when nobody asks for them. A \
         query through the embedded catalog always commits first. Shorter means more, smaller \
         files.";
    "table.datalake.on-topic-delete": String = "purge", OneOf(&["purge", "keep"]), Honoured,
        {"table.datalake.on-topic-delete", default "purge"},
        "What becomes of the table when the topic is deleted: purge drops it with its files; keep \
         gives it the topic's last records and leaves it to be read as <table>__<first 8 digits of \
         the topic id>.";
    "table.datalake.partition.by": String = "none", PartitionBy, Honoured,
        {"table.datalake.partition.by", default "none"},
        "How the table's files are partitioned: none, or up to four of year, month, day and \
         hour(__timestamp), bucket[N, column], truncate[W, key], __partition, with commas between. \
         File statistics prune by partition, offset and time without it; it costs smaller files. A \
         change holds for files written from then on.";
    "table.datalake.read-flush.min-interval": String = "0", DurationOrZero, Honoured,
        {"table.datalake.read-flush.min-interval", default "0"},
        "A table load that comes sooner after the last flush is answered without one, marked \
         strom.fresh=false. 0: every load sees every record. Larger: fewer snapshots and files.";
    "table.datalake.read-flush.on-timeout": String = "stale", OneOf(&["stale", "fail"]), Honoured,
        {"table.datalake.read-flush.on-timeout", default "stale"},
        "What a table load gets when its flush does not end in time: stale is the last commit, \
         marked strom.fresh=false; fail is an error.";
    "table.datalake.read-flush.timeout": String = "2s", Duration, Honoured,
        {"table.datalake.read-flush.timeout", default "2s"},
        "How long a table load waits for the records before it to be committed.";
    "table.datalake.retention": String = "-1", DurationOrForever, Honoured,
        {"table.datalake.retention", default "-1"},
        "How long rows stay in the table by their __timestamp; -1 for ever. Longer than that, they \
         leave it a data file at a time, once the newest row of the file is too old; the files \
         follow when no snapshot has them any more, within about two days. What the topic keeps, \
         retention.ms says.";
    "table.datalake.retention.guard": Boolean = "true", Any, Honoured,
        {"table.datalake.retention.guard", default "true"},
        "Whether retention waits for the lake. true: it removes nothing that is not committed to \
         the table, so the table is complete, and a lake that is down makes the topic outgrow its \
         limits. false: it removes what is due; what the table did not have yet is missing there \
         for ever, counted in strom_lake_skipped_offsets_total.";
    "table.log.compression": String = "lz4", OneOf(&["none", "lz4", "zstd"]), Honoured,
        {"table.log.compression", default "lz4"},
        "How segments compress the columns of records that were produced uncompressed: zstd takes \
         the least room and the most time, lz4 is the cheapest to read, none does not. Records that \
         were produced compressed stay as they are. A change holds for segments written from then on.";
    "unclean.leader.election.enable": Boolean = "false", Any, Stored,
        {"unclean.leader.election.enable", default "false"},
        "Whether Kafka lets a stale replica lead. Kept for tools; there is one copy, never stale.";
}
