//! The store through its public face: appending, reading, waiting, retention, limits.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use strom_protocol::record::{BatchBuilder, BatchHeader, Compression};
use strom_storage::{
    AppendError, FlushPolicy, Isolation, Partition, PartitionSettings, ReadError, ReadLimits,
    Store, StoreOptions,
};
use support::*;

fn one_partition(options: StoreOptions) -> (tempfile::TempDir, Arc<Store>, Arc<Partition>) {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), options, vec![spec(1, 1)]);
    let partition = store.partition(topic(1), 0).unwrap();
    (dir, store, partition)
}

fn with_settings(
    change: impl FnOnce(&mut PartitionSettings),
) -> (tempfile::TempDir, Arc<Store>, Arc<Partition>) {
    let (dir, store, partition) = one_partition(small_options());
    let mut changed = settings();
    change(&mut changed);
    store.update_topic(topic(1), changed);
    (dir, store, partition)
}

#[test]
fn batches_come_back_as_produced_from_memory_and_from_disk() {
    for tail_bytes in [0, 1 << 20] {
        let (_dir, _store, partition) =
            one_partition(StoreOptions { tail_bytes, ..small_options() });
        let large = vec![7; 40_000];
        let batches: Vec<Bytes> = vec![
            batch(&[b"a", b"b"]),
            batch(&[&large]),
            batch_of(BatchBuilder::new(Compression::Lz4), NOW_MS, &[b"c", b"d", b"e"]),
            batch(&[b"f"]),
        ];
        for produced in &batches {
            append_durably(&partition, produced.clone());
        }
        let expected: Vec<_> =
            [0, 2, 3, 6].into_iter().zip(batches.iter().map(|batch| covered(batch))).collect();
        assert_eq!(contents(&partition, 0), expected, "tail of {tail_bytes} bytes");
        assert_eq!(read(&partition, 5).unwrap().batches[0].header.base_offset, 3);
        let is_in_memory = partition.tail_start() == 0;
        assert_eq!(is_in_memory, tail_bytes > 0);
    }
}

#[test]
fn reads_keep_their_limits_and_their_range() {
    let (_dir, _store, partition) = one_partition(small_options());
    let batches = [batch(&[b"a"]), batch(&[b"b"]), batch(&[b"c"])];
    for produced in &batches {
        append_durably(&partition, produced.clone());
    }
    let bytes = batches[0].len();
    for (max_bytes, at_least_one, expected) in [
        (0, false, 0),
        (0, true, 1),
        (bytes * 2 - 1, false, 1),
        (bytes * 2, true, 2),
        (usize::MAX, false, 3),
    ] {
        let limits = ReadLimits { max_bytes, at_least_one };
        let read = partition.read(0, Isolation::ReadCommitted, limits).unwrap();
        assert_eq!(read.batches.len(), expected);
        assert_eq!(read.bytes, expected * bytes);
    }
    assert_eq!(read(&partition, 3).unwrap().batches.len(), 0);
    let above = ReadError::OutOfRange { offset: 4, log_start: 0, high_watermark: 3 };
    assert_eq!(read(&partition, 4).unwrap_err(), above);
    partition.advance_log_start(2).unwrap().wait().unwrap();
    let below = ReadError::OutOfRange { offset: 1, log_start: 2, high_watermark: 3 };
    assert_eq!(read(&partition, 1).unwrap_err(), below);
    assert_eq!(partition.advance_log_start(9).map(|_| partition.offsets().log_start), Ok(3));
}

#[test]
fn idempotent_producers_are_sequenced_and_duplicates_get_the_first_offset() {
    let (dir, store, partition) = one_partition(small_options());
    append_durably(&partition, batch(&[b"other"]));
    let first = append_durably(&partition, produced((9, 0, 0), &[b"a", b"b"]));
    assert_eq!((first.base_offset, first.duplicate), (1, false));
    let again = append_durably(&partition, produced((9, 0, 0), &[b"a", b"b"]));
    assert_eq!((again.base_offset, again.last_offset, again.duplicate), (1, 2, true));
    let gap = append(&partition, produced((9, 0, 3), &[b"x"])).unwrap_err();
    let expected =
        AppendError::OutOfOrderSequence { partition: 0, producer_id: 9, sequence: 3, expected: 2 };
    assert_eq!(gap, expected);
    append_durably(&partition, produced((9, 1, 0), &[b"c"]));
    let fenced = append(&partition, produced((9, 0, 2), &[b"x"])).unwrap_err();
    assert_eq!(fenced, AppendError::InvalidProducerEpoch { producer_id: 9, epoch: 0, current: 1 });
    store.close().unwrap();
    drop((store, partition));
    let (store, report) = open(dir.path(), small_options(), vec![spec(1, 1)]);
    assert!(report.was_clean);
    let partition = store.partition(topic(1), 0).unwrap();
    let again = append_durably(&partition, produced((9, 1, 0), &[b"c"]));
    assert_eq!((again.base_offset, again.duplicate), (3, true));
    assert_eq!(partition.offsets().log_end, 4);
}

