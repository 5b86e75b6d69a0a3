//! OffsetForLeaderEpoch (key 23), versions 2-4 (KIP-101, KIP-320). v3 replica id; v4 flexible.
//!
//! A consumer that comes back after a change of leader asks how far the epoch of its last record
//! holds: an end below its position means that records it has seen are gone.

use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};

use crate::session::Context;

/// Answers each partition; an epoch that its log has not come to is -1, which is no error.
pub async fn handle(
    context: Context,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| OffsetForLeaderTopicResult {
        partitions: topic
            .partitions
            .iter()
            .map(|wanted| match end_of(&context, &topic.topic, wanted) {
                Ok(end) => {
                    let (leader_epoch, end_offset) = end.unwrap_or((-1, -1));
                    let partition = wanted.partition;
                    EpochEndOffset { error_code: 0, partition, leader_epoch, end_offset }
                }
                Err(code) => EpochEndOffset {
                    error_code: code.code(),
                    partition: wanted.partition,
                    ..Default::default()
                },
            })
            .collect(),
        topic: topic.topic,
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() }
}

fn end_of(
    context: &Context,
    topic: &str,
    wanted: &OffsetForLeaderPartition,
) -> Result<Option<(i32, i64)>, ErrorCode> {
    let broker = &context.broker;
    let id = broker.topics.id_of(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let partition =
        broker.store.partition(id, wanted.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    super::check_leader_epoch(wanted.current_leader_epoch, partition.leader_epoch())?;
    Ok(partition.end_of_epoch(wanted.leader_epoch))
}
