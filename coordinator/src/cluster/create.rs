//! Creating a topic: every rule, in one function's reach.

use std::collections::{BTreeMap, BTreeSet};

use strom_protocol::{ErrorCode, TopicId};

use super::name::{check_topic_name, names_collide};
use super::topic_config;
use super::{Cluster, ClusterRecord, Topic, TopicError};

/// A topic to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTopic {
    /// Its name.
    pub name: String,
    /// Partitions, or -1 for the broker's default (and with manual assignments).
    pub partitions: i32,
    /// Replication factor, or -1 for the broker's default (and with manual assignments).
    pub replication_factor: i16,
    /// Replicas per partition, or none to let the broker choose.
    pub assignments: Vec<ManualAssignment>,
    /// Options; one without a value is refused, as in Kafka.
    pub configs: Vec<(String, Option<String>)>,
    /// The id it will have, drawn by the shell.
    pub id: TopicId,
    /// The time.
    pub now_ms: i64,
}

/// The replicas of one partition, as an administrator wants them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualAssignment {
    /// The partition.
    pub partition: i32,
    /// Broker ids, the preferred leader first.
    pub broker_ids: Vec<i32>,
}

/// Bounds on what may be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Partitions of one topic.
    pub partitions_per_topic_max: i32,
    /// Partitions of all topics.
    pub partitions_total_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { partitions_per_topic_max: 10_000, partitions_total_max: 100_000 }
    }
}

pub(super) fn decide(
    cluster: &Cluster,
    request: &CreateTopic,
    limits: &Limits,
) -> Result<ClusterRecord, TopicError> {
    check_topic_name(&request.name)?;
    check_not_taken(cluster, &request.name)?;
    let (partitions, replication_factor) = if request.assignments.is_empty() {
        (partitions(cluster, request)?, replication_factor(cluster, request)?)
    } else {
        assigned(cluster, request)?
    };
    check_limits(cluster, partitions, partitions, limits)?;
    let mut configs = BTreeMap::new();
    for (name, value) in &request.configs {
        let value = topic_config::check(name, value.as_deref())?;
        configs.insert(name.clone(), value);
    }
    topic_config::check_together(&configs)?;
    Ok(ClusterRecord::Topic(Topic {
        id: request.id,
        name: request.name.clone(),
        partitions,
        replication_factor,
        configs,
        created_ms: request.now_ms,
    }))
}

fn check_not_taken(cluster: &Cluster, name: &str) -> Result<(), TopicError> {
    if cluster.topic(name).is_some() {
        let message = format!("Topic '{name}' already exists.");
        return Err(TopicError::new(ErrorCode::TopicAlreadyExists, message));
    }
    if !name.contains(['.', '_']) {
        return Ok(());
    }
    match cluster.topics().find(|topic| names_collide(&topic.name, name)) {
        None => Ok(()),
        Some(other) => Err(TopicError::new(
            ErrorCode::InvalidTopicException,
            format!(
                "topic name {name:?} collides with existing topic {:?}: names that differ only in \
                 '.' and '_' cannot be told apart in metrics and table names, use another",
                other.name
            ),
        )),
    }
}

fn partitions(cluster: &Cluster, request: &CreateTopic) -> Result<i32, TopicError> {
    match request.partitions {
        -1 => Ok(cluster.defaults.partitions),
        count if count >= 1 => Ok(count),
        count => Err(TopicError::new(
            ErrorCode::InvalidPartitions,
            format!("{count} partitions: use at least 1, or -1 for the broker's num.partitions"),
        )),
    }
}

fn replication_factor(cluster: &Cluster, request: &CreateTopic) -> Result<i16, TopicError> {
    let max = cluster.defaults.replication_factor_max;
    match request.replication_factor {
        -1 => Ok(cluster.defaults.replication_factor),
        factor if (1..=max).contains(&factor) => Ok(factor),
        factor if factor > max => Err(TopicError::new(
            ErrorCode::InvalidReplicationFactor,
            format!(
                "replication factor {factor}: use 1 to {max}, -1 for the broker's \
                 default.replication.factor, or raise replication.factor.max.accepted",
            ),
        )),
        factor => Err(TopicError::new(
            ErrorCode::InvalidReplicationFactor,
            format!("replication factor {factor}: use at least 1, or -1 for the broker's default"),
        )),
    }
}

/// Partitions and replication factor of manual assignments: partitions 0 to n-1 once each, every
/// one with the same number of existing, different brokers.
fn assigned(cluster: &Cluster, request: &CreateTopic) -> Result<(i32, i16), TopicError> {
    if request.partitions != -1 || request.replication_factor != -1 {
        return Err(TopicError::new(
            ErrorCode::InvalidRequest,
            "manual replica assignments exclude a number of partitions and a replication factor: \
             give -1 for both",
        ));
    }
    let invalid = |message| TopicError::new(ErrorCode::InvalidReplicaAssignment, message);
    let mut seen = BTreeSet::new();
    let factor = request.assignments[0].broker_ids.len();
    for ManualAssignment { partition, broker_ids } in &request.assignments {
        if !seen.insert(*partition) {
            return Err(invalid(format!("partition {partition} is assigned twice")));
        }
        check_replicas(&cluster.defaults.broker_ids, *partition, broker_ids, factor)?;
    }
    let count = request.assignments.len();
    let is_dense =
        seen.first() == Some(&0) && seen.last().is_some_and(|l| *l as usize == count - 1);
    if !is_dense {
        return Err(invalid("partitions must be numbered from 0 without gaps".to_owned()));
    }
    let partitions = i32::try_from(count).unwrap_or(i32::MAX);
    Ok((partitions, i16::try_from(factor).unwrap_or(i16::MAX)))
}

/// The replicas of one partition: `factor` of them, all existing, all different.
pub(super) fn check_replicas(
    known: &[i32],
    partition: i32,
    broker_ids: &[i32],
    factor: usize,
) -> Result<(), TopicError> {
    let invalid = |message| Err(TopicError::new(ErrorCode::InvalidReplicaAssignment, message));
    if broker_ids.is_empty() || broker_ids.len() != factor {
        return invalid(format!(
            "partition {partition} has {} replicas where others have {factor}: give every \
             partition the same number, at least 1",
            broker_ids.len()
        ));
    }
    let different: BTreeSet<_> = broker_ids.iter().collect();
    if different.len() != broker_ids.len() {
        return invalid(format!("partition {partition} names a broker twice"));
    }
    if let Some(unknown) = broker_ids.iter().find(|id| !known.contains(id)) {
        return invalid(format!(
            "partition {partition} is assigned to broker {unknown}, which does not exist; \
             brokers are {known:?}"
        ));
    }
    Ok(())
}

/// Whether a topic may have `partitions`, `additional` of which do not exist yet.
pub(super) fn check_limits(
    cluster: &Cluster,
    partitions: i32,
    additional: i32,
    limits: &Limits,
) -> Result<(), TopicError> {
    let message = if partitions > limits.partitions_per_topic_max {
        format!(
            "{partitions} partitions: a topic can have at most {}",
            limits.partitions_per_topic_max
        )
    } else if cluster.partitions() + additional as usize > limits.partitions_total_max {
        format!(
            "{additional} partitions more than the {} that exist would pass the broker's limit of \
             {}: delete topics or ask for fewer",
            cluster.partitions(),
            limits.partitions_total_max
        )
    } else {
        return Ok(());
    };
    Err(TopicError::new(ErrorCode::InvalidPartitions, message))
}
