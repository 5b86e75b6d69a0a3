//! The options of topics' tables, set by Kafka clients when they create a topic, altered by clients and
//! by Apache's tools, and what a table then shows: how it is partitioned, how fresh it is, whether it
//! outlives its topic.

use std::time::Duration;

use serde_json::{Value, json};
use strom_integration_tests::broker::Broker;
use strom_integration_tests::client::Client;
use strom_integration_tests::session::{Answer, Session};
use strom_integration_tests::wait::wait_for;

use super::checks::{self, assert_equal, records};
use super::{Engine, Kind, Rows, expected_totals};
use crate::records::{consume, produce};
use crate::tools::{CONFIGS, TOPICS, attempt_on};

/// Longer than the slowest of these needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// kafka-configs, altering a topic's options, and what it printed if it failed.
fn configs(broker: &Broker, topic: &str, change: &[&str]) -> Result<(), String> {
    let entity = ["--alter", "--entity-type", "topics", "--entity-name", topic];
    let (printed, succeeded) = attempt_on(broker, CONFIGS, &[&entity[..], change].concat(), "");
    if succeeded { Ok(()) } else { Err(printed) }
}

/// By a client's own administration.
fn create(session: &mut Session, topic: &str, options: &Value) -> Answer {
    let arguments =
        json!({"topic": topic, "partitions": 2, "replication_factor": 1, "configs": options});
    session.call("create_topic", arguments)
}

fn alter(session: &mut Session, topic: &str, set: &Value) -> Answer {
    session.call("alter_topic_config", json!({"topic": topic, "set": set, "delete": []}))
}

/// Fields and transforms of the table's current partition spec.
fn spec(engine: &mut Engine, table: &str) -> Value {
    json!(engine.operation(&json!({"op": "spec", "table": table})))
}

/// (spec, partition, records) of every data file.
fn files(engine: &mut Engine, table: &str) -> Rows {
    engine.operation(&json!({"op": "files", "table": table}))
}

fn records_in<'a>(files: impl IntoIterator<Item = &'a Vec<Value>>) -> i64 {
    files.into_iter().map(|file| file[2].as_i64().unwrap()).sum()
}

#[test]
fn partitioning_is_set_altered_and_removed() {
    let broker = checks::broker();
    let by_day = json!({"table.datalake.partition.by": "day(__timestamp)"});
    create(&mut Client::Java.start(broker.bootstrap()), "parted", &by_day).unwrap();
    let mut engine = Engine::open(Kind::Pyiceberg, &broker);
    let mut written = 0;
    let mut write = |count| {
        produce(broker.bootstrap(), "parted", &[], &records(2, written, count));
        written += count;
    };
    write(100);
    assert_eq!(spec(&mut engine, "parted"), json!([["__timestamp_day", "day"]]));
    let first = files(&mut engine, "parted");
    assert_eq!(records_in(&first), 100, "{first:?}");
    assert!(first.iter().all(|file| !file[1][0][1].is_null()), "each has its day: {first:?}");

    // The tool takes brackets for its own: inside of them commas are the value's.
    let by_both = "table.datalake.partition.by=[bucket(4,key),__partition]";
    configs(&broker, "parted", &["--add-config", by_both]).unwrap();
    write(60);
    let transforms = json!([["key_bucket_4", "bucket[4]"], ["__partition", "identity"]]);
    assert_eq!(spec(&mut engine, "parted"), transforms);
    let second = files(&mut engine, "parted");
    let (old, new): (Rows, Rows) = second.into_iter().partition(|file| file[0] == first[0][0]);
    assert_eq!(old, first, "what is written stays as it is");
    assert_eq!(records_in(&new), 60, "{new:?}");
    for partition in 0..2 {
        let here = new.iter().filter(|file| file[1][1][1] == partition);
        assert_eq!(records_in(here), 30, "__partition {partition}: {new:?}");
    }
    let mut buckets: Vec<i64> = new.iter().filter_map(|file| file[1][0][1].as_i64()).collect();
    buckets.dedup();
    assert!(buckets.len() > 1 && buckets.iter().all(|bucket| (0..4).contains(bucket)), "{new:?}");

    configs(&broker, "parted", &["--delete-config", "table.datalake.partition.by"]).unwrap();
    write(10);
    assert_eq!(spec(&mut engine, "parted"), json!([]));
    let third = files(&mut engine, "parted");
    assert_eq!(records_in(third.iter().filter(|file| file[1] == json!([]))), 10, "{third:?}");
    let consumed = consume(broker.bootstrap(), "parted");
    assert_eq!(consumed.len(), 170);
    for kind in [Kind::Pyiceberg, Kind::DuckDb] {
        assert_equal(&mut Engine::open(kind, &broker), "parted", &consumed);
    }
}

/// Data files below the broker's warehouse, committed or not.
fn data_files(broker: &Broker) -> usize {
    let mut folders = vec![broker.data_dir().join("warehouse")];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        // A file may go while this looks.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                count += 1;
            }
        }
    }
    count
}

