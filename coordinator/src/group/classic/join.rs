//! JoinGroup: new members, members that rejoin, and static members that come back under a new id.

use strom_protocol::{ByteString, Bytes, ErrorCode};

use super::Groups;
use super::group::{ClassicGroup, State};
use super::member::Member;
use crate::group::records::STRING_BYTES_MAX;
use crate::group::step::Step;
use crate::group::{GroupConfig, Join, JoinReply, Reply, Token};

/// How much of a client or instance id goes into a member id.
const MEMBER_ID_NAME_BYTES_MAX: usize = 1_000;

/// Handles a JoinGroup. A group is created by its first member that has no id yet.
pub(in crate::group) fn join(
    groups: &mut Groups,
    token: Token,
    request: Join,
    step: &mut Step<'_>,
) {
    if let Err(error) = check_request(&request, step.config) {
        return step.refuse_join(token, request.member_id, error);
    }
    let is_new_group = !groups.contains(&request.group_id);
    if is_new_group && !request.member_id.is_empty() {
        return step.refuse_join(token, request.member_id, ErrorCode::UnknownMemberId);
    }
    if is_new_group && groups.len() >= step.config.limits.groups_max {
        return step.refuse_join(token, ByteString::new(), ErrorCode::GroupMaxSizeReached);
    }
    let group_id = request.group_id.clone();
    let group = groups.get_or_create(&group_id, step.now_ms);
    if group.accepts(&request.member_id, step.config) {
        group.join(token, request, step);
    } else {
        group.remove(&request.member_id, step);
        step.refuse_join(token, ByteString::new(), ErrorCode::GroupMaxSizeReached);
    }
    if is_new_group {
        if group.is_empty() && !group.has_pending_members() {
            groups.remove(&group_id);
        } else {
            group.record_created(step);
        }
    }
}

fn check_request(request: &Join, config: &GroupConfig) -> Result<(), ErrorCode> {
    if request.group_id.is_empty() || request.group_id.len() > STRING_BYTES_MAX {
        return Err(ErrorCode::InvalidGroupId);
    }
    let names = [&request.client_id, &request.client_host, &request.protocol_type];
    let names = names.into_iter().chain(request.protocols.iter().map(|p| &p.name));
    let mut names = names.chain(&request.group_instance_id);
    if names.any(|name| name.len() > STRING_BYTES_MAX) {
        return Err(ErrorCode::InvalidRequest);
    }
    let allowed = config.min_session_timeout_ms..=config.max_session_timeout_ms;
    if !allowed.contains(&request.session_timeout_ms) {
        return Err(ErrorCode::InvalidSessionTimeout);
    }
    Ok(())
}

impl ClassicGroup {
    /// Whether there is room for this member. While a rebalance is prepared, those that wait
    /// count: the first `group.max.size` that come are in. Otherwise members count.
    fn accepts(&self, member_id: &str, config: &GroupConfig) -> bool {
        let max = config.max_size.min(config.limits.members_max);
        let member = self.members.get(member_id);
        let is_known = member.is_some() || self.pending_join.contains(member_id);
        if !is_known && self.members.len() + self.pending_join.len() >= config.limits.members_max {
            return false;
        }
        match self.state {
            State::Empty => true,
            State::PreparingRebalance { .. } => {
                member.is_some_and(Member::is_awaiting_join) || self.awaiting_join_count() < max
            }
            State::CompletingRebalance | State::Stable => {
                member.is_some() || self.members.len() < max
            }
        }
    }

    fn join(&mut self, token: Token, request: Join, step: &mut Step<'_>) {
        if !self.supports(&request.protocol_type, &request.protocols) {
            let error = ErrorCode::InconsistentGroupProtocol;
            return step.refuse_join(token, request.member_id, error);
        }
        if !request.member_id.is_empty() {
            return self.join_known(token, request, step);
        }
        match request.group_instance_id.clone() {
            Some(instance_id) => {
                let new_id = new_member_id(&instance_id, &request);
                match self.static_members.get(&instance_id).cloned() {
                    Some(old_id) => self.replace_static(token, request, (old_id, new_id), step),
                    None => self.add_member(token, request, new_id, step),
                }
            }
            None => {
                let new_id = new_member_id(&request.client_id, &request);
                if request.member_id_required {
                    self.pending_join.insert(new_id.clone());
                    step.schedule(self.session_key(&new_id), request.session_timeout_ms);
                    step.refuse_join(token, new_id, ErrorCode::MemberIdRequired);
                } else {
                    self.add_member(token, request, new_id, step);
                }
            }
        }
    }

    /// A member that has an id: a pending one comes back, or one of the group rejoins.
    fn join_known(&mut self, token: Token, request: Join, step: &mut Step<'_>) {
        let member_id = request.member_id.clone();
        if self.pending_join.contains(&member_id) && request.group_instance_id.is_none() {
            return self.add_member(token, request, member_id, step);
        }
        if let Err(error) = self.check_member(&member_id, request.group_instance_id.as_ref()) {
            return step.refuse_join(token, member_id, error);
        }
        let is_unchanged =
            self.members.get(&member_id).is_some_and(|m| m.protocols == request.protocols);
        match self.state {
            State::PreparingRebalance { .. } => self.rejoin(token, &request, step),
            // The same metadata again: the reply was lost, so give it once more.
            State::CompletingRebalance if is_unchanged => {
                self.reply_joined(token, &member_id, step);
            }
            // A follower without news; a leader that joins wants a rebalance (of new partitions,
            // say), whatever its metadata.
            State::Stable if is_unchanged && !self.is_leader(&member_id) => {
                self.reply_joined(token, &member_id, step);
            }
            State::CompletingRebalance | State::Stable => self.rejoin(token, &request, step),
            State::Empty => step.refuse_join(token, member_id, ErrorCode::UnknownMemberId),
        }
    }

