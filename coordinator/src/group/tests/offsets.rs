//! Committing, fetching, expiring and removing offsets.

use super::*;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn topic(name: &str, partitions: &[i32]) -> CommitTopic {
    let partition = |partition: &i32| CommitPartition {
        partition: *partition,
        offset: 100 + i64::from(*partition),
        leader_epoch: 3,
        metadata: Some(format!("note {partition}").into()),
    };
    CommitTopic { name: name.into(), partitions: partitions.iter().map(partition).collect() }
}

fn commit(group_id: &str, member_id: &str, generation: i32) -> Commit {
    Commit {
        group_id: group_id.into(),
        member_id: member_id.into(),
        group_instance_id: None,
        generation,
        retention_time_ms: -1,
        missing_group_is_not_found: true,
        topics: vec![topic("t", &[0])],
    }
}

/// Sends a commit; the code of its first partition, and the records.
fn send(bench: &mut Bench, commit: Commit) -> (ErrorCode, Vec<GroupRecord>) {
    let (token, records) = bench.send(|t| Command::Commit(t, commit));
    let Reply::Commit(reply) = bench.answer(token) else { panic!("not a commit reply") };
    (reply.topics[0].partitions[0].1, records)
}

pub(super) fn commit_simple(bench: &mut Bench, group_id: &str) {
    assert_eq!(send(bench, commit(group_id, "", -1)).0, ErrorCode::None);
}

fn fetch(
    bench: &mut Bench,
    group_id: &str,
    topics: Option<&[(&str, &[i32])]>,
) -> Vec<(String, i32, i64)> {
    let topics =
        topics.map(|topics| topics.iter().map(|(name, p)| ((*name).into(), p.to_vec())).collect());
    let request = FetchOffsets { group_id: group_id.into(), topics };
    let Reply::Offsets(reply) = bench.ask(|t| Command::FetchOffsets(t, request)) else { panic!() };
    assert_eq!(reply.error, ErrorCode::None);
    let flat = reply.topics.into_iter().flat_map(|topic| {
        let name = topic.name.to_string();
        topic.partitions.into_iter().map(move |p| (name.clone(), p.partition, p.offset))
    });
    flat.collect()
}

#[test]
fn commit_comes_back_as_it_was_given() {
    let mut bench = Bench::new();
    let request =
        Commit { topics: vec![topic("t", &[0, 5]), topic("u", &[1])], ..commit("s", "", -1) };
    let (error, records) = send(&mut bench, request);
    assert_eq!(error, ErrorCode::None);
    let expected = GroupRecord::Offset {
        key: OffsetKey { group_id: "s".into(), topic: "t".into(), partition: 5 },
        committed: Some(CommittedOffset {
            offset: 105,
            leader_epoch: 3,
            metadata: "note 5".into(),
            commit_timestamp_ms: bench.now_ms,
            expire_timestamp_ms: None,
        }),
    };
    assert_eq!((records.len(), &records[1]), (3, &expected));
    let topics = Some(vec![("u".into(), vec![1, 2]), ("x".into(), vec![0])]);
    let request = FetchOffsets { group_id: "s".into(), topics };
    let reply = bench.ask(|t| Command::FetchOffsets(t, request));
    let found = |partition, offset, leader_epoch, metadata: &str| FetchedPartition {
        partition,
        offset,
        leader_epoch,
        metadata: metadata.into(),
    };
    let topics = vec![
        FetchedTopic {
            name: "u".into(),
            partitions: vec![found(1, 101, 3, "note 1"), found(2, -1, -1, "")],
        },
        FetchedTopic { name: "x".into(), partitions: vec![found(0, -1, -1, "")] },
    ];
    assert_eq!(reply, Reply::Offsets(FetchedOffsets { error: ErrorCode::None, topics }));
    let all = [("t", 0, 100), ("t", 5, 105), ("u", 1, 101)];
    let all: Vec<_> = all.iter().map(|(t, p, o)| ((*t).to_owned(), *p, *o)).collect();
    assert_eq!(fetch(&mut bench, "s", None), all);
    assert_eq!(fetch(&mut bench, "nobody", None), vec![]);
    assert_eq!(fetch(&mut bench, "nobody", Some(&[("t", &[0])])), vec![("t".to_owned(), 0, -1)]);
}

