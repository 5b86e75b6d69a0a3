//! The one table of broker options: name, type, default and what it trades off.
//!
//! Everything else about configuration is derived from it: which keys a flag, a file or the
//! environment may name, the checks on values, the rows of DescribeConfigs for the broker and the
//! page `docs/configuration.md`. Options that give *topic* options a broker-wide default stand in
//! `topic_defaults`, settings of Kafka that mean nothing here in `foreign`.

use super::value::Kind;

/// One option of the broker.
#[derive(Debug, Clone, Copy)]
pub struct ConfigOption {
    /// The key: Kafka's name where Kafka has the option.
    pub name: &'static str,
    /// The type of the value and its bounds.
    pub kind: Kind,
    /// The value when nobody sets one, in canonical text (plain bytes, plain milliseconds).
    pub default: &'static str,
    /// What it does, and what a larger or smaller value costs.
    pub doc: &'static str,
    /// The heading under which the documentation lists it.
    pub section: Section,
}

/// Headings of the documentation, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Addresses and identity.
    Network,
    /// Where the data is and how it is kept.
    Storage,
    /// How topics come to be.
    Topics,
    /// Limits on connections and requests.
    Limits,
    /// Consumer groups and their offsets.
    Groups,
    /// The Iceberg side.
    Lake,
    /// The broker's own log output.
    Logging,
}

impl Section {
    /// All sections in the order of the documentation.
    pub const ALL: [Section; 7] = [
        Section::Network,
        Section::Storage,
        Section::Topics,
        Section::Limits,
        Section::Groups,
        Section::Lake,
        Section::Logging,
    ];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Section::Network => "Addresses",
            Section::Storage => "Storage",
            Section::Topics => "Topics",
            Section::Limits => "Limits",
            Section::Groups => "Groups",
            Section::Lake => "Lake",
            Section::Logging => "Logs",
        }
    }
}

/// The name of the environment variable that sets `key`.
pub fn environment_name(key: &str) -> String {
    let upper = key.chars().map(|c| match c {
        '.' | '-' => '_',
        other => other.to_ascii_uppercase(),
    });
    "STROM_".chars().chain(upper).collect()
}

/// The option called `name`.
pub fn find(name: &str) -> Option<&'static ConfigOption> {
    OPTIONS.iter().find(|option| option.name == name)
}

/// The default of `listeners`: both loopback addresses, so `localhost` works however it resolves.
pub(super) const DEFAULT_LISTENERS: &str = "PLAINTEXT://127.0.0.1:9092,PLAINTEXT_IPV6://[::1]:9092";

const I32: i64 = i32::MAX as i64;
const MIB: i64 = 1 << 20;
const DAY_MS: i64 = 24 * 3600 * 1000;

const fn option(
    section: Section,
    name: &'static str,
    kind: Kind,
    default: &'static str,
) -> ConfigOption {
    ConfigOption { name, kind, default, doc: "", section }
}

impl ConfigOption {
    const fn doc(mut self, doc: &'static str) -> ConfigOption {
        self.doc = doc;
        self
    }
}