    fn rejoin(&mut self, token: Token, request: &Join, step: &mut Step<'_>) {
        let member_id = request.member_id.clone();
        self.update_member(token, &member_id, request, step);
        self.rebalance_or_complete_join(step);
    }

    /// Takes over what a join says of a member that exists. A join of it that still waits on
    /// another connection is told to retry.
    fn update_member(
        &mut self,
        token: Token,
        member_id: &ByteString,
        request: &Join,
        step: &mut Step<'_>,
    ) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        member.protocols = request.protocols.clone();
        member.rebalance_timeout_ms = rebalance_timeout_ms(request);
        member.session_timeout_ms = request.session_timeout_ms;
        if let Some(stale) = member.awaiting_join.replace(token) {
            step.refuse_join(stale, member_id.clone(), ErrorCode::RebalanceInProgress);
        }
    }

    fn add_member(&mut self, token: Token, request: Join, id: ByteString, step: &mut Step<'_>) {
        let member = Member {
            id: id.clone(),
            instance_id: request.group_instance_id.clone(),
            client_id: request.client_id.clone(),
            client_host: request.client_host.clone(),
            rebalance_timeout_ms: rebalance_timeout_ms(&request),
            session_timeout_ms: request.session_timeout_ms,
            protocols: request.protocols,
            assignment: Bytes::new(),
            is_new: true,
            awaiting_join: Some(token),
            awaiting_sync: None,
        };
        if let State::PreparingRebalance { initial: Some(initial) } = &mut self.state {
            initial.member_added = true;
        }
        self.add(member, &request.protocol_type);
        // It cannot send heartbeats before it is told its generation, and nobody would notice that
        // its client is gone.
        step.schedule(self.session_key(&id), step.config.new_member_join_timeout_ms);
        self.rebalance_or_complete_join(step);
    }

    /// A static member is back under a new id. In a stable group whose protocol stays the same the
    /// new id simply takes the old one's place, with its assignment; otherwise it rebalances.
    fn replace_static(
        &mut self,
        token: Token,
        request: Join,
        (old_id, new_id): (ByteString, ByteString),
        step: &mut Step<'_>,
    ) {
        let old_leader = self.leader.clone();
        self.rename_static(&old_id, &new_id, step);
        self.update_member(token, &new_id, &request, step);
        self.restart_session(&new_id, step);
        match self.state {
            State::Stable if self.select_protocol() == self.protocol => {
                self.record(step);
                self.reply_replaced(&new_id, old_leader, request.skip_assignment_supported, step);
            }
            // The leader may already assign to the old id, so its plan would miss the new one.
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(step),
            State::PreparingRebalance { .. } => self.maybe_complete_join(step),
            // An empty group has no static members; a join that finds one is told to start over.
            State::Empty => self.remove(&new_id, step),
        }
    }

    /// Gives a static member its new id; whoever still uses the old one is fenced.
    fn rename_static(&mut self, old_id: &ByteString, new_id: &ByteString, step: &mut Step<'_>) {
        step.timers.cancel(&self.session_key(old_id));
        let Some(mut member) = self.members.remove(old_id) else { return };
        if let Some(fenced) = member.awaiting_join.take() {
            step.refuse_join(fenced, old_id.clone(), ErrorCode::FencedInstanceId);
        }
        if let Some(fenced) = member.awaiting_sync.take() {
            step.refuse_sync(fenced, ErrorCode::FencedInstanceId);
        }
        if self.pending_sync.remove(old_id) {
            self.pending_sync.insert(new_id.clone());
        }
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), new_id.clone());
        }
        member.id = new_id.clone();
        member.is_new = false;
        self.members.insert(new_id.clone(), member);
    }

    /// Tells a replaced member that its generation goes on. A client that knows `skip_assignment`
    /// learns that it leads; an older one is shown the former leader, so that it follows.
    fn reply_replaced(
        &mut self,
        member_id: &ByteString,
        old_leader: Option<ByteString>,
        skip_assignment_supported: bool,
        step: &mut Step<'_>,
    ) {
        let token = self.members.get_mut(member_id).and_then(|m| m.awaiting_join.take());
        let Some(token) = token else { return };
        let protocol = self.protocol.as_deref().unwrap_or("");
        let leads = skip_assignment_supported && self.is_leader(member_id);
        let leader = if skip_assignment_supported { self.leader.clone() } else { old_leader };
        let members = self.members.values().filter(|_| leads);
        let reply = JoinReply {
            error: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            leader: leader.unwrap_or_default(),
            skip_assignment: leads,
            member_id: member_id.clone(),
            members: members.map(|m| m.joined(protocol)).collect(),
        };
        step.reply(token, Reply::Join(reply));
    }
}

/// `<client or instance id>-<uuid>`, as Kafka forms member ids; a very long name is cut.
fn new_member_id(name: &str, request: &Join) -> ByteString {
    let name = &name[..name.floor_char_boundary(MEMBER_ID_NAME_BYTES_MAX)];
    format!("{name}-{}", request.member_id_suffix).into()
}

fn rebalance_timeout_ms(request: &Join) -> i32 {
    if request.rebalance_timeout_ms <= 0 {
        request.session_timeout_ms
    } else {
        request.rebalance_timeout_ms
    }
}
