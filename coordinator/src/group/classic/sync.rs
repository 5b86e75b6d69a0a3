//! SyncGroup: followers wait, the leader brings the assignment, the generation becomes durable.

use std::collections::HashMap;

use strom_protocol::{ByteString, Bytes, ErrorCode};

use super::Groups;
use super::group::{ClassicGroup, State};
use crate::group::step::Step;
use crate::group::{Reply, Sync, SyncAssignment, SyncReply, Token};

/// Handles a SyncGroup.
pub(in crate::group) fn sync(
    groups: &mut Groups,
    token: Token,
    request: Sync,
    step: &mut Step<'_>,
) {
    if request.group_id.is_empty() {
        return step.refuse_sync(token, ErrorCode::InvalidGroupId);
    }
    let Some(group) = groups.get_mut(&request.group_id) else {
        return step.refuse_sync(token, ErrorCode::UnknownMemberId);
    };
    if let Err(error) = group.check_sync(&request) {
        return step.refuse_sync(token, error);
    }
    match group.state {
        State::Empty => step.refuse_sync(token, ErrorCode::UnknownMemberId),
        State::PreparingRebalance { .. } => {
            step.refuse_sync(token, ErrorCode::RebalanceInProgress);
        }
        State::CompletingRebalance => {
            group.await_sync(token, &request.member_id, step);
            if group.is_leader(&request.member_id) {
                group.assign(request.assignments, step);
            }
        }
        State::Stable => {
            group.has_synced(&request.member_id, step);
            group.reply_assignment(token, &request.member_id, step);
        }
    }
}

impl ClassicGroup {
    fn check_sync(&self, request: &Sync) -> Result<(), ErrorCode> {
        let given = request.protocol_type.is_some() && request.protocol_name.is_some();
        if request.protocol_required && !given {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        self.check_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |ours: &Option<ByteString>, theirs: &Option<ByteString>| match (ours, theirs)
        {
            (Some(ours), Some(theirs)) => ours != theirs,
            (None, _) | (_, None) => false,
        };
        if differs(&self.protocol_type, &request.protocol_type)
            || differs(&self.protocol, &request.protocol_name)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn await_sync(&mut self, token: Token, member_id: &ByteString, step: &mut Step<'_>) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        if let Some(stale) = member.awaiting_sync.replace(token) {
            step.refuse_sync(stale, ErrorCode::RebalanceInProgress);
        }
        self.has_synced(member_id, step);
    }

    fn has_synced(&mut self, member_id: &ByteString, step: &mut Step<'_>) {
        self.pending_sync.remove(member_id);
        if self.pending_sync.is_empty() {
            step.timers.cancel(&self.pending_sync_key());
        }
    }

    /// The leader's assignment: recorded, then given to everybody who waits. Members that it left
    /// out get an empty one; those it invented are dropped.
    fn assign(&mut self, assignments: Vec<SyncAssignment>, step: &mut Step<'_>) {
        let mut by_member: HashMap<ByteString, Bytes> =
            assignments.into_iter().map(|a| (a.member_id, a.assignment)).collect();
        for member in self.members.values_mut() {
            member.assignment = by_member.remove(&member.id).unwrap_or_default();
        }
        if self.to_metadata().approximate_bytes() > step.config.limits.group_record_bytes_max {
            self.reset_assignments(ErrorCode::GroupMaxSizeReached, step);
            return self.prepare_rebalance(step);
        }
        self.enter(State::Stable, step.now_ms);
        self.record(step);
        let waiting: Vec<(ByteString, Token)> = self
            .members
            .values_mut()
            .filter_map(|m| Some((m.id.clone(), m.awaiting_sync.take()?)))
            .collect();
        for (member_id, token) in waiting {
            self.reply_assignment(token, &member_id, step);
            self.restart_session(&member_id, step);
        }
    }

    fn reply_assignment(&self, token: Token, member_id: &ByteString, step: &mut Step<'_>) {
        let member = self.members.get(member_id);
        let reply = SyncReply {
            error: ErrorCode::None,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            assignment: member.map(|m| m.assignment.clone()).unwrap_or_default(),
        };
        step.reply(token, Reply::Sync(reply));
    }
}
