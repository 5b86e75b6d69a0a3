//! DescribeConfigs (key 32), versions 1-4. v1 sources and synonyms; v3 types and documentation; v4
//! flexible. Resources: topics (2) and this broker (4); broker loggers (8) are not served.

use std::collections::HashSet;

use strom_coordinator::cluster::Topic;
use strom_coordinator::cluster::topic_config::{self, ConfigRow};
use strom_protocol::ByteString;
use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};

use crate::config::DescribedOption;
use crate::errors::Fault;
use crate::session::Context;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const STATIC_BROKER_CONFIG: i8 = 4;
const DEFAULT_CONFIG: i8 = 5;

/// Describes each resource: all its options, or those named.
pub async fn handle(context: Context, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let mut seen = HashSet::new();
    let asked = request.resources.iter();
    // Once each: an answer is a thousand times the size of the question.
    let asked = asked.filter(|one| seen.insert((one.resource_type, &one.resource_name)));
    let results = asked.map(|resource| {
        let outcome = match resource.resource_type {
            TOPIC => topic(&context, &request, resource),
            BROKER => broker(&context, &request, resource),
            other => Err(Fault::new(
                ErrorCode::InvalidRequest,
                format!("resource type {other} is not served; use 2 (topic) or 4 (broker)"),
            )),
        };
        let (code, message, configs) = match outcome {
            Ok(configs) => (ErrorCode::None, None, configs),
            Err(fault) => (fault.code, Some(fault.message.into()), Vec::new()),
        };
        DescribeConfigsResult {
            error_code: code.code(),
            error_message: message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs,
        }
    });
    DescribeConfigsResponse { results: results.collect(), ..Default::default() }
}

/// Every option of `topic` as it holds.
pub(super) fn topic_rows(context: &Context, topic: &Topic) -> Vec<ConfigRow> {
    topic_config::describe(topic, &context.broker.topics.defaults(), None)
}

fn topic(
    context: &Context,
    request: &DescribeConfigsRequest,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Fault> {
    let topics = &context.broker.topics;
    topics
        .check_name(&resource.resource_name)
        .map_err(|code| Fault::new(code, "not a topic name"))?;
    let Some(topic) = topics.get(&resource.resource_name) else {
        return Err(Fault::new(ErrorCode::UnknownTopicOrPartition, "there is no such topic"));
    };
    let rows = topic_rows(context, &topic).into_iter();
    let rows = rows.filter(|row| is_wanted(resource, &row.name));
    Ok(rows.map(|row| topic_row(request, row)).collect())
}

fn is_wanted(resource: &DescribeConfigsResource, name: &str) -> bool {
    let keys = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty());
    keys.is_none_or(|keys| keys.iter().any(|key| key == name))
}

fn topic_row(request: &DescribeConfigsRequest, row: ConfigRow) -> DescribeConfigsResourceResult {
    let synonyms = row.synonyms.into_iter().filter(|_| request.include_synonyms);
    DescribeConfigsResourceResult {
        name: row.name.into(),
        value: row.value.map(Into::into),
        read_only: row.is_read_only,
        config_source: row.source as i8,
        is_sensitive: false,
        synonyms: synonyms
            .map(|synonym| DescribeConfigsSynonym {
                name: synonym.name.into(),
                value: synonym.value.map(Into::into),
                source: synonym.source as i8,
            })
            .collect(),
        config_type: row.kind as i8,
        documentation: request.include_documentation.then(|| row.doc.into()),
    }
}

fn broker(
    context: &Context,
    request: &DescribeConfigsRequest,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Fault> {
    let config = &context.broker.config;
    let name = &resource.resource_name;
    if !name.is_empty() && *name != config.node_id.to_string() {
        let message = format!("broker {name:?} is not this one; use {}", config.node_id);
        return Err(Fault::new(ErrorCode::InvalidRequest, message));
    }
    // The empty name stands for cluster-wide dynamic defaults, of which there are none.
    let rows = if name.is_empty() { Vec::new() } else { config.describe() };
    let rows = rows.into_iter().filter(|row| is_wanted(resource, row.name));
    Ok(rows.map(|row| broker_row(request, row)).collect())
}

fn broker_row(
    request: &DescribeConfigsRequest,
    row: DescribedOption,
) -> DescribeConfigsResourceResult {
    let source = if row.is_default { DEFAULT_CONFIG } else { STATIC_BROKER_CONFIG };
    let value: Option<ByteString> = row.value.filter(|_| !row.sensitive).map(Into::into);
    let synonyms = if request.include_synonyms {
        vec![DescribeConfigsSynonym { name: row.name.into(), value: value.clone(), source }]
    } else {
        Vec::new()
    };
    DescribeConfigsResourceResult {
        name: row.name.into(),
        value,
        read_only: row.read_only,
        config_source: source,
        is_sensitive: row.sensitive,
        synonyms,
        config_type: row.kafka_type,
        documentation: request.include_documentation.then(|| row.doc.into()),
    }
}
