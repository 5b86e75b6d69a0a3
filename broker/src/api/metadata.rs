//! Metadata (key 3), versions 0-13. v1 all-topics as null; v4 auto-creation on request; v5 offline
//! replicas; v7 leader epochs; v8 authorized operations; v9 flexible; v10 topic ids; v12 lookup by
//! id; v13 top-level error.

use std::collections::HashSet;

use strom_coordinator::cluster::Topic;
use strom_protocol::ByteString;
use strom_protocol::Uuid;
use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use strom_protocol::types::TopicId;
use tracing::info;

use super::{CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED, TOPIC_OPERATIONS};
use crate::coordinators::topics::NewTopic;
use crate::session::Context;

/// Before this version every request may create topics.
const AUTO_CREATION_FLAG_SINCE: i16 = 4;
/// Topics are looked up by id from this version on; a name may be null then.
const LOOKUP_BY_ID_SINCE: i16 = 12;
/// Cluster operations are in the response in versions 8 to 10 only.
const CLUSTER_OPERATIONS_VERSIONS: std::ops::RangeInclusive<i16> = 8..=10;

/// Describes the cluster and the topics asked for, creating missing ones where that is allowed.
pub async fn handle(
    context: Context,
    version: i16,
    client: String,
    request: MetadataRequest,
) -> MetadataResponse {
    let broker = &context.broker;
    let wanted = match request.topics {
        Some(topics) if version == 0 && topics.is_empty() => None,
        topics => topics,
    };
    let may_create = broker.config.auto_create_topics_enable
        && (version < AUTO_CREATION_FLAG_SINCE || request.allow_auto_topic_creation);
    let mut topics = match &wanted {
        None => broker.topics.all().iter().map(|topic| describe(&context, topic)).collect(),
        Some(wanted) => {
            let mut seen = HashSet::new();
            let mut topics = Vec::with_capacity(wanted.len().min(1024));
            // As in Kafka, a topic that is asked for twice is described once.
            for topic in wanted.iter().filter(|topic| seen.insert((&topic.name, topic.topic_id))) {
                topics.push(one(&context, version, topic, (may_create, &client)).await);
            }
            topics
        }
    };
    if request.include_topic_authorized_operations {
        for topic in topics.iter_mut().filter(|topic| topic.error_code == 0) {
            topic.topic_authorized_operations = TOPIC_OPERATIONS;
        }
    }
    let cluster_operations = if CLUSTER_OPERATIONS_VERSIONS.contains(&version)
        && request.include_cluster_authorized_operations
    {
        CLUSTER_OPERATIONS
    } else {
        OPERATIONS_NOT_ASKED
    };
    let (host, port) = broker.advertised(context.listener);
    MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: broker.config.node_id,
            host: host.into(),
            port,
            ..Default::default()
        }],
        cluster_id: Some(broker.store.cluster_id().into()),
        controller_id: broker.config.node_id,
        topics,
        cluster_authorized_operations: cluster_operations,
        ..Default::default()
    }
}

async fn one(
    context: &Context,
    version: i16,
    wanted: &MetadataRequestTopic,
    (may_create, client): (bool, &str),
) -> MetadataResponseTopic {
    let topics = &context.broker.topics;
    if version < LOOKUP_BY_ID_SINCE && (wanted.name.is_none() || !wanted.topic_id.is_nil()) {
        let name = wanted.name.clone().unwrap_or_default();
        return failed(Some(&name), wanted.topic_id, ErrorCode::InvalidRequest);
    }
    // An id goes before a name.
    let name = match &wanted.name {
        Some(name) if wanted.topic_id.is_nil() => name,
        _ => {
            return match topics.get_by_id(TopicId(wanted.topic_id)) {
                Some(topic) => describe(context, &topic),
                None => failed(None, wanted.topic_id, ErrorCode::UnknownTopicId),
            };
        }
    };
    if let Some(topic) = topics.get(name) {
        return describe(context, &topic);
    }
    if let Err(code) = topics.check_name(name) {
        return failed(Some(name), Uuid::nil(), code);
    }
    if !may_create {
        return failed(Some(name), Uuid::nil(), ErrorCode::UnknownTopicOrPartition);
    }
    match topics.create(NewTopic::automatic(name)).await {
        Ok(topic) => {
            info!(topic = %name, client, partitions = topic.partitions, "topic created automatically");
            describe(context, &topic)
        }
        Err(_) if topics.get(name).is_some() => topics.get(name).map_or_else(
            || failed(Some(name), Uuid::nil(), ErrorCode::LeaderNotAvailable),
            |topic| describe(context, &topic),
        ),
        Err(fault) => failed(Some(name), Uuid::nil(), fault.code),
    }
}

fn failed(name: Option<&ByteString>, id: Uuid, code: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: code.code(),
        name: name.cloned(),
        topic_id: id,
        topic_authorized_operations: OPERATIONS_NOT_ASKED,
        ..Default::default()
    }
}

fn describe(context: &Context, topic: &Topic) -> MetadataResponseTopic {
    let broker = &context.broker;
    let node = broker.config.node_id;
    let partitions = (0..topic.partitions)
        .map(|index| match broker.store.partition(topic.id, index) {
            Some(partition) => MetadataResponsePartition {
                partition_index: index,
                leader_id: node,
                leader_epoch: partition.leader_epoch(),
                replica_nodes: vec![node],
                isr_nodes: vec![node],
                ..Default::default()
            },
            None => MetadataResponsePartition {
                error_code: ErrorCode::LeaderNotAvailable.code(),
                partition_index: index,
                leader_id: -1,
                replica_nodes: vec![node],
                ..Default::default()
            },
        })
        .collect();
    MetadataResponseTopic {
        name: Some(topic.name.as_str().into()),
        topic_id: topic.id.0,
        is_internal: topic.is_internal(),
        partitions,
        topic_authorized_operations: OPERATIONS_NOT_ASKED,
        ..Default::default()
    }
}
