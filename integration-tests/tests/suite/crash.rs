//! kill -9 under load: what was acknowledged with acks=all is there, unchanged, in order, once, in
//! Kafka and in the tables, and committed offsets never go back. Also the gentler ends.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::Producer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rustix::process::Signal;
use strom_integration_tests::broker::Broker;
use strom_integration_tests::record::{Found, Record};
use strom_integration_tests::wait::wait_for;

use crate::engines::{self, Engine, Kind};
use crate::records::{Deliveries, client, consume, create_topic, produce, producer, send};

const TOPIC: &str = "ledger";
const GROUP: &str = "auditors";
const PARTITIONS: i32 = 4;
const CODECS: [&str; 3] = ["none", "lz4", "zstd"];
/// How long a client may need to find a broker again that was restarted.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn nothing_acknowledged_is_lost_by_kills() {
    survive("sync", 6);
}

/// Under `os` the promise is Kafka's: a dead process loses nothing, only a dead machine would.
#[test]
fn nothing_acknowledged_is_lost_by_kills_with_flush_policy_os() {
    survive("os", 2);
}

fn survive(flush_policy: &str, kills: usize) {
    let seed = std::env::var("STROM_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("flush.policy={flush_policy}: STROM_SEED={seed} repeats the moments of the kills");
    let mut random = StdRng::seed_from_u64(seed);
    let mut options = engines::BROKER_OPTIONS.to_vec();
    options.push(("flush.policy", flush_policy));
    let mut broker = Broker::start_strom(&options);
    create_topic(broker.bootstrap(), TOPIC, PARTITIONS);
    let bootstrap = broker.bootstrap().to_string();

    let stop = AtomicBool::new(false);
    let committed = Mutex::new(BTreeMap::new());
    let loaders: Vec<Loader> = CODECS
        .iter()
        .enumerate()
        .map(|(index, codec)| Loader::new(index, codec, &bootstrap))
        .collect();
    std::thread::scope(|scope| {
        let stopper = StopOnDrop(&stop);
        for loader in &loaders {
            scope.spawn(|| loader.run(&stop));
        }
        scope.spawn(|| audit(&bootstrap, &committed, &stop));
        for kill in 0..kills {
            let before = acknowledged(&loaders);
            wait_for("acknowledgements after a restart", PATIENCE, || {
                (acknowledged(&loaders) > before + 300).then_some(())
            });
            std::thread::sleep(Duration::from_millis(random.random_range(0..1500)));
            broker.kill();
            let began = Instant::now();
            broker.start_again();
            println!(
                "kill {kill}: {} acknowledged, up again in {:?}",
                acknowledged(&loaders),
                began.elapsed()
            );
        }
        let before = committed.lock().unwrap().clone();
        wait_for("a commit after the last kill", PATIENCE, || {
            (*committed.lock().unwrap() != before).then_some(())
        });
        drop(stopper);
    });
    for loader in &loaders {
        loader.producer.flush(PATIENCE).unwrap();
    }
    let consumed = consume(&bootstrap, TOPIC);
    check_log(&loaders, &consumed);
    check_commits(&bootstrap, &committed.into_inner().unwrap());
    engines::checks::assert_equal(&mut Engine::open(Kind::DuckDb, &broker), TOPIC, &consumed);
}

fn acknowledged(loaders: &[Loader]) -> usize {
    loaders.iter().map(|loader| loader.deliveries.acknowledged()).sum()
}

/// Ends the other threads also when a check fails, so that the failure is seen.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An idempotent producer that numbers its records and never gives up on one.
struct Loader {
    index: usize,
    producer: rdkafka::producer::ThreadedProducer<crate::records::Reporter>,
    deliveries: std::sync::Arc<Deliveries>,
    sent: Mutex<usize>,
}

impl Loader {
    fn new(index: usize, codec: &str, bootstrap: &str) -> Loader {
        let settings = [
            ("enable.idempotence", "true"),
            ("compression.type", codec),
            ("message.timeout.ms", "300000"),
            ("socket.timeout.ms", "10000"),
            ("retry.backoff.ms", "20"),
            ("reconnect.backoff.ms", "20"),
        ];
        let (producer, deliveries) = producer(bootstrap, &settings);
        Loader { index, producer, deliveries, sent: Mutex::new(0) }
    }

    fn run(&self, stop: &AtomicBool) {
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            send(&self.producer, TOPIC, number, &self.record(number));
            number += 1;
            if number % 5 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        *self.sent.lock().unwrap() = number;
    }

    /// The record of a number: the same again when it is checked.
    fn record(&self, number: usize) -> Record {
        let padding = "~".repeat(number * 37 % 200);
        let mut record = Record::text(&format!("{} {number} {padding}", self.index));
        record.key = Some(format!("loader-{}", self.index).into_bytes());
        record.on(i32::try_from(number).unwrap() % PARTITIONS)
    }
}

/// A group member that commits as it reads, across all kills. What it was told is committed goes
/// to `committed`; it must never be given a record below that again.
fn audit(bootstrap: &str, committed: &Mutex<BTreeMap<i32, i64>>, stop: &AtomicBool) {
    let settings = [
        ("group.id", GROUP),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "earliest"),
        ("session.timeout.ms", "6000"),
        ("reconnect.backoff.ms", "20"),
    ];
    let consumer: BaseConsumer = client(bootstrap, &settings).create().unwrap();
    consumer.subscribe(&[TOPIC]).unwrap();
    let mut read = 0;
    let mut positions: BTreeMap<i32, i64> = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        // Errors are those of a broker that is being restarted; the client recovers by itself.
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let (partition, offset) = (message.partition(), message.offset());
        let floor = committed.lock().unwrap().get(&partition).copied();
        assert!(
            floor.is_none_or(|floor| offset >= floor),
            "partition {partition} went back to {offset}, {floor:?} was committed"
        );
        positions.insert(partition, offset + 1);
        read += 1;
        if read % 100 == 0 {
            let mut list = TopicPartitionList::new();
            for (partition, next) in &positions {
                list.add_partition_offset(TOPIC, *partition, Offset::Offset(*next)).unwrap();
            }
            if consumer.commit(&list, CommitMode::Sync).is_ok() {
                committed.lock().unwrap().extend(positions.iter().map(|(p, next)| (*p, *next)));
            }
        }
    }
}

