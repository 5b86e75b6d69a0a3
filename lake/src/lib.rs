//! The lake: every topic's committed records as an Iceberg table, and the catalog that serves it.
//!
//! ```text
//!  storage ─► tailer ─► convert ─► parquet ─► commit (pure plan) ─► pointer record (one CAS)
//!             pulls     Arrow      synced     manifests, snapshot,   metadata location + marker
//!             to LSO    columns    files      metadata.json          move together
//! ```
//!
//! The broker adds and removes topics; everything else happens here, on a small pool of
//! low-priority threads: a table is committed when it lags by enough bytes, when it lags for too
//! long, or when somebody loads it ([`Catalog::load_table`] is fresh to the record). Nothing here
//! knows API messages or HTTP, and one table's failure never stops another's.

pub mod catalog;
pub mod columns;
pub mod convert;
pub mod parquet;
pub mod pointer;
pub mod warehouse;

mod ahead;
mod commit;
mod files;
mod flush;
mod lake;
mod maintenance;
mod manifest;
mod names;
mod output;
mod partitioning;
mod purge;
mod retention;
mod scheduler;
mod table;
mod tailer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use strom_protocol::TopicId;
use strom_protocol::partitioning::PartitionField;

use warehouse::{Root, S3Options};

pub use catalog::{Catalog, CatalogError, LoadedTable, Page, Representation};
pub use lake::{Lake, committed_offsets};
pub use table::{LakeStatus, TableState, TableStatus, Totals};
pub use warehouse::Warehouse;

/// The wall clock in milliseconds, injected so that tests own it.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How a lake behaves; topics may override what [`LakeTopic`] has.
#[derive(Clone)]
pub struct LakeOptions {
    /// Where tables are written to.
    pub warehouse: Root,
    /// How buckets are reached.
    pub s3: S3Options,
    /// A local directory for data files on their way to a bucket; absolute, and nobody else's.
    pub spool: PathBuf,
    /// The namespace of topics' tables, one level without dots.
    pub namespace: String,
    /// A table is committed once it lags by about this many bytes.
    pub commit_bytes: u64,
    /// A table is committed once it has lagged for this long.
    pub freshness: Duration,
    /// Everything that lags is committed once the journal has grown by this much since, so that
    /// a trickle never pins journal files that a busy topic needs freed.
    pub journal_pressure_bytes: u64,
    /// A data file is closed once it has about this many bytes.
    pub file_bytes: u64,
    /// What files that are encoded ahead of their commits may hold in memory, over all tables.
    pub ahead_bytes: usize,
    /// How long a load waits for the records that it should see.
    pub read_flush_timeout: Duration,
    /// Whether a load that cannot be made fresh in time fails; otherwise it says that it is stale.
    pub fail_on_timeout: bool,
    /// Worker threads: the number of tables that commit at once.
    pub threads: usize,
    /// The wall clock.
    pub clock: Clock,
}

impl LakeOptions {
    /// The defaults, for a warehouse.
    pub fn new(warehouse: impl Into<Root>, spool: impl Into<PathBuf>) -> LakeOptions {
        LakeOptions {
            warehouse: warehouse.into(),
            s3: S3Options::default(),
            spool: spool.into(),
            namespace: "kafka".into(),
            commit_bytes: 64 << 20,
            freshness: Duration::from_secs(600),
            journal_pressure_bytes: 256 << 20,
            file_bytes: 128 << 20,
            ahead_bytes: 64 << 20,
            read_flush_timeout: Duration::from_secs(2),
            fail_on_timeout: false,
            threads: 2,
            clock: Arc::new(system_time_ms),
        }
    }
}

impl std::fmt::Debug for LakeOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LakeOptions")
            .field("warehouse", &self.warehouse)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// A topic whose records belong in the lake; never an internal or compacted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakeTopic {
    /// The topic's id.
    pub id: TopicId,
    /// The topic's name.
    pub name: String,
    /// Its partitions.
    pub partitions: i32,
    /// When it was created: of two topics with one table name the earlier has the table.
    pub created_ms: i64,
    /// Overrides [`LakeOptions::freshness`].
    pub freshness: Option<Duration>,
    /// Overrides [`LakeOptions::read_flush_timeout`].
    pub read_flush_timeout: Option<Duration>,
    /// Overrides [`LakeOptions::fail_on_timeout`].
    pub fail_on_timeout: Option<bool>,
    /// Loads that come sooner after the last flush than this are answered without one.
    pub read_flush_min_interval: Duration,
    /// How the table's files are partitioned; by nothing if empty.
    pub partition_by: Vec<PartitionField>,
    /// Retention of the topic waits until the table has what it would remove. If not, the table
    /// never has what is removed before it is committed.
    pub is_retention_guarded: bool,
    /// Rows older than this leave the table, a file at a time; without it they stay for ever.
    pub retention: Option<Duration>,
}

