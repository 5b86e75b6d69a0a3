//! Single records at a steady rate: how long from send to acknowledgement, and to the consumer.
//!
//! Each record carries the time at which it was due, so a producer that falls behind shows as
//! latency and is not left out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::load;
use crate::peer::Peer;
use crate::report;

const RATE: u64 = 5_000;
const RECORD_BYTES: usize = 1024;
const PARTITIONS: i32 = 6;
/// Records of the first part are not counted: connections open, consumers find their place.
const UNCOUNTED: Duration = Duration::from_secs(2);

/// What one run showed: milliseconds at p50, p99 and p99.9, and the broker's CPU per record.
pub struct Latency {
    pub end_to_end: [f64; 3],
    pub acknowledged: [f64; 3],
    pub broker_micros: f64,
}

/// Runs `linger.ms` on each peer in turn and prints the figures.
pub fn compare(title: &str, linger_ms: &str, peers: &[Peer], (runs, seconds): (usize, u64)) {
    let mut found: Vec<Vec<Latency>> = peers.iter().map(|_| Vec::new()).collect();
    for run in 0..runs {
        for turn in 0..peers.len() {
            let side = (turn + run) % peers.len();
            found[side].push(measure(&peers[side], linger_ms, seconds));
        }
    }
    println!("{title}");
    let mut medians = Vec::new();
    for (peer, runs) in peers.iter().zip(&found) {
        let median_of =
            |figure: &dyn Fn(&Latency) -> f64| report::spread(runs.iter().map(figure)).text(2);
        println!(
            "  {:<6} end to end p50 {}, p99 {}, p99.9 {}; acknowledged p50 {}, p99 {}; \
             {} broker CPU-us a record",
            peer.name(),
            median_of(&|run| run.end_to_end[0]),
            median_of(&|run| run.end_to_end[1]),
            median_of(&|run| run.end_to_end[2]),
            median_of(&|run| run.acknowledged[0]),
            median_of(&|run| run.acknowledged[1]),
            median_of(&|run| run.broker_micros),
        );
        let middle = |figure: fn(&Latency) -> f64| {
            report::median(&runs.iter().map(figure).collect::<Vec<_>>())
        };
        medians.push([
            middle(|run| run.end_to_end[1]),
            middle(|run| run.acknowledged[1]),
            middle(|run| run.broker_micros),
        ]);
    }
    let ratio = |figure: usize| medians[0][figure] / medians[1][figure];
    println!(
        "  ratio  p99 end to end {:.2}, p99 acknowledged {:.2}, CPU a record {:.2}",
        ratio(0),
        ratio(1),
        ratio(2)
    );
}

/// Latencies of acknowledgements, in milliseconds.
struct Acknowledgements {
    taken: Mutex<Vec<f64>>,
    counts: AtomicBool,
}

struct Timed(Arc<Acknowledgements>);

impl ClientContext for Timed {}

impl ProducerContext for Timed {
    /// When the record was due.
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, due: Box<Instant>) {
        if let Err((error, _)) = result {
            panic!("a record was not acknowledged: {error}");
        }
        if self.0.counts.load(Ordering::Relaxed) {
            self.0.taken.lock().unwrap().push(due.elapsed().as_secs_f64() * 1000.0);
        }
    }
}

fn measure(peer: &Peer, linger_ms: &str, seconds: u64) -> Latency {
    let topic = peer.new_topic(PARTITIONS);
    let bootstrap = peer.bootstrap().to_owned();
    let began = Instant::now();
    let reader = {
        let (bootstrap, topic) = (bootstrap.clone(), topic.clone());
        let records = RATE * seconds + RATE * UNCOUNTED.as_secs();
        std::thread::spawn(move || read(&bootstrap, &topic, records, began))
    };
    let acknowledgements =
        Arc::new(Acknowledgements { taken: Mutex::default(), counts: AtomicBool::new(false) });
    let producer: ThreadedProducer<Timed> = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("acks", "all")
        .set("linger.ms", linger_ms)
        .create_with_context(Timed(Arc::clone(&acknowledgements)))
        .unwrap();
    let pace = Pace { producer: &producer, topic: &topic, began };
    pace.send(0..RATE * UNCOUNTED.as_secs());
    acknowledgements.counts.store(true, Ordering::Relaxed);
    let cpu = peer.cpu_seconds();
    pace.send(RATE * UNCOUNTED.as_secs()..RATE * (UNCOUNTED.as_secs() + seconds));
    producer.flush(Duration::from_secs(60)).unwrap();
    let end_to_end = reader.join().unwrap();
    let broker_micros = (peer.cpu_seconds() - cpu) * 1e6 / (RATE * seconds) as f64;
    let acknowledged = percentiles(std::mem::take(&mut *acknowledgements.taken.lock().unwrap()));
    peer.delete(&topic);
    Latency { end_to_end: percentiles(end_to_end), acknowledged, broker_micros }
}

/// A producer that sends each record when it is due.
struct Pace<'a> {
    producer: &'a ThreadedProducer<Timed>,
    topic: &'a str,
    began: Instant,
}

impl Pace<'_> {
    fn send(&self, numbers: std::ops::Range<u64>) {
        let mut value = vec![b'x'; RECORD_BYTES];
        for number in numbers {
            let after = Duration::from_nanos(number * 1_000_000_000 / RATE);
            let due = self.began + after;
            // Short sleeps overshoot by some 60 microseconds; what is late shows as latency.
            if let Some(wait) = due.checked_duration_since(Instant::now()) {
                std::thread::sleep(wait);
            }
            value[..8].copy_from_slice(&u64::try_from(after.as_nanos()).unwrap().to_le_bytes());
            let partition = i32::try_from(number % u64::from(PARTITIONS.unsigned_abs())).unwrap();
            let record =
                BaseRecord::<(), [u8], Box<Instant>>::with_opaque_to(self.topic, Box::new(due));
            let record = record.payload(value.as_slice()).partition(partition);
            if let Err((error, _)) = self.producer.send(record) {
                panic!("cannot produce: {error}");
            }
        }
    }
}

/// Reads all records; milliseconds from due to read of those that count.
fn read(bootstrap: &str, topic: &str, records: u64, began: Instant) -> Vec<f64> {
    let consumer: BaseConsumer = load::consumer(bootstrap);
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut latencies = Vec::new();
    for _ in 0..records {
        let message = loop {
            if let Some(message) = consumer.poll(Duration::from_secs(60)) {
                break message.expect("records can be read");
            }
        };
        let now = began.elapsed();
        let due: [u8; 8] = message.payload().unwrap()[..8].try_into().unwrap();
        let due = Duration::from_nanos(u64::from_le_bytes(due));
        if due >= UNCOUNTED {
            latencies.push((now.saturating_sub(due)).as_secs_f64() * 1000.0);
        }
    }
    latencies
}

fn percentiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [0.5, 0.99, 0.999].map(|part| {
        let at = (values.len() as f64 * part) as usize;
        values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    })
}
