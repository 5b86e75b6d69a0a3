//! The composition: one data directory, one metadata log, one journal, all partitions.
//!
//! Start: metadata log, recovery, the clean marker's removal (durable), the journal's threads, the flusher.
//! Stop: the flusher, the journal (written, synced, threads ended), the clean marker (durable).

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use strom_protocol::{TopicId, Uuid};

use crate::archive::Archive;
use crate::data_dir::DataDir;
use crate::error::{FlushError, OpenError, StorageFailed};
use crate::flush::{FlushOptions, Flusher, OBJECT_BYTES};
use crate::io::SECTOR_BYTES;
use crate::journal::{Journal, JournalOptions};
use crate::keys;
use crate::metadata::{Change, MetadataLog, MetadataTicket};
use crate::objects::DurableDirectory;
use crate::partition::{Context, Partition, PartitionSettings, Recovered, TailBudget};
use crate::recovery::{Recovery, RecoveryReport};
use crate::retention::{self, RetentionReport};
use crate::ticket::lock;
use crate::topics::{self, TopicList, Topics};

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
    /// The size of a journal file, at most a quarter of the journal's budget; the first file of a new directory
    /// is smaller.
    pub journal_file_bytes: u64,
    /// `journal.retention.bytes`: the budget of all journal files.
    pub journal_retention_bytes: u64,
    /// `flush.policy`.
    pub flush_policy: FlushPolicy,
    /// The budget of the newest bytes in memory, over all partitions.
    pub tail_bytes: u64,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// What a partition flushes into a segment at, and what an object is filled to.
    pub segment_bytes: u64,
    /// What the index of the batches in the journal may take in memory: 40 bytes a batch. As long as segments
    /// can be written, this and what arrives during one flush is all that it takes.
    pub index_bytes: u64,
}

