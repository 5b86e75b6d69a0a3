//! Heartbeat, and what happens to members that send none.

use strom_protocol::{ByteString, ErrorCode};

use super::Groups;
use super::group::State;
use crate::group::Heartbeat;
use crate::group::step::Step;

/// Handles a Heartbeat: the member's session starts anew when it belongs to this generation.
pub(in crate::group) fn heartbeat(
    groups: &mut Groups,
    request: &Heartbeat,
    step: &mut Step<'_>,
) -> ErrorCode {
    if request.group_id.is_empty() {
        return ErrorCode::InvalidGroupId;
    }
    let Some(group) = groups.get(&request.group_id) else { return ErrorCode::UnknownMemberId };
    let member = group.check_member(&request.member_id, request.group_instance_id.as_ref());
    if let Err(error) = member {
        return error;
    }
    if request.generation != group.generation {
        return ErrorCode::IllegalGeneration;
    }
    match group.state {
        State::Empty => ErrorCode::UnknownMemberId,
        State::PreparingRebalance { .. } => {
            group.restart_session(&request.member_id, step);
            ErrorCode::RebalanceInProgress
        }
        State::CompletingRebalance | State::Stable => {
            group.restart_session(&request.member_id, step);
            ErrorCode::None
        }
    }
}

/// A session ran out. A pending member is forgotten; a member that waits for a reply is alive
/// unless it is new (its timer starts again with the reply); any other is removed, and the rest
/// rebalances.
pub(in crate::group) fn session_expired(
    groups: &mut Groups,
    group_id: &ByteString,
    member_id: &ByteString,
    step: &mut Step<'_>,
) {
    let Some(group) = groups.get_mut(group_id) else { return };
    if group.members.get(member_id).is_some_and(|m| m.satisfies_heartbeat()) {
        return;
    }
    let was_member = group.members.contains_key(member_id);
    group.remove(member_id, step);
    match group.state {
        State::Empty => {}
        // What waited only for the one that is gone goes on; an initial rebalance too, as in Kafka.
        State::PreparingRebalance { .. } => {
            if group.has_all_members_joined() {
                group.complete_join(step);
            }
        }
        State::CompletingRebalance | State::Stable => {
            if was_member {
                group.prepare_rebalance(step);
            }
        }
    }
}
