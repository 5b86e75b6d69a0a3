use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use strom_protocol::Uuid;
use strom_protocol::record::{BatchBuilder, Compression, Scratch};
use strom_storage::io::simulated::SimulatedDisk;
use strom_storage::{AppendRequest, DataDir, Origin, PartitionSettings, StoreOptions, TopicSpec};

use super::*;
use crate::catalog::{CatalogError, LoadedTable, Page};
use crate::scheduler::block_on;
use crate::{Clock, manifest, parquet};

mod ahead;
mod guard;
mod lifecycle;
mod partitioned;
mod retention;
mod trouble;

const NOW: i64 = 1_700_000_000_000;

/// A store and a warehouse in a temporary directory; lakes are opened over them.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Arc<Store>,
    now_ms: Arc<AtomicI64>,
}

pub(crate) fn topic(number: u128, name: &str, partitions: i32) -> LakeTopic {
    let mut topic = LakeTopic::new(TopicId(Uuid::from_u128(number)), name, partitions, NOW);
    topic.created_ms += number as i64;
    topic
}

fn spec(topic: &LakeTopic) -> TopicSpec {
    TopicSpec {
        id: topic.id,
        name: topic.name.clone(),
        partitions: topic.partitions,
        settings: PartitionSettings {
            timestamp_after_max_ms: i64::MAX,
            ..PartitionSettings::default()
        },
        min_log_end: Vec::new(),
    }
}

fn open_store(data_dir: DataDir, topics: &[LakeTopic]) -> Arc<Store> {
    let metadata = MetadataLog::open(&data_dir).unwrap();
    let floors = committed_offsets(&metadata);
    let specs = topics.iter().map(|topic| {
        let min_log_end = floors.get(&topic.id).cloned().unwrap_or_default();
        TopicSpec { min_log_end, ..spec(topic) }
    });
    let options = StoreOptions { journal_file_bytes: 4 << 20, ..StoreOptions::default() };
    Store::open(data_dir, metadata, options, specs.collect::<Vec<_>>(), NOW).unwrap().0
}

impl World {
    pub(crate) fn new(topics: &[LakeTopic]) -> World {
        let dir = tempfile::tempdir().unwrap();
        let store = open_store(DataDir::open(dir.path().join("data")).unwrap(), topics);
        World { dir, store, now_ms: Arc::new(AtomicI64::new(NOW)) }
    }

    /// The store on a disk that can fail, the warehouse in a real directory.
    pub(crate) fn on(disk: &SimulatedDisk, dir: tempfile::TempDir) -> World {
        let store = open_store(DataDir::open_on(Arc::new(disk.clone()), "/data").unwrap(), &[]);
        World { dir, store, now_ms: Arc::new(AtomicI64::new(NOW)) }
    }

    pub(crate) fn options(&self) -> LakeOptions {
        let now_ms = Arc::clone(&self.now_ms);
        let clock: Clock = Arc::new(move || now_ms.load(Ordering::SeqCst));
        LakeOptions {
            clock,
            fail_on_timeout: true,
            read_flush_timeout: Duration::from_secs(60),
            ..LakeOptions::new(self.dir.path().join("warehouse"), self.dir.path().join("spool"))
        }
    }

    pub(crate) fn lake(&self, topics: &[LakeTopic]) -> Arc<Lake> {
        self.lake_with(topics, self.options(), None)
    }

    pub(crate) fn lake_with(
        &self,
        topics: &[LakeTopic],
        options: LakeOptions,
        fault: Option<FaultHook>,
    ) -> Arc<Lake> {
        let lake = Lake::open_with(Arc::clone(&self.store), options, fault).unwrap();
        topics.iter().for_each(|topic| lake.add_topic(topic.clone()));
        lake
    }

    /// Appends values to a partition, durable when this returns.
    pub(crate) fn append(&self, topic: &LakeTopic, partition: i32, values: &[&str]) {
        self.append_rows(topic, partition, values.iter().map(|value| (NOW, value.to_string())));
    }

