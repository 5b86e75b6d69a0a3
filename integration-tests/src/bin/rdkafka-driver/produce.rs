//! Producing: one producer per command, because codec, acks and idempotence are settings of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use serde_json::{Value, json};
use strom_integration_tests::driver::text;
use strom_integration_tests::record::Record;
use strom_integration_tests::session::Answer;

use crate::{refused, with};

/// What became of each record: its offset, -1 where the broker named none.
type Reports = Arc<Mutex<Vec<Option<Result<i64, KafkaError>>>>>;

struct Reporter(Reports);

impl ClientContext for Reporter {}

impl ProducerContext for Reporter {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, index: Self::DeliveryOpaque) {
        let report = match result {
            Ok(message) => Ok(message.offset().max(-1)),
            Err((error, _)) => Err(error.clone()),
        };
        let before = self.0.lock().unwrap()[*index].replace(report);
        assert!(before.is_none(), "record {index} was reported twice");
    }
}

pub fn produce(config: &ClientConfig, command: &Value) -> Answer {
    let records = command["records"].as_array().unwrap();
    let settings = [
        ("compression.type", text(command, "codec")),
        ("acks", text(command, "acks")),
        ("enable.idempotence", &command["idempotent"].to_string()),
        ("linger.ms", "5"),
        ("message.timeout.ms", "30000"),
    ];
    let reports: Reports = Arc::new(Mutex::new(vec![None; records.len()]));
    let reporter = Reporter(Arc::clone(&reports));
    let producer: ThreadedProducer<Reporter> =
        with(config, &settings).create_with_context(reporter).map_err(refused)?;
    for (index, record) in records.iter().enumerate() {
        let record = Record::from_json(record);
        send(&producer, text(command, "topic"), index, &record).map_err(refused)?;
    }
    producer.flush(Duration::from_secs(40)).map_err(refused)?;
    let mut offsets = Vec::new();
    for report in reports.lock().unwrap().drain(..) {
        offsets.push(report.expect("flush waits for every report").map_err(refused)?);
    }
    Ok(json!({ "offsets": offsets }))
}

/// Hands one record over, waiting while the queue is full.
fn send(
    producer: &ThreadedProducer<Reporter>,
    topic: &str,
    index: usize,
    record: &Record,
) -> Result<(), KafkaError> {
    let mut sent = BaseRecord::<[u8], [u8], Box<usize>>::with_opaque_to(topic, Box::new(index));
    if !record.headers.is_empty() {
        let add = |headers: OwnedHeaders, (key, value): &(String, Option<Vec<u8>>)| {
            headers.insert(Header { key, value: value.as_ref() })
        };
        sent = sent.headers(record.headers.iter().fold(OwnedHeaders::new(), add));
    }
    sent.partition = record.partition;
    sent.timestamp = record.timestamp;
    sent.key = record.key.as_deref();
    sent.payload = record.value.as_deref();
    loop {
        match producer.send(sent) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                sent = back;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err((error, _)) => return Err(error),
        }
    }
}
