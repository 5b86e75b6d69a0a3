//! What leaves: records while tables cannot be written, where waiting is the topic's choice, and rows by age.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use strom_integration_tests::broker::{Broker, SMALL_JOURNAL};
use strom_integration_tests::wait::wait_for;

use super::checks::{assert_equal, records};
use super::{BROKER_OPTIONS, Engine, Kind, expected_totals};
use crate::records::{client, consume, press_journal, produce, wait};

/// Longer than the longest pause of a table whose commit failed.
const PATIENCE: Duration = Duration::from_secs(120);

const GUARD: &str = "table.datalake.retention.guard";

/// A topic of one partition.
fn create(broker: &Broker, topic: &str, options: &[(&str, &str)]) {
    let admin: AdminClient<_> = client(broker.bootstrap(), &[]).create().unwrap();
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    let new = options.iter().fold(new, |new, (option, value)| new.set(option, value));
    let created = wait(admin.create_topics([&new], &AdminOptions::new())).unwrap();
    assert_eq!(created, [Ok(topic.to_string())]);
}

fn log_start(broker: &Broker, topic: &str) -> i64 {
    let consumer: BaseConsumer = client(broker.bootstrap(), &[]).create().unwrap();
    consumer.fetch_watermarks(topic, 0, PATIENCE).unwrap().0
}

#[test]
fn a_topic_waits_for_a_table_that_cannot_be_written_unless_it_has_it_otherwise() {
    let upkeep: &[(&str, &str)] = &[("log.retention.check.interval.ms", "100")];
    let broker = Broker::start_strom(&[BROKER_OPTIONS, SMALL_JOURNAL, upkeep].concat());
    let topics = ["waits", "goes"];
    // Their records are due as soon as they are there.
    for (topic, guard) in [("waits", "true"), ("goes", "false")] {
        create(&broker, topic, &[("retention.ms", "1"), (GUARD, guard)]);
    }
    let mut engine = Engine::open(Kind::DuckDb, &broker);
    for topic in topics {
        produce(broker.bootstrap(), topic, &[], &records(1, 0, 20));
        assert_eq!(engine.totals(topic).count, 20);
    }
    // No directory, and none can be made: a file has its name.
    let tables = broker.data_dir().join("warehouse/kafka");
    let aside = tables.with_extension("aside");
    std::fs::rename(&tables, &aside).unwrap();
    std::fs::write(&tables, "").unwrap();
    for topic in topics {
        produce(broker.bootstrap(), topic, &[], &records(1, 20, 30));
    }
    let produced = topics.map(|topic| consume(broker.bootstrap(), topic));
    assert_eq!(produced.each_ref().map(Vec::len), [50, 50]);
    press_journal(broker.bootstrap());
    wait_for("retention that does not wait", PATIENCE, || {
        (log_start(&broker, "goes") == 50).then_some(())
    });
    let kept = log_start(&broker, "waits");
    assert!(kept <= 20, "the table has 20 records only, and {kept} are gone");

    std::fs::remove_file(&tables).unwrap();
    std::fs::rename(&aside, &tables).unwrap();
    for (topic, mut expected) in topics.into_iter().zip(produced) {
        wait_for("the table to be written again", PATIENCE, || engine.try_totals(topic).ok());
        if topic == "goes" {
            expected.truncate(20);
        }
        assert_equal(&mut engine, topic, &expected);
        produce(broker.bootstrap(), topic, &[], &records(1, 50, 5));
        expected.extend(consume(broker.bootstrap(), topic).into_iter().filter(|f| f.offset >= 50));
        assert_eq!(expected.last().unwrap().offset, 54);
        assert_equal(&mut engine, topic, &expected);
    }
    wait_for("retention that waited", PATIENCE, || {
        (log_start(&broker, "waits") >= 50).then_some(())
    });
    let log = broker.log();
    let said = log.lines().filter(|line| line.contains("removed before the lake took them"));
    let said: Vec<&str> = said.collect();
    assert!(!said.is_empty() && said.iter().all(|line| line.contains("goes")), "{said:?}");
}

/// The topic keeps what its table lets go of: each has its own retention. Engines see a removal as a
/// snapshot of its own, and time travel goes behind it.
#[test]
fn rows_leave_a_table_by_age_and_three_engines_agree() {
    let mut broker = Broker::start_strom(BROKER_OPTIONS);
    create(&broker, "aging", &[("table.datalake.retention", "30d")]);
    let mut old = records(1, 0, 40);
    for record in &mut old {
        record.timestamp = record.timestamp.map(|at| at - 60 * 86_400_000);
    }
    produce(broker.bootstrap(), "aging", &[], &old);
    let mut trino = Engine::open(Kind::Trino, &broker);
    // The commit that has them is followed by one without.
    trino.totals("aging");
    wait_for("the table to be empty", PATIENCE, || {
        (trino.totals("aging").count == 0).then_some(())
    });
    let snapshots = "SELECT operation, snapshot_id FROM \"aging$snapshots\" ORDER BY committed_at";
    let found = trino.sql(snapshots);
    let operations: Vec<_> = found.iter().filter_map(|snapshot| snapshot[0].as_str()).collect();
    assert_eq!(operations, ["append", "delete"]);
    let travelled = format!("SELECT count(*) FROM aging FOR VERSION AS OF {}", found[0][1]);
    assert_eq!(trino.sql(&travelled)[0][0], 40);

    produce(broker.bootstrap(), "aging", &[], &records(1, 40, 30));
    let consumed = consume(broker.bootstrap(), "aging");
    assert_eq!(consumed.len(), 70, "the topic has its own retention");
    let left = consumed[40..].to_vec();
    for _ in 0..2 {
        for kind in [Kind::Trino, Kind::DuckDb, Kind::Pyiceberg] {
            assert_equal(&mut Engine::open(kind, &broker), "aging", &left);
        }
        broker.kill();
        broker.start_again();
    }
    // An engine that lets old snapshots go takes the file that only they have along.
    let mut trino = Engine::open(Kind::Trino, &broker);
    let catalog = trino.sql("SELECT current_catalog")[0][0].as_str().unwrap().to_string();
    trino.sql(&format!("SET SESSION {catalog}.expire_snapshots_min_retention = '0s'"));
    trino.sql(
        "ALTER TABLE aging EXECUTE expire_snapshots(retention_threshold => '0s', retain_last => 1)",
    );
    assert_eq!(trino.sql(snapshots).len(), 1);
    produce(broker.bootstrap(), "aging", &[], &records(1, 70, 5));
    let left = consume(broker.bootstrap(), "aging")[40..].to_vec();
    for kind in [Kind::Trino, Kind::DuckDb, Kind::Pyiceberg] {
        let mut engine = Engine::open(kind, &broker);
        assert_eq!(engine.totals("aging"), expected_totals(&left));
        assert_equal(&mut engine, "aging", &left);
    }
}
