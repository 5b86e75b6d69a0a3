//! A shard taken up from its records.

use super::*;

#[test]
fn members_go_on_with_their_assignment_and_a_fresh_session() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    bench.advance(9_000);
    bench.restart();
    assert_eq!(bench.phase("g"), Phase::Stable);
    bench.advance(9_999);
    assert_eq!(bench.heartbeat(&ids[0], 1), ErrorCode::None);
    assert_eq!(bench.heartbeat(&ids[1], 1), ErrorCode::None);
    let token = bench.sync(new_sync(&ids[1], 1));
    assert_eq!(bench.sync_reply(token).assignment, assignment_of(&ids[1]));
    let described = bench.describe("g");
    assert_eq!((described.state, &*described.protocol), (Phase::Stable, "range"));
    // One that did not survive the restart dies by its session.
    bench.advance(5_000);
    bench.heartbeat(&ids[0], 1);
    bench.advance(5_000);
    assert_eq!(bench.phase("g"), Phase::PreparingRebalance);
    let token = bench.join(rejoin(&ids[0]));
    let reply = bench.join_reply(token);
    assert_eq!((reply.generation, reply.leader), (2, ids[0].clone()));
}

#[test]
fn rebalance_in_flight_falls_back_to_the_recorded_generation() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    let waiting = bench.join(rejoin(&ids[0]));
    bench.generations.clear();
    bench.restart();
    assert_eq!(bench.join_reply(waiting).error, ErrorCode::NotCoordinator);
    assert_eq!(bench.phase("g"), Phase::Stable);
    assert_eq!(bench.heartbeat(&ids[0], 1), ErrorCode::None);
    // The generation that was joined but not synced never was.
    for id in &ids {
        bench.join(Join { protocols: protocols(&["range"]), ..rejoin(id) });
    }
    assert_eq!(bench.phase("g"), Phase::CompletingRebalance);
    let sync = bench.sync(new_sync(&ids[1], 2));
    bench.generations.clear();
    bench.restart();
    assert_eq!(bench.sync_reply(sync).error, ErrorCode::NotCoordinator);
    assert_eq!(bench.heartbeat(&ids[1], 2), ErrorCode::IllegalGeneration);
    assert_eq!(bench.heartbeat(&ids[1], 1), ErrorCode::None);
}

#[test]
fn simple_groups_and_empty_groups_are_there_again() {
    let mut bench = Bench::new();
    let ids = bench.stable(1);
    bench.leave(&[(&ids[0], None)]);
    offsets::commit_simple(&mut bench, "simple");
    let before: Vec<_> = ["g", "simple"].map(|g| bench.describe(g)).to_vec();
    bench.restart();
    assert_eq!(["g", "simple"].map(|g| bench.describe(g)).to_vec(), before);
    let token = bench.join(new_join("again"));
    bench.advance(3_000);
    assert_eq!(bench.join_reply(token).generation, 3, "generations go on");
}

#[test]
fn group_over_a_lowered_size_rebalances() {
    let mut bench = Bench::new();
    let ids = bench.stable(3);
    bench.config.max_size = 2;
    bench.restart();
    assert_eq!(bench.phase("g"), Phase::PreparingRebalance);
    let tokens: Vec<Token> = ids.iter().map(|id| bench.join(rejoin(id))).collect();
    assert_eq!(bench.join_reply(tokens[2]).error, ErrorCode::GroupMaxSizeReached);
    bench.advance(60_000);
    assert_eq!(bench.join_reply(tokens[0]).generation, 2);
}

#[test]
fn snapshot_is_the_fewest_records() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    for _ in 0..3 {
        offsets::commit_simple(&mut bench, "simple");
    }
    bench.leave(&[(&ids[0], None)]);
    assert_eq!(bench.log.len(), 5, "created, generation 1, three commits");
    assert_eq!(bench.shard.snapshot().len(), 2, "the group and one offset");
}
