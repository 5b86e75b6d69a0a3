//! All partitions of a store, by topic.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use strom_protocol::TopicId;

use crate::partition::{Partition, PartitionSettings};
use crate::store::TopicSpec;

/// The topics that a store is opened with, and what that says of others.
#[derive(Clone, Debug)]
pub enum TopicList {
    /// All that there are: the owner of the topics says so. What is kept of any other is what its deletion
    /// left behind when a crash cut it short, and is removed.
    Complete(Vec<TopicSpec>),
    /// Some that there are. Others are opened as they are found, and keep everything until they are listed or
    /// removed. Of a topic that was deleted, what the journal still has may come up again.
    Partial(Vec<TopicSpec>),
}

impl From<Vec<TopicSpec>> for TopicList {
    /// Nothing is lost by a list that is too short.
    fn from(topics: Vec<TopicSpec>) -> TopicList {
        TopicList::Partial(topics)
    }
}

impl TopicList {
    pub(crate) fn topics(&self) -> &[TopicSpec] {
        match self {
            TopicList::Complete(topics) | TopicList::Partial(topics) => topics,
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        matches!(self, TopicList::Complete(_))
    }
}

/// A topic that was found and not listed: partitions up to the greatest one seen, of which nothing goes.
pub(crate) fn unlisted(id: TopicId, partitions: i32) -> TopicSpec {
    let settings =
        PartitionSettings { retention_ms: -1, retention_bytes: -1, ..PartitionSettings::default() };
    TopicSpec { id, name: id.to_string(), partitions, settings, min_log_end: Vec::new() }
}

#[derive(Debug, Default)]
pub(crate) struct Topics {
    topics: RwLock<HashMap<TopicId, Vec<Arc<Partition>>>>,
}

impl Topics {
    /// Adds what a topic lacks of its partitions.
    pub(crate) fn add(&self, id: TopicId, count: i32, mut make: impl FnMut(i32) -> Arc<Partition>) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let partitions = topics.entry(id).or_default();
        for index in partitions.len() as i32..count {
            partitions.push(make(index));
        }
    }

    pub(crate) fn remove(&self, id: TopicId) -> Vec<Arc<Partition>> {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.remove(&id).unwrap_or_default()
    }

    pub(crate) fn partition(&self, id: TopicId, index: i32) -> Option<Arc<Partition>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(&id)?.get(usize::try_from(index).ok()?).cloned()
    }

    /// A topic's partitions in order; none if there is no such topic.
    pub(crate) fn partitions(&self, id: TopicId) -> Vec<Arc<Partition>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(&id).cloned().unwrap_or_default()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().flatten().cloned().collect()
    }
}
