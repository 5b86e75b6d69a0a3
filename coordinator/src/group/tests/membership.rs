//! Joining, syncing, heartbeats, leaving, dying.

use super::*;

#[test]
fn new_group_waits_for_more_members_and_elects_the_first() {
    let mut bench = Bench::new();
    let first = bench.join(new_join("a"));
    assert_eq!(bench.phase("g"), Phase::PreparingRebalance);
    bench.advance(2_999);
    assert!(!bench.is_answered(first));
    bench.advance(1);
    let reply = bench.join_reply(first);
    let id = format!("a-{}", Uuid::from_u128(7));
    assert_eq!(
        reply,
        JoinReply {
            error: ErrorCode::None,
            generation: 1,
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            leader: id.clone().into(),
            skip_assignment: false,
            member_id: id.clone().into(),
            members: vec![JoinedMember {
                member_id: id.into(),
                group_instance_id: None,
                metadata: Bytes::from_static(b"range metadata"),
            }],
        }
    );
    assert_eq!(bench.phase("g"), Phase::CompletingRebalance);
}

#[test]
fn initial_delay_is_extended_by_each_round_with_a_join_up_to_the_rebalance_timeout() {
    // (rebalance timeout, times of further joins, when everybody is answered)
    for (rebalance_timeout_ms, joins_at, answered_at) in [
        (60_000, vec![], 3_000),
        (60_000, vec![2_000], 6_000),
        (60_000, vec![2_000, 5_000], 9_000),
        (60_000, vec![2_000, 8_000], 6_000),
        (7_000, vec![2_000, 5_000, 6_500], 7_000),
        (1_000, vec![2_000], 3_000),
    ] {
        let mut bench = Bench::new();
        let start = bench.now_ms;
        let join = |name: &str| Join { rebalance_timeout_ms, ..new_join(name) };
        let first = bench.join(join("first"));
        for (i, at) in joins_at.iter().enumerate() {
            if *at >= answered_at {
                continue;
            }
            bench.advance(start + at - bench.now_ms);
            bench.join(join(&format!("later{i}")));
        }
        bench.advance(start + answered_at - 1 - bench.now_ms);
        assert!(!bench.is_answered(first), "{joins_at:?} too early");
        bench.advance(1);
        assert_eq!(bench.join_reply(first).generation, 1, "{joins_at:?}");
        assert!(bench.waiting.is_empty());
    }
}

#[test]
fn joins_are_refused_with_the_right_error() {
    let base = || new_join("a");
    let rows: Vec<(&str, Join, ErrorCode)> = vec![
        ("no group id", Join { group_id: "".into(), ..base() }, ErrorCode::InvalidGroupId),
        (
            "group id that no record can hold",
            Join { group_id: "x".repeat(40_000).into(), ..base() },
            ErrorCode::InvalidGroupId,
        ),
        (
            "instance id that no record can hold",
            Join { group_instance_id: Some("x".repeat(40_000).into()), ..base() },
            ErrorCode::InvalidRequest,
        ),
        (
            "short session",
            Join { session_timeout_ms: 5_999, ..base() },
            ErrorCode::InvalidSessionTimeout,
        ),
        (
            "long session",
            Join { session_timeout_ms: 1_800_001, ..base() },
            ErrorCode::InvalidSessionTimeout,
        ),
        (
            "member of an unknown group",
            Join { member_id: "m".into(), group_id: "other".into(), ..base() },
            ErrorCode::UnknownMemberId,
        ),
        ("unknown member", Join { member_id: "m".into(), ..base() }, ErrorCode::UnknownMemberId),
        (
            "unknown instance",
            Join { member_id: "m".into(), group_instance_id: Some("i".into()), ..base() },
            ErrorCode::UnknownMemberId,
        ),
        (
            "other protocol type",
            Join { protocol_type: "connect".into(), ..base() },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            "no common protocol",
            Join { protocols: protocols(&["sticky"]), ..base() },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            "no protocols",
            Join { protocols: vec![], ..base() },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            "no protocols for a new group",
            Join { group_id: "fresh".into(), protocols: vec![], ..base() },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            "no protocol type for a new group",
            Join { group_id: "fresh".into(), protocol_type: "".into(), ..base() },
            ErrorCode::InconsistentGroupProtocol,
        ),
    ];
    let mut bench = Bench::new();
    bench.stable(2);
    for (name, join, error) in rows {
        let (token, records) = bench.send(|token| Command::Join(token, join.clone()));
        let reply = bench.join_reply(token);
        assert_eq!(reply, JoinReply::refused(join.member_id, error), "{name}");
        assert_eq!(records, vec![], "{name}");
        assert_eq!(bench.phase("g"), Phase::Stable, "{name}");
        assert_eq!(bench.phase("fresh"), Phase::Dead, "{name}");
    }
}

