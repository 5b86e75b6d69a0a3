//! Changing a topic that exists: more partitions, other options. Every rule, in one function's reach.
//!
//! A change is the whole topic as it will be, in one record, so replay needs no history. Partitions
//! never become fewer: their records and committed offsets would have no place.

use std::collections::BTreeMap;

use strom_protocol::ErrorCode;

use super::create::{Limits, check_limits, check_replicas};
use super::topic_config::{self, ConfigKind};
use super::{Cluster, ClusterRecord, Topic, TopicError, check_topic_name};

#[cfg(test)]
mod tests;

/// A topic that is to have more partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrowTopic {
    /// Its name.
    pub name: String,
    /// How many partitions it is to have in all.
    pub count: i32,
    /// The replicas of each further partition, the preferred leader first, or none to let the
    /// broker choose.
    pub assignments: Option<Vec<Vec<i32>>>,
}

/// One change of one option (KIP-339).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigChange {
    /// The option.
    pub name: String,
    /// What becomes of it.
    pub operation: ConfigOperation,
}

/// What becomes of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigOperation {
    /// It has this value.
    Set(String),
    /// The topic no longer sets it: the broker's value, or the default, holds.
    Delete,
    /// These words are added to a list, unless they are in it.
    Append(String),
    /// These words are taken out of a list.
    Subtract(String),
}

/// Decides about more partitions.
pub(super) fn grow(
    cluster: &Cluster,
    request: &GrowTopic,
    limits: &Limits,
) -> Result<ClusterRecord, TopicError> {
    let Some(topic) = cluster.topic(&request.name) else { return Err(unknown(&request.name)) };
    if topic.is_internal() {
        let message = format!(
            "topic {} is internal: the number of its partitions decides where groups and \
             transactions are, and cannot change",
            topic.name
        );
        return Err(TopicError::new(ErrorCode::InvalidRequest, message));
    }
    if request.count <= topic.partitions {
        return Err(TopicError::new(ErrorCode::InvalidPartitions, no_increase(topic, request)));
    }
    let additional = request.count - topic.partitions;
    check_assignments(cluster, topic, request, additional)?;
    check_limits(cluster, request.count, additional, limits)?;
    Ok(ClusterRecord::Topic(Topic { partitions: request.count, ..topic.clone() }))
}

fn no_increase(topic: &Topic, request: &GrowTopic) -> String {
    if request.count == topic.partitions {
        return format!("Topic already has {} partition(s).", topic.partitions);
    }
    format!(
        "The topic {} currently has {} partition(s); {} would not be an increase.",
        topic.name, topic.partitions, request.count
    )
}

fn check_assignments(
    cluster: &Cluster,
    topic: &Topic,
    request: &GrowTopic,
    additional: i32,
) -> Result<(), TopicError> {
    let Some(assignments) = &request.assignments else { return Ok(()) };
    if i32::try_from(assignments.len()) != Ok(additional) {
        let message = format!(
            "Attempted to add {additional} additional partition(s), but only {} assignment(s) were \
             specified.",
            assignments.len()
        );
        return Err(TopicError::new(ErrorCode::InvalidReplicaAssignment, message));
    }
    // A factor above the number of brokers was accepted for tools that hard-code it: a partition
    // has as many replicas as there are brokers for them.
    let known = &cluster.defaults().broker_ids;
    let factor = usize::try_from(topic.replication_factor).unwrap_or(1).min(known.len());
    let indexes = topic.partitions..;
    indexes
        .zip(assignments)
        .try_for_each(|(index, replicas)| check_replicas(known, index, replicas, factor))
}

/// Decides about changes of single options, in order.
pub(super) fn alter(
    cluster: &Cluster,
    name: &str,
    changes: &[ConfigChange],
) -> Result<ClusterRecord, TopicError> {
    check_is_name(name)?;
    let topic = cluster.topic(name);
    let mut configs = topic.map(|topic| topic.configs.clone()).unwrap_or_default();
    for change in changes {
        apply(&mut configs, change)?;
    }
    finish(name, topic, configs)
}

/// Decides about a whole set of options: what it does not name is no longer set.
pub(super) fn replace(
    cluster: &Cluster,
    name: &str,
    wanted: &[(String, String)],
) -> Result<ClusterRecord, TopicError> {
    check_is_name(name)?;
    let mut configs = BTreeMap::new();
    for (option, value) in wanted {
        configs.insert(option.clone(), topic_config::check(option, Some(value))?);
    }
    finish(name, cluster.topic(name), configs)
}

/// As in Kafka, options are judged before the topic is looked for.
fn finish(
    name: &str,
    topic: Option<&Topic>,
    configs: BTreeMap<String, String>,
) -> Result<ClusterRecord, TopicError> {
    topic_config::check_together(&configs)?;
    let topic = topic.ok_or_else(|| unknown(name))?;
    Ok(ClusterRecord::Topic(Topic { configs, ..topic.clone() }))
}

fn apply(
    configs: &mut BTreeMap<String, String>,
    ConfigChange { name, operation }: &ConfigChange,
) -> Result<(), TopicError> {
    let value = match operation {
        ConfigOperation::Delete => {
            configs.remove(name);
            return Ok(());
        }
        ConfigOperation::Set(value) => value.clone(),
        ConfigOperation::Append(added) => {
            let mut words = list(configs, name, "APPEND")?;
            for word in topic_config::words(added) {
                if words.iter().all(|known| known != word) {
                    words.push(word.to_owned());
                }
            }
            words.join(",")
        }
        ConfigOperation::Subtract(taken) => {
            let mut words = list(configs, name, "SUBTRACT")?;
            words.retain(|known| topic_config::words(taken).all(|word| word != known));
            words.join(",")
        }
    };
    configs.insert(name.clone(), topic_config::check(name, Some(&value))?);
    Ok(())
}

/// The words that a list has now: the topic's, or the default's (Kafka's rule, whatever the broker
/// is configured with).
fn list(
    configs: &BTreeMap<String, String>,
    name: &str,
    operation: &str,
) -> Result<Vec<String>, TopicError> {
    let option = topic_config::option(name).filter(|option| option.kind == ConfigKind::List);
    let Some(option) = option else {
        let message =
            format!("Can't {operation} to key {name} because its type is not LIST: use SET");
        return Err(TopicError::new(ErrorCode::InvalidConfig, message));
    };
    let value = configs.get(name).map_or(option.default, String::as_str);
    Ok(topic_config::words(value).map(str::to_owned).collect())
}

fn check_is_name(name: &str) -> Result<(), TopicError> {
    if name.is_empty() {
        let message = "Default topic resources are not allowed: name a topic, or configure the \
                       broker-wide default of the option";
        return Err(TopicError::new(ErrorCode::InvalidRequest, message));
    }
    check_topic_name(name)
}

fn unknown(name: &str) -> TopicError {
    TopicError::new(ErrorCode::UnknownTopicOrPartition, format!("there is no topic {name:?}"))
}
