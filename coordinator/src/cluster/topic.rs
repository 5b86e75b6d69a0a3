//! A topic as the cluster knows it.

use std::collections::BTreeMap;

use strom_protocol::TopicId;

/// A topic: what does not change, and its own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Never reused: a topic of the same name created later has another.
    pub id: TopicId,
    /// Its name.
    pub name: String,
    /// Partitions, numbered from 0; at least 1.
    pub partitions: i32,
    /// As asked for; this broker keeps one copy.
    pub replication_factor: i16,
    /// The options set on the topic itself, as given.
    pub configs: BTreeMap<String, String>,
    /// When it was created.
    pub created_ms: i64,
}

impl Topic {
    /// Whether this is one of the broker's own topics, which clients may read but not delete.
    pub fn is_internal(&self) -> bool {
        is_internal(&self.name)
    }
}

/// The topics that Kafka marks as internal.
pub(super) fn is_internal(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}
