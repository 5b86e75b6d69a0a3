//! KIP-345: members with an instance id keep their place when their client restarts.

use super::*;

fn static_join(instance_id: &str, suffix: u128) -> Join {
    Join {
        group_instance_id: Some(instance_id.into()),
        member_id_required: true,
        member_id_suffix: Uuid::from_u128(suffix),
        ..new_join("client")
    }
}

/// A stable group of static members `leader` and `follower`; their member ids.
fn stable_statics(bench: &mut Bench) -> [ByteString; 2] {
    let leader = bench.join(static_join("leader", 1));
    let follower = bench.join(static_join("follower", 2));
    bench.advance(6_000);
    let ids = [leader, follower].map(|t| bench.join_reply(t).member_id);
    assert_eq!(ids[0], format!("leader-{}", Uuid::from_u128(1)));
    bench.sync_all(&ids, 1);
    ids
}

#[test]
fn restarted_member_takes_its_place_without_a_rebalance() {
    let mut bench = Bench::new();
    let [leader, follower] = stable_statics(&mut bench);
    let (token, records) = bench.send(|t| Command::Join(t, static_join("follower", 3)));
    let reply = bench.join_reply(token);
    let new_id: ByteString = format!("follower-{}", Uuid::from_u128(3)).into();
    assert_eq!((reply.error, reply.generation), (ErrorCode::None, 1));
    assert_eq!((&reply.member_id, &reply.leader), (&new_id, &leader));
    assert_eq!(bench.phase("g"), Phase::Stable);
    let [GroupRecord::Group { metadata: Some(metadata), .. }] = &records[..] else {
        panic!("{records:?}")
    };
    let member = metadata.members.iter().find(|m| m.member_id == new_id).unwrap();
    assert_eq!(member.assignment, assignment_of(&follower), "the assignment stays");
    let sync = bench.sync(new_sync(&new_id, 1));
    assert_eq!(bench.sync_reply(sync).assignment, assignment_of(&follower));
    // The old client is fenced by its instance id, and unknown by its member id.
    let heartbeat = Heartbeat {
        group_id: "g".into(),
        member_id: follower.clone(),
        group_instance_id: Some("follower".into()),
        generation: 1,
    };
    let reply = bench.ask(|t| Command::Heartbeat(t, heartbeat));
    assert_eq!(reply, Reply::Heartbeat(ErrorCode::FencedInstanceId));
    assert_eq!(bench.heartbeat(&follower, 1), ErrorCode::UnknownMemberId);
    let fenced = Join { member_id: follower, ..static_join("follower", 4) };
    let token = bench.join(fenced);
    assert_eq!(bench.join_reply(token).error, ErrorCode::FencedInstanceId);
}

#[test]
fn restarted_leader_is_told_to_keep_the_assignment_or_shown_its_former_self() {
    // (knows skip_assignment, leader shown, members shown)
    for (skip_assignment_supported, is_shown_leader, members) in
        [(true, true, 2), (false, false, 0)]
    {
        let mut bench = Bench::new();
        let [leader, _] = stable_statics(&mut bench);
        let join = Join { skip_assignment_supported, ..static_join("leader", 9) };
        let token = bench.join(join);
        let reply = bench.join_reply(token);
        let expected = if is_shown_leader { &reply.member_id } else { &leader };
        assert_eq!(&reply.leader, expected);
        assert_eq!(reply.skip_assignment, skip_assignment_supported);
        assert_eq!(reply.members.len(), members);
        assert_eq!(bench.phase("g"), Phase::Stable);
    }
}

#[test]
fn restarted_member_with_another_protocol_rebalances() {
    let mut bench = Bench::new();
    stable_statics(&mut bench);
    let join = Join { protocols: protocols(&["roundrobin"]), ..static_join("follower", 3) };
    let token = bench.join(join);
    assert!(!bench.is_answered(token));
    assert_eq!(bench.phase("g"), Phase::PreparingRebalance);
}

#[test]
fn restart_between_join_and_sync_rebalances_and_fences_the_waiting_client() {
    let mut bench = Bench::new();
    let [leader, follower] = stable_statics(&mut bench);
    let join = |id: &ByteString, instance: &str| Join {
        member_id: id.clone(),
        ..static_join(instance, 0)
    };
    bench.join(join(&leader, "leader"));
    bench.join(join(&follower, "follower"));
    assert_eq!(bench.phase("g"), Phase::CompletingRebalance);
    let sync = bench.sync(new_sync(&follower, 2));
    bench.join(static_join("follower", 5));
    assert_eq!(bench.sync_reply(sync).error, ErrorCode::FencedInstanceId);
    assert_eq!(bench.phase("g"), Phase::PreparingRebalance);
    // And while the join waits, the next restart fences that.
    let waiting = bench.join(static_join("follower", 6));
    bench.join(static_join("follower", 7));
    assert_eq!(bench.join_reply(waiting).error, ErrorCode::FencedInstanceId);
}

#[test]
fn static_member_is_not_removed_by_a_rebalance_but_by_its_session() {
    let mut bench = Bench::new();
    let [leader, follower] = stable_statics(&mut bench);
    let join = |id: &ByteString, instance: &str| Join {
        session_timeout_ms: 100_000,
        member_id: id.clone(),
        ..static_join(instance, 0)
    };
    for id in [&leader, &follower] {
        assert_eq!(bench.heartbeat(id, 1), ErrorCode::None);
    }
    let token = bench.join(join(&leader, "leader"));
    for _ in 0..12 {
        bench.advance(5_000);
        bench.heartbeat(&follower, 1);
    }
    // The rebalance went on with both.
    let reply = bench.join_reply(token);
    assert_eq!((reply.generation, reply.members.len()), (2, 2));
    bench.advance(10_000);
    assert_eq!(bench.phase("g"), Phase::PreparingRebalance, "its session ended");
    let token = bench.join(join(&leader, "leader"));
    assert_eq!(bench.join_reply(token).members.len(), 1);
}

#[test]
fn group_of_static_members_that_all_vanish_becomes_empty_by_sessions() {
    let mut bench = Bench::new();
    stable_statics(&mut bench);
    bench.join(static_join("third", 3));
    bench.advance(500_000);
    assert_eq!(bench.phase("g"), Phase::Empty);
    assert!(bench.waiting.is_empty());
}

#[test]
fn administrator_removes_static_members_by_instance_id() {
    let mut bench = Bench::new();
    let [_, follower] = stable_statics(&mut bench);
    let codes = bench.leave(&[
        ("", Some("leader")),
        ("", Some("nobody")),
        ("wrong", Some("follower")),
        (&follower, Some("follower")),
    ]);
    let expected =
        [ErrorCode::None, ErrorCode::UnknownMemberId, ErrorCode::FencedInstanceId, ErrorCode::None];
    assert_eq!(codes, expected);
    assert_eq!(bench.phase("g"), Phase::Empty);
}
