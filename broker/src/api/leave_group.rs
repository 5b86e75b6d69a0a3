//! LeaveGroup (key 13), versions 0-5. v3 batches with static members; v4 flexible; v5 reason.

use strom_coordinator::group::{Command, Leave, LeaveMember, LeaveReply, Reply};
use strom_protocol::messages::leave_group::{
    LeaveGroupRequest, LeaveGroupResponse, MemberResponse,
};

use crate::coordinators::groups::unexpected;
use crate::session::Context;

const BATCHES_SINCE: i16 = 3;

/// Removes members; before v3 exactly one, whose outcome is the request's.
pub async fn handle(
    context: Context,
    version: i16,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let group_id = request.group_id.clone();
    let members = if version < BATCHES_SINCE {
        vec![LeaveMember { member_id: request.member_id, group_instance_id: None }]
    } else {
        request
            .members
            .into_iter()
            .map(|member| LeaveMember {
                member_id: member.member_id,
                group_instance_id: member.group_instance_id,
            })
            .collect()
    };
    let leave = Leave { group_id: request.group_id, members };
    let reply = context.broker.groups.ask(&group_id, |token| Command::Leave(token, leave)).await;
    let reply = match reply {
        Ok(Reply::Leave(reply)) => reply,
        Ok(other) => unexpected(&other),
        Err(error) => LeaveReply { error, members: Vec::new() },
    };
    respond(version, reply)
}

fn respond(version: i16, reply: LeaveReply) -> LeaveGroupResponse {
    if version < BATCHES_SINCE {
        let code = reply.members.first().map_or(reply.error, |member| member.error);
        return LeaveGroupResponse { error_code: code.code(), ..Default::default() };
    }
    LeaveGroupResponse {
        error_code: reply.error.code(),
        members: reply
            .members
            .into_iter()
            .map(|member| MemberResponse {
                member_id: member.member_id,
                group_instance_id: member.group_instance_id,
                error_code: member.error.code(),
            })
            .collect(),
        ..Default::default()
    }
}
