//! ListPartitionReassignments (key 46), version 0 (KIP-455).
//!
//! With one broker no partition is ever on its way to another, so nothing is listed, as in Kafka for
//! partitions that are not being moved and for topics that do not exist.

use strom_protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

/// Lists what is being moved: nothing.
pub async fn handle(_: ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse { error_message: None, ..Default::default() }
}
