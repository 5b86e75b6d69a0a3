//! CreatePartitions (key 37), versions 0-3. v2 flexible; v3 throttling error (KIP-599).
//!
//! Producers and consumers learn of further partitions from Metadata; consumers of a group that see
//! them join again by themselves.

use std::collections::HashMap;

use strom_coordinator::cluster::GrowTopic;
use strom_protocol::ByteString;
use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};
use tracing::info;

use crate::coordinators::topics::TopicChange;
use crate::errors::Fault;
use crate::session::Context;

/// Adds partitions to each topic, or says why not; with `validate_only` it only says.
pub async fn handle(
    context: Context,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut counts: HashMap<ByteString, usize> = HashMap::new();
    for topic in &request.topics {
        *counts.entry(topic.name.clone()).or_default() += 1;
    }
    let mut results = Vec::with_capacity(counts.len());
    for topic in request.topics {
        // A name that stands twice gets one answer, and nothing changes.
        let Some(count) = counts.remove(&topic.name) else { continue };
        let name = topic.name.clone();
        let outcome = if count > 1 {
            Err(Fault::new(ErrorCode::InvalidRequest, "Duplicate topic name."))
        } else {
            one(&context, topic, request.validate_only).await
        };
        results.push(answer(name, outcome));
    }
    CreatePartitionsResponse { results, ..Default::default() }
}

async fn one(
    context: &Context,
    topic: CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), Fault> {
    let assignments = topic.assignments;
    let grow = TopicChange::Grow(GrowTopic {
        name: topic.name.to_string(),
        count: topic.count,
        assignments: assignments.map(|all| all.into_iter().map(|one| one.broker_ids).collect()),
    });
    let topics = &context.broker.topics;
    if validate_only {
        return topics.validate_change(&grow);
    }
    let grown = topics.change(&grow).await?;
    info!(topic = grown.name, partitions = grown.partitions, peer = %context.peer, "partitions added");
    Ok(())
}

fn answer(name: ByteString, outcome: Result<(), Fault>) -> CreatePartitionsTopicResult {
    let (code, message) = match outcome {
        Ok(()) => (ErrorCode::None, None),
        Err(fault) => (fault.code, Some(fault.message.into())),
    };
    CreatePartitionsTopicResult { name, error_code: code.code(), error_message: message }
}
