//! Topics made, described and deleted through the clients' own administration.

use std::time::Duration;

use serde_json::{Value, json};
use strom_integration_tests::broker::unique;
use strom_integration_tests::client::Client;
use strom_integration_tests::session::Session;
use strom_integration_tests::wait::wait_for;

pub(crate) mod topics_are_created_described_and_deleted {
    crate::with_clients!(
        super::check; java confluent_kafka franz_go kafkajs rdkafka kafka_python aiokafka
        platformatic sarama
    );
}

fn create(session: &mut Session, topic: &str, configs: Value) -> Result<(), String> {
    let arguments =
        json!({"topic": topic, "partitions": 3, "replication_factor": 1, "configs": configs});
    session.call("create_topic", arguments).map(drop).map_err(|refused| refused.error)
}

/// Kafka's brokers learn of a change some time after its controller confirmed it.
fn listed(session: &mut Session, topic: &str, partitions: Option<u64>) {
    let what = format!("{topic} to be listed with {partitions:?} partitions");
    wait_for(&what, Duration::from_secs(10), || {
        (session.topics().get(topic).copied() == partitions).then_some(())
    });
}

fn check(client: Client) {
    let topic = unique(&format!("admin-{}", client.name()));
    let mut session = client.shared();
    create(&mut session, &topic, json!({"retention.ms": "123456", "min.insync.replicas": "1"}))
        .unwrap();
    listed(&mut session, &topic, Some(3));
    let answer = session.must("describe_topic_config", json!({ "topic": topic }));
    let config = |name: &str| answer["configs"][name].as_str().unwrap_or("(none)").to_string();
    assert_eq!(config("retention.ms"), "123456");
    assert_eq!(config("min.insync.replicas"), "1");
    assert_eq!(config("cleanup.policy"), "delete");
    assert_eq!(config("compression.type"), "producer");
    assert_eq!(config("message.timestamp.type"), "CreateTime");

    let again = create(&mut session, &topic, json!({})).unwrap_err();
    assert_eq!(again, "TOPIC_ALREADY_EXISTS", "{client:?}");
    let unnamed = create(&mut session, "no/such name", json!({})).unwrap_err();
    assert!(unnamed.contains("TOPIC_EXCEPTION"), "{client:?}: {unnamed}");
    let wrong = unique("admin-config");
    let refused = create(&mut session, &wrong, json!({"retention.ms": "soon"})).unwrap_err();
    assert_eq!(refused, "INVALID_CONFIG", "{client:?}");
    let refused = create(&mut session, &wrong, json!({"no.such.config": "1"})).unwrap_err();
    assert_eq!(refused, "INVALID_CONFIG", "{client:?}");
    assert_eq!(session.topics().get(&wrong), None);

    session.must("delete_topic", json!({ "topic": topic }));
    listed(&mut session, &topic, None);
    create(&mut session, &topic, json!({})).unwrap();
    session.must("delete_topic", json!({ "topic": topic }));
}