    /// Appends one value per timestamp to the first partition: the timestamp.
    fn append_at(&self, topic: &LakeTopic, timestamps: &[i64]) {
        self.append_rows(topic, 0, timestamps.iter().map(|at| (*at, at.to_string())));
    }

    fn append_rows(
        &self,
        topic: &LakeTopic,
        partition: i32,
        rows: impl Iterator<Item = (i64, String)>,
    ) {
        let mut builder = BatchBuilder::new(Compression::None);
        for (timestamp, value) in rows {
            builder.append(timestamp, None, Some(value.as_bytes()), &[]);
        }
        let records = builder.build();
        let request = AppendRequest {
            frame_bytes: records.len(),
            records,
            zstd_allowed: true,
            origin: Origin::Client,
            now_ms: NOW,
            scratch: &mut Scratch::default(),
        };
        let partition = self.store.partition(topic.id, partition).unwrap();
        block_on(partition.append(request).unwrap().ticket.durable()).unwrap();
    }

    pub(crate) fn files(&self) -> Vec<String> {
        fn walk(dir: &Path, names: &mut Vec<String>) {
            for (name, path) in files::list(dir).unwrap() {
                if path.is_dir() { walk(&path, names) } else { names.push(name) }
            }
        }
        let mut names = Vec::new();
        walk(&self.dir.path().join("warehouse"), &mut names);
        names.sort();
        names
    }
}

fn kafka() -> Vec<String> {
    vec!["kafka".into()]
}

pub(crate) fn load(lake: &Lake, table: &str) -> Result<LoadedTable, CatalogError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(lake.catalog().load_table(&kafka(), table))
}

fn listed(lake: &Lake) -> Vec<String> {
    let tables = lake.catalog().list_tables(&kafka(), &Page::default()).unwrap();
    tables.identifiers.iter().map(|ident| ident.name().to_string()).collect()
}

/// (partition, offset, value) of every row, as an engine finds them: from the metadata down.
pub(crate) fn rows(table: &LoadedTable) -> Vec<(i32, i64, String)> {
    let snapshot = table.metadata.current_snapshot().expect("a snapshot");
    let list = files::read(files::path_of(snapshot.manifest_list())).unwrap();
    let mut rows = Vec::new();
    let mut counted = 0;
    for manifest in manifest::decode_list(&list).unwrap() {
        let bytes = files::read(files::path_of(&manifest.manifest_path)).unwrap();
        let entries = manifest::decode_entries(&manifest, bytes.into()).unwrap();
        for entry in entries.iter().filter(|entry| entry.is_alive()) {
            counted += entry.record_count();
            let path = files::path_of(entry.file_path());
            let file = parquet::tests::rows_of(path).into_iter();
            rows.extend(file.map(|(partition, offset, _, _, value, _)| {
                (partition, offset, String::from_utf8(value.unwrap()).unwrap())
            }));
        }
    }
    let total = &snapshot.summary().additional_properties["total-records"];
    assert_eq!((counted, total.parse().unwrap()), (rows.len() as u64, rows.len() as u64));
    rows.sort();
    rows
}

