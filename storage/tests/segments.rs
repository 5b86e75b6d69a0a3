//! What lies in segments: flushed, read back, merged, retained, deleted, damaged, over restarts and on full disks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use strom_protocol::record::{BatchBuilder, Compression};
use strom_storage::io::Disk;
use strom_storage::io::simulated::SimulatedDisk;
use strom_storage::{
    AppendError, FlushError, Partition, PartitionSettings, ReadError, Store, StoreOptions,
    VerifyReport,
};
use support::*;

/// Nothing is flushed but when a test says so.
fn options() -> StoreOptions {
    StoreOptions { tail_bytes: 0, ..small_options() }
}

/// A journal that is pressed after a few hundred kilobytes.
fn tight() -> StoreOptions {
    StoreOptions { journal_retention_bytes: 512 << 10, ..options() }
}

fn disk_of(disk: &SimulatedDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn open_disk(disk: &SimulatedDisk, options: StoreOptions, partitions: i32) -> Arc<Store> {
    let (store, report) = open_on(&disk_of(disk), options, vec![spec(1, partitions)]).unwrap();
    assert_eq!(report.corruptions, Vec::new());
    store
}

fn partition(store: &Store, index: i32) -> Arc<Partition> {
    store.partition(topic(1), index).unwrap()
}

fn objects(disk: &SimulatedDisk) -> Vec<PathBuf> {
    let mut files = disk.files();
    files.retain(|path| path.starts_with("/data/objects"));
    files
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Batches of every kind, and what is covered of each.
fn kinds() -> Vec<Bytes> {
    let large = vec![7; 40_000];
    let of = |compression| BatchBuilder::new(compression);
    let mut all = vec![batch(&[b"a", b"b"]), batch(&[&large]), produced((9, 0, 0), &[b"p", b"q"])];
    for compression in Compression::ALL {
        all.push(batch_of(of(compression), NOW_MS, &[b"c", b"d", b"e"]));
    }
    all.push(batch_at(-1, &[b"no time"]));
    all
}

#[test]
fn batches_come_back_as_produced_from_segments_over_restarts_and_merges() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), options(), vec![spec(1, 2)]);
    let mut expected = Vec::new();
    for _ in 0..7 {
        for records in kinds() {
            let records =
                if records.len() > 20_000 { records } else { with_producer_removed(records) };
            let appended = append_durably(&partition(&store, 0), records.clone());
            expected.push((appended.base_offset, covered(&records)));
        }
        append_durably(&partition(&store, 1), batch(&[b"beside"]));
        assert_eq!(store.flush_now().unwrap(), 2);
    }
    let compare = |store: &Store, beside: usize, when: &str| {
        assert_eq!(contents(&partition(store, 0), 0), expected, "{when}");
        assert_eq!(contents(&partition(store, 1), 0).len(), beside, "{when}");
        let middle = expected[expected.len() / 2].0;
        let read = read(&partition(store, 0), middle).unwrap();
        assert_eq!(read.batches[0].header.base_offset, middle, "{when}");
    };
    compare(&store, 7, "from the journal, which still has it");
    assert_eq!((store.stats().segments, store.stats().objects), (14, 7));
    store.close().unwrap();
    drop(store);
    let (store, report) = open(dir.path(), options(), vec![spec(1, 2)]);
    assert_eq!((report.batches, report.segments), (0, 14), "there is nothing to replay");
    compare(&store, 7, "from segments");
    append_durably(&partition(&store, 1), batch(&[b"the eighth"]));
    store.flush_now().unwrap();
    // The flusher may have been there first.
    store.merge_now().unwrap();
    let stats = store.stats();
    assert_eq!((stats.segments, stats.merge_count), (8, 8), "{stats:?}");
    compare(&store, 8, "from merged segments");
    store.close().unwrap();
    drop(store);
    let (store, report) = open(dir.path(), options(), vec![spec(1, 2)]);
    assert_eq!(
        (report.segments, report.objects_removed),
        (8, 0),
        "merging deleted the old objects"
    );
    compare(&store, 8, "from merged segments after a restart");
}

