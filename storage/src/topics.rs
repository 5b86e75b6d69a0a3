//! All partitions of a store, by topic.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use strom_protocol::TopicId;

use crate::partition::Partition;

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
