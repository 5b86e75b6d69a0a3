//! Committed offsets: commit, fetch, expiry, and removal with their topic.

use std::collections::BTreeMap;

use strom_protocol::{ByteString, ErrorCode};

use super::classic::{ClassicGroup, Groups};
use super::records::{OffsetKey, STRING_BYTES_MAX};
use super::state::GroupOffsets;
use super::step::Step;
use super::timers::TimerKey;
use super::{
    Commit, CommitReply, CommitTopicReply, CommittedOffset, DeleteOffsets, DeletedOffsets,
    FetchOffsets, FetchedOffsets, FetchedPartition, FetchedTopic, GroupConfig, GroupRecord,
    GroupState, Phase,
};

/// The next round of offset expiry when this one was full.
const NEXT_EXPIRY_ROUND_MS: i64 = 1_000;

/// Handles an OffsetCommit: all offsets of a commit that is allowed become records, except those
/// whose metadata is too long.
pub(super) fn commit(
    state: &GroupState,
    groups: &mut Groups,
    request: Commit,
    step: &mut Step<'_>,
) -> CommitReply {
    if let Err(error) = check_commit(groups, &request, step.config) {
        let refused = request.topics.into_iter().map(|topic| CommitTopicReply {
            name: topic.name,
            partitions: topic.partitions.iter().map(|p| (p.partition, error)).collect(),
        });
        return CommitReply { topics: refused.collect() };
    }
    let group = groups.get_or_create(&request.group_id, step.now_ms);
    if matches!(group.phase(), Phase::Stable | Phase::PreparingRebalance) {
        group.restart_session(&request.member_id, step);
    }
    let expire_timestamp_ms = (request.retention_time_ms >= 0)
        .then(|| step.now_ms.saturating_add(request.retention_time_ms));
    let existing = state.offsets_of(&request.group_id);
    let mut count = existing.map_or(0, |topics| topics.values().map(BTreeMap::len).sum());
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        let committed = existing.and_then(|topics| topics.get(&topic.name));
        for partition in topic.partitions {
            let is_new = committed.is_none_or(|c| !c.contains_key(&partition.partition));
            let metadata = partition.metadata.unwrap_or_default();
            let error = if is_too_long(&metadata, step.config.offset_metadata_max_bytes) {
                ErrorCode::OffsetMetadataTooLarge
            } else if is_new && count >= step.config.limits.offsets_max {
                ErrorCode::InvalidCommitOffsetSize
            } else {
                count += usize::from(is_new);
                ErrorCode::None
            };
            partitions.push((partition.partition, error));
            if error == ErrorCode::None {
                let key = OffsetKey {
                    group_id: request.group_id.clone(),
                    topic: topic.name.clone(),
                    partition: partition.partition,
                };
                let committed = CommittedOffset {
                    offset: partition.offset,
                    // The format of an offset with an expiry has no leader epoch, and neither have
                    // the request versions that give one.
                    leader_epoch: expire_timestamp_ms.map_or(partition.leader_epoch, |_| -1),
                    metadata,
                    commit_timestamp_ms: step.now_ms,
                    expire_timestamp_ms,
                };
                step.record(GroupRecord::Offset { key, committed: Some(committed) });
            }
        }
        topics.push(CommitTopicReply { name: topic.name, partitions });
    }
    CommitReply { topics }
}