/// The same batch of a producer twice would be a duplicate.
fn with_producer_removed(records: Bytes) -> Bytes {
    let header = strom_protocol::record::BatchHeader::parse(&records).unwrap();
    if header.has_producer_id() { batch(&[b"p", b"q"]) } else { records }
}

#[test]
fn a_read_goes_on_from_segments_through_the_journal_into_the_tail() {
    let disk = SimulatedDisk::default();
    let store = open_disk(&disk, options(), 1);
    for value in [b"a", b"b", b"c"] {
        append_durably(&partition(&store, 0), batch(&[value]));
        store.flush_now().unwrap();
    }
    store.close().unwrap();
    drop(store);
    let store = open_disk(&disk, StoreOptions { tail_bytes: 300, ..options() }, 1);
    let log = partition(&store, 0);
    for value in [b"d", b"e", b"f"] {
        append_durably(&log, batch(&[value]));
    }
    assert!(log.tail_start() > 3 && log.tail_start() < 6, "some of it is in memory");
    let bases = |from| -> Vec<i64> {
        let read = read(&log, from).unwrap();
        assert_eq!(
            read.bytes,
            read.batches.iter().map(|batch| batch.header.total_bytes()).sum::<usize>()
        );
        read.batches.iter().map(|batch| batch.header.base_offset).collect()
    };
    assert_eq!(bases(0), [0, 1, 2, 3, 4, 5]);
    assert_eq!(bases(2), [2, 3, 4, 5]);
    let bytes = batch(&[b"a"]).len();
    for (max_bytes, at_least_one, expected) in
        [(0, false, 0), (0, true, 1), (bytes * 4 - 1, false, 3), (bytes * 4, false, 4)]
    {
        let limits = strom_storage::ReadLimits { max_bytes, at_least_one };
        let read = log.read(0, strom_storage::Isolation::ReadCommitted, limits).unwrap();
        assert_eq!(read.batches.len(), expected, "{max_bytes}");
    }
}

/// Many times the journal's budget goes through it: files are freed, nothing is refused, nothing is lost.
#[test]
fn a_log_outgrows_the_journal() {
    let disk = SimulatedDisk::default();
    let store = open_disk(&disk, tight(), 2);
    let (busy, quiet) = (partition(&store, 0), partition(&store, 1));
    append_durably(&quiet, batch(&[b"first"]));
    let value = vec![1; 8000];
    for number in 0..400i32 {
        append_durably(&busy, produced((5, 0, number), &[&value]));
    }
    append_durably(&quiet, batch(&[b"second"]));
    let budget = tight().journal_retention_bytes;
    until("room", || store.stats().journal_bytes <= budget);
    let stats = store.stats();
    assert!(stats.flushed_bytes > 2_000_000 && stats.object_write_count > 2, "{stats:?}");
    assert!(
        stats.segments >= 2,
        "one of each partition at least, however they are merged: {stats:?}"
    );
    assert!(stats.indexed_batches < 100, "the places of freed batches are forgotten: {stats:?}");
    assert_eq!(contents(&busy, 0).len(), 400);
    assert_eq!(contents(&quiet, 0).len(), 2);
    let again = append_durably(&busy, produced((5, 0, 399), &[&value]));
    assert_eq!((again.base_offset, again.duplicate), (399, true));
    let killed = disk.after_crash(1);
    drop((store, busy, quiet));
    let (store, report) = open_on(&disk_of(&killed), tight(), vec![spec(1, 2)]).unwrap();
    assert_eq!(report.corruptions, Vec::new());
    assert!(report.batches < 100, "what is in segments is not replayed: {report:?}");
    assert_eq!(contents(&partition(&store, 0), 0).len(), 400);
    let again = append_durably(&partition(&store, 0), produced((5, 0, 399), &[&value]));
    assert!(again.duplicate, "the producers' state outlives the journal's files");
}

