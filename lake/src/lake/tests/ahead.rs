//! Row groups encoded as data comes.

use iceberg::spec::{Literal, PrimitiveLiteral};
use strom_protocol::partitioning::{PartitionColumn, PartitionField, PartitionTransform};

use super::*;
use crate::ahead::TABLE_FILES_MAX;
use crate::flush;

const VALUE_BYTES: usize = 512 << 10;

/// Appends large values; each begins with its offset.
fn append_large(world: &World, topic: &LakeTopic, partition: i32, offsets: std::ops::Range<i64>) {
    for offset in offsets {
        let value = format!("{offset}{}", " ".repeat(VALUE_BYTES));
        world.append(topic, partition, &[&value]);
    }
}

/// One partition value for so many offsets.
fn by_offset(width: u32) -> Vec<PartitionField> {
    let (column, transform) = (PartitionColumn::Offset, PartitionTransform::Truncate(width));
    vec![PartitionField { column, transform }]
}

/// Not partitioned, and a partition value for five offsets.
fn layouts() -> [Vec<PartitionField>; 2] {
    [Vec::new(), by_offset(5)]
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
    let cases = layouts().map(|fields| [(fields.clone(), 64 << 20), (fields, 1)]);
    for (fields, ahead_bytes) in cases.into_iter().flatten() {
        let mut busy = topic(1, "busy", 3);
        // Ahead, and then of all: the busy partition's, and one that the others share.
        let (ahead, added) = if fields.is_empty() { (1, "2") } else { (2, "4") };
        busy.partition_by = fields;
        let topics = std::slice::from_ref(&busy);
        let world = World::new(topics);
        let options = LakeOptions { ahead_bytes, file_bytes: 1 << 20, ..quiet(&world) };
        let lake = world.lake_with(topics, options, None);
        append_large(&world, &busy, 1, 0..10);
        append_large(&world, &busy, 0, 0..2);
        encode(&lake, "busy");
        let (files, bytes) = lake.shared.budget.used();
        assert_eq!(files, ahead, "the busy partition has its files");
        assert_eq!(bytes > 0, ahead_bytes > 1, "{bytes} bytes are held, unless that is too much");
        assert_eq!(world.files().len(), ahead);
        append_large(&world, &busy, 1, 10..13);
        append_large(&world, &busy, 2, 0..1);
        let table = load(&lake, "busy").unwrap();
        assert_eq!(offsets(&table), all(&[2, 13, 1]));
        assert_eq!(lake.shared.budget.used(), (0, 0), "everything was given back");
        no_file_is_unreferenced(&world, &table);
        let summary = &table.metadata.current_snapshot().unwrap().summary().additional_properties;
        assert_eq!(summary["added-data-files"], added);

        append_large(&world, &busy, 1, 13..14);
        encode(&lake, "busy");
        assert_eq!(lake.shared.budget.used(), (0, 0), "a trickle waits for the commit");
        assert_eq!(offsets(&load(&lake, "busy").unwrap()), all(&[2, 14, 1]));
    }
}

/// The partition value of every file of a table partitioned by offsets, and its rows.
fn files_by_value(table: &LoadedTable) -> Vec<(i64, Vec<(i32, i64)>)> {
    let list = table.metadata.current_snapshot().unwrap().manifest_list();
    let mut found = Vec::new();
    for manifest in manifest::decode_list(&files::read(files::path_of(list)).unwrap()).unwrap() {
        let bytes = files::read(files::path_of(&manifest.manifest_path)).unwrap();
        for entry in manifest::decode_entries(&manifest, bytes.into()).unwrap() {
            let value = entry.data_file().partition().fields()[0].clone();
            let Some(Literal::Primitive(PrimitiveLiteral::Long(value))) = value else {
                panic!("{value:?}")
            };
            let rows = parquet::tests::rows_of(files::path_of(entry.file_path())).into_iter();
            found.push((value, rows.map(|row| (row.0, row.1)).collect()));
        }
    }
    found
}

