//! Transitions of a classic group: into a rebalance, through the join phase, into the next
//! generation.

use std::collections::BTreeSet;

use strom_protocol::{ByteString, Bytes, ErrorCode};

use super::Groups;
use super::group::{ClassicGroup, InitialDelay, State};
use crate::group::records::subscribed_topics;
use crate::group::step::Step;
use crate::group::timers::TimerKey;
use crate::group::{GroupMetadata, GroupRecord, JoinReply, Reply, Token};

/// A join phase that nobody has rejoined waits at least this long again, so that a rebalance
/// timeout of zero does not spin.
const REJOIN_WAIT_MS_MIN: i32 = 1_000;

impl ClassicGroup {
    /// Starts a rebalance, or lets the one that runs finish if everybody has joined.
    pub(super) fn rebalance_or_complete_join(&mut self, step: &mut Step<'_>) {
        match self.state {
            State::Empty | State::CompletingRebalance | State::Stable => {
                self.prepare_rebalance(step);
            }
            State::PreparingRebalance { .. } => self.maybe_complete_join(step),
        }
    }

    /// Into PreparingRebalance. Members that wait for their assignment are told to rejoin. A group
    /// that was empty waits for more members first.
    pub(super) fn prepare_rebalance(&mut self, step: &mut Step<'_>) {
        if self.state == State::CompletingRebalance {
            self.reset_assignments(ErrorCode::RebalanceInProgress, step);
        }
        self.pending_sync.clear();
        step.timers.cancel(&self.pending_sync_key());
        if self.is_empty() {
            let delay_ms = step.config.initial_rebalance_delay_ms;
            let remaining_ms = (self.rebalance_timeout_ms() - delay_ms).max(0);
            let initial = Some(InitialDelay { delay_ms, remaining_ms, member_added: false });
            self.enter(State::PreparingRebalance { initial }, step.now_ms);
            step.schedule(self.join_key(), delay_ms);
            return;
        }
        self.enter(State::PreparingRebalance { initial: None }, step.now_ms);
        if self.has_all_members_joined() {
            self.complete_join(step);
        } else {
            step.schedule(self.join_key(), self.rebalance_timeout_ms());
        }
    }

    /// Ends the join phase if everybody is there. Initial rebalances end by time only.
    pub(super) fn maybe_complete_join(&mut self, step: &mut Step<'_>) {
        if self.state == (State::PreparingRebalance { initial: None })
            && self.has_all_members_joined()
        {
            self.complete_join(step);
        }
    }

    /// Ends the join phase: dynamic members that did not come are removed, and the others form the
    /// next generation. If only static members are left and none of them came, it waits again,
    /// until session timeouts remove them.
    pub(super) fn complete_join(&mut self, step: &mut Step<'_>) {
        step.timers.cancel(&self.join_key());
        let missing = self.members.values().filter(|m| !m.is_awaiting_join() && !m.is_static());
        let missing: Vec<ByteString> = missing.map(|m| m.id.clone()).collect();
        for member_id in &missing {
            self.remove(member_id, step);
        }
        if !self.elect_joined_leader() && !self.members.is_empty() {
            let wait_ms = self.rebalance_timeout_ms().max(REJOIN_WAIT_MS_MIN);
            step.schedule(self.join_key(), wait_ms);
            return;
        }
        self.next_generation(step);
    }

    /// The leader stays if it has joined, else the first member that has leads. False when nobody
    /// has.
    fn elect_joined_leader(&mut self) -> bool {
        let joined = |id: &ByteString| self.members.get(id).is_some_and(|m| m.is_awaiting_join());
        if self.leader.as_ref().is_some_and(joined) {
            return true;
        }
        let next = self.members.values().find(|m| m.is_awaiting_join());
        let Some(next) = next.map(|m| m.id.clone()) else { return false };
        self.leader = Some(next);
        true
    }