#[test]
fn a_journal_of_the_size_of_two_files_goes_on() {
    let disk = SimulatedDisk::default();
    let options = StoreOptions {
        journal_file_bytes: 256 << 10,
        flush_policy: strom_storage::FlushPolicy::Os,
        ..tight()
    };
    let budget = options.journal_retention_bytes;
    let store = open_disk(&disk, options, 6);
    let value = vec![1; 8000];
    for number in 0..300 {
        append_durably(&partition(&store, number % 6), batch(&[&value]));
        assert!(store.stats().journal_bytes <= budget);
    }
    let count = |index| contents(&partition(&store, index), 0).len();
    assert_eq!((0..6).map(count).sum::<usize>(), 300);
}

#[test]
fn a_thousand_small_partitions_share_an_object() {
    let disk = SimulatedDisk::default();
    let store = open_disk(&disk, options(), 1000);
    for index in 0..1000 {
        append(&partition(&store, index), batch(&[b"small"])).unwrap();
    }
    assert_eq!(store.flush_now().unwrap(), 1000);
    assert_eq!(objects(&disk).len(), 1);
    store.close().unwrap();
    drop(store);
    let store = open_disk(&disk, options(), 1000);
    assert!((0..1000).all(|index| contents(&partition(&store, index), 0).len() == 1));
}

#[test]
fn opening_with_nothing_to_replay_is_quick() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { journal_file_bytes: 64 << 20, ..StoreOptions::default() };
    let (store, _) = open(dir.path(), options.clone(), vec![spec(1, 8)]);
    let value = vec![3; 1 << 20];
    for number in 0..100 {
        append(&partition(&store, number % 8), batch(&[&value])).unwrap();
    }
    store.flush_now().unwrap();
    store.close().unwrap();
    drop(store);
    let (_store, report) = open(dir.path(), options, vec![spec(1, 8)]);
    assert_eq!((report.batches, report.bytes_read), (0, 0), "nothing of the journal is read");
}

#[test]
fn records_are_found_by_time_in_segments_and_behind_them() {
    let disk = SimulatedDisk::default();
    let store = open_disk(&disk, options(), 1);
    append_durably(&partition(&store, 0), batch_at(1000, &[b"a", b"b", b"c"]));
    append_durably(&partition(&store, 0), batch_at(5000, &[b"d", b"e"]));
    store.flush_now().unwrap();
    append_durably(&partition(&store, 0), batch_at(2000, &[b"f", b"g"]));
    store.flush_now().unwrap();
    store.close().unwrap();
    drop(store);
    let store = open_disk(&disk, options(), 1);
    let log = partition(&store, 0);
    append_durably(&log, batch_at(3000, &[b"h", b"i"]));
    let find = |timestamp| {
        let found = log.offset_for_timestamp(timestamp).unwrap();
        found.map(|found| (found.offset, found.timestamp))
    };
    let greatest = || log.max_timestamp().unwrap().map(|found| (found.offset, found.timestamp));
    for (timestamp, expected) in [
        (0, Some((0, 1000))),
        (1001, Some((1, 1001))),
        (1003, Some((3, 5000))),
        (5001, Some((4, 5001))),
        (5002, None),
    ] {
        assert_eq!(find(timestamp), expected, "{timestamp}");
    }
    assert_eq!(greatest(), Some((4, 5001)));
    for (log_start, first, expected) in [
        (2, (2, 1002), (4, 5001)),
        (4, (4, 5001), (4, 5001)),
        (5, (5, 2000), (8, 3001)),
        (7, (7, 3000), (8, 3001)),
    ] {
        drop(log.advance_log_start(log_start).unwrap());
        assert_eq!((find(0), greatest()), (Some(first), Some(expected)), "from {log_start}");
    }
}

