//! The durable state of a shard: exactly what its records say, in the order they were written.
//! [`GroupState::apply`] is the only mutation, live and on replay.

use std::collections::{BTreeMap, HashMap};

use strom_protocol::ByteString;

use super::records::{CommittedOffset, GroupMetadata, GroupRecord, OffsetKey};

/// Committed offsets of one group: topic, then partition.
pub(super) type GroupOffsets = BTreeMap<ByteString, BTreeMap<i32, CommittedOffset>>;

/// What the records of one `__consumer_offsets` partition say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupState {
    groups: HashMap<ByteString, GroupMetadata>,
    offsets: HashMap<ByteString, GroupOffsets>,
}

impl GroupState {
    /// Applies one record: a value sets its key, a tombstone removes it.
    pub fn apply(&mut self, record: &GroupRecord) {
        match record {
            GroupRecord::Group { group_id, metadata: Some(metadata) } => {
                self.groups.insert(group_id.clone(), metadata.clone());
            }
            GroupRecord::Group { group_id, metadata: None } => {
                self.groups.remove(group_id);
            }
            GroupRecord::Offset { key, committed: Some(committed) } => {
                self.offsets
                    .entry(key.group_id.clone())
                    .or_default()
                    .entry(key.topic.clone())
                    .or_default()
                    .insert(key.partition, committed.clone());
            }
            GroupRecord::Offset { key, committed: None } => self.remove_offset(key),
        }
    }

    /// The fewest records that make this state, groups before offsets, each sorted by key: what a
    /// checkpoint re-appends before the log start moves up to it.
    pub fn snapshot(&self) -> Vec<GroupRecord> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by(|a, b| a.0.cmp(b.0));
        let mut offsets: Vec<_> = self.offsets.iter().collect();
        offsets.sort_by(|a, b| a.0.cmp(b.0));
        let groups = groups.into_iter().map(|(group_id, metadata)| GroupRecord::Group {
            group_id: group_id.clone(),
            metadata: Some(metadata.clone()),
        });
        let offsets = offsets.into_iter().flat_map(|(group_id, topics)| {
            topics.iter().flat_map(move |(topic, partitions)| {
                partitions.iter().map(move |(partition, committed)| GroupRecord::Offset {
                    key: OffsetKey {
                        group_id: group_id.clone(),
                        topic: topic.clone(),
                        partition: *partition,
                    },
                    committed: Some(committed.clone()),
                })
            })
        });
        groups.chain(offsets).collect()
    }

    /// How many records [`GroupState::snapshot`] would give: the measure of whether a checkpoint
    /// is worth it. Walks all offsets' topics, so it is not for the hot path.
    pub fn live_records(&self) -> usize {
        let offsets: usize =
            self.offsets.values().flat_map(|topics| topics.values()).map(BTreeMap::len).sum();
        self.groups.len() + offsets
    }

    /// The groups that have a metadata record.
    pub fn groups(&self) -> impl Iterator<Item = (&ByteString, &GroupMetadata)> {
        self.groups.iter()
    }

    /// The last recorded metadata of a group.
    pub fn group(&self, group_id: &str) -> Option<&GroupMetadata> {
        self.groups.get(group_id)
    }

    /// The committed offset of one partition.
    pub fn committed(
        &self,
        group_id: &str,
        topic: &str,
        partition: i32,
    ) -> Option<&CommittedOffset> {
        self.offsets.get(group_id)?.get(topic)?.get(&partition)
    }

    pub(super) fn groups_with_offsets(&self) -> impl Iterator<Item = &ByteString> {
        self.offsets.keys()
    }

    pub(super) fn offsets_of(&self, group_id: &str) -> Option<&GroupOffsets> {
        self.offsets.get(group_id)
    }

    fn remove_offset(&mut self, key: &OffsetKey) {
        let Some(topics) = self.offsets.get_mut(&key.group_id) else { return };
        let Some(partitions) = topics.get_mut(&key.topic) else { return };
        partitions.remove(&key.partition);
        if partitions.is_empty() {
            topics.remove(&key.topic);
        }
        if topics.is_empty() {
            self.offsets.remove(&key.group_id);
        }
    }
}
