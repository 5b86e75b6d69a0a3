//! Random clients against one shard: whatever they send in whatever order, everybody is answered
//! once and in time, and the records always tell the whole story (the bench checks after each
//! step).

use proptest::prelude::*;

use super::*;

/// A client's next step, with small numbers that pick among groups, members and settings.
#[derive(Debug, Clone)]
enum Act {
    Join {
        group: u8,
        who: u8,
        protocols: u8,
        timeout: u8,
        is_static: bool,
        id_required: bool,
    },
    Rejoin {
        group: u8,
        who: u8,
        protocols: u8,
        instance: bool,
    },
    Sync {
        group: u8,
        who: u8,
        stale: bool,
    },
    Heartbeat {
        group: u8,
        who: u8,
        stale: bool,
    },
    Leave {
        group: u8,
        who: u8,
        by_instance: bool,
    },
    Commit {
        group: u8,
        who: u8,
        kind: u8,
    },
    Delete {
        group: u8,
    },
    TopicsDeleted,
    DeleteOffsets {
        group: u8,
        who: u8,
    },
    Advance {
        ms: i64,
    },
    /// Well-behaved for once: two more members come, and everybody rejoins and syncs.
    Settle {
        group: u8,
        is_static: bool,
    },
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let (group, who) = (0..2u8, 0..6u8);
    prop_oneof![
        4 => (group.clone(), who.clone(), 0..4u8, 0..3u8, any::<bool>(), any::<bool>()).prop_map(
            |(group, who, protocols, timeout, is_static, id_required)| Act::Join {
                group, who, protocols, timeout, is_static, id_required
            }
        ),
        5 => (group.clone(), who.clone(), 0..4u8, any::<bool>()).prop_map(
            |(group, who, protocols, instance)| Act::Rejoin { group, who, protocols, instance }
        ),
        6 => (group.clone(), who.clone(), prop::bool::weighted(0.1))
            .prop_map(|(group, who, stale)| Act::Sync { group, who, stale }),
        4 => (group.clone(), who.clone(), prop::bool::weighted(0.1))
            .prop_map(|(group, who, stale)| Act::Heartbeat { group, who, stale }),
        2 => (group.clone(), who.clone(), any::<bool>())
            .prop_map(|(group, who, by_instance)| Act::Leave { group, who, by_instance }),
        3 => (group.clone(), who.clone(), 0..4u8)
            .prop_map(|(group, who, kind)| Act::Commit { group, who, kind }),
        1 => (group.clone(), who).prop_map(|(group, who)| Act::DeleteOffsets { group, who }),
        1 => group.clone().prop_map(|group| Act::Delete { group }),
        4 => (group, any::<bool>())
            .prop_map(|(group, is_static)| Act::Settle { group, is_static }),
        1 => Just(Act::TopicsDeleted),
        5 => (0..12_000i64).prop_map(|ms| Act::Advance { ms }),
        1 => (0..1_000_000i64).prop_map(|ms| Act::Advance { ms }),
        1 => Just(Act::Restart),
    ]
}

/// The clients' side: member ids that were given out, by group.
struct Clients {
    bench: Bench,
    ids: Vec<(ByteString, ByteString)>,
    drawn: u128,
}

impl Clients {
    fn group(group: u8) -> ByteString {
        format!("g{group}").into()
    }

    fn id(&self, group: &ByteString, who: u8) -> ByteString {
        let of_group: Vec<_> = self.ids.iter().rev().filter(|(g, _)| g == group).take(6).collect();
        match of_group.len() {
            0 => "nobody".into(),
            n => of_group[usize::from(who) % n].1.clone(),
        }
    }

    fn generation(&self, group: &ByteString, stale: bool) -> i32 {
        let current = self.bench.shard.groups().get(group).map_or(0, |g| g.generation);
        current - i32::from(stale)
    }

    fn protocols(kind: u8) -> Vec<Protocol> {
        match kind {
            0 => protocols(&["range", "roundrobin"]),
            1 => protocols(&["roundrobin", "range"]),
            2 => protocols(&["range"]),
            _ => protocols(&["sticky"]),
        }
    }

