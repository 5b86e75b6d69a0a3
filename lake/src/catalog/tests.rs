use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use iceberg_catalog_rest::{
    CommitTableRequest, CreateTableRequest, NamespaceResponse, RegisterTableRequest,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use strom_storage::Change as LogChange;
use uuid::Uuid;

use super::records::Unwanted;
use super::*;
use crate::lake::Lake;
use crate::lake::tests::{World, load, rows, topic};
use crate::{LakeTopic, files};

fn parse<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

fn levels(text: &str) -> Vec<String> {
    text.split('.').map(str::to_string).collect()
}

fn make_namespace(lake: &Lake, name: &str) -> Result<NamespaceResponse, CatalogError> {
    let properties = json!({"owner": "me"});
    let request = parse(json!({"namespace": levels(name), "properties": properties}));
    lake.catalog().create_namespace(request)
}

fn creation(name: &str, extra: Value) -> CreateTableRequest {
    let field = json!({"id": 1, "name": "a", "required": false, "type": "long"});
    let mut request = json!({"name": name, "schema": {"type": "struct", "fields": [field]}});
    request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    parse(request)
}

fn make_table(lake: &Lake, name: &str) -> LoadedTable {
    lake.catalog().create_table(&levels("a"), creation(name, json!({}))).unwrap()
}

fn commit_of(requirements: Value, updates: Value) -> CommitTableRequest {
    parse(json!({"requirements": requirements, "updates": updates}))
}

fn set(key: &str, value: &str) -> Value {
    json!({"action": "set-properties", "updates": {key: value}})
}

fn in_a(name: &str) -> iceberg::TableIdent {
    parse(json!({"namespace": ["a"], "name": name}))
}

fn load_own(lake: &Lake, namespace: &str, name: &str) -> Result<LoadedTable, CatalogError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(lake.catalog().load_table(&levels(namespace), name))
}

fn path(location: &Option<String>) -> &Path {
    files::path_of(location.as_ref().unwrap())
}

