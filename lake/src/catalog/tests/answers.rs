//! What a change answers is true: 409 and 429 changed nothing, 5xx is "nobody knows", which only
//! a failed metadata log may say.

use std::collections::BTreeSet;

use strom_storage::io::simulated::SimulatedDisk;

use super::*;
use crate::warehouse::{Keys, Root, Secret};

/// A change, how to find out whether it was made, and every status that it may answer when the
/// power goes off under it.
struct Case {
    change: fn(&Catalog) -> Result<(), CatalogError>,
    is_made: fn(&Lake) -> bool,
    statuses: &'static [u16],
}

fn exists(lake: &Lake, name: &str) -> bool {
    lake.catalog().table_exists(&levels("a"), name).is_ok()
}

fn set_k(catalog: &Catalog) -> Result<(), CatalogError> {
    catalog.commit_table(&levels("a"), "t", commit_of(json!([]), json!([set("k", "v")]))).map(drop)
}

const CASES: [Case; 5] = [
    Case {
        change: set_k,
        is_made: |lake| load_own(lake, "a", "t").unwrap().metadata.properties().contains_key("k"),
        statuses: &[200, 429, 500],
    },
    Case {
        change: |catalog| catalog.create_table(&levels("a"), creation("new", json!({}))).map(drop),
        is_made: |lake| exists(lake, "new"),
        statuses: &[200, 429, 500],
    },
    Case {
        change: |catalog| catalog.drop_table(&levels("a"), "t", false),
        is_made: |lake| !exists(lake, "t"),
        statuses: &[200, 500],
    },
    Case {
        change: |catalog| catalog.rename_table(&in_a("t"), &in_a("u")),
        is_made: |lake| exists(lake, "u") && !exists(lake, "t"),
        statuses: &[200, 500],
    },
    Case {
        change: |catalog| catalog.create_namespace(parse(json!({"namespace": ["b"]}))).map(drop),
        is_made: |lake| lake.catalog().namespace(&levels("b")).is_ok(),
        statuses: &[200, 500],
    },
];

/// The power goes off at each write and sync of the metadata log in turn; when it is back, what was
/// answered is what is there.
#[test]
fn what_a_change_answers_holds_after_a_power_failure_at_any_write() {
    for (number, case) in CASES.iter().enumerate() {
        let mut seen = BTreeSet::new();
        for operations in 0.. {
            let disk = SimulatedDisk::default();
            let world = World::on(&disk, tempfile::tempdir().unwrap());
            let lake = world.lake(&[]);
            make_namespace(&lake, "a").unwrap();
            make_table(&lake, "t");
            disk.power_off_after(operations);
            let answer = (case.change)(lake.catalog());
            let survivor = disk.after_crash(operations);
            drop(lake);
            let World { dir, store, .. } = world;
            drop(store);

            let world = World::on(&survivor, dir);
            let lake = world.lake(&[]);
            let is_made = (case.is_made)(&lake);
            let at = format!("case {number}, operation {operations}: {answer:?}");
            match &answer {
                Ok(()) => assert!(is_made, "{at}"),
                Err(error) if error.status == 429 => {
                    assert!(!is_made, "{at}");
                    assert_eq!(error.retry_after_seconds, Some(1), "{at}");
                }
                Err(error) => assert_eq!(error.kind, "CommitStateUnknownException", "{at}"),
            }
            seen.insert(answer.as_ref().map_or_else(|error| error.status, |()| 200));
            wait_until("what was written for nothing goes", || nothing_is_left(&world));
            if answer.is_ok() {
                break;
            }
        }
        assert_eq!(seen, case.statuses.iter().copied().collect(), "case {number}");
    }
}

/// No record of anything to be removed, and no metadata file that no table refers to.
fn nothing_is_left(world: &World) -> bool {
    let metadata = world.store.metadata();
    let tables = metadata.scan(records::TABLES);
    let history = |value: &[u8]| {
        let record: TableRecord = records::decode(b"", value).unwrap();
        1 + usize::from(record.previous_metadata_location.is_some())
    };
    let referred: usize = tables.iter().map(|(_, value)| history(value)).sum();
    let is_swept =
        [records::WRITING, records::GARBAGE].iter().all(|prefix| metadata.scan(prefix).is_empty());
    // A dropped table leaves its file.
    is_swept && world.files().len() <= referred.max(1)
}

