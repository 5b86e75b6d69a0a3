//! The composition: one data directory, one metadata log, one journal, all partitions.
//!
//! Start: metadata log, recovery, the clean marker's removal (durable), the journal's threads. Stop: the
//! journal (written, synced, threads ended), the clean marker (durable).

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use strom_protocol::{TopicId, Uuid};

use crate::data_dir::DataDir;
use crate::error::{OpenError, StorageFailed};
use crate::journal::{Journal, JournalOptions};
use crate::keys;
use crate::metadata::{Change, MetadataLog, MetadataTicket};
use crate::partition::{Context, Partition, PartitionSettings, Recovered, TailBudget};
use crate::recovery::{Recovery, RecoveryReport};
use crate::retention::{self, RetentionReport};
use crate::ticket::lock;

/// How many producer ids are reserved at once.
const PRODUCER_ID_BLOCK: i64 = 1000;

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
pub struct Store {
    cluster_id: String,
    metadata: MetadataLog,
    context: Arc<Context>,
    journal: Journal,
    topics: RwLock<HashMap<TopicId, Vec<Arc<Partition>>>>,
    producer_ids: Mutex<ProducerIds>,
    /// One run of retention at a time.
    retention: Mutex<()>,
    is_closed: Mutex<bool>,
    data_dir: DataDir,
}

/// Producer ids that are reserved and not given out yet.
#[derive(Debug)]
struct ProducerIds {
    next: i64,
    end: i64,
    /// Of the reservation.
    ticket: Option<MetadataTicket>,
}

impl Store {
    /// Opens a data directory: recovers the journal and all partitions of `topics`. Blocks; when it returns
    /// everything is served.
    pub fn open(
        data_dir: DataDir,
        metadata: MetadataLog,
        options: StoreOptions,
        topics: Vec<TopicSpec>,
        now_ms: i64,
    ) -> Result<(Arc<Store>, RecoveryReport), OpenError> {
        let cluster = cluster_id(&metadata)?;
        let recovery = Recovery {
            data_dir: &data_dir,
            metadata: &metadata,
            cluster_id: *cluster.as_bytes(),
            file_bytes: options.journal_file_bytes,
            topics: &topics,
            now_ms,
        };
        let recovered = recovery.run()?;
        let mut report = recovered.report;
        report.leader_epoch = begin_epoch(&metadata, &report, recovered.starts)?;
        let syncs_all = options.flush_policy == FlushPolicy::Sync;
        let journal_options = JournalOptions {
            dir: data_dir.journal_path(),
            cluster_id: *cluster.as_bytes(),
            file_bytes: options.journal_file_bytes,
            retention_bytes: options.journal_retention_bytes,
            syncs_every_write: syncs_all,
        };
        let (disk, fail_stop) = (Arc::clone(data_dir.disk()), Arc::clone(data_dir.fail_stop()));
        let journal = Journal::start(journal_options, disk, fail_stop, recovered.start)
            .map_err(OpenError::io("starting the threads of", data_dir.journal_path()))?;
        let context = Arc::new(Context {
            journal: Arc::clone(&journal.shared),
            metadata: metadata.clone(),
            tail_budget: TailBudget::new(options.tail_bytes),
            leader_epoch: report.leader_epoch,
            syncs_all,
            producer_id_expiration_ms: options.producer_id_expiration_ms,
        });
        let reserved = keys::get_array(&metadata, keys::PRODUCER_ID).map_or(0, i64::from_le_bytes);
        let store = Store {
            cluster_id: TopicId(cluster).to_string(),
            metadata,
            context,
            journal,
            topics: RwLock::default(),
            producer_ids: Mutex::new(ProducerIds { next: reserved, end: reserved, ticket: None }),
            retention: Mutex::default(),
            is_closed: Mutex::new(false),
            data_dir,
        };
        let mut partitions = recovered.partitions;
        for topic in topics {
            store.add_recovered(topic, |key| partitions.remove(&key).unwrap_or_default());
        }
        Ok((Arc::new(store), report))
    }

    /// The cluster id: 22 characters, made when the directory was.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The metadata log.
    pub fn metadata(&self) -> &MetadataLog {
        &self.metadata
    }

    /// The data directory.
    pub fn data_dir(&self) -> &DataDir {
        &self.data_dir
    }

    /// Adds a topic, or partitions to one that is there.
    pub fn add_topic(&self, spec: TopicSpec) {
        self.add_recovered(spec, |_| Recovered::default());
    }