/// What becomes of a table when its topic is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTopicDelete {
    /// It is dropped and its files are removed.
    Purge,
    /// It stays under another name.
    Keep,
}

impl LakeTopic {
    /// A topic that overrides nothing.
    pub fn new(id: TopicId, name: impl Into<String>, partitions: i32, created_ms: i64) -> Self {
        LakeTopic {
            id,
            name: name.into(),
            partitions,
            created_ms,
            freshness: None,
            read_flush_timeout: None,
            fail_on_timeout: None,
            read_flush_min_interval: Duration::ZERO,
            partition_by: Vec::new(),
            is_retention_guarded: true,
            retention: None,
        }
    }
}

/// Why the lake could not do something; the message names the thing and the remedy.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LakeError {
    /// The file system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// A bucket refused, or did not answer.
    #[error("cannot {action} {location}: {reason}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// On what.
        location: String,
        /// What the store said.
        reason: String,
        /// What that means.
        trouble: StoreTrouble,
    },
    /// A data file could not be encoded.
    #[error("cannot write Parquet file {path}: {reason}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the encoder said.
        reason: String,
    },
    /// Table metadata could not be made or read.
    #[error("cannot {action} of table {table}: {reason}")]
    Metadata {
        /// What was tried.
        action: &'static str,
        /// The table.
        table: String,
        /// What went wrong.
        reason: String,
    },
    /// A pointer record cannot be used.
    #[error("{0}")]
    Pointer(String),
    /// Records could not be read.
    #[error("cannot read topic {topic}, partition {partition}, offset {offset}: {reason}")]
    Read {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// From where.
        offset: i64,
        /// What storage said.
        reason: String,
    },
    /// The journal or the metadata log has failed; the broker is about to stop.
    #[error("storage failed: {0}")]
    Storage(String),
    /// Somebody else moved the table's pointer.
    #[error("the pointer of table {table} was moved by somebody else")]
    Conflict {
        /// The table.
        table: String,
    },
    /// The topic is being deleted, or the lake is closing.
    #[error("table {table} is being closed")]
    Closing {
        /// The table.
        table: String,
    },
    /// The options make no sense.
    #[error("lake options: {0}")]
    Options(String),
    /// A test's fault hook fired.
    #[error("stopped at {0} by a fault hook")]
    Fault(&'static str),
}

/// What an error of a bucket means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreTrouble {
    /// There is no such object.
    Missing,
    /// There is another object of that name.
    Exists,
    /// The bucket as a whole cannot be used now: trying again may help.
    Unavailable,
    /// This very request was refused.
    Other,
}

impl LakeError {
    /// Whether what was asked for does not exist.
    pub fn is_missing(&self) -> bool {
        match self {
            LakeError::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            LakeError::Store { trouble, .. } => *trouble == StoreTrouble::Missing,
            _ => false,
        }
    }

    /// Whether there is no file where one was to be read: nothing, or a directory.
    pub(crate) fn is_no_file(&self) -> bool {
        use std::io::ErrorKind::{IsADirectory, NotADirectory};
        let is_directory = match self {
            LakeError::Io { source, .. } => {
                matches!(source.kind(), IsADirectory | NotADirectory)
            }
            _ => false,
        };
        is_directory || self.is_missing()
    }

    /// Whether what was to be created exists.
    pub fn is_exists(&self) -> bool {
        match self {
            LakeError::Io { source, .. } => source.kind() == std::io::ErrorKind::AlreadyExists,
            LakeError::Store { trouble, .. } => *trouble == StoreTrouble::Exists,
            _ => false,
        }
    }

    /// Whether a bucket as a whole cannot be used, which its outage says better than a table.
    pub fn is_outage(&self) -> bool {
        matches!(self, LakeError::Store { trouble: StoreTrouble::Unavailable, .. })
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> LakeError {
        LakeError::Io { action, path: path.to_path_buf(), source: Arc::new(source) }
    }

    pub(crate) fn parquet(path: &Path, error: impl std::fmt::Display) -> LakeError {
        LakeError::Parquet { path: path.to_path_buf(), reason: error.to_string() }
    }
}

fn system_time_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
