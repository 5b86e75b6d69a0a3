//! Bytes that no client sends: the connection that sent them ends with one log line that names it,
//! and every other connection is served as before.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};
use strom_integration_tests::broker::Broker;
use strom_integration_tests::strom::get;
use strom_integration_tests::wait::wait_for;

use crate::records::create_topic;
use crate::refusals::produce;
use crate::wire::{Wire, batch, field, forge, header, request_frame};

const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;

/// The log lines about one connection.
fn lines_about(broker: &Broker, wire: &Wire) -> Vec<String> {
    let peer = wire.local().to_string();
    let about = |line: &&str| {
        // The address ends at something that is no digit: 127.0.0.1:412 is not 127.0.0.1:4123.
        line.split_once(&peer)
            .is_some_and(|(_, rest)| !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    broker.log().lines().filter(about).map(str::to_string).collect()
}

/// The connection is closed, one line says why, and `bystander` and newcomers are served.
fn assert_ended(broker: &Broker, wire: &mut Wire, bystander: &mut Wire, what: &str) -> String {
    assert!(wire.is_closed(), "{what} was answered");
    let lines = wait_for(&format!("a log line about {what}"), Duration::from_secs(10), || {
        let lines = lines_about(broker, wire);
        (!lines.is_empty()).then_some(lines)
    });
    bystander.assert_serves(what);
    Wire::open(broker.bootstrap()).assert_serves(what);
    assert_eq!(lines_about(broker, wire).len(), 1, "{what}: {lines:?}");
    lines[0].clone()
}

#[test]
fn what_is_no_request_ends_its_connection_only() {
    let broker = Broker::start_strom(&[]);
    let mut bystander = Wire::open(broker.bootstrap());
    bystander.assert_serves("nothing");
    let mut random = StdRng::seed_from_u64(4);
    let noise: Vec<u8> = (0..4096).map(|_| random.random()).collect();
    let framed = |frame: &[u8]| {
        let mut bytes = u32::try_from(frame.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(frame);
        bytes
    };
    let with_body = |key: i16, version: i16, body: &[u8]| {
        framed(&[header(key, version, 1).as_ref(), body].concat())
    };
    let full = request_frame(METADATA, 9, 1, &MetadataRequest::default());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("noise in a frame", framed(&noise)),
        ("noise without a frame", [&[0xFF][..], &noise].concat()),
        ("a negative size", (-1_i32).to_be_bytes().to_vec()),
        ("the greatest size", i32::MAX.to_be_bytes().to_vec()),
        ("a size above socket.request.max.bytes", 104_857_601_i32.to_be_bytes().to_vec()),
        ("an empty frame", framed(&[])),
        ("a frame that ends in the header", framed(&full[..7])),
        ("a frame that ends in the body", framed(&full[..full.len() - 2])),
        ("an unknown API", with_body(9999, 0, &[0; 8])),
        ("a negative API key", with_body(-3, 0, &[0; 8])),
        ("an API of other brokers", with_body(4, 7, &[0; 8])),
        ("an unknown version of Metadata", with_body(METADATA, 99, &[0; 8])),
        ("a negative version of Metadata", with_body(METADATA, -1, &[0; 8])),
        // These lengths make a codec that trusts them allocate until it is killed.
        (
            "Metadata of two thousand million topics",
            with_body(METADATA, 1, &[0x7F, 0xFF, 0xFF, 0xFF, 0]),
        ),
        (
            "Metadata of many topics, compact",
            with_body(METADATA, 9, &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
        ),
        ("a negative count of topics", with_body(METADATA, 1, &[0xFF, 0xFF, 0xFF, 0xFE, 0])),
        ("an endless varint", with_body(METADATA, 9, &[0xFF; 12])),
        (
            "tagged fields without end",
            with_body(METADATA, 9, &[0, 1, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
        ),
    ];
    for (what, bytes) in cases {
        let mut wire = Wire::open(broker.bootstrap());
        wire.write(&bytes);
        assert_ended(&broker, &mut wire, &mut bystander, what);
    }
}

/// Requests and their answers keep working on the connection up to the broken one.
#[test]
fn requests_before_the_broken_one_are_answered() {
    let broker = Broker::start_strom(&[]);
    let mut bystander = Wire::open(broker.bootstrap());
    let mut wire = Wire::open(broker.bootstrap());
    for correlation in 0..50 {
        let request = ApiVersionsRequest::default();
        wire.write_frame(&request_frame(API_VERSIONS, 0, correlation, &request));
    }
    wire.write(&(-1_i32).to_be_bytes());
    for correlation in 0..50_i32 {
        let answer = wire.answer().expect("an answer");
        assert_eq!(answer[..4], correlation.to_be_bytes(), "answers come in the order of requests");
    }
    assert_ended(&broker, &mut wire, &mut bystander, "a negative size after fifty requests");
}

#[test]
fn a_connection_that_ends_inside_a_frame_says_so() {
    let broker = Broker::start_strom(&[]);
    let mut bystander = Wire::open(broker.bootstrap());
    for (what, bytes) in [
        ("two bytes of a size", &[0, 0][..]),
        ("three bytes of a frame of ten", &[0, 0, 0, 10, 1, 2, 3][..]),
    ] {
        let mut wire = Wire::open(broker.bootstrap());
        wire.write(bytes);
        wire.finish();
        assert_ended(&broker, &mut wire, &mut bystander, what);
    }
}

#[test]
fn tls_and_http_on_the_kafka_port_are_named() {
    let broker = Broker::start_strom(&[]);
    let mut bystander = Wire::open(broker.bootstrap());
    let hello = [&[0x16, 0x03, 0x01, 0x01, 0x00, 0x01][..], &[0; 250]].concat();
    for (bytes, word) in [
        (hello.as_slice(), "TLS"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".as_slice(), "HTTP"),
        (b"POST /topics/x HTTP/1.1\r\nContent-Length: 0\r\n\r\n".as_slice(), "HTTP"),
    ] {
        let mut wire = Wire::open(broker.bootstrap());
        wire.write(bytes);
        let line = assert_ended(&broker, &mut wire, &mut bystander, word);
        assert!(line.contains(word), "{line}");
    }
}

#[test]
fn noise_on_the_http_port_disturbs_nobody() {
    let broker = Broker::start_strom(&[]);
    let mut bystander = Wire::open(broker.bootstrap());
    for bytes in [&[0, 0, 0, 20, 0, 18, 0, 3][..], &[0x16, 3, 1, 1, 0], &[0xFF; 100_000]] {
        let mut wire = Wire::open(broker.http());
        wire.write(bytes);
        wire.finish();
        bystander.assert_serves("noise on the HTTP port");
    }
    let (status, body) = get(broker.http(), "/health/ready").unwrap();
    assert_eq!(status, 200, "{body}");
}

#[test]
fn faulty_batches_leave_a_log_line_that_names_the_topic() {
    let broker = Broker::start_strom(&[]);
    create_topic(broker.bootstrap(), "sound", 1);
    let mut bystander = Wire::open(broker.bootstrap());
    let good = batch(&[b"value"]);
    let mut wrong_crc = good.clone();
    wrong_crc[field::RECORDS] ^= 1;
    let mut wrong_magic = good.clone();
    forge(&mut wrong_magic, field::MAGIC, &[1]);
    for (what, records) in [("a wrong CRC", wrong_crc), ("magic 1", wrong_magic)] {
        let mut wire = Wire::open(broker.bootstrap());
        let response = wire.call(9, &produce("sound", 0, -1, &records));
        let partition = &response.responses[0].partition_responses[0];
        assert_ne!(partition.error_code, 0, "{what}");
        assert!(partition.error_message.is_some(), "{what} has no message");
        let lines = wait_for(&format!("a log line about {what}"), Duration::from_secs(10), || {
            let log = broker.log();
            let lines: Vec<String> = log
                .lines()
                .filter(|line| line.contains("refus") && line.contains("sound"))
                .map(str::to_string)
                .collect();
            (!lines.is_empty()).then_some(lines)
        });
        println!("{what}: {lines:?}");
        wire.assert_serves(what);
        bystander.assert_serves(what);
    }
}

/// With acks=0 there is no answer: an error can only close the connection.
#[test]
fn a_refused_produce_without_acks_closes_its_connection() {
    let broker = Broker::start_strom(&[]);
    create_topic(broker.bootstrap(), "quiet", 1);
    let mut bystander = Wire::open(broker.bootstrap());
    let mut wire = Wire::open(broker.bootstrap());
    wire.write_frame(&request_frame(0, 9, 1, &produce("quiet", 0, 0, &batch(&[b"value"]))));
    wire.assert_serves("a produce without acks");
    wire.write_frame(&request_frame(0, 9, 2, &produce("absent", 0, 0, &batch(&[b"value"]))));
    assert!(wire.is_closed());
    bystander.assert_serves("a refused produce without acks");
}

#[test]
fn idle_connections_are_closed_and_busy_ones_stay() {
    let broker = Broker::start_strom(&[("connections.max.idle.ms", "1500")]);
    let mut busy = Wire::open(broker.bootstrap());
    let mut idle = Wire::open(broker.bootstrap());
    let mut silent = Wire::open(broker.bootstrap());
    idle.assert_serves("nothing");
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(300));
        busy.assert_serves("300 ms of silence");
    }
    assert!(idle.is_closed());
    assert!(silent.is_closed());
    busy.assert_serves("the end of the idle ones");
}

#[test]
fn connections_beyond_the_limit_are_refused_and_places_come_back() {
    let broker = Broker::start_strom(&[("max.connections", "10")]);
    let mut held: Vec<Wire> = Vec::new();
    // The harness's own probe may still be on its way out.
    wait_for("ten connections to be served", Duration::from_secs(10), || {
        held.clear();
        held.extend((0..10).map(|_| Wire::open(broker.bootstrap())));
        held.iter_mut().all(serves).then_some(())
    });
    for _ in 0..5 {
        let mut extra = Wire::open(broker.bootstrap());
        assert!(!serves(&mut extra), "an eleventh connection was served");
    }
    // One line a second says so, however many are refused.
    wait_for("a log line about the limit", Duration::from_secs(10), || {
        broker.log().contains("max.connections reached").then_some(())
    });
    for wire in &mut held {
        wire.assert_serves("refused connections");
    }
    held.pop();
    wait_for("a free place", Duration::from_secs(10), || {
        serves(&mut Wire::open(broker.bootstrap())).then_some(())
    });
}

fn serves(wire: &mut Wire) -> bool {
    wire.write_frame(&request_frame(API_VERSIONS, 0, 1, &ApiVersionsRequest::default()));
    wire.answer().is_some()
}

/// Whoever begins frames and never ends them holds neither the memory nor the threads of others.
#[test]
fn unfinished_frames_starve_nobody() {
    let broker = Broker::start_strom(&[]);
    create_topic(broker.bootstrap(), "alive", 1);
    let mut bystander = Wire::open(broker.bootstrap());
    let large = batch(&[&vec![b'x'; 500_000]]);
    let mut held = Vec::new();
    for (what, count, size) in [
        ("sizes without frames", 200, 0),
        ("small frames", 700, 16_000),
        ("frames of the greatest size", 20, 104_857_600),
    ] {
        for index in 0..count {
            let mut wire = Wire::open(broker.bootstrap());
            match size {
                0 => wire.write(&[0, 0]),
                _ => wire.write(&[&i32::to_be_bytes(size)[..], &[0, 3, 0]].concat()),
            }
            held.push(wire);
            // A few at a time, as the broker must have read them for the test to mean anything.
            if index % 50 == 49 {
                bystander.assert_serves(what);
            }
        }
        bystander.assert_serves(what);
        let answer = bystander.call(9, &produce("alive", 0, -1, &large));
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "after {what}");
        Wire::open(broker.bootstrap()).assert_serves(what);
    }
}

/// One byte at a time is slow, not wrong.
#[test]
fn a_request_that_trickles_in_is_answered() {
    let broker = Broker::start_strom(&[]);
    let mut wire = Wire::open(broker.bootstrap());
    let frame: Bytes = request_frame(API_VERSIONS, 0, 9, &ApiVersionsRequest::default());
    let size = u32::try_from(frame.len()).unwrap().to_be_bytes();
    for byte in size.iter().chain(frame.iter()) {
        wire.write(&[*byte]);
        std::thread::sleep(Duration::from_millis(3));
    }
    assert!(wire.answer().is_some());
}

/// Transactions are not served, and a producer that wants them must hear so instead of waiting.
#[test]
fn a_transactional_producer_fails_at_once_and_for_good() {
    let broker = Broker::start_strom(&[]);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("transactional.id", "wants-transactions")
        .create()
        .unwrap();
    match producer.init_transactions(Duration::from_secs(60)) {
        Err(KafkaError::Transaction(error)) => {
            assert!(error.is_fatal(), "{error}");
            assert_eq!(error.code(), RDKafkaErrorCode::TransactionalIdAuthorizationFailed);
        }
        other => panic!("{other:?}"),
    }
    assert!(broker.log().contains("transactions are not served"), "{}", broker.log());
}