#[test]
fn deleted_records_leave_whole_segments_and_their_objects() {
    let disk = SimulatedDisk::default();
    let store = open_disk(&disk, options(), 1);
    for value in [b"a", b"b", b"c"] {
        append_durably(&partition(&store, 0), batch(&[value, value]));
        store.flush_now().unwrap();
    }
    let log = partition(&store, 0);
    let size = log.size_bytes();
    assert_eq!(objects(&disk).len(), 3);
    log.advance_log_start(3).unwrap().wait().unwrap();
    assert_eq!(log.size_bytes(), size / 3 * 2, "the segment that the log start lies in stays");
    assert_eq!(read(&log, 3).unwrap().batches.len(), 2);
    assert!(matches!(read(&log, 2), Err(ReadError::OutOfRange { log_start: 3, .. })));
    store.flush_now().unwrap();
    assert_eq!(objects(&disk).len(), 2);
    log.advance_log_start(4).unwrap().wait().unwrap();
    store.flush_now().unwrap();
    assert_eq!(objects(&disk).len(), 1, "on the boundary it goes");
    drop((store, log));
    let store = open_disk(&disk.after_crash(3), options(), 1);
    assert_eq!(partition(&store, 0).offsets().log_start, 4);
    assert_eq!(contents(&partition(&store, 0), 4).len(), 1);
}

#[test]
fn retention_drops_whole_segments_by_time_and_size_and_keeps_to_its_guard() {
    let disk = SimulatedDisk::default();
    let store = open_disk(&disk, options(), 1);
    let log = partition(&store, 0);
    for number in 0..4 {
        append_durably(&log, batch_at(NOW_MS + number * 1000, &[&[1; 1000]]));
        append_durably(&log, batch_at(NOW_MS + number * 1000 + 1, &[&[1; 1000]]));
        store.flush_now().unwrap();
    }
    let log_start = |settings, guard, now_ms| {
        store.update_topic(topic(1), settings);
        log.set_retention_guard(guard);
        store.run_retention(now_ms);
        log.offsets().log_start
    };
    let by_time = PartitionSettings { retention_ms: 500, ..settings() };
    assert_eq!(log_start(by_time, Some(1), NOW_MS + 502), 0, "the guard lies in the segment");
    assert_eq!(log_start(by_time, None, NOW_MS + 501), 0, "its last record is young enough");
    assert_eq!(log_start(by_time, Some(2), NOW_MS + 5000), 2, "the guard holds");
    let by_size = PartitionSettings { retention_bytes: 3000, ..settings() };
    assert_eq!(log_start(by_size, None, NOW_MS), 4, "at least that much stays");
    store.flush_now().unwrap();
    assert_eq!(objects(&disk).len(), 2);
    assert_eq!(log_start(by_time, None, NOW_MS + 9000), 8, "everything may go");
    append_durably(&log, batch(&[b"next"]));
    assert_eq!(contents(&log, 8).len(), 1);
}

#[test]
fn a_deleted_topic_takes_its_objects_along_and_others_keep_theirs() {
    let disk = SimulatedDisk::default();
    let topics = vec![spec(1, 1), spec(2, 1)];
    let (store, _) = open_on(&disk_of(&disk), options(), topics).unwrap();
    append_durably(&partition(&store, 0), batch(&[b"kept"]));
    store.flush_now().unwrap();
    append_durably(&store.partition(topic(2), 0).unwrap(), batch(&[b"deleted"]));
    store.flush_now().unwrap();
    assert_eq!(objects(&disk).len(), 2);
    store.remove_topic(topic(2));
    store.flush_now().unwrap();
    assert_eq!(objects(&disk).len(), 1);
    store.close().unwrap();
    drop(store);
    // A crash may have come before the keys went: they go with the topic at the next start.
    let store = open_disk(&disk, options(), 1);
    assert_eq!(contents(&partition(&store, 0), 0).len(), 1);
    store.close().unwrap();
    drop(store);
    let (store, report) = open_on(&disk_of(&disk), options(), Vec::new()).unwrap();
    assert_eq!((report.segments, report.objects_removed), (0, 1));
    drop(store);
    assert_eq!(objects(&disk).len(), 0);
}

