//! What AlterConfigs and IncrementalAlterConfigs share: judging a request's resources, as Kafka's
//! brokers do before anything is changed, and changing those that may be.
//!
//! Options of topics change at once. Options of the broker are read at start: a request that would
//! change one is refused with the place where it is set, one that changes nothing succeeds.

use std::collections::{HashMap, HashSet};

use strom_coordinator::cluster::{ConfigChange, ConfigOperation};
use strom_protocol::ByteString;
use strom_protocol::error_code::ErrorCode;
use tracing::info;

use crate::coordinators::topics::TopicChange;
use crate::errors::Fault;
use crate::session::Context;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// One resource of a request.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// Kafka's `ConfigResource.Type`.
    pub kind: i8,
    /// The topic's name, the broker's id.
    pub name: ByteString,
    /// What is asked of its options.
    pub entries: Vec<Entry>,
}

/// What is answered about one resource.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Zero, or Kafka's code.
    pub code: i16,
    /// What is wrong and what to change.
    pub message: Option<ByteString>,
    /// The resource's kind, as it was asked.
    pub kind: i8,
    /// The resource's name, as it was asked.
    pub name: ByteString,
}

/// One option of a resource.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The option.
    pub name: ByteString,
    /// Kafka's `AlterConfigOp.OpType`; [`Entry::set`] in the API that has none.
    pub operation: i8,
    /// The operand; needed by all but deletions.
    pub value: Option<ByteString>,
}

impl Entry {
    /// An option with its new value.
    pub(super) fn set(name: ByteString, value: Option<ByteString>) -> Self {
        Self { name, operation: SET, value }
    }
}

/// How a request is meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    /// The entries are all that a resource sets from now on.
    pub replaces: bool,
    /// Nothing is to be changed.
    pub validate_only: bool,
}

/// The outcome of each resource, in the order of the request.
pub(super) async fn alter(context: &Context, resources: Vec<Resource>, mode: Mode) -> Vec<Outcome> {
    let mut counts: HashMap<(i8, ByteString), usize> = HashMap::new();
    for resource in &resources {
        *counts.entry((resource.kind, resource.name.clone())).or_default() += 1;
    }
    let mut outcomes = Vec::with_capacity(resources.len());
    for resource in resources {
        let outcome = if counts[&(resource.kind, resource.name.clone())] > 1 {
            Err(invalid("Each resource must appear at most once."))
        } else {
            one(context, &resource, mode).await
        };
        let (code, message) = match outcome {
            Ok(()) => (ErrorCode::None, None),
            Err(fault) => (fault.code, Some(fault.message.into())),
        };
        let Resource { kind, name, .. } = resource;
        outcomes.push(Outcome { code: code.code(), message, kind, name });
    }
    outcomes
}

async fn one(context: &Context, resource: &Resource, mode: Mode) -> Result<(), Fault> {
    let changes = changes(&resource.entries)?;
    match resource.kind {
        TOPIC => {
            let name = resource.name.to_string();
            let wanted = if mode.replaces {
                TopicChange::Replace(name, values(changes))
            } else {
                TopicChange::Alter(name, changes)
            };
            topic(context, &wanted, mode).await
        }
        BROKER => broker(context, &resource.name, &changes),
        BROKER_LOGGER => Err(invalid("levels of loggers are read at start: set log.level")),
        CLIENT_METRICS => Err(invalid("client metrics are not served by this broker")),
        GROUP => Err(invalid(
            "groups have no options of their own here: configure the broker's group.* options",
        )),
        other => Err(invalid(format!("Unknown resource type {other}"))),
    }
}

/// The entries as changes; refuses what cannot be meant whatever the resource.
fn changes(entries: &[Entry]) -> Result<Vec<ConfigChange>, Fault> {
    let mut seen = HashSet::new();
    if !entries.iter().all(|entry| seen.insert(&entry.name)) {
        return Err(invalid("Error due to duplicate config keys"));
    }
    let lacks_value = |entry: &&Entry| entry.operation != DELETE && entry.value.is_none();
    let without: Vec<&str> = entries.iter().filter(lacks_value).map(|entry| &*entry.name).collect();
    if !without.is_empty() {
        return Err(invalid(format!("Null value not supported for : {}", without.join(", "))));
    }
    entries.iter().map(change).collect()
}

fn change(entry: &Entry) -> Result<ConfigChange, Fault> {
    let value = entry.value.as_deref().unwrap_or_default().to_owned();
    let operation = match entry.operation {
        SET => ConfigOperation::Set(value),
        DELETE => ConfigOperation::Delete,
        APPEND => ConfigOperation::Append(value),
        SUBTRACT => ConfigOperation::Subtract(value),
        other => {
            let message = format!(
                "Unknown operations type {other}: use 0 (SET), 1 (DELETE), 2 (APPEND) or 3 (SUBTRACT)"
            );
            return Err(invalid(message));
        }
    };
    Ok(ConfigChange { name: entry.name.to_string(), operation })
}

/// The values of a whole set, whose entries are all [`Entry::set`].
fn values(changes: Vec<ConfigChange>) -> Vec<(String, String)> {
    let value = |change: ConfigChange| match change.operation {
        ConfigOperation::Set(value) => Some((change.name, value)),
        ConfigOperation::Delete | ConfigOperation::Append(_) | ConfigOperation::Subtract(_) => None,
    };
    changes.into_iter().filter_map(value).collect()
}

async fn topic(context: &Context, wanted: &TopicChange, mode: Mode) -> Result<(), Fault> {
    let topics = &context.broker.topics;
    if mode.validate_only {
        return topics.validate_change(wanted);
    }
    let topic = topics.change(wanted).await?;
    info!(topic = topic.name, options = ?topic.configs, peer = %context.peer, "topic options changed");
    Ok(())
}

/// Nothing of a broker is set dynamically, so taking something away changes nothing.
fn broker(context: &Context, name: &str, changes: &[ConfigChange]) -> Result<(), Fault> {
    let config = &context.broker.config;
    // The empty name stands for all brokers of the cluster.
    if !name.is_empty() && name.parse::<i32>() != Ok(config.node_id) {
        let message = if name.parse::<i32>().is_err() {
            format!("Node id must be an integer, but it is: {name}")
        } else {
            format!("Unexpected broker id, expected {}, but received {name}", config.node_id)
        };
        return Err(invalid(message));
    }
    let changed = changes.iter().filter(|change| change.operation != ConfigOperation::Delete);
    let names: Vec<&str> = changed.map(|change| change.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let options = config.describe();
    let is_known = |name: &&str| options.iter().any(|option| option.name == *name);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        return Err(invalid(format!("Unknown broker config name: {unknown}: leave it out")));
    }
    Err(invalid(format!(
        "Cannot update these configs dynamically: [{}]: the broker reads them at start; set them in \
         its file, its environment or with --set, and restart it",
        names.join(", ")
    )))
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(ErrorCode::InvalidRequest, message)
}