    fn next_generation(&mut self, step: &mut Step<'_>) {
        self.generation = if self.generation == i32::MAX { 1 } else { self.generation + 1 };
        self.pending_sync.clear();
        self.protocol = self.select_protocol();
        self.subscribed_topics = self.compute_subscribed_topics();
        if self.members.is_empty() {
            self.enter(State::Empty, step.now_ms);
            self.record(step);
            return;
        }
        self.enter(State::CompletingRebalance, step.now_ms);
        let member_ids: Vec<ByteString> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            if let Some(token) = self.take_awaiting_join(&member_id) {
                self.reply_joined(token, &member_id, step);
            }
            self.restart_session(&member_id, step);
            self.pending_sync.insert(member_id);
        }
        step.schedule(self.pending_sync_key(), self.rebalance_timeout_ms());
    }

    fn take_awaiting_join(&mut self, member_id: &ByteString) -> Option<Token> {
        let member = self.members.get_mut(member_id)?;
        member.is_new = false;
        member.awaiting_join.take()
    }

    /// Tells a member the generation; the leader gets everybody's metadata.
    pub(super) fn reply_joined(&self, token: Token, member_id: &ByteString, step: &mut Step<'_>) {
        let protocol = self.protocol.as_deref().unwrap_or("");
        let members = if self.is_leader(member_id) {
            self.members.values().map(|m| m.joined(protocol)).collect()
        } else {
            Vec::new()
        };
        let reply = JoinReply {
            error: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: member_id.clone(),
            members,
        };
        step.reply(token, Reply::Join(reply));
    }

    /// Forgets all assignments and refuses the syncs that wait.
    pub(super) fn reset_assignments(&mut self, error: ErrorCode, step: &mut Step<'_>) {
        let mut refused = Vec::new();
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            if let Some(token) = member.awaiting_sync.take() {
                step.refuse_sync(token, error);
                refused.push(member.id.clone());
            }
        }
        for member_id in refused {
            self.restart_session(&member_id, step);
        }
    }

    /// Writes that the group exists, as yet without a generation.
    pub(super) fn record_created(&self, step: &mut Step<'_>) {
        let metadata = GroupMetadata { state_since_ms: step.now_ms, ..GroupMetadata::default() };
        step.record(GroupRecord::Group { group_id: self.id.clone(), metadata: Some(metadata) });
    }

    /// Writes the group as it is.
    pub(super) fn record(&self, step: &mut Step<'_>) {
        let metadata = Some(self.to_metadata());
        step.record(GroupRecord::Group { group_id: self.id.clone(), metadata });
    }

    /// The topics that a consumer group's members name in their metadata; `None` for other
    /// protocol types and when a member's metadata cannot be read.
    pub(super) fn compute_subscribed_topics(&self) -> Option<BTreeSet<ByteString>> {
        if !self.is_consumer_group() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscribed_topics(&member.metadata(protocol))?);
        }
        Some(topics)
    }
}

/// The join timer of a group ran out: another round for an initial rebalance that brought a
/// member, else the end of the phase.
pub(in crate::group) fn join_phase_over(
    groups: &mut Groups,
    group_id: &ByteString,
    step: &mut Step<'_>,
) {
    let Some(group) = groups.get_mut(group_id) else { return };
    let State::PreparingRebalance { initial } = group.state else { return };
    match initial {
        Some(round) if round.member_added && round.remaining_ms > 0 => {
            let delay_ms = step.config.initial_rebalance_delay_ms.min(round.remaining_ms);
            let remaining_ms = (round.remaining_ms - round.delay_ms).max(0);
            let initial = Some(InitialDelay { delay_ms, remaining_ms, member_added: false });
            group.state = State::PreparingRebalance { initial };
            step.timers.schedule(
                TimerKey::Join(group_id.clone()),
                step.now_ms.saturating_add(i64::from(delay_ms)),
            );
        }
        Some(_) | None => group.complete_join(step),
    }
}

/// The members of this generation have had their time to sync: those that have not are removed,
/// and the others rejoin.
pub(in crate::group) fn pending_sync_over(
    groups: &mut Groups,
    group_id: &ByteString,
    step: &mut Step<'_>,
) {
    let Some(group) = groups.get_mut(group_id) else { return };
    match group.state {
        State::Empty | State::PreparingRebalance { .. } => {}
        State::CompletingRebalance | State::Stable => {
            let silent = std::mem::take(&mut group.pending_sync);
            for member_id in &silent {
                group.remove(member_id, step);
            }
            if !silent.is_empty() {
                group.prepare_rebalance(step);
            }
        }
    }
}
