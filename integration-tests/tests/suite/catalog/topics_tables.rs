//! Topics' tables: what engines are refused, in the words that tell them what to do instead, and
//! what passes while the topic goes on.

use serde_json::{Value, json};
use strom_integration_tests::broker::Broker;

use super::{Author, LIBRARIES, Library};
use crate::engines::checks::{assert_equal, assert_refused, records};
use crate::engines::{BROKER_OPTIONS, Engine, Kind};
use crate::records::{consume, produce};

const TOPIC: &str = "guarded";
const TABLE: &str = "kafka.guarded";

fn with_topic() -> Broker {
    let broker = Broker::start_strom(BROKER_OPTIONS);
    produce(broker.bootstrap(), TOPIC, &[], &records(1, 0, 10));
    broker
}

#[test]
fn every_change_of_a_topics_table_is_refused_with_the_reason() {
    let broker = with_topic();
    let mut engine = Engine::open(Kind::Pyiceberg, &broker);
    assert_eq!(engine.totals(TOPIC).count, 10);
    for library in LIBRARIES {
        let mut author = Author::open(library, &broker);
        let namespace = format!("other_{library:?}").to_lowercase();
        author.does("create_namespace", json!({ "namespace": namespace }));
        let location = author.does("metadata_location", json!({ "table": TABLE }))[0][0].clone();
        let elsewhere = format!("{namespace}.t");
        for (op, arguments) in [
            ("add_column", json!({"table": TABLE, "column": "extra"})),
            ("partition", json!({"table": TABLE, "by": "__offset"})),
            ("set_property", json!({"table": TABLE, "key": "write.x", "value": "1"})),
            ("rename", json!({"table": TABLE, "to": elsewhere})),
            ("rename", json!({"table": TABLE, "to": "kafka.other"})),
            ("drop", json!({"table": TABLE, "purge": false})),
            ("drop", json!({"table": TABLE, "purge": true})),
            ("create", json!({"table": "kafka.new"})),
            ("register", json!({"table": "kafka.new", "location": location})),
            ("register", json!({"table": elsewhere, "location": location})),
            ("set_namespace", json!({"namespace": "kafka"})),
            ("drop_namespace", json!({"namespace": "kafka"})),
            ("create_namespace", json!({"namespace": "kafka.nested"})),
        ] {
            let mut request = arguments;
            request["op"] = json!(op);
            assert_refused(&format!("{library:?}: {request}"), author.ask(&request));
        }
        author.does("create", json!({ "table": elsewhere }));
        let into = json!({"table": elsewhere, "to": "kafka.moved", "op": "rename"});
        assert_refused(&format!("{library:?}: {into}"), author.ask(&into));
    }
    assert_eq!(engine.tables(), [TOPIC]);
    assert_equal(&mut engine, TOPIC, &consume(broker.bootstrap(), TOPIC));
}

#[test]
fn trino_is_refused_changes_of_topics_tables() {
    let broker = with_topic();
    let mut trino = Engine::open(Kind::Trino, &broker);
    trino.sql("CREATE SCHEMA other");
    for sql in [
        "INSERT INTO guarded SELECT * FROM guarded",
        "DELETE FROM guarded",
        "TRUNCATE TABLE guarded",
        "ALTER TABLE guarded ADD COLUMN extra bigint",
        "ALTER TABLE guarded SET PROPERTIES format_version = 3",
        "ALTER TABLE guarded SET PROPERTIES partitioning = ARRAY['__partition']",
        "ALTER TABLE guarded EXECUTE optimize",
        "ALTER TABLE guarded RENAME TO other.t",
        "COMMENT ON COLUMN guarded.key IS 'x'",
        "DROP TABLE guarded",
        "CREATE TABLE made_by_trino AS SELECT * FROM guarded",
        "DROP SCHEMA kafka CASCADE",
    ] {
        // A table of one file is optimised already, for Trino: that is no change.
        match trino.try_sql(sql) {
            Ok(_) if sql.ends_with("optimize") => {}
            answer => assert_refused(sql, answer),
        }
    }
    assert_equal(&mut trino, TOPIC, &consume(broker.bootstrap(), TOPIC));
}

/// Snapshots expire, comments, statistics and properties of readers are set; the topic is written
/// on, and its table holds every record once.
#[test]
fn what_readers_need_passes_and_the_topic_goes_on() {
    let mut broker = with_topic();
    let mut trino = Engine::open(Kind::Trino, &broker);
    let mut produced = 10;
    let mut more = |broker: &Broker| {
        produce(broker.bootstrap(), TOPIC, &[], &records(1, produced, 5));
        produced += 5;
    };
    for library in LIBRARIES {
        let mut author = Author::open(library, &broker);
        let snapshots =
            |author: &mut Author| author.does("snapshots", json!({ "table": TABLE })).len();
        // Two loads with records between them: two snapshots.
        snapshots(&mut author);
        more(&broker);
        let before = snapshots(&mut author);
        assert!(before > 1, "{library:?}: {before}");
        author.does("expire", json!({ "table": TABLE }));
        assert_eq!(snapshots(&mut author), 1, "{library:?}");
        let key = format!("read.{library:?}").to_lowercase();
        author.does("set_property", json!({"table": TABLE, "key": key, "value": "1"}));
        more(&broker);
        assert_equal(&mut trino, TOPIC, &consume(broker.bootstrap(), TOPIC));
    }
    more(&broker);
    assert_equal(&mut trino, TOPIC, &consume(broker.bootstrap(), TOPIC));
    let catalog = trino.sql("SELECT current_catalog")[0][0].as_str().unwrap().to_string();
    trino.sql(&format!("SET SESSION {catalog}.expire_snapshots_min_retention = '0s'"));
    trino.sql("ALTER TABLE guarded EXECUTE expire_snapshots(retention_threshold => '0s', retain_last => 1)");
    trino.sql("ANALYZE guarded");
    trino.sql("COMMENT ON TABLE guarded IS 'what was said'");
    assert_eq!(json!(trino.sql("SELECT count(*) FROM \"guarded$snapshots\"")), json!([[1]]));
    more(&broker);
    assert_equal(&mut trino, TOPIC, &consume(broker.bootstrap(), TOPIC));
    broker.kill();
    broker.start_again();
    more(&broker);
    assert_equal(&mut trino, TOPIC, &consume(broker.bootstrap(), TOPIC));
    let properties =
        Author::open(Library::Java, &broker).does("properties", json!({ "table": TABLE }));
    let properties: &Value = &properties[0][0];
    for kept in ["read.java=1", "read.pyiceberg=1", "what was said"] {
        assert!(properties.as_str().unwrap().contains(kept), "{kept}: {properties}");
    }
}