impl StoreOptions {
    /// Space is freed in whole files, and one is written while the next is made ready: with fewer than four of
    /// them, appends would wait for every flush.
    fn file_bytes(&self) -> u64 {
        const SECTOR: u64 = SECTOR_BYTES as u64;
        let quarter = self.journal_retention_bytes / 4 / SECTOR * SECTOR;
        self.journal_file_bytes.min(quarter)
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            journal_file_bytes: 64 << 20,
            journal_retention_bytes: 1 << 30,
            flush_policy: FlushPolicy::Sync,
            tail_bytes: 64 << 20,
            producer_id_expiration_ms: 24 * 3_600_000,
            segment_bytes: OBJECT_BYTES,
            index_bytes: 64 << 20,
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
    /// Segments in the lists of all partitions.
    pub segments: u64,
    /// What they take in objects.
    pub segment_bytes: u64,
    /// Objects that hold them.
    pub objects: u64,
    /// Bytes of batches that are only in the journal.
    pub unflushed_bytes: u64,
    /// Batches in the journal whose place is in memory.
    pub indexed_batches: u64,
    /// Objects written since the start.
    pub object_write_count: u64,
    /// Segments flushed since the start.
    pub flush_count: u64,
    /// Bytes of batches that were flushed since the start.
    pub flushed_bytes: u64,
    /// Attempts to write segments that failed since the start.
    pub flush_failure_count: u64,
    /// Segments merged into others since the start.
    pub merge_count: u64,
    /// Bytes of batches in them.
    pub merged_bytes: u64,
}

/// All partitions over one journal.
#[derive(Debug)]
pub struct Store {
    cluster_id: String,
    metadata: MetadataLog,
    context: Arc<Context>,
    journal: Journal,
    topics: Arc<Topics>,
    flusher: Arc<Flusher>,
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
    /// Opens a data directory: recovers the journal and all partitions of `topics`, and of any other that is
    /// found, unless the list is complete. Blocks; when it returns everything is served.
    pub fn open(
        data_dir: DataDir,
        metadata: MetadataLog,
        options: StoreOptions,
        topics: impl Into<TopicList>,
        now_ms: i64,
    ) -> Result<(Arc<Store>, RecoveryReport), OpenError> {
        let topics = topics.into();
        let cluster = cluster_id(&metadata)?;
        let archive = Arc::new(open_archive(&data_dir)?);
        let recovery = Recovery {
            data_dir: &data_dir,
            metadata: &metadata,
            cluster_id: *cluster.as_bytes(),
            file_bytes: options.file_bytes(),
            topics: &topics,
            archive: &archive,
            now_ms,
        };
        let recovered = recovery.run()?;
        let mut report = recovered.report;
        report.leader_epoch = begin_epoch(&metadata, &report, recovered.starts)?;
        // After the epoch's decision: of the metadata nothing is gone.
        report.corruptions.extend_from_slice(metadata.healed());
        let syncs_all = options.flush_policy == FlushPolicy::Sync;
        let journal_options = JournalOptions {
            dir: data_dir.journal_path(),
            cluster_id: *cluster.as_bytes(),
            file_bytes: options.file_bytes(),
            retention_bytes: options.journal_retention_bytes,
            syncs_every_write: syncs_all,
        };
        let (disk, fail_stop) = (Arc::clone(data_dir.disk()), Arc::clone(data_dir.fail_stop()));
        let journal = Journal::start(journal_options, disk, fail_stop, recovered.start)
            .map_err(OpenError::io("starting the threads of", data_dir.journal_path()))?;
        let context = Arc::new(Context {
            journal: Arc::clone(&journal.shared),
            metadata: metadata.clone(),
            archive,
            freeing: Mutex::default(),
            replay: Mutex::new(keys::replay(&metadata)),
            tail_budget: TailBudget::new(options.tail_bytes),
            leader_epoch: report.leader_epoch,
            syncs_all,
            producer_id_expiration_ms: options.producer_id_expiration_ms,
        });
        let all = Arc::new(Topics::default());
        let mut partitions = recovered.partitions;
        let mut take = |key| partitions.remove(&key).unwrap_or_default();
        for topic in topics.topics() {
            add_recovered(&all, &context, topic, &mut take);
        }
        let others: Vec<_> = partitions.keys().copied().collect();
        let mut take = |key| partitions.remove(&key).unwrap_or_default();
        for (topic, partition) in others {
            add_recovered(&all, &context, &topics::unlisted(topic, partition + 1), &mut take);
        }
        let flush_options = FlushOptions {
            flush_bytes: options.segment_bytes,
            index_bytes_max: options.index_bytes,
        };
        let flusher = Flusher::start(Arc::clone(&all), Arc::clone(&context), flush_options)
            .map_err(OpenError::io("starting the flusher of", data_dir.objects_path()))?;
        let reserved = keys::get_array(&metadata, keys::PRODUCER_ID).map_or(0, i64::from_le_bytes);
        let store = Store {
            cluster_id: TopicId(cluster).to_string(),
            metadata,
            context,
            journal,
            topics: all,
            flusher,
            producer_ids: Mutex::new(ProducerIds { next: reserved, end: reserved, ticket: None }),
            retention: Mutex::default(),
            is_closed: Mutex::new(false),
            data_dir,
        };
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
        add_recovered(&self.topics, &self.context, &spec, |_| Recovered::default());
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
        // Held until their keys are removed: then nobody refers to their objects any more.
        let _segments: Vec<_> =
            self.topics.remove(id).iter().flat_map(|partition| partition.delete()).collect();
        let removals = keys::removals(&self.metadata, id);
        if !removals.is_empty() {
            // Nobody waits: keys that a crash leaves behind belong to a topic that never comes back.
            drop(self.metadata.apply(removals));
        }
    }

    /// A partition.
    pub fn partition(&self, id: TopicId, index: i32) -> Option<Arc<Partition>> {
        self.topics.partition(id, index)
    }

    /// A topic's partitions in order; none if there is no such topic.
    pub fn partitions(&self, id: TopicId) -> Vec<Arc<Partition>> {
        self.topics.partitions(id)
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
        // A failure has stopped the storage, and whoever waits in `failed` knows it.
        retention::run(&self.context, &self.topics, now_ms).unwrap_or_default()
    }

