//! Topics written and read by librdkafka in this process: what tables and restarts are held
//! against. For questions about clients there is the harness's `Session`; here it is one client,
//! fast, with every delivery report.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use strom_integration_tests::broker::unique;
use strom_integration_tests::record::{Found, Record, noise};

/// Longest wait for anything a client is asked to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a record went, or why it did not.
pub type Delivery = Result<(i32, i64), String>;

/// Collects delivery reports by the number that each record was sent with.
#[derive(Default)]
pub struct Deliveries {
    reports: Mutex<BTreeMap<usize, Delivery>>,
}

impl Deliveries {
    /// The reports so far.
    pub fn reports(&self) -> BTreeMap<usize, Delivery> {
        self.reports.lock().unwrap().clone()
    }

    /// How many records were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.reports.lock().unwrap().values().filter(|report| report.is_ok()).count()
    }
}

/// librdkafka's callbacks, into shared [`Deliveries`].
#[derive(Clone, Default)]
pub struct Reporter(pub Arc<Deliveries>);

impl ClientContext for Reporter {}

impl ProducerContext for Reporter {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Self::DeliveryOpaque) {
        let report = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.to_string()),
        };
        let before = self.0.reports.lock().unwrap().insert(*number, report);
        assert!(before.is_none(), "record {number} was reported twice");
    }
}

/// A client configuration for `bootstrap`; `settings` come last and win.
pub fn client(bootstrap: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("client.id", "suite");
    config.set("broker.address.family", "v4").set("reconnect.backoff.max.ms", "200");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config
}

/// A producer with acks=all whose delivery reports are collected.
pub fn producer(
    bootstrap: &str,
    settings: &[(&str, &str)],
) -> (ThreadedProducer<Reporter>, Arc<Deliveries>) {
    let reporter = Reporter::default();
    let deliveries = Arc::clone(&reporter.0);
    let mut config = client(bootstrap, &[("acks", "all"), ("linger.ms", "5")]);
    for (name, value) in settings {
        config.set(*name, *value);
    }
    (config.create_with_context(reporter).unwrap(), deliveries)
}

