//! Tables partitioned by values of their columns.

use std::collections::BTreeMap;

use strom_protocol::partitioning::{PartitionColumn, PartitionField, PartitionTransform};

use super::*;

const DAY: i64 = 24 * 3_600_000;

fn by(column: PartitionColumn, transform: PartitionTransform) -> Vec<PartitionField> {
    vec![PartitionField { column, transform }]
}

/// Data files of the current snapshot, by spec and partition value.
fn data_files(table: &LoadedTable) -> BTreeMap<(i32, String), usize> {
    let snapshot = table.metadata.current_snapshot().unwrap();
    let list = files::read(files::path_of(snapshot.manifest_list())).unwrap();
    let mut found = BTreeMap::new();
    for manifest in manifest::decode_list(&list).unwrap() {
        let bytes = files::read(files::path_of(&manifest.manifest_path)).unwrap();
        for entry in manifest::decode_entries(&manifest, bytes.into()).unwrap() {
            let value = format!("{:?}", entry.data_file().partition());
            *found.entry((manifest.partition_spec_id, value)).or_insert(0) += 1;
        }
    }
    found
}

#[test]
fn a_table_is_partitioned_as_its_topic_says_and_changes_with_it() {
    let mut orders = topic(1, "orders", 1);
    let topics = std::slice::from_ref(&orders);
    let world = World::new(topics);
    let lake = world.lake(topics);
    world.append_at(&orders, &[0, DAY]);
    assert_eq!(data_files(&load(&lake, "orders").unwrap()).len(), 1);

    orders.partition_by = by(PartitionColumn::Timestamp, PartitionTransform::Day);
    lake.add_topic(orders.clone());
    world.append_at(&orders, &[0, DAY, 2 * DAY, DAY + 1]);
    let table = load(&lake, "orders").unwrap();
    assert_eq!((rows(&table).len(), data_files(&table).len()), (6, 4), "old files stay");
    let spec = table.metadata.default_partition_spec();
    assert_eq!((spec.spec_id(), spec.fields()[0].name.as_str()), (1, "__timestamp_day"));

    orders.partition_by = Vec::new();
    lake.add_topic(orders.clone());
    world.append_at(&orders, &[0, DAY]);
    let table = load(&lake, "orders").unwrap();
    assert_eq!((rows(&table).len(), data_files(&table).len()), (8, 4));
    assert_eq!(data_files(&table).iter().find(|((spec, _), _)| *spec == 0).unwrap().1, &2);
    orders.partition_by = by(PartitionColumn::Timestamp, PartitionTransform::Day);
    lake.add_topic(orders.clone());
    world.append_at(&orders, &[0]);
    let table = load(&lake, "orders").unwrap();
    assert_eq!(table.metadata.default_partition_spec_id(), 1, "a spec that was there is used");
    assert_eq!(rows(&table).len(), 9);
    no_file_is_unreferenced(&world, &table);
}

#[test]
fn more_values_than_files_cost_passes_and_no_row_comes_twice() {
    let mut orders = topic(1, "orders", 1);
    orders.partition_by = by(PartitionColumn::Timestamp, PartitionTransform::Day);
    let topics = std::slice::from_ref(&orders);
    let world = World::new(topics);
    let lake = world.lake(topics);
    // Three years of days in no order, each many times.
    let days = 1_095;
    let timestamps: Vec<i64> = (0..5_000).map(|i: i64| (i * 7_919 % days) * DAY).collect();
    timestamps.chunks(500).for_each(|chunk| world.append_at(&orders, chunk));
    let table = load(&lake, "orders").unwrap();
    let found = rows(&table);
    let wanted: Vec<(i32, i64, String)> =
        (0..).zip(&timestamps).map(|(offset, t)| (0, offset, t.to_string())).collect();
    assert_eq!(found, wanted);
    let files = data_files(&table);
    assert_eq!(files.len(), days as usize);
    assert!(files.values().all(|count| *count == 1), "one file a day");
    no_file_is_unreferenced(&world, &table);
}

#[test]
fn manifests_of_different_specs_are_merged_apart() {
    let mut orders = topic(1, "orders", 1);
    let topics = std::slice::from_ref(&orders);
    let world = World::new(topics);
    let lake = world.lake(topics);
    for index in 0..130 {
        orders.partition_by = match index % 2 {
            0 => by(PartitionColumn::Offset, PartitionTransform::Truncate(1_000)),
            _ => by(PartitionColumn::Value, PartitionTransform::Bucket(4)),
        };
        lake.add_topic(orders.clone());
        world.append_at(&orders, &[index]);
        load(&lake, "orders").unwrap();
    }
    let table = load(&lake, "orders").unwrap();
    assert_eq!(rows(&table).len(), 130);
    let list = table.metadata.current_snapshot().unwrap().manifest_list();
    let manifests = manifest::decode_list(&files::read(files::path_of(list)).unwrap()).unwrap();
    assert!(manifests.len() < 2 * manifest::MERGE_COUNT, "{}", manifests.len());
    assert!(manifests.iter().any(|m| m.existing_files_count.unwrap_or(0) > 40), "some were merged");
    assert_eq!(table.metadata.partition_specs_iter().len(), 3);
}
