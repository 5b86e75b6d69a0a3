//! SyncGroup (key 14), versions 0-5. v3 static members; v4 flexible; v5 protocol type and name.

use strom_coordinator::group::{Command, Reply, Sync, SyncAssignment, SyncReply};
use strom_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use crate::coordinators::groups::unexpected;
use crate::session::Context;

const PROTOCOL_REQUIRED_SINCE: i16 = 5;

/// Waits for the leader's assignment and returns the member's part of it.
pub async fn handle(
    context: Context,
    version: i16,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    let group_id = request.group_id.clone();
    let sync = Sync {
        group_id: request.group_id,
        member_id: request.member_id,
        group_instance_id: request.group_instance_id,
        generation: request.generation_id,
        protocol_type: request.protocol_type,
        protocol_name: request.protocol_name,
        protocol_required: version >= PROTOCOL_REQUIRED_SINCE,
        assignments: request
            .assignments
            .into_iter()
            .map(|given| SyncAssignment {
                member_id: given.member_id,
                assignment: given.assignment,
            })
            .collect(),
    };
    let reply = context.broker.groups.ask(&group_id, |token| Command::Sync(token, sync)).await;
    let reply = match reply {
        Ok(Reply::Sync(reply)) => reply,
        Ok(other) => unexpected(&other),
        Err(code) => SyncReply::refused(code),
    };
    SyncGroupResponse {
        error_code: reply.error.code(),
        protocol_type: reply.protocol_type,
        protocol_name: reply.protocol_name,
        assignment: reply.assignment,
        ..Default::default()
    }
}
