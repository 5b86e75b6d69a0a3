//! Rows that leave the table by age, and the files that follow them.

use std::path::PathBuf;

use iceberg::spec::Operation;
use strom_protocol::partitioning::{PartitionColumn, PartitionField, PartitionTransform};

use super::*;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A topic whose rows leave its table after a day.
fn daily() -> LakeTopic {
    LakeTopic { retention: Some(Duration::from_millis(DAY as u64)), ..topic(1, "orders", 1) }
}

impl World {
    /// The clock goes on.
    fn pass(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

/// The timestamps of a table's rows, as their values have them.
fn timestamps(table: &LoadedTable) -> Vec<i64> {
    rows(table).into_iter().map(|(_, _, value)| value.parse().unwrap()).collect()
}

fn wait_for_timestamps(lake: &Lake, expected: &[i64]) -> LoadedTable {
    wait_until(&format!("{expected:?} to be left"), || {
        timestamps(&load(lake, "orders").unwrap()) == expected
    });
    load(lake, "orders").unwrap()
}

fn data_files(world: &World) -> usize {
    world.files().iter().filter(|name| name.ends_with(".parquet")).count()
}

fn removed_rows(lake: &Lake) -> u64 {
    lake.status().tables[0].totals.removed_rows
}

#[test]
fn rows_leave_when_the_newest_of_their_file_is_too_old() {
    let orders = topic(1, "orders", 1);
    let world = World::new(std::slice::from_ref(&orders));
    let lake = world.lake(std::slice::from_ref(&orders));
    // A file each: all old, half old, none with a time, new.
    let files = [[NOW - 3 * DAY, NOW - 2 * DAY], [NOW - 2 * DAY, NOW], [-1, -1], [NOW, NOW]];
    for file in &files {
        world.append_at(&orders, file);
        load(&lake, "orders").unwrap();
    }
    let left = [NOW - 2 * DAY, NOW, -1, -1, NOW, NOW];
    lake.add_topic(daily());
    let table = wait_for_timestamps(&lake, &left);
    let snapshot = table.metadata.current_snapshot().unwrap();
    assert_eq!(snapshot.summary().operation, Operation::Delete);
    let counts = &snapshot.summary().additional_properties;
    for (name, count) in [
        ("deleted-data-files", "1"),
        ("deleted-records", "2"),
        ("total-data-files", "3"),
        ("total-records", "6"),
        ("total-delete-files", "0"),
    ] {
        assert_eq!(counts[name], count, "{name}");
    }
    assert_eq!(table.config["strom.offsets"], "{\"0\":8}", "the marker is where it was");
    assert_eq!(table.config["strom.fresh"], "true");
    wait_until("the count", || removed_rows(&lake) == 2);

    // Time travel still finds them.
    let before = snapshot.parent_snapshot_id().unwrap();
    assert!(table.metadata.snapshot_by_id(before).is_some());
    assert_eq!(data_files(&world), 4);
    no_file_is_unreferenced(&world, &table);

    // A day later only what has no time is left; new rows come on top.
    world.append_at(&orders, &[NOW + DAY]);
    load(&lake, "orders").unwrap();
    world.pass(DAY + 1);
    wait_for_timestamps(&lake, &[-1, -1, NOW + DAY]);
    wait_until("the count", || removed_rows(&lake) == 6);
}

#[test]
fn rows_stay_for_ever_unless_the_topic_has_it_otherwise() {
    let mut orders = topic(1, "orders", 1);
    let world = World::new(std::slice::from_ref(&orders));
    let lake = world.lake(std::slice::from_ref(&orders));
    world.append_at(&orders, &[0, 1]);
    load(&lake, "orders").unwrap();
    world.pass(10_000 * DAY);
    world.append_at(&orders, &[2]);
    assert_eq!(timestamps(&load(&lake, "orders").unwrap()), [0, 1, 2]);
    assert_eq!(removed_rows(&lake), 0);

    orders.retention = Some(Duration::from_millis(1));
    lake.add_topic(orders.clone());
    world.append_at(&orders, &[NOW + 20_000 * DAY]);
    wait_for_timestamps(&lake, &[NOW + 20_000 * DAY]);
}

/// Later than any look of these tests.
const FUTURE: i64 = NOW + 100 * DAY;

/// While time passes, every kept snapshot has its files, until one of two files is no snapshot's.
fn wait_for_the_file_to_go(world: &World, lake: &Lake) {
    wait_until("the file to go", || {
        let table = load(lake, "orders").unwrap();
        // What no snapshot has any more stays for running queries: no file goes before the next pass.
        for snapshot in table.metadata.snapshots() {
            let files = live_files(snapshot.manifest_list());
            let missing: Vec<_> = files.iter().filter(|path| !path.exists()).collect();
            assert!(missing.is_empty(), "{missing:?} of {snapshot:?}");
        }
        world.pass(10 * 60 * 1000);
        std::thread::sleep(Duration::from_millis(2));
        data_files(world) == 1
    });
}

/// The data files of a snapshot.
fn live_files(list: &str) -> Vec<PathBuf> {
    let list = files::read(files::path_of(list)).unwrap();
    let manifests = manifest::decode_list(&list).unwrap().into_iter();
    let entries = manifests.flat_map(|manifest| {
        let bytes = files::read(files::path_of(&manifest.manifest_path)).unwrap();
        manifest::decode_entries(&manifest, bytes.into()).unwrap()
    });
    let live = entries.filter(|entry| entry.is_alive());
    live.map(|entry| files::path_of(entry.file_path()).to_path_buf()).collect()
}

#[test]
fn an_idle_table_is_looked_at_too_and_files_go_with_the_snapshots_that_have_them() {
    let orders = daily();
    let world = World::new(std::slice::from_ref(&orders));
    let lake = world.lake(std::slice::from_ref(&orders));
    for at in [NOW, FUTURE] {
        world.append_at(&orders, &[at]);
        load(&lake, "orders").unwrap();
    }
    world.pass(DAY + 1);
    wait_for_timestamps(&lake, &[FUTURE]);
    assert_eq!(data_files(&world), 2, "older snapshots have it");
    // Nothing is produced any more.
    wait_for_the_file_to_go(&world, &lake);
    let table = load(&lake, "orders").unwrap();
    assert_eq!((table.metadata.snapshots().count(), timestamps(&table)), (1, vec![FUTURE]));

    // The next commit lets go of what says that the file was removed.
    let removed = |world: &World| world.files().iter().any(|name| name.contains("-mr0-"));
    assert!(removed(&world));
    world.append_at(&orders, &[FUTURE]);
    load(&lake, "orders").unwrap();
    wait_until("the manifest to go", || {
        world.pass(49 * HOUR);
        world.append_at(&orders, &[FUTURE]);
        load(&lake, "orders").unwrap();
        !removed(&world)
    });
    assert!(timestamps(&load(&lake, "orders").unwrap()).iter().all(|at| *at == FUTURE));
}

#[test]
fn files_that_were_removed_go_after_a_restart_too() {
    let orders = daily();
    let topics = std::slice::from_ref(&orders);
    let mut world = World::new(topics);
    let lake = world.lake(topics);
    for at in [NOW - 2 * DAY, FUTURE] {
        world.append_at(&orders, &[at]);
        load(&lake, "orders").unwrap();
    }
    world.pass(HOUR);
    wait_for_timestamps(&lake, &[FUTURE]);
    drop(lake);
    world = reopen(world, topics);
    let lake = world.lake(topics);
    wait_for_the_file_to_go(&world, &lake);
    assert_eq!(timestamps(&load(&lake, "orders").unwrap()), [FUTURE]);
}

#[test]
fn a_crash_between_any_two_steps_of_a_removal_neither_loses_nor_keeps_a_row() {
    for step in [Step::MetadataWritten, Step::PointerMoved] {
        let orders = daily();
        let topics = std::slice::from_ref(&orders);
        let mut world = World::new(topics);
        let forever = topic(1, "orders", 1);
        let lake = world.lake(std::slice::from_ref(&forever));
        for at in [NOW - 2 * DAY, NOW] {
            world.append_at(&orders, &[at]);
            load(&lake, "orders").unwrap();
        }
        drop(lake);
        world = reopen(world, topics);
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = stop_at(step);
        let hook: FaultHook = {
            let stopped = Arc::clone(&stopped);
            Arc::new(move |reached| {
                let stops = stop(reached);
                stopped.fetch_or(stops, Ordering::SeqCst);
                stops
            })
        };
        let lake = world.lake_with(topics, world.options(), Some(hook));
        wait_until("the removal to be stopped", || stopped.load(Ordering::SeqCst));
        drop(lake);
        world = reopen(world, topics);
        let lake = world.lake(topics);
        let table = wait_for_timestamps(&lake, &[NOW]);
        no_file_is_unreferenced(&world, &table);
        world.append_at(&orders, &[NOW + 1]);
        assert_eq!(timestamps(&load(&lake, "orders").unwrap()), [NOW, NOW + 1]);
    }
}

/// What a removal wrote that was never committed may stay, and a later commit gets its number: what it
/// says is removed is in the table.
#[test]
fn what_a_removal_says_that_never_was_removes_no_file() {
    let forever = topic(1, "orders", 1);
    let world = World::new(std::slice::from_ref(&forever));
    world.append_at(&forever, &[NOW - 2 * DAY]);
    let lake = world.lake(std::slice::from_ref(&forever));
    load(&lake, "orders").unwrap();
    drop(lake);
    let stopped = Arc::new(Mutex::new(None));
    let hook: FaultHook = {
        let (stopped, dir) = (Arc::clone(&stopped), world.dir.path().join("warehouse"));
        Arc::new(move |step| {
            let found = find_note(&dir);
            let stops = step == Step::MetadataWritten && found.is_some();
            if stops {
                *stopped.lock().unwrap() = found.map(|note| (std::fs::read(&note).unwrap(), note));
            }
            stops
        })
    };
    let lake = world.lake_with(&[daily()], world.options(), Some(hook));
    wait_until("the removal to be stopped", || stopped.lock().unwrap().is_some());
    drop(lake);

    let lake = world.lake(std::slice::from_ref(&forever));
    let commit = || {
        world.append_at(&forever, &[NOW]);
        load(&lake, "orders").unwrap();
    };
    commit();
    assert_eq!(find_note(world.dir.path()), None, "it is known to be of no commit");
    let (bytes, note) = stopped.lock().unwrap().take().unwrap();
    std::fs::write(&note, bytes).unwrap();
    wait_until("the note to go", || {
        world.pass(49 * HOUR);
        commit();
        std::thread::sleep(Duration::from_millis(5));
        !note.exists()
    });
    let table = load(&lake, "orders").unwrap();
    assert_eq!(timestamps(&table)[0], NOW - 2 * DAY, "no file is missing");
}

/// A manifest of removed files.
fn find_note(dir: &Path) -> Option<PathBuf> {
    let files = files::list(dir).unwrap().into_iter();
    let found = files.map(|(name, path)| match path.is_dir() {
        true => find_note(&path),
        false => name.contains("-mr0-").then_some(path),
    });
    found.flatten().next()
}

#[test]
fn a_removal_that_fails_keeps_no_commit_waiting_and_is_tried_again() {
    let orders = daily();
    let topics = std::slice::from_ref(&orders);
    let world = World::new(topics);
    world.append_at(&orders, &[NOW - 2 * DAY]);
    let failures = Arc::new(AtomicI64::new(0));
    let hook: FaultHook = {
        let failures = Arc::clone(&failures);
        // Every other pass by this step is a removal's: the first two of those fail.
        let passed = AtomicI64::new(0);
        Arc::new(move |step| {
            let passed = match step {
                Step::MetadataWritten => passed.fetch_add(1, Ordering::SeqCst),
                Step::DataFilesWritten | Step::PointerMoved => 0,
            };
            let fails = passed == 1 || passed == 3;
            failures.fetch_add(i64::from(fails), Ordering::SeqCst);
            fails
        })
    };
    let lake = world.lake_with(topics, world.options(), Some(hook));
    for failed in 1..=2 {
        let rows = load(&lake, "orders").unwrap();
        assert_eq!(timestamps(&rows).len(), failed, "a commit goes on");
        wait_until("a failure", || failures.load(Ordering::SeqCst) == failed as i64);
        world.append_at(&orders, &[NOW]);
        let table = load(&lake, "orders").unwrap();
        assert_eq!(timestamps(&table).len(), failed + 1);
        world.pass(HOUR);
    }
    wait_until("the removal", || removed_rows(&lake) == 1);
    assert_eq!(timestamps(&load(&lake, "orders").unwrap()), [NOW, NOW]);
    assert_eq!(lake.status().tables[0].totals.failures, 0, "no commit failed");
}

#[test]
fn rows_leave_partitioned_tables_of_any_number_of_specs() {
    let mut orders = topic(1, "orders", 1);
    let world = World::new(std::slice::from_ref(&orders));
    let lake = world.lake(std::slice::from_ref(&orders));
    let day =
        PartitionField { column: PartitionColumn::Timestamp, transform: PartitionTransform::Day };
    world.append_at(&orders, &[NOW - 3 * DAY]);
    load(&lake, "orders").unwrap();
    for partition_by in [vec![day], Vec::new()] {
        orders.partition_by = partition_by;
        lake.add_topic(orders.clone());
        world.append_at(&orders, &[NOW - 2 * DAY, NOW]);
        load(&lake, "orders").unwrap();
    }
    orders.retention = daily().retention;
    lake.add_topic(orders.clone());
    // The unpartitioned file has a row that is not too old.
    let table = wait_for_timestamps(&lake, &[NOW, NOW - 2 * DAY, NOW]);
    let removed = world.files().iter().filter(|name| name.contains("-mr")).count();
    assert_eq!(removed, 2, "a manifest for each partition spec");
    no_file_is_unreferenced(&world, &table);
    world.append_at(&orders, &[NOW]);
    assert_eq!(timestamps(&load(&lake, "orders").unwrap()).len(), 4);
}
