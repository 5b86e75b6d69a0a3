//! ElectLeaders (key 43), versions 0-2 (KIP-460). v1 election type and top-level error; v2 flexible.
//!
//! One broker has every partition, so its preferred leader leads it already and no election, clean or
//! unclean, is needed.

use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
    TopicPartitions,
};

use crate::session::Context;

const ELECTION_TYPE_SINCE: i16 = 1;
/// 0 elects the preferred leader, 1 any replica.
const ELECTION_TYPES: std::ops::RangeInclusive<i8> = 0..=1;

/// Answers each partition asked for. Asked for all, it names those that were elected: none.
pub async fn handle(
    context: Context,
    version: i16,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    let is_known = version < ELECTION_TYPE_SINCE || ELECTION_TYPES.contains(&request.election_type);
    let results = match request.topic_partitions {
        Some(topics) => topics.into_iter().map(|topic| one(&context, topic, is_known)).collect(),
        None if is_known => {
            let all = context.broker.topics.all().into_iter();
            let nothing = |name: String| ReplicaElectionResult {
                topic: name.into(),
                partition_result: Vec::new(),
            };
            all.map(|topic| nothing(topic.name)).collect()
        }
        None => Vec::new(),
    };
    let code = if is_known { ErrorCode::None } else { ErrorCode::InvalidRequest };
    ElectLeadersResponse {
        error_code: if version < ELECTION_TYPE_SINCE { 0 } else { code.code() },
        replica_election_results: results,
        ..Default::default()
    }
}

fn one(context: &Context, topic: TopicPartitions, is_known: bool) -> ReplicaElectionResult {
    let found = context.broker.topics.get(&topic.topic);
    let result = |index: i32| {
        let partitions = found.as_ref().map(|topic| 0..topic.partitions);
        let (code, message) = if !is_known {
            (
                ErrorCode::InvalidRequest,
                "unknown election type: use 0 (preferred) or 1 (unclean)".to_owned(),
            )
        } else if partitions.is_some_and(|partitions| partitions.contains(&index)) {
            let message = "Leader election not needed for topic partition.".to_owned();
            (ErrorCode::ElectionNotNeeded, message)
        } else {
            let message = format!("No such partition as {}-{index}", topic.topic);
            (ErrorCode::UnknownTopicOrPartition, message)
        };
        PartitionResult {
            partition_id: index,
            error_code: code.code(),
            error_message: Some(message.into()),
        }
    };
    ReplicaElectionResult {
        partition_result: topic.partitions.iter().map(|index| result(*index)).collect(),
        topic: topic.topic,
    }
}