#[test]
fn commits_are_accepted_and_refused_as_kafka_does() {
    use ErrorCode as E;
    #[derive(Clone, Copy, Debug)]
    enum When {
        Empty,
        Stable,
        Preparing,
        Completing,
    }
    // In each state of the group, the current generation being 1 (2 once rebalanced): the outcome
    // of a commit by (member or nobody or a stranger, generation).
    let rows = [
        (When::Empty, "", -1, E::None),
        (When::Empty, "member", 1, E::UnknownMemberId),
        (When::Empty, "member", -1, E::None),
        (When::Stable, "member", 1, E::None),
        (When::Stable, "member", 0, E::IllegalGeneration),
        (When::Stable, "member", 2, E::IllegalGeneration),
        (When::Stable, "member", -1, E::IllegalGeneration),
        (When::Stable, "stranger", 1, E::UnknownMemberId),
        (When::Stable, "", 1, E::UnknownMemberId),
        (When::Stable, "", -1, E::UnknownMemberId),
        (When::Preparing, "member", 1, E::None),
        (When::Preparing, "member", 0, E::IllegalGeneration),
        (When::Preparing, "", -1, E::UnknownMemberId),
        (When::Completing, "member", 2, E::RebalanceInProgress),
        (When::Completing, "member", 1, E::IllegalGeneration),
        (When::Completing, "stranger", 2, E::UnknownMemberId),
        (When::Completing, "", -1, E::UnknownMemberId),
    ];
    for (when, who, generation, expected) in rows {
        let mut bench = Bench::new();
        let ids = bench.stable(2);
        match when {
            When::Stable => {}
            When::Preparing => {
                bench.join(rejoin(&ids[0]));
            }
            When::Completing => {
                for id in &ids {
                    bench.join(rejoin(id));
                }
            }
            When::Empty => {
                bench.leave(&[(&ids[0], None), (&ids[1], None)]);
            }
        }
        let member_id = if who == "member" { &*ids[1] } else { who };
        let (error, records) = send(&mut bench, commit("g", member_id, generation));
        let name = format!("{when:?} {who:?} {generation}");
        assert_eq!(error, expected, "{name}");
        assert_eq!(records.len(), usize::from(expected == E::None), "{name}");
    }
    // Absent groups.
    for (generation, missing_group_is_not_found, expected) in [
        (-1, true, E::None),
        (0, true, E::GroupIdNotFound),
        (0, false, E::IllegalGeneration),
        (5, true, E::GroupIdNotFound),
    ] {
        let mut bench = Bench::new();
        let request = Commit { missing_group_is_not_found, ..commit("absent", "m", generation) };
        assert_eq!(send(&mut bench, request).0, expected);
        let exists = if expected == E::None { Phase::Empty } else { Phase::Dead };
        assert_eq!(bench.phase("absent"), exists);
    }
}

#[test]
fn fenced_static_member_cannot_commit() {
    let mut bench = Bench::new();
    let join = Join { group_instance_id: Some("i".into()), ..new_join("c") };
    let token = bench.join(join.clone());
    bench.advance(3_000);
    let old = bench.join_reply(token).member_id;
    bench.sync_all(std::slice::from_ref(&old), 1);
    bench.join(Join { member_id_suffix: Uuid::from_u128(8), ..join });
    let instance = Commit { group_instance_id: Some("i".into()), ..commit("g", &old, 1) };
    assert_eq!(send(&mut bench, instance).0, ErrorCode::FencedInstanceId);
    assert_eq!(send(&mut bench, commit("g", &old, 1)).0, ErrorCode::UnknownMemberId);
}

#[test]
fn commit_is_a_sign_of_life() {
    let mut bench = Bench::new();
    let ids = bench.stable(1);
    for _ in 0..5 {
        bench.advance(9_000);
        assert_eq!(send(&mut bench, commit("g", &ids[0], 1)).0, ErrorCode::None);
    }
    bench.advance(10_000);
    assert_eq!(bench.phase("g"), Phase::Empty);
}