#[test]
fn append_time_rewrites_the_timestamps_and_wrong_ones_are_corrected() {
    let (_dir, _store, partition) = with_settings(|settings| settings.log_append_time = true);
    let appended = append_at(&partition, batch(&[b"a", b"b"]), NOW_MS + 500).unwrap();
    assert_eq!(appended.log_append_time_ms, NOW_MS + 500);
    appended.ticket.wait_durable().unwrap();
    let header = read(&partition, 0).unwrap().batches[0].header;
    assert!(header.attributes.is_log_append_time());
    assert_eq!((header.base_timestamp, header.max_timestamp), (NOW_MS, NOW_MS + 500));

    let (_dir, _store, partition) =
        one_partition(StoreOptions { tail_bytes: 0, ..small_options() });
    let mut wrong = batch(&[b"a", b"b"]).to_vec();
    let mut header = BatchHeader::parse(&wrong).unwrap();
    header.max_timestamp = 5;
    wrong[..61].copy_from_slice(&header.encode());
    header.crc = strom_protocol::record::crc_of(&wrong);
    wrong[..61].copy_from_slice(&header.encode());
    append_durably(&partition, wrong.into());
    assert_eq!(read(&partition, 0).unwrap().batches[0].header.max_timestamp, NOW_MS + 1);
}

#[test]
fn what_may_not_be_appended_is_named_by_cause() {
    let (_dir, _store, partition) = with_settings(|settings| {
        settings.max_message_bytes = 200;
        settings.timestamp_before_max_ms = 1000;
        settings.timestamp_after_max_ms = 1000;
        settings.require_keys = true;
    });
    let mut damaged = batch(&[b"abc"]).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let mut keyless = BatchBuilder::new(Compression::None);
    keyless.append(NOW_MS, None, Some(b"v"), &[]);
    let transactional = BatchBuilder::new(Compression::None).producer(1, 0, 0).transactional(true);
    let kind = |records: Bytes| match append(&partition, records).unwrap_err() {
        AppendError::Corrupt(_) => "corrupt",
        AppendError::InvalidRecord { record_errors, .. } if record_errors.is_empty() => "invalid",
        AppendError::InvalidRecord { .. } => "invalid records",
        AppendError::TooLarge { max: 200, .. } => "too large",
        AppendError::InvalidTimestamp { .. } => "timestamp",
        other => panic!("{other}"),
    };
    for (records, expected) in [
        (Bytes::new(), "invalid"),
        (damaged.into(), "corrupt"),
        (batch(&[&[0; 200]]), "too large"),
        (batch_at(NOW_MS - 1001, &[b"v"]), "timestamp"),
        (batch_at(NOW_MS + 1001, &[b"v"]), "timestamp"),
        (keyless.build(), "invalid records"),
        (batch_of(transactional, NOW_MS, &[b"v"]), "invalid"),
    ] {
        assert_eq!(kind(records), expected);
    }
    assert_eq!(partition.offsets().log_end, 0, "nothing took an offset");
    append_durably(&partition, batch_at(NOW_MS - 1000, &[b"v"]));
}

#[test]
fn the_high_watermark_waits_for_what_the_policy_promises() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), os_options(), vec![spec(1, 1), spec(2, 1)]);
    let written = store.partition(topic(1), 0).unwrap();
    let synced = store.partition(topic(2), 0).unwrap();
    store.update_topic(topic(2), PartitionSettings { sync_each: true, ..settings() });
    append_durably(&written, batch(&[b"a"]));
    assert_eq!(written.offsets().high_watermark, 1);
    append_durably(&synced, batch(&[b"a"]));
    assert_eq!(synced.offsets().high_watermark, 1);
    assert!(store.stats().sync_count >= 1, "the topic asked for a sync");
}

