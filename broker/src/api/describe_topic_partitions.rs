//! DescribeTopicPartitions (key 75), version 0 (KIP-966). Topics in the order of their names, a page
//! at a time: the cursor of one answer begins the next.

use std::collections::BTreeSet;

use strom_coordinator::cluster::Topic;
use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, ResponseCursor,
};
use strom_protocol::{ByteString, Uuid};

use super::TOPIC_OPERATIONS;
use crate::session::Context;

/// Kafka's default of `max.request.partition.size.limit`.
const PARTITIONS_MAX: i32 = 2000;

/// Describes the topics asked for, all if none are. A cursor that cannot be meant is no answer that
/// this API could give, so it is refused for every topic, as a client reads it.
pub async fn handle(
    context: Context,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let is_all = request.topics.is_empty();
    let cursor = request.cursor.unwrap_or(Cursor { topic_name: "".into(), partition_index: 0 });
    let asked: Vec<ByteString> = request.topics.into_iter().map(|topic| topic.name).collect();
    if is_impossible(&cursor, &asked) {
        return refused(asked, &cursor);
    }
    let names: BTreeSet<ByteString> = if is_all {
        context.broker.topics.all().into_iter().map(|topic| topic.name.into()).collect()
    } else {
        asked.into_iter().collect()
    };
    let names = names.into_iter().filter(|name| *name >= cursor.topic_name);
    let mut page = Page {
        response: DescribeTopicPartitionsResponse::default(),
        room: request.response_partition_limit.clamp(1, PARTITIONS_MAX),
    };
    for name in names {
        if page.room == 0 {
            page.stop_at(name, 0);
            break;
        }
        let from = if name == cursor.topic_name { cursor.partition_index } else { 0 };
        match context.broker.topics.get(&name) {
            Some(topic) => {
                if !page.take(&context, &topic, from) {
                    break;
                }
            }
            None if is_all => {}
            None => {
                let named = context.broker.topics.check_name(&name);
                let code = named.err().unwrap_or(ErrorCode::UnknownTopicOrPartition);
                page.response.topics.push(failed(name, code));
            }
        }
    }
    page.response
}

/// A negative partition, or a topic that is not among those asked for.
fn is_impossible(cursor: &Cursor, asked: &[ByteString]) -> bool {
    let is_given = !cursor.topic_name.is_empty();
    cursor.partition_index < 0
        || is_given && !asked.is_empty() && !asked.contains(&cursor.topic_name)
}

fn refused(asked: Vec<ByteString>, cursor: &Cursor) -> DescribeTopicPartitionsResponse {
    let names = if asked.is_empty() { vec![cursor.topic_name.clone()] } else { asked };
    let topics = names.into_iter().map(|name| failed(name, ErrorCode::InvalidRequest));
    DescribeTopicPartitionsResponse { topics: topics.collect(), ..Default::default() }
}

/// An answer while it fills.
struct Page {
    response: DescribeTopicPartitionsResponse,
    /// Partitions that still fit.
    room: i32,
}

impl Page {
    /// Adds partitions of a topic; false when the page ends in the middle of it.
    fn take(&mut self, context: &Context, topic: &Topic, from: i32) -> bool {
        let end = topic.partitions.min(from.saturating_add(self.room));
        let partitions: Vec<_> =
            (from..end).map(|index| partition(context, topic, index)).collect();
        self.room -= i32::try_from(partitions.len()).unwrap_or(i32::MAX);
        self.response.topics.push(DescribeTopicPartitionsResponseTopic {
            error_code: 0,
            name: Some(topic.name.as_str().into()),
            topic_id: topic.id.0,
            is_internal: topic.is_internal(),
            partitions,
            topic_authorized_operations: TOPIC_OPERATIONS,
        });
        let is_whole = end >= topic.partitions;
        if !is_whole {
            self.stop_at(topic.name.as_str().into(), end);
        }
        is_whole
    }

    fn stop_at(&mut self, topic_name: ByteString, partition_index: i32) {
        self.response.next_cursor = Some(ResponseCursor { topic_name, partition_index });
    }
}

fn partition(
    context: &Context,
    topic: &Topic,
    index: i32,
) -> DescribeTopicPartitionsResponsePartition {
    let node = context.broker.config.node_id;
    let open = context.broker.store.partition(topic.id, index);
    let code = if open.is_some() { ErrorCode::None } else { ErrorCode::LeaderNotAvailable };
    DescribeTopicPartitionsResponsePartition {
        error_code: code.code(),
        partition_index: index,
        leader_id: if open.is_some() { node } else { -1 },
        leader_epoch: open.as_ref().map_or(-1, |partition| partition.leader_epoch()),
        replica_nodes: vec![node],
        isr_nodes: if open.is_some() { vec![node] } else { Vec::new() },
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        offline_replicas: Vec::new(),
    }
}

fn failed(name: ByteString, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: code.code(),
        name: Some(name),
        topic_id: Uuid::nil(),
        ..Default::default()
    }
}