/// What is encoded ahead of a commit is nobody's yet: a kill neither loses nor doubles it, and the
/// files that it leaves go.
#[test]
fn a_partitioned_table_is_encoded_as_data_comes_through_a_kill() {
    let mut broker = checks::broker();
    let by_key = json!({"table.datalake.partition.by": "bucket[4, key]"});
    create(&mut Client::FranzGo.start(broker.bootstrap()), "busy", &by_key).unwrap();
    let mut written = 0;
    let mut write = |broker: &Broker| {
        let mut large = records(2, written, 400);
        let values = large.iter_mut().filter_map(|record| record.value.as_mut());
        values.for_each(|value| value.resize(64 << 10, b'.'));
        produce(broker.bootstrap(), "busy", &[], &large);
        written += large.len();
    };
    // Nobody loads the table, and less waits than would be committed by itself. Keys have four
    // buckets or are null: five files of each partition.
    for _ in 0..2 {
        let committed = data_files(&broker);
        write(&broker);
        let has_both = |broker: &Broker| data_files(broker) > committed + 5;
        wait_for("files of both partitions", PATIENCE, || has_both(&broker).then_some(()));
        broker.kill();
        assert!(has_both(&broker), "a kill leaves them");
        broker.start_again();
        let consumed = consume(broker.bootstrap(), "busy");
        let mut engine = Engine::open(Kind::Pyiceberg, &broker);
        assert_eq!(engine.totals("busy"), expected_totals(&consumed));
        let files = files(&mut engine, "busy");
        assert_eq!(records_in(&files), i64::try_from(consumed.len()).unwrap());
        assert_eq!(data_files(&broker), files.len(), "no file is left that is in no commit");
        let duck = Engine::open(Kind::DuckDb, &broker).totals("busy");
        assert_eq!(duck, expected_totals(&consumed));
    }
    assert_eq!(consume(broker.bootstrap(), "busy").len(), written);
}

/// Also what was not in the table yet when the topic was deleted.
#[test]
fn tables_outlive_their_topics_or_go_with_them() {
    let broker = checks::broker();
    let mut session = Client::FranzGo.start(broker.bootstrap());
    let keep = json!({"table.datalake.on-topic-delete": "keep"});
    let (at_creation, later, not_any_more) = ("kept-at-once", "kept-later", "not-kept");
    for (topic, options) in [(at_creation, &keep), (later, &json!({})), (not_any_more, &keep)] {
        create(&mut session, topic, options).unwrap();
        produce(broker.bootstrap(), topic, &[], &records(2, 0, 20));
    }
    let change = |topic: &str, value: &str| {
        let option = format!("table.datalake.on-topic-delete={value}");
        configs(&broker, topic, &["--add-config", &option]).unwrap();
    };
    change(later, "keep");
    change(not_any_more, "purge");
    let mut engine = Engine::open(Kind::Pyiceberg, &broker);
    for topic in [later, not_any_more] {
        assert_eq!(engine.totals(topic).count, 20);
        produce(broker.bootstrap(), topic, &[], &records(2, 20, 5));
    }
    let consumed = [at_creation, later].map(|topic| consume(broker.bootstrap(), topic));
    for topic in [at_creation, later, not_any_more] {
        session.must("delete_topic", json!({ "topic": topic }));
    }
    let kept = wait_for("two tables to be kept and one to go", PATIENCE, || {
        let tables = engine.tables();
        let is_kept = |table: &String| table.contains("kept-") && table.contains("__");
        (tables.len() == 2 && tables.iter().all(is_kept)).then_some(tables)
    });
    for ((table, topic), consumed) in kept.iter().zip([at_creation, later]).zip(&consumed) {
        assert!(table.starts_with(&format!("{topic}__")), "{kept:?}");
        assert_equal(&mut engine, table, consumed);
    }
}

#[test]
fn freshness_and_intervals_are_set_and_altered_by_confluent_kafka() {
    let broker = checks::broker();
    let mut session = Client::Confluent.start(broker.bootstrap());
    const FRESHNESS: &str = "table.datalake.freshness";
    const INTERVAL: &str = "table.datalake.read-flush.min-interval";
    create(&mut session, "lazy", &json!({FRESHNESS: "1h", INTERVAL: "1h"})).unwrap();
    let mut engine = Engine::open(Kind::Pyiceberg, &broker);
    let write = |from, count| produce(broker.bootstrap(), "lazy", &[], &records(1, from, count));
    let is_fresh = |engine: &mut Engine| {
        let config = engine.operation(&json!({"op": "config", "table": "lazy"}));
        config.contains(&vec![json!("strom.fresh"), json!("true")])
    };
    write(0, 10);
    assert_eq!(engine.totals("lazy").count, 10, "the first load flushes");
    write(10, 5);
    assert_eq!(engine.totals("lazy").count, 10, "the next one is within the interval");
    assert!(!is_fresh(&mut engine));

    // By freshness alone: loads still do not flush.
    alter(&mut session, "lazy", &json!({FRESHNESS: "500ms"})).unwrap();
    wait_for("a commit that nobody asked for", PATIENCE, || {
        (engine.totals("lazy").count == 15).then_some(())
    });
    alter(&mut session, "lazy", &json!({FRESHNESS: "1h", INTERVAL: "0"})).unwrap();
    write(15, 5);
    assert_eq!(engine.totals("lazy").count, 20, "every load flushes again");
    assert!(is_fresh(&mut engine));
    assert_equal(&mut engine, "lazy", &consume(broker.bootstrap(), "lazy"));
}

