//! The store. Skeleton: bodies follow.

use std::sync::Arc;

use strom_protocol::TopicId;

use crate::data_dir::DataDir;
use crate::error::{OpenError, StorageFailed};
use crate::metadata::MetadataLog;
use crate::partition::{Partition, PartitionSettings};
use crate::recovery::RecoveryReport;
use crate::retention::RetentionReport;

/// `flush.policy`: when an append counts as durable, and is shown to consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushPolicy {
    /// When it is synced to the disk.
    Sync,
    /// When it is written to the page cache, as Kafka does; a sync follows within a second.
    Os,
}

/// The store's options.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The size of a journal file; the first files of a new directory are smaller.
    pub journal_file_bytes: u64,
    /// `journal.retention.bytes`: the budget of all journal files.
    pub journal_retention_bytes: u64,
    /// `flush.policy`.
    pub flush_policy: FlushPolicy,
    /// The budget of the newest bytes in memory, over all partitions.
    pub tail_bytes: u64,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            journal_file_bytes: 64 << 20,
            journal_retention_bytes: 1 << 30,
            flush_policy: FlushPolicy::Sync,
            tail_bytes: 64 << 20,
            producer_id_expiration_ms: 24 * 3_600_000,
        }
    }
}

/// A topic to open or add.
#[derive(Clone, Debug)]
pub struct TopicSpec {
    /// The topic's identity.
    pub id: TopicId,
    /// The name, for messages only.
    pub name: String,
    /// The number of partitions.
    pub partitions: i32,
    /// The settings of each.
    pub settings: PartitionSettings,
    /// Floors of log ends, by partition: what the lake has committed is never written again, even if a
    /// recovery finds less. Usually empty.
    pub min_log_end: Vec<(i32, i64)>,
}

/// Figures for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// The journal's files, in bytes.
    pub journal_bytes: u64,
    /// The journal's files.
    pub journal_files: u64,
    /// The journal's end: all bytes ever written to it, in groups.
    pub written_lsn: u64,
    /// What is synced of it.
    pub synced_lsn: u64,
    /// Syncs since the start.
    pub sync_count: u64,
    /// Group writes since the start.
    pub write_count: u64,
    /// Batches appended since the start.
    pub append_count: u64,
    /// Bytes of batches appended since the start.
    pub append_bytes: u64,
    /// The newest bytes held in memory.
    pub tail_bytes: u64,
}

/// All partitions over one journal.
#[derive(Debug)]
pub struct Store {}

#[allow(clippy::unimplemented, unused_variables)]
impl Store {
    /// Opens a data directory: recovers the journal and all partitions of `topics`.
    pub fn open(
        data_dir: DataDir,
        metadata: MetadataLog,
        options: StoreOptions,
        topics: Vec<TopicSpec>,
        now_ms: i64,
    ) -> Result<(Arc<Store>, RecoveryReport), OpenError> {
        unimplemented!()
    }

    /// The cluster id: 22 characters, made when the directory was.
    pub fn cluster_id(&self) -> &str {
        unimplemented!()
    }

    /// The metadata log.
    pub fn metadata(&self) -> &MetadataLog {
        unimplemented!()
    }

    /// Adds a topic, or partitions to one that is there.
    pub fn add_topic(&self, spec: TopicSpec) {
        unimplemented!()
    }

    /// Changes the settings of a topic's partitions.
    pub fn update_topic(&self, id: TopicId, settings: PartitionSettings) {
        unimplemented!()
    }

    /// Removes a topic: waits of readers end, appends are refused, its bytes are freed by retention.
    pub fn remove_topic(&self, id: TopicId) {
        unimplemented!()
    }

    /// A partition.
    pub fn partition(&self, id: TopicId, index: i32) -> Option<Arc<Partition>> {
        unimplemented!()
    }

    /// A topic's partitions in order; none if there is no such topic.
    pub fn partitions(&self, id: TopicId) -> Vec<Arc<Partition>> {
        unimplemented!()
    }

    /// A producer id that was never given before.
    pub async fn allocate_producer_id(&self) -> Result<i64, StorageFailed> {
        unimplemented!()
    }

    /// Resolves when the storage has failed and must be opened again (fail-stop). Cancel-safe.
    pub async fn failed(&self) -> StorageFailed {
        unimplemented!()
    }

    /// Resolves when everything appended so far is synced, whatever the flush policy. Cancel-safe.
    pub async fn sync_now(&self) -> Result<(), StorageFailed> {
        unimplemented!()
    }

    /// Applies retention and frees journal files. Blocks.
    pub fn run_retention(&self, now_ms: i64) -> RetentionReport {
        unimplemented!()
    }

    /// Figures at this moment.
    pub fn stats(&self) -> StoreStats {
        unimplemented!()
    }

    /// Writes and syncs what is queued, marks the directory as cleanly closed, and ends the threads.
    /// Blocks; idempotent. Appends after it fail.
    pub fn close(&self) -> Result<(), StorageFailed> {
        unimplemented!()
    }
}
