//! The shell of the cluster machine: topics exist when their record is durable.
//!
//! ```text
//! create: decide ─► apply + enqueue record ─► unlock ─► wait durable ─► partitions open, lake told
//! delete: decide ─► apply + enqueue record, partitions closed, lake told ─► unlock ─► wait durable
//! ```
//! Between apply and durability a topic is known but has no leader; clients retry that.

use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use strom_coordinator::cluster::topic_config::{
    self, BrokerDefaults, Effective, LogCompression, OnFlushTimeout,
};
use strom_coordinator::cluster::{
    Cluster, ClusterDefaults, ClusterRecord, CreateTopic, Limits, ManualAssignment, Topic,
    check_topic_name,
};
use strom_lake::{Lake, LakeTopic, OnTopicDelete};
use strom_protocol::error_code::ErrorCode;
use strom_protocol::types::TopicId;
use strom_protocol::{ByteString, Bytes, Uuid};
use strom_storage::{Change, MetadataLog, PartitionSettings, SegmentCompression, Store, TopicSpec};
use tracing::info;

use super::groups::OFFSETS_TOPIC;
use crate::clock::Clock;
use crate::config::Config;
use crate::errors::Fault;

mod changes;

pub use changes::TopicChange;

/// The topic that will keep transactions; a client may name it before anything is in it.
const TRANSACTIONS_TOPIC: &str = "__transaction_state";
/// Kafka's default of `transaction.state.log.num.partitions`.
const TRANSACTIONS_TOPIC_PARTITIONS: i32 = 50;
/// Where topics live in the metadata log.
const TOPIC_KEYS: &[u8] = b"t/";

/// A topic to create.
#[derive(Debug, Clone)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Partitions, -1 for the broker's default.
    pub partitions: i32,
    /// Replication factor, -1 for the broker's default.
    pub replication_factor: i16,
    /// Replicas by partition, if the client chose them.
    pub assignments: Vec<ManualAssignment>,
    /// Options.
    pub configs: Vec<(String, Option<String>)>,
}

impl NewTopic {
    /// A topic that somebody mentioned: all defaults.
    pub fn automatic(name: &str) -> Self {
        let name = name.to_owned();
        let (assignments, configs) = (Vec::new(), Vec::new());
        Self { name, partitions: -1, replication_factor: -1, assignments, configs }
    }

    /// One of the broker's own: compacted, with the given number of partitions.
    pub fn internal(name: &str, partitions: i32) -> Self {
        let configs = vec![("cleanup.policy".to_owned(), Some("compact".to_owned()))];
        Self { partitions, configs, ..Self::automatic(name) }
    }
}

/// What `Topics` is made of.
pub struct TopicsParts<'a> {
    /// The machine, replayed.
    pub cluster: Cluster,
    /// Partitions.
    pub store: Arc<Store>,
    /// The lake.
    pub lake: Arc<Lake>,
    /// The time.
    pub clock: Clock,
    /// Broker-wide defaults.
    pub config: &'a Config,
}

type DeletedHook = Box<dyn Fn(&[ByteString]) + Send + Sync>;

/// Every topic of this broker.
pub struct Topics {
    cluster: RwLock<Cluster>,
    store: Arc<Store>,
    lake: Arc<Lake>,
    clock: Clock,
    limits: Limits,
    offsets_partitions: i32,
    on_deleted: OnceLock<DeletedHook>,
}

/// The machine's defaults from the configuration.
pub fn cluster_defaults(config: &Config) -> ClusterDefaults {
    ClusterDefaults {
        partitions: config.num_partitions,
        replication_factor: config.default_replication_factor,
        replication_factor_max: config.replication_factor_max_accepted,
        broker_ids: vec![config.node_id],
        topic_defaults: config.topic_defaults.clone(),
    }
}