#[test]
fn too_long_notes_and_too_many_partitions_are_refused_one_by_one() {
    let limits = GroupLimits { offsets_max: 2, ..GroupLimits::default() };
    let config = GroupConfig { offset_metadata_max_bytes: 4, limits, ..GroupConfig::default() };
    let mut bench = Bench::with(config);
    let partition = |partition, metadata: &str| CommitPartition {
        partition,
        offset: 1,
        leader_epoch: -1,
        metadata: Some(metadata.into()),
    };
    let notes = ["1234", "12345", "\u{fc}\u{fc}\u{fc}\u{fc}", "1", "1"];
    let partitions = notes.iter().enumerate().map(|(i, note)| partition(i as i32, note)).collect();
    let topics = vec![CommitTopic { name: "t".into(), partitions }];
    let request = Commit { topics, ..commit("s", "", -1) };
    let (token, records) = bench.send(|t| Command::Commit(t, request));
    let Reply::Commit(reply) = bench.answer(token) else { panic!() };
    let codes: Vec<_> = reply.topics[0].partitions.iter().map(|(_, error)| *error).collect();
    let (ok, full) = (ErrorCode::None, ErrorCode::InvalidCommitOffsetSize);
    assert_eq!(codes, vec![ok, ErrorCode::OffsetMetadataTooLarge, ok, full, full]);
    assert_eq!(records.len(), 2);
    // What is there can be committed again.
    assert_eq!(
        send(
            &mut bench,
            Commit {
                topics: vec![CommitTopic { name: "t".into(), partitions: vec![partition(2, "x")] }],
                ..commit("s", "", -1)
            }
        )
        .0,
        ok
    );
}

/// The protocols of a consumer that reads one topic.
fn subscription(topic: &str) -> Vec<Protocol> {
    // ConsumerProtocolSubscription v0: version, topics, user data.
    let mut bytes = vec![0, 0, 0, 0, 0, 1, 0, topic.len() as u8];
    bytes.extend(topic.as_bytes());
    bytes.extend([0xff; 4]);
    vec![Protocol { name: "range".into(), metadata: bytes.into() }]
}

#[test]
fn offsets_are_deleted_but_not_under_those_who_read_them() {
    use ErrorCode as E;
    let delete = |bench: &mut Bench, group_id: &str, topic: &str| {
        let topics = vec![(topic.into(), vec![0, 7])];
        let request = DeleteOffsets { group_id: group_id.into(), topics };
        let (token, records) = bench.send(|t| Command::DeleteOffsets(t, request));
        let Reply::OffsetsDeleted(reply) = bench.answer(token) else { panic!() };
        let outcomes = reply.topics.into_iter().flat_map(|(_, outcomes)| outcomes).collect();
        (reply.error, outcomes, records.len())
    };
    let two_topics = |member_id: &str, generation| Commit {
        topics: vec![topic("read", &[0]), topic("left", &[0])],
        ..commit("g", member_id, generation)
    };
    let nothing = |error| (error, Vec::new(), 0);
    let both = |error: E, records| (E::None, vec![(0, error), (7, error)], records);

    // No group, no offsets; a group without members loses what it has and stays.
    let mut bench = Bench::new();
    assert_eq!(delete(&mut bench, "g", "read"), nothing(E::GroupIdNotFound));
    assert_eq!(delete(&mut bench, "", "read"), nothing(E::InvalidGroupId));
    assert_eq!(send(&mut bench, two_topics("", -1)).0, E::None);
    assert_eq!(delete(&mut bench, "g", "read"), both(E::None, 1));
    assert_eq!(delete(&mut bench, "g", "read"), both(E::None, 0));
    assert_eq!(delete(&mut bench, "g", "absent"), both(E::None, 0));
    assert_eq!(fetch(&mut bench, "g", None), [("left".to_string(), 0, 100)]);
    bench.restart();
    assert_eq!(fetch(&mut bench, "g", None), [("left".to_string(), 0, 100)]);

    // (protocol type, protocols, outcome for a topic that is read, for one that is not)
    for (protocol_type, protocols, read, left) in [
        ("consumer", subscription("read"), both(E::GroupSubscribedToTopic, 0), both(E::None, 1)),
        (
            "consumer",
            protocols(&["range"]),
            both(E::GroupSubscribedToTopic, 0),
            both(E::GroupSubscribedToTopic, 0),
        ),
        ("connect", protocols(&["range"]), nothing(E::NonEmptyGroup), nothing(E::NonEmptyGroup)),
    ] {
        let mut bench = Bench::new();
        let join = Join { protocol_type: protocol_type.into(), protocols, ..new_join("a") };
        let token = bench.join(join);
        bench.advance(3_000);
        let id = bench.join_reply(token).member_id;
        bench.sync_all(std::slice::from_ref(&id), 1);
        assert_eq!(send(&mut bench, two_topics(&id, 1)).0, E::None);
        assert_eq!(delete(&mut bench, "g", "read"), read, "{protocol_type}");
        assert_eq!(delete(&mut bench, "g", "left"), left, "{protocol_type}");
        bench.leave(&[(&id, None)]);
        assert_eq!(delete(&mut bench, "g", "read"), both(E::None, 1), "{protocol_type}, empty");
    }
}

