//! Tables in a bucket: read by every engine, through kills of the broker, and while the S3 server
//! is away, slow, wrong or not there at all.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteTopicsRequest};
use strom_integration_tests::broker::Broker;
use strom_integration_tests::s3::{BUCKET, Door, Manner, S3Server};
use strom_integration_tests::wait::wait_for;

use super::checks::{self, assert_equal, records};
use super::{BROKER_OPTIONS, Engine, Kind, expected_totals};
use crate::records::{consume, create_topic, delete_topic, produce, producer};
use crate::refusals::name;
use crate::wire::Wire;

const REQUEST_TIMED_OUT: i16 = 7;
/// Longer than the broker waits before it tries a bucket again.
const HEALING: Duration = Duration::from_secs(60);

/// A broker whose warehouse is in the bucket behind `endpoint`, and which gives engines keys to read.
fn broker_at(endpoint: &str, more: &[(&str, &str)]) -> Broker {
    let reader = [
        ("lake.vended.access-key-id", "reader"),
        ("lake.vended.secret-access-key", "reader-secret"),
    ];
    start(endpoint, &[&reader, more].concat())
}

/// A broker whose warehouse is in the bucket, and which gives engines its own keys: they may write.
pub fn writable_broker(server: &S3Server) -> Broker {
    start(&endpoint(server), &[("lake.vend-credentials", "own")])
}

fn start(endpoint: &str, more: &[(&str, &str)]) -> Broker {
    let warehouse = format!("s3://{BUCKET}/warehouse");
    let mut options = BROKER_OPTIONS.to_vec();
    options.extend([
        ("lake.warehouse", warehouse.as_str()),
        ("s3.endpoint", endpoint),
        ("s3.access-key-id", "broker"),
        ("s3.secret-access-key", "broker-secret"),
    ]);
    for (name, value) in more {
        options.retain(|(known, _)| known != name);
        options.push((name, value));
    }
    Broker::start_strom(&options)
}

fn endpoint(server: &S3Server) -> String {
    format!("http://{}", server.address())
}

/// Status, head and body of a GET, and how long it took.
fn get(address: &str, path: &str) -> (u16, String, String, Duration) {
    get_with("", address, path)
}