fn refusal<T: std::fmt::Debug>(result: Result<T, CatalogError>) -> (u16, &'static str, String) {
    let error = result.unwrap_err();
    (error.status, error.kind, error.message)
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A lake without topics, and the namespace `a` in it.
fn with_namespace() -> (World, Arc<Lake>) {
    let world = World::new(&[]);
    let lake = world.lake(&[]);
    make_namespace(&lake, "a").unwrap();
    (world, lake)
}

#[test]
fn namespaces_are_made_nested_changed_and_dropped() {
    let (world, lake) = with_namespace();
    let catalog = lake.catalog();
    assert_eq!(
        refusal(make_namespace(&lake, "a")),
        (409, "AlreadyExistsException", "Namespace already exists: a".into())
    );
    assert_eq!(refusal(make_namespace(&lake, "x.y")).2, "Namespace does not exist: x");
    assert_eq!(make_namespace(&lake, "a.b").unwrap().properties["owner"], "me");
    let list = |parent: &[String], token: Option<&str>, size| {
        let page = Page { token: token.map(str::to_string), size };
        let listed = catalog.list_namespaces(Some(parent), &page).unwrap();
        let names: Vec<String> = listed.namespaces.iter().map(|n| n.join(".")).collect();
        (names, listed.next_page_token)
    };
    assert_eq!(list(&[], None, None), (levels("a.kafka"), None));
    assert_eq!(list(&[], None, Some(1)), (levels("a"), Some("a".into())));
    assert_eq!(list(&[], Some("a"), Some(1)), (levels("kafka"), None));
    assert_eq!(list(&levels("a"), None, None), (vec!["a.b".into()], None));
    assert_eq!(list(&levels("kafka"), None, None), (vec![], None));

    let update = |request| catalog.update_namespace(&levels("a.b"), parse(request));
    let updated = update(json!({"removals": ["owner", "x"], "updates": {"k": "v"}})).unwrap();
    assert_eq!((updated.updated, updated.removed), (vec!["k".into()], vec!["owner".into()]));
    assert_eq!(updated.missing, Some(vec!["x".into()]));
    let both = update(json!({"removals": ["k"], "updates": {"k": "v"}}));
    assert_eq!(refusal(both).0, 422);
    let large = update(json!({"updates": {"k": "x".repeat(70_000)}}));
    assert_eq!(refusal(large).0, 400);
    let elsewhere = update(json!({"updates": {"location": "file:///etc"}}));
    assert_eq!(refusal(elsewhere).0, 400);

    let lake = {
        drop(lake);
        world.lake(&[])
    };
    let catalog = lake.catalog();
    let properties = catalog.namespace(&levels("a.b")).unwrap().properties;
    assert_eq!((properties["k"].as_str(), properties.contains_key("owner")), ("v", false));
    assert!(properties["location"].ends_with("/warehouse/a/b"));
    assert_eq!(
        refusal(catalog.drop_namespace(&levels("a"))),
        (409, "NamespaceNotEmptyException", "Namespace is not empty: a".into())
    );
    catalog.drop_namespace(&levels("a.b")).unwrap();
    let table = make_table(&lake, "t");
    assert_eq!(refusal(catalog.drop_namespace(&levels("a"))).1, "NamespaceNotEmptyException");
    catalog.drop_table(&levels("a"), "t", false).unwrap();
    assert!(path(&table.metadata_location).exists(), "only a purge removes files");
    catalog.drop_namespace(&levels("a")).unwrap();
    let gone = refusal(catalog.drop_namespace(&levels("a")));
    assert_eq!(gone, (404, "NoSuchNamespaceException", "Namespace does not exist: a".into()));
}

#[test]
fn a_table_is_made_changed_and_found_after_a_restart() {
    let (world, lake) = with_namespace();
    let catalog = lake.catalog();
    let made = make_table(&lake, "t");
    let location = made.metadata.location().to_string();
    let expected = format!("/warehouse/a/t-{}", made.metadata.uuid());
    assert!(location.ends_with(&expected), "{location}");
    assert!(path(&made.metadata_location).exists());
    assert_eq!(
        refusal(catalog.create_table(&levels("a"), creation("t", json!({})))),
        (409, "AlreadyExistsException", "Table already exists: a.t".into())
    );
    let nowhere = catalog.create_table(&levels("x"), creation("t", json!({})));
    assert_eq!(refusal(nowhere).2, "Namespace does not exist: x");

    let uuid = json!([{"type": "assert-table-uuid", "uuid": made.metadata.uuid()}]);
    let commit = commit_of(uuid, json!([set("k", "v")]));
    let changed = catalog.commit_table(&levels("a"), "t", commit).unwrap();
    assert_ne!(changed.version, made.version);
    assert_eq!(load_own(&lake, "a", "t").unwrap().version, changed.version);
    let missing = catalog.commit_table(&levels("a"), "x", commit_of(json!([]), json!([])));
    assert_eq!(refusal(missing), (404, "NoSuchTableException", "Table does not exist: a.x".into()));
    let unchanged = commit_of(json!([]), json!([]));
    let unchanged = catalog.commit_table(&levels("a"), "t", unchanged).unwrap();
    assert_eq!(unchanged.version, changed.version, "nothing to change is no commit");

    drop(lake);
    let lake = world.lake(&[]);
    let loaded = load_own(&lake, "a", "t").unwrap();
    assert_eq!(loaded.metadata.properties()["k"], "v");
    assert_eq!(loaded.metadata_location, changed.metadata_location);
    let log = loaded.metadata.metadata_log();
    assert_eq!(log[0].metadata_file, made.metadata_location.unwrap());
    assert!(world.store.metadata().scan(records::WRITING).is_empty());
}

#[test]
fn a_stale_commit_changes_nothing() {
    let (world, lake) = with_namespace();
    make_table(&lake, "t");
    let before = (world.files(), load_own(&lake, "a", "t").unwrap().version);
    let stale = json!([{"type": "assert-current-schema-id", "current-schema-id": 5}]);
    let commit = commit_of(stale, json!([set("k", "v")]));
    let refused = refusal(lake.catalog().commit_table(&levels("a"), "t", commit));
    assert_eq!((refused.0, refused.1), (409, "CommitFailedException"));
    assert_eq!((world.files(), load_own(&lake, "a", "t").unwrap().version), before);
}

#[test]
fn of_many_commits_on_one_state_exactly_one_wins() {
    let (_world, lake) = with_namespace();
    make_table(&lake, "t");
    let add =
        |id: i32| json!([{"type": "assert-last-assigned-field-id", "last-assigned-field-id": id}]);
    for round in 1..=5 {
        let wins = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let fields: Vec<Value> = (1..=round + 1)
                        .map(|id| {
                            json!({"id": id, "name": format!("c{id}"), "required": false,
                            "type": "long"})
                        })
                        .collect();
                    let schema = json!({"type": "struct", "fields": fields});
                    let updates = json!([{"action": "add-schema", "schema": schema},
                        {"action": "set-current-schema", "schema-id": -1}]);
                    let commit = commit_of(add(round), updates);
                    match lake.catalog().commit_table(&levels("a"), "t", commit) {
                        Ok(_) => drop(wins.fetch_add(1, Ordering::SeqCst)),
                        Err(error) => assert_eq!(error.kind, "CommitFailedException"),
                    }
                });
            }
        });
        assert_eq!(wins.load(Ordering::SeqCst), 1, "round {round}");
    }
    let schema = Arc::clone(load_own(&lake, "a", "t").unwrap().metadata.current_schema());
    assert_eq!(schema.highest_field_id(), 6);
}