/// Overwrites a record with one that this release cannot read.
fn spoil(world: &World, key: bytes::Bytes) {
    let spoilt = LogChange::Put { key, value: bytes::Bytes::from_static(b"\x02{}") };
    world.store.metadata().apply(vec![spoilt]).wait().unwrap();
}

#[test]
fn a_change_that_cannot_read_what_it_builds_on_is_429_and_a_load_503() {
    let (world, lake) = with_namespace();
    let catalog = lake.catalog();
    make_namespace(&lake, "bad").unwrap();
    let file = make_table(&lake, "registered").metadata_location;
    catalog.drop_table(&levels("a"), "registered", false).unwrap();
    for name in ["t", "fine"] {
        make_table(&lake, name);
    }
    spoil(&world, records::table_key(&levels("a"), "t"));
    spoil(&world, records::namespace_key(&levels("bad")));
    let bad = levels("bad");
    let into_bad = parse(json!({"namespace": ["bad"], "name": "fine"}));
    let registered = parse(json!({"name": "r", "metadata-location": file}));
    let create = json!([{"type": "assert-create"}]);
    let property = parse(json!({"updates": {"k": "v"}}));
    for (number, refused) in [
        set_k(catalog),
        catalog.drop_table(&levels("a"), "t", true),
        catalog.rename_table(&in_a("t"), &in_a("u")),
        catalog.rename_table(&in_a("fine"), &into_bad),
        catalog.create_table(&bad, creation("t", json!({}))).map(drop),
        catalog.commit_table(&bad, "t", commit_of(create, json!([]))).map(drop),
        catalog.register_table(&bad, registered).map(drop),
        make_namespace(&lake, "bad.child").map(drop),
        catalog.update_namespace(&bad, property).map(drop),
        catalog.drop_namespace(&bad),
    ]
    .into_iter()
    .enumerate()
    {
        let error = refused.unwrap_err();
        let said = (error.status, error.kind, error.retry_after_seconds);
        assert_eq!(said, (429, "TooManyRequestsException", Some(1)), "{number}: {error}");
        assert!(error.message.contains("newer than this release"), "{number}: {error}");
    }
    for (number, refused) in [
        load_own(&lake, "a", "t").map(drop),
        catalog.table_exists(&levels("a"), "t"),
        catalog.namespace(&bad).map(drop),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(refusal(refused).0, 503, "{number}");
    }
}

#[test]
fn a_change_whose_bucket_is_away_is_429_and_only_a_file_that_is_not_there_400() {
    let (world, lake) = with_namespace();
    let directory = world.dir.path().join("warehouse/x.metadata.json");
    std::fs::create_dir(&directory).unwrap();
    let register = |lake: &Lake, location: &str| {
        let request = parse(json!({"name": "t", "metadata-location": location}));
        refusal(lake.catalog().register_table(&levels("a"), request))
    };
    let said = register(&lake, &files::location_of(&directory));
    assert_eq!(said.0, 400, "{}", said.2);
    drop(lake);

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut options = world.options();
    options.warehouse = Root::parse("s3://bucket/lake").unwrap();
    options.s3.endpoint = Some(format!("http://127.0.0.1:{port}"));
    options.s3.keys = Some(Keys {
        access_key_id: "a".into(),
        secret_access_key: Secret::new("b"),
        session_token: None,
    });
    let lake = world.lake_with(&[], options, None);
    let said = register(&lake, "s3://bucket/lake/a/x.metadata.json");
    assert_eq!((said.0, said.1), (429, "TooManyRequestsException"), "{}", said.2);
    let made = lake.catalog().create_table(&levels("a"), creation("t", json!({})));
    assert_eq!(refusal(made).0, 429);
    assert!(!exists(&lake, "t"));
}
