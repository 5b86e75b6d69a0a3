//! Tables whose topics are deleted, leave the lake and come back.

use super::*;

fn delete(world: &World, lake: &Lake, topic: &LakeTopic, then: OnTopicDelete) {
    let changes = lake.retire_topic(topic.id, then);
    world.store.metadata().apply(changes).wait().unwrap();
    world.store.remove_topic(topic.id);
    lake.remove_topic(topic.id);
}

/// The topic `orders` was deleted when its table had one row; the table is kept as `orders__abcd1234`.
fn with_a_kept_table() -> (World, Arc<Lake>) {
    let first = topic(0xabcd_1234 << 96, "orders", 1);
    let world = World::new(std::slice::from_ref(&first));
    let lake = world.lake(std::slice::from_ref(&first));
    world.append(&first, 0, &["a"]);
    load(&lake, "orders").unwrap();
    delete(&world, &lake, &first, OnTopicDelete::Keep);
    (world, lake)
}

#[test]
fn a_kept_table_outlives_its_topic_under_another_name() {
    let (world, lake) = with_a_kept_table();
    let kept = "orders__abcd1234";
    assert_eq!(listed(&lake), [kept]);

    let second = topic(2, "orders", 1);
    world.store.add_topic(spec(&second));
    lake.add_topic(second.clone());
    world.append(&second, 0, &["b"]);
    let mut lake = Some(lake);
    for round in 0..2 {
        let lake = lake.take().unwrap_or_else(|| world.lake(std::slice::from_ref(&second)));
        assert_eq!(listed(&lake), ["orders", kept]);
        assert_eq!(rows(&load(&lake, "orders").unwrap()), owned(&[(0, 0, "b")]));
        let table = load(&lake, kept).unwrap();
        assert_eq!(rows(&table), owned(&[(0, 0, "a")]));
        assert_eq!(table.config["strom.fresh"], "true", "there will never be more");
        let status = lake.status().tables.into_iter().find(|table| table.table == kept).unwrap();
        assert!(matches!(status.state, TableState::Frozen { .. }), "round {round}: {status:?}");
    }
}

#[test]
fn a_kept_table_has_its_name_and_no_topic_gets_it() {
    let (world, lake) = with_a_kept_table();
    let namesake = topic(2, "orders__abcd1234", 1);
    world.store.add_topic(spec(&namesake));
    lake.add_topic(namesake.clone());
    world.append(&namesake, 0, &["b"]);
    assert_eq!(rows(&load(&lake, "orders__abcd1234").unwrap()), owned(&[(0, 0, "a")]));
    let states = lake.status().tables.into_iter().map(|table| table.state);
    assert!(states.into_iter().any(|state| matches!(state, TableState::Suspended { .. })));
}

#[test]
fn a_crash_while_a_topic_is_deleted_purges_all_of_it_at_the_next_start() {
    let orders = topic(1, "orders", 1);
    let world = World::new(std::slice::from_ref(&orders));
    let lake = world.lake(std::slice::from_ref(&orders));
    world.append(&orders, 0, &["a"]);
    load(&lake, "orders").unwrap();
    let changes = lake.retire_topic(orders.id, OnTopicDelete::Purge);
    world.store.metadata().apply(changes).wait().unwrap();
    world.append(&orders, 0, &["b"]);
    assert!(load(&lake, "orders").is_err(), "a retired table does not move");
    drop(lake);
    world.store.remove_topic(orders.id);
    assert!(!world.files().is_empty());
    let lake = world.lake(&[]);
    wait_until("the purge", || world.files().is_empty());
    let notes = || world.store.metadata().scan(purge::PREFIX).len();
    wait_until("the note to go", || notes() == 0);
    drop(lake);
}

#[test]
fn a_directory_that_is_a_table_is_never_swept_up() {
    let world = World::new(&[]);
    let strangers = topic(7, "strangers", 1);
    let root = files::location_of(&world.dir.path().join("warehouse"));
    let make = |name: &str, file: &str| {
        let location = names::location_of(&root, "kafka", name, strangers.id);
        let path = files::path_of(&format!("{location}/{file}")).to_path_buf();
        files::create_dir_synced(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "x").unwrap();
        path
    };
    let table = make("table", "metadata/00001-x.metadata.json");
    let never = make("never", "data/00000001-000-x.parquet");
    let lake = world.lake(&[]);
    wait_until("the purge", || !never.exists());
    assert!(table.exists());
    drop(lake);
}

