//! Configuration: raw text from flags, environment and file becomes one validated [`Config`].
//!
//! It happens once, at start, in three steps: `sources` collects what was written, `resolve` looks
//! every key up in the one `table` and reads its value, `build` turns the values into the struct.
//! Every fault is kept until the end, so a user sees all of them at once, each with its remedy.
//! Nothing here opens a socket or touches the data directory.

mod build;
mod describe;
mod foreign;
mod listener;
mod resolve;
mod sources;
mod table;
#[cfg(test)]
mod tests;
mod topic_defaults;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use strom_coordinator::cluster::topic_config::BrokerDefaults;
use strom_lake::warehouse::{Root, S3Options};

pub use describe::{DescribedOption, documentation};
pub use listener::{Advertised, HostPort, Listener, SecurityProtocol, is_wildcard};
pub use sources::{Origin, Sources};
pub use table::{ConfigOption, OPTIONS, environment_name};
pub use value::Kind;

/// What the broker runs with. Every value has been checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// `node.id`.
    pub node_id: i32,
    /// The sockets to bind, in the order given; at least one.
    pub listeners: Vec<Listener>,
    /// What to tell the clients of each listener: exactly one entry per listener, same order.
    pub advertised: Vec<Advertised>,
    /// Where HTTP is served.
    pub http_address: HostPort,
    /// Where everything is kept; absolute.
    pub data_dir: PathBuf,
    /// When acks=all is answered.
    pub flush_policy: FlushPolicy,
    /// Size that the journal may reach.
    pub journal_retention_bytes: u64,
    /// Size at which the journal starts a new file.
    pub journal_file_bytes: u64,
    /// Memory for requests in flight and the newest records.
    pub memory_limit: usize,
    /// How often retention runs.
    pub retention_check_interval: Duration,
    /// How long an idle idempotent producer is remembered.
    pub producer_id_expiration_ms: i64,
    /// Whether asking for an unknown topic may create it.
    pub auto_create_topics_enable: bool,
    /// Partitions of a topic created without a number.
    pub num_partitions: i32,
    /// Replication factor of a topic created without one.
    pub default_replication_factor: i16,
    /// Largest replication factor that CreateTopics accepts.
    pub replication_factor_max_accepted: i16,
    /// Limits on what clients may ask for.
    pub limits: Limits,
    /// Consumer groups and their offsets.
    pub groups: Groups,
    /// Where the Iceberg tables are.
    pub lake: Lake,
    /// Shape of the log on stderr.
    pub log_format: LogFormat,
    /// Filter of the log: `level` or `module=level`, comma-separated.
    pub log_level: String,
    /// Broker-wide defaults of topic options that somebody set.
    pub topic_defaults: BrokerDefaults,
    settings: Settings,
}

/// Limits on what clients may ask for.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest record batch, as compressed by the producer, unless the topic says otherwise.
    pub message_max_bytes: usize,
    /// Largest request frame.
    pub socket_request_max_bytes: usize,
    /// Connections open at once.
    pub max_connections: usize,
    /// Connections open at once from one address.
    pub max_connections_per_ip: usize,
    /// Silence after which a connection is closed.
    pub connections_max_idle: Duration,
    /// Consumers whose partitions are remembered from one fetch to the next.
    pub fetch_sessions: usize,
}

/// Settings of consumer groups.
#[derive(Debug, Clone)]
pub struct Groups {
    /// How long the first join of an empty group waits for more members.
    pub initial_rebalance_delay_ms: i64,
    /// Shortest session time-out a member may ask for.
    pub min_session_timeout_ms: i64,
    /// Longest session time-out a member may ask for.
    pub max_session_timeout_ms: i64,
    /// Members of one group.
    pub max_size: usize,
    /// How long the offsets of a group without members are kept.
    pub offsets_retention_ms: i64,
    /// Largest metadata string of a committed offset.
    pub offset_metadata_max_bytes: usize,
    /// Partitions of `__consumer_offsets` when it is created.
    pub offsets_topic_partitions: i32,
}

/// Where the Iceberg tables are.
#[derive(Debug, Clone)]
pub struct Lake {
    /// Where the tables are.
    pub warehouse: Root,
    /// How buckets are reached.
    pub s3: S3Options,
    /// Namespace of the topics' tables.
    pub namespace: String,
}

/// When a record counts as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushPolicy {
    /// After fdatasync.
    Sync,
    /// When the operating system has the bytes.
    Os,
}

/// Shape of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// A setting that is in force: its canonical text and who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    value: String,
    origin: Origin,
}

/// Settings in force, by key.
type Settings = BTreeMap<&'static str, Setting>;

/// A good configuration, and what its owner should be told.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// One sentence each, to be logged as warnings once the log is open.
    pub warnings: Vec<String>,
}

/// One fault in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The key, as written.
    pub key: String,
    /// The value, as written, where there was one.
    pub value: Option<String>,
    /// Where it stands: `--set`, the environment variable, the file; empty if nobody wrote it.
    pub place: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value:?}")?;
        }
        if !self.place.is_empty() {
            write!(f, " (from {})", self.place)?;
        }
        write!(f, " {}; {}", self.problem, self.remedy)
    }
}

/// All faults of a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "error" } else { "errors" };
        write!(f, "the configuration has {count} {noun}:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for ConfigErrors {}

impl Config {
    /// Reads `sources`; relative paths count from `current_dir`.
    pub fn load(sources: &Sources, current_dir: &Path) -> Result<Loaded, ConfigErrors> {
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        let given = sources::gather(sources, &mut errors, &mut warnings);
        let resolved = resolve::resolve(given, &mut errors, &mut warnings);
        let config = build::build(resolved, current_dir, &mut errors);
        match config {
            Some(config) if errors.is_empty() => Ok(Loaded { config, warnings }),
            _ => Err(ConfigErrors(errors)),
        }
    }

    /// What to tell clients that came through `listener`, bound to `bound_port`.
    pub fn advertised_for(&self, listener: &Listener, bound_port: u16) -> HostPort {
        let entry = self.advertised.iter().find(|entry| entry.listener == listener.name);
        let (host, port) =
            entry.map_or((&listener.host, listener.port), |entry| (&entry.host, entry.port));
        HostPort { host: host.clone(), port: if port == 0 { bound_port } else { port } }
    }
}
