//! DuckDB: the engine of the README's one-liner, embedded, with a catalog client of its own.

use serde_json::json;

use super::checks::{self, assert_refused, records};
use super::{Engine, Kind};
use crate::records::produce;

super::checks_of!(Kind::DuckDb);

#[test]
fn tables_describe_themselves() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "described", &[], &records(1, 0, 10));
    let mut engine = Engine::open(Kind::DuckDb, &broker);
    let types = [
        "BLOB",
        "BLOB",
        "INTEGER",
        "BIGINT",
        "TIMESTAMP WITH TIME ZONE",
        "STRUCT(\"key\" VARCHAR, \"value\" BLOB)[]",
    ];
    checks::description(&mut engine, "described", types);
}

#[test]
fn values_are_shown_as_text() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "texts", &[], &records(1, 0, 3));
    let mut engine = Engine::open(Kind::DuckDb, &broker);
    let rows = engine.sql("SELECT decode(value) FROM texts WHERE __offset = 1");
    assert_eq!(rows, [[json!("value 1 x")]]);
}

#[test]
fn what_does_not_exist_is_named() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "exists", &[], &records(1, 0, 1));
    let mut engine = Engine::open(Kind::DuckDb, &broker);
    for (sql, name) in [
        ("SELECT * FROM ice.kafka.missing", "missing"),
        ("SELECT * FROM ice.other.missing", "other"),
    ] {
        let error = engine.try_sql(sql).unwrap_err();
        assert!(error.contains("does not exist") && error.contains(name), "{error}");
    }
}

#[test]
fn old_snapshots_stay_readable() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "history", &[], &records(1, 0, 10));
    let mut engine = Engine::open(Kind::DuckDb, &broker);
    assert_eq!(engine.totals("history").count, 10);
    produce(broker.bootstrap(), "history", &[], &records(1, 10, 5));
    assert_eq!(engine.totals("history").count, 15);
    let snapshots = engine.sql(
        "SELECT snapshot_id::VARCHAR FROM iceberg_snapshots(ice.kafka.history) \
         ORDER BY sequence_number",
    );
    assert_eq!(snapshots.len(), 2, "{snapshots:?}");
    let first = snapshots[0][0].as_str().unwrap();
    let then = engine.sql(&format!("SELECT count(*) FROM history AT (VERSION => {first})"));
    assert_eq!(then, [[json!(10)]]);
}

#[test]
fn writes_are_refused_with_the_reason() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "guarded", &[], &records(1, 0, 10));
    let mut engine = Engine::open(Kind::DuckDb, &broker);
    assert_eq!(engine.totals("guarded").count, 10);
    // An INSERT of DuckDB fails before it asks the catalog where a nested column is required.
    for sql in [
        "DELETE FROM guarded WHERE __offset = 3",
        "ALTER TABLE guarded ADD COLUMN extra BIGINT",
        "DROP TABLE guarded",
        "CREATE TABLE made_by_duckdb (a INTEGER)",
    ] {
        assert_refused(sql, engine.try_sql(sql));
    }
    assert_eq!(engine.totals("guarded").count, 10, "nothing happened");
}