#[test]
fn leader_epochs_outlive_the_journal() {
    let disk = SimulatedDisk::default();
    let store = open_disk(&disk, options(), 1);
    append_durably(&partition(&store, 0), batch(&[b"a", b"b"]));
    store.flush_now().unwrap();
    let killed = disk.after_crash(1);
    drop(store);
    let store = open_disk(&killed, options(), 1);
    append_durably(&partition(&store, 0), batch(&[b"c"]));
    store.flush_now().unwrap();
    store.close().unwrap();
    drop(store);
    let (store, report) = open_on(&disk_of(&killed), options(), vec![spec(1, 1)]).unwrap();
    assert_eq!((report.batches, report.leader_epoch), (0, 1));
    let log = partition(&store, 0);
    assert_eq!((log.end_of_epoch(0), log.end_of_epoch(1)), (Some((0, 2)), Some((1, 3))));
}

/// Two partitions with two segments each, in an object each; as after kill -9.
fn flushed() -> (SimulatedDisk, Vec<PathBuf>) {
    let disk = SimulatedDisk::default();
    let store = open_disk(&disk, options(), 2);
    let mut names: Vec<PathBuf> = Vec::new();
    for index in [0, 1, 0, 1] {
        let value = format!("value {} of {index}", names.len());
        append_durably(&partition(&store, index), batch(&[value.as_bytes(), b"more"]));
        store.flush_now().unwrap();
        let new = objects(&disk).into_iter().find(|name| !names.contains(name)).unwrap();
        names.push(new);
    }
    let killed = disk.after_crash(1);
    drop(store);
    (killed, names)
}

#[test]
fn a_missing_or_short_object_is_named_and_costs_its_offsets_only() {
    for is_missing in [true, false] {
        let (disk, names) = flushed();
        if is_missing {
            disk.remove(&names[2]).unwrap();
        } else {
            let content = disk.content(&names[2]).unwrap();
            let file = disk.create(&names[2]).unwrap();
            let part = std::io::IoSlice::new(&content[..content.len() - 1]);
            file.write_at(&[part], 0).unwrap();
        }
        let (store, report) = open_on(&disk_of(&disk), options(), vec![spec(1, 2)]).unwrap();
        assert_eq!(report.corruptions.len(), 1);
        let corruption = &report.corruptions[0];
        assert_eq!(
            (&corruption.file, &corruption.lost[..]),
            (&names[2], &[(topic(1), 0, 2, 4)][..])
        );
        let hit = partition(&store, 0);
        assert_eq!(read(&hit, 0).unwrap().batches.len(), 1, "reads stop before the damage");
        let error = read(&hit, 2).unwrap_err();
        assert!(
            matches!(&error, ReadError::Corrupt { file, next_offset: 4, .. } if *file == names[2])
        );
        assert_eq!(append_durably(&hit, batch(&[b"new"])).base_offset, 4);
        assert_eq!(read(&hit, 4).unwrap().batches.len(), 1);
        assert_eq!(contents(&partition(&store, 1), 0).len(), 2, "others are served");
    }
}

/// Every byte of an object, one after the other: what was produced comes back, or damage is named.
#[test]
fn a_flipped_byte_in_an_object_is_never_served() {
    let (pristine, names) = flushed();
    let bytes = pristine.content(&names[2]).unwrap().len();
    let store = open_disk(&pristine.after_crash(0), options(), 2);
    let expected = contents(&partition(&store, 0), 0);
    drop(store);
    let mut damaged = 0;
    for position in (0..bytes).step_by(7) {
        let disk = pristine.after_crash(0);
        disk.damage(&names[2], position, |byte| byte ^ 0x10);
        let store = open_disk(&disk, options(), 2);
        let hit = partition(&store, 0);
        assert_eq!(read(&hit, 0).unwrap().batches.first().unwrap().header.base_offset, 0);
        match read(&hit, 2) {
            Ok(_) => assert_eq!(contents(&hit, 0), expected, "position {position}"),
            Err(ReadError::Corrupt { offset: 2, file, next_offset: 4, .. }) => {
                assert_eq!(file, names[2]);
                damaged += 1;
            }
            Err(other) => panic!("position {position}: {other}"),
        }
        assert_eq!(contents(&partition(&store, 1), 0).len(), 2);
        // Merging neither spreads nor hides it.
        store.merge_now().unwrap();
    }
    assert!(damaged > 20, "{damaged} of {bytes}");
}

