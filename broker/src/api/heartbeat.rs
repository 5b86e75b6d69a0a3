//! Heartbeat (key 12), versions 0-4. v3 static members; v4 flexible.

use strom_coordinator::group::{Command, Heartbeat, Reply};
use strom_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use crate::coordinators::groups::unexpected;
use crate::session::Context;

/// Keeps a member alive and tells it of rebalances.
pub async fn handle(context: Context, request: HeartbeatRequest) -> HeartbeatResponse {
    let group_id = request.group_id.clone();
    let heartbeat = Heartbeat {
        group_id: request.group_id,
        member_id: request.member_id,
        group_instance_id: request.group_instance_id,
        generation: request.generation_id,
    };
    let reply =
        context.broker.groups.ask(&group_id, |token| Command::Heartbeat(token, heartbeat)).await;
    let code = match reply {
        Ok(Reply::Heartbeat(code)) => code,
        Ok(other) => unexpected(&other),
        Err(code) => code,
    };
    HeartbeatResponse { error_code: code.code(), ..Default::default() }
}