/// Rebuilds the machine from the metadata log.
pub fn replay(metadata: &MetadataLog, defaults: ClusterDefaults) -> Result<Cluster, String> {
    let mut cluster = Cluster::new(defaults);
    for (key, value) in metadata.scan(TOPIC_KEYS) {
        let record = ClusterRecord::from_entry(&key, &value)
            .map_err(|error| format!("the metadata log holds an unreadable topic: {error}"))?;
        cluster.apply(&record);
    }
    Ok(cluster)
}

/// What storage must open; no log may end below what the lake has committed of it.
pub fn specs(cluster: &Cluster, metadata: &MetadataLog) -> Vec<TopicSpec> {
    let mut committed = strom_lake::committed_offsets(metadata);
    let specs = cluster.topics().map(|topic| TopicSpec {
        min_log_end: committed.remove(&topic.id).unwrap_or_default(),
        ..spec(cluster, topic)
    });
    specs.collect()
}

fn spec(cluster: &Cluster, topic: &Topic) -> TopicSpec {
    let effective = topic_config::effective(topic, &cluster.defaults().topic_defaults);
    TopicSpec {
        id: topic.id,
        name: topic.name.clone(),
        partitions: topic.partitions,
        settings: settings(topic, &effective),
        min_log_end: Vec::new(),
    }
}

/// Largest record batch of an internal topic: the machines bound their own records.
const INTERNAL_MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

fn settings(topic: &Topic, effective: &Effective) -> PartitionSettings {
    let internal = topic.is_internal();
    PartitionSettings {
        max_message_bytes: if internal {
            INTERNAL_MESSAGE_BYTES_MAX
        } else {
            effective.max_message_bytes
        },
        log_append_time: effective.is_log_append_time,
        timestamp_before_max_ms: effective.timestamp_before_max_ms,
        timestamp_after_max_ms: effective.timestamp_after_max_ms,
        require_keys: effective.is_compact,
        // What the machines need of their logs, only they can tell, whatever the topic's options.
        retention_ms: if internal { -1 } else { effective.retention_ms },
        retention_bytes: if internal { -1 } else { effective.retention_bytes },
        sync_each: effective.is_synced_each,
        segment_compression: match effective.log_compression {
            LogCompression::None => SegmentCompression::None,
            LogCompression::Lz4 => SegmentCompression::Lz4,
            LogCompression::Zstd => SegmentCompression::Zstd,
        },
        internal,
    }
}

fn lake_topic(topic: &Topic, effective: &Effective) -> LakeTopic {
    let duration = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    LakeTopic {
        freshness: Some(duration(effective.lake_freshness_ms)),
        read_flush_timeout: Some(duration(effective.read_flush_timeout_ms)),
        fail_on_timeout: Some(effective.on_read_flush_timeout == OnFlushTimeout::Fail),
        read_flush_min_interval: duration(effective.read_flush_min_interval_ms),
        retention: effective.lake_retention_ms.map(duration),
        is_retention_guarded: effective.is_retention_guarded,
        partition_by: effective.lake_partition_by.clone(),
        ..LakeTopic::new(topic.id, topic.name.clone(), topic.partitions, topic.created_ms)
    }
}

fn on_delete(cluster: &Cluster, topic: &Topic) -> OnTopicDelete {
    match topic_config::effective(topic, &cluster.defaults().topic_defaults).is_table_kept {
        true => OnTopicDelete::Keep,
        false => OnTopicDelete::Purge,
    }
}

impl Topics {
    /// Topics over what was replayed.
    pub fn new(parts: TopicsParts<'_>) -> Self {
        Self {
            cluster: RwLock::new(parts.cluster),
            store: parts.store,
            lake: parts.lake,
            clock: parts.clock,
            limits: Limits::default(),
            offsets_partitions: parts.config.groups.offsets_topic_partitions,
            on_deleted: OnceLock::new(),
        }
    }

    /// Calls `hook` with the names of topics that were deleted. Set once, before serving.
    pub fn on_deleted(&self, hook: impl Fn(&[ByteString]) + Send + Sync + 'static) {
        let _ = self.on_deleted.set(Box::new(hook));
    }