#[test]
fn waiters_wake_on_append_and_on_deletion_and_not_after_they_left() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (_dir, store, partition) = one_partition(small_options());
    runtime.block_on(async {
        let notify = Arc::new(tokio::sync::Notify::new());
        let subscription = partition.subscribe(&notify);
        append(&partition, batch(&[b"a"])).unwrap().ticket.durable().await.unwrap();
        notify.notified().await;
        assert_eq!(partition.offsets().high_watermark, 1);
        store.remove_topic(topic(1));
        notify.notified().await;
        assert_eq!(read(&partition, 0).unwrap_err(), ReadError::Deleted);
        assert_eq!(append(&partition, batch(&[b"a"])).unwrap_err(), AppendError::Deleted);
        drop(subscription);
        partition.subscribe(&Arc::new(tokio::sync::Notify::new()));
        store.close().unwrap();
        let woken = tokio::time::timeout(Duration::from_millis(1), notify.notified()).await;
        assert!(woken.is_err(), "the subscription was dropped");
    });
}

#[test]
fn records_are_found_by_their_timestamp() {
    let (_dir, _store, partition) = one_partition(small_options());
    assert_eq!(partition.max_timestamp().unwrap(), None);
    append_durably(&partition, batch_at(1000, &[b"a", b"b", b"c"]));
    append_durably(&partition, batch_at(3000, &[b"d", b"e"]));
    append_durably(&partition, batch_of(BatchBuilder::new(Compression::Zstd), 2000, &[b"f", b"g"]));
    for (timestamp, expected) in [
        (0, Some((0, 1000))),
        (1001, Some((1, 1001))),
        (1003, Some((3, 3000))),
        (3001, Some((4, 3001))),
        (3002, None),
    ] {
        let found = partition.offset_for_timestamp(timestamp).unwrap();
        assert_eq!(found.map(|found| (found.offset, found.timestamp)), expected);
    }
    assert_eq!(partition.max_timestamp().unwrap().map(|found| found.offset), Some(4));
    drop(partition.advance_log_start(2).unwrap());
    assert_eq!(partition.offset_for_timestamp(1001).unwrap().unwrap().offset, 2);
    drop(partition.advance_log_start(5).unwrap());
    assert_eq!(partition.max_timestamp().unwrap().map(|found| found.offset), Some(6));
}

#[test]
fn retention_by_size_keeps_at_least_that_much() {
    let (_dir, store, partition) = one_partition(small_options());
    for _ in 0..40 {
        append_durably(&partition, batch(&[&[1; 8000]]));
    }
    let before = partition.size_bytes();
    store.update_topic(topic(1), PartitionSettings { retention_bytes: 100_000, ..settings() });
    let report = store.run_retention(NOW_MS);
    assert_eq!(report.partitions_advanced, 1);
    let after = partition.size_bytes();
    assert!((100_000..110_000).contains(&after), "{before} to {after}");
}

#[test]
fn recycled_files_serve_new_batches_through_many_rounds_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let options =
        StoreOptions { journal_retention_bytes: 256 << 10, tail_bytes: 0, ..small_options() };
    let mut expected_end = 0;
    let mut files = 0;
    for round in 0..4u8 {
        let (store, report) = open(dir.path(), options.clone(), vec![spec(1, 1)]);
        assert_eq!(report.corruptions, Vec::new());
        let partition = store.partition(topic(1), 0).unwrap();
        assert_eq!(partition.offsets().log_end, expected_end);
        store.update_topic(topic(1), PartitionSettings { retention_bytes: 20_000, ..settings() });
        for number in 0..40u8 {
            append_durably(
                &partition,
                produced((5, 0, expected_end as i32), &[&[round ^ number; 7000]]),
            );
            expected_end += 1;
            store.run_retention(NOW_MS);
        }
        let offsets = partition.offsets();
        let read = contents(&partition, offsets.log_start);
        assert_eq!(read.len() as i64, expected_end - offsets.log_start);
        assert!(read.iter().all(|(_, bytes)| bytes.len() > 7000));
        files = files.max(std::fs::read_dir(dir.path().join("journal")).unwrap().count());
        store.close().unwrap();
    }
    assert!(files <= 5, "{files} files");
}

