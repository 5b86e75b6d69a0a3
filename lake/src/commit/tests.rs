use std::path::PathBuf;

use strom_protocol::Uuid;

use super::*;
use crate::parquet::Bounds;

const HOUR: i64 = HOUR_MS;
const NOW: i64 = 1_700_000_000_000;

fn identity() -> TableIdentity {
    TableIdentity {
        namespace: "kafka".into(),
        table: "orders".into(),
        topic_id: TopicId(Uuid::from_u128(7)),
        topic: "Orders".into(),
        location: "file:///w/kafka/orders-x".into(),
    }
}

fn data_file(rows: u64) -> DataFile {
    DataFile {
        path: PathBuf::from("/w/kafka/orders-x/data/a.parquet"),
        location: "file:///w/kafka/orders-x/data/a.parquet".into(),
        partition_value: iceberg::spec::Struct::empty(),
        rows,
        bytes: 1000,
        column_bytes: HashMap::from([(columns::KEY, 10)]),
        split_offsets: vec![4],
        null_keys: 1,
        null_values: 2,
        partition: Bounds { range: Some((0, 1)), nulls: 0 },
        offset: Bounds { range: Some((3, 9)), nulls: 0 },
        timestamp: Bounds { range: None, nulls: rows },
    }
}

fn reached(offsets: &[i64]) -> Vec<Reached> {
    offsets.iter().map(|&next_offset| Reached { next_offset, leader_epoch: 1 }).collect()
}

fn next(base: Option<&Committed>, rows: u64, offsets: &[i64], now_ms: i64) -> CommitPlan {
    let identity = identity();
    let commit = base.map_or(0, |base| base.pointer.commit) + 1;
    let merge = Merge::default();
    let files = if rows == 0 { vec![] } else { vec![data_file(rows)] };
    plan(CommitInput {
        identity: &identity,
        partition_by: &[],
        base,
        files: &files,
        reached: reached(offsets),
        merge,
        givens: Givens {
            now_ms,
            snapshot_ms: now_ms,
            epoch: 1,
            unique: Uuid::from_u128(u128::from(commit)),
            snapshot_id: 1000 + commit as i64,
            table_uuid: Uuid::from_u128(99),
        },
    })
    .unwrap()
}

#[test]
fn first_commit_makes_the_table_with_its_fixed_ids_and_upkeep() {
    let plan = next(None, 10, &[4, 6], NOW);
    let metadata = &plan.committed.metadata;
    assert_eq!(metadata.format_version(), FormatVersion::V2);
    assert_eq!(metadata.uuid(), Uuid::from_u128(99));
    assert_eq!(metadata.last_column_id(), 999);
    assert_eq!(metadata.current_schema().as_struct(), columns::iceberg_schema().as_struct());
    let order: Vec<i32> =
        metadata.default_sort_order().fields.iter().map(|f| f.source_id).collect();
    assert_eq!(order, [columns::PARTITION, columns::OFFSET]);
    assert_eq!(metadata.default_sort_order_id(), i64::from(columns::SORT_ORDER_ID));
    for (key, value) in [
        ("write.metadata.delete-after-commit.enabled", "true"),
        ("write.metadata.previous-versions-max", "10"),
        ("commit.manifest.min-count-to-merge", "50"),
        ("strom.topic", "Orders"),
        ("strom.topic-id", "AAAAAAAAAAAAAAAAAAAABw"),
    ] {
        assert_eq!(metadata.properties().get(key).map(String::as_str), Some(value), "{key}");
    }
    let pointer = &plan.committed.pointer;
    assert_eq!((pointer.commit, pointer.snapshot_id), (1, Some(1001)));
    assert_eq!(pointer.reached, reached(&[4, 6]));
    let written: Vec<&str> =
        plan.files.iter().map(|f| f.location.rsplit('/').next().unwrap()).collect();
    let unique = Uuid::from_u128(1);
    assert_eq!(
        written,
        [
            format!("00000001-m0-{unique}.avro"),
            format!("snap-1001-00000001-{unique}.avro"),
            format!("00001-{unique}.metadata.json"),
        ]
    );
    let read: TableMetadata = serde_json::from_slice(&plan.files[2].bytes).unwrap();
    assert_eq!(&read, metadata.as_ref());
}