#[test]
fn member_id_is_required_first_and_kept_for_the_session_timeout() {
    let mut bench = Bench::new();
    let join = Join { member_id_required: true, ..new_join("a") };
    let (token, records) = bench.send(|token| Command::Join(token, join.clone()));
    let reply = bench.join_reply(token);
    assert_eq!(reply.error, ErrorCode::MemberIdRequired);
    // The group exists from now on, as Kafka records it.
    let metadata = GroupMetadata { state_since_ms: bench.now_ms, ..GroupMetadata::default() };
    let created = GroupRecord::Group { group_id: "g".into(), metadata: Some(metadata) };
    assert_eq!(records, vec![created]);
    assert_eq!(bench.phase("g"), Phase::Empty);

    bench.advance(9_999);
    let back = bench.join(Join { member_id: reply.member_id.clone(), ..join.clone() });
    bench.advance(3_000);
    assert_eq!(bench.join_reply(back).error, ErrorCode::None);
    assert_eq!(bench.join_reply(back).member_id, reply.member_id);

    // Another one that never comes back is forgotten, without a rebalance.
    bench.sync_all(std::slice::from_ref(&reply.member_id), 1);
    let other = Join { member_id_suffix: Uuid::from_u128(8), ..join.clone() };
    let token = bench.join(other);
    let other_id = bench.join_reply(token).member_id;
    for _ in 0..3 {
        bench.advance(4_000);
        assert_eq!(bench.heartbeat(&reply.member_id, 1), ErrorCode::None);
    }
    assert_eq!(bench.phase("g"), Phase::Stable);
    let token = bench.join(Join { member_id: other_id, ..join });
    assert_eq!(bench.join_reply(token).error, ErrorCode::UnknownMemberId);
}

#[test]
fn rebalance_waits_for_pending_members() {
    let mut bench = Bench::new();
    let ids = bench.stable(1);
    let join = Join { member_id_required: true, ..new_join("b") };
    let pending = bench.join(join.clone());
    let pending_id = bench.join_reply(pending).member_id;
    let leader = bench.join(rejoin(&ids[0]));
    assert!(!bench.is_answered(leader), "the pending member is awaited");
    let member = bench.join(Join { member_id: pending_id, ..join });
    assert_eq!(bench.join_reply(leader).generation, 2);
    assert_eq!(bench.join_reply(leader).members.len(), 2);
    assert_eq!(bench.join_reply(member).members.len(), 0, "only the leader sees members");
}

#[test]
fn protocol_with_most_votes_among_common_ones_wins() {
    // (protocols of each member, the leader first; the choice)
    for (members, expected) in [
        (vec![vec!["range", "sticky"], vec!["range", "sticky"]], "range"),
        (vec![vec!["a", "b"], vec!["b", "a"], vec!["b", "a"]], "b"),
        (vec![vec!["a", "b", "c"], vec!["c", "b"], vec!["d", "b", "c"]], "b"),
        (vec![vec!["a", "b"], vec!["b", "a"]], "a"),
        (vec![vec!["x", "only"], vec!["y", "only"]], "only"),
    ] {
        let mut bench = Bench::new();
        let joins: Vec<Token> = members
            .iter()
            .enumerate()
            .map(|(i, names)| {
                let join = new_join(&format!("{i}"));
                bench.join(Join {
                    protocol_type: "anything".into(),
                    protocols: protocols(names),
                    ..join
                })
            })
            .collect();
        bench.advance(6_000);
        for token in joins {
            let reply = bench.join_reply(token);
            assert_eq!(reply.protocol_name.as_deref(), Some(expected), "{members:?}");
            assert_eq!(reply.protocol_type.as_deref(), Some("anything"));
        }
    }
}