    fn add_recovered(
        &self,
        spec: TopicSpec,
        mut recovered: impl FnMut((TopicId, i32)) -> Recovered,
    ) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let partitions = topics.entry(spec.id).or_default();
        for index in partitions.len() as i32..spec.partitions {
            let context = Arc::clone(&self.context);
            let recovered = recovered((spec.id, index));
            partitions.push(Partition::new(spec.id, index, spec.settings, context, recovered));
        }
    }

    /// Changes the settings of a topic's partitions.
    pub fn update_topic(&self, id: TopicId, settings: PartitionSettings) {
        for partition in self.partitions(id) {
            partition.set_settings(settings);
        }
    }

    /// Removes a topic: waits of readers end, appends are refused, its bytes are freed by retention. The
    /// deletion itself must be durable already, in the metadata of the topic's owner.
    pub fn remove_topic(&self, id: TopicId) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let partitions = topics.remove(&id).unwrap_or_default();
        drop(topics);
        for partition in &partitions {
            partition.delete();
        }
        let removals = keys::removals(&self.metadata, id);
        if !removals.is_empty() {
            // Nobody waits: keys that a crash leaves behind belong to a topic that never comes back.
            drop(self.metadata.apply(removals));
        }
    }

    /// A partition.
    pub fn partition(&self, id: TopicId, index: i32) -> Option<Arc<Partition>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(&id)?.get(usize::try_from(index).ok()?).cloned()
    }

    /// A topic's partitions in order; none if there is no such topic.
    pub fn partitions(&self, id: TopicId) -> Vec<Arc<Partition>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(&id).cloned().unwrap_or_default()
    }

    fn all_partitions(&self) -> Vec<Arc<Partition>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().flatten().cloned().collect()
    }

    /// A producer id that was never given before: reserved durably, in blocks. Cancel-safe (an id may be
    /// skipped).
    pub async fn allocate_producer_id(&self) -> Result<i64, StorageFailed> {
        let (id, ticket) = self.next_producer_id();
        if let Some(ticket) = ticket {
            ticket.durable().await?;
        }
        Ok(id)
    }

    fn next_producer_id(&self) -> (i64, Option<MetadataTicket>) {
        let mut ids = lock(&self.producer_ids);
        if ids.next == ids.end {
            ids.end += PRODUCER_ID_BLOCK;
            let change = keys::put(keys::PRODUCER_ID, &ids.end.to_le_bytes());
            ids.ticket = Some(self.metadata.apply(vec![change]));
        }
        ids.next += 1;
        (ids.next - 1, ids.ticket.clone())
    }

    /// Resolves when the storage has failed and must be opened again (fail-stop). Cancel-safe.
    pub async fn failed(&self) -> StorageFailed {
        self.journal.shared.fail_stop.failed().await
    }

    /// Resolves when the journal's budget leaves no room for its next file: a run of retention may help, and
    /// if it does not, produce will be refused. Cancel-safe.
    pub async fn pressure(&self) {
        self.journal.shared.pressure.notified().await;
    }

    /// Resolves when everything appended so far is synced, whatever the flush policy. Cancel-safe.
    pub async fn sync_now(&self) -> Result<(), StorageFailed> {
        let ordinal = self.journal.shared.request_sync();
        self.journal.shared.progress.synced.wait(ordinal).await
    }

    /// Applies retention and frees journal files. Blocks.
    pub fn run_retention(&self, now_ms: i64) -> RetentionReport {
        let _one_at_a_time = lock(&self.retention);
        let partitions = self.all_partitions();
        let shared = &self.journal.shared;
        // A failure has stopped the storage, and whoever waits in `failed` knows it.
        retention::run(shared, &self.metadata, &partitions, now_ms).unwrap_or_default()
    }

    /// Figures at this moment.
    pub fn stats(&self) -> StoreStats {
        let shared = &self.journal.shared;
        let files = shared.files();
        let counters = &shared.counters;
        StoreStats {
            journal_bytes: files.iter().map(|file| file.header.capacity).sum(),
            journal_files: files.len() as u64,
            written_lsn: shared.written_lsn(),
            synced_lsn: shared.synced_lsn(),
            sync_count: counters.syncs.load(Ordering::Relaxed),
            write_count: counters.writes.load(Ordering::Relaxed),
            append_count: counters.appends.load(Ordering::Relaxed),
            append_bytes: counters.append_bytes.load(Ordering::Relaxed),
            tail_bytes: self.context.tail_budget.used(),
        }
    }

    /// Writes and syncs what is queued, marks the directory as cleanly closed, and ends the journal's
    /// threads. Blocks; idempotent. Appends after it fail; reads go on.
    pub fn close(&self) -> Result<(), StorageFailed> {
        let mut is_closed = lock(&self.is_closed);
        if *is_closed {
            return Ok(());
        }
        self.journal.close()?;
        for partition in self.all_partitions() {
            partition.wake_subscribers();
        }
        if let Some(failure) = self.journal.shared.fail_stop.failure() {
            return Err(failure);
        }
        let end = self.journal.shared.written_lsn();
        self.metadata.apply(vec![keys::put(keys::CLEAN_END, &end.to_le_bytes())]).wait()?;
        *is_closed = true;
        Ok(())
    }
}

/// The cluster id, made on the first start. Kafka's tools take an id that begins with a dash for an option.
fn cluster_id(metadata: &MetadataLog) -> Result<Uuid, OpenError> {
    let known = keys::get(metadata, keys::CLUSTER_ID);
    if let Some(id) = known.and_then(|text| TopicId::parse(std::str::from_utf8(&text).ok()?)) {
        return Ok(id.0);
    }
    let id = std::iter::repeat_with(|| TopicId(Uuid::new_v4()))
        .find(|id| !id.to_string().starts_with('-'))
        .expect("the iterator is endless");
    metadata.apply(vec![keys::put(keys::CLUSTER_ID, id.to_string().as_bytes())]).wait()?;
    Ok(id.0)
}

/// The leader epoch from now on: one more if records may be gone that someone has seen. Durable when it
/// returns, as are the removal of the clean marker and the number of this start.
fn begin_epoch(
    metadata: &MetadataLog,
    report: &RecoveryReport,
    starts: u64,
) -> Result<i32, StorageFailed> {
    let epoch = keys::get_array(metadata, keys::LEADER_EPOCH).map_or(0, i32::from_le_bytes);
    let is_same = report.was_clean && report.corruptions.is_empty();
    let epoch = if is_same { epoch } else { epoch + 1 };
    let changes = vec![
        Change::Delete { key: keys::CLEAN_END.into() },
        keys::put(keys::LEADER_EPOCH, &epoch.to_le_bytes()),
        keys::put(keys::STARTS, &starts.to_le_bytes()),
    ];
    metadata.apply(changes).wait()?;
    Ok(epoch)
}
