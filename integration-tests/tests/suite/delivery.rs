//! How records get in: idempotent and plain producers, every kind of acknowledgement, topics
//! that come into being by use.

use serde_json::json;
use strom_integration_tests::broker::{self, unique};
use strom_integration_tests::client::Client;
use strom_integration_tests::raw::stored_batches;
use strom_integration_tests::record::numbered;
use strom_integration_tests::session::Produce;

pub(crate) mod idempotent_producers_keep_order_and_count {
    crate::with_clients!(
        super::idempotent; kcat java confluent_kafka franz_go kafkajs rdkafka kafka_python aiokafka
        platformatic sarama
    );
}

pub(crate) mod every_kind_of_acknowledgement_delivers {
    crate::with_clients!(
        super::acknowledged; kcat java confluent_kafka franz_go kafkajs rdkafka kafka_python
        aiokafka platformatic sarama
    );
}

pub(crate) mod producing_creates_a_topic {
    crate::with_clients!(
        super::created_by_producing; kcat java confluent_kafka franz_go kafkajs rdkafka
        kafka_python aiokafka platformatic sarama rskafka
    );
}

mod a_reader_that_must_not_create_does_not {
    crate::with_clients!(super::not_created_by_reading; confluent_kafka franz_go rdkafka);
}

fn idempotent(producer: Client) {
    let topic = unique(&format!("idempotent-{}", producer.name()));
    Client::Confluent.shared().create_topic(&topic, 1);
    let records: Vec<_> = numbered("", 3000).into_iter().map(|record| record.on(0)).collect();
    let how = Produce { idempotent: true, codec: "lz4", ..Produce::default() };
    producer.shared().produce(&topic, how, &records);
    let found = Client::Confluent.shared().read_all(&[(&topic, 0)], 3000);
    let values: Vec<String> = found.iter().map(|found| found.record.value_text()).collect();
    let expected: Vec<String> = (0..3000).map(|number| number.to_string()).collect();
    assert_eq!(values, expected);
    let batches = stored_batches(broker::shared().bootstrap(), &topic, 0);
    assert!(batches.iter().all(|batch| batch.producer_id >= 0), "{batches:?}");
}

fn acknowledged(producer: Client) {
    let topic = unique(&format!("acks-{}", producer.name()));
    Client::Confluent.shared().create_topic(&topic, 1);
    for (round, acks) in ["0", "1", "all"].into_iter().enumerate() {
        let records: Vec<_> = numbered(acks, 20).into_iter().map(|record| record.on(0)).collect();
        let how = Produce { acks, ..Produce::default() };
        producer.shared().produce(&topic, how, &records);
        // Also waits for those of acks=0, which nobody else reports.
        let found = Client::Confluent.shared().read_all(&[(&topic, 0)], (round + 1) * 20);
        assert_eq!(found[round * 20].record.value_text(), format!("{acks}0"));
    }
}

fn created_by_producing(producer: Client) {
    let topic = unique(&format!("created-by-{}", producer.name()));
    let records = numbered("", 3);
    producer.shared().produce(&topic, Produce::default(), &records);
    assert_eq!(Client::Confluent.shared().topics().get(&topic), Some(&1));
    assert_eq!(producer.shared().read_all(&[(&topic, 0)], 3).len(), 3);
}

fn not_created_by_reading(reader: Client) {
    let topic = unique(&format!("not-created-by-{}", reader.name()));
    let part = json!({"topic": topic, "partition": 0, "from": "beginning"});
    // How a client puts it is its own affair; the topic must not come into being.
    let _ = reader.shared().call("open", json!({"handle": topic, "parts": [part]}));
    assert_eq!(Client::Confluent.shared().topics().get(&topic), None);
}
