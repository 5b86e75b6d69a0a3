//! One file per API: resolve, call the room that knows, map the outcome. No rules live here.

pub mod alter_configs;
mod altering;
pub mod api_versions;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_groups;
pub mod delete_records;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_groups;
pub mod describe_log_dirs;
pub mod describe_topic_partitions;
pub mod elect_leaders;
pub mod fetch;
pub mod find_coordinator;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod join_group;
pub mod leave_group;
pub mod list_groups;
pub mod list_offsets;
pub mod list_partition_reassignments;
pub mod metadata;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod sync_group;

use strom_protocol::error_code::ErrorCode;

/// "Not asked for" in authorized-operations fields.
const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

/// Bits of Kafka's `AclOperation` codes, for brokers without an authorizer: all that apply.
const fn operation_bits(codes: &[u8]) -> i32 {
    let mut bits = 0;
    let mut index = 0;
    while index < codes.len() {
        bits |= 1 << codes[index];
        index += 1;
    }
    bits
}

/// Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite.
const CLUSTER_OPERATIONS: i32 = operation_bits(&[5, 7, 8, 9, 10, 11, 12]);
/// Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs.
const TOPIC_OPERATIONS: i32 = operation_bits(&[3, 4, 5, 6, 7, 8, 10, 11]);
/// Read, Delete, Describe, DescribeConfigs, AlterConfigs.
const GROUP_OPERATIONS: i32 = operation_bits(&[3, 6, 8, 10, 11]);

/// Judges the leader epoch that a client believes in (KIP-320); -1 means it has none.
fn check_leader_epoch(claimed: i32, current: i32) -> Result<(), ErrorCode> {
    match claimed {
        claimed if claimed < 0 => Ok(()),
        claimed if claimed < current => Err(ErrorCode::FencedLeaderEpoch),
        claimed if claimed > current => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}
