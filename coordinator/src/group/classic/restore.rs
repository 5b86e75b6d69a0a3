//! A group taken up from its record, as after a move of the coordinator: members with the
//! assignment they had, and fresh session timers, so that clients go on without a rebalance.

use strom_protocol::ByteString;

use super::group::{ClassicGroup, State};
use super::member::Member;
use crate::group::step::Step;
use crate::group::{GroupMetadata, MemberMetadata, Protocol};

/// The group as its last record says. Over `group.max.size` (it was lowered) it rebalances.
pub(in crate::group) fn restore(
    group_id: &ByteString,
    metadata: &GroupMetadata,
    step: &mut Step<'_>,
) -> ClassicGroup {
    let mut group = ClassicGroup::new(group_id.clone(), step.now_ms);
    let protocol = metadata.protocol.clone().unwrap_or_default();
    for member in &metadata.members {
        group.add(restore_member(member, &protocol), &metadata.protocol_type);
    }
    let has_type = !metadata.protocol_type.is_empty();
    group.protocol_type = has_type.then(|| metadata.protocol_type.clone());
    group.protocol = metadata.protocol.clone();
    group.generation = metadata.generation;
    if metadata.leader.as_ref().is_some_and(|id| group.members.contains_key(id)) {
        group.leader = metadata.leader.clone();
    }
    group.state = if group.members.is_empty() { State::Empty } else { State::Stable };
    group.state_since_ms = (metadata.state_since_ms != -1).then_some(metadata.state_since_ms);
    group.subscribed_topics = group.compute_subscribed_topics();
    for member in &metadata.members {
        group.restart_session(&member.member_id, step);
    }
    if group.members.len() > step.config.max_size {
        group.prepare_rebalance(step);
    }
    group
}

fn restore_member(member: &MemberMetadata, protocol: &ByteString) -> Member {
    Member {
        id: member.member_id.clone(),
        instance_id: member.group_instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        session_timeout_ms: member.session_timeout_ms,
        protocols: vec![Protocol { name: protocol.clone(), metadata: member.subscription.clone() }],
        assignment: member.assignment.clone(),
        is_new: false,
        awaiting_join: None,
        awaiting_sync: None,
    }
}
