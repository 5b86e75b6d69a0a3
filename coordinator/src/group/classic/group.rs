//! The state of one classic group and the questions about it. Transitions are in `rebalance`,
//! requests in the module of their API.

use std::collections::{BTreeMap, BTreeSet};

use strom_protocol::{ByteString, ErrorCode};

use super::member::Member;
use crate::group::step::Step;
use crate::group::timers::TimerKey;
use crate::group::{DescribedGroup, GroupMetadata, ListedGroup, Phase, Protocol};

/// The protocol type of consumers, whose metadata names the topics they read.
pub(super) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// Where a group is in its life. A group that is gone is not in the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::group) enum State {
    Empty,
    /// `initial` while a group that was empty waits for more members than the first.
    PreparingRebalance {
        initial: Option<InitialDelay>,
    },
    CompletingRebalance,
    Stable,
}

/// The rounds of waiting of an initial rebalance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::group) struct InitialDelay {
    /// The length of the round that runs.
    pub(super) delay_ms: i32,
    /// What the rebalance timeout leaves after it.
    pub(super) remaining_ms: i32,
    /// A member came in this round, so there may be another.
    pub(super) member_added: bool,
}

/// A classic group.
#[derive(Debug, Clone)]
pub(in crate::group) struct ClassicGroup {
    pub(in crate::group) id: ByteString,
    pub(in crate::group) state: State,
    /// When it entered its state, for offset expiry; `None` in records older than version 2.
    pub(in crate::group) state_since_ms: Option<i64>,
    /// `None` for a simple group, which only commits offsets.
    pub(in crate::group) protocol_type: Option<ByteString>,
    pub(in crate::group) protocol: Option<ByteString>,
    pub(in crate::group) generation: i32,
    pub(in crate::group) leader: Option<ByteString>,
    pub(super) members: BTreeMap<ByteString, Member>,
    /// Instance id to member id.
    pub(super) static_members: BTreeMap<ByteString, ByteString>,
    /// Ids given out with MEMBER_ID_REQUIRED that have not come back.
    pub(super) pending_join: BTreeSet<ByteString>,
    /// Members of this generation that have not synced.
    pub(super) pending_sync: BTreeSet<ByteString>,
    /// Topics of a consumer group's members, `None` when unknown.
    pub(super) subscribed_topics: Option<BTreeSet<ByteString>>,
}

impl ClassicGroup {
    pub(in crate::group) fn new(id: ByteString, now_ms: i64) -> ClassicGroup {
        ClassicGroup {
            id,
            state: State::Empty,
            state_since_ms: Some(now_ms),
            protocol_type: None,
            protocol: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_join: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            subscribed_topics: None,
        }
    }

    pub(in crate::group) fn phase(&self) -> Phase {
        match self.state {
            State::Empty => Phase::Empty,
            State::PreparingRebalance { .. } => Phase::PreparingRebalance,
            State::CompletingRebalance => Phase::CompletingRebalance,
            State::Stable => Phase::Stable,
        }
    }

    pub(in crate::group) fn is_empty(&self) -> bool {
        self.state == State::Empty
    }

    /// Somebody was told an id and may come back with it.
    pub(in crate::group) fn has_pending_members(&self) -> bool {
        !self.pending_join.is_empty()
    }

    pub(super) fn enter(&mut self, state: State, now_ms: i64) {
        self.state = state;
        self.state_since_ms = Some(now_ms);
    }

