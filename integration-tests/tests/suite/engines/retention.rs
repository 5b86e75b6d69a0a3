//! Retention while tables cannot be written: whether a topic waits for its table is the topic's choice.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use strom_integration_tests::broker::{Broker, SMALL_JOURNAL};
use strom_integration_tests::wait::wait_for;

use super::checks::{assert_equal, records};
use super::{BROKER_OPTIONS, Engine, Kind};
use crate::records::{client, consume, press_journal, produce, wait};

/// Longer than the longest pause of a table whose commit failed.
const PATIENCE: Duration = Duration::from_secs(120);

const GUARD: &str = "table.datalake.retention.guard";

/// A topic of one partition whose records are due as soon as they are there.
fn create(broker: &Broker, topic: &str, guard: &str) {
    let admin: AdminClient<_> = client(broker.bootstrap(), &[]).create().unwrap();
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    let new = new.set("retention.ms", "1").set(GUARD, guard);
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
    create(&broker, "waits", "true");
    create(&broker, "goes", "false");
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
