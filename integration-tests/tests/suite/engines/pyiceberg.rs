//! pyiceberg: the library that asks the catalog only when a table is loaded.

use serde_json::{Value, json};

use super::checks::{self, assert_refused, records};
use super::{Engine, Kind};
use crate::records::produce;

super::checks_of!(Kind::Pyiceberg);

#[test]
fn tables_describe_themselves() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "described", &[], &records(1, 0, 10));
    let mut engine = Engine::open(Kind::Pyiceberg, &broker);
    let columns = engine.operation(&json!({ "op": "columns", "table": "described" }));
    let names: Vec<&Value> = columns.iter().map(|column| &column[0]).collect();
    assert_eq!(names, ["key", "value", "__partition", "__offset", "__timestamp", "__headers"]);
    let types: Vec<&Value> = columns.iter().take(5).map(|column| &column[1]).collect();
    assert_eq!(types, ["binary", "binary", "int", "long", "timestamptz"]);
    let namespaces = engine.operation(&json!({ "op": "namespaces" }));
    assert_eq!(namespaces, [[json!("kafka")]]);
}

/// Every load says how fresh it is and which offsets it covers.
#[test]
fn loads_say_what_they_cover() {
    let broker = checks::broker();
    crate::records::create_topic(broker.bootstrap(), "covered", 2);
    produce(broker.bootstrap(), "covered", &[], &records(2, 0, 10));
    let mut engine = Engine::open(Kind::Pyiceberg, &broker);
    let config = engine.operation(&json!({ "op": "config", "table": "covered" }));
    println!("config of a load: {config:?}");
    let value = |name: &str| {
        let row = config.iter().find(|row| row[0] == name);
        row.unwrap_or_else(|| panic!("no {name} in {config:?}"))[1].as_str().unwrap().to_string()
    };
    assert_eq!(value("strom.fresh"), "true");
    assert_eq!(value("strom.offsets").matches('5').count(), 2, "both partitions end at 5");
}

#[test]
fn existence_and_lists_do_not_load() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "listed", &[], &records(1, 0, 10));
    let mut engine = Engine::open(Kind::Pyiceberg, &broker);
    let mut exists = |table: &str| {
        engine.operation(&json!({ "op": "exists", "table": table }))[0][0].as_bool().unwrap()
    };
    assert!(exists("listed"));
    assert!(!exists("missing"));
    assert_eq!(engine.tables(), ["listed"]);
    // Two loads with nothing new between them find one snapshot: the first load's.
    for _ in 0..2 {
        let snapshots = engine.operation(&json!({ "op": "snapshots", "table": "listed" }));
        assert_eq!(snapshots.len(), 1, "{snapshots:?}");
    }
}

#[test]
fn what_does_not_exist_is_named() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "exists", &[], &records(1, 0, 1));
    let mut engine = Engine::open(Kind::Pyiceberg, &broker);
    for (table, text) in [
        ("missing", "NoSuchTableError: NoSuchTableException: Table does not exist: kafka.missing"),
        ("other.missing", "Table does not exist: other.missing"),
    ] {
        let error = engine.ask(&json!({ "op": "rows", "table": table })).unwrap_err();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn old_snapshots_stay_readable() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "history", &[], &records(1, 0, 10));
    let mut engine = Engine::open(Kind::Pyiceberg, &broker);
    assert_eq!(engine.totals("history").count, 10);
    let first = engine.operation(&json!({ "op": "snapshots", "table": "history" }))[0][0].clone();
    produce(broker.bootstrap(), "history", &[], &records(1, 10, 5));
    assert_eq!(engine.totals("history").count, 15);
    let then = json!({ "op": "count_at", "table": "history", "snapshot": first });
    assert_eq!(engine.operation(&then), [[json!(10)]]);
}

#[test]
fn writes_are_refused_with_the_reason() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "guarded", &[], &records(1, 0, 10));
    let mut engine = Engine::open(Kind::Pyiceberg, &broker);
    for kind in ["append", "alter", "drop", "create"] {
        let request = json!({ "op": "write", "table": "guarded", "kind": kind });
        assert_refused(kind, engine.ask(&request));
    }
    assert_eq!(engine.totals("guarded").count, 10, "nothing happened");
}