#[test]
fn leaders_sync_gives_everybody_the_assignment_and_records_the_generation() {
    let mut bench = Bench::new();
    let joins: Vec<Token> = ["a", "b", "c"].iter().map(|c| bench.join(new_join(c))).collect();
    bench.advance(6_000);
    let ids: Vec<ByteString> = joins.iter().map(|t| bench.join_reply(*t).member_id).collect();
    let follower = bench.sync(new_sync(&ids[1], 1));
    assert!(!bench.is_answered(follower));
    // The leader leaves out c and invents d.
    let assign =
        |id: &ByteString| SyncAssignment { member_id: id.clone(), assignment: assignment_of(id) };
    let assignments = vec![assign(&ids[0]), assign(&ids[1]), assign(&"d".into())];
    let sync = Sync { assignments, ..new_sync(&ids[0], 1) };
    let (leader, records) = bench.send(|token| Command::Sync(token, sync));
    assert_eq!(bench.sync_reply(follower).assignment, assignment_of(&ids[1]));
    assert_eq!(bench.sync_reply(leader).assignment, assignment_of(&ids[0]));
    let late = bench.sync(new_sync(&ids[2], 1));
    assert_eq!(
        bench.sync_reply(late),
        SyncReply {
            error: ErrorCode::None,
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignment: Bytes::new(),
        }
    );
    let member = |id: &ByteString, assignment: Bytes| MemberMetadata {
        member_id: id.clone(),
        group_instance_id: None,
        client_id: id[..1].into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 60_000,
        session_timeout_ms: 10_000,
        subscription: Bytes::from_static(b"range metadata"),
        assignment,
    };
    let metadata = GroupMetadata {
        protocol_type: "consumer".into(),
        generation: 1,
        protocol: Some("range".into()),
        leader: Some(ids[0].clone()),
        state_since_ms: bench.now_ms,
        members: vec![
            member(&ids[0], assignment_of(&ids[0])),
            member(&ids[1], assignment_of(&ids[1])),
            member(&ids[2], Bytes::new()),
        ],
    };
    let expected = GroupRecord::Group { group_id: "g".into(), metadata: Some(metadata) };
    assert_eq!(records, vec![expected]);
}

#[test]
fn syncs_are_refused_with_the_right_error() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    let ok = || new_sync(&ids[0], 1);
    let rows: Vec<(&str, Sync, ErrorCode)> = vec![
        ("no group id", Sync { group_id: "".into(), ..ok() }, ErrorCode::InvalidGroupId),
        ("no such group", Sync { group_id: "x".into(), ..ok() }, ErrorCode::UnknownMemberId),
        ("no such member", Sync { member_id: "x".into(), ..ok() }, ErrorCode::UnknownMemberId),
        (
            "no such instance",
            Sync { group_instance_id: Some("i".into()), ..ok() },
            ErrorCode::UnknownMemberId,
        ),
        ("old generation", Sync { generation: 0, ..ok() }, ErrorCode::IllegalGeneration),
        ("future generation", Sync { generation: 2, ..ok() }, ErrorCode::IllegalGeneration),
        (
            "other protocol type",
            Sync { protocol_type: Some("connect".into()), ..ok() },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            "other protocol",
            Sync { protocol_name: Some("sticky".into()), ..ok() },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            "protocol missing where it must be given",
            Sync { protocol_required: true, protocol_type: Some("consumer".into()), ..ok() },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            "the right protocol",
            Sync {
                protocol_required: true,
                protocol_type: Some("consumer".into()),
                protocol_name: Some("range".into()),
                ..ok()
            },
            ErrorCode::None,
        ),
    ];
    for (name, sync, error) in rows {
        let token = bench.sync(sync);
        assert_eq!(bench.sync_reply(token).error, error, "{name}");
    }
    bench.join(rejoin(&ids[0]));
    let token = bench.sync(ok());
    assert_eq!(bench.sync_reply(token).error, ErrorCode::RebalanceInProgress);
}

