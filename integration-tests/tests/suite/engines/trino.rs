//! Trino: SQL with a cost-based optimiser that trusts our statistics, and the strictest reader of
//! the catalog's answers.

use serde_json::json;

use super::checks::{self, assert_refused, records};
use super::{Engine, Kind};
use crate::records::produce;

#[test]
fn rows_equal_what_a_consumer_reads() {
    checks::contents(Kind::Trino);
}

#[test]
fn names_are_mapped() {
    checks::names(Kind::Trino);
}

#[test]
fn acknowledged_records_are_seen_at_once() {
    checks::freshness(Kind::Trino);
}

#[test]
fn queries_under_load_see_what_was_acknowledged() {
    checks::under_load(Kind::Trino);
}

#[test]
fn restarts_change_nothing() {
    checks::restart(Kind::Trino);
}

#[test]
fn a_deleted_topic_drops_its_table() {
    checks::deletion(Kind::Trino);
}

#[test]
fn tables_describe_themselves() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "described", &[], &records(1, 0, 10));
    let mut engine = Engine::open(Kind::Trino, &broker);
    let columns = [
        ["key", "varbinary"],
        ["value", "varbinary"],
        ["__partition", "integer"],
        ["__offset", "bigint"],
        ["__timestamp", "timestamp(6) with time zone"],
        ["__headers", "array(row(\"key\" varchar, \"value\" varbinary))"],
    ];
    let described = engine.sql("DESCRIBE described");
    let shown: Vec<_> = described.iter().map(|row| [row[0].clone(), row[1].clone()]).collect();
    assert_eq!(shown, columns.map(|column| column.map(|text| json!(text))));
    let listed = engine.sql(
        "SELECT column_name, data_type FROM information_schema.columns \
         WHERE table_schema = 'kafka' AND table_name = 'described' ORDER BY ordinal_position",
    );
    assert_eq!(listed, columns.map(|column| column.map(|text| json!(text)).to_vec()));
    assert_eq!(engine.sql("SHOW SCHEMAS LIKE 'kafka'"), [[json!("kafka")]]);
}

#[test]
fn values_are_shown_as_text() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "texts", &[], &records(1, 0, 3));
    let mut engine = Engine::open(Kind::Trino, &broker);
    let rows = engine.sql("SELECT from_utf8(value) FROM texts WHERE __offset = 1");
    assert_eq!(rows, [[json!("value 1 x")]]);
}

#[test]
fn what_does_not_exist_is_named() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "exists", &[], &records(1, 0, 1));
    let mut engine = Engine::open(Kind::Trino, &broker);
    let check = |error: String, kind: &str, text: &str| {
        assert!(error.contains(kind) && error.contains(text), "{error}");
    };
    check(engine.try_sql("SELECT * FROM missing").unwrap_err(), "TABLE_NOT_FOUND", "missing");
    check(engine.try_sql("SELECT * FROM other.missing").unwrap_err(), "SCHEMA_NOT_FOUND", "other");
    check(engine.try_sql("SHOW TABLES FROM other").unwrap_err(), "SCHEMA_NOT_FOUND", "other");
}

#[test]
fn old_snapshots_stay_readable() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "history", &[], &records(1, 0, 10));
    let mut engine = Engine::open(Kind::Trino, &broker);
    assert_eq!(engine.totals("history").count, 10);
    produce(broker.bootstrap(), "history", &[], &records(1, 10, 5));
    assert_eq!(engine.totals("history").count, 15);
    let snapshots = engine.sql(
        "SELECT CAST(snapshot_id AS varchar), operation FROM \"history$snapshots\" \
         ORDER BY committed_at",
    );
    assert_eq!(snapshots.len(), 2, "two queries found something new: {snapshots:?}");
    assert!(snapshots.iter().all(|snapshot| snapshot[1] == "append"), "{snapshots:?}");
    let first = snapshots[0][0].as_str().unwrap();
    let then = engine.sql(&format!("SELECT count(*) FROM history FOR VERSION AS OF {first}"));
    assert_eq!(then, [[json!(10)]]);
    let files = engine.sql("SELECT sum(record_count) FROM \"history$files\"");
    assert_eq!(files, [[json!(15)]]);
}

/// Predicates on the system columns are answered from statistics: they must not lie.
#[test]
fn predicates_on_system_columns_prune_correctly() {
    let broker = checks::broker();
    crate::records::create_topic(broker.bootstrap(), "pruned", 4);
    let mut engine = Engine::open(Kind::Trino, &broker);
    for part in 0..5 {
        produce(broker.bootstrap(), "pruned", &[], &records(4, part * 400, 400));
        assert_eq!(engine.totals("pruned").count, 400 * (i64::try_from(part).unwrap() + 1));
    }
    let mut count = |predicate: &str, expected: i64| {
        let sql = format!("SELECT count(*) FROM pruned WHERE {predicate}");
        assert_eq!(engine.sql(&sql), [[json!(expected)]], "{predicate}");
    };
    count("__partition = 2", 500);
    count("__partition = 2 AND __offset = 499", 1);
    count("__offset >= 490", 40);
    count("__offset > 499", 0);
    count("__timestamp < TIMESTAMP '2001-01-01 00:00:00 UTC'", 0);
    count("__timestamp > TIMESTAMP '2001-01-01 00:00:00 UTC'", 2000);
    count("value IS NULL", 0);
    count("from_utf8(value) LIKE 'value 1999 %'", 1);
    count("cardinality(__headers) = 2", 500);
}

#[test]
fn writes_are_refused_with_the_reason() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "guarded", &[], &records(1, 0, 10));
    let mut engine = Engine::open(Kind::Trino, &broker);
    assert_eq!(engine.totals("guarded").count, 10);
    for sql in [
        "INSERT INTO guarded SELECT * FROM guarded",
        "DELETE FROM guarded WHERE __offset = 3",
        "UPDATE guarded SET value = null WHERE __offset = 3",
        "ALTER TABLE guarded ADD COLUMN extra bigint",
        "ALTER TABLE guarded RENAME TO other",
        "DROP TABLE guarded",
        "CREATE TABLE made_by_trino (a integer)",
    ] {
        assert_refused(sql, engine.try_sql(sql));
    }
    assert_eq!(engine.totals("guarded").count, 10, "nothing happened");
    assert_eq!(engine.tables(), ["guarded"]);
}
