//! A bench for shards: commands in, replies and records out, with what must always hold checked
//! after every step.

mod bounds_and_listing;
mod membership;
mod offsets;
mod random;
mod records;
mod restart;
mod static_members;

use std::collections::{BTreeMap, BTreeSet};

use strom_protocol::{ByteString, Bytes, ErrorCode, Uuid};

use super::timers::TimerKey;
use super::*;

/// A shard with its log and the clients' mailboxes.
struct Bench {
    shard: GroupShard,
    config: GroupConfig,
    now_ms: i64,
    log: Vec<GroupRecord>,
    waiting: BTreeSet<Token>,
    answers: BTreeMap<Token, Reply>,
    generations: BTreeMap<ByteString, i32>,
    next_token: Token,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(GroupConfig::default())
    }

    fn with(config: GroupConfig) -> Bench {
        let now_ms = 1_000_000;
        Bench {
            shard: GroupShard::start(GroupState::default(), config.clone(), now_ms),
            config,
            now_ms,
            log: Vec::new(),
            waiting: BTreeSet::new(),
            answers: BTreeMap::new(),
            generations: BTreeMap::new(),
            next_token: 1,
        }
    }

    /// Sends a command; gives its token and the records it made.
    fn send(&mut self, command: impl FnOnce(Token) -> Command) -> (Token, Vec<GroupRecord>) {
        let token = self.next_token;
        self.next_token += 1;
        let command = command(token);
        if !matches!(command, Command::Tick | Command::TopicsDeleted(_)) {
            self.waiting.insert(token);
        }
        let outcome = self.shard.handle(command, self.now_ms);
        self.take(&outcome);
        (token, outcome.records)
    }

    fn take(&mut self, outcome: &Outcome) {
        for (token, reply) in &outcome.replies {
            assert!(self.waiting.remove(token), "token {token} answered twice or never asked");
            self.answers.insert(*token, reply.clone());
        }
        self.log.extend(outcome.records.iter().cloned());
        self.check();
    }

    /// Sends a command that is answered at once.
    fn ask(&mut self, command: impl FnOnce(Token) -> Command) -> Reply {
        let (token, _) = self.send(command);
        self.answer(token)
    }

    fn answer(&self, token: Token) -> Reply {
        self.answers.get(&token).unwrap_or_else(|| panic!("token {token} is unanswered")).clone()
    }

    fn is_answered(&self, token: Token) -> bool {
        self.answers.contains_key(&token)
    }

    /// Lets time pass, with a tick at every deadline on the way; gives the records.
    fn advance(&mut self, ms: i64) -> Vec<GroupRecord> {
        let from = self.log.len();
        let end = self.now_ms + ms;
        while let Some(at_ms) = self.shard.next_deadline().filter(|at| *at <= end) {
            self.now_ms = self.now_ms.max(at_ms);
            self.send(|_| Command::Tick);
        }
        self.now_ms = end;
        self.log[from..].to_vec()
    }

    /// Ends the shard and takes it up again from its encoded log.
    fn restart(&mut self) {
        let mut state = GroupState::default();
        for record in &self.log {
            let (key, value) = record.encode();
            state.apply(&GroupRecord::decode(&key, value.as_ref()).unwrap());
        }
        let fresh = GroupShard::start(state, self.config.clone(), self.now_ms);
        let old = std::mem::replace(&mut self.shard, fresh);
        let outcome = old.abandon(ErrorCode::NotCoordinator);
        self.take(&outcome);
        assert!(self.waiting.is_empty(), "everybody who waits is told");
    }

    /// Replay gives equal state, by log and by snapshot; generations never go back; waiting
    /// requests are those the shard knows of; timers belong to groups that exist.
    fn check(&mut self) {
        let mut replayed = GroupState::default();
        self.log.iter().for_each(|record| replayed.apply(record));
        assert_eq!(&replayed, self.shard.state(), "replay of the log");
        let mut restored = GroupState::default();
        let snapshot = self.shard.snapshot();
        assert_eq!(snapshot.len(), self.shard.state().live_records());
        snapshot.iter().for_each(|record| restored.apply(record));
        assert_eq!(&restored, self.shard.state(), "replay of the snapshot");
        assert_eq!(self.shard.waiting(), self.waiting.len(), "waiting requests");
        let mut alive = BTreeMap::new();
        for group in self.shard.groups().iter() {
            let last = self.generations.get(&group.id).copied().unwrap_or(0);
            assert!(group.generation >= last, "generation of {} went back", group.id);
            alive.insert(group.id.clone(), group.generation);
            group.check_invariants(self.shard.state(), &self.config);
        }
        self.generations = alive;
        for key in self.shard.timers().keys() {
            let group_id = match key {
                TimerKey::Join(id) | TimerKey::PendingSync(id) | TimerKey::Session(id, _) => id,
                TimerKey::OffsetExpiry => continue,
            };
            assert!(self.shard.groups().contains(group_id), "timer {key:?} of no group");
        }
    }

    fn phase(&self, group_id: &str) -> Phase {
        self.shard.groups().get(group_id).map_or(Phase::Dead, |g| g.phase())
    }

    // Clients.

    fn join(&mut self, join: Join) -> Token {
        self.send(|token| Command::Join(token, join)).0
    }

    fn join_reply(&self, token: Token) -> JoinReply {
        match self.answer(token) {
            Reply::Join(reply) => reply,
            other => panic!("not a join reply: {other:?}"),
        }
    }

    fn sync(&mut self, sync: Sync) -> Token {
        self.send(|token| Command::Sync(token, sync)).0
    }

    fn sync_reply(&self, token: Token) -> SyncReply {
        match self.answer(token) {
            Reply::Sync(reply) => reply,
            other => panic!("not a sync reply: {other:?}"),
        }
    }

    fn heartbeat(&mut self, member_id: &ByteString, generation: i32) -> ErrorCode {
        let request = Heartbeat {
            group_id: "g".into(),
            member_id: member_id.clone(),
            group_instance_id: None,
            generation,
        };
        match self.ask(|token| Command::Heartbeat(token, request)) {
            Reply::Heartbeat(error) => error,
            other => panic!("not a heartbeat reply: {other:?}"),
        }
    }

    fn leave(&mut self, members: &[(&str, Option<&str>)]) -> Vec<ErrorCode> {
        let members = members.iter().map(|(id, instance)| LeaveMember {
            member_id: (*id).into(),
            group_instance_id: instance.map(ByteString::from),
        });
        let request = Leave { group_id: "g".into(), members: members.collect() };
        match self.ask(|token| Command::Leave(token, request)) {
            Reply::Leave(reply) => reply.members.into_iter().map(|m| m.error).collect(),
            other => panic!("not a leave reply: {other:?}"),
        }
    }

    /// Brings `n` new members into group `g` and through sync; the ids, the leader first.
    fn stable(&mut self, n: usize) -> Vec<ByteString> {
        let joins: Vec<Token> =
            (0..n).map(|i| self.join(new_join(&format!("client{i}")))).collect();
        self.advance(600_000i64.min(i64::from(self.config.initial_rebalance_delay_ms) * 2 + 1));
        let replies: Vec<JoinReply> = joins.iter().map(|t| self.join_reply(*t)).collect();
        let leader = replies[0].leader.clone();
        let generation = replies[0].generation;
        let mut ids: Vec<ByteString> = replies.into_iter().map(|r| r.member_id).collect();
        ids.sort_by_key(|id| *id != leader);
        self.sync_all(&ids, generation);
        ids
    }

    /// Everybody syncs, the leader (the first) last.
    fn sync_all(&mut self, ids: &[ByteString], generation: i32) {
        let tokens: Vec<Token> =
            ids[1..].iter().map(|id| self.sync(new_sync(id, generation))).collect();
        let assignments = ids
            .iter()
            .map(|id| SyncAssignment { member_id: id.clone(), assignment: assignment_of(id) });
        let sync = Sync { assignments: assignments.collect(), ..new_sync(&ids[0], generation) };
        let leader = self.sync(sync);
        for token in tokens.into_iter().chain([leader]) {
            assert_eq!(self.sync_reply(token).error, ErrorCode::None);
        }
        assert_eq!(self.phase("g"), Phase::Stable);
    }

    fn describe(&mut self, group_id: &str) -> DescribedGroup {
        let command = |token| Command::Describe {
            token,
            group_ids: vec![group_id.into()],
            missing_is_error: false,
        };
        match self.ask(command) {
            Reply::Described(mut groups) => groups.remove(0),
            other => panic!("not described: {other:?}"),
        }
    }
}

fn assignment_of(member_id: &ByteString) -> Bytes {
    Bytes::from(format!("assignment of {member_id}"))
}

fn protocols(names: &[&str]) -> Vec<Protocol> {
    let protocol = |name: &&str| Protocol {
        name: (*name).into(),
        metadata: Bytes::from(format!("{name} metadata")),
    };
    names.iter().map(protocol).collect()
}

/// A dynamic member's first join of group `g`, of a version that needs no known member id.
fn new_join(client_id: &str) -> Join {
    Join {
        group_id: "g".into(),
        client_id: client_id.into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: protocols(&["range", "roundrobin"]),
        member_id_suffix: Uuid::from_u128(7),
        ..Join::default()
    }
}

fn rejoin(member_id: &ByteString) -> Join {
    Join { member_id: member_id.clone(), ..new_join("client") }
}

fn new_sync(member_id: &ByteString, generation: i32) -> Sync {
    Sync { group_id: "g".into(), member_id: member_id.clone(), generation, ..Sync::default() }
}
