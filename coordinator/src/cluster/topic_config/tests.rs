//! Options: the table, what is accepted, what holds, what DescribeConfigs shows.

use std::collections::{BTreeMap, BTreeSet};

use strom_protocol::partitioning::{PartitionColumn, PartitionField, PartitionTransform};
use strom_protocol::{ErrorCode, TopicId, Uuid};

use super::*;
use crate::cluster::{Cluster, ClusterDefaults};

fn broker(values: &[(&str, &str)]) -> BTreeMap<String, String> {
    values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn table_of_options_is_sound() {
    let names: Vec<&str> = TOPIC_OPTIONS.iter().map(|o| o.name).collect();
    let sorted: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names, sorted.into_iter().collect::<Vec<_>>(), "sorted, each once");
    let mut synonyms = BTreeSet::new();
    for option in TOPIC_OPTIONS {
        assert_eq!(check(option.name, Some(option.default)).as_deref(), Ok(option.default));
        assert!(option.doc.len() > 30 && option.doc.ends_with('.'), "{}", option.name);
        for synonym in option.synonyms {
            assert!(synonyms.insert(synonym.name), "{} is a synonym twice", synonym.name);
        }
        let defaults = option.synonyms.iter().filter(|s| s.default.is_some()).count();
        assert!(option.synonyms.is_empty() || defaults == 1, "{}", option.name);
        let none = BrokerDefaults::default();
        assert_eq!(option.resolve(None, &none), option.default, "{}", option.name);
        // The synonym's default, in its own unit, is the option's default.
        for synonym in option.synonyms {
            let Some(default) = synonym.default else { continue };
            let values = broker(&[(synonym.name, default)]);
            let defaults = BrokerDefaults::new(&values).unwrap();
            assert_eq!(option.resolve(None, &defaults), option.default, "{}", synonym.name);
        }
    }
    // Kafka 4.3's TopicConfig, and the two throttles.
    let kafka = names.iter().filter(|n| !n.starts_with("table.")).count();
    assert_eq!(kafka, 32 + 2);
    let honoured = TOPIC_OPTIONS.iter().filter(|o| o.effect == Effect::Honoured);
    let honoured: Vec<&str> = honoured.map(|o| o.name).collect();
    assert_eq!(
        honoured,
        [
            "cleanup.policy",
            "flush.messages",
            "max.message.bytes",
            "message.timestamp.after.max.ms",
            "message.timestamp.before.max.ms",
            "message.timestamp.type",
            "retention.bytes",
            "retention.ms",
            "table.datalake.enabled",
            "table.datalake.freshness",
            "table.datalake.on-topic-delete",
            "table.datalake.partition.by",
            "table.datalake.read-flush.min-interval",
            "table.datalake.read-flush.on-timeout",
            "table.datalake.read-flush.timeout",
            "table.datalake.retention",
            "table.datalake.retention.guard",
            "table.log.compression",
        ]
    );
}

