//! What a client cannot do, and why: its tests go by this, and the page about clients shows it.

use crate::client::Client;

/// Something that most clients can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Capability {
    /// Produces with acks=0 and acks=1.
    Acknowledgements,
    IdempotentProducer,
    SetsTimestamps,
    /// Produces records with neither key nor value.
    BareRecords,
    ProducesNullHeaders,
    ReadsNullHeaders,
    DuplicateHeaders,
    /// Keeps the order of headers of different names.
    HeaderOrder,
    /// Zero bytes in keys and header values.
    ZeroBytes,
    /// Creates, lists and deletes topics.
    ManagesTopics,
    /// Creates topics with a configuration, and describes it.
    DescribesConfigs,
    AltersConfigs,
    /// Changes single options (KIP-339) instead of replacing them all.
    AltersSingleConfigs,
    /// Says so when the broker refuses an option.
    TellsOfRefusedOptions,
    AddsPartitions,
    DeletesRecords,
    Groups,
    CooperativeGroups,
    StaticMembership,
    /// A second member under the same instance id makes the first one fail.
    TellsOfFencing,
    OutlivesItsBroker,
}

use Capability::{
    Acknowledgements, AddsPartitions, AltersConfigs, AltersSingleConfigs, BareRecords,
    CooperativeGroups, DeletesRecords, DescribesConfigs, DuplicateHeaders, Groups, HeaderOrder,
    IdempotentProducer, ManagesTopics, OutlivesItsBroker, ProducesNullHeaders, ReadsNullHeaders,
    SetsTimestamps, StaticMembership, TellsOfFencing, TellsOfRefusedOptions, ZeroBytes,
};

/// Every codec of Kafka; no client of ours lacks one.
pub const CODECS: &[&str] = &["none", "gzip", "snappy", "lz4", "zstd"];

impl Client {
    pub fn can(self, capability: Capability) -> bool {
        self.lacks(capability).is_none()
    }

    /// Why it cannot, when it cannot.
    pub fn lacks(self, capability: Capability) -> Option<&'static str> {
        let limits = self.limits().iter();
        limits.filter(|(lacking, _)| lacking.contains(&capability)).map(|(_, why)| *why).next()
    }

    /// What it lacks, and why.
    pub fn limits(self) -> &'static [(&'static [Capability], &'static str)] {
        match self {
            Client::Kcat => KCAT,
            Client::Java | Client::Confluent => &[],
            Client::FranzGo => FENCED_SILENTLY,
            Client::Kafkajs => KAFKAJS,
            Client::Rdkafka => RDKAFKA,
            Client::KafkaPython => KAFKA_PYTHON,
            Client::Aiokafka => AIOKAFKA,
            Client::Platformatic => FENCED_SILENTLY,
            Client::Sarama => &[],
            Client::Rskafka => RSKAFKA,
        }
    }
}

type Limits = &'static [(&'static [Capability], &'static str)];

/// With Apache Kafka too.
const FENCED_SILENTLY: Limits =
    &[(&[TellsOfFencing], "a fenced member goes on without an error to its user")];

const KCAT: Limits = &[
    (
        &[
            ManagesTopics,
            DescribesConfigs,
            AltersConfigs,
            AltersSingleConfigs,
            TellsOfRefusedOptions,
            AddsPartitions,
            DeletesRecords,
        ],
        "it has no commands for administration",
    ),
    (&[SetsTimestamps], "its command line has no timestamps"),
    (
        &[ZeroBytes],
        "it takes keys and headers from its command line, and prints headers as C strings",
    ),
    (&[StaticMembership, TellsOfFencing], "its driver gives it no instance id"),
    (&[OutlivesItsBroker], "it ends when its only broker does"),
];

const KAFKAJS: Limits = &[
    (&[HeaderOrder], "it hands headers over as a map of lists, in order within one name only"),
    (&[ProducesNullHeaders], "it writes a null header value as an empty one"),
    (&[AltersSingleConfigs], "it has the older AlterConfigs only, which resets every other option"),
    (&[CooperativeGroups], "its assignors are eager"),
    (&[StaticMembership, TellsOfFencing], "it does not know instance ids"),
];

const RDKAFKA: Limits = &[
    (
        &[AltersSingleConfigs],
        "the crate has librdkafka's older AlterConfigs only, which resets every other option",
    ),
    (&[TellsOfRefusedOptions], "the crate drops what AlterConfigs was answered for a topic"),
];

const KAFKA_PYTHON: Limits = &[
    (&[TellsOfFencing], "a fenced member goes on without an error to its user"),
    (&[BareRecords], "it refuses a record with neither key nor value"),
    (&[ProducesNullHeaders], "it takes header values that are bytes only"),
];

const AIOKAFKA: Limits = &[
    (&[TellsOfFencing], "a fenced member goes on without an error to its user"),
    (&[BareRecords], "it refuses a record with neither key nor value"),
    (&[AltersSingleConfigs], "it has the older AlterConfigs only, which resets every other option"),
    (&[CooperativeGroups], "its assignors are eager"),
];

const RSKAFKA: Limits = &[
    (&[Acknowledgements], "every producer waits for all replicas"),
    (&[IdempotentProducer], "it has no producer ids"),
    (
        &[ProducesNullHeaders, ReadsNullHeaders],
        "a header value is a vector; it cannot decode a batch that holds a null one",
    ),
    (&[DuplicateHeaders, HeaderOrder], "it hands headers over as a sorted map"),
    (
        &[
            DescribesConfigs,
            AltersConfigs,
            AltersSingleConfigs,
            TellsOfRefusedOptions,
            AddsPartitions,
        ],
        "its controller client creates and deletes topics only",
    ),
    (&[Groups, CooperativeGroups, StaticMembership, TellsOfFencing], "it has no consumer groups"),
];