#[test]
fn the_journals_copy_of_a_flushed_batch_may_be_damaged() {
    let disk = SimulatedDisk::default();
    let store = open_disk(&disk, options(), 1);
    let log = partition(&store, 0);
    append_durably(&log, batch(&[b"first"]));
    append_durably(&log, batch(&[b"victim"]));
    store.flush_now().unwrap();
    let journal = PathBuf::from("/data/journal/00000001.journal");
    let content = disk.content(&journal).unwrap();
    let at = content.windows(6).position(|window| window == b"victim").unwrap();
    disk.damage(&journal, at, |byte| !byte);
    assert_eq!(read(&log, 1).unwrap().batches.len(), 1, "the segment has it");
    assert_eq!(contents(&log, 0).len(), 2);
}

/// Damage in the journal is found by the flush: it is confined, remembered when the journal is gone, and its
/// offsets are never given again.
#[test]
fn damage_found_while_flushing_is_remembered() {
    for is_last in [false, true] {
        let disk = SimulatedDisk::default();
        let store = open_disk(&disk, options(), 1);
        let log = partition(&store, 0);
        append_durably(&log, batch(&[b"first"]));
        append_durably(&log, batch(&[b"victim", b"more"]));
        if !is_last {
            append_durably(&log, batch(&[b"third"]));
        }
        let end = log.offsets().log_end;
        let journal = PathBuf::from("/data/journal/00000001.journal");
        let content = disk.content(&journal).unwrap();
        let at = content.windows(6).position(|window| window == b"victim").unwrap();
        disk.damage(&journal, at, |byte| !byte);
        store.flush_now().unwrap();
        store.close().unwrap();
        drop((store, log));
        let (store, report) = open_on(&disk_of(&disk), options(), vec![spec(1, 1)]).unwrap();
        assert_eq!(report.batches, 0, "the journal is not read any more");
        let log = partition(&store, 0);
        assert_eq!(log.offsets().log_end, end, "no offset is given twice");
        assert_eq!(read(&log, 0).unwrap().batches.len(), 1);
        assert!(matches!(read(&log, 1), Err(ReadError::Corrupt { next_offset: 3, .. })));
        append_durably(&log, batch(&[b"next"]));
        assert_eq!(read(&log, 3).unwrap().batches.len(), if is_last { 1 } else { 2 });
        store.flush_now().unwrap();
        drop(log.advance_log_start(end).unwrap());
        assert_eq!(contents(&log, end).len(), 1);
    }
}