#[test]
fn offsets_expire_by_the_kind_of_group() {
    let remaining = |bench: &mut Bench| {
        fetch(bench, "g", None).into_iter().map(|(t, ..)| t).collect::<Vec<_>>()
    };
    let two_topics = |member_id: &str, generation| Commit {
        topics: vec![topic("read", &[0]), topic("left", &[0])],
        ..commit("g", member_id, generation)
    };

    // A simple group: since the commit. The group goes with its last offset.
    let mut bench = Bench::new();
    commit_simple(&mut bench, "g");
    bench.advance(7 * DAY_MS - 1);
    assert_eq!(remaining(&mut bench), ["t"]);
    let records = bench.advance(600_001);
    let key = OffsetKey { group_id: "g".into(), topic: "t".into(), partition: 0 };
    let gone = [
        GroupRecord::Offset { key, committed: None },
        GroupRecord::Group { group_id: "g".into(), metadata: None },
    ];
    assert_eq!(records, gone);
    assert_eq!(bench.phase("g"), Phase::Dead);

    // A group that became empty: since then, whenever the commit was.
    let mut bench = Bench::new();
    let ids = bench.stable(1);
    for _ in 0..3 * 10_000 {
        bench.advance(9_000);
        bench.heartbeat(&ids[0], 1);
    }
    assert_eq!(send(&mut bench, commit("g", &ids[0], 1)).0, ErrorCode::None);
    bench.leave(&[(&ids[0], None)]);
    bench.advance(7 * DAY_MS - 1);
    assert_eq!(remaining(&mut bench), ["t"]);
    bench.advance(600_001);
    assert_eq!(bench.phase("g"), Phase::Dead);

    // A live consumer group: topics that it does not read, since the commit.
    let config = GroupConfig { offsets_retention_ms: 20_000, ..GroupConfig::default() };
    let config = GroupConfig { offsets_retention_check_interval_ms: 1_000, ..config };
    let live = |protocol_type: &str, metadata: Vec<Protocol>| {
        let mut bench = Bench::with(config.clone());
        let protocol_type: ByteString = protocol_type.into();
        let token = bench.join(Join { protocol_type, protocols: metadata, ..new_join("a") });
        bench.advance(3_000);
        let id = bench.join_reply(token).member_id;
        bench.sync_all(std::slice::from_ref(&id), 1);
        assert_eq!(send(&mut bench, two_topics(&id, 1)).0, ErrorCode::None);
        for _ in 0..10 {
            bench.advance(5_000);
            assert_eq!(bench.heartbeat(&id, 1), ErrorCode::None);
        }
        remaining(&mut bench)
    };
    assert_eq!(live("consumer", subscription("read")), ["read"]);
    // Subscriptions that cannot be read, or other kinds of groups, keep everything.
    assert_eq!(live("consumer", protocols(&["range"])), ["left", "read"]);
    assert_eq!(live("connect", subscription("read")), ["left", "read"]);

    // An expiry of its own (OffsetCommit v2-4) counts instead.
    let mut bench = Bench::with(GroupConfig {
        offsets_retention_check_interval_ms: 1_000,
        ..GroupConfig::default()
    });
    let request = Commit { retention_time_ms: 5_000, ..commit("g", "", -1) };
    assert_eq!(send(&mut bench, request).0, ErrorCode::None);
    bench.advance(4_999);
    assert_eq!(remaining(&mut bench), ["t"]);
    bench.advance(1_000);
    assert_eq!(bench.phase("g"), Phase::Dead);
}

