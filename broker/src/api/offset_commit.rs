//! OffsetCommit (key 8), versions 2-10. v5 no retention time; v6 leader epochs; v7 static members; v8
//! flexible; v9 KIP-848 errors; v10 topic ids.
//!
//! Topics that do not exist are answered here; the group's rules are the coordinator's.

use strom_coordinator::group::{Command, Commit, CommitPartition, CommitReply, CommitTopic, Reply};
use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use strom_protocol::types::TopicId;
use strom_protocol::{ByteString, Uuid};

use crate::coordinators::groups::unexpected;
use crate::session::Context;

const MISSING_GROUP_SINCE: i16 = 9;
const TOPIC_IDS_SINCE: i16 = 10;
/// Only these versions carry a retention time.
const RETENTION_VERSIONS: std::ops::RangeInclusive<i16> = 2..=4;

/// A topic of the request: refused as a whole, or the place of its outcome in the commit.
enum Slot {
    Refused(OffsetCommitResponseTopic),
    Committed { id: Uuid, unknown: Vec<i32> },
}

/// Commits what names existing topics and partitions.
pub async fn handle(
    context: Context,
    version: i16,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let mut slots = Vec::with_capacity(request.topics.len());
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        slots.push(match resolve(&context, version, &topic) {
            Err(code) => Slot::Refused(refused(&topic, code)),
            Ok((name, partitions)) => {
                let exists = |index: i32| (0..partitions).contains(&index);
                let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
                let unknown = indexes.filter(|index| !exists(*index)).collect();
                let known = topic.partitions.into_iter().filter(|p| exists(p.partition_index));
                let partitions = known
                    .map(|partition| CommitPartition {
                        partition: partition.partition_index,
                        offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch,
                        metadata: partition.committed_metadata,
                    })
                    .collect();
                topics.push(CommitTopic { name, partitions });
                Slot::Committed { id: topic.topic_id, unknown }
            }
        });
    }
    if topics.is_empty() {
        return respond(slots, CommitReply { topics: Vec::new() });
    }
    let retains = RETENTION_VERSIONS.contains(&version);
    let commit = Commit {
        group_id: request.group_id.clone(),
        member_id: request.member_id,
        group_instance_id: request.group_instance_id,
        generation: request.generation_id_or_member_epoch,
        retention_time_ms: if retains { request.retention_time_ms } else { -1 },
        missing_group_is_not_found: version >= MISSING_GROUP_SINCE,
        topics: topics.clone(),
    };
    let groups = &context.broker.groups;
    let reply = groups.ask(&request.group_id, |token| Command::Commit(token, commit)).await;
    let reply = match reply {
        Ok(Reply::Commit(reply)) => reply,
        Ok(other) => unexpected(&other),
        Err(code) => all_failed(&topics, code),
    };
    respond(slots, reply)
}

fn resolve(
    context: &Context,
    version: i16,
    topic: &OffsetCommitRequestTopic,
) -> Result<(ByteString, i32), ErrorCode> {
    let topics = &context.broker.topics;
    let found = if version >= TOPIC_IDS_SINCE {
        topics.get_by_id(TopicId(topic.topic_id)).ok_or(ErrorCode::UnknownTopicId)?
    } else {
        topics.get(&topic.name).ok_or(ErrorCode::UnknownTopicOrPartition)?
    };
    Ok((found.name.as_str().into(), found.partitions))
}

fn refused(topic: &OffsetCommitRequestTopic, code: ErrorCode) -> OffsetCommitResponseTopic {
    let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
    OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: indexes.map(|index| outcome(index, code)).collect(),
    }
}

fn outcome(partition_index: i32, code: ErrorCode) -> OffsetCommitResponsePartition {
    OffsetCommitResponsePartition { partition_index, error_code: code.code() }
}

fn all_failed(topics: &[CommitTopic], code: ErrorCode) -> CommitReply {
    let topics = topics.iter().map(|topic| strom_coordinator::group::CommitTopicReply {
        name: topic.name.clone(),
        partitions: topic.partitions.iter().map(|p| (p.partition, code)).collect(),
    });
    CommitReply { topics: topics.collect() }
}

fn respond(slots: Vec<Slot>, reply: CommitReply) -> OffsetCommitResponse {
    let mut committed = reply.topics.into_iter();
    let topics = slots.into_iter().map(|slot| match slot {
        Slot::Refused(topic) => topic,
        Slot::Committed { id, unknown } => {
            let topic = committed.next().expect("one outcome for each topic of the commit");
            let known = topic.partitions.into_iter().map(|(index, code)| outcome(index, code));
            let unknown =
                unknown.into_iter().map(|index| outcome(index, ErrorCode::UnknownTopicOrPartition));
            OffsetCommitResponseTopic {
                name: topic.name,
                topic_id: id,
                partitions: known.chain(unknown).collect(),
            }
        }
    });
    OffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}