#[test]
fn values_are_checked_as_kafka_checks_them() {
    // (option, accepted, refused)
    let rows: &[(&str, &[&str], &[&str])] = &[
        (
            "cleanup.policy",
            &["delete", "compact", "compact,delete", " delete , compact ", ""],
            &["remove", "delete,delete", "delete;compact", "Delete"],
        ),
        ("table.log.compression", &["none", "lz4", " zstd "], &["", "gzip", "zstd:3", "LZ4"]),
        ("compression.gzip.level", &["-1", "1", "9"], &["0", "10", "-2", "high"]),
        ("compression.lz4.level", &["1", "17"], &["0", "18"]),
        ("compression.type", &["producer", "zstd", "uncompressed"], &["none", "ZSTD", ""]),
        ("compression.zstd.level", &["-131072", "22"], &["23", "-131073"]),
        ("delete.retention.ms", &["0", "9223372036854775807"], &["-1", "9223372036854775808"]),
        ("flush.messages", &["1"], &["0"]),
        (
            "follower.replication.throttled.replicas",
            &["*", "", "0:1", "0:1,1:2"],
            &["1", "a:b", "0:1;1:2", ":1"],
        ),
        ("local.retention.ms", &["-2"], &["-3"]),
        ("max.message.bytes", &["0", "2147483647"], &["-1", "2147483648", "1.5"]),
        ("message.timestamp.type", &["CreateTime", "LogAppendTime"], &["createtime", "Both"]),
        ("min.cleanable.dirty.ratio", &["0", "0.5", "1"], &["1.1", "-0.1", "NaN", "half"]),
        ("min.insync.replicas", &["1", "2"], &["0"]),
        ("preallocate", &["true", "FALSE"], &["yes", "", "1"]),
        ("remote.storage.enable", &["false"], &["true"]),
        ("retention.bytes", &["-1", "0"], &["-2"]),
        ("retention.ms", &["-1", "0", " 5 "], &["-2", "7d", ""]),
        ("segment.bytes", &["1048576"], &["1048575", "3000000000"]),
        ("table.datalake.enabled", &["true", "false"], &["on"]),
        (
            "table.datalake.freshness",
            &["10min", "30s", "500ms", "1 h", "7d", "250"],
            &["0", "-1s", "soon", "10 minutes", "", "9223372036854775807d"],
        ),
        ("table.datalake.read-flush.on-timeout", &["stale", "fail"], &["wait", "Fail"]),
        ("table.datalake.read-flush.timeout", &["2s"], &["0s"]),
        (
            "table.datalake.retention",
            &["-1", "30d", "12 h", "86400000"],
            &["0", "-1d", "-2", "forever", "", "9223372036854775807d"],
        ),
        ("table.datalake.retention.guard", &["true", "false"], &["off", "1"]),
    ];
    for (name, accepted, refused) in rows {
        for value in *accepted {
            assert_eq!(check(name, Some(value)).as_deref(), Ok(value.trim()), "{name}={value}");
        }
        for value in *refused {
            let error = check(name, Some(value)).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidConfig);
            let begin = format!("Invalid value {value} for configuration {name}: use ");
            assert!(error.message.starts_with(&begin), "{}", error.message);
        }
    }
    // What is not built is not known, rather than without effect.
    for name in ["table.datalake.table-name", "table.datalake.columns"] {
        assert_eq!(check(name, Some("30d")).unwrap_err().code, ErrorCode::InvalidConfig, "{name}");
    }
}

#[test]
fn long_values_durations_and_contradictions() {
    let huge = check("cleanup.policy", Some(&"delete,".repeat(10_000))).unwrap_err();
    assert!(huge.message.len() < 300, "a long value is not repeated in full");
    for (text, ms) in [("250", Some(250)), ("1min", Some(60_000)), ("1x", None), ("", None)] {
        assert_eq!(parse_duration_ms(text), ms);
    }
    let contradictions = [
        broker(&[("min.compaction.lag.ms", "2"), ("max.compaction.lag.ms", "1")]),
        broker(&[("cleanup.policy", "compact"), ("table.datalake.enabled", "true")]),
    ];
    for configs in &contradictions {
        assert_eq!(check_together(configs).unwrap_err().code, ErrorCode::InvalidConfig);
    }
    let fine = broker(&[("cleanup.policy", "compact"), ("table.datalake.enabled", "false")]);
    assert_eq!(check_together(&fine), Ok(()));
}

fn topic(name: &str, configs: &[(&str, &str)]) -> Topic {
    Topic {
        id: TopicId(Uuid::from_u128(1)),
        name: name.to_owned(),
        partitions: 1,
        replication_factor: 1,
        configs: broker(configs),
        created_ms: 0,
    }
}

const BY_DAY: PartitionField =
    PartitionField { column: PartitionColumn::Timestamp, transform: PartitionTransform::Day };

