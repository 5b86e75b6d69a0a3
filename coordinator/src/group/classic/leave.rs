//! LeaveGroup: one or several members, by member id or (static ones) by instance id.

use strom_protocol::{ByteString, ErrorCode};

use super::Groups;
use super::group::{ClassicGroup, State};
use crate::group::step::Step;
use crate::group::{Leave, LeaveMember, LeaveReply, LeftMember};

/// Handles a LeaveGroup.
pub(in crate::group) fn leave(
    groups: &mut Groups,
    request: Leave,
    step: &mut Step<'_>,
) -> LeaveReply {
    if request.group_id.is_empty() {
        return LeaveReply { error: ErrorCode::InvalidGroupId, members: Vec::new() };
    }
    let left = |member: LeaveMember, error| LeftMember {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error,
    };
    let Some(group) = groups.get_mut(&request.group_id) else {
        let unknown = request.members.into_iter().map(|m| left(m, ErrorCode::UnknownMemberId));
        return LeaveReply { error: ErrorCode::None, members: unknown.collect() };
    };
    let mut members = Vec::with_capacity(request.members.len());
    let mut is_anybody_gone = false;
    for member in request.members {
        let outcome = group.leaving(&member);
        if let Ok(member_id) = &outcome {
            group.remove(member_id, step);
            is_anybody_gone = true;
        }
        members.push(left(member, outcome.err().unwrap_or(ErrorCode::None)));
    }
    if is_anybody_gone {
        match group.state {
            State::Empty => {}
            State::PreparingRebalance { .. } => group.maybe_complete_join(step),
            State::CompletingRebalance | State::Stable => group.prepare_rebalance(step),
        }
    }
    LeaveReply { error: ErrorCode::None, members }
}

impl ClassicGroup {
    /// The id of the member or pending member that is meant.
    fn leaving(&self, member: &LeaveMember) -> Result<ByteString, ErrorCode> {
        let instance_id = member.group_instance_id.as_ref();
        if member.member_id.is_empty() {
            let holder = instance_id.and_then(|id| self.static_members.get(id));
            return holder.cloned().ok_or(ErrorCode::UnknownMemberId);
        }
        if !self.pending_join.contains(&member.member_id) {
            self.check_member(&member.member_id, instance_id)?;
        }
        Ok(member.member_id.clone())
    }
}
