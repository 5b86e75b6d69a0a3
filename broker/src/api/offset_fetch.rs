//! OffsetFetch (key 9), versions 1-10. v2 all topics as null, group error; v3 throttle; v5 leader
//! epochs; v6 flexible; v7 require stable; v8 batches of groups; v9 members (KIP-848); v10 topic ids.

use std::collections::HashSet;

use strom_coordinator::group::{Command, FetchOffsets, FetchedOffsets, FetchedTopic, Reply};
use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use strom_protocol::types::TopicId;
use strom_protocol::{ByteString, Uuid};

use crate::coordinators::groups::unexpected;
use crate::session::Context;

const BATCHES_SINCE: i16 = 8;
const TOPIC_IDS_SINCE: i16 = 10;
/// Before this version a group's error is repeated in every partition.
const GROUP_ERROR_SINCE: i16 = 2;

/// Returns committed offsets of one group (to v7) or several (from v8).
pub async fn handle(
    context: Context,
    version: i16,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    if version >= BATCHES_SINCE {
        let mut groups = Vec::with_capacity(request.groups.len().min(1024));
        let mut seen = HashSet::new();
        // Once each: the answer for all topics of a group is far larger than the question.
        for group in request.groups.into_iter().filter(|one| seen.insert(one.group_id.clone())) {
            groups.push(one_group(&context, version, group).await);
        }
        return OffsetFetchResponse { groups, ..Default::default() };
    }
    let topics = request.topics.map(|topics| {
        topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect::<Vec<_>>()
    });
    let wanted = topics.clone();
    let found = fetch(&context, request.group_id, topics).await;
    single(version, wanted, found)
}

async fn fetch(
    context: &Context,
    group_id: ByteString,
    topics: Option<Vec<(ByteString, Vec<i32>)>>,
) -> FetchedOffsets {
    let fetch = FetchOffsets { group_id: group_id.clone(), topics };
    let groups = &context.broker.groups;
    match groups.ask(&group_id, |token| Command::FetchOffsets(token, fetch)).await {
        Ok(Reply::Offsets(found)) => found,
        Ok(other) => unexpected(&other),
        Err(error) => FetchedOffsets { error, topics: Vec::new() },
    }
}

fn single(
    version: i16,
    wanted: Option<Vec<(ByteString, Vec<i32>)>>,
    found: FetchedOffsets,
) -> OffsetFetchResponse {
    let repeated = version < GROUP_ERROR_SINCE && found.error != ErrorCode::None;
    let topics = if repeated {
        let failed = |index: &i32| OffsetFetchResponsePartition {
            partition_index: *index,
            committed_offset: -1,
            committed_leader_epoch: -1,
            metadata: Some(ByteString::new()),
            error_code: found.error.code(),
        };
        wanted
            .unwrap_or_default()
            .into_iter()
            .map(|(name, indexes)| OffsetFetchResponseTopic {
                name,
                partitions: indexes.iter().map(failed).collect(),
            })
            .collect()
    } else {
        found.topics.into_iter().map(old_topic).collect()
    };
    OffsetFetchResponse { topics, error_code: found.error.code(), ..Default::default() }
}

fn old_topic(topic: FetchedTopic) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|found| OffsetFetchResponsePartition {
        partition_index: found.partition,
        committed_offset: found.offset,
        committed_leader_epoch: found.leader_epoch,
        metadata: Some(found.metadata),
        error_code: ErrorCode::None.code(),
    });
    OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect() }
}

async fn one_group(
    context: &Context,
    version: i16,
    group: OffsetFetchRequestGroup,
) -> OffsetFetchResponseGroup {
    let by_id = version >= TOPIC_IDS_SINCE;
    let topics = &context.broker.topics;
    let mut unknown = Vec::new();
    let wanted = group.topics.map(|wanted| {
        let mut known = Vec::with_capacity(wanted.len());
        for topic in wanted {
            if !by_id {
                known.push((topic.name, topic.partition_indexes));
            } else if let Some(found) = topics.get_by_id(TopicId(topic.topic_id)) {
                known.push((found.name.as_str().into(), topic.partition_indexes));
            } else {
                unknown.push(unknown_topic(topic.topic_id, &topic.partition_indexes));
            }
        }
        known
    });
    let found = fetch(context, group.group_id.clone(), wanted).await;
    let id_of = |name: &str| match topics.id_of(name) {
        Some(id) if by_id => Some(id.0),
        None if by_id => None,
        _ => Some(Uuid::nil()),
    };
    let named = found.topics.into_iter().filter_map(|topic| {
        let id = id_of(&topic.name)?;
        Some(new_topic(id, topic))
    });
    OffsetFetchResponseGroup {
        group_id: group.group_id,
        error_code: found.error.code(),
        topics: named.chain(unknown).collect(),
    }
}

fn new_topic(topic_id: Uuid, topic: FetchedTopic) -> OffsetFetchResponseTopics {
    let partitions = topic.partitions.into_iter().map(|found| OffsetFetchResponsePartitions {
        partition_index: found.partition,
        committed_offset: found.offset,
        committed_leader_epoch: found.leader_epoch,
        metadata: Some(found.metadata),
        error_code: ErrorCode::None.code(),
    });
    OffsetFetchResponseTopics { name: topic.name, topic_id, partitions: partitions.collect() }
}

fn unknown_topic(topic_id: Uuid, indexes: &[i32]) -> OffsetFetchResponseTopics {
    let partitions = indexes.iter().map(|index| OffsetFetchResponsePartitions {
        partition_index: *index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(ByteString::new()),
        error_code: ErrorCode::UnknownTopicId.code(),
    });
    OffsetFetchResponseTopics { topic_id, partitions: partitions.collect(), ..Default::default() }
}