#[test]
fn summary_has_totals_and_the_changed_offsets() {
    let first = next(None, 10, &[4, 6], NOW).committed;
    let second = next(Some(&first), 5, &[9, 6], NOW + 1).committed;
    let snapshot = second.metadata.current_snapshot().unwrap();
    assert_eq!(snapshot.parent_snapshot_id(), Some(1001));
    assert_eq!(snapshot.sequence_number(), 2);
    let summary = &snapshot.summary().additional_properties;
    for (key, value) in [
        ("added-records", "5"),
        ("total-records", "15"),
        ("added-data-files", "1"),
        ("total-data-files", "2"),
        ("total-files-size", "2000"),
        ("total-delete-files", "0"),
        (OFFSETS, "{\"0\":9}"),
    ] {
        assert_eq!(summary.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert_eq!(second.metadata.metadata_log().len(), 1);
    assert_eq!(
        second.pointer.previous_metadata_location.as_ref(),
        Some(&first.pointer.metadata_location)
    );
}

#[test]
fn manifests_carry_counts_bounds_and_order() {
    let plan = next(None, 10, &[4, 6], NOW);
    let manifest = &plan.committed.manifests[0];
    assert_eq!((manifest.sequence_number, manifest.min_sequence_number), (1, 1));
    let list = manifest::decode_list(&plan.files[1].bytes).unwrap();
    assert_eq!(&list, plan.committed.manifests.as_ref());
    let entries = manifest::decode_entries(manifest, plan.files[0].bytes.clone()).unwrap();
    let file = entries[0].data_file();
    assert_eq!(entries[0].snapshot_id(), Some(1001));
    assert_eq!(entries[0].sequence_number(), Some(1));
    assert_eq!(file.file_path(), "file:///w/kafka/orders-x/data/a.parquet");
    assert_eq!(file.sort_order_id(), Some(columns::SORT_ORDER_ID));
    assert_eq!(file.lower_bounds()[&columns::OFFSET], Datum::long(3));
    assert_eq!(file.upper_bounds()[&columns::OFFSET], Datum::long(9));
    assert_eq!(file.upper_bounds()[&columns::PARTITION], Datum::int(1));
    assert!(!file.lower_bounds().contains_key(&columns::TIMESTAMP), "all of them are null");
    assert_eq!(file.null_value_counts()[&columns::TIMESTAMP], 10);
}

#[test]
fn a_commit_without_rows_moves_only_the_marker() {
    let first = next(None, 10, &[4], NOW).committed;
    let plan = next(Some(&first), 0, &[5], NOW + 1);
    assert!(plan.files.is_empty() && plan.updates.is_empty());
    assert_eq!(plan.committed.pointer.metadata_location, first.pointer.metadata_location);
    assert_eq!(plan.committed.pointer.commit, 2);
    assert_eq!(plan.committed.pointer.reached, reached(&[5]));

    let empty = next(None, 0, &[5], NOW);
    assert_eq!(empty.files.len(), 1, "a new table has metadata, but no snapshot");
    assert_eq!(empty.committed.pointer.snapshot_id, None);
    let filled = next(Some(&empty.committed), 3, &[8], NOW + 1).committed;
    assert_eq!(filled.metadata.current_snapshot_id(), Some(1002));
}

#[test]
fn a_clock_that_was_set_back_stops_no_commit() {
    let first = next(None, 10, &[4], NOW).committed;
    let second = next(Some(&first), 1, &[5], NOW - 24 * HOUR).committed;
    // One later than its predecessor: no ties.
    let times = [&first, &second].map(|c| c.metadata.current_snapshot().unwrap().timestamp_ms());
    assert_eq!(times, [NOW, NOW + 1]);
}

/// An engine set a property, or old snapshots were let go of: a query that began before that, and
/// reads as of its beginning, sees the commit that it asks for.
#[test]
fn a_newer_change_of_the_metadata_alone_makes_no_snapshot_later() {
    for (changed_ms, expected_ms) in [(10_000, 5_000), (90_000, 60_000)] {
        let mut first = next(None, 10, &[4], NOW).committed;
        let mut document = serde_json::to_value(first.metadata.as_ref()).unwrap();
        document["last-updated-ms"] = (NOW + changed_ms).into();
        first.metadata = Arc::new(serde_json::from_value(document).unwrap());
        let second = next(Some(&first), 1, &[5], NOW + 5_000).committed;
        let snapshot = second.metadata.current_snapshot().unwrap();
        assert_eq!(snapshot.timestamp_ms(), NOW + expected_ms, "changed after {changed_ms} ms");
    }
}

/// Commits every `every_ms`, `count` times, and returns the last state with its largest size.
fn many(count: u64, every_ms: i64, partitions: usize) -> (Committed, usize) {
    let mut committed = None;
    let mut size = 0;
    for index in 1..=count {
        let offsets = vec![index as i64 * 1_000_000; partitions];
        let plan = next(committed.as_ref(), 1, &offsets, NOW + index as i64 * every_ms);
        let metadata = plan.files.last().unwrap();
        assert!(metadata.location.ends_with(".metadata.json"));
        size = size.max(metadata.bytes.len());
        assert!(plan.expired_metadata.len() <= 1);
        committed = Some(plan.committed);
    }
    (committed.unwrap(), size)
}

#[test]
fn metadata_stays_small_however_often_a_table_commits() {
    let (committed, size) = many(400, 1_000, 24);
    assert_eq!(committed.metadata.snapshots().len(), snapshots::RECENT_SNAPSHOTS);
    assert_eq!(committed.metadata.metadata_log().len(), 10);
    assert!(size < 256 * 1024, "{size}");
    let (committed, size) = many(400, 20 * 60 * 1000, 24);
    let kept = committed.metadata.snapshots().len();
    assert!((45..=50).contains(&kept), "one an hour for two days, and the newest: {kept}");
    assert!(size < 256 * 1024, "{size}");
    let (committed, size) = many(100, 1_000, 1_000);
    let kept = committed.metadata.snapshots().len();
    assert!((8..30).contains(&kept), "a thousand partitions cost history: {kept}");
    assert!(size < 256 * 1024, "{size}");
}

#[test]
fn young_snapshots_are_kept_and_the_history_ends_at_the_current_one() {
    let (committed, _) = many(80, 10_000, 1);
    assert_eq!(committed.metadata.snapshots().len(), 80, "all are younger than 15 minutes");
    let history = committed.metadata.history();
    assert_eq!(history.last().unwrap().snapshot_id, committed.pointer.snapshot_id.unwrap());
}
