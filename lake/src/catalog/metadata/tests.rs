use serde_json::{Value, json};

use super::*;

const UUID: Uuid = Uuid::from_u128(7);

fn schema(id: i32, names: &[(i32, &str)]) -> Value {
    let fields: Vec<Value> = names
        .iter()
        .map(|(id, name)| json!({"id": id, "name": name, "required": false, "type": "long"}))
        .collect();
    json!({"type": "struct", "schema-id": id, "fields": fields})
}

fn request(extra: Value) -> CreateTableRequest {
    let mut request = json!({"name": "t", "schema": schema(5, &[(10, "a"), (20, "b")])});
    request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::from_value(request).unwrap()
}

fn base() -> TableMetadata {
    create(request(json!({})), "file:///w/a/t".into(), UUID).unwrap()
}

fn change_of(requirements: Value, updates: Value) -> Change {
    Change {
        requirements: serde_json::from_value(requirements).unwrap(),
        updates: serde_json::from_value(updates).unwrap(),
    }
}

/// The crate compares snapshots with the wall clock.
fn now_ms() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn snapshot(id: i64, parent: Option<i64>) -> Value {
    json!({"action": "add-snapshot", "snapshot": {
        "snapshot-id": id, "parent-snapshot-id": parent, "sequence-number": id,
        "timestamp-ms": now_ms() + id, "schema-id": 0,
        "manifest-list": format!("file:///w/a/t/metadata/snap-{id}.avro"),
        "summary": {"operation": "append"},
    }})
}

fn set_main(id: i64) -> Value {
    json!({"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": id})
}

fn apply(base: &TableMetadata, updates: Value) -> Changed {
    change(base, "file:///w/a/t/metadata/00000-x.metadata.json", change_of(json!([]), updates))
        .unwrap()
}

#[test]
fn a_new_table_gets_ids_of_its_own() {
    let properties = json!({"properties": {"format-version": "3", "owner": "me"}, "location": "?"});
    let metadata = create(request(properties), "file:///w/a/t/".into(), UUID).unwrap();
    assert_eq!((metadata.uuid(), metadata.location()), (UUID, "file:///w/a/t"));
    assert_eq!(metadata.format_version(), FormatVersion::V3);
    let ids: Vec<i32> =
        metadata.current_schema().as_struct().fields().iter().map(|f| f.id).collect();
    assert_eq!((ids, metadata.current_schema_id()), (vec![1, 2], 0));
    assert_eq!(metadata.properties().len(), 1, "{:?}", metadata.properties());
    let unknown = json!({"properties": {"format-version": "9"}});
    let refused = create(request(unknown), "file:///w/a/t".into(), UUID).unwrap_err();
    assert_eq!((refused.status, refused.message.contains('9')), (400, true));
}

/// The client wrote files under the ids that it was told when it staged the table.
#[test]
fn a_table_made_by_its_first_commit_keeps_the_ids_of_its_client() {
    let fields = schema(0, &[(1, "a"), (7, "b")]);
    let updates = json!([
        {"action": "assign-uuid", "uuid": UUID},
        {"action": "upgrade-format-version", "format-version": 3},
        {"action": "add-schema", "schema": fields, "last-column-id": 7},
        {"action": "set-current-schema", "schema-id": -1},
        {"action": "add-spec", "spec": {"spec-id": 0, "fields": [
            {"source-id": 7, "field-id": 1000, "name": "b_bucket", "transform": "bucket[4]"}]}},
        {"action": "set-default-spec", "spec-id": -1},
        {"action": "add-sort-order", "sort-order": {"order-id": 1, "fields": [
            {"source-id": 1, "transform": "identity", "direction": "asc",
             "null-order": "nulls-first"}]}},
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "set-location", "location": "file:/w/a/t"},
        {"action": "set-properties", "updates": {"owner": "me"}},
        {"action": "add-snapshot", "snapshot": {
            "snapshot-id": 1, "sequence-number": 1, "timestamp-ms": now_ms(),
            "manifest-list": "file:///w/a/t/metadata/snap-1.avro", "schema-id": 0,
            "first-row-id": 0, "added-rows": 3, "summary": {"operation": "append"}}},
        set_main(1),
    ]);
    let create = change_of(json!([{"type": "assert-create"}]), updates);
    assert!(create.creates());
    assert_eq!((create.location(), create.uuid()), (Some("file:/w/a/t"), Some(UUID)));
    let metadata = create_by_commit(create, "file:///w/a/t".into(), UUID).unwrap();
    let document = serde_json::to_value(&metadata).unwrap();
    for (key, expected) in [
        ("table-uuid", json!(UUID)),
        ("format-version", json!(3)),
        ("location", json!("file:///w/a/t")),
        ("current-schema-id", json!(0)),
        ("last-column-id", json!(7)),
        ("default-spec-id", json!(0)),
        ("last-partition-id", json!(1000)),
        ("default-sort-order-id", json!(1)),
        ("current-snapshot-id", json!(1)),
        ("next-row-id", json!(3)),
        ("properties", json!({"owner": "me"})),
    ] {
        assert_eq!(document[key], expected, "{key}");
    }
    assert_eq!(document["schemas"].as_array().unwrap().len(), 1);
    assert_eq!(document["partition-specs"].as_array().unwrap().len(), 1);
    assert_eq!(document["partition-specs"][0]["fields"][0]["field-id"], 1000);

    let without = change_of(json!([{"type": "assert-create"}]), json!([]));
    let refused = create_by_commit(without, "file:///w/a/t".into(), UUID).unwrap_err();
    assert_eq!((refused.status, refused.kind), (400, "BadRequestException"));
}