/// Every option, in the order of the documentation.
pub const OPTIONS: &[ConfigOption] = &[
    option(Section::Network, "node.id", Kind::Integer { min: 0, max: I32 }, "1").doc(
        "The id under which clients see this broker in Metadata. Changing it is safe: nothing \
         stored depends on it.",
    ),
    option(Section::Network, "listeners", Kind::List, DEFAULT_LISTENERS).doc(
        "The sockets of the Kafka protocol, as NAME://host:port, comma-separated; names are unique. \
         Port 0 takes a free port. The default skips an address family that the machine does not \
         have; listeners given here must all bind. An empty host or 0.0.0.0 binds every interface \
         and needs advertised.listeners.",
    ),
    option(Section::Network, "advertised.listeners", Kind::List, "").doc(
        "What clients are told to connect to, one NAME://host:port per listener that needs one. \
         A client gets the address of the listener through which it came. A listener that is not \
         named here advertises the address it is bound to. Port 0 stands for the bound port. \
         Never 0.0.0.0: no client can connect to that.",
    ),
    option(
        Section::Network,
        "listener.security.protocol.map",
        Kind::List,
        "PLAINTEXT:PLAINTEXT,PLAINTEXT_IPV6:PLAINTEXT",
    )
    .doc(
        "The security protocol of each listener name, as NAME:PROTOCOL, comma-separated. PLAINTEXT \
         is the only protocol so far; SSL and SASL are refused rather than served unprotected.",
    ),
    option(Section::Network, "http.address", Kind::Address, "127.0.0.1:8081").doc(
        "The socket of the HTTP side: Iceberg REST catalog, metrics, health. Whoever can reach it \
         can read every topic's table location, so open it beyond loopback with care.",
    ),
    option(Section::Storage, "data.dir", Kind::Path, "./strom-data").doc(
        "The directory of everything the broker keeps: one broker at a time, created when missing. \
         A relative path counts from where the broker is started, as everywhere here.",
    ),
    option(Section::Storage, "flush.policy", Kind::Choice(&["sync", "os"]), "sync").doc(
        "When acks=all is answered: `sync` after fdatasync (one for all partitions in flight), \
         `os` once the operating system has the bytes. `os` is faster on slow disks and survives \
         a crash of the broker, but loses the last seconds when the machine loses power.",
    ),
    option(
        Section::Storage,
        "journal.retention.bytes",
        Kind::Bytes { min: 64 * MIB, max: i64::MAX },
        "1073741824",
    )
    .doc(
        "How large the journal may grow. It holds the newest records of all topics, for consumers \
         that are not far behind; what is older lies in columnar segments. A larger one serves \
         more reads as produced; after a crash up to half of it is replayed. When segments cannot \
         be written and the journal is at this size, produce is refused with KAFKA_STORAGE_ERROR, \
         and nothing is ever dropped silently.",
    ),
    option(
        Section::Storage,
        "journal.file.bytes",
        Kind::Bytes { min: MIB, max: 4096 * MIB },
        "134217728",
    )
    .doc(
        "Size at which the journal starts a new file, a quarter of journal.retention.bytes at most. \
         Space is freed in whole files: smaller ones give it back sooner, larger ones mean fewer \
         files.",
    ),
    option(
        Section::Storage,
        "memory.limit",
        Kind::Bytes { min: 64 * MIB, max: i64::MAX },
        "536870912",
    )
    .doc(
        "Memory for requests in flight and for the newest records kept ready for consumers. At \
         the limit the broker stops reading from its sockets until responses have left; more \
         lets more producers and long polls run at once.",
    ),
    option(
        Section::Storage,
        "log.retention.check.interval.ms",
        Kind::Milliseconds { min: 1, max: DAY_MS },
        "300000",
    )
    .doc("How often retention looks for what may go. Shorter frees disk sooner and costs CPU."),
    option(
        Section::Storage,
        "producer.id.expiration.ms",
        Kind::Milliseconds { min: 1, max: I32 },
        "86400000",
    )
    .doc(
        "How long an idle idempotent producer is remembered. Longer recognises duplicates after \
         longer pauses and keeps more state per partition.",
    ),
    option(Section::Topics, "auto.create.topics.enable", Kind::Boolean, "true").doc(
        "Create a topic when a client that allows it asks for one that does not exist. Convenient; \
         with it a typing error makes a topic.",
    ),
    option(Section::Topics, "num.partitions", Kind::Integer { min: 1, max: 10_000 }, "1").doc(
        "Partitions of a topic that is created without a number. More lets more consumers of a \
         group share the work; order holds within a partition only.",
    ),
    option(
        Section::Topics,
        "default.replication.factor",
        Kind::Integer { min: 1, max: 32_767 },
        "1",
    )
    .doc("The replication factor that topics created without one report. One broker keeps one copy."),
    option(
        Section::Topics,
        "replication.factor.max.accepted",
        Kind::Integer { min: 1, max: 32_767 },
        "3",
    )
    .doc(
        "The largest replication factor that CreateTopics accepts. Many tools hard-code 3; one \
         broker keeps one copy whatever the number says, durability is that of its disk.",
    ),
    option(Section::Limits, "message.max.bytes", Kind::Bytes { min: 0, max: I32 }, "1048588").doc(
        "The largest record batch, as compressed by the producer, that a topic accepts unless its \
         max.message.bytes says otherwise. Larger ones get MESSAGE_TOO_LARGE; consumers must be \
         able to hold one batch.",
    ),
    option(
        Section::Limits,
        "socket.request.max.bytes",
        Kind::Bytes { min: 1024, max: I32 },
        "104857600",
    )
    .doc("The largest request frame. A larger one closes its connection before it is read."),
    option(Section::Limits, "max.connections", Kind::Integer { min: 1, max: I32 }, "10000").doc(
        "Kafka connections open at once. Further ones are closed as they come, so those that are \
         open keep working. Each costs a file descriptor and some kilobytes.",
    ),
    option(Section::Limits, "max.connections.per.ip", Kind::Integer { min: 1, max: I32 }, "2147483647")
        .doc("Kafka connections open at once from one address. Behind a proxy all clients share one."),
    option(
        Section::Limits,
        "connections.max.idle.ms",
        Kind::Milliseconds { min: 1000, max: i64::MAX },
        "600000",
    )
    .doc(
        "A connection that has sent nothing for this long is closed. Clients reconnect by \
         themselves; shorter frees descriptors sooner.",
    ),
    option(
        Section::Limits,
        "max.incremental.fetch.session.cache.slots",
        Kind::Integer { min: 0, max: I32 },
        "1000",
    )
    .doc(
        "Consumers whose partitions the broker remembers, so that their fetches name, and are \
         answered, only what changed. Further ones send full requests, which is slower for those \
         that read many partitions. 0 turns it off.",
    ),
    option(
        Section::Groups,
        "group.initial.rebalance.delay.ms",
        Kind::Milliseconds { min: 0, max: I32 },
        "3000",
    )
    .doc(
        "How long the first join of an empty group waits for more members. 0 makes a single \
         consumer start at once; then each further member of a starting group costs a rebalance.",
    ),
    option(
        Section::Groups,
        "group.min.session.timeout.ms",
        Kind::Milliseconds { min: 1, max: I32 },
        "6000",
    )
    .doc("The shortest session.timeout.ms a member may ask for. Shorter finds the dead sooner and costs heartbeats."),
    option(
        Section::Groups,
        "group.max.session.timeout.ms",
        Kind::Milliseconds { min: 1, max: I32 },
        "1800000",
    )
    .doc("The longest session.timeout.ms a member may ask for. Longer leaves a dead member's partitions idle for longer."),
    option(Section::Groups, "group.max.size", Kind::Integer { min: 1, max: I32 }, "2147483647")
        .doc("Members that one group may have. Further ones get GROUP_MAX_SIZE_REACHED."),
    option(
        Section::Groups,
        "offsets.retention.minutes",
        Kind::Integer { min: 1, max: I32 },
        "10080",
    )
    .doc("How long the offsets of a group without members are kept. Afterwards its consumers start by auto.offset.reset."),
    option(Section::Groups, "offset.metadata.max.bytes", Kind::Bytes { min: 0, max: I32 }, "4096")
        .doc("The largest metadata string that may stand with a committed offset."),
    option(
        Section::Groups,
        "offsets.topic.num.partitions",
        Kind::Integer { min: 1, max: 10_000 },
        "50",
    )
    .doc("Partitions of __consumer_offsets. Read when the data directory is new; a group's place depends on it."),
    option(Section::Lake, "lake.warehouse", Kind::Path, "").doc(
        "Where the Iceberg tables are: a directory (a path or a file:// URL), or s3://bucket/prefix; \
         empty means `warehouse` in data.dir. Table metadata carries absolute locations, so engines \
         must see a directory under the same path. A table stays where it was made when this changes.",
    ),
    option(Section::Lake, "lake.namespace", Kind::Text, "kafka")
        .doc("The Iceberg namespace of the topics' tables: lower-case letters, digits and `_`."),
    option(Section::Lake, "s3.endpoint", Kind::Text, "").doc(
        "The S3 server of an s3:// warehouse, as https://minio.example:9000; empty means Amazon's. \
         With http:// everything but the secret itself travels unprotected. AWS_ENDPOINT_URL_S3 and \
         AWS_ENDPOINT_URL stand in for it.",
    ),
    option(Section::Lake, "s3.region", Kind::Text, "us-east-1").doc(
        "The region of the bucket. Other servers than Amazon's mostly take any. AWS_REGION and \
         AWS_DEFAULT_REGION stand in for it.",
    ),
    option(Section::Lake, "s3.access-key-id", Kind::Text, "").doc(
        "The broker's key. Without one AWS_ACCESS_KEY_ID with its companions counts, then the role \
         of the container, web identity or instance.",
    ),
    option(Section::Lake, "s3.secret-access-key", Kind::Secret, "")
        .doc("The secret of s3.access-key-id. Better in the environment or the file than in a flag."),
    option(Section::Lake, "s3.session-token", Kind::Secret, "")
        .doc("The session token of temporary keys; when they expire, the broker needs a restart."),
    option(Section::Lake, "s3.path-style-access", Kind::Boolean, "true").doc(
        "Requests go to endpoint/bucket, which every server understands; false puts the bucket into \
         the host name.",
    ),
    option(Section::Lake, "lake.vend-credentials", Kind::Choice(&["none", "read-only", "own"]), "read-only")
        .doc(
            "Which S3 keys a table load hands to whoever can reach http.address: `read-only` those of \
             lake.vended.* if they are set, `own` the broker's static keys where there are none, \
             which may then write and delete all that the broker may, `none` none at all. Engines \
             without vended keys need keys of their own.",
        ),
    option(Section::Lake, "lake.vended.access-key-id", Kind::Text, "")
        .doc("A key that may only read the warehouse, made to be handed to engines."),
    option(Section::Lake, "lake.vended.secret-access-key", Kind::Secret, "")
        .doc("The secret of lake.vended.access-key-id."),
    option(Section::Logging, "log.format", Kind::Choice(&["auto", "text", "json"]), "auto").doc(
        "Shape of the log on stderr: `auto` is text on a terminal and JSON otherwise.",
    ),
    option(Section::Logging, "log.level", Kind::Text, "info").doc(
        "Least level that is logged: error, warn, info, debug, trace; also per module, as \
         `info,strom_lake=debug`. `debug` writes a line per request.",
    ),
];