#[test]
fn heartbeats_tell_the_state_of_the_group() {
    let mut bench = Bench::new();
    assert_eq!(bench.heartbeat(&"m".into(), 1), ErrorCode::UnknownMemberId);
    let ids = bench.stable(2);
    assert_eq!(bench.heartbeat(&ids[0], 1), ErrorCode::None);
    assert_eq!(bench.heartbeat(&ids[0], 0), ErrorCode::IllegalGeneration);
    assert_eq!(bench.heartbeat(&"m".into(), 1), ErrorCode::UnknownMemberId);
    bench.join(rejoin(&ids[0]));
    assert_eq!(bench.heartbeat(&ids[1], 1), ErrorCode::RebalanceInProgress);
    bench.join(rejoin(&ids[1]));
    assert_eq!(bench.phase("g"), Phase::CompletingRebalance);
    assert_eq!(bench.heartbeat(&ids[1], 2), ErrorCode::None);
}

#[test]
fn silent_member_dies_and_the_others_rebalance() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    bench.advance(6_000);
    assert_eq!(bench.heartbeat(&ids[0], 1), ErrorCode::None);
    bench.advance(3_999);
    assert_eq!(bench.phase("g"), Phase::Stable);
    bench.advance(1);
    assert_eq!(bench.phase("g"), Phase::PreparingRebalance);
    assert_eq!(bench.heartbeat(&ids[0], 1), ErrorCode::RebalanceInProgress);
    assert_eq!(bench.heartbeat(&ids[1], 1), ErrorCode::UnknownMemberId);
    let token = bench.join(rejoin(&ids[0]));
    assert_eq!(bench.join_reply(token).generation, 2, "nobody else is awaited");
    // The last one dies too: the group is empty, and that is recorded.
    let records = bench.advance(70_000);
    assert_eq!(bench.phase("g"), Phase::Empty);
    let GroupRecord::Group { metadata: Some(metadata), .. } = &records[0] else {
        panic!("{records:?}")
    };
    assert_eq!((metadata.generation, metadata.members.len()), (3, 0));
    assert_eq!(metadata.protocol_type, "consumer");
    assert_eq!((&metadata.protocol, &metadata.leader), (&None, &None));
}

#[test]
fn member_that_does_not_rejoin_in_time_is_removed() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    let token = bench.join(Join { session_timeout_ms: 100_000, ..rejoin(&ids[0]) });
    for _ in 0..11 {
        assert_eq!(bench.heartbeat(&ids[1], 1), ErrorCode::RebalanceInProgress);
        bench.advance(5_000);
    }
    assert!(!bench.is_answered(token));
    bench.advance(5_000);
    assert_eq!(bench.join_reply(token).generation, 2);
    assert_eq!(bench.heartbeat(&ids[1], 1), ErrorCode::UnknownMemberId);
}

#[test]
fn member_that_does_not_sync_in_time_is_removed_and_the_others_rejoin() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    let tokens = [bench.join(rejoin(&ids[0])), bench.join(rejoin(&ids[1]))];
    assert_eq!(bench.join_reply(tokens[1]).generation, 2);
    let follower = bench.sync(new_sync(&ids[1], 2));
    for _ in 0..11 {
        bench.advance(5_000);
        assert_eq!(bench.heartbeat(&ids[0], 2), ErrorCode::None);
    }
    bench.advance(5_000);
    assert_eq!(bench.sync_reply(follower).error, ErrorCode::RebalanceInProgress);
    assert_eq!(bench.heartbeat(&ids[0], 2), ErrorCode::UnknownMemberId);
    assert_eq!(bench.phase("g"), Phase::PreparingRebalance);
}