#[test]
fn a_staged_table_exists_once_it_is_committed() {
    let (world, lake) = with_namespace();
    let catalog = lake.catalog();
    let staging = creation("t", json!({"stage-create": true}));
    let staged = catalog.create_table(&levels("a"), staging).unwrap();
    assert_eq!(staged.metadata_location, None);
    assert!(world.files().is_empty(), "staging writes no file");
    let folder = files::path_of(staged.metadata.location()).join("metadata");
    assert!(folder.is_dir(), "DuckDB makes none");
    assert_eq!(refusal(catalog.table_exists(&levels("a"), "t")).0, 404);
    let commit = || {
        let metadata = serde_json::to_value(&*staged.metadata).unwrap();
        let updates = json!([
            {"action": "assign-uuid", "uuid": metadata["table-uuid"]},
            {"action": "upgrade-format-version", "format-version": 2},
            {"action": "add-schema", "schema": metadata["schemas"][0]},
            {"action": "set-current-schema", "schema-id": -1},
            {"action": "set-location", "location": metadata["location"]},
        ]);
        commit_of(json!([{"type": "assert-create"}]), updates)
    };
    let made = catalog.commit_table(&levels("a"), "t", commit()).unwrap();
    assert_eq!(made.metadata.uuid(), staged.metadata.uuid());
    assert_eq!(made.metadata.location(), staged.metadata.location());
    let again = refusal(catalog.commit_table(&levels("a"), "t", commit()));
    assert_eq!(again, (409, "AlreadyExistsException", "Table already exists: a.t".into()));
}

#[test]
fn locations_are_the_clients_choice_within_the_warehouse() {
    let (world, lake) = with_namespace();
    let catalog = lake.catalog();
    let root = files::location_of(&world.dir.path().join("warehouse"));
    let create =
        |name: &str, extra: Value| catalog.create_table(&levels("a"), creation(name, extra));
    let own = create("own", json!({"location": format!("{root}/mine/own")})).unwrap();
    assert_eq!(own.metadata.location(), format!("{root}/mine/own"));
    for (extra, status) in [
        (json!({"location": "file:///etc/x"}), 400),
        (json!({"location": format!("{root}/../x")}), 400),
        (json!({"location": format!("{root}/kafka/orders-x")}), 403),
        (json!({"properties": {"write.metadata.path": "file:///etc/x"}}), 400),
        (json!({"location": "file:///etc/x", "stage-create": true}), 400),
    ] {
        assert_eq!(refusal(create("t", extra.clone())).0, status, "{extra}");
    }
    let elsewhere = json!([{"action": "set-location", "location": "file:///etc/x"}]);
    let moved = catalog.commit_table(&levels("a"), "own", commit_of(json!([]), elsewhere));
    assert_eq!(refusal(moved).0, 400);
    let elsewhere = commit_of(json!([]), json!([set("write.metadata.path", "file:///etc/x")]));
    assert_eq!(refusal(catalog.commit_table(&levels("a"), "own", elsewhere)).0, 400);
    assert!(!Path::new("/etc/x").exists());
}

#[test]
fn a_renamed_table_keeps_its_files() {
    let (_world, lake) = with_namespace();
    let catalog = lake.catalog();
    make_namespace(&lake, "b").unwrap();
    let made = make_table(&lake, "t");
    make_table(&lake, "other");
    let to = |namespace: &str, name: &str| parse(json!({"namespace": [namespace], "name": name}));
    catalog.rename_table(&in_a("t"), &to("b", "u")).unwrap();
    assert_eq!(refusal(load_own(&lake, "a", "t")).2, "Table does not exist: a.t");
    let renamed = load_own(&lake, "b", "u").unwrap();
    assert_eq!(renamed.metadata_location, made.metadata_location);
    for (source, destination, expected) in [
        (to("b", "u"), in_a("other"), (409, "Table already exists: a.other")),
        (to("b", "u"), to("b", "u"), (409, "Table already exists: b.u")),
        (to("b", "u"), to("x", "u"), (404, "Namespace does not exist: x")),
        (in_a("x"), in_a("y"), (404, "Table does not exist: a.x")),
        (to("b", "u"), to("kafka", "u"), (403, "Namespace kafka holds the tables of topics")),
    ] {
        let (status, _, message) = refusal(catalog.rename_table(&source, &destination));
        assert_eq!((status, message.starts_with(expected.1)), (expected.0, true), "{message}");
    }
}