#[test]
fn the_files_of_a_deleted_topic_are_freed_and_others_keep_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), small_options(), vec![spec(1, 1), spec(2, 1)]);
    let (kept, deleted) =
        (store.partition(topic(1), 0).unwrap(), store.partition(topic(2), 0).unwrap());
    append_durably(&kept, batch(&[b"kept"]));
    for _ in 0..40 {
        append_durably(&deleted, batch(&[&[1; 8000]]));
    }
    let before = store.stats().journal_files;
    assert_eq!(store.run_retention(NOW_MS).files_freed, 0);
    store.remove_topic(topic(2));
    let report = store.run_retention(NOW_MS);
    assert_eq!(report.files_freed, before - 2, "all but the one with the kept batch and the last");
    assert_eq!(contents(&kept, 0).len(), 1);
    append_durably(&kept, batch(&[b"more"]));
    drop((store, deleted, kept));
    let (store, report) = open(dir.path(), small_options(), vec![spec(1, 1)]);
    assert_eq!(report.corruptions, Vec::new());
    assert_eq!(contents(&store.partition(topic(1), 0).unwrap(), 0).len(), 2);
}

#[test]
fn producer_ids_are_never_given_twice() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (store, _) = open(dir.path(), small_options(), Vec::new());
        for _ in 0..1500 {
            ids.push(runtime.block_on(store.allocate_producer_id()).unwrap());
        }
    }
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len());
}

#[test]
fn the_cluster_id_stays_and_close_can_be_repeated() {
    let (dir, store, partition) = one_partition(small_options());
    let id = store.cluster_id().to_owned();
    assert_eq!(id.len(), 22);
    append_durably(&partition, batch(&[b"a"]));
    store.close().unwrap();
    store.close().unwrap();
    assert!(matches!(append(&partition, batch(&[b"a"])), Err(AppendError::Failed(_))));
    assert_eq!(contents(&partition, 0).len(), 1, "reads go on");
    drop((store, partition));
    let (store, report) = open(dir.path(), small_options(), vec![spec(1, 1)]);
    assert_eq!(store.cluster_id(), id);
    assert!(report.was_clean);
    assert_eq!(report.leader_epoch, 0);
}

#[test]
fn appends_from_many_threads_and_reads_meanwhile_see_one_order() {
    const APPENDS: i64 = 400;
    let options = StoreOptions { tail_bytes: 20_000, ..small_options() };
    let (_dir, _store, partition) = one_partition(options);
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let partition = &partition;
            scope.spawn(move || {
                let mut last = None;
                for number in 0..APPENDS / 4 {
                    let value = vec![thread; (number % 7) as usize * 300];
                    last = Some(append(partition, batch(&[&value])).unwrap().ticket);
                }
                last.unwrap().wait_durable().unwrap();
            });
        }
        // Follows the log from its start, through tail and journal, up to its end.
        let mut next = 0;
        while next < APPENDS {
            let read = read(&partition, next).unwrap();
            for batch in &read.batches {
                assert_eq!(batch.header.base_offset, next);
                next += 1;
            }
            assert!(next <= partition.offsets().high_watermark);
        }
    });
    assert_eq!(contents(&partition, 0).len() as i64, APPENDS);
}

#[test]
fn syncs_are_shared_by_what_is_in_flight() {
    let (_dir, store, partition) =
        one_partition(StoreOptions { journal_file_bytes: 4 << 20, ..small_options() });
    let tickets: Vec<_> =
        (0..2000).map(|_| append(&partition, batch(&[b"a"])).unwrap().ticket).collect();
    for ticket in tickets {
        ticket.wait_durable().unwrap();
    }
    let stats = store.stats();
    assert_eq!(stats.append_count, 2000);
    assert!(stats.sync_count < 1000, "{stats:?}");
    assert_eq!(stats.written_lsn, stats.synced_lsn);
}

#[test]
fn the_os_policy_syncs_on_request() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (_dir, store, partition) =
        one_partition(StoreOptions { flush_policy: FlushPolicy::Os, ..small_options() });
    append_durably(&partition, batch(&[b"a"]));
    runtime.block_on(store.sync_now()).unwrap();
    let stats = store.stats();
    assert_eq!(stats.written_lsn, stats.synced_lsn);
    assert!(stats.sync_count >= 1);
}