/// What holds for a topic with options of its own, on a broker with others.
fn effective_on(configs: &[(&str, &str)], values: &[(&str, &str)]) -> Effective {
    let defaults = BrokerDefaults::new(&broker(values)).unwrap();
    effective(&topic("t", configs), &defaults)
}

#[test]
fn effective_values_come_from_topic_broker_and_default_in_that_order() {
    let by_default = Effective {
        is_delete: true,
        is_compact: false,
        retention_ms: 604_800_000,
        retention_bytes: -1,
        max_message_bytes: 1_048_588,
        is_log_append_time: false,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        is_synced_each: false,
        is_in_lake: true,
        lake_freshness_ms: 600_000,
        read_flush_timeout_ms: 2_000,
        on_read_flush_timeout: OnFlushTimeout::Stale,
        read_flush_min_interval_ms: 0,
        lake_partition_by: Vec::new(),
        lake_retention_ms: None,
        is_retention_guarded: true,
        is_table_kept: false,
        log_compression: LogCompression::Lz4,
    };
    assert_eq!(effective_on(&[], &[]), by_default);
    let set = effective_on(
        &[
            ("message.timestamp.type", "LogAppendTime"),
            ("flush.messages", "1"),
            ("table.datalake.freshness", "1min"),
            ("table.datalake.read-flush.on-timeout", "fail"),
            ("table.datalake.enabled", "TRUE"),
            ("table.datalake.partition.by", "day(__timestamp)"),
            ("table.datalake.on-topic-delete", "keep"),
            ("table.datalake.retention", "30d"),
            ("table.datalake.retention.guard", "False"),
        ],
        &[
            ("message.max.bytes", "2000"),
            ("table.datalake.read-flush.timeout", "30s"),
            ("table.datalake.read-flush.min-interval", "5s"),
            ("table.datalake.enabled", "false"),
        ],
    );
    assert_eq!(
        set,
        Effective {
            max_message_bytes: 2_000,
            is_log_append_time: true,
            is_synced_each: true,
            lake_freshness_ms: 60_000,
            read_flush_timeout_ms: 30_000,
            on_read_flush_timeout: OnFlushTimeout::Fail,
            read_flush_min_interval_ms: 5_000,
            lake_partition_by: vec![BY_DAY],
            lake_retention_ms: Some(30 * 86_400_000),
            is_retention_guarded: false,
            is_table_kept: true,
            ..by_default
        }
    );
}

#[test]
fn retention_is_that_of_the_first_name_that_is_set() {
    // (topic, broker, retention.ms)
    let hours = ("log.retention.hours", "2");
    let minutes = ("log.retention.minutes", "3");
    for (configs, values, retention_ms) in [
        (&[][..], &[hours][..], 7_200_000),
        (&[], &[hours, minutes], 180_000),
        (&[], &[hours, minutes, ("log.retention.ms", "4")], 4),
        (&[("retention.ms", "5")], &[hours, minutes, ("log.retention.ms", "4")], 5),
        (&[], &[("log.retention.hours", "-1")], -1),
        (&[("cleanup.policy", "compact")], &[hours], -1),
        (&[("cleanup.policy", "")], &[hours], -1),
        (&[("cleanup.policy", "compact,delete")], &[hours], 7_200_000),
    ] {
        let found = effective_on(configs, values).retention_ms;
        assert_eq!(found, retention_ms, "{configs:?} {values:?}");
    }
}

#[test]
fn segments_are_compressed_as_topic_broker_or_default_say() {
    use LogCompression::{Lz4, None, Zstd};
    let name = "table.log.compression";
    for (configs, values, expected) in [
        (&[][..], &[][..], Lz4),
        (&[(name, "zstd")], &[], Zstd),
        (&[], &[(name, "none")], None),
        (&[(name, "lz4")], &[(name, "zstd")], Lz4),
    ] {
        let defaults = BrokerDefaults::new(&broker(values)).unwrap();
        let effective = super::effective(&topic("t", configs), &defaults);
        assert_eq!(effective.log_compression, expected, "{configs:?} {values:?}");
    }
}