#[test]
fn a_purge_removes_what_is_the_tables_alone() {
    let (world, lake) = with_namespace();
    let catalog = lake.catalog();
    let root = files::location_of(&world.dir.path().join("warehouse"));
    let at = |name: &str, place: &str| {
        let extra = json!({"location": format!("{root}/{place}")});
        catalog.create_table(&levels("a"), creation(name, extra)).unwrap()
    };
    let (outer, inner) = (at("outer", "mine"), at("inner", "mine/inner"));
    let over_namespace = at("wide", "a");
    for name in ["outer", "wide"] {
        catalog.drop_table(&levels("a"), name, true).unwrap();
    }
    let alone = at("alone", "other/place");
    catalog.drop_table(&levels("a"), "alone", true).unwrap();
    wait_until("the purged table's files go", || !path(&alone.metadata_location).exists());
    wait_until("and their record", || world.store.metadata().scan(records::GARBAGE).is_empty());
    for kept in [outer, inner, over_namespace] {
        assert!(path(&kept.metadata_location).exists(), "{:?}", kept.metadata_location);
    }
    assert_eq!(refusal(catalog.drop_table(&levels("a"), "alone", true)).0, 404);
    at("again", "other/place");
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let (world, lake) = with_namespace();
    let catalog = lake.catalog();
    let (t, _) = (make_table(&lake, "t"), make_table(&lake, "u"));
    let part = |name: &str, requirements: Value, updates: Value| {
        let ident = in_a(name);
        parse(json!({"identifier": ident, "requirements": requirements, "updates": updates}))
    };
    let version = |name| load_own(&lake, "a", name).unwrap().version;
    let before = (version("t"), version("u"), world.files());
    let stale = json!([{"type": "assert-default-spec-id", "default-spec-id": 9}]);
    let parts = vec![
        part("t", json!([]), json!([set("k", "v")])),
        part("u", stale, json!([set("k", "v")])),
    ];
    assert_eq!(refusal(catalog.commit_transaction(parts)).1, "CommitFailedException");
    assert_eq!((version("t"), version("u"), world.files()), before);

    let schema = serde_json::to_value(&*t.metadata).unwrap()["schemas"][0].clone();
    let parts = vec![
        part("t", json!([]), json!([set("k", "v")])),
        part("u", json!([]), json!([set("k", "v")])),
        part(
            "new",
            json!([{"type": "assert-create"}]),
            json!([{"action": "add-schema", "schema": schema}]),
        ),
    ];
    catalog.commit_transaction(parts).unwrap();
    for name in ["t", "u"] {
        assert_eq!(load_own(&lake, "a", name).unwrap().metadata.properties()["k"], "v");
    }
    load_own(&lake, "a", "new").unwrap();
    let twice = vec![part("t", json!([]), json!([])), part("t", json!([]), json!([]))];
    assert_eq!(refusal(catalog.commit_transaction(twice)).0, 400);
    assert_eq!(refusal(catalog.commit_transaction(vec![])).0, 400);
    let nameless = vec![commit_of(json!([]), json!([]))];
    assert_eq!(refusal(catalog.commit_transaction(nameless)).0, 400);
}