    fn run(&mut self, act: Act) {
        match act {
            Act::Join { group, who, protocols, timeout, is_static, id_required } => {
                self.drawn += 1;
                let timeouts = [(6_000, 0), (10_000, 20_000), (30_000, -1)];
                let (session_timeout_ms, rebalance_timeout_ms) = timeouts[usize::from(timeout)];
                let join = Join {
                    group_id: Clients::group(group),
                    group_instance_id: is_static.then(|| format!("i{who}").into()),
                    session_timeout_ms,
                    rebalance_timeout_ms,
                    protocols: Clients::protocols(protocols),
                    member_id_required: id_required,
                    skip_assignment_supported: id_required,
                    member_id_suffix: Uuid::from_u128(self.drawn),
                    ..new_join("c")
                };
                self.bench.join(join);
            }
            Act::Rejoin { group, who, protocols, instance } => {
                let group_id = Clients::group(group);
                let member_id = self.id(&group_id, who);
                let group_instance_id = instance.then(|| format!("i{who}").into());
                let protocols = Clients::protocols(protocols);
                let join = Join { group_id, group_instance_id, protocols, ..rejoin(&member_id) };
                self.bench.join(join);
            }
            Act::Sync { group, who, stale } => self.sync(Clients::group(group), who, stale),
            Act::Heartbeat { group, who, stale } => {
                let group_id = Clients::group(group);
                let request = Heartbeat {
                    member_id: self.id(&group_id, who),
                    group_instance_id: None,
                    generation: self.generation(&group_id, stale),
                    group_id,
                };
                self.bench.ask(|t| Command::Heartbeat(t, request));
            }
            Act::Leave { group, who, by_instance } => {
                let group_id = Clients::group(group);
                let group_instance_id = by_instance.then(|| format!("i{who}").into());
                let member_id = if by_instance { "".into() } else { self.id(&group_id, who) };
                let members = vec![LeaveMember { member_id, group_instance_id }];
                self.bench.ask(|t| Command::Leave(t, Leave { group_id, members }));
            }
            Act::Commit { group, who, kind } => self.commit(Clients::group(group), who, kind),
            Act::Delete { group } => {
                self.bench.ask(|t| Command::Delete(t, vec![Clients::group(group)]));
            }
            Act::DeleteOffsets { group, who } => self.delete_offsets(group, who),
            Act::TopicsDeleted => {
                self.bench.send(|_| Command::TopicsDeleted(vec!["t".into()]));
            }
            Act::Settle { group, is_static } => {
                for who in 0..2 {
                    let (protocols, timeout, id_required) = (0, 2, false);
                    let join = Act::Join { group, who, protocols, timeout, is_static, id_required };
                    self.run(join);
                }
                self.settle(&Clients::group(group));
            }
            Act::Advance { ms } => drop(self.bench.advance(ms)),
            Act::Restart => {
                // What was not recorded may come again with the same number.
                self.bench.generations.clear();
                self.bench.restart();
            }
        }
        self.collect_ids();
    }

    fn settle(&mut self, group_id: &ByteString) {
        self.bench.advance(3_000);
        for member in self.bench.describe(group_id).members {
            let group_instance_id = member.group_instance_id;
            let join = rejoin(&member.member_id);
            self.bench.join(Join { group_id: group_id.clone(), group_instance_id, ..join });
        }
        self.bench.advance(5_000);
        for member in self.bench.describe(group_id).members {
            let generation = self.generation(group_id, false);
            let assignments = vec![SyncAssignment {
                member_id: member.member_id.clone(),
                assignment: assignment_of(&member.member_id),
            }];
            let sync = new_sync(&member.member_id, generation);
            self.bench.sync(Sync { group_id: group_id.clone(), assignments, ..sync });
        }
    }

    fn sync(&mut self, group_id: ByteString, who: u8, stale: bool) {
        let member_id = self.id(&group_id, who);
        let assign = |(_, id): &(_, ByteString)| SyncAssignment {
            member_id: id.clone(),
            assignment: assignment_of(id),
        };
        let assignments = self.ids.iter().map(assign).collect();
        let generation = self.generation(&group_id, stale);
        self.bench.sync(Sync { group_id, assignments, ..new_sync(&member_id, generation) });
    }

    fn commit(&mut self, group_id: ByteString, who: u8, kind: u8) {
        let is_simple = kind == 0;
        let partition = CommitPartition {
            partition: i32::from(who),
            offset: 1,
            leader_epoch: 2,
            metadata: None,
        };
        let commit = Commit {
            member_id: if is_simple { "".into() } else { self.id(&group_id, who) },
            generation: if is_simple { -1 } else { self.generation(&group_id, false) },
            retention_time_ms: if kind == 1 { 60_000 } else { -1 },
            topics: vec![CommitTopic { name: "t".into(), partitions: vec![partition] }],
            group_id,
            ..Commit::default()
        };
        self.bench.ask(|t| Command::Commit(t, commit));
    }

    fn delete_offsets(&mut self, group: u8, who: u8) {
        let topics = vec![("t".into(), vec![i32::from(who), 9])];
        let request = DeleteOffsets { group_id: Clients::group(group), topics };
        self.bench.ask(|t| Command::DeleteOffsets(t, request));
    }

    fn collect_ids(&mut self) {
        let groups: Vec<ByteString> = (0..2).map(Clients::group).collect();
        for answer in self.bench.answers.values() {
            let Reply::Join(reply) = answer else { continue };
            for group in &groups {
                let given = (group.clone(), reply.member_id.clone());
                let knows = |g: &super::classic::ClassicGroup| g.knows(&reply.member_id);
                let is_in = self.bench.shard.groups().get(group).is_some_and(knows);
                if is_in && !self.ids.contains(&given) {
                    self.ids.push(given);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn everybody_is_answered_once_and_replay_gives_equal_state(
        acts in prop::collection::vec(act(), 1..80)
    ) {
        let mut clients = Clients { bench: Bench::new(), ids: Vec::new(), drawn: 0 };
        for act in acts {
            clients.run(act);
        }
        // Left alone, every request is answered and every group becomes empty, then goes.
        clients.bench.advance(1_000_000);
        prop_assert!(clients.bench.waiting.is_empty(), "unanswered: {:?}", clients.bench.waiting);
        clients.bench.advance(8 * 24 * 60 * 60 * 1_000);
        prop_assert_eq!(clients.bench.shard.state().live_records(), 0);
        prop_assert_eq!(clients.bench.shard.timers().keys().count(), 1, "only the expiry timer");
    }
}
