//! Trino: SQL with a cost-based optimiser that trusts our statistics, and the strictest reader of
//! the catalog's answers.

use serde_json::json;

use super::checks::{self, assert_refused, records};
use super::{Engine, Kind};
use crate::records::{consume, produce};

super::checks_of!(Kind::Trino);

#[test]
fn tables_describe_themselves() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "described", &[], &records(1, 0, 10));
    let mut engine = Engine::open(Kind::Trino, &broker);
    let types = [
        "varbinary",
        "varbinary",
        "integer",
        "bigint",
        "timestamp(6) with time zone",
        "array(row(\"key\" varchar, \"value\" varbinary))",
    ];
    checks::description(&mut engine, "described", types);
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
    // A moment amid the newest 400 records, which are younger than all others.
    let mut times: Vec<i64> = consume(broker.bootstrap(), "pruned")
        .iter()
        .map(|found| found.record.timestamp.unwrap())
        .collect();
    times.sort_unstable();
    let moment = timestamp(&mut engine, times[1_800]);
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
    count(&format!("__timestamp >= {moment}"), 200);
    count(&format!("__timestamp < {moment}"), 1_800);
    count(&format!("__timestamp = {moment}"), 1);
    count(&format!("__partition = 2 AND __timestamp < {moment}"), 450);
    count("value IS NULL", 0);
    count("from_utf8(value) LIKE 'value 1999 %'", 1);
    count("cardinality(__headers) = 2", 500);

    // The plan says how many rows were read: of five files only the newest can have these.
    let mut plan = |predicate: &str| -> String {
        let sql = format!("EXPLAIN ANALYZE SELECT * FROM pruned WHERE {predicate}");
        engine.sql(&sql).iter().map(|row| row[0].as_str().unwrap()).collect()
    };
    let (all, newest) = (plan("__offset >= 0"), plan("__offset >= 490"));
    assert!(all.contains("Input: 2000 rows"), "{all}");
    assert!(newest.contains("Input: 400 rows"), "{newest}");
    let young = plan(&format!("__timestamp >= {moment}"));
    assert!(young.contains("Input: 400 rows"), "{young}");
}

/// A moment, in milliseconds since the epoch, as a literal.
fn timestamp(engine: &mut Engine, ms: i64) -> String {
    let sql = format!(
        "SELECT CAST(CAST(from_unixtime_nanos({ms} * 1000000) AS timestamp(3) with time zone) \
         AS varchar)"
    );
    let text = engine.sql(&sql)[0][0].as_str().unwrap().to_owned();
    assert!(text.ends_with(" UTC"), "{text}");
    format!("TIMESTAMP '{text}'")
}

/// As of a moment: DuckDB's and Trino's transactions, and questions about the past, rest on it.
#[test]
fn tables_can_be_read_as_of_a_moment() {
    let broker = checks::broker();
    produce(broker.bootstrap(), "moments", &[], &records(1, 0, 10));
    let mut engine = Engine::open(Kind::Trino, &broker);
    assert_eq!(engine.totals("moments").count, 10);
    let between = engine.sql("SELECT to_iso8601(current_timestamp)");
    let between = between[0][0].as_str().unwrap().to_string();
    // A snapshot bears the moment up to which the one before it is complete, so the second is of
    // before `between` and the third of after it.
    produce(broker.bootstrap(), "moments", &[], &records(1, 10, 5));
    assert_eq!(engine.totals("moments").count, 15);
    produce(broker.bootstrap(), "moments", &[], &records(1, 15, 5));
    assert_eq!(engine.totals("moments").count, 20);
    let sql = format!(
        "SELECT count(*) FROM moments FOR TIMESTAMP AS OF from_iso8601_timestamp('{between}')"
    );
    let then = engine.sql(&sql);
    assert_eq!(then, [[json!(15)]], "everything acknowledged before {between}, and not all");
}

#[test]
fn topics_are_joined() {
    let broker = checks::broker();
    for topic in ["left-side", "right-side"] {
        produce(broker.bootstrap(), topic, &[], &records(1, 0, 200));
    }
    let mut engine = Engine::open(Kind::Trino, &broker);
    let joined = engine.sql(
        "SELECT count(*), count_if(l.value = r.value) FROM \"left-side\" l \
         JOIN \"right-side\" r ON l.__partition = r.__partition AND l.__offset = r.__offset",
    );
    assert_eq!(joined, [[json!(200), json!(200)]]);
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