/// The same with further headers.
fn get_with(headers: &str, address: &str, path: &str) -> (u16, String, String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let headers = format!("Host: {address}\r\nConnection: close\r\n{headers}\r\n");
    write!(stream, "GET {path} HTTP/1.1\r\n{headers}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_string(), began.elapsed())
}

fn load(broker: &Broker, table: &str) -> (u16, String, String, Duration) {
    get(broker.http(), &format!("/iceberg/v1/namespaces/kafka/tables/{table}"))
}

/// A load is refused within a few seconds, with a reason that has `expected` in it.
fn assert_unavailable(broker: &Broker, table: &str, expected: &str) {
    let (status, head, body, took) = load(broker, table);
    assert_eq!(status, 503, "{body}");
    assert!(head.contains("retry-after:"), "{head}");
    assert!(body.contains(expected), "{expected}: {body}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}

fn metric(broker: &Broker, name: &str) -> f64 {
    let (_, _, body, _) = get(broker.http(), "/metrics");
    let line = body.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
    line.unwrap_or_else(|| panic!("no {name}")).rsplit(' ').next().unwrap().parse().unwrap()
}

fn contents(kind: Kind) {
    let server = S3Server::start();
    let broker = broker_at(&endpoint(&server), &[]);
    checks::contents_on(kind, &broker);
    let path = "/iceberg/v1/namespaces/kafka/tables/events";
    for (way, is_given) in [("vended-credentials", true), ("remote-signing", false)] {
        let header = format!("X-Iceberg-Access-Delegation: {way}\r\n");
        let (status, _, body, _) = get_with(&header, broker.http(), path);
        assert_eq!(status, 200, "{way}: {body}");
        let keys = "\"s3.access-key-id\":\"reader\"";
        assert_eq!(body.contains(keys), is_given, "{way}: {body}");
        assert_eq!(body.contains("reader-secret"), is_given, "{way}: {body}");
        assert!(!body.contains("broker-secret"), "the broker's own keys were given out");
    }
}

#[test]
fn duckdb_reads_a_bucket_with_the_keys_it_is_given() {
    contents(Kind::DuckDb);
}

#[test]
fn pyiceberg_reads_a_bucket_with_the_keys_it_is_given() {
    contents(Kind::Pyiceberg);
}

#[test]
fn trino_reads_a_bucket() {
    contents(Kind::Trino);
}

#[test]
fn kills_during_commits_neither_lose_nor_double_a_row_in_a_bucket() {
    let server = S3Server::start();
    let mut broker = broker_at(&endpoint(&server), &[]);
    create_topic(broker.bootstrap(), "killed", 3);
    let (producer, _deliveries) = producer(broker.bootstrap(), &[("compression.type", "lz4")]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| checks::produce_until(&stop, &producer, "killed", 5));
        let stopper = checks::StopOnDrop(&stop);
        for kill in 0..5 {
            wait_for("a table to kill", HEALING, || {
                (load(&broker, "killed").0 == 200).then_some(())
            });
            let address = broker.http().to_string();
            // Killed while a load is being served, which is while something is being committed.
            let loader = std::thread::spawn(move || {
                let Ok(mut stream) = TcpStream::connect(&address) else { return };
                let path = "/iceberg/v1/namespaces/kafka/tables/killed";
                let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
                let _ = stream.read(&mut [0; 100]);
            });
            std::thread::sleep(Duration::from_millis(5 + 13 * kill));
            broker.kill();
            loader.join().unwrap();
            broker.start_again();
        }
        drop(stopper);
    });
    use rdkafka::producer::Producer as _;
    producer.flush(Duration::from_secs(120)).unwrap();
    let consumed = consume(broker.bootstrap(), "killed");
    assert_equal(&mut Engine::open(Kind::DuckDb, &broker), "killed", &consumed);
    delete_topic(broker.bootstrap(), "killed");
    wait_for("the table to go", HEALING, || (load(&broker, "killed").0 == 404).then_some(()));
}

/// Away, stuck and slow: topics go on, tables wait and say why, and catch up afterwards.
#[test]
fn a_bucket_that_fails_makes_tables_wait_and_nothing_else() {
    let mut server = S3Server::start();
    let door = Door::to(server.address());
    let timeout = ("table.datalake.read-flush.timeout", "2s");
    let broker = broker_at(&door.endpoint(), &[timeout]);
    create_topic(broker.bootstrap(), "patient", 2);
    let mut written = 0;
    let mut write = |count: usize| {
        produce(broker.bootstrap(), "patient", &[], &records(2, written, count));
        written += count;
    };
    write(100);
    let loads = |what: &str| {
        wait_for(what, HEALING, || (load(&broker, "patient").0 == 200).then_some(()));
    };
    loads("the first commit");
    for manner in [Manner::Shut, Manner::Stuck, Manner::Slow(Duration::from_secs(3))] {
        door.set(manner);
        println!("the door is {manner:?}");
        write(50);
        assert_unavailable(&broker, "patient", "patient");
        write(50);
        assert_unavailable(&broker, "patient", "patient");
        door.set(Manner::Open);
        loads("a commit after the door opened");
        let consumed = consume(broker.bootstrap(), "patient");
        let mut engine = Engine::open(Kind::DuckDb, &broker);
        assert_eq!(engine.totals("patient"), expected_totals(&consumed), "{manner:?}");
    }

    // The server itself dies and comes back with what it had.
    server.stop();
    write(50);
    assert_unavailable(&broker, "patient", "patient");
    wait_for("the metric", HEALING, || {
        (metric(&broker, "strom_lake_tables{state=\"backing_off\"}") == 1.0).then_some(())
    });
    server.start_again();
    loads("a commit after the server came back");
    let consumed = consume(broker.bootstrap(), "patient");
    assert_eq!(consumed.len(), written);
    assert_equal(&mut Engine::open(Kind::DuckDb, &broker), "patient", &consumed);
    let log = broker.log();
    let lines = log.lines().filter(|line| line.contains("the bucket cannot be used")).count();
    assert!((1..=20).contains(&lines), "a few lines, not a flood: {lines}");
    assert!(log.contains("the bucket can be used again"));
}

#[test]
fn wrong_keys_and_wrong_buckets_are_named_and_stop_no_topic() {
    let server = S3Server::start();
    let endpoint = endpoint(&server);
    for (more, expected) in [
        (("s3.secret-access-key", "wrong"), "SignatureDoesNotMatch"),
        (("s3.access-key-id", "nobody"), "InvalidAccessKeyId"),
        (("lake.warehouse", "s3://missing/warehouse"), "NoSuchBucket"),
    ] {
        let broker = broker_at(&endpoint, &[more]);
        produce(broker.bootstrap(), "refused", &[], &records(1, 0, 10));
        assert_unavailable(&broker, "refused", expected);
        assert_eq!(consume(broker.bootstrap(), "refused").len(), 10);
        let log = broker.log();
        assert!(log.contains(expected), "the log does not name {expected}");
        assert!(!log.contains("broker-secret"), "a secret is in the log");
    }
}

#[test]
fn a_broker_starts_without_its_bucket_and_serves_the_table_once_it_is_there() {
    let server = S3Server::start();
    let door = Door::to(server.address());
    let mut broker = broker_at(&door.endpoint(), &[]);
    produce(broker.bootstrap(), "early", &[], &records(1, 0, 10));
    assert_eq!(load(&broker, "early").0, 200);
    broker.stop();
    door.set(Manner::Shut);
    broker.start_again();
    produce(broker.bootstrap(), "early", &[], &records(1, 10, 10));
    assert_unavailable(&broker, "early", "early");
    door.set(Manner::Open);
    wait_for("the table", HEALING, || (load(&broker, "early").0 == 200).then_some(()));
    let consumed = consume(broker.bootstrap(), "early");
    assert_eq!(consumed.len(), 20);
    assert_equal(&mut Engine::open(Kind::DuckDb, &broker), "early", &consumed);
}

/// What a table has not taken is not removed; all topics of a request wait together: one after the
/// other they would outlast the patience of `Wire`.
#[test]
fn records_that_a_stuck_bucket_has_not_taken_are_not_deleted() {
    const TABLES: usize = 8;
    const WAIT: Duration = Duration::from_secs(5);
    let server = S3Server::start();
    let door = Door::to(server.address());
    let broker = broker_at(&door.endpoint(), &[]);
    let tables: Vec<String> = (0..TABLES).map(|number| format!("held_{number}")).collect();
    for topic in &tables {
        produce(broker.bootstrap(), topic, &[], &records(1, 0, 10));
        assert_eq!(load(&broker, topic).0, 200);
    }
    door.set(Manner::Stuck);
    for topic in &tables {
        produce(broker.bootstrap(), topic, &[], &records(1, 10, 10));
    }
    let mut wire = Wire::open(broker.bootstrap());
    let mut delete = |offset: i64| -> Vec<(i16, i64)> {
        let partition =
            DeleteRecordsPartition::default().with_partition_index(0).with_offset(offset);
        let topic = |topic: &String| {
            DeleteRecordsTopic::default()
                .with_name(name(topic))
                .with_partitions(vec![partition.clone()])
        };
        let request = DeleteRecordsRequest::default()
            .with_timeout_ms(i32::try_from(WAIT.as_millis()).unwrap())
            .with_topics(tables.iter().map(topic).collect());
        let response = wire.call(2, &request);
        for (found, asked) in response.topics.iter().zip(&tables) {
            assert_eq!(found.name, name(asked));
        }
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|found| (found.error_code, found.low_watermark)).collect()
    };
    assert_eq!(delete(15), [(REQUEST_TIMED_OUT, -1); TABLES]);
    // What the tables have already may go.
    assert_eq!(delete(10), [(0, 10); TABLES]);
    for topic in &tables {
        let offsets: Vec<i64> =
            consume(broker.bootstrap(), topic).iter().map(|found| found.offset).collect();
        assert_eq!(offsets, (10..20).collect::<Vec<_>>(), "{topic}");
    }
    door.set(Manner::Open);
    wait_for("the tables to take what goes", HEALING, || {
        let answer = delete(15);
        let done = answer == [(0, 15); TABLES];
        // Each goes when its own table has it.
        let expected = [(REQUEST_TIMED_OUT, -1), (0, 15)];
        assert!(done || answer.iter().all(|one| expected.contains(one)), "{answer:?}");
        done.then_some(())
    });
    let consumed = consume(broker.bootstrap(), &tables[0]);
    assert_eq!((consumed.len(), consumed[0].offset), (5, 15));
    let mut engine = Engine::open(Kind::DuckDb, &broker);
    assert_eq!(engine.totals(&tables[0]).count, 20, "the table has what the topic had");
}