#[test]
fn a_journal_that_cannot_be_flushed_refuses_before_sequencing_and_heals() {
    let disk = SimulatedDisk::default();
    let store = open_disk(&disk, tight(), 1);
    let log = partition(&store, 0);
    disk.fail_under(Some((PathBuf::from("/data/objects"), ErrorKind::StorageFull)));
    let value = vec![1; 8000];
    let message = loop {
        match append(&log, batch(&[&value])) {
            Ok(appended) => appended.ticket.wait_durable().unwrap(),
            Err(AppendError::Full { message }) => break message,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(message.contains("journal.retention.bytes=524288"), "{message}");
    assert!(message.contains("segments"), "{message}");
    let stats = store.stats();
    assert!(stats.flush_failure_count > 0 && stats.segments == 0, "{stats:?}");
    let end = log.offsets().log_end;
    assert!(end > 40, "the journal was used up to its budget: {end}");
    assert_eq!(contents(&log, 0).len() as i64, end, "reads go on");
    assert!(matches!(store.flush_now(), Err(FlushError::Objects(_))));
    disk.fail_under(None);
    let deadline = Instant::now() + Duration::from_secs(120);
    let appended = loop {
        match append(&log, batch(&[&value])) {
            Ok(appended) => break appended,
            Err(AppendError::Full { .. }) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(other) => panic!("{other}"),
        }
    };
    appended.ticket.wait_durable().unwrap();
    assert_eq!(appended.base_offset, end);
    assert_eq!(contents(&log, 0).len() as i64, end + 1);
}

#[test]
fn the_index_of_the_journal_stays_within_its_bound() {
    const BYTES: u64 = 40 * 1000;
    let disk = SimulatedDisk::default();
    let store = open_disk(&disk, StoreOptions { index_bytes: BYTES, ..small_options() }, 4);
    for number in 0..8000 {
        append(&partition(&store, number % 4), batch(&[b"tiny"])).unwrap();
        if number % 500 == 499 {
            until("the flush", || store.stats().indexed_batches * 40 <= BYTES);
        }
    }
    runtime().block_on(store.sync_now()).unwrap();
    let log = partition(&store, 0);
    let first = log.offset_for_timestamp(0).unwrap().map(|found| found.offset);
    assert_eq!(first, Some(0), "the places are forgotten, the records are not");
    let counts: usize = (0..4).map(|index| contents(&partition(&store, index), 0).len()).sum();
    assert_eq!(counts, 8000);
    assert!(store.stats().segments > 4);
}

/// Readers, appends, flushes, merges and retention at once, with a journal that is freed all the time.
#[test]
fn readers_never_miss_a_batch_while_files_are_freed_and_segments_merged() {
    const APPENDS: i64 = 3000;
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { segment_bytes: 100_000, tail_bytes: 20_000, ..tight() };
    let (store, _) = open(dir.path(), options, vec![spec(1, 1)]);
    let log = partition(&store, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..APPENDS {
                let value = vec![1u8; (number % 9) as usize * 200];
                let appended = append(&log, batch(&[&value])).unwrap();
                if number % 50 == 49 {
                    appended.ticket.wait_durable().unwrap();
                }
            }
            runtime().block_on(store.sync_now()).unwrap();
        });
        scope.spawn(|| {
            while log.offsets().high_watermark < APPENDS {
                store.flush_now().unwrap();
                store.merge_now().unwrap();
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut next = 0;
                while next < APPENDS {
                    let read = read(&log, next).unwrap();
                    for batch in &read.batches {
                        assert_eq!(batch.header.base_offset, next);
                        next += 1;
                    }
                }
            });
        }
    });
    assert_eq!(contents(&log, 0).len() as i64, APPENDS);
    assert!(store.stats().merge_count > 0, "{:?}", store.stats());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// What a crash between writing an object and listing it leaves is removed at the next start.
#[test]
fn a_crash_at_every_operation_of_flush_and_merge_loses_nothing() {
    let mut completed = false;
    for operations in 0.. {
        let disk = SimulatedDisk::default();
        let store = open_disk(&disk, options(), 2);
        // The eighth segment of each makes them worth merging.
        for number in 0..16 {
            append_durably(&partition(&store, number % 2), batch(&[&[number as u8; 500]]));
            if number < 14 {
                store.flush_now().unwrap();
            }
        }
        disk.power_off_after(operations);
        let flushed = store.flush_now();
        let merged = flushed.clone().and_then(|_| store.merge_now());
        let after = disk.after_crash(operations);
        drop(store);
        let (store, report) = open_on(&disk_of(&after), options(), vec![spec(1, 2)]).unwrap();
        assert_eq!(report.corruptions, Vec::new(), "{operations}");
        for index in 0..2 {
            assert_eq!(contents(&partition(&store, index), 0).len(), 8, "{operations}");
        }
        // The flusher goes on where the crash came.
        until("the deletion of what is not needed", || {
            objects(&after).len() as u64 == store.stats().objects
        });
        if merged.is_ok() {
            completed = operations > 10;
            break;
        }
    }
    assert!(completed);
}