    pub(super) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    /// The longest rebalance timeout of its members, 0 without members.
    pub(super) fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|m| m.rebalance_timeout_ms).max().unwrap_or(0)
    }

    pub(super) fn awaiting_join_count(&self) -> usize {
        self.members.values().filter(|m| m.is_awaiting_join()).count()
    }

    pub(super) fn has_all_members_joined(&self) -> bool {
        self.pending_join.is_empty() && self.members.values().all(Member::is_awaiting_join)
    }

    /// Whether `member_id` (and the instance id, if given) is a member: UNKNOWN_MEMBER_ID, or
    /// FENCED_INSTANCE_ID when another member holds the instance id.
    pub(in crate::group) fn check_member(
        &self,
        member_id: &str,
        instance_id: Option<&ByteString>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(holder) if holder != member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// Whether somebody with these protocols can be in this group: some protocol must be spoken by
    /// every member.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|p| self.members.values().all(|m| m.supports(&p.name)))
    }

    /// The protocol that most members prefer among those that all speak; the leader's order breaks
    /// ties (Kafka leaves them to its hash map). `None` without members or common protocol.
    pub(super) fn select_protocol(&self) -> Option<ByteString> {
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id));
        let voter = leader.or_else(|| self.members.values().next())?;
        let names = voter.protocols.iter().map(|p| &p.name);
        let common: Vec<&ByteString> =
            names.filter(|name| self.members.values().all(|m| m.supports(name))).collect();
        let mut votes = Vec::with_capacity(self.members.len());
        for member in self.members.values() {
            votes.extend(member.protocols.iter().map(|p| &p.name).find(|n| common.contains(n)));
        }
        let mut best: Option<(&ByteString, usize)> = None;
        for candidate in common.iter().copied() {
            let count = votes.iter().filter(|vote| **vote == candidate).count();
            if best.is_none_or(|(_, most)| count > most) {
                best = Some((candidate, count));
            }
        }
        best.map(|(name, _)| name.clone())
    }

    /// Adds a member; the first one decides the protocol type and leads.
    pub(super) fn add(&mut self, member: Member, protocol_type: &ByteString) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), member.id.clone());
        }
        self.pending_join.remove(&member.id);
        self.members.insert(member.id.clone(), member);
    }

    /// Removes a member or pending member, with its timer; requests of it that wait are answered
    /// UNKNOWN_MEMBER_ID, so that a client that is still there joins anew.
    pub(super) fn remove(&mut self, member_id: &ByteString, step: &mut Step<'_>) {
        step.timers.cancel(&self.session_key(member_id));
        self.pending_join.remove(member_id);
        self.pending_sync.remove(member_id);
        let Some(member) = self.members.remove(member_id) else { return };
        if let Some(instance_id) = &member.instance_id {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        if let Some(token) = member.awaiting_join {
            step.refuse_join(token, ByteString::new(), ErrorCode::UnknownMemberId);
        }
        if let Some(token) = member.awaiting_sync {
            step.refuse_sync(token, ErrorCode::UnknownMemberId);
        }
    }

    /// Requests of its members that wait.
    pub(in crate::group) fn waiting(&self) -> usize {
        let waiting = self.members.values().map(|m| {
            usize::from(m.awaiting_join.is_some()) + usize::from(m.awaiting_sync.is_some())
        });
        waiting.sum()
    }

    /// Refuses every request that waits.
    pub(in crate::group) fn refuse_waiting(&mut self, error: ErrorCode, step: &mut Step<'_>) {
        for member in self.members.values_mut() {
            if let Some(token) = member.awaiting_join.take() {
                step.refuse_join(token, member.id.clone(), error);
            }
            if let Some(token) = member.awaiting_sync.take() {
                step.refuse_sync(token, error);
            }
        }
    }

    pub(super) fn session_key(&self, member_id: &ByteString) -> TimerKey {
        TimerKey::Session(self.id.clone(), member_id.clone())
    }

    pub(super) fn join_key(&self) -> TimerKey {
        TimerKey::Join(self.id.clone())
    }

    pub(super) fn pending_sync_key(&self) -> TimerKey {
        TimerKey::PendingSync(self.id.clone())
    }

    /// Starts the session timer of a member anew.
    pub(in crate::group) fn restart_session(&self, member_id: &ByteString, step: &mut Step<'_>) {
        if let Some(member) = self.members.get(member_id) {
            step.schedule(self.session_key(member_id), member.session_timeout_ms);
        }
    }

    /// Whether a member of this group reads `topic`; a consumer group that cannot tell says yes,
    /// so that nothing is expired under it.
    pub(in crate::group) fn is_subscribed(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.is_consumer_group(),
        }
    }

    pub(in crate::group) fn is_consumer_group(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    pub(in crate::group) fn knows_subscriptions(&self) -> bool {
        self.subscribed_topics.is_some()
    }

    /// What is recorded of this group: its generation with everybody's assignment.
    pub(super) fn to_metadata(&self) -> GroupMetadata {
        let protocol = self.protocol.as_deref().unwrap_or("");
        GroupMetadata {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since_ms: self.state_since_ms.unwrap_or(-1),
            members: self.members.values().map(|m| m.to_metadata(protocol)).collect(),
        }
    }

    pub(in crate::group) fn describe(&self) -> DescribedGroup {
        let protocol = self.protocol.as_ref().filter(|_| self.state == State::Stable);
        DescribedGroup {
            group_id: self.id.clone(),
            error: ErrorCode::None,
            error_message: None,
            state: self.phase(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: protocol.cloned().unwrap_or_default(),
            members: self.members.values().map(|m| m.described(protocol.map(|p| &**p))).collect(),
        }
    }

    pub(in crate::group) fn listed(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            state: self.phase(),
            group_type: "classic",
        }
    }
}

