//! CreateTopics (key 19), versions 2-7. v4 defaults as -1; v5 flexible, configs in the response
//! (KIP-525); v6 throttling; v7 topic ids.

use std::collections::HashMap;

use strom_coordinator::cluster::{ManualAssignment, Topic};
use strom_protocol::ByteString;
use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};
use tracing::info;

use super::describe_configs;
use crate::coordinators::topics::NewTopic;
use crate::errors::Fault;
use crate::session::Context;

const DEFAULTS_SINCE: i16 = 4;

/// Creates each topic, or says why not; with `validate_only` it only says.
pub async fn handle(
    context: Context,
    version: i16,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mut counts: HashMap<ByteString, usize> = HashMap::new();
    for topic in &request.topics {
        *counts.entry(topic.name.clone()).or_default() += 1;
    }
    let mut topics = Vec::with_capacity(counts.len());
    for topic in request.topics {
        let name = topic.name.clone();
        // A name that stands twice gets one answer, and neither is created.
        match counts.remove(&name) {
            None => continue,
            Some(1) => {}
            Some(_) => {
                let message = format!("topic {name:?} stands more than once in the request");
                topics.push(refused(name, Fault::new(ErrorCode::InvalidRequest, message)));
                continue;
            }
        }
        let outcome = one(&context, version, topic, request.validate_only).await;
        topics.push(match outcome {
            Ok(topic) => created(&context, &topic),
            Err(fault) => refused(name, fault),
        });
    }
    CreateTopicsResponse { topics, ..Default::default() }
}

async fn one(
    context: &Context,
    version: i16,
    topic: CreatableTopic,
    validate_only: bool,
) -> Result<Topic, Fault> {
    let uses_defaults = topic.assignments.is_empty()
        && (topic.num_partitions == -1 || topic.replication_factor == -1);
    if uses_defaults && version < DEFAULTS_SINCE {
        let message =
            "CreateTopics below version 4 needs a number of partitions and a replication factor";
        return Err(Fault::new(ErrorCode::InvalidRequest, message));
    }
    let topic = NewTopic {
        name: topic.name.to_string(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic
            .assignments
            .into_iter()
            .map(|chosen| ManualAssignment {
                partition: chosen.partition_index,
                broker_ids: chosen.broker_ids,
            })
            .collect(),
        configs: topic
            .configs
            .into_iter()
            .map(|config| (config.name.to_string(), config.value.map(|value| value.to_string())))
            .collect(),
    };
    if validate_only {
        return context.broker.topics.validate(topic);
    }
    let topic = context.broker.topics.create(topic).await?;
    info!(topic = topic.name, partitions = topic.partitions, peer = %context.peer, "topic created");
    Ok(topic)
}

fn created(context: &Context, topic: &Topic) -> CreatableTopicResult {
    let configs = describe_configs::topic_rows(context, topic).into_iter();
    let configs = configs.map(|row| CreatableTopicConfigs {
        name: row.name.into(),
        value: row.value.map(Into::into),
        read_only: row.is_read_only,
        config_source: row.source as i8,
        is_sensitive: false,
    });
    CreatableTopicResult {
        name: topic.name.as_str().into(),
        topic_id: topic.id.0,
        num_partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        configs: Some(configs.collect()),
        ..Default::default()
    }
}

fn refused(name: ByteString, fault: Fault) -> CreatableTopicResult {
    CreatableTopicResult {
        name,
        error_code: fault.code.code(),
        error_message: (!fault.message.is_empty()).then(|| fault.message.into()),
        num_partitions: -1,
        replication_factor: -1,
        configs: None,
        ..Default::default()
    }
}