#[test]
fn what_is_merged_while_it_is_verified_counts_once() {
    let disk = SimulatedDisk::default();
    let store = open_disk(&disk, options(), 1);
    for _ in 0..12 {
        append_durably(&partition(&store, 0), batch(&[b"a", b"b"]));
        store.flush_now().unwrap();
    }
    let mut merged = None;
    let merge_behind_the_first = |_: &VerifyReport| {
        merged.get_or_insert_with(|| store.merge_now().unwrap());
        ControlFlow::Continue(())
    };
    let report = store.verify(topic(1), merge_behind_the_first).unwrap();
    assert!(merged > Some(1), "{merged:?}");
    assert_eq!((report.batches, report.records, report.segment_records), (12, 24, 24));
    assert_eq!(report.mismatches, Vec::new());
}

#[test]
fn verifying_counts_everything_and_names_what_is_damaged() {
    let disk = SimulatedDisk::default();
    let store = open_disk(&disk, options(), 2);
    let mut bytes = 0;
    for round in 0..3 {
        for records in kinds().into_iter().filter(|records| records.len() < 20_000) {
            let records = with_producer_removed(records);
            bytes += records.len() as u64;
            append_durably(&partition(&store, 0), records);
        }
        append_durably(&partition(&store, 1), batch(&[b"beside"]));
        if round < 2 {
            store.flush_now().unwrap();
        }
    }
    let one = batch(&[b"beside"]).len() as u64;
    let mut seen = 0;
    let follow = |report: &VerifyReport| {
        seen = report.batches;
        ControlFlow::Continue(())
    };
    let report = store.verify(topic(1), follow).unwrap();
    assert_eq!(report.mismatches, Vec::new());
    assert_eq!((report.batches, report.bytes), (27, bytes + 3 * one));
    assert_eq!((report.records, seen), (3 * (2 + 2 + 15 + 1 + 1), 27));
    assert!(store.verify(topic(9), |_| ControlFlow::Continue(())).is_none());
    assert!(store.verify(topic(1), |_| ControlFlow::Break(())).is_none(), "nobody listens");

    // A flushed batch's copy in the journal, and one that is only there.
    let journal = PathBuf::from("/data/journal/00000001.journal");
    let content = disk.content(&journal).unwrap();
    let places: Vec<usize> =
        (0..content.len() - 6).filter(|at| content[*at..].starts_with(b"beside")).collect();
    assert_eq!(places.len(), 3);
    disk.damage(&journal, places[0], |byte| !byte);
    disk.damage(&journal, places[2], |byte| !byte);
    let report = store.verify(topic(1), |_| ControlFlow::Continue(())).unwrap();
    let mut hit: Vec<_> = report
        .mismatches
        .iter()
        .map(|mismatch| (mismatch.partition, mismatch.offsets.clone(), mismatch.file.clone()))
        .collect();
    hit.sort_by_key(|(_, offsets, _)| offsets.start);
    assert_eq!(hit, [(1, 0..1, journal.clone()), (1, 2..3, journal)]);
    assert_eq!(report.batches, 26, "the segment's copy counts");

    let object = objects(&disk).remove(0);
    let end = disk.content(&object).unwrap().len();
    let mut named = 0;
    for position in (0..end).step_by(end / 40) {
        disk.damage(&object, position, |byte| byte ^ 1);
        let report = store.verify(topic(1), |_| ControlFlow::Continue(())).unwrap();
        disk.damage(&object, position, |byte| byte ^ 1);
        let hits = report.mismatches.iter().filter(|mismatch| mismatch.file == object);
        named += hits.filter(|mismatch| !mismatch.reason.is_empty()).count();
    }
    assert!(named >= 10, "padding apart, every flipped byte is named: {named}");
    let report = store.verify(topic(1), |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(report.mismatches.len(), 2, "it is whole again");
}
