//! Row groups encoded as data comes.

use super::*;
use crate::flush;

const VALUE_BYTES: usize = 512 << 10;

/// Appends large values; each begins with its offset.
fn append_large(world: &World, topic: &LakeTopic, partition: i32, offsets: std::ops::Range<i64>) {
    for offset in offsets {
        let value = format!("{offset}{}", " ".repeat(VALUE_BYTES));
        world.append(topic, partition, &[&value]);
    }
}

fn encode(lake: &Lake, table: &str) {
    flush::encode_ahead(&lake.shared, &lake.shared.table(table).unwrap()).unwrap();
}

/// (partition, offset) of every row; what the value begins with must be the offset.
fn offsets(table: &LoadedTable) -> Vec<(i32, i64)> {
    let check = |(partition, offset, value): (i32, i64, String)| {
        assert_eq!(value.trim_end().parse(), Ok(offset));
        (partition, offset)
    };
    rows(table).into_iter().map(check).collect()
}

fn all(ends: &[i64]) -> Vec<(i32, i64)> {
    (0..).zip(ends).flat_map(|(p, &end)| (0..end).map(move |offset| (p, offset))).collect()
}

fn quiet(world: &World) -> LakeOptions {
    // Nothing happens by itself: the tests say when.
    LakeOptions { commit_bytes: u64::MAX, ahead_bytes: 64 << 20, ..world.options() }
}

#[test]
fn what_was_encoded_ahead_is_committed_once_with_the_rest() {
    for ahead_bytes in [64 << 20, 1] {
        let busy = topic(1, "busy", 3);
        let topics = std::slice::from_ref(&busy);
        let world = World::new(topics);
        let options = LakeOptions { ahead_bytes, file_bytes: 1 << 20, ..quiet(&world) };
        let lake = world.lake_with(topics, options, None);
        append_large(&world, &busy, 1, 0..10);
        append_large(&world, &busy, 0, 0..2);
        encode(&lake, "busy");
        let (files, bytes) = lake.shared.budget.used();
        assert_eq!(files, 1, "the busy partition has a file");
        assert_eq!(bytes > 0, ahead_bytes > 1, "{bytes} bytes are held, unless that is too much");
        assert_eq!(world.files().len(), 1);
        append_large(&world, &busy, 1, 10..13);
        append_large(&world, &busy, 2, 0..1);
        let table = load(&lake, "busy").unwrap();
        assert_eq!(offsets(&table), all(&[2, 13, 1]));
        assert_eq!(lake.shared.budget.used(), (0, 0), "everything was given back");
        no_file_is_unreferenced(&world, &table);
        let added = &table.metadata.current_snapshot().unwrap().summary().additional_properties["added-data-files"];
        assert_eq!(added, "2", "one of the busy partition, one of the others");

        append_large(&world, &busy, 1, 13..14);
        encode(&lake, "busy");
        assert_eq!(lake.shared.budget.used(), (0, 0), "a trickle waits for the commit");
        assert_eq!(offsets(&load(&lake, "busy").unwrap()), all(&[2, 14, 1]));
    }
}

#[test]
fn what_was_encoded_ahead_and_never_committed_leaves_no_trace() {
    let busy = topic(1, "busy", 1);
    let topics = std::slice::from_ref(&busy);
    let world = World::new(topics);
    append_large(&world, &busy, 0, 0..10);
    let lake = world.lake_with(topics, quiet(&world), None);
    encode(&lake, "busy");
    assert_eq!(world.files().len(), 1);
    drop(lake);
    assert!(world.files().is_empty(), "a clean end removes it");

    // As a process that was killed leaves it: the file is there, the commit is not.
    let root = world.dir.path().join("warehouse");
    let location = names::location_of(&files::location_of(&root), "kafka", "busy", busy.id);
    let data = files::path_of(&location).join("data");
    files::create_dir_synced(&data).unwrap();
    std::fs::write(data.join(format!("00000001-000-{}.parquet", Uuid::nil())), "torn").unwrap();
    let spool = world.dir.path().join("spool");
    files::create_dir_synced(&spool).unwrap();
    std::fs::write(spool.join("00000001-000-x.parquet"), "torn").unwrap();
    let lake = world.lake_with(topics, quiet(&world), None);
    assert!(files::list(&spool).unwrap().is_empty());
    let table = load(&lake, "busy").unwrap();
    assert_eq!(offsets(&table), all(&[10]));
    no_file_is_unreferenced(&world, &table);
}

#[test]
fn a_failed_commit_encodes_everything_again() {
    for step in Step::ALL {
        let busy = topic(1, "busy", 1);
        let topics = std::slice::from_ref(&busy);
        let world = World::new(topics);
        let lake = world.lake_with(topics, quiet(&world), Some(stop_at(step)));
        append_large(&world, &busy, 0, 0..10);
        encode(&lake, "busy");
        assert_eq!(load(&lake, "busy").unwrap_err().status, 503);
        append_large(&world, &busy, 0, 10..20);
        encode(&lake, "busy");
        assert_eq!(lake.shared.budget.used(), (0, 0), "nothing is encoded while commits fail");
        world.now_ms.fetch_add(1_000, Ordering::SeqCst);
        let table = load(&lake, "busy").unwrap();
        assert_eq!(offsets(&table), all(&[20]), "{step:?}");
        no_file_is_unreferenced(&world, &table);
    }
}

#[test]
fn busy_tables_are_encoded_without_being_asked_and_idle_ones_are_left_alone() {
    let (busy, idle) = (topic(1, "busy", 1), topic(2, "idle", 1));
    let topics = [busy.clone(), idle.clone()];
    let world = World::new(&topics);
    let lake = world.lake_with(&topics, quiet(&world), None);
    world.append(&idle, 0, &["0"]);
    append_large(&world, &busy, 0, 0..12);
    wait_until("the busy table to be encoded", || lake.shared.budget.used().0 == 1);
    let next = || lake.shared.table("busy").unwrap().work().next(0);
    wait_until("all of it", || next() == Some(12));
    append_large(&world, &busy, 0, 12..14);
    wait_until("what came since", || next() == Some(14));
    assert_eq!(world.files().len(), 1, "one file, of the busy table");
    lake.remove_topic(busy.id);
    wait_until("the file to go with the topic", || world.files().is_empty());
    assert_eq!(lake.shared.budget.used(), (0, 0));
}
