//! OffsetDelete (key 47), version 0 (KIP-496). Topics that do not exist are answered here; which
//! groups may lose offsets is the coordinator's rule.

use strom_coordinator::group::{Command, DeleteOffsets, DeletedOffsets, Reply};
use strom_protocol::ByteString;
use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};

use crate::coordinators::groups::unexpected;
use crate::session::Context;

/// Deletes the committed offsets of a group's partitions.
pub async fn handle(context: Context, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut known = Vec::with_capacity(request.topics.len());
    let mut unknown = Vec::new();
    for topic in request.topics {
        let partitions = context.broker.topics.get(&topic.name).map_or(0, |found| found.partitions);
        let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
        let (is, is_not): (Vec<i32>, Vec<i32>) =
            indexes.partition(|index| (0..partitions).contains(index));
        let refused = is_not.into_iter().map(|p| (p, ErrorCode::UnknownTopicOrPartition));
        unknown.push((topic.name.clone(), refused.collect::<Vec<_>>()));
        known.push((topic.name, is));
    }
    let group_id = request.group_id.clone();
    let delete = DeleteOffsets { group_id: request.group_id, topics: known };
    let groups = &context.broker.groups;
    let reply = match groups.ask(&group_id, |token| Command::DeleteOffsets(token, delete)).await {
        Ok(Reply::OffsetsDeleted(reply)) => reply,
        Ok(other) => unexpected(&other),
        Err(error) => DeletedOffsets { error, topics: Vec::new() },
    };
    // A group that may not lose offsets at all is one error for the whole request.
    if reply.error != ErrorCode::None {
        return OffsetDeleteResponse { error_code: reply.error.code(), ..Default::default() };
    }
    let topics = reply.topics.into_iter().zip(unknown);
    let topics = topics.map(|((name, deleted), (_, unknown))| answer(name, deleted, unknown));
    OffsetDeleteResponse { topics: topics.collect(), ..Default::default() }
}

fn answer(
    name: ByteString,
    deleted: Vec<(i32, ErrorCode)>,
    unknown: Vec<(i32, ErrorCode)>,
) -> OffsetDeleteResponseTopic {
    let partitions = deleted.into_iter().chain(unknown);
    OffsetDeleteResponseTopic {
        name,
        partitions: partitions
            .map(|(partition_index, code)| OffsetDeleteResponsePartition {
                partition_index,
                error_code: code.code(),
            })
            .collect(),
    }
}
