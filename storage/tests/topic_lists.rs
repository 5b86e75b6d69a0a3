//! Opening with a list of topics that has not all of them: nothing is lost, whatever is done meanwhile. What a
//! deletion left behind goes when the list is said to be complete.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use strom_storage::io::Disk;
use strom_storage::io::simulated::SimulatedDisk;
use strom_storage::{Store, StoreOptions, TopicList};
use support::*;

fn options() -> StoreOptions {
    StoreOptions { tail_bytes: 0, journal_retention_bytes: 512 << 10, ..small_options() }
}

fn disk_of(disk: &SimulatedDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn objects(disk: &SimulatedDisk) -> Vec<PathBuf> {
    let mut files = disk.files();
    files.retain(|path| path.starts_with("/data/objects"));
    files
}

fn fill(store: &Store, number: u128, partition: i32, name: &str) {
    let partition = store.partition(topic(number), partition).unwrap();
    append_durably(&partition, batch(&[name.as_bytes(), &[7; 3000]]));
}

/// Keys that the storage has of a topic.
fn keys_of(store: &Store, number: u128) -> usize {
    let id = topic(number);
    let keys = store.metadata().scan(b"s/");
    keys.iter().filter(|(key, _)| key.windows(16).any(|window| window == id.as_bytes())).count()
}

/// Two topics, of each a partition in segments, one in the journal, and one in both.
fn two_topics() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    let topics = vec![spec(1, 3), spec(2, 3)];
    let (store, _) = open_on(&disk_of(&disk), options(), topics).unwrap();
    for number in [1, 2] {
        fill(&store, number, 0, "flushed");
        fill(&store, number, 1, "flushed too");
    }
    store.flush_now().unwrap();
    for number in [1, 2] {
        fill(&store, number, 1, "in the journal");
        fill(&store, number, 2, "in the journal");
        let partition = store.partition(topic(number), 1).unwrap();
        partition.advance_log_start(1).unwrap().wait().unwrap();
    }
    store.close().unwrap();
    disk
}

fn all(store: &Store) -> Vec<Vec<(i64, Vec<u8>)>> {
    let partitions = [1, 2].into_iter().flat_map(|number| store.partitions(topic(number)));
    partitions.map(|log| contents(&log, log.offsets().log_start)).collect()
}

#[test]
fn a_list_that_is_too_short_loses_nothing_whatever_is_done_meanwhile() {
    let expected = {
        let disk = two_topics();
        let topics = vec![spec(1, 3), spec(2, 3)];
        all(&open_on(&disk_of(&disk), options(), topics).unwrap().0)
    };
    assert_eq!(expected.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1, 1, 2, 1]);
    for listed in [vec![], vec![spec(1, 3)], vec![spec(1, 1), spec(2, 2)]] {
        for is_killed in [false, true] {
            let disk = two_topics();
            let missing: Vec<_> = [topic(1), topic(2)]
                .into_iter()
                .filter(|id| listed.iter().all(|spec| spec.id != *id))
                .collect();
            let (store, report) =
                open_partly_on(&disk_of(&disk), options(), listed.clone()).unwrap();
            assert_eq!((report.corruptions, report.unlisted), (vec![], missing));
            assert_eq!(report.objects_removed, 0);
            // More than the journal's budget, so that its old files go.
            store.add_topic(spec(3, 1));
            for number in 0..300 {
                fill(&store, 3, 0, &format!("{number}"));
            }
            store.flush_now().unwrap();
            store.merge_now().unwrap();
            store.run_retention(NOW_MS + (1 << 40));
            if !is_killed {
                store.close().unwrap();
            }
            let disk = disk.after_crash(3);
            drop(store);
            let topics = vec![spec(1, 3), spec(2, 3), spec(3, 1)];
            let (store, report) = open_on(&disk_of(&disk), options(), topics).unwrap();
            assert_eq!(report.corruptions, vec![]);
            assert!(all(&store) == expected, "{listed:?}");
            let starts = |number| store.partition(topic(number), 1).unwrap().offsets().log_start;
            assert_eq!((starts(1), starts(2)), (1, 1));
        }
    }
}

#[test]
fn what_a_cut_deletion_left_behind_goes_with_a_complete_list() {
    for seed in 0..10 {
        let disk = two_topics();
        let before = objects(&disk).len();
        // The owner's deletion was durable, ours had not begun.
        let complete = TopicList::Complete(vec![spec(1, 3)]);
        let (store, report) = open_partly_on(&disk_of(&disk), options(), complete).unwrap();
        assert_eq!((report.corruptions, report.unlisted), (vec![], vec![]));
        assert_eq!(keys_of(&store, 2), 0);
        assert!(keys_of(&store, 1) > 0);
        assert_eq!(objects(&disk).len(), before, "both topics share the object");
        let crashed = disk.after_crash(seed);
        drop(store);
        let none = TopicList::Complete(vec![]);
        let (store, report) = open_partly_on(&disk_of(&crashed), options(), none).unwrap();
        assert_eq!(report.objects_removed, before as u64);
        assert_eq!((keys_of(&store, 1), keys_of(&store, 2)), (0, 0));
        assert_eq!(objects(&crashed).len(), 0);
    }
}

#[test]
fn a_topic_that_is_not_listed_can_be_removed() {
    let disk = two_topics();
    let (store, report) = open_partly_on(&disk_of(&disk), options(), vec![]).unwrap();
    assert_eq!(report.unlisted, [topic(1), topic(2)]);
    for id in report.unlisted {
        store.remove_topic(id);
    }
    store.flush_now().unwrap();
    assert_eq!((keys_of(&store, 1), keys_of(&store, 2)), (0, 0));
    assert_eq!(objects(&disk).len(), 0);
}

#[test]
fn what_the_journal_still_has_of_a_deleted_topic_is_no_damage() {
    let disk = SimulatedDisk::default();
    let topics = vec![spec(1, 1), spec(2, 1)];
    let (store, _) = open_on(&disk_of(&disk), options(), topics).unwrap();
    // More than a file of the journal, which is not read again.
    for number in 0..50 {
        fill(&store, 2, 0, &format!("{number}"));
    }
    store.flush_now().unwrap();
    fill(&store, 1, 0, "kept");
    fill(&store, 2, 0, "deleted");
    store.remove_topic(topic(2));
    store.close().unwrap();
    drop(store);
    let (store, report) = open_partly_on(&disk_of(&disk), options(), vec![spec(1, 1)]).unwrap();
    assert_eq!(report.unlisted, [topic(2)], "it comes up again");
    let offsets = store.partition(topic(2), 0).unwrap().offsets();
    assert!(offsets.log_start > 0 && offsets.log_end == 102, "{offsets:?}");
    assert_eq!(report.corruptions, vec![]);
    assert_eq!(contents(&store.partition(topic(1), 0).unwrap(), 0).len(), 1);
}
