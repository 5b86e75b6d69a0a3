//! Cluster metadata: topics and their configuration, as records of the metadata log.
//!
//! ```text
//!   CreateTopic ──decide_create──► ClusterRecord ──► (key b"t/…", value) in the metadata log
//!                                      │
//!                                      └─apply──► Cluster   the only mutation, live and on replay
//! ```
//!
//! The shell applies a record right after its change was accepted by the metadata log, and
//! answers when that is durable. Names, sizes and option values are judged here, never in a
//! request handler.

mod alter;
mod create;
mod name;
mod record;
mod topic;
pub mod topic_config;

use std::collections::{BTreeMap, HashMap};

use strom_protocol::{ErrorCode, TopicId};

pub use alter::{ConfigChange, ConfigOperation, GrowTopic};
pub use create::{CreateTopic, Limits, ManualAssignment};
pub use name::{TOPIC_NAME_BYTES_MAX, check_topic_name, names_collide};
pub use record::{ClusterRecord, ClusterRecordError};
pub use topic::Topic;
use topic_config::ConfigRow;

/// Why a request about a topic is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicError {
    /// Kafka's code.
    pub code: ErrorCode,
    /// A sentence that names the thing, the value and what to change.
    pub message: String,
}

impl TopicError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> TopicError {
        TopicError { code, message: message.into() }
    }
}

/// What the broker was configured with, where a topic does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDefaults {
    /// `num.partitions`
    pub partitions: i32,
    /// `default.replication.factor`
    pub replication_factor: i16,
    /// `replication.factor.max.accepted`: factors up to it are accepted and echoed whatever the
    /// number of brokers, because tools hard-code 3; durability is the storage's.
    pub replication_factor_max: i16,
    /// The brokers that manual assignments may name.
    pub broker_ids: Vec<i32>,
    /// Broker-level values of topic options.
    pub topic_defaults: topic_config::BrokerDefaults,
}

impl Default for ClusterDefaults {
    fn default() -> Self {
        ClusterDefaults {
            partitions: 1,
            replication_factor: 1,
            replication_factor_max: 3,
            broker_ids: vec![1],
            topic_defaults: topic_config::BrokerDefaults::default(),
        }
    }
}

/// All topics of the cluster.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    defaults: ClusterDefaults,
    by_name: BTreeMap<String, Topic>,
    names: HashMap<TopicId, String>,
    partitions: usize,
}

impl Cluster {
    /// A cluster without topics.
    pub fn new(defaults: ClusterDefaults) -> Cluster {
        Cluster { defaults, ..Cluster::default() }
    }

    /// What the broker was configured with.
    pub fn defaults(&self) -> &ClusterDefaults {
        &self.defaults
    }

    /// Applies a record: the only mutation. A record of a topic that exists replaces it; removing
    /// one that does not exist changes nothing.
    pub fn apply(&mut self, record: &ClusterRecord) {
        match record {
            ClusterRecord::Topic(topic) => {
                self.remove(topic.id);
                self.partitions += topic.partitions as usize;
                self.names.insert(topic.id, topic.name.clone());
                self.by_name.insert(topic.name.clone(), topic.clone());
            }
            ClusterRecord::TopicDeleted { id } => self.remove(*id),
        }
    }

    /// The topic of this name.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.by_name.get(name)
    }

    /// The topic of this id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Topic> {
        self.by_name.get(self.names.get(&id)?)
    }

    /// All topics by name.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = &Topic> {
        self.by_name.values()
    }

    /// Partitions of all topics.
    pub fn partitions(&self) -> usize {
        self.partitions
    }

    /// What holds for a topic, from its own options, the broker's and the defaults.
    pub fn effective(&self, topic: &Topic) -> topic_config::Effective {
        topic_config::effective(topic, &self.defaults.topic_defaults)
    }

    /// The DescribeConfigs rows of a topic, for `names` or for every option.
    pub fn describe(&self, topic: &Topic, names: Option<&[String]>) -> Vec<ConfigRow> {
        topic_config::describe(topic, &self.defaults.topic_defaults, names)
    }

    /// Decides about a new topic; nothing changes until the record is applied.
    pub fn decide_create(
        &self,
        request: &CreateTopic,
        limits: &Limits,
    ) -> Result<ClusterRecord, TopicError> {
        create::decide(self, request, limits)
    }

    /// Decides about more partitions of a topic.
    pub fn decide_grow(
        &self,
        request: &GrowTopic,
        limits: &Limits,
    ) -> Result<ClusterRecord, TopicError> {
        alter::grow(self, request, limits)
    }

    /// Decides about changes of single options of a topic, in order.
    pub fn decide_alter(
        &self,
        name: &str,
        changes: &[ConfigChange],
    ) -> Result<ClusterRecord, TopicError> {
        alter::alter(self, name, changes)
    }

    /// Decides about all options of a topic: those not named are no longer set.
    pub fn decide_replace(
        &self,
        name: &str,
        configs: &[(String, String)],
    ) -> Result<ClusterRecord, TopicError> {
        alter::replace(self, name, configs)
    }

    /// Decides about removing a topic. Internal topics stay, as their content is the broker's.
    pub fn decide_delete(&self, id: TopicId) -> Result<ClusterRecord, TopicError> {
        let Some(topic) = self.topic_by_id(id) else {
            let message = format!("there is no topic with id {id}");
            return Err(TopicError::new(ErrorCode::UnknownTopicId, message));
        };
        if topic.is_internal() {
            let message = format!("topic {} is internal and cannot be deleted", topic.name);
            return Err(TopicError::new(ErrorCode::InvalidRequest, message));
        }
        Ok(ClusterRecord::TopicDeleted { id })
    }

    fn remove(&mut self, id: TopicId) {
        let Some(name) = self.names.remove(&id) else { return };
        if let Some(topic) = self.by_name.remove(&name) {
            self.partitions -= topic.partitions as usize;
        }
    }
}

#[cfg(test)]
mod tests;
