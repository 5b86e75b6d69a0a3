//! ListOffsets (key 2), versions 1-11. v2 isolation level; v4 leader epochs; v6 flexible;
//! v7 max timestamp (-3, KIP-734); v8 earliest local (-4, KIP-405); v9 latest tiered (-5, KIP-1005);
//! v11 earliest pending upload (-6, KIP-1023).

use std::collections::HashSet;

use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use strom_storage::{Isolation, Partition, ReadError, TimestampOffset};

use super::fetch::isolation;
use crate::errors::read_error_code;
use crate::session::Context;

const LEADER_EPOCH_SINCE: i16 = 4;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// Looks every partition up; lookups by time may read the disk, so they run on a blocking thread.
pub async fn handle(
    context: Context,
    version: i16,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    tokio::task::spawn_blocking(move || answer(&context, version, &request))
        .await
        .expect("a lookup neither panics nor is cancelled")
}

fn answer(context: &Context, version: i16, request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let isolation = isolation(request.isolation_level);
    let mut seen = HashSet::new();
    let mut doubled = HashSet::new();
    for topic in &request.topics {
        for wanted in &topic.partitions {
            if !seen.insert((topic.name.clone(), wanted.partition_index)) {
                doubled.insert((topic.name.clone(), wanted.partition_index));
            }
        }
    }
    let topics = request
        .topics
        .iter()
        .map(|topic| ListOffsetsTopicResponse {
            name: topic.name.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|wanted| {
                    let twice = doubled.contains(&(topic.name.clone(), wanted.partition_index));
                    let found = if twice {
                        Err(ErrorCode::InvalidRequest)
                    } else if !is_known_timestamp(wanted.timestamp, version) {
                        Err(ErrorCode::UnsupportedVersion)
                    } else {
                        look_up(context, &topic.name, wanted, isolation)
                    };
                    respond(version, wanted.partition_index, found)
                })
                .collect(),
        })
        .collect();
    ListOffsetsResponse { topics, ..Default::default() }
}

/// Negative timestamps are names of offsets; each exists from some version on.
fn is_known_timestamp(timestamp: i64, version: i16) -> bool {
    match timestamp {
        0.. => true,
        LATEST | EARLIEST => true,
        MAX_TIMESTAMP => version >= 7,
        EARLIEST_LOCAL => version >= 8,
        LATEST_TIERED => version >= 9,
        EARLIEST_PENDING_UPLOAD => version >= 11,
        _ => false,
    }
}

fn look_up(
    context: &Context,
    topic: &str,
    wanted: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Option<TimestampOffset>, ErrorCode> {
    let broker = &context.broker;
    let partition = broker
        .topics
        .id_of(topic)
        .and_then(|id| broker.store.partition(id, wanted.partition_index))
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    super::check_leader_epoch(wanted.current_leader_epoch, partition.leader_epoch())?;
    offset_at(&partition, wanted.timestamp, isolation).map_err(|error| read_error_code(&error))
}

/// `None`: nothing there, which is an answer (offset -1, timestamp -1), not an error.
fn offset_at(
    partition: &Partition,
    timestamp: i64,
    isolation: Isolation,
) -> Result<Option<TimestampOffset>, ReadError> {
    let offsets = partition.offsets();
    let visible_end = match isolation {
        Isolation::ReadCommitted => offsets.last_stable,
        Isolation::ReadUncommitted => offsets.high_watermark,
    };
    // The epoch of the record there: a consumer takes it for that of its last one (KIP-320).
    let at = |offset| {
        Some(TimestampOffset { offset, timestamp: -1, leader_epoch: partition.epoch_of(offset) })
    };
    let is_visible = |found: &TimestampOffset| found.offset < visible_end;
    match timestamp {
        LATEST => Ok(at(visible_end)),
        EARLIEST | EARLIEST_LOCAL => Ok(at(offsets.log_start)),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok(None),
        MAX_TIMESTAMP => Ok(partition.max_timestamp()?.filter(is_visible)),
        timestamp => Ok(partition.offset_for_timestamp(timestamp)?.filter(is_visible)),
    }
}

fn respond(
    version: i16,
    partition_index: i32,
    found: Result<Option<TimestampOffset>, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let nothing = TimestampOffset { offset: -1, timestamp: -1, leader_epoch: -1 };
    let (error_code, found) = match found {
        Ok(found) => (ErrorCode::None, found.unwrap_or(nothing)),
        Err(code) => (code, nothing),
    };
    ListOffsetsPartitionResponse {
        partition_index,
        error_code: error_code.code(),
        timestamp: found.timestamp,
        offset: found.offset,
        leader_epoch: if version >= LEADER_EPOCH_SINCE { found.leader_epoch } else { -1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_offsets_exist_from_their_version_on() {
        for (timestamp, since) in [
            (LATEST, 1),
            (EARLIEST, 1),
            (MAX_TIMESTAMP, 7),
            (EARLIEST_LOCAL, 8),
            (LATEST_TIERED, 9),
            (EARLIEST_PENDING_UPLOAD, 11),
        ] {
            assert!(is_known_timestamp(timestamp, since), "{timestamp} in version {since}");
            assert!(since == 1 || !is_known_timestamp(timestamp, since - 1), "{timestamp}");
        }
        assert!(is_known_timestamp(0, 1) && is_known_timestamp(i64::MAX, 11));
        assert!(!is_known_timestamp(-7, 11) && !is_known_timestamp(i64::MIN, 11));
    }
}