#[test]
fn only_plain_topics_are_in_the_lake() {
    let none = BrokerDefaults::default();
    for (name, configs, expected) in [
        ("t", &[][..], true),
        ("t", &[("table.datalake.enabled", "false")], false),
        ("t", &[("cleanup.policy", "compact")], false),
        ("__consumer_offsets", &[], false),
        ("__own", &[("table.datalake.enabled", "true")], false),
        ("_schemas", &[], true),
    ] {
        let effective = super::effective(&topic(name, configs), &none);
        assert_eq!(effective.is_in_lake, expected, "{name} {configs:?}");
    }
}

#[test]
fn broker_defaults_are_checked_all_at_once() {
    let values = broker(&[
        ("log.retention.hours", "x"),
        ("message.max.bytes", "-5"),
        ("num.network.threads", "not ours"),
        ("log.cleanup.policy", "compact"),
    ]);
    let errors = BrokerDefaults::new(&values).unwrap_err();
    let messages: Vec<&str> = errors.iter().map(|e| e.message.as_str()).collect();
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().any(|m| m.contains("log.retention.hours")), "{messages:?}");
    assert!(messages.iter().any(|m| m.contains("message.max.bytes")), "{messages:?}");
    assert!(is_topic_default("log.retention.minutes"));
    assert!(!is_topic_default("num.partitions"));
}

fn synonyms(row: &ConfigRow) -> Vec<(&str, &str, ConfigSource)> {
    row.synonyms.iter().map(|s| (&*s.name, s.value.as_deref().unwrap(), s.source)).collect()
}

#[test]
fn describe_gives_source_and_synonyms_of_every_option() {
    let values = broker(&[("log.retention.minutes", "3")]);
    let topic_defaults = BrokerDefaults::new(&values).unwrap();
    let cluster = Cluster::new(ClusterDefaults { topic_defaults, ..ClusterDefaults::default() });
    let topic = topic("t", &[("max.message.bytes", "7"), ("min.insync.replicas", "2")]);
    let rows = cluster.describe(&topic, None);
    assert_eq!(rows.len(), TOPIC_OPTIONS.len());
    let row = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
    let (topic_source, broker_source, default) =
        (ConfigSource::DynamicTopic, ConfigSource::StaticBroker, ConfigSource::Default);
    // (option, value, source, type, synonyms)
    for (name, value, source, kind, expected) in [
        (
            "max.message.bytes",
            "7",
            topic_source,
            ConfigKind::Int,
            vec![
                ("max.message.bytes", "7", topic_source),
                ("message.max.bytes", "1048588", default),
            ],
        ),
        (
            "retention.ms",
            "180000",
            broker_source,
            ConfigKind::Long,
            vec![
                ("log.retention.minutes", "3", broker_source),
                ("log.retention.hours", "168", default),
            ],
        ),
        (
            "min.insync.replicas",
            "2",
            topic_source,
            ConfigKind::Int,
            vec![("min.insync.replicas", "2", topic_source), ("min.insync.replicas", "1", default)],
        ),
        (
            "cleanup.policy",
            "delete",
            default,
            ConfigKind::List,
            vec![("log.cleanup.policy", "delete", default)],
        ),
        ("remote.storage.enable", "false", default, ConfigKind::Boolean, vec![]),
    ] {
        let row = row(name);
        assert_eq!(row.value.as_deref(), Some(value), "{name}");
        assert_eq!((row.source, row.kind, row.is_read_only), (source, kind, false), "{name}");
        assert_eq!(synonyms(row), expected, "{name}");
    }
    let two = ["retention.ms".to_owned(), "no.such".to_owned()];
    let rows = cluster.describe(&topic, Some(&two));
    assert_eq!(rows.iter().map(|r| &*r.name).collect::<Vec<_>>(), ["retention.ms"]);
}