/// Whether a commit is allowed.
///
/// A simple commit (generation -1, no member) is for groups without members, which it creates. A
/// member commits in its own generation: while the next one is prepared too, but not between the
/// join and the sync, when it is told that a rebalance is in progress.
fn check_commit(groups: &Groups, request: &Commit, config: &GroupConfig) -> Result<(), ErrorCode> {
    if request.group_id.len() > STRING_BYTES_MAX {
        return Err(ErrorCode::InvalidGroupId);
    }
    let Some(group) = groups.get(&request.group_id) else {
        if request.generation >= 0 {
            return Err(if request.missing_group_is_not_found {
                ErrorCode::GroupIdNotFound
            } else {
                ErrorCode::IllegalGeneration
            });
        }
        if groups.len() >= config.limits.groups_max {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        return Ok(());
    };
    if request.generation < 0 && group.is_empty() {
        return Ok(());
    }
    let is_simple = request.generation < 0
        && request.member_id.is_empty()
        && request.group_instance_id.is_none();
    if is_simple {
        return Err(ErrorCode::UnknownMemberId);
    }
    group.check_member(&request.member_id, request.group_instance_id.as_ref())?;
    if request.generation != group.generation {
        return Err(ErrorCode::IllegalGeneration);
    }
    if group.phase() == Phase::CompletingRebalance {
        return Err(ErrorCode::RebalanceInProgress);
    }
    Ok(())
}

/// Kafka counts UTF-16 units, which are never more than the bytes.
fn is_too_long(metadata: &str, max: usize) -> bool {
    let is_over = metadata.len() > max && metadata.encode_utf16().count() > max;
    is_over || metadata.len() > STRING_BYTES_MAX
}

/// Handles an OffsetFetch. A group or partition without an offset is -1, never an error.
pub(super) fn fetch(state: &GroupState, request: FetchOffsets) -> FetchedOffsets {
    let offsets = state.offsets_of(&request.group_id);
    let topics = match request.topics {
        None => offsets
            .into_iter()
            .flatten()
            .map(|(name, partitions)| FetchedTopic {
                name: name.clone(),
                partitions: partitions.iter().map(|(p, c)| fetched(*p, Some(c))).collect(),
            })
            .collect(),
        Some(topics) => topics
            .into_iter()
            .map(|(name, partitions)| {
                let committed = offsets.and_then(|topics| topics.get(&name));
                let partitions = partitions.into_iter();
                let partitions =
                    partitions.map(|p| fetched(p, committed.and_then(|c| c.get(&p)))).collect();
                FetchedTopic { name, partitions }
            })
            .collect(),
    };
    FetchedOffsets { error: ErrorCode::None, topics }
}

fn fetched(partition: i32, committed: Option<&CommittedOffset>) -> FetchedPartition {
    match committed {
        Some(committed) => FetchedPartition {
            partition,
            offset: committed.offset,
            leader_epoch: committed.leader_epoch,
            metadata: committed.metadata.clone(),
        },
        None => FetchedPartition {
            partition,
            offset: -1,
            leader_epoch: -1,
            metadata: ByteString::new(),
        },
    }
}

/// Writes a tombstone for every committed offset of these topics, in every group.
pub(super) fn topics_deleted(state: &GroupState, topics: &[ByteString], step: &mut Step<'_>) {
    for group_id in state.groups_with_offsets() {
        let Some(offsets) = state.offsets_of(group_id) else { continue };
        for topic in topics {
            for partition in offsets.get(topic).into_iter().flat_map(|p| p.keys()) {
                step.record(tombstone(group_id, topic, *partition));
            }
        }
    }
}

/// Handles an OffsetDelete: a live group of consumers keeps the offsets of the topics that it reads,
/// a live group of anything else keeps all.
pub(super) fn delete(
    state: &GroupState,
    groups: &Groups,
    request: DeleteOffsets,
    step: &mut Step<'_>,
) -> DeletedOffsets {
    let group = match groups.get(&request.group_id) {
        _ if request.group_id.is_empty() => Err(ErrorCode::InvalidGroupId),
        None => Err(ErrorCode::GroupIdNotFound),
        Some(group) if !group.is_empty() && !group.is_consumer_group() => {
            Err(ErrorCode::NonEmptyGroup)
        }
        Some(group) => Ok(group),
    };
    let group = match group {
        Ok(group) => group,
        Err(error) => return DeletedOffsets { error, topics: Vec::new() },
    };
    let committed = state.offsets_of(&request.group_id);
    let mut topics = Vec::with_capacity(request.topics.len());
    for (topic, partitions) in request.topics {
        let is_read = !group.is_empty() && group.is_subscribed(&topic);
        let error = if is_read { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
        let known = committed.and_then(|topics| topics.get(&topic)).filter(|_| !is_read);
        for partition in &partitions {
            if known.is_some_and(|known| known.contains_key(partition)) {
                step.record(tombstone(&request.group_id, &topic, *partition));
            }
        }
        topics.push((topic, partitions.into_iter().map(|index| (index, error)).collect()));
    }
    DeletedOffsets { error: ErrorCode::None, topics }
}

/// Writes a tombstone for every committed offset of a group.
pub(super) fn delete_all(state: &GroupState, group_id: &ByteString, step: &mut Step<'_>) {
    for (topic, partitions) in state.offsets_of(group_id).into_iter().flatten() {
        for partition in partitions.keys() {
            step.record(tombstone(group_id, topic, *partition));
        }
    }
}

fn tombstone(group_id: &ByteString, topic: &ByteString, partition: i32) -> GroupRecord {
    let key = OffsetKey { group_id: group_id.clone(), topic: topic.clone(), partition };
    GroupRecord::Offset { key, committed: None }
}

/// The timer of offset expiry: offsets past their retention go, and with the last of them the
/// empty group. A round is bounded; a full one is followed by the next.
pub(super) fn expire(state: &GroupState, groups: &mut Groups, step: &mut Step<'_>) {
    let mut group_ids: Vec<ByteString> = groups.iter().map(|g| g.id.clone()).collect();
    group_ids.sort();
    let max = step.config.limits.expired_per_round_max.max(1);
    for group_id in group_ids {
        if step.outcome.records.len() >= max {
            break;
        }
        let Some(group) = groups.get(&group_id) else { continue };
        let is_bare = expire_offsets_of(group, state.offsets_of(&group_id), step);
        if is_bare && group.is_empty() && !group.has_pending_members() {
            groups.remove(&group_id);
            step.record(GroupRecord::Group { group_id, metadata: None });
        }
    }
    let is_full = step.outcome.records.len() >= max;
    let interval_ms = step.config.offsets_retention_check_interval_ms;
    let interval_ms = if is_full { NEXT_EXPIRY_ROUND_MS.min(interval_ms) } else { interval_ms };
    step.timers.schedule(TimerKey::OffsetExpiry, step.now_ms.saturating_add(interval_ms.max(1)));
}

/// Writes tombstones for what has expired; true when nothing of the group's offsets remains.
fn expire_offsets_of(
    group: &ClassicGroup,
    offsets: Option<&GroupOffsets>,
    step: &mut Step<'_>,
) -> bool {
    let Some(offsets) = offsets else { return true };
    let Some(base) = expiry_base(group) else { return false };
    let retention_ms = step.config.offsets_retention_ms;
    let mut is_bare = true;
    for (topic, partitions) in offsets {
        let is_subscribed = group.is_subscribed(topic);
        for (partition, committed) in partitions {
            let since_ms = match base {
                ExpiryBase::State(since_ms) => since_ms,
                ExpiryBase::Commit => committed.commit_timestamp_ms,
            };
            let is_expired = match committed.expire_timestamp_ms {
                Some(at_ms) => step.now_ms >= at_ms,
                None => step.now_ms.saturating_sub(since_ms) >= retention_ms,
            };
            let has_room =
                step.outcome.records.len() < step.config.limits.expired_per_round_max.max(1);
            if is_expired && !is_subscribed && has_room {
                step.record(tombstone(&group.id, topic, *partition));
            } else {
                is_bare = false;
            }
        }
    }
    is_bare
}

/// From when the retention of an offset counts.
enum ExpiryBase {
    /// Since the group is empty.
    State(i64),
    /// Since the commit.
    Commit,
}

/// `None` while nothing may expire: members are there whose subscriptions are not known or not
/// settled.
fn expiry_base(group: &ClassicGroup) -> Option<ExpiryBase> {
    if group.protocol_type.is_none() {
        return Some(ExpiryBase::Commit);
    }
    match group.phase() {
        Phase::Empty => Some(group.state_since_ms.map_or(ExpiryBase::Commit, ExpiryBase::State)),
        Phase::Stable if group.is_consumer_group() && group.knows_subscriptions() => {
            Some(ExpiryBase::Commit)
        }
        Phase::Stable | Phase::PreparingRebalance | Phase::CompletingRebalance | Phase::Dead => {
            None
        }
    }
}
