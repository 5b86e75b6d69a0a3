//! Retention that waits for the table, and retention that does not.

use strom_protocol::partitioning::{PartitionColumn, PartitionField, PartitionTransform};

use super::*;
use crate::flush;

/// So large that a few of them are encoded ahead.
const VALUE_BYTES: usize = 512 << 10;

/// Nothing is committed but when a test asks for it.
fn quiet(world: &World) -> LakeOptions {
    LakeOptions { commit_bytes: u64::MAX, ..world.options() }
}

/// Everything in the topic is old: where its log starts after retention has run.
fn log_start_after_retention(world: &World, topic: &LakeTopic) -> i64 {
    let short = PartitionSettings { retention_ms: 1, ..PartitionSettings::default() };
    world.store.update_topic(topic.id, short);
    world.store.flush_now().unwrap();
    world.store.run_retention(NOW + 1_000);
    world.store.partition(topic.id, 0).unwrap().offsets().log_start
}

fn remove_below(world: &World, topic: &LakeTopic, offset: i64) {
    let partition = world.store.partition(topic.id, 0).unwrap();
    partition.advance_log_start(offset).unwrap().wait().unwrap();
}

fn skipped(lake: &Lake) -> u64 {
    lake.status().tables[0].totals.skipped_offsets
}

#[test]
fn retention_waits_for_the_table_unless_the_topic_has_it_otherwise() {
    let guarded = topic(1, "orders", 1);
    let free = LakeTopic { is_retention_guarded: false, ..guarded.clone() };
    let world = World::new(std::slice::from_ref(&guarded));
    let lake = world.lake_with(std::slice::from_ref(&guarded), quiet(&world), None);
    world.append(&guarded, 0, &["a", "b"]);
    assert_eq!(log_start_after_retention(&world, &guarded), 0, "no commit was made");

    lake.add_topic(free);
    assert_eq!(log_start_after_retention(&world, &guarded), 2);
    world.append(&guarded, 0, &["c"]);
    assert_eq!(rows(&load(&lake, "orders").unwrap()), owned(&[(0, 2, "c")]));
    assert_eq!(skipped(&lake), 2);
    world.append(&guarded, 0, &["d"]);
    assert_eq!(log_start_after_retention(&world, &guarded), 4, "a commit sets no guard either");

    world.append(&guarded, 0, &["e"]);
    lake.add_topic(guarded.clone());
    assert_eq!(log_start_after_retention(&world, &guarded), 4, "waits again");
    let table = load(&lake, "orders").unwrap();
    assert_eq!(rows(&table), owned(&[(0, 2, "c"), (0, 4, "e")]));
    assert_eq!((skipped(&lake), table.config["strom.offsets"].as_str()), (1, "{\"0\":5}"));
    assert_eq!(log_start_after_retention(&world, &guarded), 5);
}

#[test]
fn a_table_goes_on_after_all_that_it_missed_is_gone() {
    let orders = LakeTopic { is_retention_guarded: false, ..topic(1, "orders", 1) };
    let topics = std::slice::from_ref(&orders);
    let world = World::new(topics);
    let lake = world.lake_with(topics, quiet(&world), None);
    world.append(&orders, 0, &["a"]);
    load(&lake, "orders").unwrap();
    world.append(&orders, 0, &["b", "c"]);
    remove_below(&world, &orders, 3);
    let table = load(&lake, "orders").unwrap();
    assert_eq!((table.config["strom.fresh"].as_str(), skipped(&lake)), ("true", 2));
    assert_eq!(table.config["strom.offsets"], "{\"0\":3}", "nothing more is waited for");
    assert_eq!(rows(&table), owned(&[(0, 0, "a")]));

    drop(lake);
    let world = reopen(world, topics);
    let lake = world.lake_with(topics, quiet(&world), None);
    world.append(&orders, 0, &["d"]);
    let wanted = owned(&[(0, 0, "a"), (0, 3, "d")]);
    assert_eq!(rows(&load(&lake, "orders").unwrap()), wanted);
    assert_eq!(skipped(&lake), 0, "what is missing was counted once");
}

fn by_offset(width: u32) -> Vec<PartitionField> {
    let (column, transform) = (PartitionColumn::Offset, PartitionTransform::Truncate(width));
    vec![PartitionField { column, transform }]
}

/// The log start passes the marker, and what was encoded ahead of the next commit: the table has
/// what was encoded and what is left, once each, and counts the rest.
#[test]
fn a_log_start_that_passed_the_marker_leaves_a_gap_that_is_counted() {
    // Partitioned by nothing, by few values, and by more values than have files ahead.
    for (fields, is_ahead, missing) in [
        (Vec::new(), false, Some(20)),
        (Vec::new(), true, Some(2)),
        (by_offset(5), false, Some(20)),
        (by_offset(5), true, Some(2)),
        (by_offset(1), true, None),
    ] {
        let case = format!("{fields:?}, {is_ahead}");
        let orders = LakeTopic {
            is_retention_guarded: false,
            partition_by: fields,
            ..topic(1, "orders", 1)
        };
        let topics = std::slice::from_ref(&orders);
        let world = World::new(topics);
        let lake = world.lake_with(topics, quiet(&world), None);
        let append = |offsets: std::ops::Range<i64>| {
            for offset in offsets {
                let value = format!("{offset}{}", " ".repeat(VALUE_BYTES));
                world.append(&orders, 0, &[&value]);
            }
        };
        append(0..2);
        load(&lake, "orders").unwrap();
        append(2..20);
        if is_ahead {
            flush::encode_ahead(&lake.shared, &lake.shared.table("orders").unwrap()).unwrap();
        }
        append(20..24);
        remove_below(&world, &orders, 22);
        let table = load(&lake, "orders").unwrap();
        let mut found: Vec<i64> = Vec::new();
        for (_, offset, value) in rows(&table) {
            assert_eq!(value.trim_end().parse(), Ok(offset), "{case}");
            found.push(offset);
        }
        found.sort_unstable();
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{case}: {found:?}");
        assert!([0, 1, 22, 23].iter().all(|kept| found.contains(kept)), "{case}: {found:?}");
        let absent = 24 - found.len() as u64;
        assert!(absent <= skipped(&lake), "{case}: {found:?}, {} counted", skipped(&lake));
        if let Some(missing) = missing {
            assert_eq!((absent, skipped(&lake)), (missing, missing), "{case}: {found:?}");
        }
        assert_eq!(table.config["strom.offsets"], "{\"0\":24}", "{case}");
    }
}