#[test]
fn values_without_a_place_wait_for_the_commit_and_no_row_comes_twice() {
    let mut mixed = topic(1, "mixed", 3);
    mixed.partition_by = by_offset(1);
    let topics = std::slice::from_ref(&mixed);
    let world = World::new(topics);
    let lake = world.lake_with(topics, quiet(&world), None);
    for (partition, end) in [(0, 3), (2, 20)] {
        let values: Vec<String> = (0..end).map(|offset: i64| offset.to_string()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        world.append(&mixed, partition, &values);
    }
    append_large(&world, &mixed, 1, 0..60);
    encode(&lake, "mixed");
    assert_eq!(lake.shared.budget.used().0, TABLE_FILES_MAX);
    let next = || lake.shared.table("mixed").unwrap().work().next(1).unwrap();
    let stopped = next();
    assert!((2 * TABLE_FILES_MAX as i64..60).contains(&stopped), "most rows wait: {stopped}");
    let partitions = world.store.partitions(mixed.id);
    assert!(!lake.shared.table("mixed").unwrap().wants_encoding(&partitions));
    encode(&lake, "mixed");
    assert_eq!(next(), stopped, "what has to be read twice is not read ahead");

    let table = load(&lake, "mixed").unwrap();
    assert_eq!(offsets(&table), all(&[3, 60, 20]));
    let found = files_by_value(&table);
    assert!(found.iter().all(|(value, rows)| rows.iter().all(|(_, offset)| offset == value)));
    let shared = found.iter().filter(|(_, rows)| rows.len() > 1).count();
    assert_eq!((found.len(), shared), (TABLE_FILES_MAX + 60, 3 + 4), "one file for all partitions");
    assert_eq!(lake.shared.budget.used(), (0, 0));
    no_file_is_unreferenced(&world, &table);
}

#[test]
fn what_was_encoded_for_another_layout_is_thrown_away() {
    let [plain, partitioned] = layouts();
    for (before, after) in [(plain.clone(), partitioned.clone()), (partitioned, plain)] {
        let mut busy = topic(1, "busy", 1);
        busy.partition_by = before;
        let topics = std::slice::from_ref(&busy);
        let world = World::new(topics);
        let lake = world.lake_with(topics, quiet(&world), None);
        append_large(&world, &busy, 0, 0..10);
        encode(&lake, "busy");
        assert!(lake.shared.budget.used().0 > 0);
        busy.partition_by = after;
        lake.add_topic(busy.clone());
        let table = load(&lake, "busy").unwrap();
        assert_eq!(offsets(&table), all(&[10]));
        wait_until("the places of the former layout", || lake.shared.budget.used() == (0, 0));
        no_file_is_unreferenced(&world, &table);
    }
}

#[test]
fn what_was_encoded_ahead_and_never_committed_leaves_no_trace() {
    let busy = topic(1, "busy", 1);
    let topics = std::slice::from_ref(&busy);
    let world = World::new(topics);
    append_large(&world, &busy, 0, 0..10);
    // A file that goes on, and files that are full.
    for (file_bytes, count) in [(u64::MAX, 1), (1, 2)] {
        let options = LakeOptions { file_bytes, ..quiet(&world) };
        let lake = world.lake_with(topics, options, None);
        encode(&lake, "busy");
        assert_eq!(world.files().len(), count);
        drop(lake);
        assert!(world.files().is_empty(), "a clean end removes them");
    }

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
    let cases = Step::ALL.map(|step| layouts().map(|fields| (step, fields)));
    for (step, fields) in cases.into_iter().flatten() {
        let mut busy = topic(1, "busy", 1);
        busy.partition_by = fields;
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
fn a_crash_while_what_was_encoded_ahead_is_committed_neither_loses_nor_doubles_a_row() {
    // By single offsets, some rows wait for the commit.
    let layouts = [Vec::new(), by_offset(5), by_offset(1)];
    for (step, fields) in Step::ALL.into_iter().flat_map(|s| layouts.clone().map(|f| (s, f))) {
        let mut busy = topic(1, "busy", 2);
        busy.partition_by = fields;
        let topics = std::slice::from_ref(&busy);
        let world = World::new(topics);
        let lake = world.lake_with(topics, quiet(&world), Some(stop_at(step)));
        append_large(&world, &busy, 0, 0..20);
        world.append(&busy, 1, &["0"]);
        encode(&lake, "busy");
        assert_eq!(load(&lake, "busy").unwrap_err().status, 503);
        drop(lake);
        let world = reopen(world, topics);
        let lake = world.lake_with(topics, quiet(&world), None);
        assert_eq!(offsets(&load(&lake, "busy").unwrap()), all(&[20, 1]), "{step:?}");
        append_large(&world, &busy, 0, 20..30);
        encode(&lake, "busy");
        let table = load(&lake, "busy").unwrap();
        assert_eq!(offsets(&table), all(&[30, 1]), "{step:?}");
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