fn owned(rows: &[(i32, i64, &str)]) -> Vec<(i32, i64, String)> {
    rows.iter().map(|&(partition, offset, value)| (partition, offset, value.into())).collect()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_load_has_every_record_acknowledged_before_it() {
    let orders = topic(1, "Shop.Orders", 2);
    let world = World::new(std::slice::from_ref(&orders));
    let lake = world.lake(std::slice::from_ref(&orders));
    world.append(&orders, 1, &["a", "b"]);
    world.append(&orders, 0, &["c"]);
    let table = load(&lake, "shop_orders").unwrap();
    assert_eq!(rows(&table), owned(&[(0, 0, "c"), (1, 0, "a"), (1, 1, "b")]));
    assert_eq!(table.config["strom.fresh"], "true");
    assert_eq!(table.config["strom.offsets"], "{\"0\":1,\"1\":2}");
    assert!(table.metadata_location.as_ref().unwrap().starts_with("file:///"));

    let again = load(&lake, "shop_orders").unwrap();
    assert_eq!(again.version, table.version, "nothing new is no commit");
    world.append(&orders, 0, &["d"]);
    let after = load(&lake, "shop_orders").unwrap();
    assert_ne!(after.version, table.version);
    assert_eq!(rows(&after).len(), 4);
    assert_eq!(after.metadata.uuid(), table.metadata.uuid());
}

#[test]
fn a_topic_without_a_record_has_no_table_and_looking_makes_none() {
    let quiet = topic(1, "quiet", 1);
    let world = World::new(std::slice::from_ref(&quiet));
    let lake = world.lake(std::slice::from_ref(&quiet));
    assert!(listed(&lake).is_empty());
    assert_eq!(lake.catalog().table_exists(&kafka(), "quiet").unwrap_err().status, 404);
    let missing = load(&lake, "quiet").unwrap_err();
    assert_eq!((missing.status, missing.kind), (404, "NoSuchTableException"));
    assert_eq!(missing.message, "Table does not exist: kafka.quiet");

    world.append(&quiet, 0, &["a"]);
    assert_eq!(listed(&lake), ["quiet"]);
    lake.catalog().table_exists(&kafka(), "quiet").unwrap();
    assert!(world.files().is_empty(), "listing and exists never flush");
    assert_eq!(rows(&load(&lake, "quiet").unwrap()).len(), 1);
}

/// The process is gone: the store is closed, and opened again.
fn reopen(world: World, topics: &[LakeTopic]) -> World {
    world.store.close().unwrap();
    let World { dir, store, now_ms } = world;
    drop(store);
    let data_dir = DataDir::open(dir.path().join("data")).unwrap();
    World { store: open_store(data_dir, topics), dir, now_ms }
}

/// Stops the first flush that reaches `step`, once.
fn stop_at(step: Step) -> FaultHook {
    let armed = AtomicBool::new(true);
    Arc::new(move |reached| reached == step && armed.swap(false, Ordering::SeqCst))
}

#[test]
fn a_crash_between_any_two_steps_neither_loses_nor_doubles_a_row() {
    for step in Step::ALL {
        for is_first_commit in [true, false] {
            let orders = topic(1, "orders", 2);
            let topics = std::slice::from_ref(&orders);
            let mut world = World::new(topics);
            let mut wanted = owned(&[(0, 0, "a"), (0, 1, "b"), (1, 0, "c")]);
            if !is_first_commit {
                world.append(&orders, 0, &["a", "b"]);
                assert_eq!(rows(&load(&world.lake(topics), "orders").unwrap()).len(), 2);
            } else {
                world.append(&orders, 0, &["a", "b"]);
            }
            world.append(&orders, 1, &["c"]);
            let lake = world.lake_with(topics, world.options(), Some(stop_at(step)));
            let error = load(&lake, "orders").unwrap_err();
            assert_eq!(error.status, 503, "{step:?}: {error}");
            drop(lake);

            world = reopen(world, topics);
            let lake = world.lake(topics);
            assert_eq!(rows(&load(&lake, "orders").unwrap()), wanted, "{step:?}");
            world.append(&orders, 1, &["d"]);
            wanted.push((1, 1, "d".into()));
            let table = load(&lake, "orders").unwrap();
            assert_eq!(rows(&table), wanted, "{step:?}");
            no_file_is_unreferenced(&world, &table);
        }
    }
}

fn no_file_is_unreferenced(world: &World, table: &LoadedTable) {
    let mut known: Vec<String> = vec![table.metadata_location.clone().unwrap()];
    known.extend(table.metadata.metadata_log().iter().map(|log| log.metadata_file.clone()));
    for snapshot in table.metadata.snapshots() {
        known.push(snapshot.manifest_list().to_string());
        let list = files::read(files::path_of(snapshot.manifest_list())).unwrap();
        for manifest in manifest::decode_list(&list).unwrap() {
            let bytes = files::read(files::path_of(&manifest.manifest_path)).unwrap();
            let entries = manifest::decode_entries(&manifest, bytes.into()).unwrap();
            known.extend(entries.iter().map(|entry| entry.file_path().to_string()));
            known.push(manifest.manifest_path.clone());
        }
    }
    let mut names: Vec<&str> = known.iter().map(|k| k.rsplit('/').next().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(world.files(), names);
}

#[test]
fn a_load_that_is_too_slow_is_stale_or_fails_as_the_topic_has_it() {
    let mut orders = topic(1, "orders", 1);
    orders.read_flush_timeout = Some(Duration::from_millis(20));
    orders.fail_on_timeout = Some(false);
    let topics = std::slice::from_ref(&orders);
    let world = World::new(topics);
    world.append(&orders, 0, &["a"]);
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let hook: FaultHook = Arc::new(move |step| {
        // Ends when the sender is dropped: from then on nothing blocks.
        if step == Step::DataFilesWritten {
            let _released = blocked.lock().unwrap().recv();
        }
        false
    });
    let lake = world.lake_with(topics, world.options(), Some(hook));
    let nothing = load(&lake, "orders").unwrap_err();
    assert_eq!((nothing.status, nothing.retry_after_seconds), (503, Some(1)));
    assert!(nothing.message.contains("it was not committed within 20 ms"), "{nothing}");
    release.send(()).unwrap();
    wait_until("the first commit", || load(&lake, "orders").is_ok());

    world.append(&orders, 0, &["b"]);
    let stale = load(&lake, "orders").unwrap();
    assert_eq!((rows(&stale).len(), stale.config["strom.fresh"].as_str()), (1, "false"));
    assert_eq!(stale.config["strom.offsets"], "{\"0\":1}");
    let failing = LakeTopic { fail_on_timeout: Some(true), ..orders.clone() };
    lake.add_topic(failing);
    assert_eq!(load(&lake, "orders").unwrap_err().status, 503);
    drop(release);
    wait_until("a fresh load", || load(&lake, "orders").is_ok_and(|t| rows(&t).len() == 2));
}

#[test]
fn one_topics_failure_is_said_and_stops_no_other() {
    let (broken, healthy) = (topic(1, "broken", 1), topic(2, "healthy", 1));
    let topics = [broken.clone(), healthy.clone()];
    let world = World::new(&topics);
    let lake = world.lake(&topics);
    let options = world.options();
    let root = lake.warehouse().root();
    let occupied = names::location_of(root, &options.namespace, "broken", broken.id);
    let occupied = files::path_of(&occupied);
    std::fs::write(occupied, "not a directory").unwrap();
    for topic in &topics {
        world.append(topic, 0, &["a"]);
    }
    let error = load(&lake, "broken").unwrap_err();
    assert!(error.status == 503 && error.message.contains("kafka.broken"), "{error}");
    assert_eq!(rows(&load(&lake, "healthy").unwrap()).len(), 1);
    let status = lake.status();
    let TableState::BackingOff { reason, retry_at_ms } = &status.tables[0].state else {
        panic!("{status:?}")
    };
    assert!(reason.contains("broken-") && *retry_at_ms > NOW, "{reason}");
    assert_eq!(status.tables[1].state, TableState::Current);

    std::fs::remove_file(occupied).unwrap();
    world.now_ms.fetch_add(1_000, Ordering::SeqCst);
    assert_eq!(rows(&load(&lake, "broken").unwrap()).len(), 1, "it heals");
}

#[test]
fn the_earlier_topic_has_the_table_and_the_later_one_is_suspended() {
    let (later, earlier) = (topic(2, "a.b", 1), topic(1, "A_b", 1));
    let topics = [later.clone(), earlier.clone()];
    let world = World::new(&topics);
    let lake = world.lake(&topics);
    world.append(&later, 0, &["later"]);
    world.append(&earlier, 0, &["earlier"]);
    assert_eq!(rows(&load(&lake, "a_b").unwrap()), owned(&[(0, 0, "earlier")]));
    let suspended = lake.status().tables.into_iter().find(|table| table.topic == "a.b").unwrap();
    let reason = "the table name a_b belongs to topic A_b".to_string();
    assert_eq!(suspended.state, TableState::Suspended { reason });
    assert_eq!(listed(&lake), ["a_b"]);

    world.store.remove_topic(earlier.id);
    lake.remove_topic(earlier.id);
    assert_eq!(rows(&load(&lake, "a_b").unwrap()), owned(&[(0, 0, "later")]));
}

#[test]
fn a_deleted_topics_files_are_purged_and_its_successor_is_another_table() {
    let first = topic(1, "orders", 1);
    let world = World::new(std::slice::from_ref(&first));
    let lake = world.lake(std::slice::from_ref(&first));
    world.append(&first, 0, &["a"]);
    let before = load(&lake, "orders").unwrap();
    world.store.remove_topic(first.id);
    lake.remove_topic(first.id);
    wait_until("the purge", || world.files().is_empty());
    assert_eq!(load(&lake, "orders").unwrap_err().status, 404);

    let second = topic(2, "orders", 1);
    world.store.add_topic(spec(&second));
    lake.add_topic(second.clone());
    assert!(listed(&lake).is_empty());
    world.append(&second, 0, &["b"]);
    let after = load(&lake, "orders").unwrap();
    assert_eq!(rows(&after), owned(&[(0, 0, "b")]));
    assert_ne!(after.metadata.uuid(), before.metadata.uuid());
    assert_ne!(after.metadata.location(), before.metadata.location());
}

#[test]
fn what_a_crash_left_of_a_deleted_topic_is_purged_at_the_next_start() {
    let orders = topic(1, "orders", 1);
    let world = World::new(std::slice::from_ref(&orders));
    let lake = world.lake(std::slice::from_ref(&orders));
    world.append(&orders, 0, &["a"]);
    load(&lake, "orders").unwrap();
    drop(lake);
    world.store.remove_topic(orders.id);
    let lake = world.lake(&[]);
    wait_until("the purge", || world.files().is_empty());
    assert!(world.store.metadata().scan(pointer::PREFIX).is_empty());
    drop(lake);
}

#[test]
fn lag_commits_by_itself_after_a_while_or_enough_bytes() {
    let (by_time, by_bytes) = (topic(1, "by_time", 1), topic(2, "by_bytes", 1));
    let topics = [by_time.clone(), by_bytes.clone()];
    let world = World::new(&topics);
    let mut options = world.options();
    options.commit_bytes = 10_000;
    let lake = world.lake_with(&topics, options, None);
    let large = "x".repeat(10_000);
    world.append(&by_bytes, 0, &[&large]);
    let commits = |topic: &str| {
        let tables = lake.status().tables;
        tables.iter().find(|table| table.topic == topic).unwrap().totals.commits
    };
    wait_until("a commit by bytes", || commits("by_bytes") == 1);
    world.append(&by_time, 0, &["a"]);
    let by_time_lags = |t: &TableStatus| t.topic == "by_time" && t.lagging_since_ms.is_some();
    let lagging = || lake.status().tables.iter().any(by_time_lags);
    wait_until("the lag to be seen", lagging);
    assert_eq!(commits("by_time"), 0);
    world.now_ms.fetch_add(600_000, Ordering::SeqCst);
    wait_until("a commit by time", || commits("by_time") == 1);
}

#[test]
fn many_commits_keep_few_manifests_and_trimmed_files() {
    let orders = topic(1, "orders", 1);
    let world = World::new(std::slice::from_ref(&orders));
    let lake = world.lake(std::slice::from_ref(&orders));
    let commits = 130;
    for index in 0..commits {
        world.append(&orders, 0, &[&format!("{index}")]);
        world.now_ms.fetch_add(60_000, Ordering::SeqCst);
        load(&lake, "orders").unwrap();
    }
    let table = load(&lake, "orders").unwrap();
    assert_eq!(rows(&table).len(), commits);
    let list = table.metadata.current_snapshot().unwrap().manifest_list();
    let manifests = manifest::decode_list(&files::read(files::path_of(list)).unwrap()).unwrap();
    assert!(manifests.len() <= manifest::MERGE_COUNT + 2, "{}", manifests.len());
    let count = |end: &str| world.files().iter().filter(|name| name.ends_with(end)).count();
    assert_eq!(count(".parquet"), commits);
    assert_eq!(count(".metadata.json"), 11);
    let snapshots = table.metadata.snapshots().len();
    let lists = world.files().iter().filter(|name| name.starts_with("snap-")).count();
    assert!(lists < snapshots + 25, "{lists} lists, {snapshots} snapshots");
}

#[test]
fn a_topic_whose_records_are_gone_is_an_empty_table() {
    let orders = topic(1, "orders", 1);
    let world = World::new(std::slice::from_ref(&orders));
    world.append(&orders, 0, &["a", "b"]);
    let partition = world.store.partition(orders.id, 0).unwrap();
    partition.advance_log_start(2).unwrap().wait().unwrap();
    let lake = world.lake(std::slice::from_ref(&orders));
    let table = load(&lake, "orders").unwrap();
    assert_eq!(table.metadata.current_snapshot_id(), None);
    assert_eq!(table.config["strom.offsets"], "{\"0\":2}");
    world.append(&orders, 0, &["c"]);
    assert_eq!(rows(&load(&lake, "orders").unwrap()), owned(&[(0, 2, "c")]));
}

#[test]
fn a_table_stays_where_it_is_when_the_warehouse_changes() {
    let orders = topic(1, "orders", 1);
    let topics = std::slice::from_ref(&orders);
    let world = World::new(topics);
    world.append(&orders, 0, &["a"]);
    let before = load(&world.lake(topics), "orders").unwrap();
    let mut options = world.options();
    options.warehouse = world.dir.path().join("elsewhere").into();
    let lake = world.lake_with(topics, options, None);
    world.append(&orders, 0, &["b"]);
    let after = load(&lake, "orders").unwrap();
    assert_eq!(rows(&after).len(), 2);
    assert_eq!(after.metadata.location(), before.metadata.location());
    no_file_is_unreferenced(&world, &after);
}

#[test]
fn a_withdrawn_topic_takes_no_more_and_goes_on_where_it_ended() {
    let orders = topic(1, "orders", 1);
    let world = World::new(std::slice::from_ref(&orders));
    let lake = world.lake(std::slice::from_ref(&orders));
    world.append(&orders, 0, &["a"]);
    load(&lake, "orders").unwrap();
    let files = world.files();
    lake.withdraw_topic(orders.id);
    lake.withdraw_topic(orders.id);
    world.append(&orders, 0, &["b"]);
    block_on(lake.commit_below(orders.id, &[(0, 2)])).unwrap();
    assert_eq!(world.files(), files);
    assert_eq!(listed(&lake), ["orders"], "what is there can be read");
    let loaded = load(&lake, "orders").unwrap();
    assert_eq!((rows(&loaded).len(), loaded.config["strom.fresh"].as_str()), (1, "false"));
    lake.add_topic(orders.clone());
    let loaded = load(&lake, "orders").unwrap();
    assert_eq!(rows(&loaded), owned(&[(0, 0, "a"), (0, 1, "b")]));
}

#[test]
fn a_table_follows_a_topic_that_grows_and_has_what_is_to_be_removed() {
    let mut orders = topic(1, "orders", 1);
    let world = World::new(std::slice::from_ref(&orders));
    let lake = world.lake(std::slice::from_ref(&orders));
    world.append(&orders, 0, &["a"]);
    load(&lake, "orders").unwrap();
    orders.partitions = 2;
    world.store.add_topic(spec(&orders));
    lake.add_topic(orders.clone());
    world.append(&orders, 1, &["b", "c"]);
    block_on(lake.commit_below(orders.id, &[(0, 1), (1, 1)])).unwrap();
    let second = world.store.partition(orders.id, 1).unwrap();
    second.advance_log_start(2).unwrap().wait().unwrap();
    let loaded = load(&lake, "orders").unwrap();
    assert_eq!(rows(&loaded), owned(&[(0, 0, "a"), (1, 0, "b"), (1, 1, "c")]));
}
