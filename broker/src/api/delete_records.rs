//! DeleteRecords (key 21), versions 0-2. v2 flexible. Moves log starts up; -1 is the high watermark.
//!
//! The order makes each step safe: the topic's table takes what is about to go, the journal is synced
//! (a log start never passes what is), the log starts move, and the answer waits for that to be
//! durable. A table that cannot be committed in time is REQUEST_TIMED_OUT, and nothing is removed; the
//! time of the request is that of all its topics together.

use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use strom_coordinator::cluster::Topic;
use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteRecordsTopic, DeleteRecordsTopicResult,
};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::session::Context;

const HIGH_WATERMARK: i64 = -1;
const NO_LOW_WATERMARK: i64 = -1;
/// So many topics of a request are worked on together: one whose table has to wait for its bucket does not
/// take the time of the others.
const TOPICS_AT_ONCE: usize = 64;

/// Removes records of each partition below the offset given, and says where it begins now.
pub async fn handle(context: Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let patience = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = Instant::now() + patience;
    let topics = stream::iter(request.topics).map(|topic| one(&context, topic, deadline));
    let topics = topics.buffered(TOPICS_AT_ONCE).collect().await;
    DeleteRecordsResponse { topics, ..Default::default() }
}

async fn one(
    context: &Context,
    wanted: DeleteRecordsTopic,
    deadline: Instant,
) -> DeleteRecordsTopicResult {
    let topic = deletable(context, &wanted.name);
    let mut partitions = Vec::with_capacity(wanted.partitions.len());
    let mut accepted = Vec::with_capacity(wanted.partitions.len());
    for partition in &wanted.partitions {
        let judged =
            topic.as_ref().map_err(|code| *code).and_then(|t| judge(context, t, partition));
        match judged {
            Ok(offset) => accepted.push((partition.partition_index, offset)),
            Err(code) => partitions.push(refused(partition.partition_index, code)),
        }
    }
    if let (Ok(topic), false) = (&topic, accepted.is_empty()) {
        partitions.extend(remove(context, topic, &accepted, deadline).await);
    }
    DeleteRecordsTopicResult { name: wanted.name, partitions }
}

/// The topic, if clients may remove its records.
fn deletable(context: &Context, name: &str) -> Result<Topic, ErrorCode> {
    let found = context.broker.topics.effective(name);
    let (topic, effective) = found.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if topic.is_internal() {
        return Err(ErrorCode::InvalidTopicException);
    }
    // A topic that is only compacted keeps the last record of each key.
    if effective.is_delete { Ok(topic) } else { Err(ErrorCode::PolicyViolation) }
}

/// The offset below which records go.
fn judge(
    context: &Context,
    topic: &Topic,
    wanted: &DeleteRecordsPartition,
) -> Result<i64, ErrorCode> {
    let partition = context.broker.store.partition(topic.id, wanted.partition_index);
    let high_watermark =
        partition.ok_or(ErrorCode::UnknownTopicOrPartition)?.offsets().high_watermark;
    match wanted.offset {
        HIGH_WATERMARK => Ok(high_watermark),
        offset if (0..=high_watermark).contains(&offset) => Ok(offset),
        _ => Err(ErrorCode::OffsetOutOfRange),
    }
}

async fn remove(
    context: &Context,
    topic: &Topic,
    accepted: &[(i32, i64)],
    deadline: Instant,
) -> Vec<DeleteRecordsPartitionResult> {
    let prepared = prepare(context, topic, accepted, deadline).await;
    let mut results = Vec::with_capacity(accepted.len());
    let mut tickets = Vec::with_capacity(accepted.len());
    for (index, offset) in accepted {
        let outcome = prepared.and_then(|()| {
            let partition = context.broker.store.partition(topic.id, *index);
            let partition = partition.ok_or(ErrorCode::UnknownTopicOrPartition)?;
            let moved = partition.advance_log_start(*offset);
            tickets.push(moved.map_err(|_| ErrorCode::KafkaStorageError)?);
            Ok(partition.offsets().log_start)
        });
        results.push(match outcome {
            Ok(low_watermark) => DeleteRecordsPartitionResult {
                partition_index: *index,
                low_watermark,
                error_code: ErrorCode::None.code(),
            },
            Err(code) => refused(*index, code),
        });
    }
    // Tickets of one log: the last one stands for all.
    if let Some(last) = tickets.pop() {
        if last.durable().await.is_err() {
            return accepted
                .iter()
                .map(|(index, _)| refused(*index, ErrorCode::KafkaStorageError))
                .collect();
        }
        info!(topic = topic.name, partitions = ?accepted, peer = %context.peer, "records deleted on request");
    }
    results
}

async fn prepare(
    context: &Context,
    topic: &Topic,
    accepted: &[(i32, i64)],
    deadline: Instant,
) -> Result<(), ErrorCode> {
    let committed = context.broker.lake.commit_below(topic.id, accepted);
    let reason = match tokio::time::timeout_at(deadline, committed).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("not committed within the time of the request".to_owned()),
    };
    if let Some(reason) = reason {
        warn!(
            topic = topic.name,
            reason, "records are not deleted: the topic's table has not taken them"
        );
        return Err(ErrorCode::RequestTimedOut);
    }
    context.broker.store.sync_now().await.map_err(|_| ErrorCode::KafkaStorageError)
}

fn refused(partition_index: i32, code: ErrorCode) -> DeleteRecordsPartitionResult {
    DeleteRecordsPartitionResult {
        partition_index,
        low_watermark: NO_LOW_WATERMARK,
        error_code: code.code(),
    }
}
