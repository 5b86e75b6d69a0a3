//! What a group and a shard take at most, and how they are shown.

use super::*;

#[test]
fn group_takes_no_more_than_its_size() {
    let config = GroupConfig { max_size: 2, ..GroupConfig::default() };
    let mut bench = Bench::with(config);
    let ids = bench.stable(2);
    let token = bench.join(new_join("third"));
    let refused = JoinReply::refused("".into(), ErrorCode::GroupMaxSizeReached);
    assert_eq!(bench.join_reply(token), refused);
    assert_eq!(bench.phase("g"), Phase::Stable);
    // Members are known and may come again.
    bench.join(rejoin(&ids[0]));
    let token = bench.join(rejoin(&ids[1]));
    assert_eq!(bench.join_reply(token).generation, 2);
    // While a rebalance is prepared the first that come are in, and the rest are thrown out.
    let mut bench = Bench::with(GroupConfig { max_size: 2, ..GroupConfig::default() });
    let tokens: Vec<Token> = (0..3).map(|i| bench.join(new_join(&format!("{i}")))).collect();
    assert_eq!(bench.join_reply(tokens[2]), refused);
    bench.advance(6_000);
    assert_eq!(bench.join_reply(tokens[0]).members.len(), 2);
}

#[test]
fn bounds_refuse_the_newcomer_and_nothing_else() {
    let limits = GroupLimits { groups_max: 1, members_max: 2, ..GroupLimits::default() };
    let mut bench = Bench::with(GroupConfig { limits, ..GroupConfig::default() });
    let pending = |i: u128| Join {
        member_id_required: true,
        member_id_suffix: Uuid::from_u128(i),
        ..new_join("p")
    };
    for i in 0..2 {
        let token = bench.join(pending(i));
        assert_eq!(bench.join_reply(token).error, ErrorCode::MemberIdRequired);
    }
    let token = bench.join(pending(2));
    assert_eq!(bench.join_reply(token).error, ErrorCode::GroupMaxSizeReached);
    let token = bench.join(Join { group_id: "second".into(), ..new_join("a") });
    assert_eq!(bench.join_reply(token).error, ErrorCode::GroupMaxSizeReached);

    let limits = GroupLimits { group_record_bytes_max: 300, ..GroupLimits::default() };
    let mut bench = Bench::with(GroupConfig { limits, ..GroupConfig::default() });
    let token = bench.join(new_join("a"));
    bench.advance(3_000);
    let id = bench.join_reply(token).member_id;
    let assignments =
        vec![SyncAssignment { member_id: id.clone(), assignment: Bytes::from(vec![0; 400]) }];
    let (token, records) =
        bench.send(|token| Command::Sync(token, Sync { assignments, ..new_sync(&id, 1) }));
    assert_eq!(bench.sync_reply(token).error, ErrorCode::GroupMaxSizeReached);
    assert_eq!(records, vec![]);
    assert_eq!(bench.phase("g"), Phase::PreparingRebalance);
}

#[test]
fn describe_and_list_show_groups_as_they_are() {
    let mut bench = Bench::new();
    let dead = bench.describe("nothing");
    assert_eq!((dead.state, dead.error), (Phase::Dead, ErrorCode::None));
    let command = |token| Command::Describe {
        token,
        group_ids: vec!["nothing".into()],
        missing_is_error: true,
    };
    let Reply::Described(groups) = bench.ask(command) else { panic!() };
    assert_eq!(groups[0].error, ErrorCode::GroupIdNotFound);
    assert_eq!(groups[0].error_message.as_deref(), Some("Group nothing not found."));

    let ids = bench.stable(1);
    let stable = bench.describe("g");
    assert_eq!((stable.state, &*stable.protocol), (Phase::Stable, "range"));
    assert_eq!(stable.members[0].metadata, Bytes::from_static(b"range metadata"));
    assert_eq!(stable.members[0].assignment, assignment_of(&ids[0]));
    assert_eq!(&*stable.members[0].client_host, "/127.0.0.1");
    bench.join(new_join("b"));
    let preparing = bench.describe("g");
    assert_eq!((preparing.state, &*preparing.protocol), (Phase::PreparingRebalance, ""));
    assert_eq!(preparing.members[0].metadata, Bytes::new());

    offsets::commit_simple(&mut bench, "simple");
    let both = vec![("g", "consumer"), ("simple", "")];
    // (states, types, groups)
    for (states, types, expected) in [
        (vec![], vec![], both.clone()),
        (vec!["empty"], vec![], vec![both[1]]),
        (vec!["PreparingRebalance", "Stable"], vec!["Classic"], vec![both[0]]),
        (vec!["Dead"], vec![], vec![]),
        (vec![], vec!["consumer"], vec![]),
        (vec![], vec!["consumer", "classic"], both.clone()),
    ] {
        let filter = ListFilter {
            states: states.iter().map(|s| (*s).into()).collect(),
            types: types.iter().map(|s| (*s).into()).collect(),
        };
        let Reply::Listed(listed) = bench.ask(|token| Command::List(token, filter)) else {
            panic!()
        };
        let listed: Vec<_> = listed.iter().map(|g| (&*g.group_id, &*g.protocol_type)).collect();
        assert_eq!(listed, expected, "{states:?} {types:?}");
    }
}