    /// Tells the lake of every topic it should keep as a table.
    pub fn announce_to_lake(&self) {
        let cluster = self.read();
        for topic in cluster.topics() {
            self.tell_lake(&cluster, topic);
        }
    }

    /// The topic of this name.
    pub fn get(&self, name: &str) -> Option<Topic> {
        self.read().topic(name).cloned()
    }

    /// The topic of this id.
    pub fn get_by_id(&self, id: TopicId) -> Option<Topic> {
        self.read().topic_by_id(id).cloned()
    }

    /// The id of this name, without a copy of the topic.
    pub fn id_of(&self, name: &str) -> Option<TopicId> {
        self.read().topic(name).map(|topic| topic.id)
    }

    /// The name of this id.
    pub fn name_of(&self, id: TopicId) -> Option<ByteString> {
        self.read().topic_by_id(id).map(|topic| topic.name.as_str().into())
    }

    /// The topic of this name with the options that hold for it.
    pub fn effective(&self, name: &str) -> Option<(Topic, Effective)> {
        let cluster = self.read();
        let topic = cluster.topic(name)?;
        Some((topic.clone(), cluster.effective(topic)))
    }

    /// The topic of this name, for a client's records. Internal topics are the broker's to write.
    pub fn produced_by_name(&self, name: &str) -> Result<TopicId, ErrorCode> {
        producible(self.read().topic(name)).unwrap_or(Err(ErrorCode::UnknownTopicOrPartition))
    }

    /// The topic of this id, for a client's records. Internal topics are the broker's to write.
    pub fn produced_by_id(&self, id: TopicId) -> Result<TopicId, ErrorCode> {
        producible(self.read().topic_by_id(id)).unwrap_or(Err(ErrorCode::UnknownTopicId))
    }

    /// Every topic, by name.
    pub fn all(&self) -> Vec<Topic> {
        self.read().topics().cloned().collect()
    }

    /// Whether `name` could be a topic's.
    pub fn check_name(&self, name: &str) -> Result<(), ErrorCode> {
        check_topic_name(name).map_err(|error| error.code)
    }

    /// Broker-wide values of topic options.
    pub fn defaults(&self) -> BrokerDefaults {
        self.read().defaults().topic_defaults.clone()
    }

    /// Says what creating `topic` would do, without doing it.
    pub fn validate(&self, topic: NewTopic) -> Result<Topic, Fault> {
        match self.decide(&self.read(), topic)? {
            ClusterRecord::Topic(topic) => Ok(topic),
            ClusterRecord::TopicDeleted { .. } => unreachable!("a creation decides a topic"),
        }
    }

    /// Creates a topic; it has leaders when this returns.
    pub async fn create(&self, topic: NewTopic) -> Result<Topic, Fault> {
        let (topic, ticket) = {
            let mut cluster = self.write();
            let record = self.decide(&cluster, topic)?;
            cluster.apply(&record);
            let ticket = self.store.metadata().apply(vec![change(&record)]);
            let ClusterRecord::Topic(topic) = record else {
                unreachable!("a creation decides a topic")
            };
            (topic, ticket)
        };
        ticket.durable().await.map_err(|failed| storage_fault(&failed))?;
        self.take_effect(topic.id, topic.partitions)?;
        Ok(topic)
    }