#[test]
fn a_table_can_be_read_while_its_topic_is_not_in_the_lake_and_catches_up_afterwards() {
    let orders = topic(1, "orders", 1);
    let topics = std::slice::from_ref(&orders);
    let world = World::new(topics);
    let lake = world.lake(topics);
    world.append(&orders, 0, &["a"]);
    load(&lake, "orders").unwrap();
    lake.withdraw_topic(orders.id);
    drop(lake);
    world.append(&orders, 0, &["b"]);

    // Nobody tells the new lake of the topic: it is disabled.
    let lake = world.lake(&[]);
    let table = load(&lake, "orders").unwrap();
    assert_eq!(rows(&table), owned(&[(0, 0, "a")]));
    assert_eq!(table.config["strom.fresh"], "false");
    let status = &lake.status().tables[0];
    assert!(matches!(status.state, TableState::Frozen { .. }), "{status:?}");
    assert_eq!(status.lag_records, 0, "nothing waits");
    lake.add_topic(orders.clone());
    assert_eq!(rows(&load(&lake, "orders").unwrap()), owned(&[(0, 0, "a"), (0, 1, "b")]));

    lake.withdraw_topic(orders.id);
    delete(&world, &lake, &orders, OnTopicDelete::Purge);
    wait_until("the purge", || world.files().is_empty());
    assert!(listed(&lake).is_empty());
}

#[test]
fn enabling_the_lake_takes_everything_that_the_topic_has() {
    let old = topic(1, "old", 2);
    let world = World::new(std::slice::from_ref(&old));
    let lake = world.lake(&[]);
    world.append(&old, 0, &["a", "b"]);
    world.append(&old, 1, &["c"]);
    assert_eq!(load(&lake, "old").unwrap_err().status, 404);
    lake.add_topic(old.clone());
    let wanted = owned(&[(0, 0, "a"), (0, 1, "b"), (1, 0, "c")]);
    assert_eq!(rows(&load(&lake, "old").unwrap()), wanted);
}

#[test]
fn loads_within_the_interval_are_answered_without_a_flush() {
    let mut orders = topic(1, "orders", 1);
    orders.read_flush_min_interval = Duration::from_secs(10);
    let topics = std::slice::from_ref(&orders);
    let world = World::new(topics);
    let lake = world.lake(topics);
    world.append(&orders, 0, &["a"]);
    assert_eq!(rows(&load(&lake, "orders").unwrap()).len(), 1, "the first has nothing to show");
    world.append(&orders, 0, &["b"]);
    world.now_ms.fetch_add(9_999, Ordering::SeqCst);
    let stale = load(&lake, "orders").unwrap();
    assert_eq!((rows(&stale).len(), stale.config["strom.fresh"].as_str()), (1, "false"));
    world.now_ms.fetch_add(1, Ordering::SeqCst);
    let fresh = load(&lake, "orders").unwrap();
    assert_eq!((rows(&fresh).len(), fresh.config["strom.fresh"].as_str()), (2, "true"));
}

#[test]
fn a_note_of_a_newer_release_is_refused_and_nothing_is_touched() {
    let orders = topic(1, "orders", 1);
    let world = World::new(std::slice::from_ref(&orders));
    let lake = world.lake(std::slice::from_ref(&orders));
    world.append(&orders, 0, &["a"]);
    let location = load(&lake, "orders").unwrap().metadata.location().to_string();
    drop(lake);
    let before = world.files();
    let metadata = world.store.metadata();
    let newer = Change::Put { key: purge::key(&location), value: (b"\x02" as &[u8]).into() };
    metadata.apply(vec![purge::note("file:///elsewhere"), newer]).wait().unwrap();
    let notes = metadata.scan(purge::PREFIX);
    let error = Lake::open(Arc::clone(&world.store), world.options()).unwrap_err();
    assert!(error.to_string().contains("newer than this release's 1"), "{error}");
    assert_eq!(world.files(), before);
    assert_eq!(metadata.scan(purge::PREFIX), notes);
}
