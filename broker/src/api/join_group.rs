//! JoinGroup (key 11), versions 0-9. v1 rebalance timeout; v4 member id required (KIP-394); v5 static
//! members (KIP-345); v6 flexible; v7 protocol type; v8 reason (KIP-800); v9 skip assignment (KIP-814).

use strom_coordinator::group::{Command, Join, JoinReply, Protocol, Reply};
use strom_protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember,
};
use strom_protocol::{ByteString, Uuid};

use crate::coordinators::groups::unexpected;
use crate::session::Context;

const REBALANCE_TIMEOUT_SINCE: i16 = 1;
const MEMBER_ID_REQUIRED_SINCE: i16 = 4;
const SKIP_ASSIGNMENT_SINCE: i16 = 9;
/// Before this version a missing protocol name is an empty string, not null.
const NULL_PROTOCOL_SINCE: i16 = 7;

/// Waits until the rebalance that the join takes part in is over.
pub async fn handle(
    context: Context,
    version: i16,
    client: String,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let member_id = request.member_id.clone();
    let group_id = request.group_id.clone();
    let join = join(&context, version, client.into(), request);
    let reply = context.broker.groups.ask(&group_id, |token| Command::Join(token, join)).await;
    let reply = match reply {
        Ok(Reply::Join(reply)) => reply,
        Ok(other) => unexpected(&other),
        Err(code) => JoinReply::refused(member_id, code),
    };
    respond(version, reply)
}

fn join(context: &Context, version: i16, client_id: ByteString, request: JoinGroupRequest) -> Join {
    Join {
        group_id: request.group_id,
        member_id: request.member_id,
        group_instance_id: request.group_instance_id,
        client_id,
        client_host: format!("/{}", context.peer.ip()).into(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: if version >= REBALANCE_TIMEOUT_SINCE {
            request.rebalance_timeout_ms
        } else {
            -1
        },
        protocol_type: request.protocol_type,
        protocols: request
            .protocols
            .into_iter()
            .map(|protocol| Protocol { name: protocol.name, metadata: protocol.metadata })
            .collect(),
        member_id_required: version >= MEMBER_ID_REQUIRED_SINCE,
        skip_assignment_supported: version >= SKIP_ASSIGNMENT_SINCE,
        member_id_suffix: Uuid::new_v4(),
    }
}

fn respond(version: i16, reply: JoinReply) -> JoinGroupResponse {
    let protocol_name = match reply.protocol_name {
        None if version < NULL_PROTOCOL_SINCE => Some(ByteString::new()),
        name => name,
    };
    JoinGroupResponse {
        error_code: reply.error.code(),
        generation_id: reply.generation,
        protocol_type: reply.protocol_type,
        protocol_name,
        leader: reply.leader,
        skip_assignment: reply.skip_assignment,
        member_id: reply.member_id,
        members: reply
            .members
            .into_iter()
            .map(|member| JoinGroupResponseMember {
                member_id: member.member_id,
                group_instance_id: member.group_instance_id,
                metadata: member.metadata,
            })
            .collect(),
        ..Default::default()
    }
}
