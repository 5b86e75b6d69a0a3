//! The loads at full rate, driven by librdkafka: acks=all, linger 5 ms, batches of 64 KiB.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

/// A load that stands still for this long has failed.
const STALL: Duration = Duration::from_secs(60);
/// Different values of a case: enough that compression sees what JSON is like.
const VALUES: u64 = 997;

/// What is produced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// 100 bytes, uncompressed.
    Small,
    /// 1 KiB, uncompressed.
    Large,
    /// 200 bytes of JSON, LZ4.
    SmallJsonLz4,
    /// 1 KB of JSON, LZ4.
    JsonLz4,
}

impl Case {
    pub fn name(self) -> &'static str {
        match self {
            Case::Small => "100 B uncompressed",
            Case::Large => "1 KiB uncompressed",
            Case::SmallJsonLz4 => "200 B JSON LZ4",
            Case::JsonLz4 => "1 KB JSON LZ4",
        }
    }

    pub fn record_bytes(self) -> u64 {
        match self {
            Case::Small => 100,
            Case::Large => 1024,
            Case::SmallJsonLz4 => 200,
            Case::JsonLz4 => 1000,
        }
    }

    fn codec(self) -> &'static str {
        if self.is_json() { "lz4" } else { "none" }
    }

    fn is_json(self) -> bool {
        matches!(self, Case::SmallJsonLz4 | Case::JsonLz4)
    }

    pub fn values(self) -> Vec<Vec<u8>> {
        let length = usize::try_from(self.record_bytes()).unwrap();
        let value = |seed| if self.is_json() { json(seed, length) } else { noise(seed, length) };
        (0..VALUES).map(value).collect()
    }
}

/// How records are spread: over how many partitions, and how many follow each other in one.
#[derive(Clone, Copy)]
pub struct Spread {
    pub partitions: i32,
    pub run: u64,
}

impl Spread {
    /// Runs of records per partition fill batches, as librdkafka's sticky partitioner does.
    pub const USUAL: Spread = Spread { partitions: 6, run: 500 };

    fn partition(self, index: u64) -> i32 {
        i32::try_from(index / self.run % u64::from(self.partitions.unsigned_abs())).unwrap()
    }
}

/// A linear congruential generator: the same bytes in every run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed + 1;
    (0..length).map(|_| next(&mut state).to_le_bytes()[0]).collect()
}

fn json(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed + 1;
    let mut text = String::from("{");
    let mut field = 0;
    while text.len() < length.saturating_sub(48) {
        let number = next(&mut state);
        text.push_str(&format!(
            "\"field_{field}\":\"customer-{}\",\"amount_{field}\":{},",
            number % 10_000,
            number % 1_000_000
        ));
        field += 1;
    }
    let mut bytes = text.into_bytes();
    bytes.resize(length - 1, b' ');
    bytes.push(b'}');
    bytes
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap()
}

pub fn create(bootstrap: &str, topic: &str, partitions: i32) {
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let results = block_on(admin(bootstrap).create_topics([&new], &AdminOptions::new())).unwrap();
    results.into_iter().for_each(|result| assert!(result.is_ok(), "{result:?}"));
}

pub fn delete(bootstrap: &str, topic: &str) {
    let results = block_on(admin(bootstrap).delete_topics(&[topic], &AdminOptions::new())).unwrap();
    results.into_iter().for_each(|result| assert!(result.is_ok(), "{result:?}"));
}

/// Stops the run at the first record that was not acknowledged.
struct MustSucceed;

impl ClientContext for MustSucceed {}

impl ProducerContext for MustSucceed {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            panic!("a record was not acknowledged: {error}");
        }
    }
}

pub fn produce(bootstrap: &str, topic: &str, case: Case, (count, spread): (u64, Spread)) {
    let producer: ThreadedProducer<MustSucceed> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        .set("linger.ms", "5")
        .set("batch.size", "65536")
        .set("compression.codec", case.codec())
        .set("queue.buffering.max.messages", "500000")
        .create_with_context(MustSucceed)
        .unwrap();
    let values = case.values();
    for index in 0..count {
        let value = &values[usize::try_from(index % VALUES).unwrap()];
        let partition = spread.partition(index);
        let mut record = BaseRecord::<(), [u8]>::to(topic).payload(value).partition(partition);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => panic!("cannot produce: {error}"),
            }
        }
    }
    producer.flush(Duration::from_secs(120)).unwrap();
}

pub fn consume(bootstrap: &str, topic: &str, count: u64, partitions: i32) {
    let consumer = consumer(bootstrap);
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut read = 0;
    let mut progress = Instant::now();
    while read < count {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                assert!(message.payload().is_some());
                read += 1;
                progress = Instant::now();
            }
            Some(Err(error)) => panic!("cannot consume: {error}"),
            None => assert!(progress.elapsed() < STALL, "{read} of {count} records, then nothing"),
        }
    }
}

pub fn consumer(bootstrap: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("check.crcs", "false")
        .set("fetch.message.max.bytes", "1048576")
        .set("queued.min.messages", "1000000")
        .create()
        .unwrap()
}