    /// Deletes a topic with its records. Its table goes too, or takes what it lacks of the topic's records
    /// first and is kept: if it cannot within `patience`, the topic stays.
    pub async fn delete(&self, id: TopicId, patience: Duration) -> Result<(), Fault> {
        self.complete_kept_table(id, patience).await?;
        let (name, ticket) = {
            let mut cluster = self.write();
            let record =
                cluster.decide_delete(id).map_err(|error| Fault::new(error.code, error.message))?;
            let topic = cluster.topic_by_id(id).cloned();
            cluster.apply(&record);
            // One set of changes: no crash leaves a table of a topic that is no more, or purges
            // one that is to be kept.
            let mut changes = vec![change(&record)];
            if let Some(topic) = &topic {
                changes.extend(self.lake.retire_topic(id, on_delete(&cluster, topic)));
            }
            let ticket = self.store.metadata().apply(changes);
            let name = topic.map(|topic| topic.name).unwrap_or_default();
            self.store.remove_topic(id);
            (name, ticket)
        };
        ticket.durable().await.map_err(|failed| storage_fault(&failed))?;
        self.lake.remove_topic(id);
        if let Some(hook) = self.on_deleted.get() {
            hook(&[name.as_str().into()]);
        }
        info!(topic = name, topic_id = %id, "topic deleted");
        Ok(())
    }

    async fn complete_kept_table(&self, id: TopicId, patience: Duration) -> Result<(), Fault> {
        let is_kept = {
            let cluster = self.read();
            let topic = cluster.topic_by_id(id);
            topic.is_some_and(|topic| on_delete(&cluster, topic) == OnTopicDelete::Keep)
        };
        if !is_kept {
            return Ok(());
        }
        let partitions = self.store.partitions(id);
        let ends: Vec<(i32, i64)> = partitions
            .iter()
            .map(|partition| (partition.index(), partition.offsets().last_stable))
            .collect();
        let committed = self.lake.commit_below(id, &ends);
        let reason = match tokio::time::timeout(patience, committed).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("not committed within {} ms", patience.as_millis()),
        };
        let message = format!(
            "the topic is not deleted, because its table is to be kept and lacks its last records: \
             {reason}; try again, or set table.datalake.on-topic-delete=purge"
        );
        Err(Fault::new(ErrorCode::RequestTimedOut, message))
    }

    fn decide(&self, cluster: &Cluster, topic: NewTopic) -> Result<ClusterRecord, Fault> {
        let topic = self.with_internal_shape(topic);
        let request = CreateTopic {
            name: topic.name,
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            assignments: topic.assignments,
            configs: topic.configs,
            id: TopicId(Uuid::new_v4()),
            now_ms: self.clock.now_ms(),
        };
        cluster
            .decide_create(&request, &self.limits)
            .map_err(|error| Fault::new(error.code, error.message))
    }

    /// A client that names an internal topic gets it in the broker's shape.
    fn with_internal_shape(&self, topic: NewTopic) -> NewTopic {
        match topic.name.as_str() {
            OFFSETS_TOPIC => NewTopic::internal(OFFSETS_TOPIC, self.offsets_partitions),
            TRANSACTIONS_TOPIC => {
                NewTopic::internal(TRANSACTIONS_TOPIC, TRANSACTIONS_TOPIC_PARTITIONS)
            }
            _ => topic,
        }
    }

    fn tell_lake(&self, cluster: &Cluster, topic: &Topic) {
        let effective = topic_config::effective(topic, &cluster.defaults().topic_defaults);
        if effective.is_in_lake {
            self.lake.add_topic(lake_topic(topic, &effective));
        } else {
            self.lake.withdraw_topic(topic.id);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Cluster> {
        self.cluster.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Cluster> {
        self.cluster.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn producible(topic: Option<&Topic>) -> Option<Result<TopicId, ErrorCode>> {
    topic.map(|topic| {
        if topic.is_internal() { Err(ErrorCode::InvalidTopicException) } else { Ok(topic.id) }
    })
}

fn change(record: &ClusterRecord) -> Change {
    let (key, value) = record.to_change();
    let key = Bytes::from(key);
    match value {
        Some(value) => Change::Put { key, value: Bytes::from(value) },
        None => Change::Delete { key },
    }
}

fn storage_fault(failed: &strom_storage::StorageFailed) -> Fault {
    Fault::new(ErrorCode::KafkaStorageError, failed.to_string())
}
