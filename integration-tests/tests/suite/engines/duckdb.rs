//! DuckDB: the engine of the README's one-liner, embedded, with a catalog client of its own.

use serde_json::json;

use super::checks::{self, assert_refused, records};
use super::{Engine, Kind};
use crate::records::produce;

#[test]
fn rows_equal_what_a_consumer_reads() {
    checks::contents(Kind::DuckDb);
}

#[test]
fn names_are_mapped() {
    checks::names(Kind::DuckDb);
}

#[test]
fn acknowledged_records_are_seen_at_once() {
    checks::freshness(Kind::DuckDb);
}

#[test]
fn queries_under_load_see_what_was_acknowledged() {
    checks::under_load(Kind::DuckDb);
}

#[test]
fn restarts_change_nothing() {
    checks::restart(Kind::DuckDb);
}

#[test]
fn a_deleted_topic_drops_its_table() {
    checks::deletion(Kind::DuckDb);
}

#[test]
fn tables_describe_themselves() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "described", &[], &records(1, 0, 10));
    let mut engine = Engine::open(Kind::DuckDb, &broker);
    let columns = [
        ["key", "BLOB"],
        ["value", "BLOB"],
        ["__partition", "INTEGER"],
        ["__offset", "BIGINT"],
        ["__timestamp", "TIMESTAMP WITH TIME ZONE"],
        ["__headers", "STRUCT(\"key\" VARCHAR, \"value\" BLOB)[]"],
    ];
    let described = engine.sql("DESCRIBE described");
    let shown: Vec<_> = described.iter().map(|row| [row[0].clone(), row[1].clone()]).collect();
    assert_eq!(shown, columns.map(|column| column.map(|text| json!(text))));
    let listed = engine.sql(
        "SELECT column_name, data_type FROM information_schema.columns \
         WHERE table_schema = 'kafka' AND table_name = 'described' ORDER BY ordinal_position",
    );
    assert_eq!(listed, columns.map(|column| column.map(|text| json!(text)).to_vec()));
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