#[test]
fn expiry_goes_in_bounded_rounds() {
    let limits = GroupLimits { expired_per_round_max: 3, ..GroupLimits::default() };
    let mut bench = Bench::with(GroupConfig { limits, ..GroupConfig::default() });
    for group in ["a", "b"] {
        let request = Commit { topics: vec![topic("t", &[0, 1, 2, 3])], ..commit(group, "", -1) };
        assert_eq!(send(&mut bench, request).0, ErrorCode::None);
    }
    bench.advance(7 * DAY_MS - 600_000);
    let mut rounds = Vec::new();
    while rounds.iter().sum::<usize>() < 10 {
        let at = bench.shard.next_deadline().unwrap();
        let made = bench.advance(at - bench.now_ms).len();
        rounds.push(made);
        assert!(made <= 4, "three offsets and a group at most");
        assert!(rounds.len() < 50, "{rounds:?}");
    }
    assert_eq!(bench.shard.state().live_records(), 0);
}

#[test]
fn group_that_only_gave_out_an_id_goes_with_the_next_round() {
    let mut bench = Bench::new();
    bench.join(Join { member_id_required: true, ..new_join("a") });
    bench.advance(9_000);
    assert_eq!(bench.phase("g"), Phase::Empty);
    bench.advance(600_000);
    assert_eq!(bench.phase("g"), Phase::Dead);
    assert_eq!(bench.shard.state().live_records(), 0);
}

#[test]
fn deleting_groups_removes_offsets_and_group_or_says_why_not() {
    let mut bench = Bench::new();
    let ids = bench.stable(1);
    assert_eq!(send(&mut bench, commit("g", &ids[0], 1)).0, ErrorCode::None);
    commit_simple(&mut bench, "simple");
    let groups = ["g", "simple", "absent"].map(ByteString::from).to_vec();
    let (token, records) = bench.send(|t| Command::Delete(t, groups.clone()));
    let codes = [ErrorCode::NonEmptyGroup, ErrorCode::None, ErrorCode::GroupIdNotFound];
    let expected = groups.iter().cloned().zip(codes).collect();
    assert_eq!(bench.answer(token), Reply::Deleted(expected));
    let key = OffsetKey { group_id: "simple".into(), topic: "t".into(), partition: 0 };
    let gone = [
        GroupRecord::Offset { key, committed: None },
        GroupRecord::Group { group_id: "simple".into(), metadata: None },
    ];
    assert_eq!(records, gone);
    assert_eq!(fetch(&mut bench, "simple", None), vec![]);
    bench.leave(&[(&ids[0], None)]);
    bench.join(Join { member_id_required: true, ..new_join("pending") });
    let deleted = bench.ask(|t| Command::Delete(t, vec!["g".into()]));
    assert_eq!(deleted, Reply::Deleted(vec![("g".into(), ErrorCode::None)]));
    assert_eq!(bench.shard.state().live_records(), 0);
}

#[test]
fn deleted_topics_take_their_offsets_along() {
    let mut bench = Bench::new();
    for group in ["a", "b"] {
        let topics = vec![topic("gone", &[0, 1]), topic("stays", &[0])];
        assert_eq!(send(&mut bench, Commit { topics, ..commit(group, "", -1) }).0, ErrorCode::None);
    }
    let (_, records) = bench.send(|_| Command::TopicsDeleted(vec!["gone".into(), "other".into()]));
    assert_eq!(records.len(), 4);
    assert!(records.iter().all(|r| matches!(r, GroupRecord::Offset { committed: None, .. })));
    for group in ["a", "b"] {
        assert_eq!(fetch(&mut bench, group, None), vec![("stays".to_owned(), 0, 100)]);
    }
}