#[test]
fn a_table_is_registered_by_its_metadata_file() {
    let (world, lake) = with_namespace();
    let catalog = lake.catalog();
    let made = make_table(&lake, "t");
    let changed = commit_of(json!([]), json!([set("k", "v")]));
    let changed = catalog.commit_table(&levels("a"), "t", changed).unwrap();
    let register = |name: &str, location: &Option<String>, overwrite: bool| {
        let request: RegisterTableRequest = parse(json!({
            "name": name, "metadata-location": location, "overwrite": overwrite}));
        catalog.register_table(&levels("a"), request)
    };
    let known = refusal(register("u", &made.metadata_location, false));
    assert_eq!((known.0, known.2.contains("as a.t")), (400, true), "{}", known.2);
    catalog.drop_table(&levels("a"), "t", false).unwrap();
    let back = register("u", &made.metadata_location, false).unwrap();
    assert_eq!(back.metadata.uuid(), made.metadata.uuid());
    let again = refusal(register("u", &changed.metadata_location, false));
    assert_eq!(again.2, "Table already exists: a.u");
    let forward = register("u", &changed.metadata_location, true).unwrap();
    assert_eq!(forward.metadata.properties()["k"], "v");
    let next = commit_of(json!([]), json!([set("k", "w")]));
    let next = catalog.commit_table(&levels("a"), "u", next).unwrap();
    assert!(next.metadata_location.unwrap().contains("/metadata/00003-"));

    let inside = world.dir.path().join("warehouse/x.metadata.json");
    std::fs::write(&inside, "{}").unwrap();
    for location in [
        "file:///etc/passwd".to_string(),
        files::location_of(&world.dir.path().join("warehouse/none.metadata.json")),
        files::location_of(&world.dir.path().join("warehouse/x.parquet")),
        files::location_of(&inside),
    ] {
        let refused = refusal(register("v", &Some(location.clone()), false));
        assert_eq!(refused.0, 400, "{location}: {}", refused.2);
    }
}

/// What a crash leaves while a metadata file is written: the file, or not yet, and its record.
#[test]
fn what_a_crash_left_of_a_commit_is_removed() {
    let (world, lake) = with_namespace();
    let made = make_table(&lake, "t");
    drop(lake);
    let orphan = path(&made.metadata_location).with_file_name("00002-x.metadata.json");
    std::fs::write(&orphan, "{").unwrap();
    let never = files::location_of(&orphan.with_file_name("00003-x.metadata.json"));
    let unwanted = Unwanted::Files(vec![files::location_of(&orphan), never]);
    let key = records::unique_key(records::WRITING, Uuid::from_u128(1));
    let left = LogChange::Put { key, value: records::encode(&unwanted) };
    world.store.metadata().apply(vec![left]).wait().unwrap();

    let lake = world.lake(&[]);
    wait_until("the orphan is removed", || !orphan.exists());
    let metadata = world.store.metadata();
    wait_until("and its record", || metadata.scan(records::GARBAGE).is_empty());
    assert!(metadata.scan(records::WRITING).is_empty());
    assert_eq!(load_own(&lake, "a", "t").unwrap().version, made.version);
}

#[test]
fn former_metadata_files_are_removed_if_the_table_says_so() {
    let (world, lake) = with_namespace();
    let trimmed = json!({"properties": {"write.metadata.delete-after-commit.enabled": "true",
        "write.metadata.previous-versions-max": "1"}});
    let catalog = lake.catalog();
    catalog.create_table(&levels("a"), creation("t", trimmed)).unwrap();
    for number in 0..5 {
        let commit = commit_of(json!([]), json!([set("k", &number.to_string())]));
        catalog.commit_table(&levels("a"), "t", commit).unwrap();
    }
    wait_until("two metadata files are left", || world.files().len() == 2);
}

fn with_topic() -> (World, Arc<Lake>, LakeTopic) {
    let orders = topic(1, "Orders", 1);
    let world = World::new(std::slice::from_ref(&orders));
    let lake = world.lake(std::slice::from_ref(&orders));
    for value in ["a", "b"] {
        world.append(&orders, 0, &[value]);
        load(&lake, "orders").unwrap();
    }
    (world, lake, orders)
}