/// Hands one record to librdkafka, waiting while its queue is full.
pub fn send(producer: &ThreadedProducer<Reporter>, topic: &str, number: usize, record: &Record) {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &record.headers {
        headers = headers.insert(Header { key, value: value.as_ref() });
    }
    let mut sent = BaseRecord::<[u8], [u8], Box<usize>>::with_opaque_to(topic, Box::new(number));
    if !record.headers.is_empty() {
        sent = sent.headers(headers);
    }
    if let Some(partition) = record.partition {
        sent = sent.partition(partition);
    }
    if let Some(timestamp) = record.timestamp {
        sent = sent.timestamp(timestamp);
    }
    if let Some(key) = &record.key {
        sent = sent.key(key);
    }
    if let Some(value) = &record.value {
        sent = sent.payload(value);
    }
    loop {
        match producer.send(sent) {
            Ok(()) => return,
            Err((KafkaError::MessageProduction(error), back)) if is_queue_full(error) => {
                sent = back;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err((error, _)) => panic!("cannot produce to {topic}: {error}"),
        }
    }
}

fn is_queue_full(error: rdkafka::types::RDKafkaErrorCode) -> bool {
    error == rdkafka::types::RDKafkaErrorCode::QueueFull
}

/// Produces all of `records` with acks=all; returns once every one is acknowledged.
pub fn produce(bootstrap: &str, topic: &str, settings: &[(&str, &str)], records: &[Record]) {
    let (producer, deliveries) = producer(bootstrap, settings);
    for (number, record) in records.iter().enumerate() {
        send(&producer, topic, number, record);
    }
    producer.flush(PATIENCE).unwrap();
    let reports = deliveries.reports();
    assert_eq!(reports.len(), records.len(), "every record is reported once");
    for (number, report) in reports {
        assert!(report.is_ok(), "record {number} of {topic}: {report:?}");
    }
}

/// Everything in a topic, from the beginning to the ends at the time of reading, ordered by
/// partition and offset.
pub fn consume(bootstrap: &str, topic: &str) -> Vec<Found> {
    let settings = [
        ("group.id", "suite-reader"),
        ("enable.auto.commit", "false"),
        ("enable.partition.eof", "true"),
        ("check.crcs", "true"),
    ];
    let consumer: BaseConsumer = client(bootstrap, &settings).create().unwrap();
    let partitions = partitions(&consumer, topic);
    let mut assignment = TopicPartitionList::new();
    for partition in &partitions {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut records = Vec::new();
    let mut unfinished = partitions.len();
    while unfinished > 0 {
        match consumer.poll(PATIENCE) {
            Some(Ok(message)) => records.push(found(topic, &message)),
            Some(Err(KafkaError::PartitionEOF(_))) => unfinished -= 1,
            Some(Err(error)) => panic!("cannot consume {topic}: {error}"),
            None => panic!("{topic}: no record and no end of a partition for {PATIENCE:?}"),
        }
    }
    records.sort_by_key(|found: &Found| (found.record.partition, found.offset));
    records
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let found = &metadata.topics()[0];
    assert!(found.error().is_none(), "{topic}: {:?}", found.error());
    found.partitions().iter().map(|partition| partition.id()).collect()
}

fn found(topic: &str, message: &impl Message) -> Found {
    let headers = message.headers().map(|headers| {
        let owned =
            |header: Header<'_, &[u8]>| (header.key.to_string(), header.value.map(<[u8]>::to_vec));
        headers.iter().map(owned).collect()
    });
    let record = Record {
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        timestamp: message.timestamp().to_millis(),
        partition: Some(message.partition()),
    };
    Found { topic: topic.to_string(), offset: message.offset(), record }
}

/// Creates a topic and waits for the broker's answer.
pub fn create_topic(bootstrap: &str, topic: &str, partitions: i32) {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    let admin: AdminClient<_> = client(bootstrap, &[]).create().unwrap();
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let created = wait(admin.create_topics([&new], &AdminOptions::new())).unwrap();
    assert_eq!(created, [Ok(topic.to_string())]);
}

/// Writes so much that a broker with a small journal (`SMALL_JOURNAL`) moves what is there already
/// into segments: more than half of the journal. Gives the topic that it wrote.
pub fn press_journal(bootstrap: &str) -> String {
    const RECORD_BYTES: usize = 100_000;
    let topic = unique("ballast");
    let record = |number| Record::new(None, Some(&noise(number, RECORD_BYTES)));
    let records: Vec<Record> = (0..(40 << 20) / RECORD_BYTES).map(record).collect();
    produce(bootstrap, &topic, &[], &records);
    topic
}

/// Removes every record that is in these partitions of a topic by now.
pub fn delete_records(bootstrap: &str, topic: &str, partitions: std::ops::Range<i32>) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    let admin: AdminClient<_> = client(bootstrap, &[]).create().unwrap();
    let mut ends = TopicPartitionList::new();
    for partition in partitions {
        ends.add_partition_offset(topic, partition, Offset::End).unwrap();
    }
    let removed = wait(admin.delete_records(&ends, &AdminOptions::new())).unwrap();
    assert_eq!(removed.count(), ends.count());
    for partition in removed.elements() {
        partition.error().unwrap_or_else(|error| panic!("{topic}: {error}"));
    }
}

/// Deletes a topic and waits for the broker's answer.
pub fn delete_topic(bootstrap: &str, topic: &str) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    let admin: AdminClient<_> = client(bootstrap, &[]).create().unwrap();
    let deleted = wait(admin.delete_topics(&[topic], &AdminOptions::new())).unwrap();
    assert_eq!(deleted, [Ok(topic.to_string())]);
}

/// Runs a future of rdkafka's admin client, which its own thread completes.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
