use serde_json::{Value, json};
use strom_protocol::TopicId;

use super::*;

fn identity() -> TableIdentity {
    TableIdentity {
        namespace: "kafka".into(),
        table: "orders".into(),
        topic_id: TopicId(Uuid::from_u128(2)),
        topic: "Orders".into(),
        location: "file:///w/kafka/orders-x".into(),
    }
}

fn table() -> Committed {
    let snapshot = |id: i64| {
        json!({"snapshot-id": id, "sequence-number": id, "timestamp-ms": id, "schema-id": 0,
            "manifest-list": "l", "summary": {"operation": "append"}})
    };
    let metadata = json!({
        "format-version": 2, "table-uuid": Uuid::from_u128(1), "location": identity().location,
        "last-sequence-number": 2, "last-updated-ms": 2, "last-column-id": 1,
        "current-schema-id": 0,
        "schemas": [{"type": "struct", "schema-id": 0, "fields": []}],
        "default-spec-id": 0, "last-partition-id": 999,
        "partition-specs": [{"spec-id": 0, "fields": []}],
        "default-sort-order-id": 0, "sort-orders": [{"order-id": 0, "fields": []}],
        "properties": {"strom.topic": "Orders"},
        "current-snapshot-id": 2, "snapshots": [snapshot(1), snapshot(2)],
        "refs": {"main": {"snapshot-id": 2, "type": "branch"}},
        "snapshot-log": [{"snapshot-id": 1, "timestamp-ms": 1}, {"snapshot-id": 2, "timestamp-ms": 2}],
    });
    Committed {
        pointer: Pointer {
            namespace: "kafka".into(),
            table: "orders".into(),
            table_uuid: Uuid::from_u128(1),
            topic_id: Uuid::from_u128(2),
            commit: 3,
            epoch: 4,
            location: identity().location,
            metadata_location: "file:///w/kafka/orders-x/metadata/00003-y.metadata.json".into(),
            previous_metadata_location: None,
            snapshot_id: Some(2),
            reached: vec![(6, 7).into()],
            is_kept: false,
        },
        metadata: Arc::new(serde_json::from_value(metadata).unwrap()),
        manifests: Arc::default(),
    }
}

fn planned(requirements: Value, update: &Value) -> Result<Option<CommitPlan>, CatalogError> {
    let change = Change {
        requirements: serde_json::from_value(requirements).unwrap(),
        updates: serde_json::from_value(json!([update])).unwrap(),
    };
    let table = table();
    for update in &change.updates {
        check(&identity(), Some(&table.metadata), update)?;
    }
    plan(&table, change, Uuid::from_u128(9))
}

#[test]
fn readers_things_pass_and_the_topics_do_not() {
    let file = json!({"snapshot-id": 1, "statistics-path": "p", "file-size-in-bytes": 1,
        "file-footer-size-in-bytes": 1, "blob-metadata": []});
    let part = json!({"snapshot-id": 9, "statistics-path": "p", "file-size-in-bytes": 1});
    let snapshot = json!({"snapshot-id": 3, "sequence-number": 3, "timestamp-ms": 3,
        "manifest-list": "l", "summary": {"operation": "append"}});
    let schema = json!({"type": "struct", "fields": []});
    for (update, expected) in [
        (json!({"action": "set-properties", "updates": {"read.split.target-size": "1"}}), 200),
        (json!({"action": "set-properties", "updates": {"comment": "c"}}), 200),
        (json!({"action": "remove-properties", "removals": ["read.x"]}), 200),
        (json!({"action": "remove-snapshots", "snapshot-ids": [1]}), 200),
        (json!({"action": "set-statistics", "snapshot-id": 1, "statistics": file}), 200),
        (json!({"action": "remove-statistics", "snapshot-id": 1}), 200),
        (json!({"action": "remove-partition-statistics", "snapshot-id": 1}), 200),
        (json!({"action": "remove-snapshot-ref", "ref-name": "tag"}), 200),
        (json!({"action": "set-partition-statistics", "partition-statistics": part}), 400),
        (json!({"action": "remove-snapshots", "snapshot-ids": [1, 2]}), 403),
        (json!({"action": "remove-snapshot-ref", "ref-name": "main"}), 403),
        (json!({"action": "set-properties", "updates": {"write.x": "1"}}), 403),
        (json!({"action": "set-properties", "updates": {"comment": "c", "strom.topic": "x"}}), 403),
        (json!({"action": "set-properties", "updates": {"comments": "c"}}), 403),
        (json!({"action": "remove-properties", "removals": ["strom.topic"]}), 403),
        (json!({"action": "add-snapshot", "snapshot": snapshot}), 403),
        (
            json!({"action": "set-snapshot-ref", "ref-name": "main", "type": "branch",
                "snapshot-id": 1}),
            403,
        ),
        (
            json!({"action": "set-snapshot-ref", "ref-name": "t", "type": "tag",
                "snapshot-id": 1}),
            403,
        ),
        (json!({"action": "add-schema", "schema": schema}), 403),
        (json!({"action": "set-current-schema", "schema-id": 0}), 403),
        (json!({"action": "remove-schemas", "schema-ids": [0]}), 403),
        (json!({"action": "add-spec", "spec": {"fields": []}}), 403),
        (json!({"action": "set-default-spec", "spec-id": 0}), 403),
        (json!({"action": "remove-partition-specs", "spec-ids": [0]}), 403),
        (json!({"action": "add-sort-order", "sort-order": {"order-id": 1, "fields": []}}), 403),
        (json!({"action": "set-default-sort-order", "sort-order-id": 0}), 403),
        (json!({"action": "upgrade-format-version", "format-version": 3}), 403),
        (json!({"action": "assign-uuid", "uuid": Uuid::from_u128(5)}), 403),
        (json!({"action": "set-location", "location": "file:///w/x"}), 403),
    ] {
        match planned(json!([]), &update) {
            Ok(_) => assert_eq!(expected, 200, "{update}"),
            Err(error) => {
                assert_eq!(error.status, expected, "{update}: {error}");
                if expected == 403 {
                    let names = "Table kafka.orders is the table of topic Orders: ";
                    assert!(error.message.starts_with(names), "{error}");
                }
            }
        }
    }
}

#[test]
fn the_marker_moves_with_a_change_of_the_readers_things() {
    let update = json!({"action": "remove-snapshots", "snapshot-ids": [1]});
    let plan = planned(json!([]), &update).unwrap().unwrap();
    let (before, after) = (table().pointer, &plan.committed.pointer);
    assert_eq!((after.commit, &after.reached), (4, &before.reached));
    assert_eq!((after.snapshot_id, after.epoch), (before.snapshot_id, before.epoch));
    assert_eq!(after.previous_metadata_location, Some(before.metadata_location));
    assert_eq!(plan.files[0].location, after.metadata_location);
    assert!(after.metadata_location.contains("/metadata/00004-"), "{}", after.metadata_location);
    assert_eq!(plan.committed.metadata.snapshots().count(), 1);

    let nothing = json!({"action": "remove-snapshots", "snapshot-ids": [77]});
    assert!(planned(json!([]), &nothing).unwrap().is_none(), "nothing to do is no commit");
    let stale = json!([{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 1}]);
    assert_eq!(planned(stale, &update).unwrap_err().status, 409);
}