#[test]
fn requirements_that_do_not_hold_are_stale() {
    let base = apply(&base(), json!([snapshot(1, None), set_main(1)])).metadata;
    let other = Uuid::from_u128(8);
    for (requirement, holds) in [
        (json!({"type": "assert-table-uuid", "uuid": UUID}), true),
        (json!({"type": "assert-table-uuid", "uuid": other}), false),
        (json!({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 1}), true),
        (json!({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 2}), false),
        (json!({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": null}), false),
        (json!({"type": "assert-ref-snapshot-id", "ref": "b", "snapshot-id": null}), true),
        (json!({"type": "assert-last-assigned-field-id", "last-assigned-field-id": 3}), false),
        (json!({"type": "assert-current-schema-id", "current-schema-id": 1}), false),
        (
            json!({"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": 1}),
            false,
        ),
        (json!({"type": "assert-default-spec-id", "default-spec-id": 1}), false),
        (json!({"type": "assert-default-sort-order-id", "default-sort-order-id": 1}), false),
    ] {
        let updates = json!([{"action": "set-properties", "updates": {"a": "b"}}]);
        let changed = change(&base, "x", change_of(json!([requirement]), updates));
        match changed {
            Ok(_) => assert!(holds, "{requirement}"),
            Err(error) => {
                assert!(!holds, "{requirement}");
                assert_eq!((error.status, error.kind), (409, "CommitFailedException"));
                assert!(error.message.starts_with("Requirement failed"), "{}", error.message);
            }
        }
    }
}

#[test]
fn updates_that_cannot_be_are_bad_requests() {
    for update in [
        json!({"action": "set-current-schema", "schema-id": 9}),
        json!({"action": "set-default-spec", "spec-id": 9}),
        json!({"action": "upgrade-format-version", "format-version": 1}),
        json!({"action": "set-properties", "updates": {"format-version": "3"}}),
        set_main(9),
    ] {
        let refused = change(&base(), "x", change_of(json!([]), json!([update]))).unwrap_err();
        assert_eq!((refused.status, refused.kind), (400, "BadRequestException"), "{update}");
    }
}

#[test]
fn removed_snapshots_take_along_what_refers_to_them() {
    let statistics = |id: i64| {
        json!({"action": "set-statistics", "snapshot-id": id, "statistics": {
            "snapshot-id": id, "statistics-path": "p", "file-size-in-bytes": 1,
            "file-footer-size-in-bytes": 1, "blob-metadata": []}})
    };
    let base = apply(
        &base(),
        json!([
            snapshot(1, None),
            set_main(1),
            statistics(1),
            snapshot(2, Some(1)),
            set_main(2),
            statistics(2),
        ]),
    );
    let remove = |id: i64| json!([{"action": "remove-snapshots", "snapshot-ids": [id]}]);
    let old_gone = apply(&base.metadata, remove(1)).metadata;
    assert_eq!(old_gone.current_snapshot_id(), Some(2));
    assert_eq!(old_gone.snapshots().count(), 1);
    assert!(old_gone.statistics_for_snapshot(1).is_none());
    assert!(old_gone.statistics_for_snapshot(2).is_some());
    let current_gone = apply(&base.metadata, remove(2)).metadata;
    assert_eq!(current_gone.current_snapshot_id(), None);
    assert!(current_gone.snapshot_for_ref("main").is_none());
}

#[test]
fn nothing_changed_is_told_apart() {
    assert!(!apply(&base(), json!([])).is_changed);
    assert!(!apply(&base(), json!([{"action": "set-current-schema", "schema-id": 0}])).is_changed);
    assert!(
        apply(&base(), json!([{"action": "set-properties", "updates": {"a": "b"}}])).is_changed
    );
}

#[test]
fn former_metadata_files_expire_only_if_the_table_says_so() {
    let expired_with = |delete: &str| {
        let mut table = apply(
            &base(),
            json!([{"action": "set-properties", "updates": {
                "write.metadata.previous-versions-max": "2", DELETE_AFTER_COMMIT: delete}}]),
        );
        let mut expired = Vec::new();
        for number in 1..5 {
            let update =
                json!([{"action": "set-properties", "updates": {"n": number.to_string()}}]);
            let location = format!("file:///w/a/t/metadata/{number:05}-x.metadata.json");
            table = change(&table.metadata, &location, change_of(json!([]), update)).unwrap();
            expired.extend(table.expired.clone());
        }
        expired
    };
    assert_eq!(expired_with("false"), Vec::<String>::new());
    let expected = [0, 1, 2].map(|n| format!("file:///w/a/t/metadata/{n:05}-x.metadata.json"));
    assert_eq!(expired_with("True"), expected);
}

#[test]
fn files_are_named_as_the_reference_names_them() {
    let name = |metadata: &TableMetadata| file_location(metadata, 12, UUID);
    assert_eq!(name(&base()), format!("file:///w/a/t/metadata/00012-{UUID}.metadata.json"));
    let moved = json!([{"action": "set-properties", "updates": {METADATA_PATH: "file:///w/m/"}}]);
    let moved = apply(&base(), moved).metadata;
    assert_eq!(name(&moved), format!("file:///w/m/00012-{UUID}.metadata.json"));
}

#[test]
fn too_much_is_refused_with_what_to_do() {
    let large = json!([{"action": "set-properties", "updates": {"a": "x".repeat(300 << 10)}}]);
    let refused = encode(&apply(&base(), large).metadata).unwrap_err();
    assert_eq!((refused.status, refused.message.contains("remove some")), (400, true));
}