#[test]
fn a_topic_that_becomes_a_table_later_brings_what_it_has() {
    let broker = checks::broker();
    let off = json!({"table.datalake.enabled": "false"});
    create(&mut Client::KafkaPython.start(broker.bootstrap()), "latecomer", &off).unwrap();
    let write = |from, count| {
        produce(broker.bootstrap(), "latecomer", &[], &records(2, from, count));
    };
    let enable = |value: &str| {
        let option = format!("table.datalake.enabled={value}");
        configs(&broker, "latecomer", &["--add-config", &option]).unwrap();
    };
    write(0, 30);
    let mut engine = Engine::open(Kind::Pyiceberg, &broker);
    assert_eq!(engine.tables(), [""; 0]);
    enable("true");
    write(30, 10);
    let consumed = consume(broker.bootstrap(), "latecomer");
    assert_eq!(consumed.len(), 40);
    assert_equal(&mut engine, "latecomer", &consumed);

    enable("false");
    write(40, 10);
    assert_equal(&mut engine, "latecomer", &consumed);
    enable("true");
    assert_equal(&mut engine, "latecomer", &consume(broker.bootstrap(), "latecomer"));
    assert_eq!(engine.totals("latecomer").count, 50);
}

/// docs/topics.md says so: kafka-topics goes by a list of its own and never asks the broker.
#[test]
fn kafka_topics_knows_kafkas_options_only() {
    let broker = checks::broker();
    let option = ["--config", "table.datalake.enabled=true"];
    let arguments = [&["--create", "--topic", "unasked"][..], &option].concat();
    let (printed, succeeded) = attempt_on(&broker, TOPICS, &arguments, "");
    assert!(!succeeded && printed.contains("Unknown topic config name"), "{printed}");
    assert!(!broker.log().contains("unasked"), "{}", broker.log());
}

/// Option, value, and the remedy: what the refusal names. Of unknown options the value is no matter.
const REFUSED: &[(&str, &str, &str)] = &[
    ("table.datalake.enabled", "perhaps", "true or false"),
    ("table.datalake.freshness", "soon", "such as 500ms, 30s, 10min, 1h or 7d"),
    ("table.datalake.freshness", "0", "milliseconds or a number with a unit"),
    ("table.datalake.on-topic-delete", "burn", "one of purge, keep"),
    ("table.datalake.partition.by", "value", "a transform of value"),
    ("table.datalake.partition.by", "weekday(__timestamp)", "day(__timestamp)"),
    ("table.datalake.partition.by", "day(colour)", "one of the columns key, value, __partition"),
    ("table.datalake.read-flush.min-interval", "often", "0, or a time such as 500ms"),
    ("table.datalake.read-flush.on-timeout", "wait", "one of stale, fail"),
    ("table.datalake.read-flush.timeout", "never", "such as 500ms"),
    ("table.datalake.retention", "0", "-1 for ever, or a time such as 12h, 30d"),
    ("table.datalake.partition_by", "", "did you mean table.datalake.partition.by?"),
    ("table.datalake.colour", "", "leave it out"),
];

#[test]
fn wrong_values_are_refused_with_option_value_and_remedy() {
    let broker = checks::broker();
    let mut session = Client::Confluent.start(broker.bootstrap());
    create(&mut session, "steady", &json!({"table.datalake.freshness": "7min"})).unwrap();
    for (option, value, remedy) in REFUSED {
        let check = |who: &str, error: &str, told: &str| {
            assert!(error.contains("INVALID_CONFIG"), "{who} {option}={value}: {error}: {told}");
            for part in [option, value, remedy] {
                assert!(told.contains(part), "{who} {option}={value}: {part} is missing: {told}");
            }
        };
        for answer in [
            create(&mut session, "refused", &json!({ *option: value })),
            alter(&mut session, "steady", &json!({ *option: value })),
        ] {
            let refused = answer.unwrap_err();
            check("confluent-kafka", &refused.error, &refused.message);
        }
        let setting = format!("{option}={value}");
        let told = configs(&broker, "steady", &["--add-config", &setting]).unwrap_err();
        assert!(told.contains("InvalidConfigurationException"), "{setting}: {told}");
        check("kafka-configs", "INVALID_CONFIG", &told);
    }
    assert!(!session.topics().contains_key("refused"));
    let kept = session.must("describe_topic_config", json!({"topic": "steady"}));
    assert_eq!(kept["configs"]["table.datalake.freshness"], "7min", "nothing was changed");
}
