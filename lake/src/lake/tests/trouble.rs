//! What goes wrong with one table stays with that table, is said, and heals.

use super::*;

/// Breaks a committed table with `harm`, and gives back what undoes it.
type Harm = fn(&LoadedTable) -> Box<dyn FnOnce()>;

fn replaced(location: &str, content: Option<&[u8]>) -> Box<dyn FnOnce()> {
    let path = files::path_of(location).to_path_buf();
    let whole = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    if let Some(content) = content {
        std::fs::write(&path, content).unwrap();
    }
    Box::new(move || std::fs::write(path, whole).unwrap())
}

fn metadata_missing(table: &LoadedTable) -> Box<dyn FnOnce()> {
    replaced(table.metadata_location.as_deref().unwrap(), None)
}

fn metadata_torn(table: &LoadedTable) -> Box<dyn FnOnce()> {
    replaced(table.metadata_location.as_deref().unwrap(), Some(b"{\"format-version\":2,"))
}

fn metadata_of_another_snapshot(table: &LoadedTable) -> Box<dyn FnOnce()> {
    let former = &table.metadata.metadata_log().last().unwrap().metadata_file;
    let bytes = std::fs::read(files::path_of(former)).unwrap();
    replaced(table.metadata_location.as_deref().unwrap(), Some(&bytes))
}

fn list_missing(table: &LoadedTable) -> Box<dyn FnOnce()> {
    replaced(table.metadata.current_snapshot().unwrap().manifest_list(), None)
}

fn list_flipped(table: &LoadedTable) -> Box<dyn FnOnce()> {
    replaced(table.metadata.current_snapshot().unwrap().manifest_list(), Some(b"not Avro"))
}

/// A directory that nothing can be written to, even by root: it is a file.
fn directory_gone(table: &LoadedTable) -> Box<dyn FnOnce()> {
    let data = files::path_of(table.metadata.location()).join("data");
    let aside = data.with_extension("aside");
    std::fs::rename(&data, &aside).unwrap();
    std::fs::write(&data, "").unwrap();
    Box::new(move || {
        std::fs::remove_file(&data).unwrap();
        std::fs::rename(aside, data).unwrap();
    })
}

#[test]
fn a_bad_table_is_named_stops_no_other_and_heals_when_it_is_mended() {
    let cases: [(Harm, &str); 6] = [
        (metadata_missing, "metadata.json"),
        (metadata_torn, "metadata.json"),
        (metadata_of_another_snapshot, "the marker belongs to"),
        (list_missing, "snap-"),
        (list_flipped, "read a manifest list"),
        (directory_gone, "/data"),
    ];
    for (harm, expected) in cases {
        let (bad, good) = (topic(1, "bad", 1), topic(2, "good", 1));
        let topics = [bad.clone(), good.clone()];
        let world = World::new(&topics);
        let lake = world.lake(&topics);
        for topic in &topics {
            world.append(topic, 0, &["a"]);
            load(&lake, &topic.name).unwrap();
            world.append(topic, 0, &["b"]);
            load(&lake, &topic.name).unwrap();
        }
        let undo = harm(&load(&lake, "bad").unwrap());
        drop(lake);
        let lake = world.lake(&topics);
        for topic in &topics {
            world.append(topic, 0, &["c"]);
        }
        let error = load(&lake, "bad").unwrap_err();
        assert_eq!((error.status, error.retry_after_seconds), (503, Some(1)), "{error}");
        assert!(error.message.contains(expected), "{expected}: {error}");
        assert_eq!(rows(&load(&lake, "good").unwrap()).len(), 3, "{expected}");
        let status = lake.status();
        let state = |table: &str| {
            status.tables.iter().find(|status| status.table == table).unwrap().state.clone()
        };
        let TableState::BackingOff { reason, .. } = state("bad") else { panic!("{status:?}") };
        assert!(reason.contains(expected), "{reason}");
        assert_eq!(state("good"), TableState::Current);

        undo();
        world.now_ms.fetch_add(1_000, Ordering::SeqCst);
        assert_eq!(rows(&load(&lake, "bad").unwrap()).len(), 3, "{expected}: it heals");
    }
}

#[test]
fn a_bucket_that_is_away_makes_tables_wait_and_says_so_to_every_load_at_once() {
    let (first, second) = (topic(1, "first", 1), topic(2, "second", 1));
    let topics = [first.clone(), second.clone()];
    let world = World::new(&topics);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut options = world.options();
    options.warehouse = crate::warehouse::Root::parse("s3://bucket/lake").unwrap();
    options.s3.endpoint = Some(format!("http://127.0.0.1:{port}"));
    options.s3.keys = Some(crate::warehouse::Keys {
        access_key_id: "a".into(),
        secret_access_key: crate::warehouse::Secret::new("b"),
        session_token: None,
    });
    let lake = world.lake_with(&topics, options, None);
    for topic in &topics {
        world.append(topic, 0, &["a"]);
    }
    let error = load(&lake, "first").unwrap_err();
    assert_eq!((error.status, error.retry_after_seconds), (503, Some(1)), "{error}");
    assert!(error.message.contains("s3://bucket/lake/kafka/first-"), "{error}");
    let began = Instant::now();
    assert_eq!(load(&lake, "second").unwrap_err().status, 503);
    assert_eq!(load(&lake, "first").unwrap_err().status, 503);
    assert!(began.elapsed() < Duration::from_secs(1), "nobody is asked again so soon");
    let state = &lake.status().tables[0].state;
    assert!(matches!(state, TableState::BackingOff { .. }), "{state:?}");
    assert_eq!(listed(&lake), ["first", "second"], "lists need no bucket");
}

#[test]
fn a_table_that_never_heals_waits_ever_longer_and_the_same_thread_commits_the_others() {
    for harm in [metadata_torn as Harm, directory_gone] {
        let mut topics = [topic(1, "bad", 1), topic(2, "good", 1)];
        topics.iter_mut().for_each(|topic| topic.freshness = Some(Duration::ZERO));
        let [bad, good] = &topics;
        let world = World::new(&topics);
        let lake = world.lake(&topics);
        world.append(bad, 0, &["before"]);
        world.append(good, 0, &["before"]);
        load(&lake, "good").unwrap();
        let _never_undone = harm(&load(&lake, "bad").unwrap());
        drop(lake);

        // Nobody loads: the ticker finds what waits, and one thread does it all.
        let lake = world.lake_with(&topics, LakeOptions { threads: 1, ..world.options() }, None);
        let status = |name: &str| {
            lake.status().tables.into_iter().find(|status| status.table == name).unwrap()
        };
        let mut waits_ms = Vec::new();
        for round in 1..=4 {
            world.append(bad, 0, &["more"]);
            world.append(good, 0, &["more"]);
            wait_until("the good table's commit", || status("good").totals.commits == round);
            wait_until("the bad table's failure", || status("bad").totals.failures == round);
            let TableState::BackingOff { retry_at_ms, .. } = status("bad").state else {
                panic!("{:?}", status("bad"))
            };
            waits_ms.push(retry_at_ms - world.now_ms.swap(retry_at_ms, Ordering::SeqCst));
        }
        assert_eq!(waits_ms, [1_000, 2_000, 4_000, 8_000]);
        assert_eq!(rows(&load(&lake, "good").unwrap()).len(), 5);
        assert_eq!((status("bad").totals.commits, status("bad").lag_records), (0, 4));
        assert_eq!(load(&lake, "bad").unwrap_err().status, 503);
    }
}