#[cfg(test)]
impl ClassicGroup {
    pub(in crate::group) fn knows(&self, member_id: &ByteString) -> bool {
        self.members.contains_key(member_id) || self.pending_join.contains(member_id)
    }

    /// What holds between any two commands.
    pub(in crate::group) fn check_invariants(
        &self,
        state: &crate::group::GroupState,
        config: &crate::group::GroupConfig,
    ) {
        let recorded = state.group(&self.id);
        match self.state {
            State::Empty => assert!(self.members.is_empty(), "an empty group has members"),
            State::Stable => {
                let recorded = recorded.expect("a stable group is recorded");
                assert_eq!(recorded.generation, self.generation);
                assert_eq!(recorded.protocol, self.protocol);
                assert_eq!(recorded.leader, self.leader);
                let ids: Vec<_> = recorded.members.iter().map(|m| &m.member_id).collect();
                assert_eq!(ids, self.members.keys().collect::<Vec<_>>(), "recorded members");
                for (recorded, member) in recorded.members.iter().zip(self.members.values()) {
                    assert_eq!(recorded.assignment, member.assignment, "recorded assignment");
                    assert!(member.awaiting_sync.is_none(), "nobody waits in a stable group");
                }
            }
            State::PreparingRebalance { .. } => {
                assert!(self.pending_sync.is_empty());
                assert!(self.members.values().all(|m| m.awaiting_sync.is_none()));
            }
            State::CompletingRebalance => {
                assert!(!self.members.is_empty(), "a generation has members");
                assert!(self.members.values().all(|m| m.awaiting_join.is_none()));
                assert!(self.protocol.is_some(), "a generation has a protocol");
            }
        }
        assert_eq!(self.leader.is_some(), !self.members.is_empty(), "members have a leader");
        assert!(self.leader.as_ref().is_none_or(|id| self.members.contains_key(id)));
        assert!(self.pending_join.iter().all(|id| !self.members.contains_key(id)));
        assert!(self.pending_sync.iter().all(|id| self.members.contains_key(id)));
        let statics = self.members.values().filter_map(|m| Some((m.instance_id.clone()?, &m.id)));
        let statics: BTreeMap<_, _> = statics.map(|(i, m)| (i, m.clone())).collect();
        assert_eq!(statics, self.static_members, "static members by instance id");
        assert!(self.members.len() + self.pending_join.len() <= config.limits.members_max);
    }
}
