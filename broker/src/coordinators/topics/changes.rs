//! Changes of topics that exist: more partitions, other options.
//!
//! ```text
//! decide ─► apply + enqueue record ─► unlock ─► wait durable ─► partitions, settings, lake as it is now
//! ```
//! Effects are taken from the cluster as it is when they happen, under its read lock, so of two
//! changes the later one's hold whatever order their waits end in. Only the number of partitions is
//! the change's own: a partition takes records no sooner than the record that makes it is durable.

use strom_coordinator::cluster::{
    Cluster, ClusterRecord, ConfigChange, GrowTopic, Topic, TopicError,
};
use strom_protocol::error_code::ErrorCode;
use strom_protocol::types::TopicId;
use strom_storage::TopicSpec;

use super::{Topics, change, spec, storage_fault};
use crate::errors::Fault;

/// What an administrator wants changed.
#[derive(Debug, Clone)]
pub enum TopicChange {
    /// More partitions.
    Grow(GrowTopic),
    /// Single options of the topic of this name, in order.
    Alter(String, Vec<ConfigChange>),
    /// All options of the topic of this name: those not given are no longer set.
    Replace(String, Vec<(String, String)>),
}

impl Topics {
    /// Says what a change would do, without doing it.
    pub fn validate_change(&self, wanted: &TopicChange) -> Result<(), Fault> {
        self.decide_change(&self.read(), wanted).map(|_| ()).map_err(fault)
    }

    /// Changes a topic; the change is durable and in effect when this returns the topic.
    pub async fn change(&self, wanted: &TopicChange) -> Result<Topic, Fault> {
        let (topic, ticket) = {
            let mut cluster = self.write();
            let record = self.decide_change(&cluster, wanted).map_err(fault)?;
            cluster.apply(&record);
            let ticket = self.store.metadata().apply(vec![change(&record)]);
            let ClusterRecord::Topic(topic) = record else {
                unreachable!("a change decides a topic")
            };
            (topic, ticket)
        };
        ticket.durable().await.map_err(|failed| storage_fault(&failed))?;
        self.take_effect(topic.id, topic.partitions)?;
        Ok(topic)
    }

    fn decide_change(
        &self,
        cluster: &Cluster,
        wanted: &TopicChange,
    ) -> Result<ClusterRecord, TopicError> {
        match wanted {
            TopicChange::Grow(request) => cluster.decide_grow(request, &self.limits),
            TopicChange::Alter(name, changes) => cluster.decide_alter(name, changes),
            TopicChange::Replace(name, configs) => cluster.decide_replace(name, configs),
        }
    }

    /// Brings partitions, their settings and the lake to where the cluster is, with at least
    /// `partitions` partitions, whose record is durable.
    pub(super) fn take_effect(&self, id: TopicId, partitions: i32) -> Result<(), Fault> {
        let cluster = self.read();
        let Some(topic) = cluster.topic_by_id(id) else {
            return Err(Fault::new(ErrorCode::UnknownTopicOrPartition, "deleted meanwhile"));
        };
        let spec = TopicSpec { partitions, ..spec(&cluster, topic) };
        let settings = spec.settings;
        self.store.add_topic(spec);
        self.store.update_topic(id, settings);
        self.tell_lake(&cluster, topic);
        Ok(())
    }
}

fn fault(error: TopicError) -> Fault {
    Fault::new(error.code, error.message)
}
