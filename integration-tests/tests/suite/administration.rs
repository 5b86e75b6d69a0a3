//! Topics changed through the clients' own administration: options, partitions, records.

use std::time::Duration;

use serde_json::{Value, json};
use strom_integration_tests::broker::unique;
use strom_integration_tests::capability::Capability;
use strom_integration_tests::client::Client;
use strom_integration_tests::record::numbered;
use strom_integration_tests::session::{From, Produce, Session};
use strom_integration_tests::wait::wait_for;

pub(crate) mod options_are_altered {
    crate::with_clients!(
        super::options; java confluent_kafka franz_go kafkajs rdkafka kafka_python aiokafka
        platformatic sarama
    );
}

pub(crate) mod partitions_are_added {
    crate::with_clients!(
        super::partitions; java confluent_kafka franz_go kafkajs rdkafka kafka_python aiokafka
        platformatic sarama
    );
}

pub(crate) mod records_are_deleted {
    crate::with_clients!(
        super::records; java confluent_kafka franz_go kafkajs rdkafka kafka_python aiokafka
        platformatic sarama rskafka
    );
}

pub(crate) mod topics_are_created_and_deleted {
    crate::with_clients!(
        super::topics; java confluent_kafka franz_go kafkajs rdkafka kafka_python aiokafka
        platformatic sarama rskafka
    );
}

fn create(session: &mut Session, topic: &str, configs: &Value) {
    let arguments =
        json!({"topic": topic, "partitions": 2, "replication_factor": 1, "configs": configs});
    session.must("create_topic", arguments);
}

/// Kafka's brokers learn of a change some time after its controller confirmed it.
fn listed(session: &mut Session, topic: &str, partitions: Option<u64>) {
    let what = format!("{topic} to be listed with {partitions:?} partitions");
    wait_for(&what, Duration::from_secs(10), || {
        (session.topics().get(topic).copied() == partitions).then_some(())
    });
}

fn topics(client: Client) {
    let topic = unique(&format!("made-by-{}", client.name()));
    let mut session = client.shared();
    create(&mut session, &topic, &json!({}));
    listed(&mut session, &topic, Some(2));
    let again = json!({"topic": topic, "partitions": 2, "replication_factor": 1, "configs": {}});
    let refused = session.call("create_topic", again).unwrap_err();
    assert_eq!(refused.error, "TOPIC_ALREADY_EXISTS", "{client:?}");
    session.must("delete_topic", json!({ "topic": topic }));
    listed(&mut session, &topic, None);
}

/// One option is changed and one goes back to its default.
fn options(client: Client) {
    let topic = unique(&format!("altered-by-{}", client.name()));
    let mut session = client.shared();
    create(&mut session, &topic, &json!({"retention.ms": "123456", "max.message.bytes": "2000"}));
    let alter = |session: &mut Session, set: Value, delete: &[&str]| {
        if client.can(Capability::AltersSingleConfigs) {
            let change = json!({"topic": topic, "set": set, "delete": delete});
            session.call("alter_topic_config", change)
        } else {
            session.call("replace_topic_config", json!({"topic": topic, "set": set}))
        }
    };
    listed(&mut session, &topic, Some(2));
    for wrong in [json!({"no.such.option": "1"}), json!({"retention.ms": "soon"})] {
        let answer = alter(&mut session, wrong, &[]);
        if client.can(Capability::TellsOfRefusedOptions) {
            let refused = answer.unwrap_err();
            assert_eq!(refused.error, "INVALID_CONFIG", "{client:?}: {refused:?}");
        }
    }
    let kept = described(&mut session, &topic).expect("the topic is there");
    assert_eq!(kept, ["123456", "2000"], "{client:?}");
    alter(&mut session, json!({"retention.ms": "654321"}), &["max.message.bytes"]).unwrap();
    wait_for("the change to be described", Duration::from_secs(10), || {
        (described(&mut session, &topic)? == ["654321", "1048588"]).then_some(())
    });
}

/// The two options of the test.
fn described(session: &mut Session, topic: &str) -> Option<[String; 2]> {
    let answer = session.call("describe_topic_config", json!({ "topic": topic })).ok()?;
    let config = |name: &str| answer["configs"][name].as_str().map(str::to_string);
    Some([config("retention.ms")?, config("max.message.bytes")?])
}

/// The new partition takes records and gives them back.
fn partitions(client: Client) {
    let topic = unique(&format!("widened-by-{}", client.name()));
    let mut session = client.shared();
    create(&mut session, &topic, &json!({}));
    let fewer = session.call("create_partitions", json!({"topic": topic, "count": 1})).unwrap_err();
    assert_eq!(fewer.error, "INVALID_PARTITIONS", "{client:?}: {fewer:?}");
    session.must("create_partitions", json!({"topic": topic, "count": 4}));
    listed(&mut session, &topic, Some(4));
    session.produce(&topic, Produce::default(), &[numbered("", 1).remove(0).on(3)]);
    assert_eq!(session.read_all(&[(&topic, 3)], 1)[0].record.value_text(), "0");
}

/// What is deleted is gone from the beginning of the log, and the rest is read from there.
fn records(client: Client) {
    let topic = unique(&format!("shortened-by-{}", client.name()));
    let mut session = client.shared();
    create(&mut session, &topic, &json!({}));
    listed(&mut session, &topic, Some(2));
    let records: Vec<_> = numbered("", 10).into_iter().map(|record| record.on(1)).collect();
    session.produce(&topic, Produce::default(), &records);
    let delete = |session: &mut Session, before: i64| {
        session.call("delete_records", json!({"topic": topic, "partition": 1, "before": before}))
    };
    assert!(delete(&mut session, 11).is_err(), "{client:?}: there is nothing at 10 yet");
    delete(&mut session, 4).unwrap();
    let (handle, positions) = session.open(&[(&topic, 1, From::Beginning)]);
    assert_eq!(positions, [4], "{client:?}");
    let left: Vec<i64> = session.read(&handle, 6).iter().map(|found| found.offset).collect();
    assert_eq!(left, [4, 5, 6, 7, 8, 9], "{client:?}");
    session.close(&handle);
}