#[test]
fn rejoin_of_a_settled_member_depends_on_leader_and_metadata() {
    let changed = |id: &ByteString| Join { protocols: protocols(&["range"]), ..rejoin(id) };
    // (who rejoins, with other metadata, does the group rebalance)
    for (is_leader, is_changed, rebalances) in
        [(true, false, true), (true, true, true), (false, false, false), (false, true, true)]
    {
        let mut bench = Bench::new();
        let ids = bench.stable(2);
        let id = if is_leader { &ids[0] } else { &ids[1] };
        let token = bench.join(if is_changed { changed(id) } else { rejoin(id) });
        let name = format!("leader {is_leader}, changed {is_changed}");
        let expected = if rebalances { Phase::PreparingRebalance } else { Phase::Stable };
        assert_eq!(bench.phase("g"), expected, "{name}");
        if !rebalances {
            let reply = bench.join_reply(token);
            assert_eq!((reply.generation, reply.leader), (1, ids[0].clone()), "{name}");
        }
    }
    // Between join and sync the leader that asks again gets the same answer.
    let mut bench = Bench::new();
    let ids = bench.stable(1);
    let first = bench.join(rejoin(&ids[0]));
    let again = bench.join(rejoin(&ids[0]));
    assert_eq!(bench.join_reply(first), bench.join_reply(again));
    assert_eq!(bench.phase("g"), Phase::CompletingRebalance);
    let other = bench.join(changed(&ids[0]));
    assert_eq!(bench.join_reply(other).generation, 3);
}

#[test]
fn repeated_join_answers_the_one_before() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    let first = bench.join(rejoin(&ids[0]));
    let second = bench.join(rejoin(&ids[0]));
    assert_eq!(bench.join_reply(first).error, ErrorCode::RebalanceInProgress);
    bench.join(rejoin(&ids[1]));
    assert_eq!(bench.join_reply(second).generation, 2);
    let first = bench.sync(new_sync(&ids[1], 2));
    let second = bench.sync(new_sync(&ids[1], 2));
    assert_eq!(bench.sync_reply(first).error, ErrorCode::RebalanceInProgress);
    assert!(!bench.is_answered(second));
}

#[test]
fn leaving_rebalances_the_others_and_empties_the_group() {
    let mut bench = Bench::new();
    let ids = bench.stable(3);
    let codes = bench.leave(&[(&ids[1], None), ("x", None), (&ids[2], Some("i")), ("", None)]);
    let unknown = ErrorCode::UnknownMemberId;
    assert_eq!(codes, vec![ErrorCode::None, unknown, unknown, unknown]);
    assert_eq!(bench.phase("g"), Phase::PreparingRebalance);
    // One waits in join, one leaves: the rebalance ends at once.
    let token = bench.join(rejoin(&ids[0]));
    assert_eq!(bench.leave(&[(&ids[2], None)]), vec![ErrorCode::None]);
    assert_eq!(bench.join_reply(token).generation, 2);
    // A waiting sync of a leaving member is answered.
    let follower = bench.join(new_join("late"));
    let leader = bench.join(rejoin(&ids[0]));
    assert_eq!(bench.join_reply(leader).generation, 3);
    let late_id = bench.join_reply(follower).member_id;
    let sync = bench.sync(new_sync(&late_id, 3));
    assert_eq!(bench.leave(&[(&late_id, None)]), vec![ErrorCode::None]);
    assert_eq!(bench.sync_reply(sync).error, ErrorCode::UnknownMemberId);
    assert_eq!(bench.leave(&[(&ids[0], None)]), vec![ErrorCode::None]);
    assert_eq!(bench.phase("g"), Phase::Empty);
    assert_eq!(bench.leave(&[(&ids[0], None)]), vec![ErrorCode::UnknownMemberId]);
    let unknown_group = Leave { group_id: "x".into(), members: vec![LeaveMember::default()] };
    let Reply::Leave(reply) = bench.ask(|token| Command::Leave(token, unknown_group)) else {
        panic!()
    };
    assert_eq!((reply.error, reply.members[0].error), (ErrorCode::None, unknown));
}

#[test]
fn new_member_that_waits_too_long_is_taken_for_dead() {
    let mut bench = Bench::new();
    bench.stable(1);
    let long =
        Join { rebalance_timeout_ms: 900_000, session_timeout_ms: 1_000_000, ..new_join("s") };
    let mut tokens = vec![bench.join(long)];
    bench.advance(299_999);
    assert!(!bench.is_answered(tokens[0]) || bench.join_reply(tokens[0]).error == ErrorCode::None);
    tokens.retain(|t| !bench.is_answered(*t));
    bench.advance(1_000_000);
    assert!(bench.waiting.is_empty());
}