/// Every record that was sent is acknowledged by now: it is at the offset that was reported, with
/// its bytes, in its producer's order, once.
fn check_log(loaders: &[Loader], consumed: &[Found]) {
    let mut by_place = BTreeMap::new();
    for found in consumed {
        let before = by_place.insert((found.record.partition.unwrap(), found.offset), found);
        assert!(before.is_none(), "an offset came twice: {found:?}");
    }
    let mut sent = 0;
    for loader in loaders {
        let reports = loader.deliveries.reports();
        let numbers = *loader.sent.lock().unwrap();
        sent += numbers;
        assert_eq!(reports.len(), numbers, "loader {}: every record is reported", loader.index);
        let mut last_offset = BTreeMap::new();
        for (number, report) in reports {
            let what = format!("record {number} of loader {}", loader.index);
            let place = report.unwrap_or_else(|error| panic!("{what}: {error}"));
            let Some(found) = by_place.get(&place) else {
                panic!("{what} was acknowledged at {place:?} and is not there");
            };
            let record = loader.record(number);
            assert_eq!(found.record.value, record.value, "{what} at {place:?}");
            assert_eq!(found.record.key, record.key, "{what} at {place:?}");
            let last = last_offset.insert(place.0, place.1);
            assert!(last < Some(place.1), "{what}: {place:?} is not after {last:?}");
        }
    }
    // Every acknowledged one has a place of its own, so equal counts leave none for a duplicate.
    assert_eq!(consumed.len(), sent, "records in the log and records sent");
    println!("{sent} records, each there once");
}

/// The group's offsets are not behind what a commit was acknowledged for.
fn check_commits(bootstrap: &str, acknowledged: &BTreeMap<i32, i64>) {
    let consumer: BaseConsumer = client(bootstrap, &[("group.id", GROUP)]).create().unwrap();
    let mut wanted = TopicPartitionList::new();
    for partition in acknowledged.keys() {
        wanted.add_partition(TOPIC, *partition);
    }
    assert!(!acknowledged.is_empty(), "the group has committed something");
    let stored = consumer.committed_offsets(wanted, PATIENCE).unwrap();
    for (partition, next) in acknowledged {
        let found = stored.find_partition(TOPIC, *partition).unwrap().offset();
        assert!(
            matches!(found, Offset::Offset(found) if found >= *next),
            "partition {partition}: {next} was committed, {found:?} is stored"
        );
    }
}

/// The same in the gentle order: after SIGTERM nothing is lost either, and the counts say so.
#[test]
fn a_clean_stop_keeps_everything_and_a_restart_counts_topics() {
    let mut broker = Broker::start_strom(&[]);
    let records: Vec<Record> = (0..100).map(|number| Record::text(&format!("{number}"))).collect();
    for topic in ["one", "two", "three"] {
        produce(broker.bootstrap(), topic, &[], &records);
    }
    assert!(broker.log().contains("new"), "a first start says so:\n{}", broker.log());
    broker.stop();
    broker.start_again();
    let log = broker.log();
    assert!(log.contains("3 topics recovered"), "{log}");
    for topic in ["one", "two", "three"] {
        let values: Vec<_> = consume(broker.bootstrap(), topic);
        assert_eq!(values.len(), 100, "{topic}");
        assert!(values.iter().zip(&records).all(|(found, sent)| found.record.value == sent.value));
    }
}

/// A stop can take its time; whoever asks twice gets it at once, and loses nothing by it.
#[test]
fn a_second_signal_ends_the_broker_at_once_and_loses_nothing() {
    let mut broker = Broker::start_strom(&[]);
    let records: Vec<Record> = (0..100).map(|number| Record::text(&format!("{number}"))).collect();
    produce(broker.bootstrap(), "kept", &[], &records);
    // Both arrive while it can do nothing, so that it finds the second as it begins to stop.
    for signal in [Signal::STOP, Signal::INT, Signal::TERM, Signal::CONT] {
        broker.signal(signal);
    }
    let status = broker.wait_for_end();
    assert_eq!(status.code(), Some(130), "{}", broker.log());
    assert!(broker.log().contains("stopped at once on a second signal"), "{}", broker.log());
    broker.start_again();
    let found = consume(broker.bootstrap(), "kept");
    assert!(found.iter().map(|found| &found.record.value).eq(records.iter().map(|r| &r.value)));
    broker.stop();
}
