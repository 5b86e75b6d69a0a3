//! DescribeConfigs rows of a broker: the options that tools look for, and whatever else the
//! broker was configured with.

use std::collections::{BTreeMap, BTreeSet};

use super::topic_config::{ConfigKind, ConfigRow, ConfigSource, ConfigSynonym, TOPIC_OPTIONS};

use ConfigKind::{Boolean, Int, Long, Short, String as Text};

/// A broker-level option that is no topic's default.
struct BrokerOption {
    name: &'static str,
    kind: ConfigKind,
    default: Option<&'static str>,
    doc: &'static str,
}

const fn row(
    name: &'static str,
    kind: ConfigKind,
    default: Option<&'static str>,
    doc: &'static str,
) -> BrokerOption {
    BrokerOption { name, kind, default, doc }
}

/// Broker-level options beside the topics' defaults, which the topic table brings.
static BROKER_OPTIONS: &[BrokerOption] = &[
    row("advertised.listeners", Text, None, "The addresses that clients are told to use."),
    row(
        "auto.create.topics.enable",
        Boolean,
        Some("true"),
        "Whether a topic is created when a client that wants this asks for an unknown one.",
    ),
    row("broker.id", Int, None, "The same as node.id."),
    row(
        "default.replication.factor",
        Int,
        Some("1"),
        "Replication factor of topics created without one. Echoed only: there is one copy.",
    ),
    row("delete.topic.enable", Boolean, Some("true"), "Topics can be deleted."),
    row(
        "group.initial.rebalance.delay.ms",
        Int,
        Some("3000"),
        "How long an empty group waits for more members before its first rebalance. Shorter starts \
         a lone consumer faster and rebalances more when several start together.",
    ),
    row(
        "group.max.session.timeout.ms",
        Int,
        Some("1800000"),
        "The longest session timeout a member may ask for.",
    ),
    row("group.max.size", Int, Some("2147483647"), "Members that a group may have."),
    row(
        "group.min.session.timeout.ms",
        Int,
        Some("6000"),
        "The shortest session timeout a member may ask for.",
    ),
    row("listener.security.protocol.map", Text, None, "Security protocol of each listener name."),
    row("listeners", Text, None, "The addresses that the broker listens on."),
    row("log.dirs", Text, None, "Where the data is."),
    row(
        "log.retention.check.interval.ms",
        Long,
        Some("300000"),
        "How often retention looks for records that are past it.",
    ),
    row("max.connections", Int, Some("2147483647"), "Connections that the broker accepts at once."),
    row("node.id", Int, Some("1"), "The broker's number."),
    row("num.partitions", Int, Some("1"), "Partitions of topics created without a number of them."),
    row(
        "offset.metadata.max.bytes",
        Int,
        Some("4096"),
        "The longest note that a commit may carry with an offset.",
    ),
    row(
        "offsets.retention.check.interval.ms",
        Long,
        Some("600000"),
        "How often expired offsets are looked for.",
    ),
    row(
        "offsets.retention.minutes",
        Int,
        Some("10080"),
        "How long committed offsets are kept after a group has become empty, or after the commit \
         of a consumer without a group.",
    ),
    row(
        "offsets.topic.num.partitions",
        Int,
        Some("50"),
        "Partitions of __consumer_offsets; fixed when it is created.",
    ),
    row(
        "offsets.topic.replication.factor",
        Short,
        Some("1"),
        "Replication factor shown for __consumer_offsets. Echoed only: there is one copy.",
    ),
    row(
        "producer.id.expiration.ms",
        Int,
        Some("86400000"),
        "How long the state of an idle idempotent producer is kept.",
    ),
    row(
        "replication.factor.max.accepted",
        Short,
        Some("3"),
        "Replication factors up to this are accepted although there is one copy, because tools \
         hard-code 3.",
    ),
];

/// What the broker runs with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerValues {
    /// Values by name, in the unit of their option; those that are missing have the default.
    /// Nothing secret may be in here.
    pub effective: BTreeMap<String, String>,
    /// The names that somebody configured.
    pub configured: BTreeSet<String>,
}

/// The DescribeConfigs rows of a broker, for `names` or for everything, by name.
pub fn describe(values: &BrokerValues, names: Option<&[String]>) -> Vec<ConfigRow> {
    let mut rows: BTreeMap<String, ConfigRow> = BTreeMap::new();
    for option in TOPIC_OPTIONS {
        for synonym in option.synonyms {
            let doc =
                format!("Broker-wide default of the topic option {}. {}", option.name, option.doc);
            let row = describe_one(values, synonym.name, (option.kind, synonym.default), doc);
            rows.entry(synonym.name.to_owned()).or_insert(row);
        }
    }
    for option in BROKER_OPTIONS {
        let shape = (option.kind, option.default);
        let row = describe_one(values, option.name, shape, option.doc.to_owned());
        rows.insert(option.name.to_owned(), row);
    }
    for name in values.effective.keys() {
        if !rows.contains_key(name) {
            rows.insert(name.clone(), describe_one(values, name, (Text, None), String::new()));
        }
    }
    let is_wanted = |row: &ConfigRow| names.is_none_or(|names| names.contains(&row.name));
    rows.into_values().filter(is_wanted).collect()
}

fn describe_one(
    values: &BrokerValues,
    name: &str,
    (kind, default): (ConfigKind, Option<&'static str>),
    doc: String,
) -> ConfigRow {
    let effective = values.effective.get(name).map(String::as_str);
    let is_configured = values.configured.contains(name);
    let source = if is_configured { ConfigSource::StaticBroker } else { ConfigSource::Default };
    let synonym = |value: &str, source| ConfigSynonym {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        source,
    };
    let configured = effective.filter(|_| is_configured);
    let configured = configured.map(|value| synonym(value, ConfigSource::StaticBroker));
    let built_in = default.map(|value| synonym(value, ConfigSource::Default));
    ConfigRow {
        name: name.to_owned(),
        value: effective.or(default).map(str::to_owned),
        is_read_only: true,
        source,
        synonyms: configured.into_iter().chain(built_in).collect(),
        kind,
        doc,
    }
}