/// A table that is to outlive its topic takes what it lacks first: the topic stays until it can.
#[test]
fn a_topic_whose_table_is_kept_is_not_deleted_behind_a_stuck_bucket() {
    let server = S3Server::start();
    let door = Door::to(server.address());
    let keep = ("table.datalake.on-topic-delete", "keep");
    let broker = broker_at(&door.endpoint(), &[keep]);
    let topic = "outlived";
    produce(broker.bootstrap(), topic, &[], &records(1, 0, 10));
    assert_eq!(load(&broker, topic).0, 200);
    door.set(Manner::Stuck);
    produce(broker.bootstrap(), topic, &[], &records(1, 10, 10));
    let mut wire = Wire::open(broker.bootstrap());
    let request =
        DeleteTopicsRequest::default().with_timeout_ms(3_000).with_topic_names(vec![name(topic)]);
    let refused = wire.call(5, &request).responses.remove(0);
    assert_eq!(refused.error_code, REQUEST_TIMED_OUT, "{refused:?}");
    let said = refused.error_message.unwrap().to_string();
    assert!(said.contains("set table.datalake.on-topic-delete=purge"), "{said}");
    // It is a topic as before.
    produce(broker.bootstrap(), topic, &[], &records(1, 20, 5));
    let consumed = consume(broker.bootstrap(), topic);
    assert_eq!(consumed.len(), 25);

    door.set(Manner::Open);
    wait_for("the topic to go", HEALING, || {
        let answer = wire.call(5, &request).responses.remove(0);
        assert!([0, REQUEST_TIMED_OUT].contains(&answer.error_code), "{answer:?}");
        (answer.error_code == 0).then_some(())
    });
    let mut engine = Engine::open(Kind::DuckDb, &broker);
    let tables = engine.tables();
    assert!(tables.len() == 1 && tables[0].starts_with("outlived__"), "{tables:?}");
    assert_equal(&mut engine, &tables[0], &consumed);
}