#[test]
fn topics_tables_take_what_readers_need_and_flushes_go_on() {
    let (world, lake, orders) = with_topic();
    let catalog = lake.catalog();
    let kafka = levels("kafka");
    let before = load(&lake, "orders").unwrap();
    let current = before.metadata.current_snapshot_id().unwrap();
    let old = before.metadata.snapshots().map(|s| s.snapshot_id()).find(|id| *id != current);
    let expire = json!([{"action": "remove-snapshots", "snapshot-ids": [old.unwrap()]},
        set("read.split.target-size", "1024")]);
    let changed = catalog.commit_table(&kafka, "orders", commit_of(json!([]), expire)).unwrap();
    assert_eq!(changed.metadata.snapshots().count(), 1);
    assert_eq!(changed.config, before.config, "the marker stays");

    world.append(&orders, 0, &["c"]);
    let after = load(&lake, "orders").unwrap();
    assert_eq!(rows(&after).len(), 3);
    assert_eq!(after.metadata.properties()["read.split.target-size"], "1024");
    assert_eq!(after.metadata.snapshots().count(), 2);

    drop(lake);
    let lake = world.lake(std::slice::from_ref(&orders));
    world.append(&orders, 0, &["d"]);
    let after = load(&lake, "orders").unwrap();
    assert_eq!(rows(&after).len(), 4);
    assert_eq!(after.metadata.properties()["read.split.target-size"], "1024");
    let stale = json!([{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": current}]);
    let stale = commit_of(stale, json!([set("comment", "x")]));
    let refused = refusal(lake.catalog().commit_table(&kafka, "orders", stale));
    assert_eq!(refused.1, "CommitFailedException");
}

/// Engines change what they may while the topic is written and read: nothing is lost on either
/// side, and no row comes twice.
#[test]
fn changes_and_flushes_of_a_topics_table_do_not_lose_each_other() {
    let (world, lake, orders) = with_topic();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..20 {
                world.append(&orders, 0, &[&format!("x{number}")]);
                load(&lake, "orders").unwrap();
            }
        });
        for engine in 0..2 {
            let (catalog, kafka) = (lake.catalog(), levels("kafka"));
            scope.spawn(move || {
                for number in 0..20 {
                    let key = format!("read.{engine}.{number}");
                    let commit = commit_of(json!([]), json!([set(&key, "1")]));
                    catalog.commit_table(&kafka, "orders", commit).unwrap();
                }
            });
        }
    });
    let table = load(&lake, "orders").unwrap();
    assert_eq!(rows(&table).len(), 22);
    let set = table.metadata.properties().keys().filter(|key| key.starts_with("read."));
    assert_eq!(set.count(), 40);
}

#[test]
fn topics_tables_and_their_namespace_are_not_for_engines_to_arrange() {
    let (_world, lake, _) = with_topic();
    let catalog = lake.catalog();
    make_namespace(&lake, "a").unwrap();
    let kafka = levels("kafka");
    let orders: iceberg::TableIdent = parse(json!({"namespace": ["kafka"], "name": "orders"}));
    let file = load(&lake, "orders").unwrap().metadata_location;
    let table = "Table kafka.orders is the table of topic Orders";
    let namespace = "Namespace kafka holds the tables of topics";
    let part = || {
        parse::<CommitTableRequest>(
            json!({"identifier": orders, "requirements": [], "updates": []}),
        )
    };
    let other = parse(json!({"identifier": in_a("t"), "requirements": [], "updates": []}));
    let register = |name: &str, namespace: &[String]| {
        let request = parse(json!({"name": name, "metadata-location": file}));
        catalog.register_table(namespace, request).map(drop)
    };
    let create = |name: &str| catalog.create_table(&kafka, creation(name, json!({}))).map(drop);
    let update = parse(json!({"updates": {"k": "v"}}));
    for (refused, status, message) in [
        (catalog.drop_table(&kafka, "orders", true), 403, table),
        (catalog.rename_table(&orders, &in_a("t")), 403, table),
        (catalog.commit_transaction(vec![part(), other]), 403, table),
        (create("new"), 403, namespace),
        (create("orders"), 409, "Table already exists: kafka.orders"),
        (register("new", &kafka), 403, namespace),
        (register("new", &levels("a")), 403, "Location "),
        (catalog.drop_namespace(&kafka), 403, namespace),
        (catalog.update_namespace(&kafka, update).map(drop), 403, namespace),
        (make_namespace(&lake, "kafka.b").map(drop), 403, namespace),
        (make_namespace(&lake, "kafka").map(drop), 409, "Namespace already exists: kafka"),
        (catalog.drop_table(&kafka, "none", true), 404, "Table does not exist: kafka.none"),
    ] {
        let (found, _, text) = refusal(refused);
        assert_eq!((found, text.starts_with(message)), (status, true), "{text}");
    }
    catalog.commit_transaction(vec![part()]).unwrap();
    assert_eq!(rows(&load(&lake, "orders").unwrap()).len(), 2, "nothing happened");
}

#[test]
fn a_namespace_of_engines_is_never_taken_for_topics() {
    let (world, lake) = with_namespace();
    drop(lake);
    let options = LakeOptions {
        namespace: "a".into(),
        ..LakeOptions::new(world.dir.path().join("warehouse"), world.dir.path().join("spool"))
    };
    let error = Lake::open(Arc::clone(&world.store), options).unwrap_err().to_string();
    assert!(error.contains("set lake.namespace"), "{error}");
}

mod answers;
