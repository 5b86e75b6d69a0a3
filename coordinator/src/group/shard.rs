//! One shard: all groups of one `__consumer_offsets` partition behind one door.

use strom_protocol::{ByteString, ErrorCode};

use super::classic::{self, Groups};
use super::step::Step;
use super::timers::{TimerKey, Timers};
use super::{Command, GroupConfig, GroupRecord, GroupState, Outcome, Reply, listing, offsets};

/// Timers that run after one command at most; the rest run with the next tick, which
/// [`GroupShard::next_deadline`] asks for at once.
const TIMERS_PER_COMMAND_MAX: usize = 10_000;

/// The groups of one partition: durable state, soft state, timers.
#[derive(Debug)]
pub struct GroupShard {
    config: GroupConfig,
    state: GroupState,
    groups: Groups,
    timers: Timers,
}

impl GroupShard {
    /// Takes up the groups that the replayed records left, as Kafka does when a coordinator has
    /// moved: members keep their assignments and get a fresh session each.
    ///
    /// Writes nothing: an outcome's records would only repeat what was replayed.
    pub fn start(state: GroupState, config: GroupConfig, now_ms: i64) -> GroupShard {
        let mut timers = Timers::default();
        let mut groups = Groups::default();
        let mut step = Step::new(now_ms, &config, &mut timers);
        for (group_id, metadata) in state.groups() {
            groups.insert(classic::restore(group_id, metadata, &mut step));
        }
        for group_id in state.groups_with_offsets() {
            groups.get_or_create(group_id, now_ms);
        }
        let expiry_ms = now_ms.saturating_add(config.offsets_retention_check_interval_ms);
        timers.schedule(TimerKey::OffsetExpiry, expiry_ms);
        GroupShard { config, state, groups, timers }
    }

    /// Handles one command, then every timer that is due. Records are already applied to
    /// [`GroupShard::state`] when this returns; should appending them fail, the shard is ahead of
    /// its log and must be given up with [`GroupShard::abandon`] and replayed.
    pub fn handle(&mut self, command: Command, now_ms: i64) -> Outcome {
        let mut step = Step::new(now_ms, &self.config, &mut self.timers);
        decide(&self.state, &mut self.groups, command, &mut step);
        let mut outcome = step.outcome;
        self.apply_from(&outcome, 0);
        for _ in 0..TIMERS_PER_COMMAND_MAX {
            let Some(key) = self.timers.pop_due(now_ms) else { break };
            let mut step = Step::new(now_ms, &self.config, &mut self.timers);
            run_timer(&self.state, &mut self.groups, key, &mut step);
            let applied = outcome.records.len();
            outcome.records.append(&mut step.outcome.records);
            outcome.replies.append(&mut step.outcome.replies);
            self.apply_from(&outcome, applied);
        }
        outcome
    }

    /// When [`Command::Tick`] is due next, in the clock of `now_ms`.
    pub fn next_deadline(&self) -> Option<i64> {
        self.timers.next()
    }

    /// What the records say.
    pub fn state(&self) -> &GroupState {
        &self.state
    }

    /// The records of a checkpoint; see [`GroupState::snapshot`].
    pub fn snapshot(&self) -> Vec<GroupRecord> {
        self.state.snapshot()
    }

    /// Ends the shard and answers everybody who waits with `error` (NOT_COORDINATOR on shutdown,
    /// COORDINATOR_NOT_AVAILABLE when records could not be written): clients look for their
    /// coordinator and rejoin.
    pub fn abandon(mut self, error: ErrorCode) -> Outcome {
        let mut step = Step::new(0, &self.config, &mut self.timers);
        self.groups.refuse_all_waiting(error, &mut step);
        step.outcome
    }

    /// Whether the group has members, or is about to.
    pub fn has_members(&self, group_id: &str) -> bool {
        self.groups.get(group_id).is_some_and(|group| !group.is_empty())
    }

    /// Requests that wait for a reply.
    pub fn waiting(&self) -> usize {
        self.groups.iter().map(|g| g.waiting()).sum()
    }

    fn apply_from(&mut self, outcome: &Outcome, first: usize) {
        for record in &outcome.records[first..] {
            self.state.apply(record);
        }
    }

    #[cfg(test)]
    pub(super) fn groups(&self) -> &Groups {
        &self.groups
    }

    #[cfg(test)]
    pub(super) fn timers(&self) -> &Timers {
        &self.timers
    }
}

fn decide(state: &GroupState, groups: &mut Groups, command: Command, step: &mut Step<'_>) {
    match command {
        Command::Join(token, request) => classic::join(groups, token, request, step),
        Command::Sync(token, request) => classic::sync(groups, token, request, step),
        Command::Heartbeat(token, request) => {
            let error = classic::heartbeat(groups, &request, step);
            step.reply(token, Reply::Heartbeat(error));
        }
        Command::Leave(token, request) => {
            let reply = classic::leave(groups, request, step);
            step.reply(token, Reply::Leave(reply));
        }
        Command::Commit(token, request) => {
            let reply = offsets::commit(state, groups, request, step);
            step.reply(token, Reply::Commit(reply));
        }
        Command::FetchOffsets(token, request) => {
            step.reply(token, Reply::Offsets(offsets::fetch(state, request)));
        }
        Command::Describe { token, group_ids, missing_is_error } => {
            let described = listing::describe(groups, group_ids, missing_is_error);
            step.reply(token, Reply::Described(described));
        }
        Command::List(token, filter) => {
            step.reply(token, Reply::Listed(listing::list(groups, &filter)));
        }
        Command::Delete(token, group_ids) => {
            let deleted = listing::delete(state, groups, group_ids, step);
            step.reply(token, Reply::Deleted(deleted));
        }
        Command::DeleteOffsets(token, request) => {
            let reply = offsets::delete(state, groups, request, step);
            step.reply(token, Reply::OffsetsDeleted(reply));
        }
        Command::TopicsDeleted(topics) => offsets::topics_deleted(state, &topics, step),
        Command::Tick => {}
    }
}

fn run_timer(state: &GroupState, groups: &mut Groups, key: TimerKey, step: &mut Step<'_>) {
    match key {
        TimerKey::Join(group_id) => classic::join_phase_over(groups, &group_id, step),
        TimerKey::PendingSync(group_id) => classic::pending_sync_over(groups, &group_id, step),
        TimerKey::Session(group_id, member_id) => {
            classic::session_expired(groups, &group_id, &member_id, step);
        }
        TimerKey::OffsetExpiry => offsets::expire(state, groups, step),
    }
}

impl Groups {
    fn refuse_all_waiting(&mut self, error: ErrorCode, step: &mut Step<'_>) {
        let mut waiting: Vec<ByteString> = self.iter().map(|g| g.id.clone()).collect();
        waiting.sort();
        for group_id in waiting {
            if let Some(group) = self.get_mut(&group_id) {
                group.refuse_waiting(error, step);
            }
        }
    }
}