    /// Flushes everything appended so far into segments; gives the number of segments. Blocks.
    pub fn flush_now(&self) -> Result<u64, FlushError> {
        self.flusher.flush_now()
    }

    /// Merges small segments until nothing is left that is worth it; gives the number of segments that went
    /// into others. Blocks. The flusher does the same, a little at a time.
    pub fn merge_now(&self) -> Result<u64, FlushError> {
        self.flusher.merge_now()
    }

    /// Figures at this moment.
    pub fn stats(&self) -> StoreStats {
        let shared = &self.journal.shared;
        let files = shared.files();
        let counters = &shared.counters;
        let flushes = &self.flusher.counters;
        let mut stats = StoreStats {
            journal_bytes: files.iter().map(|file| file.header.capacity).sum(),
            journal_files: files.len() as u64,
            written_lsn: shared.written_lsn(),
            synced_lsn: shared.synced_lsn(),
            sync_count: counters.syncs.load(Ordering::Relaxed),
            write_count: counters.writes.load(Ordering::Relaxed),
            append_count: counters.appends.load(Ordering::Relaxed),
            append_bytes: counters.append_bytes.load(Ordering::Relaxed),
            tail_bytes: self.context.tail_budget.used(),
            object_write_count: flushes.objects.load(Ordering::Relaxed),
            flush_count: flushes.flushed_segments.load(Ordering::Relaxed),
            flushed_bytes: flushes.flushed_bytes.load(Ordering::Relaxed),
            flush_failure_count: flushes.failures.load(Ordering::Relaxed),
            merge_count: flushes.merges.load(Ordering::Relaxed),
            merged_bytes: flushes.merged_bytes.load(Ordering::Relaxed),
            ..StoreStats::default()
        };
        let mut objects = HashSet::new();
        for partition in self.topics.all() {
            let unflushed = partition.unflushed();
            for segment in partition.segments() {
                stats.segments += 1;
                stats.segment_bytes += segment.stored_bytes;
                objects.insert(segment.object.id);
            }
            stats.unflushed_bytes += unflushed.bytes;
            stats.indexed_batches += unflushed.indexed_batches;
        }
        stats.objects = objects.len() as u64;
        stats
    }

    /// Writes and syncs what is queued, marks the directory as cleanly closed, and ends the journal's
    /// threads. Blocks; idempotent. Appends after it fail; reads go on.
    pub fn close(&self) -> Result<(), StorageFailed> {
        let mut is_closed = lock(&self.is_closed);
        if *is_closed {
            return Ok(());
        }
        self.flusher.close();
        self.journal.close()?;
        for partition in self.topics.all() {
            partition.wake_subscribers();
        }
        if let Some(failure) = self.journal.shared.fail_stop.failure() {
            return Err(failure);
        }
        retention::note_replay_at_close(&self.context, &self.topics);
        let end = self.journal.shared.written_lsn();
        self.metadata.apply(vec![keys::put(keys::CLEAN_END, &end.to_le_bytes())]).wait()?;
        *is_closed = true;
        Ok(())
    }
}

impl Drop for Store {
    /// The flusher's thread holds the directory: it ends first.
    fn drop(&mut self) {
        self.flusher.close();
    }
}

fn open_archive(data_dir: &DataDir) -> Result<Archive, OpenError> {
    let root = data_dir.objects_path();
    let store = DurableDirectory::open(Arc::clone(data_dir.disk()), root.clone())
        .map_err(OpenError::io("opening", &root))?;
    Ok(Archive::new(Arc::new(store), root))
}

fn add_recovered(
    topics: &Topics,
    context: &Arc<Context>,
    spec: &TopicSpec,
    mut recovered: impl FnMut((TopicId, i32)) -> Recovered,
) {
    topics.add(spec.id, spec.partitions, |index| {
        let recovered = recovered((spec.id, index));
        Partition::new(spec.id, index, spec.settings, Arc::clone(context), recovered)
    });
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
